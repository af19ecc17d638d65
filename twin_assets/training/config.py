"""Run configuration of the training assets: the payload's hyperparameters, as the launchpad of the UI offers them.

The fields are those of `hyperparameters.py`, with their descriptions and defaults; they are not written a second time.
"""

from typing import TypeVar

import dagster as dg
from pydantic import BaseModel, Field

from twin_assets.training.hyperparameters import DPOHyperparameters, PretrainHyperparameters, SFTHyperparameters

Kind = TypeVar("Kind", bound=BaseModel)


class TrainingConfig(dg.Config):
    """What every training asset can be told."""

    force: bool = Field(default=False, description="Train again even if the checkpoint answers the same spec already")


class PretrainConfig(TrainingConfig, PretrainHyperparameters):
    """How the offline base model is trained."""


class SFTConfig(TrainingConfig, SFTHyperparameters):
    """How supervised fine-tuning is done."""


class DPOConfig(TrainingConfig, DPOHyperparameters):
    """How preference optimisation is done."""


def hyperparameters_of(config: TrainingConfig, kind: type[Kind]) -> Kind:
    """Return the hyperparameters that a run configuration holds, as the spec wants them.

    Raises:
        pydantic.ValidationError: If a value is out of its range.
    """
    return kind.model_validate(config.model_dump(include=set(kind.model_fields)))
