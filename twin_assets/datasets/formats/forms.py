"""The forms of records: how each is recognised, read and written. Files are read and written elsewhere.

Sources: Alpaca, github.com/tatsu-lab/stanford_alpaca ("Data Release"); ShareGPT as in FastChat,
github.com/lm-sys/FastChat (docs/training.md); messages, platform.openai.com/docs/guides/supervised-fine-tuning; pairs,
huggingface.co/docs/trl/dataset_formats ("Preference"); the Handbook's files as its own pipeline writes them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from twin_assets.datasets.formats.contract import Exchange, FormError, Record
from twin_assets.documents import InstructRow, PreferenceRow
from twin_assets.errors import UserError
from twin_assets.training.chat_template import ASSISTANT, USER, answer_message, messages_for

SYSTEM = "system"

LATER_TURNS = "later turns of a conversation left out"
SYSTEM_MESSAGE = "system message left out"

_ROLES = {
    "human": USER,
    "user": USER,
    "prompter": USER,
    "gpt": ASSISTANT,
    "chatgpt": ASSISTANT,
    "assistant": ASSISTANT,
    "model": ASSISTANT,
    "system": SYSTEM,
    "developer": SYSTEM,
}
"""Who speaks, by the names that the forms have for it."""

Turn = tuple[str, str]
"""Role and text."""


@dataclass(frozen=True)
class Form:
    """One form of records.

    Attributes:
        name: By which a person names it.
        holds: A single answer per record, or a pair of them.
        fields: Alternatives, each a set of fields by which a record is recognised.
        parse: Returns what a record says; raises FormError.
        render: Returns the record of a row; None where the form is only read.
    """

    name: str
    holds: Literal["answers", "pairs", "either"]
    fields: tuple[frozenset[str], ...]
    parse: Callable[[Record], Exchange]
    render: Callable[[Any], dict[str, Any]] | None = None

    def fits(self, record: Record) -> bool:
        """Whether a record has the fields of this form."""
        return any(fields <= record.keys() for fields in self.fields)


def form_named(name: str) -> Form:
    """Return a form by its name.

    Raises:
        UserError: If there is none of that name.
    """
    if name not in FORMS:
        raise UserError(f"There is no form {name!r}; the forms are: {', '.join(FORMS)}.")
    return FORMS[name]


def recognised(record: Record) -> Form | None:
    """Return the first form whose fields a record has, or None."""
    return next((form for form in FORMS.values() if form.fits(record)), None)


def _parse_alpaca(record: Record) -> Exchange:
    instruction, more = _text(record, "instruction"), record.get("input") or ""
    if not isinstance(more, str):
        raise FormError(f"has an input that is {_kind(more)}, not a text")
    asked = f"{instruction}\n\n{more}" if more.strip() else instruction
    return Exchange(asked, _text(record, "output"))


def _render_alpaca(row: InstructRow) -> dict[str, Any]:
    return {"id": row.row_id, "instruction": row.instruction, "input": "", "output": row.answer}


def _parse_sharegpt(record: Record) -> Exchange:
    return _first_exchange(_turns(record, "conversations", role="from", text="value"))


def _render_sharegpt(row: InstructRow) -> dict[str, Any]:
    turns = [{"from": "human", "value": row.instruction}, {"from": "gpt", "value": row.answer}]
    return {"id": row.row_id, "conversations": turns}


def _parse_messages(record: Record) -> Exchange:
    return _first_exchange(_turns(record, "messages", role="role", text="content"))


def _render_messages(row: InstructRow) -> dict[str, Any]:
    return {"id": row.row_id, "messages": [*messages_for(row.instruction), *answer_message(row.answer)]}


def _parse_dpo(record: Record) -> Exchange:
    chosen: Sequence[Turn] = _side(record, "chosen", ASSISTANT)
    rejected: Sequence[Turn] = _side(record, "rejected", ASSISTANT)
    asked: Sequence[Turn] = _side(record, "prompt", USER) if "prompt" in record else chosen[:-1]
    if not asked:
        raise FormError("has no field prompt, and chosen does not begin with the question")
    # With the question inside, both lists begin with it, whether or not it stands in a field of its own, too.
    chosen, rejected = _after(asked, chosen), _after(asked, rejected)
    for name, side in (("chosen", chosen), ("rejected", rejected)):
        if len(side) != 1 or side[0][0] != ASSISTANT:
            raise FormError(f"has more or less in {name} than one answer to the same question")
    question, notes = _without_system(asked)
    if [role for role, _ in question] != [USER]:
        raise FormError("asks in a conversation of several turns: only one question is supported")
    return Exchange(question[0][1], chosen[0][1], rejected[0][1], notes)


def _render_dpo(row: PreferenceRow) -> dict[str, Any]:
    return {
        "id": row.row_id,
        "prompt": messages_for(row.prompt),
        "chosen": answer_message(row.chosen),
        "rejected": answer_message(row.rejected),
    }


def _parse_handbook(record: Record) -> Exchange:
    if "answer" in record:
        return Exchange(_text(record, "instruction"), _text(record, "answer"))
    return Exchange(_text(record, "instruction"), _text(record, "chosen"), _text(record, "rejected"))


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("alpaca", "answers", (frozenset({"instruction", "output"}),), _parse_alpaca, _render_alpaca),
        Form("sharegpt", "answers", (frozenset({"conversations"}),), _parse_sharegpt, _render_sharegpt),
        Form("messages", "answers", (frozenset({"messages"}),), _parse_messages, _render_messages),
        Form(
            "handbook",
            "either",
            (frozenset({"instruction", "answer"}), frozenset({"instruction", "chosen", "rejected"})),
            _parse_handbook,
        ),
        Form("dpo", "pairs", (frozenset({"chosen", "rejected"}),), _parse_dpo, _render_dpo),
    )
}
"""Every form by its name, in the order in which a record is tried."""


def _first_exchange(turns: Sequence[Turn]) -> Exchange:
    """Return the first question with its answer, which is the only one that can be understood without the others."""
    turns, notes = _without_system(turns)
    for number, (role, _) in enumerate(turns):
        expected = ASSISTANT if number % 2 else USER
        if role != expected:
            raise FormError(f"has the {role} speak in turn {number + 1}, where the {expected} should")
    if len(turns) < 2:
        raise FormError("has no question with an answer")
    more = (LATER_TURNS,) if len(turns) > 2 else ()
    return Exchange(turns[0][1], turns[1][1], notes=notes + more)


def _without_system(turns: Sequence[Turn]) -> tuple[list[Turn], tuple[str, ...]]:
    """Return the turns after a system message that they may begin with, and a note that it was there."""
    if turns and turns[0][0] == SYSTEM:
        return list(turns[1:]), (SYSTEM_MESSAGE,)
    return list(turns), ()


def _after(asked: Sequence[Turn], side: Sequence[Turn]) -> Sequence[Turn]:
    return side[len(asked) :] if list(side[: len(asked)]) == list(asked) else side


def _side(record: Record, key: str, speaker: str) -> list[Turn]:
    """Return a text or a list of messages as turns; of a text alone it is known who speaks."""
    if isinstance(record.get(key), str):
        return [(speaker, _text(record, key))]
    return _turns(record, key, role="role", text="content")


def _turns(record: Record, key: str, *, role: str, text: str) -> list[Turn]:
    turns = record.get(key)
    if not isinstance(turns, list) or not turns:
        raise FormError(f"has {_kind(turns)} in {key}, not a list of turns" if key in record else f"has no field {key}")
    return [_turn(turn, number, role=role, text=text) for number, turn in enumerate(turns, start=1)]


def _turn(turn: Any, number: int, *, role: str, text: str) -> Turn:
    if not isinstance(turn, dict) or not {role, text} <= turn.keys():
        raise FormError(f"has no fields {role} and {text} in turn {number}")
    speaker = _ROLES.get(str(turn[role]))
    if speaker is None:
        raise FormError(f"names the unknown role {turn[role]!r} in turn {number}")
    said = turn[text]
    if isinstance(said, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in said):
        # The form of a message with pictures: here it may hold texts only.
        said = "".join(str(part.get("text", "")) for part in said)
    if not isinstance(said, str) or not said.strip():
        raise FormError(f"says nothing in turn {number}" if said in ("", None) else f"has no text in turn {number}")
    return speaker, said


def _text(record: Record, key: str) -> str:
    if key not in record:
        raise FormError(f"has no field {key}")
    text = record[key]
    if not isinstance(text, str):
        raise FormError(f"has {_kind(text)} in {key}, not a text")
    if not text.strip():
        raise FormError(f"has nothing in {key}")
    return text


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "a truth value", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
