"""The `twin` command: what a person types. What it does stands in `commands`, how it looks in `tables`.

Every command that prints a table takes `--json`. An error that the user can mend is one sentence; `--debug` adds the
traceback.
"""

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from twin_assets.errors import UserError

app = typer.Typer(
    name="twin",
    help="Turn a person's writings into an LLM Twin: collect, clean, embed, train, evaluate, register.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Begin with: twin build mira-voss (a sample author), then twin ui.",
)
author_app = typer.Typer(help="Authors: whose writings, from where, with whose consent.", no_args_is_help=True)
app.add_typer(author_app, name="author")

AuthorArgument = Annotated[str, typer.Argument(help="Slug of the author, as in authors/<slug>.yaml.", metavar="AUTHOR")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Hold the options that stand before the command."""
    sys.tracebacklimit = 1000 if debug else 0
    if not debug:
        # Libraries warn of what their developers will change; a person at the command line can do nothing about it.
        warnings.simplefilter("ignore")


@author_app.command("add")
def author_add(
    slug: Annotated[str, typer.Argument(help="Short name: lower-case letters, digits, hyphens.")],
    consent: Annotated[str, typer.Option(help="Who gave consent to build a twin of these writings.")],
    folder: Annotated[
        list[Path] | None, typer.Option(help="Folder with the writings: Markdown, HTML, text, repositories.")
    ] = None,
    feed: Annotated[list[str] | None, typer.Option(help="Address of an RSS or Atom feed.", metavar="URL")] = None,
    sitemap: Annotated[list[str] | None, typer.Option(help="Address of a sitemap.", metavar="URL")] = None,
    page: Annotated[list[str] | None, typer.Option(help="Address of a page.", metavar="URL")] = None,
    name: Annotated[str | None, typer.Option(help="Name as a reader knows it; made of the slug without it.")] = None,
) -> None:
    """Add an author whose writings lie in a folder, or on a site.

    Give at least one of --folder, --feed, --sitemap and --page; each may be repeated. A feed names the latest pages,
    a sitemap usually all of them. Sites are asked politely: robots.txt counts, and one page per second is read.

    Examples:
    twin author add ada-marsh --folder ~/writings --consent "Ada Marsh, by e-mail, 2026-03-01"

    twin author add ada-marsh --feed https://ada-marsh.example/feed.xml --consent "Ada Marsh, by e-mail, 2026-03-01"

    Other sources, and their options, are written into authors/SLUG.yaml by hand; README.md lists them.
    """
    from twin_assets.console.commands import add_author

    add_author(
        slug,
        folders=folder or [],
        feeds=feed or [],
        sitemaps=sitemap or [],
        pages=page or [],
        consent=consent,
        name=name,
    )


@author_app.command("list")
def author_list(as_json: JsonOption = False) -> None:
    """List the authors, with their sources and who gave consent."""
    from twin_assets.console.commands import list_authors

    list_authors(as_json=as_json)


@author_app.command("show")
def author_show(author: AuthorArgument, as_json: JsonOption = False) -> None:
    """Show one author: the file, and what the sources hold now."""
    from twin_assets.console.commands import show_author

    show_author(author, as_json=as_json)


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


@app.command()
def build(
    author: AuthorArgument,
    until: Annotated[str | None, typer.Option(help="Stop at this asset, for example embeddings.")] = None,
    force: Annotated[bool, typer.Option(help="Build also what is fresh; train and generate again.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with run configuration, as the launchpad of the UI writes it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build what is missing or stale for one author, as a run that the Dagster UI shows.

    What is fresh is left alone: a second build does nothing. Expensive work (vectors, generated texts, trainings) is
    looked up by content and never done twice, even with --until or after an interruption.
    """
    from twin_assets.console.commands import build_author

    build_author(author, until=until, force=force, config=config, as_json=as_json)


@app.command()
def status(
    author: Annotated[
        str | None, typer.Argument(help="Slug of one author; all authors without it.", metavar="[AUTHOR]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what is fresh, stale (and why) or missing, and which checks failed."""
    from twin_assets.console.commands import show_status

    show_status(author, as_json=as_json)


@app.command()
def promote(
    author: AuthorArgument,
    version: Annotated[str, typer.Argument(help="Version number in the registry, as the MLflow UI shows it.")],
) -> None:
    """Make a registered version the champion by hand, and write down that a person did."""
    from twin_assets.console.commands import promote_version

    promote_version(author, version)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow UI.")] = 5000,
) -> None:
    """Serve the Dagster UI and the MLflow UI on the local instance, until Ctrl-C."""
    from twin_assets.console.ui import serve_uis

    serve_uis(port=port, mlflow_port=mlflow_port)


def main() -> None:
    """Run the command; an error that the user can mend is one sentence on stderr and exit status 1."""
    try:
        app()
    except UserError as error:
        if sys.tracebacklimit:
            raise
        typer.secho(f"twin: {error}", err=True, fg=typer.colors.RED)
        sys.exit(1)
