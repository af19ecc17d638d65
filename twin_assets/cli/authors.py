"""`twin author`: whose writings, from where, with whose consent."""

from pathlib import Path
from typing import Annotated

import typer

from twin_assets.cli.options import AuthorArgument, JsonOption

app = typer.Typer(help="Authors: whose writings, from where, with whose consent.", no_args_is_help=True)


@app.command("add")
def add(
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


@app.command("list")
def list_all(as_json: JsonOption = False) -> None:
    """List the authors, with their sources and who gave consent."""
    from twin_assets.console.commands import list_authors

    list_authors(as_json=as_json)


@app.command("show")
def show(author: AuthorArgument, as_json: JsonOption = False) -> None:
    """Show one author: the file, and what the sources hold now."""
    from twin_assets.console.commands import show_author

    show_author(author, as_json=as_json)


@app.command("remove")
def remove(
    author: AuthorArgument,
    archive: Annotated[
        Path | None, typer.Option(help="Folder that author file, documents, artifacts and models are copied to first.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove an author: file, documents, artifacts, vectors, models, calls of language models, runs and partition.

    Interrupted, run it again: it goes on with what is left.

    Example:
    twin author remove ada-marsh --archive ~/removed --dry-run
    """
    from twin_assets.console.removing import remove_author

    remove_author(author, archive=archive, dry_run=dry_run, yes=yes, as_json=as_json)
