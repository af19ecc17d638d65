"""A sentence-transformers model as an OpenVINO graph: converted once, kept by content, run without torch.

The graph is the whole model, pooling and normalisation included, so that nothing of it is written a second time here.
"""

import os
import shutil
import tempfile
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.openvino_runtime import core
from twin_assets.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from sentence_transformers import SentenceTransformer

GRAPH = "model.xml"

MIN_COSINE = 0.999
"""How near the converted model's vectors have to come to the original's; rounding alone costs under 0.0001."""

PROBES = (
    "A queue is a loan: it takes work now, and asks for it back with interest.",
    "Yes.",
    "def restore(backup: Path) -> None:\n    for table in backup.iterdir():\n        table.rename(LIVE / table.name)",
)
"""What both models are asked before a conversion is kept: of several lengths, so that padding counts too."""


class OpenVinoModel:
    """A converted model, compiled for the CPU."""

    def __init__(self, folder: Path, *, tokenizer_file: Path, max_tokens: int, precision: str) -> None:
        """Read and compile the graph; `precision` is f32 or bf16."""
        from tokenizers import Tokenizer

        # For throughput: several batches at once, each on cores of its own, do not wait for one another at every layer.
        self._compiled = core().compile_model(
            folder / GRAPH, "CPU", {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        )
        self._streams = int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._inputs = {name for port in self._compiled.inputs for name in port.get_names()}
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._compiled.output(0).get_partial_shape()[1].get_length())

    def encode(self, texts: Sequence[str], *, batch_size: int) -> "np.ndarray[Any, Any]":
        """Return one vector per text, the longest texts computed first: little padding, and no memory asked for late.

        Args:
            texts: Texts in any order.
            batch_size: Texts computed at once.
        """
        import numpy as np

        encodings = self._tokenizer.encode_batch([text.strip() for text in texts])
        lengths = [len(encoding.ids) for encoding in encodings]
        order = sorted(range(len(texts)), key=lambda place: -lengths[place])
        vectors = np.empty((len(texts), self.dimension), np.float32)
        # One request more than run at a time waits ready. Not an AsyncInferQueue: its callbacks need Python's lock in
        # the runtime's threads, and the end of the model, which holds that lock, waits for those threads.
        idle = [self._compiled.create_infer_request() for _ in range(self._streams + 1)]
        running: deque[tuple[Any, list[int]]] = deque()

        def fetch() -> None:
            request, batch = running.popleft()
            request.wait()
            vectors[batch] = request.get_output_tensor(0).data
            idle.append(request)

        for begin in range(0, len(order), batch_size):
            batch = order[begin : begin + batch_size]
            inputs = {
                name: np.zeros((len(batch), lengths[batch[0]]), np.int64)
                for name in ("input_ids", "attention_mask", "token_type_ids")
            }
            for row, place in enumerate(batch):
                inputs["input_ids"][row, : lengths[place]] = encodings[place].ids
                inputs["attention_mask"][row, : lengths[place]] = 1
            if not idle:
                fetch()
            request = idle.pop()
            request.start_async({name: inputs[name] for name in inputs if name in self._inputs})
            running.append((request, batch))
        while running:
            fetch()
        return vectors


def converted(cache: Path, version: str, load: "Callable[[], SentenceTransformer]", **reading: Any) -> Path:
    """Return the folder of the converted model, converting it if the cache does not hold it.

    It takes its place whole: who reads at the same time, or is broken off, never sees half a model. A conversion whose
    vectors differ from the original's is not kept.

    Args:
        cache: Folder of all converted models.
        version: Hash of the model's content.
        load: Gives the original; asked only if it has to be converted.
        reading: `tokenizer_file` and `max_tokens`, as `OpenVinoModel` takes them.

    Raises:
        UserError: If the model cannot be converted, or the converted one answers otherwise.
    """
    folder = cache / version
    if (folder / GRAPH).is_file():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{version}.", dir=cache))
    try:
        original = load()
        _convert(original, partial / GRAPH)
        _compare(original, OpenVinoModel(partial, precision="f32", **reading))
        _take_place(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _convert(model: "SentenceTransformer", path: Path) -> None:
    import openvino  # type: ignore[import-untyped]
    import torch

    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in _features(model)]

    class Whole(torch.nn.Module):
        """The model as a function of tensors, as the tracer wants it."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            features = self.model(dict(zip(names, tensors, strict=True)))
            return torch.nn.functional.normalize(features["sentence_embedding"], dim=-1)

    shape = openvino.PartialShape([-1, -1])
    try:
        with warnings.catch_warnings():
            # The tracer warns of every condition in the model; what it got wrong, the comparison finds.
            warnings.simplefilter("ignore")
            graph = openvino.convert_model(
                Whole().eval(),
                example_input=tuple(torch.ones(2, 7, dtype=torch.int64) for _ in names),
                input=[(shape, openvino.Type.i64) for _ in names],
            )
    except Exception as error:
        raise UserError(
            f"The embedding model cannot be converted to OpenVINO ({str(error)[:200]}): set "
            "TWIN_EMBEDDING_BACKEND=torch."
        ) from error
    for port, name in zip(graph.inputs, names, strict=True):
        port.get_tensor().set_names({name})
    openvino.save_model(graph, path, compress_to_fp16=False)


def _features(model: "SentenceTransformer") -> set[str]:
    return set(model.tokenizer(["A probe."]).keys())


def _compare(original: "SentenceTransformer", copy: OpenVinoModel) -> None:
    import numpy as np

    wanted = original.encode(list(PROBES), normalize_embeddings=True, show_progress_bar=False)
    cosine = float(np.sum(wanted * copy.encode(PROBES, batch_size=len(PROBES)), axis=1).min())
    if not cosine >= MIN_COSINE:
        raise UserError(
            f"The embedding model answers otherwise once it is converted to OpenVINO (cosine {cosine:.4f}): set "
            "TWIN_EMBEDDING_BACKEND=torch."
        )


def _take_place(partial: Path, folder: Path) -> None:
    # mkdtemp lets nobody else in; the cache may be shared.
    partial.chmod(0o755)
    try:
        os.replace(partial, folder)  # noqa: PTH105
    except OSError:
        # Another process was faster, with the same content; anything else is a fault.
        if not (folder / GRAPH).is_file():
            raise
