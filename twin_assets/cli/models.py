"""`twin models`, `promote`, `rollback` and `estimate`: an author's versions, the champion, and what training takes."""

from pathlib import Path
from typing import Annotated

import typer

from twin_assets.cli.options import AuthorArgument, JsonOption

app = typer.Typer()


@app.command()
def models(author: AuthorArgument, as_json: JsonOption = False) -> None:
    """List the versions of an author's model: what each was trained on, how it scores, and what the gate decided."""
    from twin_assets.console.models import show_models

    show_models(author, as_json=as_json)


@app.command()
def promote(
    author: AuthorArgument,
    version: Annotated[str, typer.Argument(help="Version number in the registry, as `twin models` shows it.")],
    reason: Annotated[str | None, typer.Option(help="Why, in a sentence; kept with the version.")] = None,
    force: Annotated[bool, typer.Option(help="Promote it although something is known against it.")] = False,
) -> None:
    """Make a registered version the champion by hand, or approve a candidate, and write down that a person did."""
    from twin_assets.console.models import promote_version

    promote_version(author, version, reason=reason, force=force)


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


@app.command()
def rollback(
    author: AuthorArgument,
    reason: Annotated[str, typer.Option(help="Why, in a sentence; kept with both versions.")],
    force: Annotated[bool, typer.Option(help="Go back although something is known against that version.")] = False,
) -> None:
    """Make the champion before the champion again; the gate does not undo it."""
    from twin_assets.console.models import roll_back_champion

    roll_back_champion(author, reason=reason, force=force)
