"""The `folder` source: writings that lie in a local folder.

The folder holds `articles/`, `posts/` and `repositories/` (each optional); without any of them every file in it is
taken for the category that the author file names, `articles` by default. Articles and posts are Markdown, HTML or
plain text, with front matter if they like; each folder in `repositories/` is one repository.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from bs4 import BeautifulSoup
from frontmatter import YAMLHandler
from pydantic import BaseModel, ConfigDict, Field

from twin_assets.collection.code_files import is_code
from twin_assets.collection.contract import SourceContext, options_of
from twin_assets.collection.links import Link
from twin_assets.documents import (
    CATEGORIES,
    Author,
    Category,
    RawDocument,
    SourceConfig,
    content_hash,
    document_id_for,
    text_hash,
)
from twin_assets.errors import UserError

MediaType = Literal["text/markdown", "text/html", "text/plain"]

MEDIA_TYPES: dict[str, MediaType] = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".txt": "text/plain",
}


class FolderOptions(BaseModel):
    """What an author file says of a folder."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="The folder that holds the writings, relative to the author file")
    category: Category | None = Field(default=None, description="What its files are, if it has no folders for them")


@dataclass(frozen=True)
class FolderSource:
    """One local folder of an author."""

    author: str
    path: Path
    category: Category | None = None

    @classmethod
    def from_config(cls, author: Author, config: SourceConfig, context: SourceContext) -> "FolderSource":
        """Read the options `path` (relative to the folder of the author files) and `category`.

        Raises:
            UserError: If an option is missing, unknown or of the wrong form.
        """
        options = options_of(author, config, FolderOptions)
        return cls(author.slug, (context.authors_dir / options.path).resolve(), options.category)

    def fingerprint(self) -> str:
        """Return a hash over the paths and contents of all files that would be read.

        Raises:
            UserError: If the folder is missing, holds nothing to read, or a file is not UTF-8.
        """
        return content_hash(
            [
                [category, str(file.relative_to(self.path)), text_hash(_text_of(file))]
                for category, unit in self._units()
                for file in (_repository_files(unit) if unit.is_dir() else [unit])
            ]
        )

    def collect(self) -> Iterator[Link]:
        """Yield the documents of the folder, by path.

        Raises:
            UserError: If the folder is missing or holds nothing to read, a file is not UTF-8 or has broken front
                matter, or two files name the same URL.
        """
        found: dict[str, Path] = {}
        for position, (category, unit) in enumerate(self._units()):
            document = self._repository(unit) if unit.is_dir() else self._page(category, unit)
            first = found.setdefault(document.document_id, unit)
            if first != unit:
                raise UserError(
                    f"{unit} has the same url as {first}, {document.url}: change it, or remove one of them."
                )
            yield Link(
                address=document.url or unit.relative_to(self.path).as_posix(),
                document=document.model_copy(update={"position": position}),
            )

    def _units(self) -> list[tuple[Category, Path]]:
        """Return each article or post file, and each repository folder."""
        if not self.path.is_dir():
            raise UserError(f"{self.path}, a source of {self.author}, is not a folder.")
        category_folders = [category for category in CATEGORIES if (self.path / category).is_dir()]
        if self.category or not category_folders:
            units = list(_units_in(self.path, self.category or "articles"))
        else:
            units = [unit for category in category_folders for unit in _units_in(self.path / category, category)]
        if not units:
            raise UserError(
                f"{self.path} holds no writings of {self.author}: put Markdown, HTML or text files there, or into its "
                "articles/ and posts/ folders."
            )
        return units

    def _identity(self, path: Path) -> str:
        return f"folder:{self.author}/{path.relative_to(self.path).as_posix()}"

    def _page(self, category: Category, path: Path) -> RawDocument:
        text, front = _split_front_matter(path)
        media_type = MEDIA_TYPES[path.suffix.lower()]
        page = {**(_html_metadata(text) if media_type == "text/html" else {}), **front}
        url = _optional_text(page.get("url"))
        return RawDocument(
            document_id=document_id_for(url or self._identity(path)),
            author=self.author,
            category=category,
            platform=_optional_text(page.get("platform")) or "folder",
            url=url,
            title=_optional_text(page.get("title")),
            subtitle=_optional_text(page.get("subtitle")),
            published_at=_publication_time(path, page.get("published_at", page.get("date"))),
            language=_optional_text(page.get("language")),
            media_type=media_type,
            text=text,
            source="folder",
        )

    def _repository(self, path: Path) -> RawDocument:
        files = {file.relative_to(path).as_posix(): _text_of(file) for file in _repository_files(path)}
        if not files:
            raise UserError(f"{path} is a repository without a text file: remove it or add its files.")
        return RawDocument(
            document_id=document_id_for(self._identity(path)),
            author=self.author,
            category="repositories",
            platform="folder",
            title=path.name,
            media_type="text/plain",
            files=files,
            source="folder",
        )


