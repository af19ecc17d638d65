"""The teacher generator: a language model writes the instruction for a passage, and further answers that rest on it.

Backtranslation (Li et al., 2023, "Self-Alignment with Instruction Backtranslation") keeps the author's own words as the
answer. Written answers add variety, each with its passage and with how far that passage supports it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, Field

from twin_assets.asking import Question, Reply
from twin_assets.datasets.extraction.passages import Passage
from twin_assets.datasets.generation.contract import Generated, Material
from twin_assets.datasets.generation.prompts import load_prompt, prompt_hash
from twin_assets.datasets.generation.written_rows import (
    ASKED_WORDS,
    Draft,
    Intake,
    Kind,
    Source,
    answered,
    ask_all,
    askable_passages,
)
from twin_assets.documents import InstructRow

GENERATOR = "teacher@1"
"""What wrote a row. The number is raised with every change of the rules; the prompts are told apart by their hash."""

MAX_HEADINGS = 3
"""The innermost headings above a passage say what it is about; the title of the whole says less."""


class Backtranslation(BaseModel):
    """The request that a passage answers."""

    instruction: str = Field(description="The request, in the language of the reply")
    kind: Kind = Field(description="What is asked for")


class Pair(BaseModel):
    """A request with an answer."""

    instruction: str = Field(description="The request")
    kind: Kind = Field(description="What is asked for")
    answer: str = Field(description="The answer, in the person's voice")


class Pairs(BaseModel):
    """Requests with answers that rest on one passage."""

    pairs: list[Pair] = Field(description="As many as were asked for, each about another point")


@dataclass(frozen=True, slots=True)
class _Task:
    """One question about one passage."""

    passage: Passage
    language: str | None
    question: Question


@dataclass(frozen=True)
class FromTeacher:
    """Instructions for the author's own passages, and answers written from them.

    Attributes:
        answers_per_passage: Written answers asked for per passage of prose; 0 for none. Code gets none: whether its
            explanation says what the code does cannot be told from words.
        backtranslate: Whether the instruction for the passage itself is asked for.

    Raises:
        ValueError: If nothing at all would be asked for.
    """

    answers_per_passage: int = 2
    backtranslate: bool = True

    def __post_init__(self) -> None:
        if self.answers_per_passage < 0 or not (self.answers_per_passage or self.backtranslate):
            raise ValueError(
                f"answers_per_passage is {self.answers_per_passage} and backtranslate is {self.backtranslate}: ask for "
                "at least one of them."
            )

    def generate(self, material: Material) -> Generated:
        """Return the rows that the teacher's answers give, ordered by document and offset.

        A question depends on its passage and the options alone. A reply without an answer is counted by its reason,
        such as a refusal or a budget that is spent, and costs no other row.

        Raises:
            UserError: If there is something to ask and no teacher, or one that cannot be asked.
        """
        dropped: Counter[str] = Counter()
        tasks = list(self._tasks(material, dropped))
        if not tasks:
            return Generated([], +dropped)
        replies = ask_all(material, material.ask(), [task.question for task in tasks], purpose="Teacher")
        intake = Intake(GENERATOR, material, dropped)
        rows: list[InstructRow] = []
        for task, reply in zip(tasks, replies, strict=True):
            drafts = self._drafts(task, reply, dropped)
            rows += intake.rows(drafts, Source(prompt_hash(task.question), [reply.key], reply.cost))
        return Generated(sorted(rows, key=lambda row: (row.document_id, row.start)), +dropped)

    def _tasks(self, material: Material, dropped: Counter[str]) -> Iterator[_Task]:
        for passage, place in askable_passages(material, dropped):
            language = place.document.language
            if self.backtranslate and passage.leans:
                dropped["passage leans on what stands before it"] += 1
            elif self.backtranslate:
                yield _Task(passage, language, _backtranslation(passage, language))
            if self.answers_per_passage and passage.code is None:
                yield _Task(passage, language, _written(passage, language, self.answers_per_passage))

    def _drafts(self, task: _Task, reply: Reply, dropped: Counter[str]) -> list[Draft]:
        if task.question.form is Backtranslation:
            found = answered(reply, Backtranslation, dropped)
            return [Draft(task.passage, task.language, found.instruction.strip(), None, found.kind)] if found else []
        written = answered(reply, Pairs, dropped)
        if written is None:
            return []
        pairs, wanted = written.pairs[: self.answers_per_passage], self.answers_per_passage
        dropped["fewer answers than asked for"] += wanted - len(pairs)
        dropped["more answers than asked for"] += len(written.pairs) - len(pairs)
        return [
            Draft(task.passage, task.language, pair.instruction.strip(), pair.answer.strip(), pair.kind)
            for pair in pairs
        ]


def _backtranslation(passage: Passage, language: str | None) -> Question:
    return load_prompt("backtranslate").question(
        Backtranslation, extract=passage.text, headings=passage.headings[-MAX_HEADINGS:], language=language
    )


def _written(passage: Passage, language: str | None, count: int) -> Question:
    shortest, longest = ASKED_WORDS
    return load_prompt("answers").question(
        Pairs, extract=passage.text, count=count, shortest=shortest, longest=longest, language=language
    )
