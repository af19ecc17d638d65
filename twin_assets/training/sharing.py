"""Which share of a step each GPU trains: the settings say how many rows a step reads, and several GPUs share them.

So the same settings learn the same on one GPU and on four, and take a quarter of the time there. What starts the
processes lives in the payload.
"""

from twin_assets.training.compute import Compute
from twin_assets.training.hyperparameters import DPOHyperparameters, Hyperparameters, PretrainHyperparameters
from twin_assets.training.spec import TrainingSpec


def shared(spec: TrainingSpec, gpus: int) -> TrainingSpec:
    """Return a spec with one process for each of the GPUs of a machine, its settings as `share` says."""
    settings, compute = share(spec.hyperparameters, gpus)
    return spec.model_copy(update={"hyperparameters": settings, "compute": compute})


def share(settings: Hyperparameters, gpus: int) -> tuple[Hyperparameters, Compute]:
    """Return the settings of each process, and the processes: as many as the rows of a step can be divided among.

    The accumulation is divided before the batch. That of KTO is not, because its divergence is estimated within a
    forward pass. The small model of `pretrain` is trained by one process.

    Args:
        settings: The settings of a stage, for one process.
        gpus: GPUs of the machine; none for a CPU.
    """
    if isinstance(settings, PretrainHyperparameters):
        return settings, Compute()
    rows = settings.batch_size * settings.gradient_accumulation
    whole_batch = isinstance(settings, DPOHyperparameters) and settings.loss == "kto"
    for processes in range(gpus, 1, -1):
        each, left = divmod(rows, processes)
        batch = next((size for size in range(settings.batch_size, 0, -1) if each % size == 0), 0)
        if not left and each and (batch == settings.batch_size or not whole_batch):
            update = {"batch_size": batch, "gradient_accumulation": each // batch}
            return settings.model_copy(update=update), Compute(processes_per_node=processes)
    return settings, Compute()


def together(settings: Hyperparameters, compute: Compute) -> Hyperparameters:
    """Return settings for one process under which a step reads the rows that all processes read: undoes `share`."""
    if isinstance(settings, PretrainHyperparameters):
        return settings
    return settings.model_copy(update={"gradient_accumulation": settings.gradient_accumulation * compute.processes})
