"""A sweep: which settings are tried, on which rows they are compared, and which of them are best.

`sweep.yaml` says what is tried; here it is read and turned into trials. A trial is trained by the asset `sweep_trial`,
one after the other by `console.sweeps`. Nothing is trained here.

Grid and sample are scikit-learn's (`ParameterGrid`, `ParameterSampler`), which the platform has anyway. Optuna's grid
and random samplers do the same within studies of their own, with a database beside MLflow's: worth it for samplers that
learn from earlier trials, which are not offered here.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from rapidfuzz import process

from twin_assets.documents import InstructRow, PreferenceRow, content_hash
from twin_assets.errors import UserError
from twin_assets.training.hyperparameters import HYPERPARAMETERS

Row = InstructRow | PreferenceRow
Value = bool | int | float | str
Trial = dict[str, Value]
"""The settings that one trial changes, by name."""

SWEEPS = "sweeps"
"""Folder among the artifacts where trials keep, for each author, their rows, results, and checkpoints on the way."""

METRICS: Final[dict[str, Literal["lowest", "highest"]]] = {
    "eval_loss": "lowest",
    "reward_accuracy": "highest",
    "reward_margin": "highest",
}
"""What trials can be compared by, and which end of it is best."""

DEFAULT_METRIC: Final = {"sft": "eval_loss", "dpo": "reward_accuracy"}

SHAPES_THE_LOSS = frozenset({"beta", "sft_weight", "loss"})
"""Settings of preference optimisation with which the loss itself is another: losses then cannot be compared."""

NOT_TRIED = {
    "early_stopping_patience": "trials train to the end, because they are compared on the rows that would stop one",
    "max_length": "it decides on which tokens of the rows trials are compared",
    "max_eval_rows": "it decides on which rows trials are compared",
}
"""Settings that trials cannot differ in, and why."""

SET_ASIDE = 0.15
"""Share of the training documents that trials are compared on where the author has no validation side."""

DIGITS = 4
"""Significant digits of a number that is drawn: more would only make the author file hard to read."""


class Range(BaseModel):
    """Numbers that a random sweep draws from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: int | float = Field(description="Smallest value")
    high: int | float = Field(description="Largest value")
    log: bool = Field(default=False, description="Draw evenly by order of magnitude, as learning rates want it")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"low ({self.low}) must be above 0 where log is true")
        return self


def _form(values: Any) -> str:
    return "range" if isinstance(values, Mapping | Range) else "list"


Values = Annotated[Annotated[list[Value], Tag("list")] | Annotated[Range, Tag("range")], Discriminator(_form)]
"""The values that are tried of one setting."""


