"""Pairs whose rejected text is the teacher's own answer: right, fluent, and nothing like the author.

The teacher is given the instruction and not the passage, so that it writes as it writes. It is told about how long the
author's passage is: without that, an answer twice as long would be told from the passage by its length alone, and DPO
would learn brevity (Park et al. 2024, "Disentangling Length from Quality in Direct Preference Optimization").
"""

from dataclasses import dataclass

from pydantic import BaseModel, Field

from twin_assets.asking import Progress, Question, Reply
from twin_assets.datasets.generation.contract import Report
from twin_assets.datasets.generation.pair_contract import GeneratedPairs, PairMaterial
from twin_assets.datasets.generation.pairs import judged, own_words, pair_of, preference_prompts
from twin_assets.datasets.generation.prompts import load_prompt
from twin_assets.documents import InstructRow, PreferenceRow, content_hash

GENERATOR = "teacher@1"
PROMPT = "reject"
WORDS_STEP = 10
"""The length asked for is rounded to this many words: an edit of a word in the passage asks nothing anew."""


class TeachersAnswer(BaseModel):
    """The form of the teacher's answer."""

    answer: str = Field(min_length=1, description="The answer to the request, in Markdown")


@dataclass(frozen=True)
class Taught:
    """The author's passage against what the teacher writes for the same instruction.

    Attributes:
        limit: Most prompts that take part, each of which costs a call; None for all.
    """

    limit: int | None = None

    def generate(self, material: PairMaterial) -> GeneratedPairs:
        """Return a pair for every prompt that the teacher answers, if there is something to learn from it.

        A question depends on its own row alone. A reply without an answer costs its own pair and is counted under its
        reason; what it cost is in `cost`.

        Raises:
            UserError: If no teacher is configured, or it cannot be asked at all.
            ValueError: If the limit is too low, see `preference_prompts`.
        """
        own, dropped = own_words(material.rows, material.documents)
        rows = preference_prompts(own, limit=self.limit, seed=material.seed)
        if not rows:
            return GeneratedPairs([], dropped)
        teacher = material.ask()
        questions = [question_for(row) for row in rows]
        replies = teacher.ask(questions, progress=_reported(material.report))
        pairs: list[PreferenceRow] = []
        for row, question, reply in zip(rows, questions, replies, strict=True):
            pair = _pair(row, question, reply, teacher.name)
            if isinstance(pair, PreferenceRow):
                pairs.append(pair)
            else:
                dropped[pair] += 1
        answered = [reply for reply in replies if reply.answer is not None]
        return GeneratedPairs(
            rows=pairs,
            dropped=dropped,
            generated=sum(not reply.cached for reply in answered),
            reused=sum(reply.cached for reply in answered),
            cost=sum(reply.cost for reply in replies if not reply.cached),
        )


def question_for(row: InstructRow) -> Question:
    """Return what the teacher is asked for one row: its instruction, and about how many words to write."""
    words = max(WORDS_STEP, round(len(row.answer.split()) / WORDS_STEP) * WORDS_STEP)
    return load_prompt(PROMPT).question(TeachersAnswer, instruction=row.instruction, words=words)


def taught_by_name(model: str) -> str:
    """Return the name of a teacher with the hash of the prompt it is given, as it stands in `rejected_by`."""
    return f"{model}@{load_prompt(PROMPT).file_hash[:12]}"


def _pair(row: InstructRow, question: Question, reply: Reply, model: str) -> PreferenceRow | str:
    """Return the pair, or why there is none."""
    if not isinstance(reply.answer, TeachersAnswer):
        return reply.failure or "the teacher gave no answer"
    verdict = judged(row.instruction, row.answer, reply.answer.answer, row.category)
    if verdict.objection:
        return verdict.objection
    return pair_of(
        row,
        verdict,
        rejected_by=taught_by_name(model),
        prompt_hash=content_hash([model, question.system, question.user, question.max_tokens, question.temperature]),
        generator=GENERATOR,
        calls=[reply.key],
        cost=reply.cost,
    )


def _reported(report: Report) -> Progress:
    def progress(done: int, total: int) -> None:
        if done == total or done % 50 == 0:
            report(f"The teacher answered {done:,} of {total:,} prompts")

    return progress
