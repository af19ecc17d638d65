"""What every stage needs from torch and transformers: a deterministic process, a precision, arguments, a base model.

The stages themselves, and what is reported on the way, live elsewhere.
"""

import logging
import os
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from twin_assets.training.chat_template import CHAT_TEMPLATES
from twin_assets.training.hyperparameters import FineTuning
from twin_assets.training.payload.distributed import distributed_arguments
from twin_assets.training.payload.early_stopping import choosing_arguments
from twin_assets.training.payload.rows import TEXTS, Rows
from twin_assets.training.spec import TrainingError, TrainingSpec

LIBRARIES = ("torch", "transformers", "tokenizers", "trl", "peft", "accelerate", "datasets", "safetensors")
OPTIONAL_LIBRARIES = ("bitsandbytes", "flash-attn", "liger-kernel")

LOGS_PER_RUN = 40
EVALUATIONS_PER_RUN = 3
"""Enough points to see a curve, few enough to cost nothing."""

FOLLOW_FROM_STEPS = ("max_steps", "warmup_steps", "logging_steps", "eval_steps", "save_steps")
"""The arguments that follow from the number of optimizer steps."""

OPTIMIZERS = {"adamw_torch": "adamw_torch_fused", "adamw_8bit": "adamw_8bit", "paged_adamw_8bit": "paged_adamw_8bit"}
SCHEDULERS = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
"""Our names and those of transformers."""


def prepare_process(seed: int) -> None:
    """Make this process deterministic, and quiet but for its own reports.

    On a GPU an operation without a deterministic kernel warns instead of failing: equal bits are promised on a CPU.
    """
    torch.use_deterministic_algorithms(mode=True, warn_only=torch.cuda.is_available())
    # Filling every fresh tensor with NaN is an aid to finding bugs that took 40 % of the time on a CPU.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    transformers.set_seed(seed)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("trl").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=FutureWarning)
    if not torch.cuda.is_available():
        # Where DeepSpeed is installed, it would say on standard output that it has found no GPU.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide the result."""
    there = {name for name in OPTIONAL_LIBRARIES if find_spec(name.replace("-", "_"))}
    return {library: version(library) for library in (*LIBRARIES, *there)}


def dtype_for(precision: Literal["auto", "fp32", "bf16"]) -> torch.dtype:
    """Return the floating-point type to train in."""
    if precision == "auto":
        return torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32


