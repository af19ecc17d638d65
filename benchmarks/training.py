"""How fast the payload trains: against plain TRL with the same settings, packed or not, and against a GPU's peak.

Two processes, one per way, load their libraries once and then take turns: A, B, B, A. They train the same adapter on
the same rows from the same seed. What is timed is the training itself: the steps, with what each way hangs on them. The
payload checks every loss, keeps a history, reports progress and computes deterministically. A tracking server is no
part of it, for its speed is its own.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figures
from benchmarks.model_flops import LLAMA_1B, LLAMA_8B, LlamaShape, lora_flops_per_token, peak_of

ROUNDS = 5
SMALL = LlamaShape(vocab=1_000, hidden=192, layers=4, heads=4, kv_heads=4, intermediate=512)
"""Large enough for its arithmetic to outweigh Python on a CPU, small enough for a step of tens of milliseconds."""


@dataclass(frozen=True)
class Task:
    """A training, as either side is asked for it."""

    model: str
    rows: int
    max_length: int
    batch_size: int
    packing: bool = False
    rank: int = 32
    gradient_checkpointing: bool = False


def run(figures: Figures) -> None:
    """Measure on whatever machine this is; a GPU's utilisation only where there is one."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "small"
        save_model(SMALL, model)
        task = Task(str(model), rows=96, max_length=256, batch_size=8)
        with trainer("payload") as ours, trainer("plain") as plain:
            ratios = []
            for number in range(ROUNDS):
                ways = (ours, plain) if number % 2 == 0 else (plain, ours)
                speed = {id(way): way.tokens_per_second(task) for way in ways}
                ratios.append(speed[id(ours)] / speed[id(plain)])
            figures.note("training, small model on this machine", f"{speed[id(ours)]:,.0f} tokens/s")
            figures.ratio(
                "training: tokens/s of the payload, against plain TRL", statistics.median(ratios), at_least=0.97
            )
            _compare_packing(figures, ours, task)
    if not torch.cuda.is_available():
        figures.note("model FLOPs utilisation of a 1B and an 8B Llama", "no GPU: not measured")
        return
    for name, shape in (("1B", LLAMA_1B), ("8B", LLAMA_8B)):
        _measure_utilisation(figures, name, shape, torch.cuda.get_device_name())


def _compare_packing(figures: Figures, ours: "Trainer", task: Task) -> None:
    packed = Task(**{**asdict(task), "packing": True})
    pairs = [(ours.tokens_per_second(packed), ours.tokens_per_second(task)) for _ in range(3)]
    figures.note("training: tokens/s packed, against not", f"{statistics.median(on / off for on, off in pairs):8.3f}")


def _measure_utilisation(figures: Figures, name: str, shape: LlamaShape, device: str) -> None:
    """Train an adapter of a model of random weights in bfloat16, packed, both ways, and compare with the peak."""
    peak = peak_of(device)
    with tempfile.TemporaryDirectory() as folder:
        save_model(shape, Path(folder))
        task = Task(
            folder, rows=4_000, max_length=2_048, batch_size=4, packing=True, gradient_checkpointing=shape is LLAMA_8B
        )
        # One process at a time: two would share the GPU's memory.
        speed = {}
        for way in ("payload", "plain"):
            with trainer(way) as side:
                side.tokens_per_second(task)
                speed[way] = statistics.median(side.tokens_per_second(task) for _ in range(3))
    needed = lora_flops_per_token(shape, task.max_length, rank=task.rank)
    for way, tokens in speed.items():
        used = (
            f", {tokens * needed / peak:.1%} of {device}'s peak" if peak else f" on {device}, whose peak is not known"
        )
        figures.note(f"Llama {name}, LoRA, bf16, packed: {way}", f"{tokens:,.0f} tokens/s{used}")
    figures.ratio(
        f"Llama {name}: utilisation of the payload, against plain TRL", speed["payload"] / speed["plain"], at_least=0.97
    )


class Trainer:
    """A process that trains what it is asked for."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def tokens_per_second(self, task: Task) -> float:
        """Train once."""
        asking, answering = self._process.stdin, self._process.stdout
        if asking is None or answering is None:
            raise RuntimeError("the trainer was started without pipes")
        asking.write(json.dumps(asdict(task)) + "\n")
        asking.flush()
        for line in answering:
            if line.startswith("{"):
                answer = json.loads(line)
                return float(answer["tokens"] / answer["seconds"])
        raise RuntimeError(f"the trainer ended with {self._process.wait()}")


@contextmanager
def trainer(way: str) -> Iterator[Trainer]:
    """Start a process that trains one way: `payload` or `plain`."""
    command = [sys.executable, "-m", "benchmarks.training_worker", way]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Trainer(process)
        finally:
            process.kill()


def save_model(shape: LlamaShape, folder: Path) -> None:
    """Write a model of random weights with a tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    from benchmarks.corpora import generated_documents
    from twin_assets.training.hyperparameters import PretrainHyperparameters
    from twin_assets.training.payload.pretrain import train_tokenizer

    logging.disable_progress_bar()
    texts = [document.text for document in generated_documents(200, sentences=5)]
    tokenizer = train_tokenizer(texts, PretrainHyperparameters(vocab_size=1_000, min_frequency=2))
    config = LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=4_096,
        tie_word_embeddings=shape is LLAMA_1B,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    with torch.device(device):
        model = LlamaForCausalLM(config).to(torch.bfloat16 if device == "cuda" else torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def rows_of(count: int) -> list[dict[str, Any]]:
    """Return rows whose answers are of many lengths, as an author's are; the same ones each time."""
    from benchmarks.corpora import generated_documents

    rows = []
    for number, document in enumerate(generated_documents(count, sentences=12)):
        sentences = document.text.split(". ")
        answer = ". ".join(sentences[: 2 + number * 7 % 10])
        rows.append({"instruction": f"Write note {number}.", "answer": answer, "document_id": document.document_id})
    return rows
