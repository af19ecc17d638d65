"""Near-duplicates among the rows of a large dataset: how fast they are found, and how much memory that takes.

Against comparing every row with every other one, which is measured on 5,000 rows and extrapolated by the square.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figures
from benchmarks.timing import peak_megabytes, seconds_of
from twin_assets.datasets.curation.duplicates import drop_near
from twin_assets.datasets.curation.overlap import NEAR, word_runs
from twin_assets.documents import InstructRow

ROWS = 100_000
PAIRWISE_ROWS = 5_000
VOCABULARY = 20_000
WORDS = (40, 120)
"""Shortest and longest answer, in words, as the passages of an author are."""
ONE_IN = 20
"""Of so many rows one nearly repeats the row before it: a word in ten is another."""


def run(figures: Figures) -> None:
    """Measure the search over 100,000 rows, what it finds, and how it grows."""
    rows = generated_rows(ROWS)
    half = rows[: ROWS // 2]
    pairwise = seconds_of(lambda: _compare_all(half[:PAIRWISE_ROWS]), runs=1) * (ROWS / PAIRWISE_ROWS) ** 2
    before = peak_megabytes()
    seconds_half = seconds_of(lambda: drop_near(half), runs=1)
    memory_half = peak_megabytes() - before
    kept: list[InstructRow] = []
    seconds = seconds_of(lambda: kept.extend(drop_near(rows)[0]), runs=1)
    memory = peak_megabytes() - before
    figures.note("near-duplicates, rows", f"{ROWS:,} in {seconds:.1f} s, {memory:,.0f} MB")
    figures.note("near-duplicates, every pair, extrapolated", f"{pairwise:,.0f} s")
    figures.ratio("near-duplicates: times as fast as every pair", pairwise / seconds, at_least=5)
    figures.ratio("near-duplicates: time of twice the rows", seconds / seconds_half, at_most=2.5)
    figures.ratio("near-duplicates: memory of twice the rows", memory / memory_half, at_most=2.6)
    planted = {row.document_id for row in rows if row.kind == "copy"}
    left = {row.document_id for row in kept}
    figures.ratio(
        "near-duplicates: share of those planted that is found", 1 - len(planted & left) / len(planted), at_least=0.99
    )
    figures.ratio("near-duplicates: others taken for one", len(rows) - len(planted | left), at_most=0)


def generated_rows(count: int) -> list[InstructRow]:
    """Return as many rows, the same ones each time; words are drawn by Zipf's law, and one row in twenty is a copy."""
    generator = np.random.default_rng(0)
    share = 1 / np.arange(1, VOCABULARY + 1)
    share /= share.sum()
    drawn = generator.choice(VOCABULARY, size=(count, WORDS[1]), p=share)
    lengths = generator.integers(*WORDS, size=count)
    return [_row(number, words) for number, words in enumerate(_with_copies(drawn, lengths, generator))]


def _with_copies(
    drawn: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], generator: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    before = drawn[0]
    for number, (words, length) in enumerate(zip(drawn, lengths, strict=True)):
        if number % ONE_IN == 1:
            changed = before.copy()
            # Near each other: words changed at random places would leave no run of five untouched.
            start = generator.integers(len(changed) - len(changed) // 10)
            changed[start : start + len(changed) // 10] = words[: len(changed) // 10]
            yield changed
        else:
            before = words[:length]
            yield before


def _row(number: int, words: npt.NDArray[np.int64]) -> InstructRow:
    answer = " ".join(f"w{word}" for word in words)
    return InstructRow(
        instruction=f"Write note {number}.",
        answer=answer,
        author="ann-bench",
        category="articles",
        document_id=f"{number:06}",
        start=0,
        end=len(answer),
        generator="extractive@1",
        prompt_hash="",
        split="train",
        kind="copy" if number % ONE_IN == 1 else "note",
    )


def _compare_all(rows: Sequence[InstructRow]) -> int:
    """Return how many pairs nearly repeat each other, found the straightforward way."""
    runs = [word_runs(row.answer) for row in rows]
    return sum(len(one & other) >= NEAR * min(len(one), len(other)) for one, other in combinations(runs, 2))
