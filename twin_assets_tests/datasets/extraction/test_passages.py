from collections.abc import Callable
from itertools import pairwise

import pytest

from twin_assets.datasets.extraction.passages import MAX_WORDS, MIN_WORDS, passages, scan
from twin_assets.documents import CleanedDocument

Make = Callable[..., CleanedDocument]

SENTENCE = "The old ferry leaves the western quay at nine and comes back whenever the tide allows it."
SHORT = "Nobody waits for it."
PARAGRAPH = " ".join([SENTENCE] * 4)
"""68 words: a passage of its own."""


def texts(document: CleanedDocument) -> list[str]:
    found = passages(document)
    assert all(document.text[passage.start : passage.end] == passage.text for passage in found)
    assert all(before.end <= after.start for before, after in pairwise(found))
    return [passage.text for passage in found]


def reasons(document: CleanedDocument) -> dict[str, int]:
    return dict(scan(document).dropped)


def test_paragraphs_of_good_length_are_passages_with_their_headings(make_document: Make) -> None:
    document = make_document(f"# Ferries\n\n{PARAGRAPH}\n\n## *Tides*\n\n{PARAGRAPH}\n\n{PARAGRAPH}")
    found = passages(document)

    assert texts(document) == [PARAGRAPH] * 3
    assert [passage.headings for passage in found] == [("Ferries",), ("Ferries", "Tides"), ("Ferries", "Tides")]
    assert found[0].section != found[1].section == found[2].section


def test_short_paragraphs_are_joined_until_they_say_enough(make_document: Make) -> None:
    text = f"{SENTENCE} {SENTENCE}\n\n{SENTENCE}\n\n{SHORT}"

    assert texts(make_document(text)) == [text]


def test_every_passage_of_an_article_has_a_good_length(make_document: Make) -> None:
    text = "\n\n".join(" ".join([SENTENCE] * count) for count in (1, 2, 3, 9, 1, 12, 5, 1))

    assert all(MIN_WORDS["articles"] <= len(passage.split()) <= MAX_WORDS for passage in texts(make_document(text)))


def test_a_paragraph_beyond_the_longest_passage_is_cut_between_sentences(make_document: Make) -> None:
    paragraph = " ".join(f"Boat {number} leaves the western quay at nine in the morning." for number in range(60))
    found = texts(make_document(paragraph))

    assert len(found) > 2
    assert all(passage.startswith("Boat") and passage.endswith("morning.") for passage in found)
    assert " ".join(found) == paragraph


def test_a_list_comes_with_the_sentence_that_leads_it_in(make_document: Make) -> None:
    text = f"{SENTENCE} {SENTENCE} There are three quays:\n\n- the western one\n- the eastern one\n- the long one"

    assert texts(make_document(text)) == [text]


def test_code_comes_with_its_explanation(make_document: Make) -> None:
    text = f"{SENTENCE} Ask for the tide:\n\n```bash\ntide --at nine\n```\n\n{SENTENCE} {SENTENCE}"

    assert texts(make_document(text)) == [text]


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (f"{SENTENCE} {SENTENCE} {SENTENCE} And what follows is this:", "announces what is not there"),
        (f"{SENTENCE} {SENTENCE} {SENTENCE} And what follows", "unfinished sentence"),
        ("- [one](https://a.example)\n- [two](https://b.example)\n- [three](https://c.example)", "mostly links"),
        ("- Grant (2019)\n- Lee et al. (2020)\n- Osei, A study of quays, 1987", "references"),
        ("- quays\n- tides\n- ropes", "list without words about it"),
        ("```bash\ntide --at nine\n```", "code without words about it"),
        ("| a | b |\n|---|---|\n| 1 |  |", "table remnant"),
        ("> Somebody else said this.", "quote without words about it"),
        ("![The quay](quay.png)", "picture"),
        ("Photo by a passenger.", "caption"),
        (f"{SENTENCE} Subscribe to my newsletter. {SENTENCE}", "promotion"),
        (f"{SENTENCE} As the figure below shows, it is late. {SENTENCE}", "points at a picture"),
        (SHORT, "too short"),
        ("***", "markup"),
    ],
)
def test_what_makes_no_answer_is_left_out_and_counted(make_document: Make, block: str, reason: str) -> None:
    document = make_document(f"## Before\n\n{PARAGRAPH}\n\n## Between\n\n{block}\n\n## After\n\n{PARAGRAPH}")

    assert texts(document) == [PARAGRAPH, PARAGRAPH]
    assert reasons(document) == {reason: 1}


def test_nothing_under_a_heading_like_references_is_an_answer(make_document: Make) -> None:
    document = make_document(f"{PARAGRAPH}\n\n## References\n\n{PARAGRAPH}\n\n## Sources:\n\n{PARAGRAPH}")

    assert texts(document) == [PARAGRAPH]
    assert reasons(document) == {"references and furniture": 2}