def _units_in(folder: Path, category: Category) -> Iterator[tuple[Category, Path]]:
    if category == "repositories":
        found = [
            path
            for path in folder.iterdir()
            if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
        ]
    else:
        found = [path for path in _visible_files(folder) if path.suffix.lower() in MEDIA_TYPES]
    for path in sorted(found):
        yield category, path


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            if any("\ud800" <= letter <= "\udfff" for letter in str(path)):
                raise UserError(f"{str(path)!a}: the name of this file is not UTF-8: rename it.")
            yield path


def _repository_files(folder: Path) -> list[Path]:
    return [path for path in _visible_files(folder) if is_code(path) and "__pycache__" not in path.parts]


def _text_of(path: Path) -> str:
    # newline="" keeps the line endings: code is collected byte for byte.
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8, or move it away.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): mend that, or move it away.") from error


def _split_front_matter(path: Path) -> tuple[str, dict[str, Any]]:
    text = _text_of(path).removeprefix("\ufeff")
    if path.suffix.lower() in {".html", ".htm"}:
        return text, {}
    text = text.replace("\r\n", "\n")
    handler, body = YAMLHandler(), text.strip()
    if not handler.detect(body):
        return body, {}
    try:
        head, rest = handler.split(body)
    except ValueError:
        # One line across the page, alone, begins no front matter.
        return body, {}
    try:
        # Every value stays as it was written: a title of Yes, or a language of no, is not a truth value.
        front = handler.load(head, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = text[: text.index(head)].count("\n") + mark.line + 1 if mark else None
        where = f", line {line}" if line else ""
        raise UserError(f"{path}{where}: the front matter is not valid YAML.") from error
    if front and not isinstance(front, dict):
        # Words between two lines across the page are text, not front matter.
        return body, {}
    return rest.strip(), front or {}


def _html_metadata(html: str) -> dict[str, Any]:
    soup = BeautifulSoup(html, "html.parser")

    def content(*names: str) -> str | None:
        for name in names:
            for attribute in ("property", "name"):
                tag = soup.find("meta", attrs={attribute: name})
                if tag and tag.get("content"):
                    return str(tag["content"])
        return None

    canonical = soup.find("link", attrs={"rel": "canonical"})
    found = {
        "title": content("og:title") or (soup.title.get_text(strip=True) if soup.title else None),
        "subtitle": content("og:description", "description"),
        "published_at": content("article:published_time"),
        "url": str(canonical["href"]) if canonical and canonical.get("href") else None,
        "language": str(soup.html["lang"]) if soup.html and soup.html.get("lang") else None,
    }
    return {key: value for key, value in found.items() if value}


def _optional_text(value: object) -> str | None:
    return None if value in (None, "", "null", "~") else str(value)


def _publication_time(path: Path, value: object) -> datetime | None:
    """Return a publication time in UTC; a date alone counts as its midnight."""
    written = _optional_text(value)
    if written is None:
        return None
    try:
        # YAML allows a space before the offset from UTC, ISO 8601 does not.
        published = datetime.fromisoformat(re.sub(r"\s+(?=[+-]\d)", "", written))
    except ValueError as error:
        raise UserError(f"{path}: published_at is {written!r}: write it as 2026-03-31.") from error
    return published.astimezone(UTC) if published.tzinfo else published.replace(tzinfo=UTC)
