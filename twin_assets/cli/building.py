"""`twin build`, `twin status` and `twin ui`: the graph of an author, built and looked at."""

from pathlib import Path
from typing import Annotated

import typer

from twin_assets.cli.options import AuthorArgument, JsonOption

app = typer.Typer()


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
def ui(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow UI.")] = 5000,
) -> None:
    """Serve the Dagster UI and the MLflow UI on the local instance, until Ctrl-C."""
    from twin_assets.console.ui import serve_uis

    serve_uis(port=port, mlflow_port=mlflow_port)
