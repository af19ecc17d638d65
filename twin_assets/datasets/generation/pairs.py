"""What makes a preference pair: which rows take part, which pairs are worth learning from, how a pair is put together.

Every way to make pairs goes through here. Who writes the rejected texts is decided in `on_policy`, `taught_pairs` and
`feedback_pairs`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rapidfuzz import fuzz

from twin_assets.datasets.curation.overlap import normal_form
from twin_assets.datasets.generation.endings import cut_code_to_complete, cut_to_complete, ends_complete
from twin_assets.datasets.generation.extractive import HOLDS_MARKER
from twin_assets.documents import (
    SPLITS,
    Category,
    CleanedDocument,
    InstructRow,
    PreferenceRow,
    Split,
    content_hash,
)
from twin_assets.training.chat_template import holds_marker

ON_POLICY = "model@1"
"""Generator of the pairs whose rejected text was sampled from a model of this platform."""
NEARLY_EQUAL = 90.0
"""Similarity (0 to 100, normalised indel distance) from which two texts differ in spelling, not in style."""
NOT_OWN_WORDS = "answer is not the author's own words"
"""Why an instruct row gives no pair: its answer was written by a model, or does not stand where the row says."""


class PreferenceResult(NamedTuple):
    """The pairs, and how many prompts gave none, by reason."""

    rows: list[PreferenceRow]
    dropped: dict[str, int]


class Judged(NamedTuple):
    """A rejected text as it may stand in a pair, or why it may not.

    Attributes:
        text: The text without blank ends, cut back to its last complete end; empty if there is an objection.
        objection: Why the pair teaches nothing; None if it does.
    """

    text: str
    objection: str | None


def preference_prompt_hash(prompt: str, rejected_by: str) -> str:
    """Return the hash by which a rejected text is looked up: of the prompt, the model and its generation settings."""
    return content_hash({"prompt": prompt, "rejected_by": rejected_by})


def own_words(
    rows: Iterable[InstructRow], documents: Iterable[CleanedDocument]
) -> tuple[list[InstructRow], Counter[str]]:
    """Return the rows whose answer can be chosen, and how many cannot, by reason.

    It has to be the author's own text, verbatim where the row says: what a teacher wrote is not, nor is a row of a
    general dataset. Nothing is generated for the others.
    """
    texts = {document.document_id: document.text for document in documents}
    kept = []
    dropped: Counter[str] = Counter()
    for row in rows:
        stands = texts.get(row.document_id, "")[max(0, row.start) : row.end]
        verbatim = row.answer.strip() and stands == row.answer
        objection = (
            _objection_to_chosen(row.instruction, row.answer, row.category)
            if verbatim and row.passage_start is None
            else NOT_OWN_WORDS
        )
        if objection:
            dropped[objection] += 1
        else:
            kept.append(row)
    return kept, dropped


def preference_prompts(rows: Sequence[InstructRow], *, limit: int | None = None, seed: int) -> list[InstructRow]:
    """Return the rows whose instructions are put to a model, in the order of `rows`.

    A hash of the seed and the instruction chooses, so that a row keeps its place when others are added, as far as the
    limit lets it. Every split has its share, and at least one row if it has any.

    Args:
        rows: Rows of the instruct dataset.
        limit: Most rows to return, each of which costs a generation; None for all.
        seed: Another seed chooses others.

    Raises:
        ValueError: If `limit` is below 2, or leaves nothing for one of the splits.
    """
    sizes = Counter(row.split for row in rows)
    if limit is not None and limit < max(2, len(sizes)):
        raise ValueError(f"limit is {limit}: allow at least {max(2, len(sizes))} preference rows, one for each split.")
    if limit is None or len(rows) <= limit:
        return list(rows)
    drawn = sorted(rows, key=lambda row: content_hash([seed, row.instruction, row.document_id, row.start]))
    chosen = {
        id(row)
        for split, count in _shares(sizes, limit).items()
        for row in [row for row in drawn if row.split == split][:count]
    }
    return [row for row in rows if id(row) in chosen]


def judged(prompt: str, chosen: str, rejected: str | None, category: Category) -> Judged:
    """Return a rejected text as it may stand in a pair, or why the pair teaches nothing.

    Blank ends are no part of an answer: left in, they alone would tell the rejected from the chosen. So would an end in
    mid-sentence, which is why the text is cut back to its last complete end (see `endings`).
    """
    if rejected is None:
        return Judged("", "nothing generated")
    whole = rejected.strip()
    objection = (
        _objection_to_chosen(prompt, chosen, category)
        or (HOLDS_MARKER if holds_marker(whole) else None)
        or _likeness(chosen, whole)
    )
    if objection:
        return Judged("", objection)
    cut = (cut_code_to_complete(whole) if category == "repositories" else "") or cut_to_complete(whole)
    objection = _likeness(chosen, cut) if cut else "rejected has no complete sentence"
    return Judged("" if objection else cut, objection)


def pair_of(
    row: InstructRow,
    rejected: str,
    *,
    rejected_by: str,
    prompt_hash: str,
    generator: str,
    calls: Sequence[str] = (),
    cost: float = 0.0,
) -> PreferenceRow:
    """Return the pair of a row's answer, verbatim, and a rejected text."""
    return PreferenceRow(
        prompt=row.instruction,
        chosen=row.answer,
        rejected=rejected,
        author=row.author,
        category=row.category,
        document_id=row.document_id,
        start=row.start,
        end=row.end,
        rejected_by=rejected_by,
        prompt_hash=prompt_hash,
        split=row.split,
        generator=generator,
        calls=list(calls),
        cost=cost,
    )


