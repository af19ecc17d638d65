"""`twin sweep`: which settings suit an author's twin best."""

from pathlib import Path
from typing import Annotated

import typer

from twin_assets.cli.options import AuthorArgument, JsonOption

app = typer.Typer()


@app.command()
def sweep(
    author: AuthorArgument,
    file: Annotated[Path, typer.Argument(help="YAML file that says what is tried.", metavar="SWEEP.YAML")],
    max_runs: Annotated[int, typer.Option(help="Refuse a sweep of more trials than this.", min=1)] = 20,
    store: Annotated[bool, typer.Option(help="Write the best settings into the author file.")] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before training.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train one trial after the other, compare them, and store the best settings with the author.

    The file holds stage (sft or dpo), method (grid or random), runs and seed (of a random sweep), metric, and
    parameters: a list of values for each setting, or low, high and log of a range. Trials are compared on the
    validation side, never on the test side. What was tried before is not trained again: a sweep that was interrupted
    goes on.
    """
    from twin_assets.console.sweeps import run_sweep

    run_sweep(author, file, max_runs=max_runs, store=store, ask=not yes, as_json=as_json)
