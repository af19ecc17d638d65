"""`twin import` and `twin export`: collected documents as a dump, in and out."""

from pathlib import Path
from typing import Annotated

import typer

from twin_assets.cli.options import JsonOption

app = typer.Typer()


@app.command("import")
def import_dump(
    folder: Annotated[
        Path, typer.Argument(help="Folder with UserDocument.json, ArticleDocument.json, ...", metavar="DIR")
    ],
    consent: Annotated[
        str, typer.Option(help="Who gave consent to build twins of these writings.")
    ] = "whoever imported the dump",
    as_json: JsonOption = False,
) -> None:
    """Import a JSON dump in the format of the LLM Engineer's Handbook.

    The whole dump is checked before anything is kept. Each author of it gets a file in authors/.
    """
    from twin_assets.console.commands import import_documents

    import_documents(folder, consent=consent, as_json=as_json)


@app.command("export")
def export_dump(
    folder: Annotated[Path, typer.Argument(help="Folder to write the dump to.", metavar="DIR")],
    author: Annotated[list[str] | None, typer.Option(help="Only this author; may be repeated.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Export collected documents in the same dump format; what was imported comes out equal."""
    from twin_assets.console.commands import export_documents

    export_documents(folder, authors=author, as_json=as_json)
