"""The teacher and the judge: language models behind an OpenAI-compatible endpoint, asked within a budget, and once.

Here is decided what has to be asked at all. How a batch of it is asked is `conversation`, what goes over the network
`endpoint`, in which form `dialect`, what an answer has to be `answers`, what it costs `spending`, and where it is kept
`call_log`.
"""

import asyncio
import contextvars
import threading
from collections import Counter
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import dagster as dg
from pydantic import Field, SecretStr, ValidationError

from resources.call_log import Call, answer_of, call_key, name_author, read_calls, reply_of
from resources.conversation import Conversation, Limits
from resources.dialect import in_words
from resources.endpoint import Endpoint
from resources.spending import Budget, Prices, Spent, Usage, likely_tokens
from twin_assets.asking import ANSWER_FAILURES, Estimate, Progress, Question, Reply
from twin_assets.errors import UserError
from twin_assets.settings import Settings, without_userinfo

Result = TypeVar("Result")


class Teacher(dg.ConfigurableResource):  # type: ignore[type-arg]
    """An OpenAI-compatible endpoint with a model that writes rows, and one that judges them."""

    # Not a field of the configuration, because the Dagster UI shows those.
    key: dg.ResourceDependency[SecretStr | None] = None  # type: ignore[assignment]
    artifacts: str = Field(description="Folder or s3:// address of all artifacts; every call is logged below it")
    url: str = Field(default="https://api.openai.com/v1", description="Base address of the endpoint")
    teacher_model: str | None = Field(default=None, description="Model that writes instructions and answers")
    judge_model: str | None = Field(default=None, description="Model that scores rows")
    input_price: float = Field(default=0.0, ge=0, description="US dollars per million tokens of questions")
    output_price: float = Field(default=0.0, ge=0, description="US dollars per million tokens of answers")
    concurrency: int = Field(default=4, ge=1, description="Questions asked at once, at most")
    timeout_seconds: float = Field(default=60.0, gt=0, description="How long one answer may take")
    max_cost: float = Field(default=1.0, ge=0, description="US dollars that one run may spend")
    max_tokens: int = Field(default=2_000_000, ge=0, description="Tokens that one run may spend")
    attempts: int = Field(default=6, ge=1, description="How often a question is sent while the endpoint is in trouble")
    first_wait_seconds: float = Field(default=1.0, gt=0, description="Wait before the second attempt; then doubled")

    @classmethod
    def from_settings(cls, settings: Settings) -> "Teacher":
        """Configure the endpoint that the settings name."""
        return cls(
            key=settings.teacher_key,
            artifacts=settings.artifacts_root,
            # It is shown. A password in it would be of no use: the key takes its place in the request.
            url=without_userinfo(settings.teacher_url),
            teacher_model=settings.teacher_model,
            judge_model=settings.judge_model,
            input_price=settings.teacher_input_price,
            output_price=settings.teacher_output_price,
            concurrency=settings.teacher_concurrency,
            timeout_seconds=settings.teacher_timeout_seconds,
            max_cost=settings.teacher_max_cost,
            max_tokens=settings.teacher_max_tokens,
        )

    def budget(self) -> Budget:
        """Return a fresh budget, to be shared by models that are asked in one run."""
        return Budget(self.max_cost, self.max_tokens, Prices(self.input_price, self.output_price))

    def teacher(self, author: str, *, budget: Budget | None = None, retry_failures: bool = False) -> "AskedModel":
        """Return the model that writes instructions and answers.

        Args:
            author: Slug of the author for whose rows it is asked; the log names it, so that it can be forgotten.
            budget: What it may spend; a budget of its own without it.
            retry_failures: Whether questions are asked anew whose answer in the log is a failure.

        Raises:
            UserError: If no model is set, or it cannot be asked: no usable address, or no key for it.
        """
        return self._asked(author, self.teacher_model, "TWIN_TEACHER_MODEL", budget, retry_failures=retry_failures)

    def judge(self, author: str, *, budget: Budget | None = None, retry_failures: bool = False) -> "AskedModel":
        """Return the model that scores rows; arguments and errors are those of `teacher`."""
        return self._asked(author, self.judge_model, "TWIN_JUDGE_MODEL", budget, retry_failures=retry_failures)

    def _asked(
        self, author: str, model: str | None, setting: str, budget: Budget | None, *, retry_failures: bool
    ) -> "AskedModel":
        if not model:
            raise UserError(
                f"No model is named: set {setting} to one that {without_userinfo(self.url)} (TWIN_TEACHER_URL) serves."
            )
        endpoint = Endpoint(
            url=self.url, key=self.key, model=model, model_setting=setting, timeout_seconds=self.timeout_seconds
        )
        limits = Limits(self.concurrency, self.attempts, self.first_wait_seconds)
        return AskedModel(
            model, author, endpoint, self.artifacts, budget or self.budget(), limits, retry_failures=retry_failures
        )


