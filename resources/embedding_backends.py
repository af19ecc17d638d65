"""What computes vectors: torch, or OpenVINO on the CPU, in full or in half precision.

All of them compute the same function, to within rounding (cosine at least 0.9999): vectors of one may stand beside
those of another, and a machine of another kind embeds nothing again.
"""

import shutil
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

from resources.openvino_runtime import core
from twin_assets.settings import EmbeddingBackend

if TYPE_CHECKING:
    import numpy as np

ChosenBackend = Literal["torch", "torch-bf16", "openvino", "openvino-bf16"]


class EmbeddingModel(Protocol):
    """A loaded model."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def encode(self, texts: Sequence[str], *, batch_size: int) -> "np.ndarray[Any, Any]":
        """Return one vector of length 1 per text, float32."""
        ...


class TorchModel:
    """A model as sentence-transformers runs it, on the GPU where there is one."""

    def __init__(self, location: str, *, half: bool) -> None:
        """Load it; `half` in bfloat16."""
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        # Its bar counts weights, not texts, and would run into the log of every step.
        logging.disable_progress_bar()
        self.original = SentenceTransformer(
            location,
            device="cuda" if torch.cuda.is_available() else "cpu",
            model_kwargs={"dtype": torch.bfloat16 if half else torch.float32},
        )

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.original.get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str], *, batch_size: int) -> "np.ndarray[Any, Any]":
        """Return one vector per text; sentence-transformers sorts them by length."""
        import numpy as np

        vectors = self.original.encode(list(texts), batch_size=batch_size, show_progress_bar=False)
        vectors = np.asarray(vectors, np.float32)
        # Here and not in the model: in half precision a length of 1 is off by a thousandth.
        unit: np.ndarray[Any, Any] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


@cache
def best_backend() -> ChosenBackend:
    """Return the fastest backend of this machine.

    A GPU belongs to torch. On a CPU OpenVINO was the faster one in both precisions; bfloat16 is taken only where the
    CPU computes it in hardware, because it is slower than float32 elsewhere.
    """
    if has_gpu():
        return "torch"
    return "openvino-bf16" if "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "openvino"


def has_gpu() -> bool:
    """Tell whether torch has a GPU; without a driver's tool torch is not even loaded to be asked."""
    if shutil.which("nvidia-smi") is None and shutil.which("rocm-smi") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def chosen_backend(setting: EmbeddingBackend) -> ChosenBackend:
    """Return the backend that a setting means on this machine."""
    return best_backend() if setting == "auto" else setting
