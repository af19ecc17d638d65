"""A stand-in for the network service that a language model is, to see what is asked and to script what comes back."""

import re
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from twin_assets.asking import OUT_OF_BUDGET, Estimate, Progress, Question, Reply
from twin_assets.documents import content_hash

PRICE = 0.01
_FENCED = re.compile(r"<<<(\w+) (\w+)>>>\n(.*?)\n<<<end of \1 \2>>>", re.DOTALL)


class ScriptedModel:
    """Answers by a function and remembers what it was asked; a string in place of an answer is a failure.

    What it answered once it gives again for nothing, as the client does. It asks for no more than `budget` calls.
    """

    name = "scripted"

    def __init__(self, answer: Callable[[Question], BaseModel | str], budget: int | None = None) -> None:
        self.answer = answer
        self.budget = budget
        self.questions: list[Question] = []
        self.known: dict[str, Reply] = {}

    def estimate(self, questions: Sequence[Question]) -> Estimate:
        fresh = [question for question in questions if key_of(question) not in self.known]
        return Estimate(len(fresh), len(questions) - len(fresh), 100 * len(fresh), 100 * len(fresh), PRICE * len(fresh))

    def ask(self, questions: Sequence[Question], *, progress: Progress | None = None) -> list[Reply]:
        replies = []
        for number, question in enumerate(questions, start=1):
            replies.append(self._reply(question))
            if progress:
                progress(number, len(questions))
        return replies

    def _reply(self, question: Question) -> Reply:
        key = key_of(question)
        if key not in self.known:
            if self.budget is not None and len(self.questions) >= self.budget:
                return Reply(key, None, OUT_OF_BUDGET, 0, 0, 0.0, False)
            self.questions.append(question)
            answer = self.answer(question)
            failed = isinstance(answer, str)
            self.known[key] = Reply(key, None if failed else answer, answer if failed else None, 100, 100, PRICE, False)
        return self.known[key]


def key_of(question: Question) -> str:
    return content_hash([question.system, question.user, question.form.__name__])


def fenced_in(question: Question, label: str = "extract") -> str:
    """Return what stands in a fence of a question; there has to be exactly one of that label."""
    (text,) = [text for found, _, text in _FENCED.findall(question.user) if found == label]
    return str(text)