def training_arguments(
    spec: TrainingSpec, *, work: Path, steps: int, batch_size: int, evaluate: bool
) -> dict[str, Any]:
    """Return the arguments that all three trainers share.

    Args:
        spec: The run.
        work: Folder for the trainer's own files, removed afterwards.
        steps: Optimizer steps of the whole run.
        batch_size: Rows per device and forward pass.
        evaluate: Whether there are rows to evaluate on; then also before the first step.
    """
    settings = spec.hyperparameters
    every = max(1, steps // EVALUATIONS_PER_RUN)
    in_bfloat16 = dtype_for(settings.precision) == torch.bfloat16
    return {
        **(fine_tuning_arguments(settings) if isinstance(settings, FineTuning) else {"lr_scheduler_type": "cosine"}),
        "output_dir": str(work),
        "max_steps": steps,
        "per_device_train_batch_size": batch_size,
        "per_device_eval_batch_size": batch_size,
        "learning_rate": settings.learning_rate,
        "warmup_steps": round(settings.warmup_fraction * steps),
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "bf16": in_bfloat16,
        # Without it, bfloat16 is taken for a demand for a GPU.
        "use_cpu": in_bfloat16 and not torch.cuda.is_available(),
        "gradient_checkpointing": settings.gradient_checkpointing,
        "seed": spec.seed,
        "data_seed": spec.seed,
        "logging_steps": max(1, steps // LOGS_PER_RUN),
        # A loss that is not a number must reach the report, not be replaced by the last good one.
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if evaluate else "no",
        "eval_steps": every if evaluate else None,
        "eval_on_start": evaluate,
        "prediction_loss_only": True,
        # `resuming` asks for a checkpoint when it is time.
        "save_strategy": "no",
        "save_steps": steps,
        "save_total_limit": spec.saving.keep,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
        **distributed_arguments(spec.compute),
        **choosing_arguments(settings, steps=steps, keep=spec.saving.keep),
    }


def fine_tuning_arguments(settings: FineTuning) -> dict[str, Any]:
    """Return the arguments of the stages that start from a model."""
    return {
        "gradient_accumulation_steps": settings.gradient_accumulation,
        "lr_scheduler_type": SCHEDULERS[settings.lr_scheduler],
        "optim": OPTIMIZERS[settings.optimizer],
        "use_liger_kernel": settings.liger,
    }


def model_to_train(spec: TrainingSpec) -> PreTrainedModel:
    """Load the model that the run starts from, in the form in which it is trained.

    Under an adapter its weights are fixed and lie in the precision of the run, or in 4 bits. Where they are trained
    themselves they stay in float32 and are computed with in bfloat16: a step of 1e-5 is less than bfloat16 can add to a
    weight.

    Raises:
        TrainingError: If it is not there, or is not a causal language model.
    """
    settings = spec.hyperparameters
    if isinstance(settings, FineTuning) and not settings.has_adapter:
        return load_model(spec, torch.float32)
    in_4_bits = isinstance(settings, FineTuning) and settings.method == "qlora"
    return load_model(spec, dtype_for(settings.precision), in_4_bits=in_4_bits)


def load_model(spec: TrainingSpec, dtype: torch.dtype, *, in_4_bits: bool = False) -> PreTrainedModel:
    """Load the model that the run starts from.

    Args:
        spec: The run.
        dtype: Type of the weights; in 4 bits, the type that is computed in.
        in_4_bits: Whether to quantise the weights to NF4, their scales once more (Dettmers et al. 2023, section 3).

    Raises:
        TrainingError: If it is not there, or is not a causal language model.
    """
    options: dict[str, Any] = {"revision": _revision(spec), "dtype": dtype}
    if isinstance(spec.hyperparameters, FineTuning):
        options["attn_implementation"] = spec.hyperparameters.attention
    if in_4_bits:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        if torch.cuda.is_available():
            options["device_map"] = {"": int(os.environ.get("LOCAL_RANK", "0"))}
    try:
        return AutoModelForCausalLM.from_pretrained(spec.base_model, **options)
    except (OSError, ValueError) as error:
        raise _not_loaded(spec, error) from error


def load_tokenizer(spec: TrainingSpec) -> PreTrainedTokenizerBase:
    """Load the tokenizer of the base model and give it the chat template of the run.

    Its EOS becomes the marker that ends a turn in the template's format, if the model is known to stop there; else it
    stays what it was, and the template writes that one at the end of an answer. An embedding that was never trained,
    as a base model's of a marker may be, is no end that an adapter could learn (docs/decisions/0013).

    Raises:
        TrainingError: If it is not there, has no EOS token, or an SFT model was trained with another chat template.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(spec.base_model, revision=_revision(spec))
    except (OSError, ValueError) as error:
        raise _not_loaded(spec, error) from error
    if tokenizer.eos_token is None:
        raise TrainingError(f"The tokenizer of {spec.base_model} has no EOS token: a model cannot learn to stop.")
    template = CHAT_TEMPLATES[spec.chat_template]
    if spec.stage == "dpo" and tokenizer.chat_template != template.text:
        raise TrainingError(f"{spec.base_model} was trained with another chat template: train it again with SFT first.")
    tokenizer.chat_template = template.text
    if template.end and _stops_at(template.end, tokenizer, spec):
        tokenizer.eos_token = template.end
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def without_special_tokens(rows: Rows, spec: TrainingSpec) -> Rows:
    """Return the rows of which no text spells out a special token of the base model's tokenizer.

    The datasets leave out what spells a marker of a chat template; which other tokens are special, such as `</s>`, only
    the tokenizer knows. Spelt out in a turn, one would be read as the token itself.
    """
    added = load_tokenizer(spec).added_tokens_decoder.values()
    special = [token.content for token in added if token.special]
    return [row for row in rows if not any(token in row[name] for name in TEXTS[spec.stage] for token in special)]


def _stops_at(marker: str, tokenizer: PreTrainedTokenizerBase, spec: TrainingSpec) -> bool:
    """Whether the model that the run starts from ends what it generates with this marker, as one token."""
    ids = tokenizer(marker, add_special_tokens=False)["input_ids"]
    try:
        settings = GenerationConfig.from_pretrained(spec.base_model, revision=_revision(spec))
    except OSError:  # Not every model brings one; its configuration then names the end.
        settings = AutoConfig.from_pretrained(spec.base_model, revision=_revision(spec))
    stops = settings.eos_token_id
    return len(ids) == 1 and ids[0] in (stops if isinstance(stops, list) else [stops])


def _revision(spec: TrainingSpec) -> str:
    return spec.base_model_revision or "main"


def _not_loaded(spec: TrainingSpec, error: Exception) -> TrainingError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return TrainingError(f"The base model {spec.base_model} cannot be loaded: check the path or hub id ({reason}).")
