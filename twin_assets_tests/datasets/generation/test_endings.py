import pytest

from twin_assets.datasets.generation.endings import cut_code_to_complete, cut_near, cut_to_complete, ends_complete

SAID = "The ferry leaves at nine. It comes back at ten."
CODE = "```python\nprint(1)\n```"


@pytest.mark.parametrize(
    "text",
    [
        SAID,
        "Does it leave at nine?",
        "It leaves at nine (as ever).",
        "**It leaves at nine.** 🚢",
        f"{SAID}\n\n- at nine sharp\n- at ten, when the tide is in.",
        f"{SAID}\n\n{CODE}",
        f"{SAID}\n\n~~~~\nprint(1)\n```\n~~~~",
        f"{SAID}\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "船は九時に出ます。",
        "It costs 3.50 on weekdays, e.g. on Mondays.",
    ],
)
def test_a_complete_text_stays_as_it_is_and_counts_as_ended(text: str) -> None:
    assert cut_to_complete(text) == text
    assert ends_complete(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"{SAID} And then the", SAID),
        (f"  {SAID}\n\nAnd then the\n", SAID),
        (f"{SAID}\n\n## What the captain", SAID),
        (f"{SAID} There are three:", SAID),
        (f"{SAID} There are three:\n\n- the wes", SAID),
        (f"{SAID} There are three:\n\n```python\nprint(", SAID),
        (f"{SAID}\n\n```", SAID),
        (f"{SAID}\n\n````\nprint(1)\n```", SAID),
        (f"{SAID}\n\n{CODE}\n\nThis pri", f"{SAID}\n\n{CODE}"),
        (f"{SAID}\n\n- the western quay\n- the east", f"{SAID}\n\n- the western quay"),
        (f"{SAID}\n\n1. It leaves. It comes.\n2. It st", f"{SAID}\n\n1. It leaves. It comes."),
        (
            f"{SAID}\n\n- the western quay\n- the eastern one\n\nBoth are",
            f"{SAID}\n\n- the western quay\n- the eastern one",
        ),
        (f"{SAID}\n\n- the western quay:\n\nBoth are", SAID),
        (f"{SAID}\n\n| a | b |\n|---|---|\n| 1 |", f"{SAID}\n\n| a | b |\n|---|---|\n| 1 |"),
        (f"{SAID}\n\n| a | b |\n|---|---|\n| 1 | tw", SAID),
        (f"> {SAID} And th", f"> {SAID}"),
        ("The ferry leaves at", ""),
        ("## The ferry leaves.", ""),
        ("- the wes", ""),
        ("", ""),
        (" \n", ""),
    ],
)
def test_a_text_that_breaks_off_is_cut_back_to_its_last_complete_end(text: str, kept: str) -> None:
    assert cut_to_complete(text) == kept


@pytest.mark.parametrize(
    "text", ["The ferry leaves at", f"{SAID}\n\n## What", f"{SAID}\n\n```python\nprint(", "", "> It is"]
)
def test_a_text_in_mid_sentence_has_not_ended(text: str) -> None:
    assert not ends_complete(text)


def test_a_list_that_a_person_ended_with_a_word_has_ended() -> None:
    assert ends_complete(f"{SAID} There are two:\n\n- the western quay\n- the eastern one")


def test_python_is_cut_back_to_the_last_line_that_parses() -> None:
    whole = 'def leave(hour):\n    """Leave the quay."""\n    return hour + 1'

    assert cut_code_to_complete(f"\n{whole}\n") == whole
    assert cut_code_to_complete(f"{whole}\n\n\ndef come(ho") == whole
    assert cut_code_to_complete(f"{whole} + (2") == 'def leave(hour):\n    """Leave the quay."""'


@pytest.mark.parametrize(
    "text",
    [
        "Yes",
        SAID,
        "'A quay.'",
        "x = 1\nThis prints one.\nAnd this prints two.\nSo it is.",
        "SELECT 1;\nSELECT 2;",
        "",
        "\x00",
    ],
)
def test_prose_and_other_languages_are_no_python(text: str) -> None:
    assert cut_code_to_complete(text) == ""


@pytest.mark.parametrize(
    ("words", "kept"),
    [(1, "One two."), (2, "One two."), (4, "One two. Three four five."), (6, f"One two. Three four five.\n\n{SAID}")],
)
def test_the_beginning_that_comes_nearest_to_a_number_of_words_is_kept(words: int, kept: str) -> None:
    text = f"One two. Three four five.\n\n{SAID}"
    between = {6: 15}.get(words, words)

    assert cut_near(text, between) == kept
    assert cut_near(f"\n\n{text}", between) == f"\n\n{kept}"


def test_no_beginning_below_the_least_number_of_words_is_taken() -> None:
    text = f"One two. Three four five.\n\n{SAID}"

    assert cut_near(text, 1, at_least=3) == "One two. Three four five."
    assert cut_near(text, 1, at_least=100) == text
    assert cut_near("One sentence that has no other end.", 2) == "One sentence that has no other end."
