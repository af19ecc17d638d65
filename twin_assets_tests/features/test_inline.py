from collections import Counter

import pytest

from twin_assets.features.blocks import Surroundings
from twin_assets.features.inline import repair_emphasis, shown, tidy_inline


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("So we will**jump** straight in.", "So we will **jump** straight in."),
        ("**Rank** , which is low.", "**Rank**, which is low."),
        ("the _feature pipeline_ , while", "the _feature pipeline_, while"),
        ("[retrieval]:**** improve", "[retrieval]: improve"),
        ("See **@mira **for more.", "See **@mira** for more."),
        ("We have**3 types** of it.", "We have **3 types** of it."),
    ],
)
def test_emphasis_that_a_converter_glued_is_set_right(written, meant):
    assert repair_emphasis(written) == meant


@pytest.mark.parametrize("text", ["**L**ow-**R**ank", "x**2 + y**2", "2**3 and 4**5", "a ** b", "**one** and **two**"])
def test_emphasis_that_is_meant_stays(text):
    assert repair_emphasis(text) == text


@pytest.mark.parametrize("text", [r"$\{a\}\,dx$", r"\*not bold\*", r"a\_b", r"\(x\)", "snake_case_name", "__init__"])
def test_escapes_and_formulas_stay(text):
    assert tidy_inline(text, Surroundings(), Counter()) == text


def test_what_a_converter_escapes_lest_it_be_a_list_is_written_plainly():
    assert tidy_inline("1\\. One \\- two \\+ three", Surroundings(), Counter()) == "1. One - two + three"


def test_icon_remnants_and_invisible_characters_go_and_emoji_stay_whole():
    dropped: Counter[str] = Counter()

    assert tidy_inline("LLM __ \u200bcourse\u00a0👩‍💻 \ue123", Surroundings(), dropped) == "LLM  course 👩‍💻"
    assert dropped["image remnant"] == 2


def test_words_are_shown_as_a_reader_sees_them():
    assert shown("### **Lesson 5:** _The `x`_ snake_case") == "Lesson 5: The x snake_case"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("so&shy;ft", "soft"),
        ("zero&#8203;width", "zerowidth"),
        ("&#120276;", "A"),
        ("a&thinsp;b&nbsp;c", "a b c"),
        ("a &lt; b &amp; c", "a &lt; b & c"),
        ("`x` &#xe000;5&#xe001; `y`", "`x` &#xe000;5&#xe001; `y`"),
    ],
)
def test_a_character_reference_is_read_as_the_character_would_be(written, meant):
    assert tidy_inline(written, Surroundings(), Counter()) == meant
