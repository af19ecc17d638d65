"""Prompts: the files in `prompts/`, and how one becomes a question to a language model.

A prompt file opens with a YAML front matter (name, version, description, max_tokens, temperature); then come a system
and a user message under the headings `## system` and `## user`, each a jinja2 template. A name that a template needs
and does not get is an error. Texts of others are set with the filter `fenced`, which puts delimiters around them that
do not occur in them, so that no passage can end its own fence and go on as an order.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from twin_assets.asking import Question
from twin_assets.documents import content_hash, text_hash

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_MESSAGES = re.compile(r"\s*^## system\n(?P<system>.*)^## user\n(?P<user>.*)\Z", re.MULTILINE | re.DOTALL)
_MARK_DIGITS = 8


class _FrontMatter(BaseModel):
    """What a prompt file says about itself."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z-]*$")
    version: int = Field(ge=1)
    description: str = Field(min_length=1)
    max_tokens: int = Field(ge=1)
    temperature: float = Field(ge=0, le=2)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file.

    Attributes:
        name: Name of the file without its suffix.
        version: Raised with every change of its words.
        description: One sentence on what it asks for.
        max_tokens: Tokens of the answer at most.
        temperature: How freely the answer is sampled.
        system: Template of the system message.
        user: Template of the user message.
        file_hash: SHA-256 of the file.
    """

    name: str
    version: int
    description: str
    max_tokens: int
    temperature: float
    system: str
    user: str
    file_hash: str

    def question(self, form: type[BaseModel], **values: Any) -> Question:
        """Return the question with these values filled in.

        Args:
            form: What the answer has to look like.
            **values: A value for every name in the templates.

        Raises:
            jinja2.UndefinedError: If a value is missing.
        """
        return Question(
            prompt=f"{self.name}@{self.version}",
            system=_compiled(self.system).render(values),
            user=_compiled(self.user).render(values),
            form=form,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
        )


@cache
def load_prompt(name: str) -> Prompt:
    """Return the prompt that lies in `prompts/<name>.md`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If its front matter is incomplete, it is named otherwise, or a message is missing.
    """
    text = files("twin_assets.datasets.generation").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
    prompt = parsed_prompt(text)
    if prompt.name != name:
        raise ValueError(f"prompts/{name}.md calls itself {prompt.name!r}: file and name have to agree.")
    return prompt


def prompt_names() -> list[str]:
    """Return the names of all prompts, in order."""
    folder = files("twin_assets.datasets.generation").joinpath("prompts")
    return sorted(file.name.removesuffix(".md") for file in folder.iterdir() if file.name.endswith(".md"))


def prompt_hashes() -> dict[str, str]:
    """Return the SHA-256 of every prompt file, by name and version."""
    prompts = [load_prompt(name) for name in prompt_names()]
    return {f"{prompt.name}@{prompt.version}": prompt.file_hash for prompt in prompts}


def parsed_prompt(text: str) -> Prompt:
    """Return the prompt that is written in the text of a file.

    Raises:
        ValueError: If its front matter is incomplete or says more than is known, or a message is missing.
    """
    import frontmatter

    header, body = frontmatter.parse(text)
    messages = _MESSAGES.fullmatch(body)
    if messages is None:
        raise ValueError("A prompt needs a part under '## system' and then one under '## user'.")
    facts = _FrontMatter.model_validate(header)
    system, user = messages["system"].strip(), messages["user"].strip()
    return Prompt(**facts.model_dump(), system=system, user=user, file_hash=text_hash(text))


def prompt_hash(question: Question) -> str:
    """Return the SHA-256 of a rendered prompt: of both messages, as the model reads them."""
    return content_hash([question.system, question.user])


def fenced(text: str, label: str = "extract") -> str:
    """Return a text, whole and unchanged, between two lines that mark its beginning and its end.

    The mark is read off the text, so that the same text has the same fence, and is changed until it does not occur in
    it.
    """
    mark = text_hash(text)[:_MARK_DIGITS]
    while mark in text:
        mark = text_hash(mark + text)[:_MARK_DIGITS]
    return f"<<<{label} {mark}>>>\n{text}\n<<<end of {label} {mark}>>>"


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, StrictUndefined

    # What is asked is read by a model, not by a browser: escaped, a "<" in somebody's code would be another text.
    environment = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    environment.filters["fenced"] = fenced
    return environment


@cache
def _compiled(template: str) -> "Template":
    return _environment().from_string(template)
