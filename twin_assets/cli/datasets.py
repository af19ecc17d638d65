"""`twin dataset`: the rows that a model is trained on."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from twin_assets.cli.options import AuthorArgument, JsonOption
from twin_assets.documents import Split

app = typer.Typer(
    help="Datasets: look at rows, lead one back to its source, hand them on, judge a file.", no_args_is_help=True
)

SplitOption = Annotated[Split | None, typer.Option(help="Only this side; all sides without it.")]
FormatOption = Annotated[
    Literal["alpaca", "sharegpt", "messages", "dpo"],
    typer.Option("--format", help="Form of the records; dpo for the preference dataset, another for the instruct one."),
]


@app.command("show")
def show(
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


@app.command("trace")
def trace(
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


@app.command("export")
def export(
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


@app.command("push")
def push(
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


@app.command("check")
def check(
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
