"""Rows drawn to be shown: short, without personal data, and beside the passage that they rest on."""

import re
from collections.abc import Sequence

from twin_assets.datasets.curation.contract import Row
from twin_assets.datasets.figures import PairSample, Sample
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow, content_hash
from twin_assets.features.masking import without_personal_data

TEXT_CHARACTERS = 1_200
"""Most of a text that is shown."""
CONTEXT_WORDS = 30
"""Words that are shown before and after a passage."""
_HASH = re.compile(r"\b[0-9a-f]{40,}\b")
_WINDOW = 10_000
"""Characters masked around a passage: more than are shown, so that no number or address is cut before it is masked."""


def drawn(rows: Sequence[Row], count: int, *, seed: int) -> list[Row]:
    """Return `count` rows drawn by a hash, of every generator one before any has two."""
    order = sorted(rows, key=lambda row: content_hash([seed, row.row_id]))
    firsts: list[Row] = []
    others: list[Row] = []
    seen: set[str] = set()
    for row in order:
        (others if row.generator in seen else firsts).append(row)
        seen.add(row.generator)
    return (firsts + others)[:count]


def instruct_sample(row: InstructRow, document: CleanedDocument | None) -> Sample:
    """Return a row to be shown, beside its passage if its document is at hand."""
    verbatim = row.passage_start is None or row.passage_end is None
    start, end = (row.start, row.end) if verbatim else (row.passage_start or 0, row.passage_end or 0)
    text = document.text if document else ""
    before = without_personal_data(text[max(0, start - _WINDOW) : start]).split()
    after = without_personal_data(text[end : end + _WINDOW]).split()
    return Sample(
        row_id=row.row_id,
        split=row.split,
        generator=row.generator,
        prompt=without_personal_data(row.instruction),
        answer=beginning(without_personal_data(row.answer)),
        verbatim=verbatim,
        title=without_personal_data(document.title) if document and document.title else None,
        before=" ".join(["..."] * (len(before) > CONTEXT_WORDS) + before[-CONTEXT_WORDS:]),
        passage=beginning(without_personal_data(text[start:end])) if document else None,
        after=" ".join(after[:CONTEXT_WORDS] + ["..."] * (len(after) > CONTEXT_WORDS)),
    )


def pair_sample(row: PreferenceRow) -> PairSample:
    """Return a pair to be shown."""
    return PairSample(
        row_id=row.row_id,
        split=row.split,
        prompt=without_personal_data(row.prompt),
        chosen=beginning(without_personal_data(row.chosen)),
        rejected=beginning(without_personal_data(row.rejected)),
        rejected_by=with_short_hashes(row.rejected_by),
    )


def beginning(text: str) -> str:
    """Return as much of a text as is shown."""
    return text if len(text) <= TEXT_CHARACTERS else f"{text[:TEXT_CHARACTERS].rstrip()} ..."


def with_short_hashes(name: str) -> str:
    """Return the name of a model with twelve digits of each hash in it: enough to tell two apart, and to be read."""
    return _HASH.sub(lambda match: match.group()[:12], name)
