"""Run configuration of the training assets: the payload's hyperparameters, as the launchpad of the UI offers them.

The fields are those of `hyperparameters.py`, with their descriptions; they are not written a second time. For
fine-tuning each of them may be left empty: what it is then, `defaults.py` decides from the author file and the size of
the model.
"""

from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo

from twin_assets.training.hyperparameters import DPOHyperparameters, PretrainHyperparameters, SFTHyperparameters

Kind = TypeVar("Kind", bound=BaseModel)


class TrainingConfig(dg.Config):
    """What every training asset can be told."""

    force: bool = Field(default=False, description="Train again even if the checkpoint answers the same spec already")


class PretrainConfig(TrainingConfig, PretrainHyperparameters):
    """How the offline base model is trained."""


def _left_open(kind: type[BaseModel]) -> Any:
    """Return the fields of `kind` as a configuration in which each of them may be left empty.

    Dagster knows no optional choice, so a choice becomes a text; `kind` refuses a wrong one. Ranges are checked there,
    too.
    """
    fields: dict[str, Any] = {name: _optional(field) for name, field in kind.model_fields.items()}
    return create_model(f"_{kind.__name__}", __base__=TrainingConfig, **fields)


def _optional(field: FieldInfo) -> tuple[Any, Any]:
    is_choice = get_origin(field.annotation) is Literal
    choices = f" (one of {', '.join(get_args(field.annotation))})" if is_choice else ""
    description = f"{field.description}{choices}. Empty: as the author file says, else by the size of the model"
    return (str if is_choice else field.annotation) | NoneType, Field(default=None, description=description)


_SFT = _left_open(SFTHyperparameters)
_DPO = _left_open(DPOHyperparameters)


class SFTConfig(_SFT):  # type: ignore[misc, valid-type]
    """How supervised fine-tuning is done; what is left empty follows the author file, then the size of the model."""


class DPOConfig(_DPO):  # type: ignore[misc, valid-type]
    """How preference optimisation is done; what is left empty follows the author file, then the size of the model."""


def hyperparameters_of(config: TrainingConfig, kind: type[Kind]) -> Kind:
    """Return the hyperparameters that a run configuration holds, as the spec wants them.

    Raises:
        pydantic.ValidationError: If a value is out of its range.
    """
    return kind.model_validate(set_in(config, kind))


def set_in(config: TrainingConfig, kind: type[BaseModel]) -> dict[str, Any]:
    """Return the settings of a stage that a run configuration sets; what it leaves empty is left out."""
    return {
        name: value for name, value in config.model_dump(include=set(kind.model_fields)).items() if value is not None
    }
