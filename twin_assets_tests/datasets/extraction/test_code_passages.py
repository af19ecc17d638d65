from collections import Counter

import pytest

from twin_assets.datasets.extraction.blocks import blocks
from twin_assets.datasets.extraction.code_passages import CodeSpan, code_spans, is_path

MODULE = '''import math

LIMIT = 3


@cached
def area(radius, *, unit="m"):
    """Return the area of a circle. In square units."""
    squared = radius**2
    return math.pi * squared


class Circle:
    """A circle."""

    def __init__(self, radius):
        self.radius = radius


async def later(): ...
'''


def spans(path: str, language: str, source: str) -> tuple[list[CodeSpan], list[str], Counter[str]]:
    text = f"Some text.\n\n```{language}\n{source}```\n"
    dropped: Counter[str] = Counter()
    found = list(code_spans(path, blocks(text), dropped))
    return found, [text[span.start : span.end] for span in found], dropped


def test_a_python_file_gives_its_functions_and_classes_with_decorators() -> None:
    found, texts, dropped = spans("geometry.py", "python", MODULE)

    assert [(span.kind, span.name, span.parameters) for span in found] == [
        ("function", "area", ("radius", "unit")),
        ("class", "Circle", ()),
    ]
    assert texts[0].startswith("@cached\ndef area(")
    assert texts[0].endswith("return math.pi * squared")
    assert found[0].summary == "Return the area of a circle"
    assert dropped == {"code too short or too long": 1}


def test_a_short_file_in_another_language_is_one_span_without_its_fence() -> None:
    source = "#!/bin/sh\nset -e\ncp a b\necho done\n"
    found, texts, _ = spans("bin/copy.sh", "bash", source)

    assert [(span.kind, span.name, span.language) for span in found] == [("file", "bin/copy.sh", "Bash")]
    assert texts == [source.rstrip()]


def test_python_that_does_not_parse_is_one_span() -> None:
    _, texts, _ = spans("old.py", "python", 'print "one"\nprint "two"\nprint "three"\n')

    assert texts == ['print "one"\nprint "two"\nprint "three"']


def test_lines_that_only_python_sees_do_not_shift_a_function() -> None:
    source = 'A = "a\\x0cb"  # \x0c\n\n\ndef f(x):\n    y = x\n    return y\n'
    _, texts, _ = spans("f.py", "python", source)

    assert texts == ["def f(x):\n    y = x\n    return y"]


@pytest.mark.parametrize(("language", "path"), [("toml", "pyproject.toml"), ("", "LICENSE.txt"), ("json", "data.json")])
def test_settings_and_data_are_not_asked_for(language: str, path: str) -> None:
    found, _, dropped = spans(path, language, "one = 1\ntwo = 2\nthree = 3\n")

    assert found == []
    assert dropped == {"not a programming language": 1}


def test_a_file_too_long_to_ask_for_is_left_out() -> None:
    found, _, dropped = spans("long.sql", "sql", "SELECT 1;\n" * 61)

    assert found == []
    assert dropped == {"code too short or too long": 1}


@pytest.mark.parametrize("heading", ["ferry/tide.py", "a.sql", "web/index.test.ts", "pkg/__main__.py", "Dockerfile"])
def test_a_path_is_told_from_a_heading(heading: str) -> None:
    assert is_path(heading)


@pytest.mark.parametrize("heading", ["Usage", "How to use tide.py", "Version 1.2", "and/or", "What is fast.ai?"])
def test_a_heading_is_told_from_a_path(heading: str) -> None:
    assert not is_path(heading)
