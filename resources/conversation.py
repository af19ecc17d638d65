"""One batch of questions: so many at once, sent again when that may help, within the budget, and each answer logged."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

from resources.answers import REPAIRABLE, RawAnswer, Reading, read_answer
from resources.call_log import Attempt, Call, call_of, reply_of, write_call
from resources.dialect import Request, in_words
from resources.endpoint import Endpoint, Trouble
from resources.spending import NOTHING, Budget, Spent, Usage, most_tokens
from twin_assets.asking import NOT_TAKEN, OUT_OF_BUDGET, PROSE, Question, Reply
from twin_assets.errors import UserError

LONGEST_WAIT = 30.0
"""Seconds between two attempts, at most, if the server does not say how long."""

LONGEST_ASKED_WAIT = 120.0
"""Seconds that a server may ask to be left alone; of more, so much is waited."""

HOPELESS_IN_A_ROW = 3
"""Questions in a row that came to nothing after all attempts, and the endpoint is taken to be out of order."""

NOT_TAKEN_IN_A_ROW = 8
"""Questions in a row that an endpoint refused which has answered none, and it is taken to refuse all of them."""

QUOTED_CHARACTERS = 4_000
"""Of an answer of the wrong form, what is shown to the model again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How the endpoint is treated."""

    concurrency: int
    attempts: int
    first_wait_seconds: float


class _Stopped(Exception):  # noqa: N818 - no error of its own: it ends what waits when there is one
    """Another question has found out that no question can be answered."""


class _OutOfBudget(Exception):  # noqa: N818
    """The next request does not fit into the budget."""


class Conversation:
    """The state of one batch. It lives in one event loop."""

    def __init__(
        self, model: str, author: str, endpoint: Endpoint, artifacts: str, budget: Budget, spent: Spent, limits: Limits
    ) -> None:
        self._model, self._author, self._endpoint, self._artifacts = model, author, endpoint, artifacts
        self._budget, self._spent, self._limits = budget, spent, limits
        self._stop = asyncio.Event()
        self._why: UserError | None = None
        self._settled = asyncio.Event()
        self._under_way = 0
        self._exhausted = False
        self._quiet_until = 0.0
        self._hopeless = self._not_taken = 0

    async def ask_all(
        self, questions: Mapping[str, Question], logged: Mapping[str, Call], answered: Callable[[Reply], None]
    ) -> None:
        """Ask questions, by key, and call `answered` with each reply as it comes.

        Args:
            questions: What to ask, by key.
            logged: Calls of the log by key, whose answers are not the last word.
            answered: Called with each reply.

        Raises:
            UserError: If no question can be answered. What is under way is waited for, because it is paid for.
        """
        left = iter(questions.items())

        async def work() -> None:
            for key, question in left:
                try:
                    answered(await self._ask_one(key, question, logged.get(key)))
                except _Stopped:
                    return
                except UserError as error:
                    self._stop_all(error)
                    return

        async with self._endpoint:
            workers = [asyncio.create_task(work()) for _ in range(min(self._limits.concurrency, len(questions)))]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
        if self._why:
            raise self._why

    async def _ask_one(self, key: str, question: Question, logged: Call | None) -> Reply:
        """Return the reply to one question; an answer that can be mended is asked for once more."""
        attempts = list(logged.attempts) if logged else []
        messages: tuple[tuple[str, str], ...] = (("system", question.system), ("user", question.user))
        reply = _without_answer(key, OUT_OF_BUDGET)
        for last in (False, True):
            request = Request(messages, question.form, question.max_tokens, question.temperature)
            try:
                raw, usage, seconds = await self._answer_to(request, key)
            except _OutOfBudget:
                break
            except Trouble as trouble:
                self._spent.examples.setdefault(trouble.failure, trouble.detail)
                if not last:
                    reply = _without_answer(key, trouble.failure)
                break
            reading = read_answer(raw, question.form)
            attempts.append(self._attempt(raw, reading, usage, seconds))
            complete = last or reading.failure not in REPAIRABLE
            call = call_of(self._model, self._author, question, attempts, answer=reading.answer, complete=complete)
            await asyncio.to_thread(write_call, self._artifacts, call)
            reply = reply_of(call, reading.answer, cached=False)
            if complete:
                break
            if reading.failure == PROSE:
                self._endpoint.schema_was_ignored(question.form)
            messages = (*messages, *_once_more(question, raw, reading))
        if reply.failure and attempts:
            self._spent.examples.setdefault(reply.failure, attempts[-1].detail)
        return reply

    async def _answer_to(self, request: Request, key: str) -> tuple[RawAnswer, Usage, float]:
        """Return what the model answers, what it took, and after how many seconds; sent again while that may help.

        Raises:
            Trouble: If there is no answer, to this request.
            UserError: If there will be none to any request.
            _OutOfBudget: If it does not fit into the budget.
            _Stopped: If another question found out that there will be none.
        """
        begun = monotonic()
        # Seeded, so that a run can be repeated; by question, so that not all of them come back at once.
        draw = random.Random(key)  # noqa: S311 - nothing secret
        worst = Usage(most_tokens(request.schema_text, *(text for _, text in request.messages)), request.max_tokens)
        for attempt in range(self._limits.attempts):
            await self._pause(self._quiet_until - monotonic())
            try:
                raw, usage = await self._send(request, worst)
            except Trouble as trouble:
                if not trouble.again or attempt + 1 == self._limits.attempts:
                    self._count_hopeless(trouble)
                    raise
                await self._wait_after(trouble, attempt, draw)
                self._spent.retries += 1
            else:
                self._hopeless = self._not_taken = 0
                return raw, usage, monotonic() - begun
        raise AssertionError("the last attempt either answers or raises")

    async def _send(self, request: Request, worst: Usage) -> tuple[RawAnswer, Usage]:
        """Send a request once, with its worst case held in the budget while it is under way."""
        await self._hold(worst)
        booked = worst
        try:
            raw = await self._endpoint.send(request)
            booked = _usage_of(raw, worst)
            self._spent.calls += 1
        except Trouble as trouble:
            if trouble.billed:
                self._spent.unanswered += 1
            else:
                booked = NOTHING
            raise
        except UserError:
            booked = NOTHING
            raise
        finally:
            self._under_way -= 1
            self._budget.settle(worst, booked)
            self._spent.book(booked, self._budget.prices.cost(booked))
            self._settled.set()
        return raw, booked

    async def _hold(self, worst: Usage) -> None:
        """Hold the worst case of a request in the budget, as soon as the requests under way leave room for it."""
        while not self._stop.is_set() and not self._exhausted:
            if self._budget.fits(worst):
                self._budget.hold(worst)
                self._under_way += 1
                return
            if not self._under_way:
                self._exhausted = True
                break
            self._settled.clear()
            await self._settled.wait()
        if self._stop.is_set():
            raise _Stopped
        raise _OutOfBudget

    async def _wait_after(self, trouble: Trouble, attempt: int, draw: random.Random) -> None:
        """Wait before the next attempt: twice as long each time (AWS Builders' Library, "Timeouts, retries, jitter").

        What the server asks for counts for every question of the batch.
        """
        wait = min(self._limits.first_wait_seconds * 2**attempt, LONGEST_WAIT) * draw.uniform(0.5, 1.0)
        if trouble.after is not None:
            wait = min(trouble.after, LONGEST_ASKED_WAIT) * draw.uniform(1.0, 1.1)
            self._quiet_until = max(self._quiet_until, monotonic() + wait)
        await self._pause(wait)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), max(0.0, seconds))
        if self._stop.is_set():
            raise _Stopped

    def _count_hopeless(self, trouble: Trouble) -> None:
        """Count a question without an answer.

        Raises:
            UserError: If no question is likely to get one.
        """
        if trouble.failure == NOT_TAKEN:
            self._not_taken += 1
            if not self._spent.calls and self._not_taken >= NOT_TAKEN_IN_A_ROW:
                raise UserError(
                    f"{self._endpoint.address} takes no question for {self._model}: see what it says, and mend "
                    f"TWIN_TEACHER_URL or the name of the model. It says: {trouble.detail}"
                ) from trouble
            return
        self._hopeless += 1
        if trouble.unreachable:
            raise UserError(
                f"{self._endpoint.address} cannot be reached ({trouble.detail}): start the server, or mend "
                "TWIN_TEACHER_URL. What was answered is kept."
            ) from trouble
        if self._hopeless >= HOPELESS_IN_A_ROW:
            raise UserError(
                f"{self._endpoint.address} answered none of {self._hopeless} questions in a row, the last one not "
                f"because: {trouble.detail}. Run again when it does, or with a lower TWIN_TEACHER_CONCURRENCY; what "
                "was answered is kept."
            ) from trouble

    def _stop_all(self, why: UserError) -> None:
        self._why = self._why or why
        self._stop.set()
        self._settled.set()

    def _attempt(self, raw: RawAnswer, reading: Reading, usage: Usage, seconds: float) -> Attempt:
        return Attempt(
            raw=raw.text or raw.refusal,
            finish_reason=raw.finish_reason,
            failure=reading.failure,
            detail=reading.detail,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cost=self._budget.prices.cost(usage),
            seconds=round(seconds, 3),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def _usage_of(raw: RawAnswer, worst: Usage) -> Usage:
    """Return what an answer took; where the server does not count, the worst."""
    return Usage(
        worst.prompt_tokens if raw.prompt_tokens is None else raw.prompt_tokens,
        worst.completion_tokens if raw.completion_tokens is None else raw.completion_tokens,
    )


def _without_answer(key: str, failure: str) -> Reply:
    return Reply(key, None, failure, prompt_tokens=0, completion_tokens=0, cost=0.0, cached=False)


def _once_more(question: Question, raw: RawAnswer, reading: Reading) -> tuple[tuple[str, str], ...]:
    """Return what is said after an answer that is none: the answer, and what is wrong with it."""
    wrong = f"That cannot be used: {reading.failure}. {reading.detail if raw.text and reading.failure != PROSE else ''}"
    said = (("assistant", raw.text[:QUOTED_CHARACTERS]),) if raw.text else ()
    return (*said, ("user", f"{wrong.strip()}\n\n{in_words(question.form)}"))
