"""The training spec: everything a payload needs to know to train one checkpoint, as one JSON file.

The assets write it, whatever launches the payload carries it, and the payload reads it. Its hash tells whether a
checkpoint already answers a spec. Neither Dagster nor torch is imported here.
"""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from twin_assets.documents import content_hash
from twin_assets.errors import UserError
from twin_assets.training.chat_template import CHATML, ChatTemplateName
from twin_assets.training.compute import Compute, Saving
from twin_assets.training.hyperparameters import HYPERPARAMETERS, FineTuning, Hyperparameters

Stage = Literal["pretrain", "sft", "dpo"]

WHERE_AND_HOW = frozenset(
    {"output_uri", "dataset_uri", "dataset_hashes", "base_model", "tracking", "saving", "chat_template"}
)
"""The fields that do not decide the result: places, names and bookkeeping. The versions beside them do."""


class TrainingError(UserError):
    """A doubt that ends a training run: one sentence that says what is wrong and what to do."""


class TrackingRun(BaseModel):
    """The MLflow run that the payload logs its metrics to; it was started, and will be ended, by the launcher."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(min_length=1, repr=False, description="Tracking URI of the MLflow server or database")
    run_id: str = Field(min_length=1, description="Id of a run that exists there")


class TrainingSpec(BaseModel):
    """One training run: what is trained from what, with which settings, and where the result goes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: Stage = Field(description="pretrain (the offline base model), sft or dpo")
    author: str | None = Field(default=None, description="Slug of the author; none for the base model of all authors")
    base_model: str | None = Field(default=None, description="Folder or hub id of the model to start from")
    base_model_version: str | None = Field(default=None, description="Version of base_model: identifies its weights")
    base_model_revision: str | None = Field(default=None, description="Revision of base_model, if it is a hub id")
    dataset_uri: str = Field(min_length=1, description="Folder with train.parquet and, to be evaluated, test.parquet")
    dataset_version: str = Field(min_length=1, description="Data version of the dataset")
    dataset_hashes: dict[str, str] | None = Field(
        default=None, description="SHA-256 of each file of the dataset at the launch; if set, no other is trained on"
    )
    output_uri: str = Field(min_length=1, description="Folder of the checkpoint; replaced as a whole, or not at all")
    hyperparameters: Hyperparameters = Field(description="Settings of the stage")
    compute: Compute = Field(default=Compute(), description="Processes that train together")
    saving: Saving = Field(default=Saving(), description="How often the run is saved on its way")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of initialisation, shuffling and dropout")
    chat_template: ChatTemplateName = Field(default=CHATML, description="Name of the chat template")
    chat_template_hash: str = Field(description="SHA-256 of the chat template that the dataset and the server use")
    code_version: str = Field(description="Version of the payload's code")
    tracking: TrackingRun | None = Field(default=None, description="MLflow run to log to, if any")

    @field_validator("hyperparameters", mode="before")
    @classmethod
    def _of_the_stage(cls, value: Any, info: ValidationInfo) -> Any:
        """Read a mapping as the stage's own settings: the three classes share field names, a guess would be wrong."""
        stage = info.data.get("stage")
        if stage is None:  # The stage itself was refused; pydantic reports that.
            return value
        if isinstance(value, dict):
            return HYPERPARAMETERS[stage].model_validate(value)
        if not isinstance(value, HYPERPARAMETERS[stage]):
            raise ValueError(  # noqa: TRY004 - pydantic turns a ValueError, and nothing else, into a report
                f"{type(value).__name__} does not fit stage {stage}: give {HYPERPARAMETERS[stage].__name__}"
            )
        return value

    @model_validator(mode="after")
    def _starts_from_something(self) -> Self:
        if self.stage == "pretrain" and self.base_model is not None:
            raise ValueError("base_model is set, but pretrain starts from nothing: leave it out")
        if self.stage != "pretrain" and (self.base_model is None or self.base_model_version is None):
            raise ValueError(f"{self.stage} starts from a model: give base_model and base_model_version")
        adapted = isinstance(self.hyperparameters, FineTuning) and self.hyperparameters.has_adapter
        if self.compute.zero_stage == 3 and not adapted:
            raise ValueError("zero_stage 3 divides every weight, and only an adapter is brought together again: take 2")
        return self

    @property
    def spec_hash(self) -> str:
        """SHA-256 of everything that decides the result; moving the dataset or the output does not change it.

        One process is what specs meant before they could say so: it leaves no trace in the hash.
        """
        alone = {"compute"} if self.compute == Compute() else set()
        return content_hash(self.model_dump(mode="json", exclude={*WHERE_AND_HOW, *alone}))

    def write(self, path: Path) -> None:
        """Write the spec as JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "TrainingSpec":
        """Read a spec that `write` wrote.

        Raises:
            TrainingError: If the file is missing, is not JSON, or is not a spec; the first fault is named.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TrainingError(f"{path} cannot be read: give the path of a training spec ({error}).") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, source: str) -> "TrainingSpec":
        """Read a spec from JSON that was found at `source`.

        Raises:
            TrainingError: If it is not JSON, or is not a spec; the first fault is named.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise TrainingError(f"{source} is not a training spec: {_first_fault(error)}.") from error


def _first_fault(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    first = faults[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{where}: {first['msg'].removeprefix('Value error, ')}{more}"