def build_preference_rows(
    rows: Sequence[InstructRow], rejected: Mapping[str, str], rejected_by: str
) -> PreferenceResult:
    """Return the pairs of rows and what one model wrote for their instructions.

    Args:
        rows: Rows that take part; their answers are chosen, verbatim.
        rejected: What the model wrote, by `preference_prompt_hash(row.instruction, rejected_by)`.
        rejected_by: The model and its generation settings.

    Returns:
        The pairs in the order of `rows`. Left out, and counted, is every pair that `judged` objects to.
    """
    dropped: Counter[str] = Counter()
    kept = []
    for row in rows:
        prompt_hash = preference_prompt_hash(row.instruction, rejected_by)
        text, objection = judged(row.instruction, row.answer, rejected.get(prompt_hash), row.category)
        if objection:
            dropped[objection] += 1
        else:
            kept.append(pair_of(row, text, rejected_by=rejected_by, prompt_hash=prompt_hash, generator=ON_POLICY))
    return PreferenceResult(kept, dict(dropped.most_common()))


def _shares(sizes: Mapping[Split, int], limit: int) -> dict[Split, int]:
    """Return how many rows each split gives: its share of the limit, one at least, the rest where most was cut off."""
    total = sum(sizes.values())
    exact = {split: limit * sizes[split] / total for split in SPLITS if sizes.get(split)}
    shares = {split: max(1, int(share)) for split, share in exact.items()}
    while sum(shares.values()) != limit:
        missing = {split: exact[split] - shares[split] for split in shares}
        if sum(shares.values()) < limit:
            shares[max(missing, key=lambda split: missing[split])] += 1
        else:
            shares[min((s for s in missing if shares[s] > 1), key=lambda split: missing[split])] -= 1
    return shares


def _objection_to_chosen(prompt: str, chosen: str, category: Category) -> str | None:
    if holds_marker(prompt) or holds_marker(chosen):
        return HOLDS_MARKER
    # An answer from a repository may be bare source code, which ends as code does.
    return None if category == "repositories" or ends_complete(chosen) else "chosen breaks off"


def _likeness(chosen: str, rejected: str) -> str | None:
    ours, theirs = normal_form(chosen), normal_form(rejected)
    if not theirs:
        return "rejected is empty"
    if ours == theirs:
        return "rejected equals chosen"
    if theirs in ours or fuzz.ratio(ours, theirs) >= NEARLY_EQUAL:
        return "rejected nearly equals chosen"
    return None
