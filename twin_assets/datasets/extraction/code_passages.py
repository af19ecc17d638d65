"""The functions, classes and short files of a repository, as spans of its cleaned document.

A file stands in the cleaned document as a heading with its path and a fenced block. Python is taken apart into
functions and classes; a file in another language is one span if it is short. Prose is read in `passages`.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from twin_assets.datasets.extraction.blocks import Block, line_offsets

CODE_LINES = (3, 60)
"""Shortest and longest code that is asked for, in lines that are not blank: below is a triviality, above a project."""

_PATH = re.compile(r"(?:[\w.@+-]+/)*[\w@+-][\w.@+-]*\.([A-Za-z]\w{0,4})|(?:[\w.@+-]+/)*(?:Makefile|Dockerfile)")
_LANGUAGES = {
    "bash": "Bash",
    "c": "C",
    "cc": "C++",
    "cpp": "C++",
    "go": "Go",
    "java": "Java",
    "javascript": "JavaScript",
    "js": "JavaScript",
    "kotlin": "Kotlin",
    "kt": "Kotlin",
    "php": "PHP",
    "pl": "Perl",
    "py": "Python",
    "python": "Python",
    "r": "R",
    "rb": "Ruby",
    "rs": "Rust",
    "ruby": "Ruby",
    "rust": "Rust",
    "sh": "shell",
    "shell": "shell",
    "sql": "SQL",
    "swift": "Swift",
    "ts": "TypeScript",
    "typescript": "TypeScript",
}
"""Fence names and file suffixes of what a person programs in; settings and data are no one's style."""


class CodeSpan(NamedTuple):
    """A piece of code in a cleaned document.

    Attributes:
        kind: A function, a class or a whole file.
        name: Its name; of a file, its path.
        path: Path of the file that it stands in.
        language: Name of the language, as one writes it.
        parameters: Names of the function's parameters.
        summary: First sentence of its docstring, or empty.
        start: Offset of its first character in the cleaned text.
        end: Offset after its last character.
    """

    kind: Literal["function", "class", "file"]
    name: str
    path: str
    language: str
    parameters: tuple[str, ...]
    summary: str
    start: int
    end: int


def is_path(heading: str) -> bool:
    """Whether a heading names a file."""
    return bool(_PATH.fullmatch(heading))


def code_spans(path: str, parts: Iterable[Block], dropped: Counter[str]) -> Iterator[CodeSpan]:
    """Yield the code of one file that somebody could ask for.

    Args:
        path: Path of the file: the heading above it.
        parts: The blocks under that heading.
        dropped: Counts what is left out, by reason; added to.
    """
    suffix = path.rpartition(".")[2].lower()
    for block in parts:
        if block.kind != "code":
            continue
        language = _LANGUAGES.get(block.language or suffix)
        if language is None:
            dropped["not a programming language"] += 1
            continue
        source, offset = _source(block)
        spans = list(_python_spans(source, path)) if language == "Python" else []
        spans = spans or [CodeSpan("file", path, path, language, (), "", 0, len(source.rstrip()))]
        for span in spans:
            if _is_of_good_length(source[span.start : span.end]):
                yield span._replace(start=span.start + offset, end=span.end + offset)
            else:
                dropped["code too short or too long"] += 1


def _source(block: Block) -> tuple[str, int]:
    """Return the code inside a fence and its offset in the document; an indented block is taken as it stands."""
    if not block.text.startswith(("```", "~~~")):
        return block.text, block.start
    first = block.text.find("\n") + 1
    last = block.text.rfind("\n")
    return block.text[first:last], block.start + first


def _python_spans(source: str, path: str) -> Iterator[CodeSpan]:
    """Yield the top-level functions and classes of a module; none if it does not parse, as with Python 2."""
    try:
        module = ast.parse(source)
    except SyntaxError:
        return
    lines = line_offsets(source)
    for node in module.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        start, end = lines[first - 1], lines[node.end_lineno or node.lineno]
        yield CodeSpan(
            kind="class" if isinstance(node, ast.ClassDef) else "function",
            name=node.name,
            path=path,
            language="Python",
            parameters=() if isinstance(node, ast.ClassDef) else tuple(_parameters(node.args)),
            summary=_summary(ast.get_docstring(node)),
            start=start,
            end=start + len(source[start:end].rstrip()),
        )


def _parameters(arguments: ast.arguments) -> Sequence[str]:
    return [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _summary(docstring: str | None) -> str:
    """Return the first sentence of a docstring, without its stop."""
    paragraph = " ".join((docstring or "").split("\n\n")[0].split())
    return re.split(r"(?<=[^.])[.:;](?:\s|$)", paragraph)[0]


def _is_of_good_length(code: str) -> bool:
    shortest, longest = CODE_LINES
    return shortest <= sum(bool(line.strip()) for line in code.splitlines()) <= longest