def test_a_passage_does_not_begin_in_mid_thought(make_document: Make) -> None:
    leaning = f"However, {PARAGRAPH}"
    joined = make_document(f"## A heading\n\n{PARAGRAPH}\n\n{leaning}")
    alone = make_document(f"## A heading\n\n{PARAGRAPH}\n\n![picture](a.png)\n\n{leaning}")

    assert texts(joined) == [f"{PARAGRAPH}\n\n{leaning}"]
    assert texts(alone) == [PARAGRAPH]
    assert reasons(alone) == {"picture": 1, "leans on what went before": 1}


def test_right_under_a_heading_a_passage_may_lean_on_it(make_document: Make) -> None:
    text = f"It is the last of its kind. {PARAGRAPH}"

    assert texts(make_document(f"## The ferry\n\n{text}")) == [text]


def test_a_link_definition_between_two_paragraphs_is_in_no_passage(make_document: Make) -> None:
    document = make_document(f"{PARAGRAPH}\n\n[quay]: https://quay.example\n\n{PARAGRAPH}")

    assert texts(document) == [PARAGRAPH, PARAGRAPH]


def test_a_bold_line_is_a_heading_and_not_a_part_of_an_answer(make_document: Make) -> None:
    found = passages(make_document(f"## Ferries\n\n**Why they are late**\n\n{PARAGRAPH}\n\n## Tides\n\n{PARAGRAPH}"))

    assert [(passage.headings, passage.text) for passage in found] == [
        (("Ferries", "Why they are late"), PARAGRAPH),
        (("Tides",), PARAGRAPH),
    ]


def test_a_post_is_one_passage_whole_with_its_line_breaks_and_code(make_document: Make) -> None:
    text = f"{SENTENCE}\n\nRun this:\n\n```sql\nSELECT 1;\n```\n\n{SHORT} And so on"
    (post,) = passages(make_document(text, category="posts"))

    assert (post.kind, post.text) == ("post", text)
    assert "SELECT" not in post.plain


@pytest.mark.parametrize("text", [SHORT, f"{SHORT} https://example.com/ " * 2])
def test_a_post_that_says_too_little_gives_nothing(make_document: Make, text: str) -> None:
    document = make_document(text, category="posts")

    assert texts(document) == []
    assert reasons(document) == {"too short": 1}


def test_a_long_post_is_cut_like_an_article(make_document: Make) -> None:
    document = make_document("\n\n".join([PARAGRAPH] * 6), category="posts")

    assert texts(document) == [PARAGRAPH] * 6
    assert {passage.kind for passage in passages(document)} == {"prose"}


def test_text_in_another_script_is_read_as_well(make_document: Make) -> None:
    sentence = "Паром уходит от западной пристани каждое утро и всегда возвращается вместе \u0441 приливом."
    paragraph = " ".join([sentence] * 5)

    assert texts(make_document(f"# Паром\n\n{paragraph}", language="ru")) == [paragraph]


@pytest.mark.parametrize("category", ["articles", "posts", "repositories"])
@pytest.mark.parametrize("text", ["#", "# Only a heading", "-", "```\n```", "[a]: https://b.example"])
def test_a_document_without_words_gives_nothing(make_document: Make, category: str, text: str) -> None:
    assert texts(make_document(text, category=category)) == []


def test_a_repository_gives_sections_of_its_readme_and_its_functions(make_document: Make) -> None:
    code = "def tide(hour):\n    # High at nine.\n    late = hour > 9\n    return late"
    document = make_document(
        f"# ferry\n\n{SENTENCE} {SENTENCE}\n\n## ferry/__main__.py\n\n```python\nimport os\n\n\n{code}\n```",
        category="repositories",
    )
    readme, function = passages(document)

    assert texts(document) == [f"{SENTENCE} {SENTENCE}", code]
    assert readme.kind == "prose"
    assert function.code is not None
    assert (function.kind, function.code.name, function.code.path) == ("function", "tide", "ferry/__main__.py")


def test_a_passage_that_leans_on_the_one_above_it_brings_that_one_with_it(make_document: Make) -> None:
    first = " ".join(f"The ferry number {n} leaves the quay with the tide, and nobody waves." for n in range(9))
    second = "However, " + " ".join(
        f"on day {n} the harbour stays shut, and the crew mends its ropes." for n in range(9)
    )
    third = " ".join(f"A captain of {n} years knows the fog by its smell, and not by its looks." for n in range(9))
    found = passages(make_document(f"# Tides\n\n{first}\n\n{second}\n\n{third}"))

    assert [(one.text, one.before, one.leans) for one in found] == [
        (first, None, False),
        (second, first, True),
        (third, second, False),
    ]
