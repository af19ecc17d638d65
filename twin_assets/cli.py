"""The `twin` command: what a person types. What it does stands in `commands`, how it looks in `tables`.

Every command that prints a table takes `--json`. An error that the user can mend is one sentence; `--debug` adds the
traceback.
"""

import sys
import warnings
from pathlib import Path
from typing import Annotated, Literal

import typer

from twin_assets.documents import Split
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
dataset_app = typer.Typer(
    help="Datasets: look at rows, lead one back to its source, hand them on, judge a file.", no_args_is_help=True
)
app.add_typer(dataset_app, name="dataset")

AuthorArgument = Annotated[str, typer.Argument(help="Slug of the author, as in authors/<slug>.yaml.", metavar="AUTHOR")]
SplitOption = Annotated[Split | None, typer.Option(help="Only this side; all sides without it.")]
FormatOption = Annotated[
    Literal["alpaca", "sharegpt", "messages", "dpo"],
    typer.Option("--format", help="Form of the records; dpo for the preference dataset, another for the instruct one."),
]
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


@dataset_app.command("show")
def dataset_show(
    author: AuthorArgument,
    preference: Annotated[bool, typer.Option("--preference", help="Pairs in place of instructions.")] = False,
    rows: Annotated[int, typer.Option(min=1, help="How many rows; always the same ones.")] = 5,
    split: SplitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show rows, each beside the passage that it comes from.

    Examples:
    twin dataset show mira-voss

    twin dataset show mira-voss --preference --rows 3 --split test
    """
    from twin_assets.console.datasets import show_rows

    show_rows(author, preference=preference, count=rows, split=split, as_json=as_json)


@dataset_app.command("trace")
def dataset_trace(
    author: AuthorArgument,
    row_id: Annotated[str, typer.Argument(help="Id of a row, or the beginning of one.", metavar="ROW_ID")],
    as_json: JsonOption = False,
) -> None:
    """Lead one row back: document and passage, generator and prompt, calls of a model and their price, checks.

    Examples:
    twin dataset trace mira-voss 3fa2c19b04de

    twin dataset trace mira-voss 3fa2 --json
    """
    from twin_assets.console.datasets import trace_row

    trace_row(author, row_id, as_json=as_json)


@dataset_app.command("export")
def dataset_export(
    author: AuthorArgument,
    form: FormatOption,
    split: SplitOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; exports/AUTHOR/FORMAT in TWIN_HOME without it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an export that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a dataset in the form of another tool: JSON Lines, a file per side, and its card.

    Examples:
    twin dataset export mira-voss --format alpaca

    twin dataset export mira-voss --format dpo --split train --out /tmp/pairs
    """
    from twin_assets.console.dataset_files import export_dataset

    export_dataset(author, form=form, split=split, out=out, force=force, as_json=as_json)


@dataset_app.command("push")
def dataset_push(
    author: AuthorArgument,
    repo_id: Annotated[str, typer.Argument(help="Name of the dataset on the hub.", metavar="OWNER/NAME")],
    form: FormatOption = "messages",
    private: Annotated[
        bool, typer.Option("--private/--public", help="Whether only its owner may see it, if it is new there.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Put a dataset with its card on the Hugging Face Hub, or on the hub that HF_ENDPOINT names.

    The token is HF_TOKEN, or what `hf auth login` has saved. A new dataset is private unless you say --public: these
    are a person's writings.

    Examples:
    twin dataset push mira-voss my-name/mira-voss-instruct --private

    twin dataset push mira-voss my-name/mira-voss-pairs --format dpo
    """
    from twin_assets.console.dataset_files import push_dataset

    push_dataset(author, repo_id, form=form, private=private, as_json=as_json)


@dataset_app.command("check")
def dataset_check(
    author: AuthorArgument,
    file: Annotated[
        Path, typer.Argument(help="A .jsonl, .json or .parquet file, or a folder of them.", metavar="FILE")
    ],
    form: Annotated[
        str | None,
        typer.Option(help="alpaca, sharegpt, messages, dpo or handbook; recognised by its fields without it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a file of rows by the checks that guard the author's datasets; exit status 1 if one is not passed.

    Examples:
    twin dataset check mira-voss rows.jsonl

    twin dataset check mira-voss pairs.parquet --form dpo --json
    """
    from twin_assets.console.datasets import check_file

    check_file(author, file, form=form, as_json=as_json)


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
