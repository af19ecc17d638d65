import pytest

from twin_assets.features.blocks import parse_blocks
from twin_assets.features.language import language_of

ENGLISH = "A queue is a loan that you take from tomorrow, and the rate of interest rises while you are asleep."
GERMAN = "Eine Warteschlange ist ein Kredit auf morgen, und der Zins steigt, während man nachts ruhig schläft."
FRENCH = "Une file d'attente est un emprunt fait sur demain, et le taux monte pendant que vous dormez encore."


@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (GERMAN, "de"), (FRENCH, "fr")])
def test_a_language_is_detected_where_none_is_declared(text, language):
    assert language_of(parse_blocks(text), None) == language


def test_a_template_that_declares_another_language_is_not_believed():
    assert language_of(parse_blocks(GERMAN), "en") == "de"


def test_a_few_words_are_not_judged():
    assert language_of(parse_blocks("Bonjour."), "en") == "en"
    assert language_of(parse_blocks("Bonjour."), None) is None


def test_a_document_without_prose_has_the_language_that_is_declared():
    assert language_of(parse_blocks("```\nx = 1\n```"), "de") == "de"
    assert language_of([], None) is None


def test_code_and_tables_are_no_prose():
    code = f"```python\n# {GERMAN * 5}\n```\n\n| {GERMAN} |\n|---|\n| {GERMAN} |\n\n{ENGLISH}"

    assert language_of(parse_blocks(code), None) == "en"


@pytest.mark.parametrize("declared", ["en-GB", "en_US", "EN"])
def test_a_declared_region_is_left_out(declared):
    assert language_of(parse_blocks("Hi."), declared) == "en"
