"""The trainer: where a training payload runs, behind one resource.

`contract` says what a trainer is; `local`, `sagemaker` and `ecs` are the three there are, and `choosing` takes the one
that the settings name. The last two are `remote`: they need the extra `aws`, and are imported only if they are chosen.
Whatever the machine, the payload and its spec are the same, its progress and log reach the run, and a checkpoint that
already answers the spec is never trained again. What is trained is not this package's business.
"""

from resources.trainer.choosing import trainer_from_settings
from resources.trainer.contract import Trainer, TrainingOutcome
from resources.trainer.local import LocalTrainer

__all__ = ["LocalTrainer", "Trainer", "TrainingOutcome", "trainer_from_settings"]
