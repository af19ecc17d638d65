"""The log of every call of a language model, which is the cache as well: one JSON file per question.

    <root>/llm_calls/<first two digits of the key>/<key>.json

The key is the SHA-256 of what decides the answer: model, messages, form and sampling. Who asked, and for what, decides
nothing: equal questions about two authors are one call, which names both. No key of an endpoint and no header is ever
in it.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, Field
from upath import UPath

from resources.artifacts import ArtifactStore
from twin_assets.asking import Question, Reply
from twin_assets.documents import content_hash
from twin_assets.errors import UserError

FOLDER = "llm_calls"

READERS = 16
"""Files read at once: in an object store each takes a round trip."""


class Attempt(BaseModel):
    """One answer, as it came."""

    raw: str = Field(description="What the model said")
    finish_reason: str = Field(description="Why it ended, as the server says")
    failure: str | None = Field(description="Why it is no answer; None if it is one")
    detail: str = Field(description="What exactly is wrong with it")
    prompt_tokens: int
    completion_tokens: int
    cost: float = Field(description="US dollars")
    seconds: float = Field(description="How long it took, waiting for a turn included")
    created_at: str = Field(description="When it came, ISO 8601 in UTC")


class Call(BaseModel):
    """A question and what came of it; tokens, cost and seconds are those of all attempts together."""

    key: str
    authors: list[str] = Field(
        default_factory=list, description="Whose rows it was for, by slug; none in a file from before they were named"
    )
    prompt: str = Field(description="Name and version of the prompt file")
    model: str
    system: str
    user: str
    form: str = Field(description="Name of the form that the answer has")
    max_tokens: int
    temperature: float
    answer: dict[str, Any] | None = Field(description="The validated answer")
    raw: str = Field(description="What the model said last")
    failure: str | None
    complete: bool = Field(description="False if the model was to be asked once more, and was not yet")
    prompt_tokens: int
    completion_tokens: int
    cost: float = Field(description="US dollars")
    seconds: float
    created_at: str = Field(description="When the last answer came, ISO 8601 in UTC")
    attempts: list[Attempt]


def call_key(model: str, question: Question) -> str:
    """Return the name of a call: the hash of what decides its answer."""
    return content_hash(
        {
            "model": model,
            "system": question.system,
            "user": question.user,
            "schema": question.form.model_json_schema(),
            "max_tokens": question.max_tokens,
            "temperature": float(question.temperature),
        }
    )


def call_of(
    model: str, author: str, question: Question, attempts: list[Attempt], *, answer: BaseModel | None, complete: bool
) -> Call:
    """Put together what is logged of a question after its latest attempt."""
    last = attempts[-1]
    return Call(
        key=call_key(model, question),
        authors=[author],
        prompt=question.prompt,
        model=model,
        system=question.system,
        user=question.user,
        form=question.form.__name__,
        max_tokens=question.max_tokens,
        temperature=question.temperature,
        answer=answer.model_dump(mode="json") if answer else None,
        raw=last.raw,
        failure=last.failure,
        complete=complete,
        prompt_tokens=sum(attempt.prompt_tokens for attempt in attempts),
        completion_tokens=sum(attempt.completion_tokens for attempt in attempts),
        cost=sum(attempt.cost for attempt in attempts),
        seconds=round(sum(attempt.seconds for attempt in attempts), 3),
        created_at=last.created_at,
        attempts=attempts,
    )


def answer_of(call: Call, form: type[BaseModel]) -> BaseModel | None:
    """Return the answer of a logged call; None if it has none.

    Raises:
        ValidationError: If it is not of the form any more, because a validator changed that no schema shows.
    """
    return None if call.answer is None else form.model_validate(call.answer)


def reply_of(call: Call, answer: BaseModel | None, *, cached: bool) -> Reply:
    """Return a logged call as the reply to its question."""
    return Reply(
        key=call.key,
        answer=answer,
        failure=call.failure,
        prompt_tokens=call.prompt_tokens,
        completion_tokens=call.completion_tokens,
        cost=call.cost,
        cached=cached,
    )


def read_call(artifacts: str, key: str) -> Call | None:
    """Return the logged call of a key; None if there is none.

    Args:
        artifacts: Root of all artifacts: a folder or an s3:// address.
        key: Key of the call, as rows and replies name it.

    Raises:
        UserError: If its file is not one of this log.
    """
    path = _path(artifacts, key)
    try:
        return Call.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"{path} is not a logged call any more: delete it, and the model is asked again.") from error


def read_calls(artifacts: str, keys: Iterable[str]) -> dict[str, Call]:
    """Return the logged calls among these keys, by key.

    Raises:
        UserError: If a file is not one of this log.
    """
    wanted = list(dict.fromkeys(keys))
    with ThreadPoolExecutor(READERS) as readers:
        found = readers.map(lambda key: read_call(artifacts, key), wanted)
        return {key: call for key, call in zip(wanted, found, strict=True) if call is not None}


def write_call(artifacts: str, call: Call) -> None:
    """Write a call whole or not at all, in place of an earlier one, whose authors it goes on naming.

    Raises:
        UserError: If the earlier one is not of this log, or the file system refuses it.
    """
    # Read as late as this, because somebody may have asked the same for another author meanwhile.
    earlier = read_call(artifacts, call.key)
    authors = sorted({*call.authors, *(earlier.authors if earlier else ())})
    whole = call.model_copy(update={"authors": authors})
    ArtifactStore(root=artifacts).write_text(_path(artifacts, call.key), whole.model_dump_json(indent=2) + "\n")


def name_author(artifacts: str, calls: Iterable[Call], author: str) -> None:
    """Let logged calls name an author, for whom their answers are looked up.

    Raises:
        UserError: As for `write_call`.
    """

    def name(call: Call) -> None:
        now = read_call(artifacts, call.key)
        if now is not None:
            write_call(artifacts, now.model_copy(update={"authors": [author]}))

    with ThreadPoolExecutor(READERS) as writers:
        list(writers.map(name, [call for call in calls if author not in call.authors]))


def _path(artifacts: str, key: str) -> UPath:
    return UPath(artifacts) / FOLDER / key[:2] / f"{key}.json"
