"""How long it takes until something happens: loading the definitions, and the command line's help."""

from benchmarks.figures import Figures
from benchmarks.timing import seconds_of_python


def run(figures: Figures) -> None:
    """Measure start-up against importing Dagster alone."""
    dagster = seconds_of_python("import dagster")
    definitions = seconds_of_python(
        "from twin_assets.definitions import build_defs; build_defs().resolve_asset_graph()"
    )
    help_page = seconds_of_python(
        "import sys; sys.argv = ['twin', '--help']\nfrom twin_assets.cli import app\napp(standalone_mode=False)"
    )
    figures.note("definitions load, against import dagster", f"{definitions / dagster:8.3f}   ({definitions:.2f} s)")
    figures.note("twin --help, against import dagster", f"{help_page / dagster:8.3f}   ({help_page:.2f} s)")
