"""Decontamination: nothing is trained on that a model will be measured by.

What is held out is the rows of the test side, the documents they come from, and whatever else evaluation asks with.
Everything is counted exactly, on fingerprints of runs of words: nothing is estimated, and nothing is missed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from twin_assets.datasets.curation.contract import Row
from twin_assets.datasets.curation.overlap import NEAR, normal_form
from twin_assets.datasets.curation.rows import answer_of, prompt_of, texts_of
from twin_assets.documents import InstructRow, PreferenceRow
from twin_assets.features.deduplication import Shingles, shingles

NGRAM_WORDS = 13
"""A row that shares so many words in a row with what is held out is contaminated (Brown et al., 2020, appendix C)."""


class HeldOut:
    """Everything that is held out, ready to be compared with.

    Args:
        rows: Rows of a dataset; those of the test side are held out.
        texts: Further texts that are held out: documents, prompts of an evaluation, queries.
        roots: For each document the one that its cluster of near-duplicates goes back to.
        near: Share of a row's word 5-grams that stand in what is held out, from which it nearly repeats it.
        compare_documents: Whether a shared document counts, besides shared text.
    """

    def __init__(
        self,
        rows: Iterable[InstructRow | PreferenceRow],
        texts: Iterable[str] = (),
        *,
        roots: Mapping[str, str] | None = None,
        near: float = NEAR,
        compare_documents: bool = True,
    ) -> None:
        self._roots = roots or {}
        self._near = near
        tested = [row for row in rows if row.split == "test"]
        self._documents = {self._roots.get(row.document_id, row.document_id) for row in tested} - {""}
        self._compare_documents = compare_documents
        self._prompts = {normal_form(prompt_of(row)) for row in tested}
        answers = [answer_of(row) for row in tested]
        self._answers = {normal_form(answer) for answer in answers}
        held_out = [normal_form(text) for text in (*texts, *answers)]
        self._runs = _union([shingles(text) for text in held_out])
        long = [*held_out, *self._prompts]
        self._ngrams = _union([shingles(text, words_each=NGRAM_WORDS) for text in long if _is_long(text)])

    def objection(self, row: InstructRow | PreferenceRow) -> str | None:
        """Return what a row of the training or validation side shares with what is held out, or None."""
        if (
            self._compare_documents
            and row.document_id
            and self._roots.get(row.document_id, row.document_id) in self._documents
        ):
            return "document of the test side"
        if normal_form(prompt_of(row)) in self._prompts:
            return "instruction of the test side"
        answer = normal_form(answer_of(row))
        if answer in self._answers:
            return "answer of the test side"
        runs = shingles(answer)
        if len(runs) and np.isin(runs, self._runs).mean() >= self._near:
            return "nearly repeats the test side"
        texts = [text for text in map(normal_form, texts_of(row)) if _is_long(text)]
        if any(np.isin(shingles(text, words_each=NGRAM_WORDS), self._ngrams).any() for text in texts):
            return f"{NGRAM_WORDS} words in a row of the test side"
        return None


def decontaminate(
    rows: Sequence[Row],
    test_texts: Iterable[str] = (),
    *,
    roots: Mapping[str, str] | None = None,
    near: float = NEAR,
) -> tuple[list[Row], Counter[str]]:
    """Drop the rows of the training and validation sides that share something with what is held out.

    That is a document or one that nearly repeats it, an instruction, an answer or half of its word 5-grams, or 13 words
    in a row of any text. The rows of the test side all stay.

    Args:
        rows: Rows of one dataset, each with its side.
        test_texts: What is held out besides the rows of the test side: documents, evaluation prompts, queries.
        roots: For each document the one that its cluster of near-duplicates goes back to, see `splitting`.
        near: Share of the 5-grams from which an answer nearly repeats what is held out.

    Returns:
        The rows that are left, in the order given, and how many were dropped, by reason.
    """
    held_out = HeldOut(rows, test_texts, roots=roots, near=near)
    dropped: Counter[str] = Counter()
    kept = []
    for row in rows:
        reason = None if row.split == "test" else held_out.objection(row)
        if reason is None:
            kept.append(row)
        else:
            dropped[reason] += 1
    return kept, dropped


def _is_long(text: str) -> bool:
    """Whether a text in normal form has an n-gram: a shorter one would be compared as a whole."""
    return text.count(" ") >= NGRAM_WORDS - 1


def _union(sets: Sequence[Shingles]) -> Shingles:
    return np.unique(np.concatenate(sets)) if sets else np.empty(0, dtype=np.uint64)
