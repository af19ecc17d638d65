import pytest

from twin_assets.features.lettering import plain_letters, without_invisible


def alphabet(first: int, letters: str, base: str = "a") -> str:
    return "".join(chr(first + ord(letter) - ord(base)) for letter in letters)


@pytest.mark.parametrize(
    "first",
    [
        0x1D41A,
        0x1D44E,
        0x1D482,
        0x1D4B6,
        0x1D4EA,
        0x1D51E,
        0x1D552,
        0x1D586,
        0x1D5BA,
        0x1D5EE,
        0x1D622,
        0x1D656,
        0x1D68A,
    ],
    ids=str,
)
def test_every_mathematical_alphabet_becomes_plain_letters(first):
    assert plain_letters(f"We {alphabet(first, 'slip')} it.") == "We slip it."


def test_letters_that_were_encoded_before_their_alphabet_become_plain_beside_it():
    italic_h, script_b, fraktur_c = "\u210e", "\u212c", "\u212d"

    assert plain_letters(f"{alphabet(0x1D44E, 't')}{italic_h}{alphabet(0x1D44E, 'e')}") == "the"
    assert plain_letters(script_b + alphabet(0x1D4B6, "ut")) == "But"
    assert plain_letters(fraktur_c + alphabet(0x1D51E, "ode")) == "Code"


def test_bold_digits_become_plain_digits():
    assert plain_letters(alphabet(0x1D7CE, "2024", "0")) == "2024"


def test_circled_and_squared_words_become_plain_and_a_single_sign_stays():
    assert plain_letters(alphabet(0x24D0, "new")) == "new"
    assert plain_letters(alphabet(0x1F150, "NEW", "A")) == "NEW"
    assert plain_letters(alphabet(0x1F170, "NEW", "A")) == "NEW"
    assert plain_letters("Line \u24c2, group \U0001f170.") == "Line \u24c2, group \U0001f170."


@pytest.mark.parametrize(
    "text", ["x\u00b2 + \u00bd \u2026 \ufb01le \u2122 \u2167", "x \u2208 \u211d", "\uff21\uff22", "caf\u00e9 \u00c5"]
)
def test_what_only_nfkc_would_change_stays(text):
    assert plain_letters(text) == text


def test_soft_hyphens_and_zero_width_characters_go():
    assert without_invisible("back\u00adup\u200b is\u2060 a\ufeff ru\u200dmo\u200cur") == "backup is a rumour"


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f468\u200d\U0001f4bb",  # a person and a laptop: one emoji
        "\U0001f3f3\ufe0f\u200d\U0001f308",  # the joiner stands behind a variation selector
        "\U0001f937\U0001f3fd\u200d\u2640\ufe0f",  # and behind a skin tone
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, where it parts two letters of one word
        "\u0915\u094d\u200d\u0937",  # Hindi
    ],
)
def test_a_joiner_that_shapes_what_is_seen_stays(text):
    assert without_invisible(f"a {text} b") == f"a {text} b"
