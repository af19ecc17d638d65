"""What makes a preference pair: which rows take part, which pairs are worth learning from, how a pair is put together.

Every way to make pairs goes through here. Who writes the rejected texts is decided in `on_policy`, `taught_pairs` and
`feedback_pairs`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from twin_assets.datasets.curation.overlap import likeness_objection
from twin_assets.datasets.generation.endings import cut_code_to_complete, cut_near, cut_to_complete, ends_complete
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
MIN_CHOSEN_WORDS = 20
"""A chosen passage is not shortened below this: a sentence or two show how somebody writes, half of one does not."""
NOT_OWN_WORDS = "answer is not the author's own words"
"""Why an instruct row gives no pair: its answer was written by a model, or does not stand where the row says."""


class PreferenceResult(NamedTuple):
    """The pairs, and how many prompts gave none, by reason."""

    rows: list[PreferenceRow]
    dropped: dict[str, int]


class Judged(NamedTuple):
    """Two texts as they may stand in a pair, or why they may not.

    Attributes:
        chosen: The chosen text or a beginning of it, verbatim; empty if there is an objection.
        rejected: The rejected text without blank ends, cut back to a complete end; empty if there is an objection.
        objection: Why the pair teaches nothing; None if it does.
    """

    chosen: str
    rejected: str
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


def judged(
    prompt: str, chosen: str, rejected: str | None, category: Category, *, shorten_chosen: bool = True
) -> Judged:
    """Return two texts as they may stand in a pair, or why the pair teaches nothing.

    Blank ends are no part of an answer: left in, they alone would tell the rejected from the chosen. So would an end in
    mid-sentence, which is why the rejected text is cut back to a complete end (see `endings`), and so would length: a
    model stops at its limit of tokens, an author where the passage ends. The longer of two texts is therefore cut to
    the sentence that brings it nearest to the other; source code alone stays whole.

    Args:
        prompt: What both answer.
        chosen: The author's text.
        rejected: What somebody else wrote; None if nobody did.
        category: Category of the chosen text.
        shorten_chosen: Whether the author's text may be cut, too.
    """
    if rejected is None:
        return _refused("nothing generated")
    whole = rejected.strip()
    objection = (
        _objection_to_chosen(prompt, chosen, category)
        or (HOLDS_MARKER if holds_marker(whole) else None)
        or likeness_objection(chosen, whole)
    )
    if objection:
        return _refused(objection)
    is_code = category == "repositories"
    cut = (cut_code_to_complete(whole) if is_code else "") or cut_to_complete(whole)
    if not cut:
        return _refused("rejected has no complete sentence")
    ours, theirs = (chosen, cut) if is_code else _of_like_length(chosen, cut, shorten_chosen=shorten_chosen)
    objection = likeness_objection(ours, theirs)
    return _refused(objection) if objection else Judged(ours, theirs, None)


def pair_of(
    row: InstructRow,
    judged: Judged,
    *,
    rejected_by: str,
    prompt_hash: str,
    generator: str,
    calls: Sequence[str] = (),
    cost: float = 0.0,
) -> PreferenceRow:
    """Return the pair of a row's answer, verbatim or a beginning of it, and a rejected text."""
    return PreferenceRow(
        prompt=row.instruction,
        chosen=judged.chosen,
        rejected=judged.rejected,
        author=row.author,
        category=row.category,
        document_id=row.document_id,
        start=row.start,
        end=row.start + len(judged.chosen),
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
        rows: Rows that take part; their answers, or beginnings of them, are chosen, verbatim.
        rejected: What the model wrote, by `preference_prompt_hash(row.instruction, rejected_by)`.
        rejected_by: The model and its generation settings.

    Returns:
        The pairs in the order of `rows`. Left out, and counted, is every pair that `judged` objects to.
    """
    dropped: Counter[str] = Counter()
    kept = []
    for row in rows:
        prompt_hash = preference_prompt_hash(row.instruction, rejected_by)
        verdict = judged(row.instruction, row.answer, rejected.get(prompt_hash), row.category)
        if verdict.objection:
            dropped[verdict.objection] += 1
        else:
            kept.append(pair_of(row, verdict, rejected_by=rejected_by, prompt_hash=prompt_hash, generator=ON_POLICY))
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


def _refused(objection: str) -> Judged:
    return Judged("", "", objection)


def _of_like_length(chosen: str, rejected: str, *, shorten_chosen: bool) -> tuple[str, str]:
    ours, theirs = len(chosen.split()), len(rejected.split())
    if theirs > ours:
        return chosen, cut_near(rejected, ours)
    return (cut_near(chosen, theirs, at_least=MIN_CHOSEN_WORDS) if shorten_chosen else chosen), rejected


def _objection_to_chosen(prompt: str, chosen: str, category: Category) -> str | None:
    if holds_marker(prompt) or holds_marker(chosen):
        return HOLDS_MARKER
    # An answer from a repository may be bare source code, which ends as code does.
    return None if category == "repositories" or ends_complete(chosen) else "chosen breaks off"
