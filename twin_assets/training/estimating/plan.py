"""What is to be estimated: a model, and the settings of a training that decide memory and time.

The settings come from a spec's hyperparameters; what they cost stands in `memory` and `compute`.
"""

from dataclasses import dataclass
from typing import Literal

from twin_assets.training.estimating.architecture import Architecture
from twin_assets.training.hyperparameters import (
    ALL_LINEAR,
    DPOHyperparameters,
    Hyperparameters,
    Method,
    Optimizer,
    PreferenceLoss,
    PretrainHyperparameters,
    SFTHyperparameters,
)
from twin_assets.training.spec import Stage

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class TrainingPlan:
    """A model and the settings that decide what training it takes."""

    stage: Stage
    architecture: Architecture
    method: Method
    precision: Precision
    batch_size: int
    """Rows, or pairs in DPO and ORPO, per process and forward pass."""
    gradient_accumulation: int
    max_length: int
    """Tokens of the longest sequence in a batch."""
    gradient_checkpointing: bool
    lora_rank: int
    optimizer: Optimizer = "adamw_torch"
    processes: int = 1
    """Processes, one for each GPU."""
    packing: bool = False
    targets: frozenset[str] = frozenset()
    """Names of the layers that get an adapter; none for all of them."""
    loss: PreferenceLoss = "dpo"
    """What is learnt from the pairs of the stage `dpo`."""

    @property
    def has_reference(self) -> bool:
        """Whether it compares with a reference model; ORPO does not."""
        return self.stage == "dpo" and self.loss != "orpo"

    @property
    def texts_per_pair(self) -> int:
        """How many rows KTO makes of each row of the dataset: both texts of a pair, each by itself."""
        return 2 if self.stage == "dpo" and self.loss == "kto" else 1

    @property
    def sequences_per_row(self) -> int:
        """Sequences in a row as it is trained on: DPO and ORPO read chosen and rejected together."""
        return 2 if self.stage == "dpo" and self.loss != "kto" else 1

    @property
    def sequences(self) -> int:
        """Sequences per process and forward pass."""
        return self.batch_size * self.sequences_per_row

    @property
    def tokens(self) -> int:
        """Tokens per process and forward pass, at most."""
        return self.sequences * self.max_length

    @property
    def compute_bytes(self) -> int:
        """Bytes of one number that the model computes with."""
        return 2 if self.precision == "bf16" else 4

    @property
    def stored_bytes(self) -> int:
        """Bytes of one weight of the model, as the payload holds it (`payload.runtime.model_to_train`).

        Where every weight is trained it is float32, whatever is computed in.
        """
        return 4 if self.method == "full" else self.compute_bytes

    @property
    def copied_weights(self) -> int:
        """Weights that autocast holds a copy of in bfloat16 until the forward pass ends, however it is checkpointed."""
        return self.architecture.matmul_parameters if self.stored_bytes > self.compute_bytes else 0

    @property
    def trainable(self) -> int:
        """Parameters that are trained."""
        if self.method == "full":
            return self.architecture.parameters
        return self.architecture.lora_parameters(self.lora_rank, self.targets)


def plan_for(
    stage: Stage, settings: Hyperparameters, architecture: Architecture, *, gpu: bool, processes: int = 1
) -> TrainingPlan:
    """Return the plan of a stage's hyperparameters.

    Args:
        stage: The stage.
        settings: Its hyperparameters.
        architecture: The model that is trained.
        gpu: Whether it is trained on a GPU: `auto` is bf16 there, else fp32.
        processes: Processes that train together.
    """
    precision: Precision = ("bf16" if gpu else "fp32") if settings.precision == "auto" else settings.precision
    if isinstance(settings, PretrainHyperparameters):
        return TrainingPlan(
            stage=stage,
            architecture=architecture,
            method="full",
            precision=precision,
            batch_size=max(1, settings.tokens_per_step // settings.context_length),
            gradient_accumulation=1,
            max_length=settings.context_length,
            gradient_checkpointing=settings.gradient_checkpointing,
            lora_rank=0,
            processes=processes,
        )
    return TrainingPlan(
        stage=stage,
        architecture=architecture,
        method=settings.method,
        precision=precision,
        batch_size=settings.batch_size,
        gradient_accumulation=settings.gradient_accumulation,
        max_length=settings.max_length,
        gradient_checkpointing=settings.gradient_checkpointing,
        lora_rank=settings.lora_rank,
        optimizer=settings.optimizer,
        processes=processes,
        packing=isinstance(settings, SFTHyperparameters) and settings.packing,
        targets=_targets(settings.target_modules),
        loss=settings.loss if isinstance(settings, DPOHyperparameters) else "dpo",
    )


def _targets(modules: str) -> frozenset[str]:
    return frozenset() if modules == ALL_LINEAR else frozenset(name.strip() for name in modules.split(","))
