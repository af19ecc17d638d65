"""How the command line shows things: tables for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

WIDE = 160

STYLES = {
    "fresh": "green",
    "stale": "yellow",
    "missing": "red",
    "built": "bold green",
    "reused": "green",
    "failed": "bold red",
}


def print_rows(rows: Sequence[Mapping[str, Any]], *, title: str, as_json: bool) -> None:
    """Print rows of equal keys as a table, or as JSON.

    A cell under the key `state` is coloured by its value.
    """
    if as_json:
        print(json.dumps(list(rows), indent=2, ensure_ascii=False, default=str))
        return
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for key in rows[0] if rows else ():
        table.add_column(key.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(key, value) for key, value in row.items()))
    console = Console()
    # Without a terminal there is no width to keep to: a log or a pipe gets a line per row.
    Console(width=None if console.is_terminal else WIDE).print(table)


def _cell(key: str, value: Any) -> str:
    text = "" if value is None else ", ".join(value) if isinstance(value, (list, tuple)) else str(value)
    return f"[{STYLES[text]}]{text}[/]" if key == "state" and text in STYLES else text.replace("[", "\\[")
