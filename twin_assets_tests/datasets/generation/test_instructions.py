from collections.abc import Callable

import pytest
import yaml

from twin_assets.datasets.curation.overlap import normal_form
from twin_assets.datasets.extraction.passages import Passage, passages
from twin_assets.datasets.generation import instructions
from twin_assets.datasets.generation.instructions import Instruction, Place, write_instruction
from twin_assets.documents import CleanedDocument

Make = Callable[..., CleanedDocument]

BODY = (
    "A tide table is printed once a year. The harbour office reads the brass gauge at the western quay every hour and "
    "compares the water level with the tide table. Where the two differ by more than a hand, the pilot boat stays in, "
    "and the captains drink their coffee standing."
)


def asked(
    document: CleanedDocument, *, seed: int = 0, taken: frozenset[str] = frozenset(), later: bool = False
) -> Instruction:
    """Return the instruction for the first passage of a document, or as if others stood before it."""
    passage = passages(document)[0]
    place = Place(document, passage.plain, not later and passage.start < 40, not later)
    instruction = write_instruction(passage, place, seed=seed, taken=taken)
    assert instruction is not None
    return instruction


def all_asked(document: CleanedDocument, *, later: bool = False) -> set[str]:
    return {asked(document, seed=seed, later=later).text for seed in range(60)}


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("What is a tide table?", "What is a tide table?"),
        ("How to read the gauge", "read the gauge"),
        ("Tide table", "tide table"),
        ("The hand", '"The hand"'),
        ("What a pilot knows", "what a pilot knows"),
    ],
)
def test_an_instruction_takes_up_the_heading_in_many_wordings(make_document: Make, heading: str, words: str) -> None:
    texts = all_asked(make_document(f"# Nine\n\n{BODY[:40]}\n\n## {heading}\n\n{BODY}", title="Nine"))

    assert len(texts) >= 6
    assert all(words in text for text in texts)


def test_a_later_passage_under_a_heading_is_asked_for_with_what_it_is_about(make_document: Make) -> None:
    document = make_document(f"## What is a tide table?\n\n{BODY}", title="Nine")

    assert all("water level" in text or "gauge" in text or "quay" in text for text in all_asked(document, later=True))


def test_the_beginning_and_the_end_of_an_article_are_asked_for_as_such(make_document: Make) -> None:
    opening = make_document(f"# Nine boats\n\n{BODY}", title="Nine boats")
    closing = make_document(f"# Nine boats\n\n## Conclusion\n\n{BODY}", title="Nine boats")

    assert all('"Nine boats"' in text for text in all_asked(opening) | all_asked(closing))
    assert any("introduc" in text for text in all_asked(opening))
    assert any("conclusion" in text for text in all_asked(closing))


def test_a_heading_that_points_elsewhere_gives_way_to_the_one_above(make_document: Make) -> None:
    document = make_document(f"# Nine\n\n## Tide table\n\n### Here is why\n\n{BODY}", title="Nine")

    assert not [text for text in all_asked(document) if "Here is why" in text]
    assert all("tide table" in text for text in all_asked(document))


def test_a_post_is_asked_for_by_what_it_is_about(make_document: Make) -> None:
    texts = all_asked(make_document(BODY, category="posts", platform="mastodon"))

    assert len(texts) >= 8
    assert any("Mastodon" in text for text in texts)
    assert not [text for text in texts if "{" in text or "article" in text]


def test_a_post_on_a_platform_without_a_name_is_not_asked_for_by_its_name(make_document: Make) -> None:
    assert not [text for text in all_asked(make_document(BODY, category="posts", platform="blog")) if "blog" in text]


def test_a_function_is_asked_for_by_name_and_purpose(make_document: Make) -> None:
    code = 'def tide(hour, quay):\n    """Return the water level at a quay."""\n    return LEVELS[quay][hour]'
    document = make_document(
        f"# ferry\n\n## tide.py\n\n```python\n{code}\n```", title="harbour/ferry", category="repositories"
    )
    texts = all_asked(document)

    assert all("`tide`" in text for text in texts)
    assert any("to return the water level at a quay" in text for text in texts)


def test_a_readme_is_asked_for_by_project_and_section(make_document: Make) -> None:
    document = make_document(f"# ferry\n\n## Install\n\n{BODY}", title="harbour/ferry", category="repositories")

    assert all("ferry" in text and '"Install"' in text for text in all_asked(document))


def test_the_same_passage_is_always_asked_for_in_the_same_words(make_document: Make) -> None:
    document = make_document(f"## Tide table\n\n{BODY}", title="Nine")

    assert asked(document) == asked(document)
    assert asked(document).prompt_hash != asked(document, seed=1).prompt_hash


def test_words_that_are_taken_are_not_used_again(make_document: Make) -> None:
    document = make_document(f"## What is a tide table?\n\n{BODY}", title="Nine")
    taken: set[str] = set()
    for _ in range(25):
        text = asked(document, taken=frozenset(taken)).text
        assert normal_form(text) not in taken
        taken.add(normal_form(text))


def test_an_instruction_does_not_give_the_answer_away(make_document: Make) -> None:
    heading = "What the harbour office reads every hour at the western quay"
    document = make_document(f"## {heading}\n\nThe clerk knows {heading.lower()}. {BODY}", title="Nine")

    assert heading.lower() not in asked(document).text.lower()


def test_a_heading_about_the_text_itself_is_not_taken_up(make_document: Make) -> None:
    document = make_document(f"## The author and the excerpt of 1904\n\n{BODY}", title="Nine")

    assert not [text for text in all_asked(document) if "author" in text or "excerpt" in text]


def test_quotation_marks_in_a_title_do_not_break_those_around_it(make_document: Make) -> None:
    document = make_document(f"{BODY}", title='Never write "be careful"')

    assert all("\"Never write 'be careful'\"" in text for text in all_asked(document))


def test_a_passage_that_nothing_is_known_about_has_no_instruction(make_document: Make) -> None:
    document = make_document("and so on " * 30)
    passage = Passage("one", "ada", "articles", "prose", document.text, 0, len(document.text), document.text)

    assert write_instruction(passage, Place(document, "", False, True), seed=0, taken=()) is None


def test_every_template_can_be_filled() -> None:
    slots = {
        "title", "heading", "question", "clause", "action", "topic", "points", "piece",
        "project", "path", "name", "language", "parameters", "purpose", "network", "before",
    }  # fmt: skip
    pools = yaml.safe_load(
        instructions.files("twin_assets.datasets.generation").joinpath("templates.yaml").read_text("utf-8")
    )
    for category, least in (("articles", 12), ("posts", 8), ("repositories", 8)):
        templates = [template for pool in pools[category].values() for template in pool]
        assert len(set(templates)) >= least
        for template in templates:
            filled = template.format(**{slot: f"<{slot}>" for slot in slots})
            assert "<" in filled
            assert "{" not in filled
