import base64
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from lxml import html

from twin_assets.datasets.curation.contract import StageCount
from twin_assets.datasets.exploration import explore_instruct, explore_preference
from twin_assets.datasets.exploration_page import exploration_html
from twin_assets.datasets.figures import Exploration
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow

HOSTILE = "<script>alert('x')</script> & <img src=http://evil.example/a.png onerror=go()>"
STAGES = [StageCount(f"stage {HOSTILE}", 40, Counter({f"reason {HOSTILE}": 3})), StageCount("balance", 40)]
VOID = {"meta", "link", "img", "source", "br", "hr", "input"}


@pytest.fixture
def rows(make_row: Callable[..., InstructRow], library: list[CleanedDocument]) -> list[InstructRow]:
    """Forty rows on eight subjects; everything a person or a model wrote in the first is hostile."""
    rows = []
    for number, document in enumerate(library):
        paragraphs = [text for text in document.text.split("\n\n") if not text.startswith("#")][:5]
        for paragraph in paragraphs:
            start = document.text.index(paragraph)
            rows.append(
                make_row(
                    paragraph,
                    instruction=f"Write on {document.title}: {paragraph[:20]}",
                    document_id=document.document_id,
                    start=start,
                    end=start + len(paragraph),
                    kind="write" if number % 2 else "explain",
                    split="test" if number > 5 else "train",
                )
            )
    hostile = {"instruction": HOSTILE, "answer": HOSTILE, "generator": HOSTILE, "kind": HOSTILE, "split": "test"}
    return [rows[0].model_copy(update=hostile), *rows[1:]]


@pytest.fixture
def vectors(rows: list[InstructRow]) -> np.ndarray:
    made = np.random.default_rng(0).normal(size=(len(rows), 16)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True))


@pytest.fixture
def instruct_figures(rows: list[InstructRow], vectors: np.ndarray, library: list[CleanedDocument]) -> Exploration:
    first = library[0].model_copy(update={"title": HOSTILE})
    return explore_instruct(rows, STAGES, vectors, 0, documents=[first, *library[1:]])


@pytest.fixture
def preference_figures(rows: list[InstructRow], vectors: np.ndarray) -> Exploration:
    pairs = [
        PreferenceRow(
            prompt=row.instruction,
            chosen=row.answer,
            rejected=f"Not {row.answer}",
            rejected_by=HOSTILE if row.instruction == HOSTILE else "tiny@1",
            **row.model_dump(
                include={"author", "category", "document_id", "start", "end", "prompt_hash", "split", "generator"}
            ),
        )
        for row in rows
    ]
    return explore_preference(pairs, STAGES, vectors, 0, cue_auc=0.81)


def page_of(figures: Exploration, **values: Any) -> str:
    return exploration_html(figures, **({"author": "Ada Bell", "title": "Dataset"} | values))


def text_of(page: str) -> str:
    return " ".join(" ".join(html.document_fromstring(page).xpath("//main//text()")).split())


def assert_well_formed(page: str) -> None:
    """Every element that is opened is closed, in order, which lxml alone would mend in silence."""
    open_elements: list[str] = []
    for closing, name, rest in re.findall(
        r"<(/?)([a-z][a-z0-9]*)\b([^>]*)>", re.sub(r"(?s)<style>.*?</style>", "", page)
    ):
        if closing:
            assert open_elements.pop() == name
        elif name not in VOID and not rest.endswith("/"):
            open_elements.append(name)
    assert open_elements == []


@pytest.mark.parametrize("dataset", ["instruct_figures", "preference_figures"])
def test_the_page_is_whole_fetches_nothing_and_escapes_what_others_wrote(
    dataset: str, request: pytest.FixtureRequest
) -> None:
    page = page_of(request.getfixturevalue(dataset), author=HOSTILE, title=HOSTILE, generated_from={HOSTILE: HOSTILE})
    tree = html.document_fromstring(page)

    assert page.lstrip().startswith("<!doctype html>")
    assert_well_formed(page)
    assert not tree.xpath("//script|//link|//iframe|//object|//base|//form|//*[@onerror or @onload or @onclick]")
    addresses = [str(value) for value in tree.xpath("//@src|//@srcset|//@href")]
    assert len(addresses) >= 10
    for address in addresses:
        assert base64.b64decode(address.removeprefix("data:image/png;base64,"), validate=True).startswith(b"\x89PNG")
    assert not re.search(r"url\(|@import", page)
    assert "&lt;script&gt;alert(" in page
    assert "prefers-color-scheme: dark" in page


def test_every_picture_is_told_in_words_and_every_heading_has_its_level(instruct_figures: Exploration) -> None:
    tree = html.document_fromstring(page_of(instruct_figures))

    assert tree.get("lang") == "en"
    assert all(len(alt) > 20 for alt in tree.xpath("//img/@alt"))
    assert len(tree.xpath("//img[@alt]")) == len(tree.xpath("//img")) == 6
    assert len(tree.xpath("//h1")) == 1
    assert not tree.xpath("//th[not(@scope)]")
    levels = [int(name[1]) for name in (element.tag for element in tree.iter("h1", "h2", "h3"))]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_of_instructions_says_what_is_in_the_dataset(instruct_figures: Exploration) -> None:
    text = text_of(page_of(instruct_figures, generated_from={"cleaned_documents": "3f9ab2"}))

    assert "40 rows from 8 documents: 29 to train on, 11 held out." in text
    assert "explain 14 0 5 19" in text
    assert "balance 40" in text
    assert "(3)" in text
    assert "The closest 10 pairs by meaning" in text
    assert "6 more" in text
    assert "cleaned_documents 3f9ab2" in text
    for sample in instruct_figures.samples:
        assert f"Row {sample.row_id}" in text


def test_the_page_of_pairs_says_how_far_length_and_cues_tell_them_apart(preference_figures: Exploration) -> None:
    text = text_of(page_of(preference_figures))

    assert "In 0% of the pairs the chosen text has more words" in text
    assert "AUC of 0.81" in text
    assert text.count("Chosen: Ada Bell") == 5
    assert "Rejected: tiny@1" in text


def test_what_was_not_measured_is_said(preference_figures: Exploration, make_row: Callable[..., InstructRow]) -> None:
    assert preference_figures.pairs is not None
    unmeasured = preference_figures.pairs.model_copy(update={"cue_auc": None})
    assert "was not measured" in text_of(page_of(preference_figures.model_copy(update={"pairs": unmeasured})))

    alone = explore_instruct([make_row("One answer.")], [], np.array([[1, 0]], np.float32), 0)
    text = text_of(page_of(alone))
    assert "1 row from 1 document: 1 to train on." in text
    assert "No stage of curation was counted." in text
    assert "nothing to compare" in text


def test_a_topic_on_which_nothing_is_measured_is_named(instruct_figures: Exploration) -> None:
    topic = instruct_figures.subjects.topics[0].model_copy(update={"held_out": 0})
    topics = (topic, *(one.model_copy(update={"held_out": 1}) for one in instruct_figures.subjects.topics[1:]))
    subjects = instruct_figures.subjects.model_copy(update={"topics": topics})

    assert "No test row is about topic 1 :" in text_of(
        page_of(instruct_figures.model_copy(update={"subjects": subjects}))
    )


def test_equal_rows_give_equal_pages(
    rows: list[InstructRow], vectors: np.ndarray, library: list[CleanedDocument]
) -> None:
    pages = {page_of(explore_instruct(list(rows), STAGES, vectors.copy(), 0, documents=library)) for _ in range(2)}

    assert len(pages) == 1
