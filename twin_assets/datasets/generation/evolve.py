"""The evolve generator: instructions of the extractive generator, made more demanding and answered from their passage.

Evol-Instruct (Xu et al., 2023, "WizardLM") deepens an instruction or sets a new, rarer one beside it; the steps of
plan, rewriting and second reading are those of Auto-Evol (Zeng et al., 2024, "Automatic Instruction Evolving for Large
Language Models"). The answer to an evolved instruction is written anew from the passage, and scored by its support.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, Field

from twin_assets.asking import LanguageModel, Question, Reply
from twin_assets.datasets.curation.overlap import normal_form
from twin_assets.datasets.extraction.passages import Passage
from twin_assets.datasets.generation.contract import Generated, Material
from twin_assets.datasets.generation.instructions import write_instruction
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
    instruction_objection,
)
from twin_assets.documents import InstructRow, content_hash

GENERATOR = "evolve@1"
"""What wrote a row. The number is raised with every change of the rules; the prompts are told apart by their hash."""

MAX_ADDED_WORDS = 20
"""An evolved instruction may be this much longer (the prompt of Auto-Evol allows 10 to 20 words)."""
BLOCK = 64
"""Instructions evolved before their answers are asked for: a budget that ends leaves few without an answer."""

METHODS = {
    "constraint": "add one constraint or requirement that the material can meet.",
    "deepen": "ask for more depth: for causes, consequences or limits that the material names.",
    "concretise": "replace a general notion by a more specific one that the material treats.",
    "reasoning": "ask for something that takes several steps of reasoning over what the material says.",
    "breadth": "put a new and rarer request in its place, of similar length and difficulty, that the same material "
    "answers and that few people would think of.",
}
"""The operations of Evol-Instruct: four in depth, one in breadth. Complicating the input is left out: there is none."""

_SPEAKS_OF_REWRITING = re.compile(
    r"\b(?:given|original|rewritten|evolved|created|new) (?:prompt|request|instruction)\b", re.IGNORECASE
)


class Evolution(BaseModel):
    """An instruction on its way to a more demanding one."""

    plan: str = Field(description="How the request will be rewritten, in one or two sentences")
    rewritten: str = Field(description="The request, rewritten by the plan")
    instruction: str = Field(description="The final request, after a second reading")
    kind: Kind = Field(description="What is asked for")


class Answer(BaseModel):
    """An answer written anew from a passage."""

    answer: str = Field(description="The answer, in the person's voice")


@dataclass(frozen=True, slots=True)
class _Task:
    """One instruction that is to be evolved."""

    passage: Passage
    language: str | None
    instruction: str
    question: Question


@dataclass(frozen=True, slots=True)
class _Evolved:
    """A task, its evolved instruction, and the question that asks for the answer."""

    task: _Task
    reply: Reply
    instruction: str
    kind: str
    question: Question


@dataclass(frozen=True)
class Evolve:
    """Evolved instructions with answers that a model wrote from the author's passage.

    Attributes:
        share: Share of the passages of prose whose instruction is evolved, in (0, 1]; drawn by hash.

    Raises:
        ValueError: If the share is not in that range.
    """

    share: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(
                f"share is {self.share}: choose a share of the passages above 0 and up to 1, such as 0.25."
            )

    def generate(self, material: Material) -> Generated:
        """Return the evolved rows, ordered by document and offset.

        Two questions are asked per row, one after the other; both depend on its passage alone. What fails on the way is
        counted by its reason.

        Raises:
            UserError: If there is something to ask and no teacher, or one that cannot be asked.
        """
        dropped: Counter[str] = Counter()
        tasks = list(self._tasks(material, dropped))
        rows: list[InstructRow] = []
        intake = Intake(GENERATOR, material, dropped)
        if not tasks:
            return Generated([], +dropped)
        model = material.ask()
        for first in range(0, len(tasks), BLOCK):
            last = min(first + BLOCK, len(tasks))
            material.report(f"Evolving instructions {first + 1:,} to {last:,} of {len(tasks):,}.")
            rows += _block(material, model, tasks[first:last], intake, dropped)
        return Generated(sorted(rows, key=lambda row: (row.document_id, row.start)), +dropped)

    def _tasks(self, material: Material, dropped: Counter[str]) -> Iterator[_Task]:
        for passage, place in askable_passages(material, dropped):
            draw = content_hash([material.seed, "evolve", passage.document_id, passage.text])
            if passage.code is not None or int(draw[:8], 16) / 16**8 >= self.share:
                continue
            # With nothing taken by others, the instruction depends on this passage alone. It names a subject: in a
            # request to continue there is nothing to deepen.
            alone = replace(passage, before=None, leans=False)
            instruction = write_instruction(alone, place, seed=material.seed, taken=())
            if instruction is None:
                dropped["no instruction"] += 1
                continue
            method = list(METHODS)[int(draw[8:16], 16) % len(METHODS)]
            question = load_prompt("evolve").question(
                Evolution,
                instruction=instruction.text,
                extract=passage.text,
                method=METHODS[method],
                most_words=MAX_ADDED_WORDS,
            )
            yield _Task(passage, place.document.language, instruction.text, question)


def _block(
    material: Material, model: LanguageModel, tasks: Sequence[_Task], intake: Intake, dropped: Counter[str]
) -> list[InstructRow]:
    evolved = list(_evolved(material, model, tasks, dropped))
    answers = ask_all(material, model, [one.question for one in evolved], purpose="Answers to evolved instructions")
    rows: list[InstructRow] = []
    for one, reply in zip(evolved, answers, strict=True):
        found = answered(reply, Answer, dropped)
        if found is not None:
            draft = Draft(one.task.passage, one.task.language, one.instruction, found.answer.strip(), one.kind)
            hashes = [prompt_hash(one.task.question), prompt_hash(one.question)]
            source = Source(content_hash(hashes), [one.reply.key, reply.key], one.reply.cost + reply.cost)
            rows += intake.rows([draft], source)
    return rows


def _evolved(
    material: Material, model: LanguageModel, tasks: Sequence[_Task], dropped: Counter[str]
) -> Iterator[_Evolved]:
    shortest, longest = ASKED_WORDS
    replies = ask_all(material, model, [task.question for task in tasks], purpose="Evolved instructions")
    for task, reply in zip(tasks, replies, strict=True):
        found = answered(reply, Evolution, dropped)
        if found is None:
            continue
        instruction = found.instruction.strip()
        reason = evolution_objection(task.instruction, instruction, task.passage)
        if reason:
            dropped[reason] += 1
            continue
        question = load_prompt("reground").question(
            Answer,
            instruction=instruction,
            extract=task.passage.text,
            shortest=shortest,
            longest=longest,
            language=task.language,
        )
        yield _Evolved(task, reply, instruction, found.kind, question)


def evolution_objection(before: str, after: str, passage: Passage) -> str | None:
    """Return why an instruction has not evolved, or not well, or None if it has (WizardLM, "Elimination Evolving")."""
    if normal_form(after) == normal_form(before):
        return "instruction not evolved"
    if len(after.split()) > len(before.split()) + MAX_ADDED_WORDS:
        return "evolved instruction too long"
    if _SPEAKS_OF_REWRITING.search(after):
        return "evolved instruction speaks of the rewriting"
    return instruction_objection(after, passage)
