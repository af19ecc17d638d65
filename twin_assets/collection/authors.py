"""Author files: `authors/<slug>.yaml`, read, written and looked up.

An author file is configuration that a person edits and keeps under version control. Writings never stand in it.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from rapidfuzz import process

from twin_assets.documents import Author, checked_slug
from twin_assets.errors import UserError


def author_slugs(authors_dir: Path) -> list[str]:
    """Return the slugs of all author files, sorted. A missing folder holds no author."""
    return sorted(path.stem for path in authors_dir.glob("[!.]*.yaml"))


def load_author(authors_dir: Path, slug: str) -> Author:
    """Read one author file.

    Raises:
        UserError: If the slug is malformed, nobody of that name is known (the nearest is suggested), or the file is
            not valid (the line or the field is named).
    """
    try:
        checked_slug(slug)
    except ValueError as error:
        raise UserError(str(error)) from error
    path = authors_dir / f"{slug}.yaml"
    if not path.is_file():
        raise UserError(_unknown_author(authors_dir, slug))
    return parse_author(path)


def load_authors(authors_dir: Path) -> list[Author]:
    """Read all author files, sorted by slug.

    Raises:
        UserError: If one of them is not valid.
    """
    return [load_author(authors_dir, slug) for slug in author_slugs(authors_dir)]


def author_names(authors_dir: Path, slugs: Iterable[str]) -> dict[str, str]:
    """Return the name of each author by slug, sorted; the slug itself where the file is gone or broken by now.

    A report on one author names the others, and must not fail because somebody edits their files.
    """
    names = {}
    for slug in sorted(slugs):
        try:
            names[slug] = load_author(authors_dir, slug).name
        except UserError:
            names[slug] = slug
    return names


def parse_author(path: Path) -> Author:
    """Read and validate one author file; its name is the slug.

    Raises:
        UserError: If the file is not UTF-8, not YAML, or a field is missing or of the wrong form.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise UserError(f"{path}{where}: not valid YAML: {problem}.") from error
    except ValueError as error:
        # A date that the calendar does not have: YAML reads dates by itself.
        raise UserError(f"{path}: {error}: put a date in quotes.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): mend that first.") from error
    if not isinstance(content, dict) or "slug" in content:
        raise UserError(f"{path}: an author file holds the keys name, sources and consent; its name is the slug.")
    try:
        return Author.model_validate({**content, "slug": path.stem})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {field}: {first['msg'].removeprefix('Value error, ')}.") from error


def write_author(authors_dir: Path, author: Author) -> Path:
    """Write a new author file, whole or not at all, and return its path.

    Raises:
        UserError: If the author exists already, or the folder cannot be written.
    """
    path = authors_dir / f"{author.slug}.yaml"
    if path.exists():
        raise UserError(f"{author.slug} exists already: edit {path} to change it.")
    content: dict[str, Any] = author.model_dump(mode="json", exclude={"slug"}, exclude_defaults=True)
    partial = path.with_suffix(".yaml.partial")
    try:
        authors_dir.mkdir(parents=True, exist_ok=True)
        partial.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        os.replace(partial, path)  # noqa: PTH105 - the atomic form is the point
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): mend that first.") from error
    return path


def _unknown_author(authors_dir: Path, slug: str) -> str:
    known = author_slugs(authors_dir)
    if not known:
        return f"There is no author {slug!r}, nor any other in {authors_dir}: add one with `twin author add`."
    nearest = process.extractOne(slug, known, score_cutoff=60)
    hint = f"Did you mean {nearest[0]!r}?" if nearest else f"Known are: {', '.join(known)}."
    return f"There is no author {slug!r}. {hint}"
