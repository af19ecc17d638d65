"""What a language model sent back, and whether it is the answer that was asked for.

Pure reading: nothing is asked here. A failure is one of the sentences of `twin_assets.asking`, the same for every
answer of its kind, so that failures can be counted; what exactly is wrong stands beside it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from twin_assets.asking import EMPTY, MALFORMED, PROSE, REFUSAL, REPETITION, TRUNCATED

REPAIRABLE = frozenset({EMPTY, PROSE, MALFORMED})
"""Failures that a model can mend when it is told. One that refused, was cut off or ran in circles does so again."""

REPEATED_WORDS = 10
REPEATED_SHARE = 0.5
SHORTEST_LOOP_WORDS = 60
"""An answer loops if more than half of the words of a text of 60 or more lie in a run of 10 that stood before.

Runs of 10 words are the longest of the repetition rules of Gopher (Rae et al. 2021, arXiv 2112.11446, table A1), which
drop a page at a tenth. Texts that quote what they are about reach that; one that runs in circles reaches nearly all.
"""

_RUN = re.compile(r"(.{1,100}?)\1{7,}", re.DOTALL)
SHORTEST_RUN = 200
"""Characters of one piece over and over, in a text whose words no blanks divide."""

_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
"""What a reasoning model thinks aloud, on servers that do not keep it apart."""

_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL | re.IGNORECASE)

_CANNOT = r"(?:can(?:not|'t| not)|am unable to|'m unable to|won't|will not|am not able to|'m not able to)"
_REFUSAL_IN_PROSE = re.compile(
    rf"\A\W*(?:(?:i'm |i am )?(?:very |so )?sorry\b|i apologi[sz]e\b|unfortunately, i\b|i ?{_CANNOT}\b|as an ai\b)",
    re.IGNORECASE,
)
_REFUSAL_IN_A_FIELD = re.compile(
    rf"\A\W*(?:(?:(?:i'm |i am )?(?:very |so )?sorry,? (?:but )?|unfortunately, )?i ?{_CANNOT} (?:assist|comply|"
    r"help (?:you )?with (?:that|this)|(?:fulfil+|complete|process|answer) (?:this|that|your) (?:request|question))|"
    r"as an ai(?: language)? (?:model|assistant))\b",
    re.IGNORECASE,
)
"""Narrower than in prose: an author may well begin a passage with "I cannot"."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What the server sent.

    Attributes:
        text: What the model said.
        refusal: What it said in place of an answer, on servers that keep refusals apart.
        finish_reason: Why it ended: stop, length, content_filter, or what else the server says.
        prompt_tokens: Tokens of the question; None if the server did not count them.
        completion_tokens: Tokens of the answer; None if the server did not count them.
    """

    text: str
    refusal: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None


class Reading(NamedTuple):
    """The answer, or why there is none."""

    answer: BaseModel | None
    failure: str | None = None
    detail: str = ""


def raw_answer_of(body: str) -> RawAnswer:
    """Read the body of a chat completion (OpenAI API reference, "The chat completion object").

    Raises:
        ValueError: If it is something else, such as a web page or an error that calls itself a success.
    """
    try:
        completion = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it sends what is not JSON: {body[:200]!r}") from error
    try:
        choice = completion["choices"][0]
        message = choice["message"]
        text = _text_of(message.get("content"))
        refusal, reason = message.get("refusal"), choice.get("finish_reason")
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"it sends what is not a chat completion: {body[:200]!r}") from error
    usage = completion.get("usage")
    return RawAnswer(
        text=_whole(text),
        refusal=_whole(refusal) if isinstance(refusal, str) else "",
        finish_reason=_whole(reason) if isinstance(reason, str) else "",
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def read_answer(raw: RawAnswer, form: type[BaseModel]) -> Reading:
    """Return the answer that stands in what the server sent, validated.

    JSON may stand in a code fence, or between words. An answer that is complete counts even if it ends at the limit.
    """
    text = _THOUGHTS.sub("", raw.text).strip()
    cut_off = raw.finish_reason == "length"
    if raw.refusal or raw.finish_reason == "content_filter":
        return Reading(None, REFUSAL, raw.refusal or "The server's content filter held the answer back.")
    if not text:
        return Reading(None, TRUNCATED if cut_off else EMPTY)
    found = _json_in(text)
    if found is None:
        return _without_json(text, cut_off=cut_off)
    try:
        answer = form.model_validate(found)
    except ValidationError as error:
        return Reading(None, TRUNCATED if cut_off else MALFORMED, _explained(error))
    return _unless_hollow(answer)


def runs_in_circles(text: str) -> bool:
    """Return whether a text says the same over and over."""
    # The walls of a table repeat themselves whatever stands between them.
    words = [word for word in text.split() if any(map(str.isalnum, word))]
    if len(words) >= SHORTEST_LOOP_WORDS:
        seen: set[tuple[str, ...]] = set()
        repeated: set[int] = set()
        for start in range(len(words) - REPEATED_WORDS + 1):
            run = tuple(words[start : start + REPEATED_WORDS])
            if run in seen:
                repeated.update(range(start, start + REPEATED_WORDS))
            seen.add(run)
        if len(repeated) > REPEATED_SHARE * len(words):
            return True
    return any(len(run.group()) >= SHORTEST_RUN and any(map(str.isalpha, run.group(1))) for run in _RUN.finditer(text))


def _unless_hollow(answer: BaseModel) -> Reading:
    """Return an answer, unless what stands in its fields is none."""
    for value in _strings(answer.model_dump(mode="json")):
        if _REFUSAL_IN_A_FIELD.match(_plain(value)):
            return Reading(None, REFUSAL, value[:200])
        if runs_in_circles(value):
            return Reading(None, REPETITION, value[-200:])
    return Reading(answer)


def _without_json(text: str, *, cut_off: bool) -> Reading:
    if runs_in_circles(text):
        return Reading(None, REPETITION, text[-200:])
    if cut_off or _breaks_off(text):
        return Reading(None, TRUNCATED, text[-200:])
    if _REFUSAL_IN_PROSE.match(_plain(text)):
        return Reading(None, REFUSAL, text[:200])
    return Reading(None, PROSE, text[:200])


def _json_in(text: str) -> Any | None:
    """Return the JSON object that a text is, or holds; None if it holds none."""
    fenced = [fence.group(1) for fence in _FENCE.finditer(text)]
    between = text[text.find("{") : text.rfind("}") + 1]
    for candidate in (text, *fenced, between):
        try:
            # Line breaks within strings are no JSON, but many a model writes them.
            found = json.loads(candidate, strict=False, parse_constant=_no_constant)
            found = json.loads(_whole(json.dumps(found, ensure_ascii=False)))
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which are no JSON.

    Raises:
        ValueError: Always.
    """
    raise ValueError(name)


def _breaks_off(text: str) -> bool:
    """Return whether a text is the beginning of a JSON object, whatever the server says of its end."""
    fence = _FENCE.search(text)
    begun = (fence.group(1) if fence else text).strip()
    if not begun.startswith("{"):
        return False
    try:
        from_json(begun, allow_partial="trailing-strings", allow_inf_nan=False)
    except ValueError:
        return False
    return True


def _explained(error: ValidationError) -> str:
    """Return what is wrong with an answer, as the model is told; what it had written itself is left out."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'the object'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False, include_context=False)[:10]
    )


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _plain(text: str) -> str:
    return text[:200].replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def _text_of(content: Any) -> str:
    """Return the text of a message, which some servers send in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if part.get("type") == "text")
    return content if isinstance(content, str) else ""


def _whole(text: str) -> str:
    """Return a text without halves of characters, which JSON can spell and no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(usage: Any, name: str) -> int | None:
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None