class Sweep(BaseModel):
    """What `sweep.yaml` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: Literal["sft", "dpo"] = Field(description="Which training is tried")
    method: Literal["grid", "random"] = Field(description="Every combination, or a sample")
    runs: int | None = Field(default=None, ge=1, description="Trials of a random sweep")
    seed: int = Field(default=0, ge=0, description="Seed of what is drawn")
    metric: str = Field(default="", validate_default=True, description="What trials are compared by")
    parameters: dict[str, Values] = Field(min_length=1, description="What is tried, by setting")

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str, info: Any) -> str:
        metric = metric or DEFAULT_METRIC.get(info.data.get("stage", "sft"), "eval_loss")
        if metric not in METRICS:
            raise ValueError(f"{metric!r} is not one of {', '.join(METRICS)}")
        return metric

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        known = HYPERPARAMETERS[self.stage].model_fields
        for name, values in self.parameters.items():
            if name not in known:
                nearest = process.extractOne(name, list(known), score_cutoff=60)
                hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known)}"
                raise ValueError(f"{self.stage} has no setting {name!r}: {hint}")
            if name in NOT_TRIED:
                raise ValueError(f"{name} cannot be tried: {NOT_TRIED[name]}")
            if isinstance(values, list) and not values:
                raise ValueError(f"{name} lists no value")
            if isinstance(values, Range) and self.method == "grid":
                raise ValueError(f"{name} is a range, of which a grid has no end: list its values, or sweep at random")
        if self.method == "random" and self.runs is None:
            raise ValueError("a random sweep needs runs, the number of its trials")
        if self.method == "grid" and self.runs is not None:
            raise ValueError("a grid has as many runs as combinations: leave runs out, or sweep at random")
        if self.stage == "sft" and self.metric != "eval_loss":
            raise ValueError(f"sft has no {self.metric}: compare by eval_loss")
        if self.metric == "eval_loss" and (changed := SHAPES_THE_LOSS & self.parameters.keys()):
            raise ValueError(f"{min(changed)} changes what the loss is: compare by reward_accuracy or reward_margin")
        return self

    @property
    def id(self) -> str:
        """Eight digits of the hash of what is tried: the same file is the same sweep, and goes on where it stopped."""
        return content_hash(self.model_dump(mode="json"))[:8]

    @property
    def size(self) -> int:
        """How many trials it has, at most."""
        if self.runs is not None:
            return self.runs
        size = 1
        for values in self.parameters.values():
            size *= len(values) if isinstance(values, list) else 1
        return size

    def trials(self) -> list[Trial]:
        """Return the trials, each once, in an order that depends on the sweep alone.

        Raises:
            UserError: If the training does not take a value; the setting is named.
        """
        from sklearn.model_selection import ParameterGrid, ParameterSampler

        space = {name: _distribution(values) for name, values in self.parameters.items()}
        # A sample from lists alone is drawn without repetition, and cannot be longer than their grid.
        listed = all(isinstance(values, list) for values in self.parameters.values())
        runs = min(self.runs or 0, len(ParameterGrid(space))) if listed else self.runs
        drawn = ParameterGrid(space) if self.method == "grid" else ParameterSampler(space, runs, random_state=self.seed)
        trials = [self._trial({name: _plain(one[name]) for name in self.parameters}) for one in drawn]
        return [trial for place, trial in enumerate(trials) if trial not in trials[:place]]

    def _trial(self, drawn: Trial) -> Trial:
        """Return a trial with its values as the training reads them: YAML takes 1e-4, without a point, for a text."""
        try:
            settings = HYPERPARAMETERS[self.stage].model_validate(drawn)
        except ValidationError as error:
            raise UserError(
                f"The sweep tries a value that {self.stage} does not take: {_first_fault(error)}."
            ) from error
        return {name: getattr(settings, name) for name in drawn}


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file.

    Raises:
        UserError: If it cannot be read, is not YAML, or does not say what a sweep is; the first fault is named.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: give the path of a sweep file ({error}).") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{where}: not valid YAML: {getattr(error, 'problem', error)}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: a sweep file holds the keys stage, method and parameters.")
    try:
        return Sweep.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {_first_fault(error)}.") from error


def settings_of(stage: Literal["sft", "dpo"], own: Mapping[str, Value], trial: Mapping[str, Value]) -> dict[str, Value]:
    """Return the settings of a trial: the author's own, changed by the trial; the defaults fill up what is left.

    Raises:
        UserError: If a value is out of its range; the setting is named.
    """
    settings = {**own, **trial}
    try:
        HYPERPARAMETERS[stage].model_validate(settings)
    except ValidationError as error:
        raise UserError(f"The settings of {stage} are not usable: {_first_fault(error)}.") from error
    return settings


def rows_to_compare_on(rows: Sequence[Row], *, seed: int) -> tuple[list[Row], list[Row]]:
    """Divide a dataset for trials: what they are trained on, and what they are compared on.

    They are compared on the validation side. An author without one has some documents of the training side set aside,
    whole, because two rows of one document resemble each other. The test side has no part in either: settings chosen
    by it would make its figures look better than the model is.

    Args:
        rows: The author's dataset, all sides.
        seed: Decides which documents are set aside.

    Returns:
        Rows of the training side, and rows to compare on, as the two sides that a payload reads: train and test.

    Raises:
        UserError: If there is nothing to compare on, or nothing left to train on.
    """
    train = [row for row in rows if row.split == "train"]
    compared = [row for row in rows if row.split == "validation"]
    if not compared:
        documents = sorted({row.document_id for row in train if row.document_id}, key=lambda one: _draw(seed, one))
        aside = set(documents[: max(1, round(SET_ASIDE * len(documents)))]) if len(documents) > 1 else set()
        compared = [row for row in train if row.document_id in aside]
        train = [row for row in train if row.document_id not in aside]
    if not train or not compared:
        raise UserError("Trials cannot be compared: the training side has rows of one document only; add writings.")
    return train, [row.model_copy(update={"split": "test"}) for row in compared]


def best_first(results: Sequence[tuple[Trial, float]], metric: str) -> list[tuple[Trial, float]]:
    """Return trials and their figures in order, the best one first; of equal ones the earlier."""
    sign = 1 if METRICS[metric] == "lowest" else -1
    return sorted(results, key=lambda result: sign * result[1])


def _distribution(values: list[Value] | Range) -> Any:
    if isinstance(values, list):
        return values
    from scipy.stats import loguniform, randint, uniform  # type: ignore[import-untyped]

    if isinstance(values.low, int) and isinstance(values.high, int) and not values.log:
        return randint(values.low, values.high + 1)
    return loguniform(values.low, values.high) if values.log else uniform(values.low, values.high - values.low)


def _plain(value: Any) -> Value:
    """Return what was drawn as a value that YAML and JSON know, a fraction rounded."""
    value = value.item() if hasattr(value, "item") else value
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _draw(seed: int, document_id: str) -> str:
    return hashlib.sha256(f"sweep:{seed}:{document_id}".encode()).hexdigest()


def _first_fault(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"] if part not in {"list", "range"})
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
