import json
import random
import re
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from twin_assets.datasets.curation.groundedness import MIN_SUPPORT, Support, is_verbatim, support

HANDBOOK = Path(__file__).parents[4] / "shared" / "data" / "handbook"

PASSAGE = """We moved the Kestrel nest box to the north wall in March 2019, after we had lost three broods to the heat.

- The old box faced south, at 41.5 degrees by noon.
- Maren Holt measured it with a cheap thermometer, for 1,200 minutes in all.

The birds didn't mind. They laid five eggs within a week, and four fledged. I would never put a box on a south wall
again without shade."""


def test_a_verbatim_answer_is_compared_letter_by_letter() -> None:
    text = "One. Two. Three."

    assert is_verbatim("Two.", text, 5, 9)
    assert not is_verbatim("two.", text, 5, 9)
    assert not is_verbatim("Two.", text, 0, 4)
    assert not is_verbatim("Three.", text, 10, 99)
    assert not is_verbatim("", text, 5, 5)
    assert not is_verbatim(" ", text, 4, 5)
    assert not is_verbatim("e.", text, -2, 16)


def test_a_passage_supports_itself_in_any_order_of_its_sentences() -> None:
    sentences = [part for part in re.split(r"(?<=\.)\s+", PASSAGE) if part]
    random.Random(0).shuffle(sentences)  # noqa: S311  # nothing secret here

    assert support(PASSAGE, PASSAGE) == Support(1.0, [], [])
    assert support("\n\n".join(sentences), PASSAGE) == Support(1.0, [], [])


@pytest.mark.parametrize(
    "answer",
    [
        "The box was moved to the north wall in March, because the heat had cost us broods.",
        "Boxes on a south wall need shade. Never put one there without it.",
        "By noon the old box measured 41.5 degrees.",
        "Maren Holt took the measurements, over 1200 minutes. The birds did not mind the move.",
        "Of 5 eggs, 4 fledged.",
        "## Why move it?\n\nHeat: the old box faced south.",
        "1. Move the box to the north wall.\n2. Measure it with a thermometer.",
    ],
)
def test_a_retelling_in_other_words_is_supported(answer: str) -> None:
    assert support(answer, PASSAGE) == Support(1.0, [], [])


@pytest.mark.parametrize(
    ("answer", "invented"),
    [
        ("We moved the nest box to the north wall in March 2021.", ["2021"]),
        ("By noon the old box faced 47.5 degrees.", ["47.5"]),
        ("For the box, Maren Lund measured 1,200 minutes with a thermometer.", ["Lund"]),
        ("The birds laid five eggs on the north wall in Norway.", ["Norway"]),
        ("The birds laid eggs within a week, and NABU measured the box.", ["NABU"]),
        ("The birds laid eggs within a week, and iButton loggers measured the box.", ["iButton"]),
    ],
)
def test_a_number_or_a_name_that_the_passage_does_not_hold_is_invented(answer: str, invented: list[str]) -> None:
    assert support(answer, PASSAGE) == Support(0.0, [answer], invented)


def test_a_capital_at_the_start_of_a_sentence_or_of_a_quotation_makes_no_name() -> None:
    answer = 'Then the birds laid eggs within a week: Nice. "Never a south wall," I said. * Once moved, a box stays.'

    assert support(answer, PASSAGE).invented == []


def test_the_score_is_the_share_of_the_sentences_that_are_supported_and_the_others_are_named() -> None:
    general = "Engaging content strategies drive sustainable growth across every marketing channel."
    found = support(f"The birds laid five eggs within a week. {general} The old box faced south.", PASSAGE)

    assert found.unsupported == [general]
    assert found.score == pytest.approx(2 / 3)


@pytest.mark.parametrize("answer", ["", "  \n", "It is what it is.", "# The Old Box Faced South"])
def test_an_answer_that_claims_nothing_has_no_support(answer: str) -> None:
    assert support(answer, PASSAGE).score == 0.0


def test_sentences_that_claim_nothing_do_not_count() -> None:
    assert support("It is what it is. The old box faced south. And that is that.", PASSAGE).score == 1.0


def test_words_from_all_over_a_long_text_support_nothing_together() -> None:
    filler = (
        "Nothing of that kind was ever written anywhere near these pages, and nobody asked about anything else. " * 12
    )
    apart = filler.join(
        f"A {word} was seen." for word in ("lantern", "harbour", "violin", "quarry", "sledge", "orchard")
    )
    claim = "The lantern in the harbour lit a violin, a quarry, a sledge and an orchard."

    assert support(claim, "A lantern, a harbour, a violin, a quarry, a sledge, an orchard.").score == 1.0
    assert support(claim, apart).score == 0.0


def test_other_languages_are_read_with_their_own_stems() -> None:
    passage = "Wir haben die Kästen im März an die Nordwand gehängt, weil zwei Bruten in der Hitze verloren gingen."

    assert support(
        "Die Bruten gingen verloren, also hängten wir den Kasten an die Nordwand.", passage, language="de"
    ).score
    assert not support("Wir füttern Igel mit Rührei.", passage, language="de").score
    assert support("Kutija je na zidu.", "Na zidu je kutija.", language="hr").score == 1.0


def handbook(name: str) -> Any:
    path = HANDBOOK / "generated" / name
    if not path.exists():
        pytest.skip(f"the Handbook's datasets are not at {path}")
    return json.loads(path.read_text("utf-8"))


def test_the_ungrounded_answers_of_the_handbook_are_supported_by_none_of_its_articles() -> None:
    articles = [article["content"] for article in handbook("cleaned_documents.json")["artifact_data"]]
    samples = handbook("instruct_datasets.json")["test"]["articles"]["samples"]
    draw = random.Random(0)  # noqa: S311  # nothing secret here
    answers = [sample["answer"] for sample in draw.sample(samples, 40)]
    words = [set(article.lower().split()) for article in articles]

    def most_similar(answer: str) -> str:
        asked = set(answer.lower().split())
        return articles[max(range(len(articles)), key=lambda i: len(asked & words[i]) / len(words[i]) ** 0.3)]

    ungrounded = [support(answer, most_similar(answer)) for answer in answers]
    own = [support(" ".join(article.split()[200:260]), article) for article in articles[:20]]

    assert mean(found.score for found in ungrounded) < 0.1
    assert max(found.score for found in ungrounded) < MIN_SUPPORT
    assert mean(found.score for found in own) > 0.99
