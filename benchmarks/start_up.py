"""How long it takes until something happens: loading the definitions, and the command line's help."""

from benchmarks.timing import print_figure, seconds_of_python


def run() -> None:
    """Measure start-up against importing Dagster alone."""
    dagster = seconds_of_python("import dagster")
    definitions = seconds_of_python(
        "from twin_assets.definitions import build_defs; build_defs().resolve_asset_graph()"
    )
    print_figure(
        "definitions load, asset graph resolved",
        definitions,
        against="import dagster",
        reference=dagster,
        bound="(meant to stay under 3 s)",
    )
    help_page = seconds_of_python(
        "import sys; sys.argv = ['twin', '--help']\nfrom twin_assets.cli import app\napp(standalone_mode=False)"
    )
    print_figure("twin --help", help_page, against="import dagster", reference=dagster)
