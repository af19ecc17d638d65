"""The project's one chat template: the datasets, the trainer, the merged model and the server all use this text.

It is kept as a file and tested byte by byte, because one changed blank is another format to a model. Its hash travels
in every `TrainingSpec`; the payload refuses a spec whose hash is not that of the template it ships with. Rendering is
the tokenizer's business (`apply_chat_template`).
"""

from importlib.resources import files

from twin_assets.documents import text_hash

USER = "user"
ASSISTANT = "assistant"

TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
"""The markers of ChatML. The offline base model's tokenizer holds both as single tokens, the second as its EOS."""


def holds_marker(text: str) -> bool:
    """Whether a text spells out a marker: in a conversation, it would end a turn or begin another."""
    return TURN_START in text or TURN_END in text


def chat_template() -> str:
    """Return the Jinja text of the chat template (`templates/chatml.jinja`)."""
    return files("twin_assets.training").joinpath("templates", "chatml.jinja").read_text(encoding="utf-8")


def chat_template_hash(text: str | None = None) -> str:
    """Return the SHA-256 of a chat template's text; of the project's own if none is given."""
    return text_hash(chat_template() if text is None else text)


def messages_for(instruction: str) -> list[dict[str, str]]:
    """Return the conversation that asks for `instruction`: one user turn, the text verbatim, no system turn."""
    return [{"role": USER, "content": instruction}]


def answer_message(answer: str) -> list[dict[str, str]]:
    """Return the assistant's turn that holds `answer`, verbatim: the completion a model is trained on."""
    return [{"role": ASSISTANT, "content": answer}]
