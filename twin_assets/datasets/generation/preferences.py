"""The preference dataset: the author's own passage against what a model wrote for the same prompt.

Which prompts take part, which pairs are worth learning from, and which texts need not be generated again. The model
that writes the rejected texts is not called here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rapidfuzz import fuzz

from twin_assets.datasets.curation.overlap import normal_form
from twin_assets.datasets.generation.extractive import HOLDS_MARKER
from twin_assets.documents import InstructRow, PreferenceRow, content_hash
from twin_assets.training.chat_template import holds_marker

NEARLY_EQUAL = 90.0
"""Similarity (0 to 100, normalised indel distance) from which two texts differ in spelling, not in style."""


class PreferenceResult(NamedTuple):
    """The pairs, and how many prompts gave none, by reason."""

    rows: list[PreferenceRow]
    dropped: dict[str, int]


def preference_prompt_hash(prompt: str, rejected_by: str) -> str:
    """Return the hash by which a rejected text is looked up: of the prompt, the model and its generation settings."""
    return content_hash({"prompt": prompt, "rejected_by": rejected_by})


def preference_prompts(rows: Sequence[InstructRow], *, limit: int | None = None, seed: int) -> list[InstructRow]:
    """Return the rows whose instructions are put to a model, in the order of `rows`.

    A hash of the seed and the instruction chooses, so that a row keeps its place when others are added, as far as the
    limit lets it. Either split has its share, and at least one row if it has any.

    Args:
        rows: Rows of the instruct dataset.
        limit: Most rows to return, each of which costs a generation; None for all.
        seed: Another seed chooses others.

    Raises:
        ValueError: If `limit` is below 2, which leaves nothing for one of the splits.
    """
    if limit is not None and limit < 2:
        raise ValueError(f"limit is {limit}: allow at least 2 preference rows, one for each split.")
    if limit is None or len(rows) <= limit:
        return list(rows)
    n_test = sum(row.split == "test" for row in rows)
    share = min(max(round(limit * n_test / len(rows)), min(n_test, 1)), n_test, limit - (n_test < len(rows)))
    drawn = sorted(rows, key=lambda row: content_hash([seed, row.instruction, row.document_id, row.start]))
    chosen = {
        id(row)
        for split, count in (("test", share), ("train", limit - share))
        for row in [row for row in drawn if row.split == split][:count]
    }
    return [row for row in rows if id(row) in chosen]


def build_preference_rows(
    rows: Sequence[InstructRow], rejected: Mapping[str, str], rejected_by: str
) -> PreferenceResult:
    """Return the preference dataset.

    Args:
        rows: Rows that take part; their answers are chosen, verbatim.
        rejected: What the model wrote, by `preference_prompt_hash(row.instruction, rejected_by)`.
        rejected_by: The model and its generation settings.

    Returns:
        The pairs in the order of `rows`. Left out, and counted: a prompt without a rejected text, an empty one, and one
        that equals or nearly equals what is chosen, or is a piece of it; and a pair that spells out a marker of the
        chat template.
    """
    dropped: Counter[str] = Counter()
    kept = []
    for row in rows:
        prompt_hash = preference_prompt_hash(row.instruction, rejected_by)
        reason = _objection(row, rejected.get(prompt_hash))
        if reason:
            dropped[reason] += 1
            continue
        kept.append(
            PreferenceRow(
                prompt=row.instruction,
                chosen=row.answer,
                # Blank ends are no part of an answer: left in, they alone would tell the rejected from the chosen.
                rejected=rejected[prompt_hash].strip(),
                author=row.author,
                category=row.category,
                document_id=row.document_id,
                start=row.start,
                end=row.end,
                rejected_by=rejected_by,
                prompt_hash=prompt_hash,
                split=row.split,
            )
        )
    return PreferenceResult(kept, dict(dropped.most_common()))


def reusable_rejections(previous: Sequence[PreferenceRow], rejected_by: str) -> dict[str, str]:
    """Return the rejected texts of an earlier dataset that this model, with these settings, would write again.

    A text that was left out of the earlier dataset is not in it, and is generated again.

    Returns:
        `preference_prompt_hash` -> rejected text.
    """
    return {row.prompt_hash: row.rejected for row in previous if row.rejected_by == rejected_by}


def _objection(row: InstructRow, rejected: str | None) -> str | None:
    """Return why a pair teaches nothing, or None if it does."""
    if rejected is None:
        return "nothing generated"
    if any(map(holds_marker, (row.instruction, row.answer, rejected))):
        return HOLDS_MARKER
    ours, theirs = normal_form(row.answer), normal_form(rejected)
    if not theirs:
        return "rejected is empty"
    if ours == theirs:
        return "rejected equals chosen"
    if theirs in ours or fuzz.ratio(ours, theirs) >= NEARLY_EQUAL:
        return "rejected nearly equals chosen"
    return None
