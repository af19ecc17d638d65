"""Asking a language model: what is asked, what comes back, and what it costs, whoever answers.

The logic that asks (`datasets.generation`, `datasets.curation`) knows these types alone; who answers over the network
stands in `resources.language_model`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Question:
    """One request to a language model, with the form that its answer has to have.

    Attributes:
        prompt: Name and version of the prompt file, such as "instruct@1".
        system: System message.
        user: User message: the rendered prompt.
        form: The pydantic model that the answer is validated against.
        max_tokens: Tokens of the answer at most.
        temperature: How freely the answer is sampled; 0 for the most likely words.
    """

    prompt: str
    system: str
    user: str
    form: type[BaseModel]
    max_tokens: int = 1200
    temperature: float = 0.7


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one question.

    Attributes:
        key: Hash of the question, the model and its parameters: the name of the call in the log and in the cache.
        answer: The validated answer; None if there is none.
        failure: One sentence on why there is no answer, such as a refusal or an answer in prose; None if there is one.
        prompt_tokens: Tokens of the question, as the server counted them.
        completion_tokens: Tokens of the answer.
        cost: What the call cost, in US dollars. A reply from the cache names what it cost when it was made.
        cached: Whether nothing was called for it now.
    """

    key: str
    answer: BaseModel | None
    failure: str | None
    prompt_tokens: int
    completion_tokens: int
    cost: float
    cached: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """What asking will take, at most, known before the first call."""

    calls: int
    cached: int
    prompt_tokens: int
    completion_tokens: int
    cost: float


Progress = Callable[[int, int], None]
"""Called with how many of how many questions are done."""


class LanguageModel(Protocol):
    """A model that can be asked."""

    @property
    def name(self) -> str:
        """The model, as it is named in rows and logs."""
        ...

    def estimate(self, questions: Sequence[Question]) -> Estimate:
        """Return what asking these questions will take at most; nothing is called."""
        ...

    def ask(self, questions: Sequence[Question], *, progress: Progress | None = None) -> list[Reply]:
        """Return a reply to each question, in order.

        A question that fails costs its own reply and no other's. Once the budget is spent nothing more is asked: the
        questions that are left have the failure `OUT_OF_BUDGET`, and asking again later goes on from there.

        Raises:
            UserError: If the model cannot be asked at all: no address, no key, a wrong key, a model that is not there.
        """
        ...


OUT_OF_BUDGET = "the budget is spent"
"""Failure of a question that was not asked any more."""

REFUSAL = "the model refused to answer"
TRUNCATED = "the answer was cut off at its token limit"
REPETITION = "the answer repeats itself without end"
EMPTY = "the answer is empty"
PROSE = "the answer is not JSON"
MALFORMED = "the answer is not of the form that was asked for"

ANSWER_FAILURES = frozenset({REFUSAL, TRUNCATED, REPETITION, EMPTY, PROSE, MALFORMED})
"""Failures of what a model answered: it was paid for, and asking the same again is no remedy."""

NOT_TAKEN = "the endpoint does not take the question"
"""Failure of a question that the server refuses to pass on, such as one that is longer than the model can read."""

NO_ANSWER = "the endpoint gave no answer"
"""Failure of a question after several attempts; a later run may have more luck."""
