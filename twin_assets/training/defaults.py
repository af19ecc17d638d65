"""Which settings a fine-tuning runs with: what a run, an author and the size of the model say, in this order.

The defaults by size are the field's, each with its source. What can be set, and in which range, stands in
`hyperparameters.py`; who reads the author file and the run configuration are the assets.

Sources, by the name they are cited with below:

- *Handbook*: Iusztin and Labonne 2024, LLM Engineer's Handbook, chapter 5 (SFT of an 8 B model: rank and alpha 32, no
  dropout, all linear layers, 3e-4, linear, 3 epochs, 2 x 8 rows, 2,048 tokens, packed; warm-up of 5 %; 5 to 10 epochs
  for small models) and chapter 6 (DPO of it: 2e-6, linear, 1 epoch, beta 0.5, because 0.1 gave formal language, 10
  steps of warm-up out of 87).
- *LoRA Without Regret*: Schulman et al. 2025. Adapters on all linear layers; the best rate of LoRA is about ten times
  that of full fine-tuning and follows 5e-5 x 10 x (2000 / hidden size) ^ p, p from 0.08 (Qwen) to 0.78 (Llama): 2.8e-4
  for Llama 8 B, 4.8e-4 for Llama 1 B, about 5e-4 for any Qwen.
- *QLoRA*: Dettmers et al. 2023, appendix B: rank 64, alpha 16, all linear layers, a constant rate of 2e-4 up to 13 B
  and 1e-4 above, dropout 0.1 and 0.05, gradients clipped at 0.3, paged optimizer.
- *TRL*: defaults of its trainers, version 1.16: `SFTConfig` 2e-5, `DPOConfig` 1e-6, beta of ORPO and KTO 0.1.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import ValidationError

from twin_assets.errors import UserError
from twin_assets.training.hyperparameters import FineTuning, SFTHyperparameters

Size = Literal["offline", "small", "medium", "large"]
Values = Mapping[str, Any]
Kind = TypeVar("Kind", bound=FineTuning)

OFFLINE_BELOW: Final = 50_000_000
SMALL_BELOW: Final = 1_000_000_000
MEDIUM_BELOW: Final = 5_000_000_000
"""Parameters. Published models leave gaps here: 14 M to 70 M hold toys only, 4 B to 6 B nothing that is widely used."""

UNBOUNDED: Final = 1_000_000
"""Steps: the epochs decide."""

_RUN, _AUTHOR, _SIZE, _CLASS = "run configuration", "author file", "size of the model", "default"

_SFT: Final[dict[Size, Values]] = {
    "offline": {},
    # Handbook: 5 to 10 epochs for a small model. LoRA Without Regret: 5e-4.
    "small": {"epochs": 5.0, "batch_size": 8, "gradient_accumulation": 2, "max_length": 1024, "learning_rate": 5e-4},
    "medium": {
        "epochs": 3.0,
        "batch_size": 4,
        "gradient_accumulation": 4,
        "max_length": 2048,
        "learning_rate": 5e-4,
        "packing": True,
        "gradient_checkpointing": True,
    },
    # Handbook.
    "large": {
        "epochs": 3.0,
        "batch_size": 2,
        "gradient_accumulation": 8,
        "max_length": 2048,
        "learning_rate": 3e-4,
        "packing": True,
        "gradient_checkpointing": True,
    },
}
_PREFERENCE: Final[dict[Size, Values]] = {
    "offline": {},
    # Handbook's 2e-6, raised as the rate of SFT is: smaller models take larger rates.
    "small": {"batch_size": 8, "gradient_accumulation": 2, "max_length": 1024, "learning_rate": 3e-6},
    "medium": {
        "batch_size": 4,
        "gradient_accumulation": 4,
        "max_length": 2048,
        "learning_rate": 3e-6,
        "gradient_checkpointing": True,
    },
    # Handbook.
    "large": {
        "batch_size": 2,
        "gradient_accumulation": 8,
        "max_length": 2048,
        "learning_rate": 2e-6,
        "gradient_checkpointing": True,
    },
}
# Handbook, for every size that is not the offline model's.
_SHARED: Final[Values] = {"max_steps": UNBOUNDED, "lora_rank": 32, "lora_alpha": 32, "lr_scheduler": "linear"}


@dataclass(frozen=True)
class Resolved(Generic[Kind]):
    """The settings of a run, and who decided each of them."""

    settings: Kind
    decided_by: dict[str, str]

    def table(self) -> list[dict[str, str]]:
        """Return one record per setting: its name, its value, and who decided it."""
        values = self.settings.model_dump()
        return [{"setting": name, "value": str(values[name]), "from": who} for name, who in self.decided_by.items()]


def size_of(n_parameters: int | None) -> Size:
    """Return the class of size that a model's defaults are looked up by.

    A model of unknown size is treated as a large one: its rates are low enough and its batches small enough for all.
    """
    if n_parameters is None or n_parameters >= MEDIUM_BELOW:
        return "large"
    if n_parameters >= SMALL_BELOW:
        return "medium"
    return "small" if n_parameters >= OFFLINE_BELOW else "offline"


def size_defaults(kind: type[FineTuning], n_parameters: int | None, *, method: str, loss: str = "dpo") -> Values:
    """Return the settings in which a model of this size differs from the defaults of the class.

    Args:
        kind: Settings of the stage.
        n_parameters: Parameters of the model; None if that is not known.
        method: How its weights are changed, which decides the rates.
        loss: Which preference loss, without meaning for SFT.
    """
    size = size_of(n_parameters)
    if size == "offline":
        return {}
    if issubclass(kind, SFTHyperparameters):
        values = {**_SHARED, "warmup_fraction": 0.05, **_SFT[size]}
    else:
        values = {**_SHARED, "warmup_fraction": 0.1, **_PREFERENCE[size], "beta": 0.5 if loss == "dpo" else 0.1}
    if method == "qlora":
        values |= _of_qlora(kind, n_parameters)
    if method == "full":
        # TRL: a tenth of what an adapter takes, and less.
        values["learning_rate"] = 2e-5 if issubclass(kind, SFTHyperparameters) else 1e-6
    return values


def _of_qlora(kind: type[FineTuning], n_parameters: int | None) -> Values:
    beyond_13b = n_parameters is not None and n_parameters > 15_000_000_000
    shared = {
        "lora_rank": 64,
        "lora_alpha": 16,
        "lora_dropout": 0.05 if beyond_13b else 0.1,
        "max_grad_norm": 0.3,
        "optimizer": "paged_adamw_8bit",
    }
    if issubclass(kind, SFTHyperparameters):
        return {**shared, "lr_scheduler": "constant", "learning_rate": 1e-4 if beyond_13b else 2e-4}
    return shared


def resolve(
    kind: type[Kind], *, run: Values, author: Values, author_file: Path, field: str, n_parameters: int | None
) -> Resolved[Kind]:
    """Return the settings of a run: its own first, then the author's, then those of the size, then the class's.

    Args:
        kind: Settings of the stage.
        run: What the run configuration sets; None stands for what it leaves open.
        author: What the author file sets.
        author_file: Where that stands, for a fault in it.
        field: The field there, `training.sft` or `training.dpo`.
        n_parameters: Parameters of the model that training starts from; None if that is not known.

    Raises:
        UserError: If a setting is not known, is out of its range, or does not go with another; who set it is named.
    """
    own = {name: value for name, value in run.items() if value is not None}
    _refuse_unknown(kind, author, where=f"{author_file}: {field}")
    chosen = {**author, **own}
    sized = size_defaults(
        kind, n_parameters, method=str(chosen.get("method", "lora")), loss=str(chosen.get("loss", "dpo"))
    )
    decided_by = {
        name: next((who for who, values in ((_RUN, own), (_AUTHOR, author), (_SIZE, sized)) if name in values), _CLASS)
        for name in kind.model_fields
    }
    try:
        settings = kind.model_validate({**sized, **chosen})
    except ValidationError as error:
        raise _fault(error, decided_by, author_file=author_file, field=field) from error
    return Resolved(settings=settings, decided_by=decided_by)


def _refuse_unknown(kind: type[FineTuning], values: Values, *, where: str) -> None:
    for name in values:
        if name not in kind.model_fields:
            nearest = difflib.get_close_matches(name, kind.model_fields, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(sorted(kind.model_fields))}."
            raise UserError(f"{where}.{name} is not a setting: {hint}")


def _fault(error: ValidationError, decided_by: Mapping[str, str], *, author_file: Path, field: str) -> UserError:
    first = error.errors(include_url=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return UserError(f"The settings of {field} do not go together: {reason}.")
    name = str(first["loc"][0])
    if decided_by[name] == _AUTHOR:
        return UserError(f"{author_file}: {field}.{name} is {first['input']!r}: {reason}.")
    return UserError(f"The run configuration sets {name} to {first['input']!r}: {reason}.")