class AskedModel:
    """One model, asked for an author within a budget; it fulfils `twin_assets.asking.LanguageModel`.

    The budget is that of the object, however often it is asked. No question is sent that the log knows the answer of.
    """

    def __init__(
        self,
        model: str,
        author: str,
        endpoint: Endpoint,
        artifacts: str,
        budget: Budget,
        limits: Limits,
        *,
        retry_failures: bool = False,
    ) -> None:
        self.spent = Spent()
        self.budget = budget
        self._model, self._author, self._endpoint = model, author, endpoint
        self._artifacts, self._limits = artifacts, limits
        self._retry_failures = retry_failures
        self._one_batch = threading.Lock()

    @property
    def name(self) -> str:
        """The model, as the endpoint knows it."""
        return self._model

    def estimate(self, questions: Sequence[Question]) -> Estimate:
        """Return what asking takes at most, if each is asked once: an answer of the wrong form is asked for again.

        Tokens of a question are estimated from its bytes (`spending.BYTES_PER_TOKEN`), those of its answer are all
        that it may have. What is in the log, or stands there twice, is not counted.

        Raises:
            UserError: If the log cannot be read.
        """
        keys = self._keys(questions)
        known = self._known(questions, keys, read_calls(self._artifacts, keys))
        asked = _missing(questions, keys, known)
        most = _most(asked.values())
        return Estimate(
            calls=len(asked),
            cached=len(questions) - len(asked),
            prompt_tokens=most.prompt_tokens,
            completion_tokens=most.completion_tokens,
            cost=self.budget.prices.cost(most),
        )

    def ask(self, questions: Sequence[Question], *, progress: Progress | None = None) -> list[Reply]:
        """Return a reply to each question, in order; equal questions are asked once.

        Works inside a running event loop, too, where it blocks as everywhere else.

        Raises:
            UserError: If the model cannot be asked at all, nothing may be spent, or the log cannot be read or written.
                What was answered until then is in the log.
        """
        with self._one_batch:
            keys = self._keys(questions)
            logged = read_calls(self._artifacts, keys)
            name_author(self._artifacts, logged.values(), self._author)
            replies = self._known(questions, keys, logged)
            asked = _missing(questions, keys, replies)
            copies = Counter(keys)
            done = sum(copies[key] for key in replies)

            def answered(reply: Reply) -> None:
                nonlocal done
                replies[reply.key] = reply
                done += copies[reply.key]
                if progress:
                    progress(done, len(questions))

            if progress and done:
                progress(done, len(questions))
            if asked:
                self._check_budget(asked.values())
                _run(self._conversation().ask_all(asked, logged, answered))
            return self._counted(keys, replies)

    def _keys(self, questions: Sequence[Question]) -> list[str]:
        return [call_key(self._model, question) for question in questions]

    def _known(
        self, questions: Sequence[Question], keys: Sequence[str], logged: Mapping[str, Call]
    ) -> dict[str, Reply]:
        """Return the replies that the log holds, by key."""
        known: dict[str, Reply] = {}
        for key, question in zip(keys, questions, strict=True):
            call = logged.get(key)
            if call is None or not call.complete or (call.failure and self._retry_failures):
                continue
            # An answer that its form refuses by now is asked for anew.
            with suppress(ValidationError):
                known[key] = reply_of(call, answer_of(call, question.form), cached=True)
        return known

    def _conversation(self) -> Conversation:
        return Conversation(
            self._model, self._author, self._endpoint, self._artifacts, self.budget, self.spent, self._limits
        )

    def _check_budget(self, asked: Collection[Question]) -> None:
        """Refuse to begin with nothing to spend, and say what it takes.

        Raises:
            UserError: If the budget is zero.
        """
        if self.budget.max_cost > 0 and self.budget.max_tokens > 0:
            return
        most = _most(asked)
        setting, value = (
            ("TWIN_TEACHER_MAX_TOKENS", "0 tokens")
            if self.budget.max_tokens <= 0
            else ("TWIN_TEACHER_MAX_COST", "0 US dollars")
        )
        raise UserError(
            f"{len(asked):,} questions to {self._model} take up to {most.total:,} tokens and "
            f"{self.budget.prices.cost(most):.4f} US dollars, and the budget is {value}: raise {setting}."
        )

    def _counted(self, keys: Sequence[str], replies: Mapping[str, Reply]) -> list[Reply]:
        """Return the replies in order, and count them; of equal questions, the first alone was asked."""
        ordered: list[Reply] = []
        asked: set[str] = set()
        for key in keys:
            reply = replies[key]
            # Where a call was made for the first of them, the others found their answer there.
            ordered.append(replace(reply, cached=True) if key in asked else reply)
            if reply.answer or reply.failure in ANSWER_FAILURES:
                asked.add(key)
        self.spent.cached += sum(reply.cached for reply in ordered)
        self.spent.failures.update(reply.failure for reply in ordered if reply.failure)
        return ordered


def _missing(questions: Sequence[Question], keys: Sequence[str], known: Mapping[str, Reply]) -> dict[str, Question]:
    return {key: question for key, question in zip(keys, questions, strict=True) if key not in known}


def _most(questions: Iterable[Question]) -> Usage:
    """Return what questions take at most, by the estimate."""
    asked = list(questions)
    return Usage(
        sum(likely_tokens(one.system, one.user, in_words(one.form)) for one in asked),
        sum(one.max_tokens for one in asked),
    )


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run asynchronous work to its end, from anywhere: inside a running event loop, on a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, asyncio.run, work).result()
