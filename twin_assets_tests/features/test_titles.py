import pytest

from twin_assets.features.blocks import Block
from twin_assets.features.titles import clean_title


@pytest.mark.parametrize(
    ("title", "platform"),
    [
        ("Mira Voss - A queue is a loan", "blog"),
        ("A queue is a loan - Mira Voss", "blog"),
        ("A queue is a loan - by Mira Voss", "blog"),
        ("A queue is a loan  - by Ilse - Dull Hardware Newsletter ", "dullhardware.substack.com"),
        ("A queue is a loan | Substack", "medium"),
        ("A queue is a loan | by Mira Voss | Medium", "medium"),
        ("A queue is a loan", "blog"),
    ],
)
def test_what_sites_add_to_a_title_goes(title, platform):
    assert clean_title(title, author="mira-voss", platform=platform) == "A queue is a loan"


@pytest.mark.parametrize("title", ["Rust vs. Go - a year later", "Part 2 | Interest", "Medium", "Low-rank - by hand"])
def test_a_title_with_a_dash_of_its_own_stays(title):
    assert clean_title(title, author="mira-voss", platform="blog") == title.removesuffix(" - by hand")


def test_without_a_title_the_first_heading_is_the_title():
    blocks = [Block("paragraph", "Hello"), Block("heading", "## **A** queue", 2)]

    assert clean_title(None, author="mira-voss", platform="blog", blocks=blocks) == "A queue"
    assert clean_title("  ", author="mira-voss", platform="blog") is None


def test_a_first_line_that_stands_alone_is_the_title_of_a_text_without_headings():
    body = Block("paragraph", "There is a chapter in every story where somebody reaches for a server.")
    found = [
        clean_title(None, author="mira-voss", platform="blog", blocks=blocks)
        for blocks in ([Block("paragraph", "Database is locked"), body], [body, body], [Block("paragraph", "Alone")])
    ]

    assert found == ["Database is locked", None, None]
