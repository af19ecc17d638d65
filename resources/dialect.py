"""The dialects of the OpenAI API: how a form is asked for, and what parameters a server understands."""

import json
import re
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from pydantic import BaseModel

_NO_MATTER_OF_DIALECT = re.compile(
    r"context.?(?:length|window)|maximum context|too (?:long|many tokens)|content.?(?:policy|filter|management)",
    re.IGNORECASE,
)


class Format(IntEnum):
    """How the form of the answer is asked for, best first."""

    SCHEMA = 0
    """`response_format` with the JSON schema."""
    OBJECT = 1
    """`response_format` for any JSON object, with the schema in the prompt."""
    PROMPT = 2
    """The schema in the prompt alone."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server understands of the parameters of a chat completion."""

    format: Format = Format.SCHEMA
    limit: str = "max_tokens"
    """Name of the answer's limit; reasoning models of OpenAI know `max_completion_tokens` alone."""
    takes_temperature: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: messages of a conversation, the form of its answer, and the limits of that."""

    messages: tuple[tuple[str, str], ...]
    """Roles and texts."""
    form: type[BaseModel]
    max_tokens: int
    temperature: float

    @property
    def schema_text(self) -> str:
        """The form, as it is told to a model in words."""
        return in_words(self.form)


def in_words(form: type[BaseModel]) -> str:
    """Return the instruction to answer in a form."""
    schema = json.dumps(form.model_json_schema(), ensure_ascii=False)
    return f"Answer with one JSON object that fits this JSON schema, and with nothing else:\n{schema}"


def parameters_of(model: str, request: Request, dialect: Dialect) -> dict[str, Any]:
    """Return the parameters of a chat completion."""
    messages = [{"role": role, "content": text} for role, text in request.messages]
    parameters: dict[str, Any] = {"model": model, "messages": messages, dialect.limit: request.max_tokens}
    if dialect.takes_temperature:
        parameters["temperature"] = request.temperature
    if dialect.format is not Format.SCHEMA:
        first = messages[0]
        messages[0] = {**first, "content": f"{first['content']}\n\n{request.schema_text}".strip()}
    if dialect.format is Format.OBJECT:
        parameters["response_format"] = {"type": "json_object"}
    if dialect.format is Format.SCHEMA:
        parameters["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": request.form.__name__, "schema": _strict_schema(request.form), "strict": True},
        }
    return parameters


def _strict_schema(form: type[BaseModel]) -> Any:
    """Return a form's schema as OpenAI wants it: every property required, and no others."""
    from openai import pydantic_function_tool

    return pydantic_function_tool(form)["function"]["parameters"]


def simpler_than(dialect: Dialect, says: str) -> Dialect | None:
    """Return the dialect to try after a refusal; None if it is no matter of dialect, or there is no simpler one."""
    if "max_completion_tokens" in says and dialect.limit == "max_tokens":
        return replace(dialect, limit="max_completion_tokens")
    if "temperature" in says and dialect.takes_temperature:
        return replace(dialect, takes_temperature=False)
    if dialect.format is Format.PROMPT or _NO_MATTER_OF_DIALECT.search(says):
        return None
    return replace(dialect, format=Format(dialect.format + 1))
