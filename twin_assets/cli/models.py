"""`twin estimate` and `twin promote`: what training an author's model will take, and which version is the champion."""

from pathlib import Path
from typing import Annotated

import typer

from twin_assets.cli.options import AuthorArgument, JsonOption

app = typer.Typer()


@app.command()
def promote(
    author: AuthorArgument,
    version: Annotated[str, typer.Argument(help="Version number in the registry, as the MLflow UI shows it.")],
) -> None:
    """Make a registered version the champion by hand, and write down that a person did."""
    from twin_assets.console.models import promote_version

    promote_version(author, version)


@app.command()
def estimate(
    author: AuthorArgument,
    instance: Annotated[
        str | None,
        typer.Option(help="Instance type of the price table, in place of the machine that the settings name."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with run configuration, as for twin build; its settings count.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what training would take: memory by part, hours and cost, and which instances could do it. Starts nothing.

    Examples:
    twin estimate mira-voss

    twin estimate mira-voss --instance ml.g5.2xlarge --json
    """
    from twin_assets.console.estimating import show_estimate

    show_estimate(author, instance=instance, config=config, as_json=as_json)
