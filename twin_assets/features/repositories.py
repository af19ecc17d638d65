"""Cleaning of repositories: the README as prose, and every other file as code, byte for byte."""

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from twin_assets.documents import RawDocument
from twin_assets.features.articles import article_blocks
from twin_assets.features.blocks import Block, fence
from twin_assets.features.reading import markdown_blocks

_LANGUAGES = {
    "py": "python", "pyi": "python", "js": "javascript", "ts": "typescript", "rb": "ruby", "rs": "rust", "sh": "bash",
    "md": "markdown", "yml": "yaml", "kt": "kotlin", "cs": "csharp", "h": "c", "hpp": "cpp", "cc": "cpp", "tf": "hcl",
    "htm": "html", "txt": "text", "rst": "rst", "cfg": "ini",
}  # fmt: skip
_NAMED_FILES = {"dockerfile": "dockerfile", "makefile": "makefile", "gemfile": "ruby", "procfile": "text"}


def repository_blocks(document: RawDocument, dropped: Counter[str]) -> list[Block]:
    """Return a repository as blocks: its README, then every other file in the order of paths.

    Each file but the README is fenced under a heading that is its path. A description that was collected beside the
    files stands first, and is read like an article.

    Args:
        document: The repository, with `files`.
        dropped: Characters removed are counted here, by reason.
    """
    described = article_blocks(document, dropped) if document.text else []
    return [*described, *_file_blocks(document.files or {}, dropped)]


def _file_blocks(files: dict[str, str], dropped: Counter[str]) -> Iterator[Block]:
    readme = next((path for path in sorted(files, key=_depth) if PurePosixPath(path).stem.lower() == "readme"), None)
    if readme is not None:
        plain = PurePosixPath(readme).suffix.lower() not in ("", ".md", ".markdown")
        yield from markdown_blocks(files[readme], dropped, plain=plain)
    for path in sorted(files):
        if path == readme or not files[path].strip():
            continue
        if "\0" in files[path]:
            dropped["binary file"] += len(files[path])
            continue
        yield Block("heading", f"## {path}", 2)
        yield Block("code", fence(files[path], _language(path)))


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _language(path: str) -> str:
    name = PurePosixPath(path)
    ending = name.suffix.lower().removeprefix(".")
    return _NAMED_FILES.get(name.name.lower()) or _LANGUAGES.get(ending, ending)
