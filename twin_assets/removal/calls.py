"""Which logged calls of language models hold an author's text.

A call names the authors it was for, and goes with the first of them: another's next build asks again. One of before
calls did so, which by now may name others alone, is taken for the author's if a row of the author's datasets names it,
or a line of the author's stands in it.
"""

import json

import pyarrow.parquet as pq
from upath import UPath

from resources.artifacts import ArtifactStore
from resources.call_log import FOLDER
from resources.warehouse import Warehouse
from twin_assets.errors import UserError
from twin_assets.settings import Settings

SHORTEST_LINE = 40
"""Characters of a line that no two people write by chance."""


def calls_about(author: str, settings: Settings) -> list[UPath]:
    """Return the files of the calls that hold something of an author's, by path.

    Raises:
        UserError: If a call cannot be read, so that nobody knows whose it is.
    """
    folder = UPath(settings.artifacts_root) / FOLDER
    files = sorted(folder.rglob("*.json"), key=str) if folder.is_dir() else []
    if not files:
        return []
    named, lines = _named(author, settings), _lines_of(author, settings)
    return [file for file in files if file.stem in named or _is_about(author, file, lines)]


def _is_about(author: str, file: UPath, lines: set[str]) -> bool:
    try:
        call = json.loads(file.read_text(encoding="utf-8"))
        authors, said = call.get("authors", ()), [str(call.get("user", "")), str(call.get("raw", ""))]
    except (ValueError, AttributeError) as error:
        raise UserError(f"{file} is damaged: delete it, and run this again.") from error
    if author in authors:
        return True
    return any(line.strip() in lines for text in said for line in text.splitlines() if len(line) >= SHORTEST_LINE)


def _named(author: str, settings: Settings) -> set[str]:
    """Return the keys of the calls behind the author's dataset rows."""
    artifacts = ArtifactStore(root=settings.artifacts_root)
    keys: set[str] = set()
    for asset in ("instruct_dataset", "preference_dataset"):
        folder = artifacts.path(asset, author)
        for file in folder.glob("*.parquet") if folder.is_dir() else ():
            with file.open("rb") as opened:
                for row in pq.read_table(opened, columns=["calls"]).to_pylist():
                    keys.update(row["calls"] or ())
    return keys


def _lines_of(author: str, settings: Settings) -> set[str]:
    """Return the author's lines: of the cleaned text, and of what was collected."""
    texts: list[str] = []
    cleaned = ArtifactStore(root=settings.artifacts_root).path("cleaned_documents", author, ".parquet")
    if cleaned.exists():
        with cleaned.open("rb") as opened:
            texts += [row["text"] for row in pq.read_table(opened, columns=["text"]).to_pylist()]
    with Warehouse.from_settings(settings).session() as session:
        for document in session.documents(author):
            texts += [document.text or "", *(document.files or {}).values()]
    return {line.strip() for text in texts for line in text.splitlines() if len(line.strip()) >= SHORTEST_LINE}
