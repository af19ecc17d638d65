"""The chat templates, of which a deployment uses one: datasets, trainer, merged model and server all take that text.

Each is kept as a file and tested byte by byte, because one changed blank is another format to a model. Name and hash of
the one in use travel in every `TrainingSpec`; the payload refuses a spec whose hash is not that of the template it has.
Rendering is the tokenizer's business (`apply_chat_template`); which token ends an answer is decided in the
payload (docs/decisions/0013).
"""

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Final, Literal

from twin_assets.documents import text_hash

USER = "user"
ASSISTANT = "assistant"

TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
"""The markers of ChatML."""

ChatTemplateName = Literal["alpaca", "chatml", "llama3", "gemma", "phi"]
CHATML: Final = "chatml"
"""The template of a deployment that names none."""


@dataclass(frozen=True)
class ChatTemplate:
    """One way to write a conversation as text."""

    name: ChatTemplateName
    tokens: tuple[str, ...]
    """Markers that the tokenizers of the format's own models hold as single tokens."""
    end: str | None = None
    """The one of them that ends a turn; none if the format ends a turn with whatever EOS the tokenizer has."""
    headings: tuple[str, ...] = ()
    """Markers that are plain text to every tokenizer."""

    @cached_property
    def text(self) -> str:
        """The Jinja text (`templates/<name>.jinja`)."""
        folder = files("twin_assets.training").joinpath("templates")
        return folder.joinpath(f"{self.name}.jinja").read_text(encoding="utf-8")

    @property
    def hash(self) -> str:
        """SHA-256 of the text."""
        return text_hash(self.text)


CHAT_TEMPLATES: Final[dict[str, ChatTemplate]] = {
    template.name: template
    for template in (
        # Taori et al. 2023, Stanford Alpaca; without `input`, as the LLM Engineer's Handbook prints it in chapter 5.
        ChatTemplate("alpaca", tokens=(), headings=("### Instruction:", "### Response:")),
        # OpenAI's Chat Markup Language, as Qwen, SmolLM and many others use it.
        ChatTemplate(CHATML, tokens=(TURN_START, TURN_END), end=TURN_END),
        # Meta's model card of Llama 3, "prompt format".
        ChatTemplate("llama3", tokens=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), end="<|eot_id|>"),
        # Google's "Gemma formatting and system instructions", Gemma 2 and 3.
        ChatTemplate("gemma", tokens=("<start_of_turn>", "<end_of_turn>"), end="<end_of_turn>"),
        # Microsoft's model cards of Phi-3 and Phi-3.5, "chat format".
        ChatTemplate("phi", tokens=("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"), end="<|end|>"),
    )
}
"""Every template that a deployment can choose, by name."""

_MARKERS = tuple(marker for template in CHAT_TEMPLATES.values() for marker in template.tokens + template.headings)


def holds_marker(text: str) -> bool:
    """Whether a text spells out a marker: in a conversation, it would end a turn or begin another.

    The markers of every supported template count, not only of the one in use: rows then fit each of them, and a dataset
    need not be made again for another base model.
    """
    return any(marker in text for marker in _MARKERS)


def chat_template(name: str = CHATML) -> str:
    """Return the Jinja text of a chat template."""
    return CHAT_TEMPLATES[name].text


def chat_template_hash(text: str | None = None) -> str:
    """Return the SHA-256 of a chat template's text; of ChatML's if none is given."""
    return text_hash(chat_template() if text is None else text)


def messages_for(instruction: str) -> list[dict[str, str]]:
    """Return the conversation that asks for `instruction`: one user turn, the text verbatim, no system turn."""
    return [{"role": USER, "content": instruction}]


def answer_message(answer: str) -> list[dict[str, str]]:
    """Return the assistant's turn that holds `answer`, verbatim: the completion a model is trained on."""
    return [{"role": ASSISTANT, "content": answer}]
