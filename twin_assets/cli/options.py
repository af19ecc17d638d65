"""Arguments and options that several commands share, each described once."""

from typing import Annotated

import typer

AuthorArgument = Annotated[str, typer.Argument(help="Slug of the author, as in authors/<slug>.yaml.", metavar="AUTHOR")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]
