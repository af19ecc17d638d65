"""Whether the code in an answer holds together: every fence is closed, and what says that it is Python or JSON is."""

import ast
import json
import re
import textwrap
import warnings
from collections.abc import Iterator
from typing import Literal

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)[^`]*$")
_SHELL_LINE = re.compile(r"^\s*(?:[!%?]\S|%%|\$ )")
_PYTHON = frozenset({"python", "py", "python3"})


def code_fault(text: str) -> Literal["open", "unparsable"] | None:
    """Return what is wrong with the fenced code of a Markdown text, or None.

    Python is parsed by `ast`, without the lines that a notebook gives to the shell (`!pip`, `%time`) and without the
    prompts of a console. Code of other languages is taken as it stands.
    """
    found: list[tuple[str, str]] = []
    for language, code in _fenced(text):
        if code is None:
            return "open"
        found.append((language, code))
    if any(language in _PYTHON and not _is_python(code) for language, code in found):
        return "unparsable"
    return "unparsable" if any(language == "json" and not _is_json(code) for language, code in found) else None


def _fenced(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield language and source of every fenced block; None for the source of one that is never closed."""
    fence, language, lines = "", "", list[str]()
    for line in text.splitlines():
        match = _FENCE.match(line)
        if fence and match and match[1].startswith(fence) and not match[2]:
            yield language, "\n".join(lines)
            fence = ""
        elif fence:
            lines.append(line)
        elif match:
            fence, language, lines = match[1], match[2].lower(), []
    if fence:
        yield language, None


def _is_python(code: str) -> bool:
    lines = code.splitlines()
    if any(line.lstrip().startswith(">>>") for line in lines):
        lines = [line.lstrip()[4:] for line in lines if line.lstrip().startswith((">>>", "... "))]
    source = textwrap.dedent("\n".join(line for line in lines if not _SHELL_LINE.match(line)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            # A file too deep for the parser is no better an example than one it cannot read.
            return False
    return True


def _is_json(code: str) -> bool:
    try:
        json.loads(code)
    except (ValueError, RecursionError):
        return False
    return True
