"""What asking a language model costs: counted before, held while it is asked, and booked when the answer is there."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

BYTES_PER_TOKEN = 3
"""UTF-8 bytes of a token, for estimates.

The vocabularies of 100,000 tokens and more that models have today spend about 4.5 bytes a token on English, 4 on German
and Russian, 3 to 4 on code and Chinese: an estimate of 3 is on the safe side. Nothing rests on it but the estimate.
"""

MESSAGE_TOKENS = 100
"""Tokens that a server's chat template puts around a question, at most."""


class Usage(NamedTuple):
    """Tokens of a call."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total(self) -> int:
        """Tokens of both kinds."""
        return self.prompt_tokens + self.completion_tokens


NOTHING = Usage(0, 0)


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens."""

    input: float = 0.0
    output: float = 0.0

    def cost(self, usage: Usage) -> float:
        """Return what a call costs, in US dollars."""
        return (usage.prompt_tokens * self.input + usage.completion_tokens * self.output) / 1_000_000


@dataclass
class Budget:
    """What may be spent, in US dollars and in tokens, and how much of it is spent or held for calls under way.

    A call is asked only if its worst case still fits beside what is spent and what is held, so that the limits hold
    whatever the answers turn out to cost. Several models may share one budget.
    """

    max_cost: float
    max_tokens: int
    prices: Prices = Prices()
    spent: Usage = NOTHING
    held: Usage = NOTHING

    def fits(self, worst: Usage) -> bool:
        """Return whether a call may be asked that takes so much at worst."""
        all_of_it = _sum(self.spent, self.held, worst)
        return all_of_it.total <= self.max_tokens and self.prices.cost(all_of_it) <= self.max_cost

    def hold(self, worst: Usage) -> None:
        """Set aside what a call takes at worst."""
        self.held = _sum(self.held, worst)

    def settle(self, worst: Usage, booked: Usage) -> None:
        """Book what a call took, and let go of what was held for it."""
        self.held = Usage(
            self.held.prompt_tokens - worst.prompt_tokens, self.held.completion_tokens - worst.completion_tokens
        )
        self.spent = _sum(self.spent, booked)


@dataclass
class Spent:
    """What was asked of a model, and what came of it.

    Attributes:
        calls: Answers that came.
        unanswered: Requests whose answer was waited for in vain. What the server charges for them is not known, so
            they are booked at their worst case.
        retries: Requests that were sent again.
        cached: Replies for which nothing was called.
        prompt_tokens: Tokens of the questions.
        completion_tokens: Tokens of the answers.
        cost: US dollars.
        failures: Replies without an answer, those from the log included, by sentence.
        examples: The first detail of each failure, such as what the server said.
    """

    calls: int = 0
    unanswered: int = 0
    retries: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Tokens of questions and answers."""
        return self.prompt_tokens + self.completion_tokens

    def book(self, usage: Usage, cost: float) -> None:
        """Add what one request took."""
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens
        self.cost += cost


def likely_tokens(*texts: str) -> int:
    """Return how many tokens a question of these texts has: rather too many than too few."""
    return math.ceil(_bytes(texts) / BYTES_PER_TOKEN) + MESSAGE_TOKENS


def most_tokens(*texts: str) -> int:
    """Return how many tokens a question of these texts can have: no token is shorter than a byte."""
    return _bytes(texts) + MESSAGE_TOKENS


def _bytes(texts: tuple[str, ...]) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def _sum(*usages: Usage) -> Usage:
    return Usage(sum(usage.prompt_tokens for usage in usages), sum(usage.completion_tokens for usage in usages))
