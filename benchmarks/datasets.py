"""The rows of 1,000 documents: made once, made again, and made again with one document more.

A real client asks a server on loopback, and a real model of random weights writes the rejected texts.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from benchmarks.corpora import AUTHOR, generated_documents
from benchmarks.figures import Figures
from benchmarks.pipeline import clean_and_chunk, new_splitter
from benchmarks.timing import seconds_of
from resources.language_model import Teacher
from twin_assets.datasets.curation.splitting import split_documents
from twin_assets.datasets.generation.contract import Material
from twin_assets.datasets.generation.extractive import Extractive
from twin_assets.datasets.generation.on_policy import OnPolicy, known_texts, to_keep
from twin_assets.datasets.generation.pair_contract import PairMaterial
from twin_assets.datasets.generation.teacher import FromTeacher
from twin_assets.documents import CleanedDocument, InstructRow, Rejection, SplitRule
from twin_assets.inference.generation import CausalModel, GenerationSettings
from twin_assets_tests.openai_server import Asked, OpenAIServer, Sent, says

DOCUMENTS = 1_000
WRITING = GenerationSettings(max_new_tokens=8)


def run(figures: Figures) -> None:
    """Count what is asked and generated, and look whether a row moves."""
    raw = generated_documents(DOCUMENTS + 1, sentences=5)
    splitter = new_splitter()
    before, after = clean_and_chunk(raw[:-1], splitter)[0], clean_and_chunk(raw, splitter)[0]
    with tempfile.TemporaryDirectory() as folder, OpenAIServer(_answer) as server:
        makers = Makers(Path(folder), server)
        first = seconds_of(lambda: makers.make(before), runs=1)
        made = makers.made[-1]
        again = seconds_of(lambda: makers.make(before), runs=1)
        makers.make(after)
    repeated, grown = makers.made[1:]
    others = {row.row_id: row.split for row in grown.rows if row.document_id != raw[-1].document_id}
    own = [row for row in grown.rows if row.document_id == raw[-1].document_id]
    figures.note(f"rows of {DOCUMENTS:,} documents: calls; texts generated", f"{made.calls:,}; {made.generated:,}")
    figures.note("the same, first run; again", f"{first:.1f} s; {again:.1f} s")
    figures.ratio("rows again: calls of the teacher", repeated.calls, at_most=0)
    figures.ratio("rows again: texts generated", repeated.generated, at_most=0)
    figures.ratio("1 new document: calls, of its own passages", grown.calls / _count(own, "teacher@1"), at_most=1)
    figures.ratio("1 new document: texts generated, of its own rows", grown.generated / len(own), at_most=1)
    moved = others.items() ^ {row.row_id: row.split for row in made.rows}.items()
    figures.ratio("1 new document: rows of others that changed, or changed sides", len(moved), at_most=0)


@dataclass(frozen=True)
class Made:
    """The rows of one run, and what they took."""

    rows: list[InstructRow]
    calls: int
    generated: int


@dataclass
class Makers:
    """Makes rows and pairs as the assets do, and remembers what they keep from run to run."""

    home: Path
    server: OpenAIServer
    made: list[Made] = field(default_factory=list)
    kept: list[Rejection] = field(default_factory=list)

    def make(self, documents: Sequence[CleanedDocument]) -> None:
        """Make the rows of all documents, and a pair of each row that is the author's own words."""
        asked = len(self.server.asked)
        splits = split_documents(documents, SplitRule())
        teacher = Teacher(artifacts=str(self.home), url=self.server.url, teacher_model="sage", max_tokens=10**9)
        material = Material(
            author=AUTHOR, documents=documents, splits=splits, seed=0, ask=lambda: teacher.teacher(AUTHOR)
        )
        generators = (Extractive(), FromTeacher(answers_per_passage=0))
        rows = [row for generator in generators for row in generator.generate(material).rows]
        pairs = OnPolicy("bench@1", known_texts(self.kept, "bench@1")).generate(
            PairMaterial(
                author=AUTHOR,
                rows=rows,
                documents=documents,
                splits=splits,
                seed=0,
                ask=lambda: teacher.teacher(AUTHOR),
                sample=lambda prompts: list(self._model().generate(prompts, WRITING)),
            )
        )
        self.kept = to_keep(self.kept, pairs.rejections, rows)
        self.made.append(Made(rows, len(self.server.asked) - asked, pairs.generated))

    def _model(self) -> CausalModel:
        folder = self.home / "model"
        if not folder.exists():
            _save_a_model(folder)
        return CausalModel(str(folder))


def _save_a_model(folder: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    from twin_assets.training.hyperparameters import PretrainHyperparameters
    from twin_assets.training.payload.pretrain import train_tokenizer

    logging.disable_progress_bar()
    texts = [document.text for document in generated_documents(100, sentences=5)]
    tokenizer = train_tokenizer(texts, PretrainHyperparameters(vocab_size=1_000, min_frequency=2))
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _answer(asked: Asked) -> Sent:
    number = sha256(asked.user.encode()).hexdigest()[:12]
    return says({"instruction": f"What do you make of {number}?", "kind": "opinion"})


def _count(rows: Sequence[InstructRow], generator: str) -> int:
    return sum(row.generator == generator for row in rows)
