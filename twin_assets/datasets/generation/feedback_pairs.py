"""Pairs from feedback: an answer that readers did not like against the author's own text.

What is chosen is the author's own text and nothing else, as in the whole dataset. Two things count as such: a passage
that stands verbatim in the author's documents, and a correction that the author signed. An answer that was liked is
still a model's answer, and is chosen only if it repeats a passage; a correction by somebody else is not chosen at all.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from twin_assets.datasets.curation.overlap import normal_form
from twin_assets.datasets.generation.feedback import Feedback, standing
from twin_assets.datasets.generation.near_prompts import NearPrompts
from twin_assets.datasets.generation.pair_contract import GeneratedPairs, PairMaterial
from twin_assets.datasets.generation.pairs import judged, own_words, preference_prompt_hash
from twin_assets.documents import Category, InstructRow, PreferenceRow, Split
from twin_assets.features.masking import without_personal_data

GENERATOR = "feedback@1"
MIN_PASSAGE_WORDS = 10
"""A shorter answer that stands in a document stands there by chance: "Yes, it does." is nobody's own."""


class OwnText(NamedTuple):
    """A text of the author's own that can be chosen.

    Attributes:
        text: The text, verbatim.
        category: What kind of text it is.
        document_id: Document that it stands in; empty for a signed correction that stands in none.
        start: Offset of its first character there.
        end: Offset after its last character.
        split: The side of that document; None without one.
    """

    text: str
    category: Category
    document_id: str
    start: int
    end: int
    split: Split | None


@dataclass(frozen=True)
class FromFeedback:
    """The author's own text against the answers that readers marked down.

    Attributes:
        entries: What was read from the feedback file; entries of other authors are left alone.
    """

    entries: Sequence[Feedback]

    def generate(self, material: PairMaterial) -> GeneratedPairs:
        """Return a pair for every answer that was marked down and has a text of the author's own beside it.

        That text is, in this order: the author's correction of this answer; the author's correction of another answer
        to the same prompt, or a liked answer to it that repeats a passage, the newest first; the passage that a row of
        the instruct dataset gives for the same request in other words.

        A pair stands on the side of its chosen text's document. A correction that stands in no document is trained on,
        unless it may speak of what is held out: then it is left out. Personal data in prompts and answers is masked.

        Returns:
            The pairs, oldest entry first. Every entry that stands is used in a pair or counted in `dropped`; so are the
            entries that newer ones overruled.
        """
        kept, overruled = standing(self.entries, material.author)
        entries = [_masked(entry) for entry in kept]
        desk = _Desk(material)
        own = _own_texts(entries, desk)
        dropped = Counter({"overruled by a newer verdict": overruled} if overruled else {})
        rows: list[PreferenceRow] = []
        used: set[str] = set()
        for entry in entries:
            if entry.verdict == "up":
                continue
            source, chosen = _choice(entry, own[normal_form(entry.prompt)], desk)
            pair = _pair(entry, chosen, desk) if chosen else _nothing_to_choose(entry)
            if isinstance(pair, PreferenceRow):
                rows.append(pair)
                used.add(source)
            else:
                dropped[pair] += 1
        for entry in entries:
            if entry.verdict == "up" and entry.id not in used:
                repeats = entry.id in own[normal_form(entry.prompt)]
                dropped[
                    "liked, with nothing disliked beside it" if repeats else "liked, but not the author's words"
                ] += 1
        return GeneratedPairs(rows=rows, dropped=dropped)


class _Desk:
    """The author's documents and instructions, as feedback is compared with them."""

    def __init__(self, material: PairMaterial) -> None:
        # The original before those that repeat it: a passage is named by where it was written.
        self._documents = sorted(
            material.documents, key=lambda document: (document.duplicate_of is not None, document.document_id)
        )
        self.splits = material.splits
        self.asked_again_by = NearPrompts(own_words(material.rows, material.documents)[0]).asked_again_by

    def passage(self, text: str) -> OwnText | None:
        """Return where a text stands verbatim in the author's documents, or None."""
        wanted = text.strip()
        if len(wanted.split()) < MIN_PASSAGE_WORDS:
            return None
        for document in self._documents:
            start = document.text.find(wanted)
            if start >= 0:
                split = self.splits[document.document_id]
                return OwnText(wanted, document.category, document.document_id, start, start + len(wanted), split)
        return None


def _own_texts(entries: Iterable[Feedback], desk: _Desk) -> dict[str, dict[str, OwnText]]:
    """Return the author's own texts among corrections and liked answers, by prompt and by id, newest first."""
    found: dict[str, dict[str, OwnText]] = defaultdict(dict)
    for entry in reversed(list(entries)):
        text = _signed_text(entry, desk) if entry.verdict == "down" else desk.passage(entry.answer)
        if text:
            found[normal_form(entry.prompt)][entry.id] = text
    return found


def _signed_text(entry: Feedback, desk: _Desk) -> OwnText | None:
    if not entry.is_signed or entry.correction is None:
        return None
    text = entry.correction.strip()
    if passage := desk.passage(text):
        return passage
    asked = desk.asked_again_by(entry.prompt)
    return OwnText(text, asked.category if asked else "posts", "", 0, 0, None)


def _choice(entry: Feedback, own: Mapping[str, OwnText], desk: _Desk) -> tuple[str, OwnText | None]:
    """Return what is chosen over an answer, with the id of the entry that it comes from, empty if from none."""
    for source in (entry.id, *own):
        if source in own:
            return source, own[source]
    row = desk.asked_again_by(entry.prompt)
    if row is None:
        return "", None
    return "", OwnText(row.answer, row.category, row.document_id, row.start, row.end, row.split)


def _nothing_to_choose(entry: Feedback) -> str:
    return (
        "correction is not signed by the author" if entry.correction else "disliked, with nothing of the author's own"
    )


def _pair(entry: Feedback, chosen: OwnText, desk: _Desk) -> PreferenceRow | str:
    """Return the pair, or why there is none."""
    verdict = judged(entry.prompt, chosen.text, entry.answer, chosen.category, shorten_chosen=False)
    asked = desk.asked_again_by(entry.prompt)
    if verdict.objection:
        return verdict.objection
    if chosen.split and asked and asked.split != chosen.split:
        return "asks for one side of the split, answered from another"
    if not chosen.split and _speaks_of_held_out(entry, asked, desk.splits):
        return "correction speaks of what is held out"
    return PreferenceRow(
        prompt=entry.prompt,
        chosen=chosen.text,
        rejected=verdict.rejected,
        author=entry.author,
        category=chosen.category,
        document_id=chosen.document_id,
        start=chosen.start,
        end=chosen.end,
        rejected_by=entry.model,
        prompt_hash=preference_prompt_hash(entry.prompt, entry.model),
        split=chosen.split or "train",
        generator=GENERATOR,
    )


def _speaks_of_held_out(entry: Feedback, asked: InstructRow | None, splits: Mapping[str, Split]) -> bool:
    """Whether a correction that stands in no document may speak of what is held out, and so must not be trained on."""
    touched = {splits[document] for document in entry.documents if document in splits}
    return bool((touched | ({asked.split} if asked else set())) - {"train"})


def _masked(entry: Feedback) -> Feedback:
    texts = {"prompt": entry.prompt.strip(), "answer": entry.answer, "correction": entry.correction}
    return entry.model_copy(update={name: text and without_personal_data(text) for name, text in texts.items()})
