"""A base model small enough to be trained for real in seconds, and datasets for the stages that start from it."""

import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from twin_assets.settings import PROJECT_ROOT
from twin_assets.training.chat_template import chat_template_hash
from twin_assets.training.hyperparameters import DPOHyperparameters, PretrainHyperparameters, SFTHyperparameters
from twin_assets.training.manifest import Manifest, read_manifest
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import checkpoint_manifest

WORDS = [
    *("the", "tide", "table", "a", "lantern", "keeper", "writes", "slowly", "and"),
    *("reads", "again", "before", "the", "evening", "ferry", "leaves", "harbour"),
]
SMALL = {
    "pretrain": PretrainHyperparameters(
        hidden_size=32, layers=2, attention_heads=2, intermediate_size=64, token_budget=8_000, min_frequency=2
    ),
    "sft": SFTHyperparameters(max_steps=4, lora_rank=4, lora_alpha=8),
    "dpo": DPOHyperparameters(max_steps=3, lora_rank=4, lora_alpha=8),
}


def sentence(generator: random.Random, words: int = 12) -> str:
    return " ".join(generator.choice(WORDS) for _ in range(words)).capitalize() + "."


def write_rows(folder: Path, split: str, rows: list[dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")


def row_of(stage: str, number: int, split: str) -> dict:
    generator = random.Random(f"{stage}{number}{split}")  # noqa: S311 - not for secrets
    place = {"author": "ann", "category": "articles", "document_id": f"d{number}", "start": 0, "end": 9}
    texts = {
        "sft": {"instruction": sentence(generator, 5), "answer": sentence(generator, 30), "generator": "test"},
        "dpo": {
            "prompt": sentence(generator, 5),
            "chosen": sentence(generator, 20),
            "rejected": sentence(generator, 20),
            "rejected_by": "test",
        },
    }[stage]
    return {**place, **texts, "prompt_hash": "0", "split": split}


def spec_for(stage: str, dataset: Path, output: Path, *, base: Path | None = None, **changes: object) -> TrainingSpec:
    return TrainingSpec.model_validate(
        {
            "stage": stage,
            "base_model": str(base) if base else None,
            "base_model_version": read_manifest(base).data_version if base else None,
            "dataset_uri": str(dataset),
            "dataset_version": "1",
            "output_uri": str(output),
            "hyperparameters": SMALL[stage],
            "chat_template_hash": chat_template_hash(),
            "code_version": "1",
            **changes,
        }
    )


def start(spec: TrainingSpec, folder: Path) -> subprocess.Popen[str]:
    path = folder / f"{Path(spec.output_uri).name}.spec.json"
    spec.write(path)
    return subprocess.Popen(
        [sys.executable, "-m", "twin_assets.training.payload", str(path)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train(spec: TrainingSpec, folder: Path) -> Manifest:
    process = start(spec, folder)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return checkpoint_manifest(spec.output_uri)


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("datasets")
    generator = random.Random(0)  # noqa: S311 - not for secrets
    texts = ["\n\n".join(sentence(generator) for _ in range(20)) for _ in range(12)]
    write_rows(
        root / "pretrain",
        "train",
        [{"text": text, "author": "ann", "document_id": f"d{n}"} for n, text in enumerate(texts)],
    )
    for stage in ("sft", "dpo"):
        write_rows(root / stage, "train", [row_of(stage, number, "train") for number in range(24)])
        write_rows(root / stage, "test", [row_of(stage, number, "test") for number in range(100, 104)])
    return {stage: root / stage for stage in ("pretrain", "sft", "dpo")}


@pytest.fixture(scope="session")
def base(datasets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    train(spec_for("pretrain", datasets["pretrain"], folder / "base"), folder)
    return folder / "base"
