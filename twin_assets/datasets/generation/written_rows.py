"""What is common to rows that a model helped to write: how it is asked, and what a row has to be to be kept.

Which questions are asked is decided in `teacher` and `evolve`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import BaseModel

from twin_assets.asking import LanguageModel, Question, Reply
from twin_assets.datasets.curation.groundedness import support
from twin_assets.datasets.curation.overlap import RUN_WORDS, SeenTexts, normal_form
from twin_assets.datasets.extraction.fitness import is_finished
from twin_assets.datasets.extraction.passages import MAX_WORDS, Passage
from twin_assets.datasets.generation.contract import Material
from twin_assets.datasets.generation.extractive import HOLDS_MARKER, placed_passages
from twin_assets.datasets.generation.instructions import MAX_INSTRUCTION_WORDS, UNNATURAL, Place, shares_a_run
from twin_assets.documents import InstructRow, content_hash
from twin_assets.training.chat_template import holds_marker

Kind = Literal["explain", "how-to", "opinion", "summarise", "write", "code"]
"""What is asked for. The answers' forms hold a model to this list."""

ASKED_WORDS = (30, 120)
"""Length of a written answer that a model is asked for, in words."""
ANSWER_WORDS = (15, MAX_WORDS)
"""Length of a written answer that is kept."""
MIN_INSTRUCTION_WORDS = 3
MAX_REPEATED = 0.15
"""A text of whose runs of five words more than this share are repetitions goes round in circles (Rae et al., 2021, keep
15 % as the most for 5-grams in the rules of MassiveText)."""

_SPEAKS_OF_SOURCE = re.compile(
    r"\b(?:according to|based on|(?:as )?(?:stated|mentioned|described|discussed|provided) in) (?:the|this|that) "
    r"(?:article|post|piece|material|reply|request|essay)\b|\b(?:as )?(?:mentioned|described|stated|provided) above\b",
    re.IGNORECASE,
)
_ORDER_TO_A_MODEL = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.!?\n]{0,40}"
    r"\b(?:above|before|previous|prior|earlier|preceding|system|all|any|your|these|my|other)\b[^.!?\n]{0,30}"
    r"\b(?:instructions?|prompts?|orders?|rules|messages?|directions?|guidelines|said|told)\b|"
    r"\b(?:ignore|disregard) (?:(?:all|everything) )?(?:the |of the )?(?:above|foregoing)\b|"
    r"\b(?:reveal|print|output|show|repeat|leak)\b[^.!?\n]{0,20}\b(?:system prompt|hidden prompt|"
    r"(?:your|the) (?:initial |original |secret )?instructions)\b",
    re.IGNORECASE,
)
_LAST_LINE_NEEDS_NO_STOP = re.compile(r"(?:^|\n)[ \t]*(?:(?:[-*+]|\d{1,2}[.)])[ \t]+\S.*|```)$")
_FENCE = re.compile(r"<<<(?:end of )?[a-z]+ [0-9a-f]{8}>>>")

