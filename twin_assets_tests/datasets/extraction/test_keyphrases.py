import pytest

from twin_assets.datasets.extraction.keyphrases import keyphrases

TEXT = (
    "We built the free Harbour Tide Model course last winter. The tide model predicts the water level at the western "
    "quay. A tide model is only as good as its gauge, and the water level is read from a brass gauge every hour. "
    "Pressure and wind move the water level as well."
)


def test_the_phrases_say_what_the_text_is_about() -> None:
    assert {"tide model", "water level"} <= set(keyphrases(TEXT, 5))


def test_every_phrase_stands_in_the_text_and_none_shares_a_word_with_another() -> None:
    found = keyphrases(TEXT, 6)
    words = [word for phrase in found for word in phrase.lower().split()]

    assert all(phrase.lower() in TEXT.lower() for phrase in found)
    assert len(words) == len(set(words))


def test_a_piece_of_a_longer_name_is_no_phrase() -> None:
    found = keyphrases("The Harbour Tide Model Course began. Nobody left the Harbour Tide Model Course early.", 5)

    assert not {"Harbour Tide", "Tide Model", "Model Course"} & set(found)


def test_the_capital_of_a_sentence_is_not_kept_but_that_of_a_name_is() -> None:
    found = keyphrases("Brass gauges are cheap. Mira Voss reads the SQLite log of the brass gauges.", 5)

    assert "brass gauges" in found
    assert "Mira Voss" in found
    assert not {"Brass gauges", "mira Voss"} & set(found)


def test_code_addresses_and_marks_are_left_out() -> None:
    marked = (
        "The **tide table** is [printed yearly](https://quay.example/printed-yearly).\n\n"
        "```python\nsecret_variable = frobnicate(secret_variable)\n```\n\nA _tide table_ costs nothing."
    )
    found = " ".join(keyphrases(marked, 8))

    assert "tide table" in found
    assert not [mark for mark in ("*", "_", "`", "http", "secret", "frobnicate", "example") if mark in found]


@pytest.mark.parametrize("text", ["", "...", "12 345", "```\ncode\n```", "and the of it"])
def test_a_text_without_names_has_no_phrases(text: str) -> None:
    assert keyphrases(text, 5) == []


@pytest.mark.parametrize("language", ["de", "xx"])
def test_a_text_in_another_language_has_phrases_too(language: str) -> None:
    assert {"Hohe Pegel", "tiefe See"} <= set(
        keyphrases("Hohe Pegel, tiefe See: hohe Pegel, keine Boote.", 3, language=language)
    )


def test_no_more_phrases_come_than_were_asked_for() -> None:
    assert len(keyphrases(TEXT, 2)) == 2
