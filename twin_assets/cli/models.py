"""`twin promote`: the versions of an author's model, and which of them is the champion."""

from typing import Annotated

import typer

from twin_assets.cli.options import AuthorArgument

app = typer.Typer()


@app.command()
def promote(
    author: AuthorArgument,
    version: Annotated[str, typer.Argument(help="Version number in the registry, as the MLflow UI shows it.")],
) -> None:
    """Make a registered version the champion by hand, and write down that a person did."""
    from twin_assets.console.models import promote_version

    promote_version(author, version)
