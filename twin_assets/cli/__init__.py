"""The `twin` command: what a person types. What it does stands in `console`, one module here for each group.

Every command that prints a table takes `--json`. An error that the user can mend is one sentence; `--debug` adds the
traceback. The modules of this package import nothing heavy, so that `--help` answers at once.
"""

import sys
import warnings
from typing import Annotated

import typer

from twin_assets.cli import authors, building, datasets, documents, models, sweeps
from twin_assets.errors import UserError

app = typer.Typer(
    name="twin",
    help="Turn a person's writings into an LLM Twin: collect, clean, embed, train, evaluate, register.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Begin with: twin build mira-voss (a sample author), then twin ui.",
)
app.add_typer(authors.app, name="author")
app.add_typer(datasets.app, name="dataset")
for commands in (documents, building, models, sweeps):
    app.add_typer(commands.app)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Hold the options that stand before the command."""
    sys.tracebacklimit = 1000 if debug else 0
    if not debug:
        # Libraries warn of what their developers will change; a person at the command line can do nothing about it.
        warnings.simplefilter("ignore")


def main() -> None:
    """Run the command; an error that the user can mend is one sentence on stderr and exit status 1."""
    try:
        app()
    except UserError as error:
        if sys.tracebacklimit:
            raise
        typer.secho(f"twin: {error}", err=True, fg=typer.colors.RED)
        sys.exit(1)
