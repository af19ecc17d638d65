"""What this machine can do of what is asked for: refused here, in a sentence, before any model is loaded.

What can be set at all, and which settings exclude each other, stands in `training.hyperparameters`.
"""

import importlib

import torch
from transformers.utils import is_flash_attn_2_available

from twin_assets.training.hyperparameters import FineTuning, Hyperparameters
from twin_assets.training.spec import TrainingError

EIGHT_BIT = frozenset({"adamw_8bit", "paged_adamw_8bit"})


def refuse_what_cannot_run(settings: Hyperparameters) -> None:
    """Make sure that this machine has what the settings need.

    Raises:
        TrainingError: If it lacks a GPU or a library; the setting that would do instead is named.
    """
    if not isinstance(settings, FineTuning):
        return
    if settings.method == "qlora":
        _needs("method qlora", "bitsandbytes", instead="set method to lora")
        if not torch.cuda.is_bf16_supported(including_emulation=False):
            raise TrainingError("method qlora computes in bfloat16, which this GPU does not have: set method to lora.")
    if settings.optimizer in EIGHT_BIT:
        _needs(f"optimizer {settings.optimizer}", "bitsandbytes", instead="set optimizer to adamw_torch")
    if settings.liger:
        _needs("liger", "liger_kernel", instead="set liger to false")
    if settings.attention == "flash_attention_2":
        if not torch.cuda.is_available() or not is_flash_attn_2_available():
            raise TrainingError(
                "attention flash_attention_2 needs a CUDA GPU and flash-attn, and one of them is not here: "
                "set attention to sdpa."
            )
        if not torch.cuda.is_bf16_supported(including_emulation=False):
            raise TrainingError("attention flash_attention_2 needs a GPU that has bfloat16: set attention to sdpa.")


def _needs(what: str, module: str, *, instead: str) -> None:
    package = module.replace("_", "-")
    if not torch.cuda.is_available():
        raise TrainingError(f"{what} needs a CUDA GPU and {package}, and no CUDA GPU is here: {instead}.")
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise TrainingError(
            f"{what} needs {package}, which cannot be imported here ({error}): install it, or {instead}."
        ) from error
