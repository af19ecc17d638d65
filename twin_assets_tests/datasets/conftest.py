import random
from collections.abc import Callable
from typing import Any

import pytest

from twin_assets.documents import CleanedDocument, InstructRow, content_hash, document_id_for

SUBJECTS = {
    "Bread at High Altitude": "dough oven flour crust yeast starter kneading proofing humidity scale",
    "A Shed for Two Bicycles": "timber hinge roof gutter padlock gravel screw plank ramp bracket",
    "Letters from the Ferry": "harbour rope captain tide lantern deckhand ticket gull fog engine",
    "Counting Swifts": "nest eave binocular notebook colony feather chimney migration dusk ladder",
    "The Second Violin": "bow rosin orchestra score rehearsal conductor fingerboard tuning solo chair",
    "Mending Dry Stone": "hearting coping trench hammer batter lichen gap sheep foundation throughstone",
    "Ink That Lasts": "gall vitriol quill parchment pigment bottle blotter nib archive fading",
    "Sleeping in the Snow": "stove mattress zip frost summit blanket sledge thermometer cave shovel",
}
VERBS = (
    "lifts",
    "holds",
    "breaks",
    "mends",
    "colours",
    "warms",
    "empties",
    "measures",
    "carries",
    "repays",
    "outlasts",
)
WHEN = (
    "before dawn",
    "in a hard winter",
    "after the third attempt",
    "on most days",
    "without any warning",
    "by the door",
)


def _sentence(draw: random.Random, nouns: list[str]) -> str:
    first, second, third = draw.sample(nouns, 3)
    return (
        f"The {first} {draw.choice(VERBS)} the {second} {draw.choice(WHEN)}, and {draw.randint(3, 99)} times in a "
        f"hundred a {third} {draw.choice(VERBS)} what the {draw.choice(nouns)} has left over."
    )


def _article(title: str, words: str) -> str:
    draw, nouns = random.Random(title), words.split()  # noqa: S311  # nothing secret here

    def paragraph(sentences: int) -> str:
        return " ".join(_sentence(draw, nouns) for _ in range(sentences))

    sections = [f"## The care of the {noun}\n\n{paragraph(3)}\n\n{paragraph(4)}" for noun in nouns[:4]]
    return "\n\n".join([f"# {title}\n\n{paragraph(3)}", *sections, f"## Conclusion\n\n{paragraph(3)}"])


@pytest.fixture
def make_document() -> Callable[..., CleanedDocument]:
    def make(text: str = "A text.", name: str = "document", **fields: Any) -> CleanedDocument:
        values: dict[str, Any] = {
            "document_id": document_id_for(name),
            "author": "ada-bell",
            "category": "articles",
            "platform": "blog",
            "url": None,
            "title": None,
            "text": text,
            "language": "en",
            "published_at": None,
            "content_hash": content_hash(text),
            "duplicate_of": None,
            "n_words": len(text.split()),
        }
        return CleanedDocument(**(values | fields))

    return make


@pytest.fixture
def library(make_document: Callable[..., CleanedDocument]) -> list[CleanedDocument]:
    """Eight articles of one author, each on a subject of its own."""
    return [make_document(_article(title, words), title, title=title) for title, words in SUBJECTS.items()]


@pytest.fixture
def make_row() -> Callable[..., InstructRow]:
    def make(answer: str, **fields: Any) -> InstructRow:
        values: dict[str, Any] = {
            "instruction": f"Write about {content_hash(answer)[:8]}.",
            "answer": answer,
            "author": "ada-bell",
            "category": "articles",
            "document_id": "one",
            "start": 0,
            "end": len(answer),
            "generator": "extractive@1",
            "prompt_hash": content_hash(answer),
            "split": "train",
        }
        return InstructRow(**(values | fields))

    return make
