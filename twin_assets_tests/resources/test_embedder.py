"""The embedding backends: one function whatever computes it, converted once, and refused if it answers otherwise."""

import subprocess
import sys

import numpy as np
import pytest

from resources import embedding_backends, openvino_model
from resources.embedder import Embedder
from twin_assets.errors import UserError

TEXTS = [
    "A queue is a loan.",
    "Every slow system I have met was about to get a queue. " * 6,
    "def restore(backup):\n    return backup.rename(LIVE)",
    "  Disks fill at night. ",
    "\u4e16\u754c, na\u00efve caf\u00e9",
    "token " * 400,
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def reference():
    """The vectors as sentence-transformers makes them by itself, in full precision."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(Embedder().location, device="cpu")
    return np.asarray(model.encode(TEXTS, normalize_embeddings=True))


@pytest.mark.parametrize("backend", ["torch", "torch-bf16", "openvino", "openvino-bf16", "auto"])
def test_every_backend_computes_the_same_function(backend, cache, reference):
    vectors = Embedder(backend=backend, cache_folder=str(cache), batch_size=2).encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert (vectors * reference).sum(axis=1).min() >= 0.9995


def test_the_order_and_company_of_texts_does_not_matter(cache):
    embedder = Embedder(backend="openvino", cache_folder=str(cache))
    together = embedder.encode(TEXTS)
    for place, text in enumerate(TEXTS):
        assert (embedder.encode([text])[0] * together[place]).sum() == pytest.approx(1, abs=1e-5)
    assert embedder.encode([]).shape == (0, 384)


def test_a_model_comes_to_its_end_while_others_are_at_work(cache):
    program = (
        "from resources.embedder import Embedder\n"
        "for _ in range(6):\n"
        f"    model = Embedder(backend='openvino', cache_folder={str(cache)!r})\n"
        "    model.encode([f'The ferry leaves at {hour}, by the tide.' * (1 + hour % 9) for hour in range(60)])\n"
        "    del model\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, capture_output=True)


def test_a_signal_is_survived_after_two_models_that_did_not_end_in_the_order_of_their_beginnings(cache):
    """The runtime gives signal handlers a stack of its own, and has to leave it where it is."""
    program = (
        "import faulthandler, gc, signal; from resources.embedder import Embedder\n"
        # What gives the process a stack for handlers that the runtime replaces, as pytest and many a server do.
        "faulthandler.enable()\n"
        "def model():\n"
        f"    made = Embedder(backend='openvino', cache_folder={str(cache)!r})\n"
        "    made.encode(['One.'])\n"
        "    return made\n"
        "first, second = model(), model()\n"
        "del first; gc.collect()\n"
        "del second; gc.collect()\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


def test_a_converted_model_is_used_without_torch_and_without_converting_again(cache):
    Embedder(backend="openvino", cache_folder=str(cache)).encode(["Convert."])
    program = (
        "import sys; from resources.embedder import Embedder\n"
        f"Embedder(backend='openvino', cache_folder={str(cache)!r}).encode(['Found.'])\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert len(list((cache / "openvino").iterdir())) == 1


def test_a_conversion_that_answers_otherwise_is_refused_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(openvino_model, "MIN_COSINE", 1.01)
    with pytest.raises(UserError, match=r"answers otherwise .*TWIN_EMBEDDING_BACKEND=torch"):
        Embedder(backend="openvino", cache_folder=str(tmp_path)).encode(["One."])
    assert list((tmp_path / "openvino").iterdir()) == []


def test_the_backend_is_no_part_of_what_vectors_depend_on_and_the_model_is():
    assert Embedder(backend="torch").parameters == Embedder(backend="openvino-bf16").parameters
    parameters = Embedder().parameters
    assert parameters["model"] == "all-MiniLM-L6-v2"
    assert parameters["bm25"] == {"k1": 1.2, "b": 0.75, "average_terms": 50.0, "stemmer": "english", "stop_words": "en"}


def test_other_weights_under_the_same_path_are_another_model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"one")
    before = Embedder(model_name=str(tmp_path)).parameters
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert Embedder(model_name=str(tmp_path)).parameters != before


def test_a_prompt_that_the_model_wants_stands_before_queries_and_passages(tmp_path):
    (tmp_path / "config_sentence_transformers.json").write_text('{"prompts": {"query": "ask: ", "document": "say: "}}')
    asked = []

    class Recorder:
        def encode(self, texts, *, batch_size):
            asked.extend(texts)
            return np.zeros((len(texts), 4), np.float32)

    embedder = Embedder(model_name=str(tmp_path))
    embedder.__dict__["_model"] = Recorder()
    encoded = embedder.encode_queries(["queues"])
    embedder.encode_passages(["queues"])
    assert asked == ["ask: queues", "say: queues"]
    assert encoded.made_by["prompts"] == {"document": "say: ", "query": "ask: "}
    assert encoded.sparse == [embedder.bm25.query("queues")]


@pytest.mark.parametrize(
    ("gpu", "capabilities", "expected"),
    [(True, ["BF16"], "torch"), (False, ["BF16", "FP32"], "openvino-bf16"), (False, ["FP32", "INT8"], "openvino")],
)
def test_the_best_backend_is_a_gpu_then_bf16_where_the_cpu_has_it(gpu, capabilities, expected, monkeypatch):
    import openvino

    monkeypatch.setattr(embedding_backends, "has_gpu", lambda: gpu)
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: capabilities)
    assert embedding_backends.best_backend.__wrapped__() == expected