Form = TypeVar("Form", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Draft:
    """An instruction with its answer, before it is looked at.

    Attributes:
        passage: What it rests on.
        language: Language of the document (ISO 639-1), if known.
        instruction: What is asked.
        answer: What a model wrote; None if the passage itself is the answer.
        kind: What is asked for.
    """

    passage: Passage
    language: str | None
    instruction: str
    answer: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a row comes from: the hash of the rendered prompt, the calls' keys, and what the calls cost together."""

    prompt_hash: str
    calls: list[str]
    cost: float


class Intake:
    """Takes drafts in, one call's after the other, and keeps those that are worth a row.

    The first of two rows with the same instruction or the same written answer is kept, marks and capitals aside.
    """

    def __init__(self, generator: str, material: Material, dropped: Counter[str]) -> None:
        self._generator = generator
        self._material = material
        self._dropped = dropped
        self._taken: set[tuple[str, str]] = set()

    def rows(self, drafts: Sequence[Draft], source: Source) -> list[InstructRow]:
        """Return the rows of one call; its cost is shared equally among them. What is left out is counted."""
        kept = []
        for draft in drafts:
            reason = objection(draft) or self._repetition(draft)
            if reason:
                self._dropped[reason] += 1
            else:
                kept.append(draft)
        return [self._row(draft, source, source.cost / len(kept)) for draft in kept]

    def _repetition(self, draft: Draft) -> str | None:
        keys = {"instruction": draft.instruction, "answer": draft.answer}
        named = {(name, normal_form(text)) for name, text in keys.items() if text is not None}
        repeated = sorted(named & self._taken)
        self._taken |= named if not repeated else set()
        return f"repeated {repeated[-1][0]}" if repeated else None

    def _row(self, draft: Draft, source: Source, cost: float) -> InstructRow:
        passage, written = draft.passage, draft.answer is not None
        answer = passage.text if draft.answer is None else draft.answer
        return InstructRow(
            instruction=draft.instruction,
            answer=answer,
            author=passage.author,
            category=passage.category,
            document_id=passage.document_id,
            start=passage.start,
            end=passage.end,
            generator=self._generator,
            prompt_hash=source.prompt_hash,
            split=self._material.splits[passage.document_id],
            kind=draft.kind,
            passage_start=passage.start if written else None,
            passage_end=passage.end if written else None,
            support=support(answer, passage.text, language=draft.language or "en").score if written else 1.0,
            calls=source.calls,
            cost=cost,
        )


def askable_passages(material: Material, dropped: Counter[str]) -> Iterator[tuple[Passage, Place]]:
    """Yield the passages that a model is asked about, those held out first; one that repeats an earlier one is not.

    Which question is asked about a passage may depend on the passage alone: then a new document asks for its own only.

    Args:
        material: The documents and their sides.
        dropped: Counts what is left out, by reason; added to.
    """
    seen = SeenTexts()
    for passage, place in placed_passages(material, dropped):
        if seen.repeated_by(passage.text) is not None:
            dropped["repeated passage"] += 1
        else:
            seen.add(passage.document_id, passage.text)
            yield passage, place


def ask_all(material: Material, model: LanguageModel, questions: Sequence[Question], *, purpose: str) -> list[Reply]:
    """Return the reply to every question, in order, and report what it will take at most and how far it has come.

    They are asked in an order drawn by their hash, so that a budget that ends in the middle has paid for a sample of
    all documents and not for the first ones.

    Args:
        material: Whose seed draws, and who is told about progress.
        model: Who is asked.
        questions: What is asked.
        purpose: What for, to begin a sentence with.
    """
    if not questions:
        return []
    most = model.estimate(questions)
    material.report(
        f"{purpose}: {len(questions):,} questions for {model.name}, {most.cached:,} of them answered before; the rest "
        f"takes at most {most.prompt_tokens + most.completion_tokens:,} tokens and ${most.cost:.2f}."
    )

    def progress(done: int, total: int) -> None:
        if done == total or done % max(1, total // 10) == 0:
            material.report(f"{purpose}: {done:,} of {total:,} answered.")

    drawn = sorted(range(len(questions)), key=lambda i: content_hash([material.seed, questions[i].user]))
    replies = model.ask([questions[i] for i in drawn], progress=progress)
    by_place = dict(zip(drawn, replies, strict=True))
    return [by_place[i] for i in range(len(questions))]


def answered(reply: Reply, form: type[Form], dropped: Counter[str]) -> Form | None:
    """Return the answer of a reply, or None if it failed, which is counted by its reason."""
    if isinstance(reply.answer, form):
        return reply.answer
    dropped[reply.failure or f"the answer is no {form.__name__}"] += 1
    return None


def objection(draft: Draft) -> str | None:
    """Return why a draft is no row, or None if it is one. How far its passage supports it is judged later, by score."""
    return instruction_objection(draft.instruction, draft.passage) or (
        None if draft.answer is None else _answer_objection(draft, draft.answer)
    )


def instruction_objection(instruction: str, passage: Passage) -> str | None:
    """Return why nobody would ask for a passage, or for an answer from it, in these words; None if one would."""
    n_words = len(instruction.split())
    reasons = (
        (HOLDS_MARKER, holds_marker(instruction)),
        ("repeats an order to the model", follows_an_order(instruction)),
        ("instruction too short", n_words < MIN_INSTRUCTION_WORDS),
        ("instruction too long", n_words > MAX_INSTRUCTION_WORDS),
        ("instruction speaks of its source", UNNATURAL.search(instruction) or _SPEAKS_OF_SOURCE.search(instruction)),
        ("instruction gives the answer away", _gives_away(instruction, passage)),
    )
    return next((reason for reason, applies in reasons if applies), None)


def _gives_away(instruction: str, passage: Passage) -> bool:
    if passage.code is None:
        return shares_a_run(instruction, passage.text)
    # A request for code may well name its parameters, one after the other.
    return normal_form(passage.text) in normal_form(instruction)


def _answer_objection(draft: Draft, answer: str) -> str | None:
    n_words = len(answer.split())
    source = draft.passage.text.lower()
    aloof = [*UNNATURAL.finditer(answer), *_SPEAKS_OF_SOURCE.finditer(answer)]
    reasons = (
        (HOLDS_MARKER, holds_marker(answer)),
        ("repeats an order to the model", follows_an_order(answer)),
        ("answer too short", n_words < ANSWER_WORDS[0]),
        ("answer too long", n_words > ANSWER_WORDS[1]),
        ("unfinished answer", not (is_finished(answer) or _LAST_LINE_NEEDS_NO_STOP.search(answer))),
        ("answer repeats itself", repeated_share(answer) > MAX_REPEATED),
        ("answer speaks of its source", any(match.group().lower() not in source for match in aloof)),
        ("instruction gives the answer away", shares_a_run(draft.instruction, answer)),
    )
    found = next((reason for reason, applies in reasons if applies), None)
    if found is None and support(answer, draft.passage.text, language=draft.language or "en").invented:
        return "a name or number that its passage does not hold"
    return found


def follows_an_order(text: str) -> bool:
    """Whether a text repeats an order to a language model, such as "ignore the instructions above", or its fences."""
    return bool(_ORDER_TO_A_MODEL.search(text) or _FENCE.search(text))


def repeated_share(text: str) -> float:
    """Return the share of a text's runs of five words that it has said before, from 0 to 1."""
    words = normal_form(text).split()
    runs = [tuple(words[i : i + RUN_WORDS]) for i in range(len(words) - RUN_WORDS + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0
