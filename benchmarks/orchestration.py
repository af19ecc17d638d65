"""What Dagster adds to the functions that it calls: runs in which nothing is new, against the functions alone.

Both sides do the same on the same files: they collect, clean, cut and measure the style of writings that have not
changed, and store the result. The orchestrated side is a run, as a backfill starts one per author, with its events, its
planning and the storing of its metadata; the bare side calls the assets' functions and the IO managers' readers and
writers one after the other. Neither runs checks, which the bare functions do not have. The models have no part in it: a
training that answers its spec is looked up, and its time is the reading of the manifest.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from upath import UPath

from benchmarks.corpora import generated_documents
from benchmarks.figures import Figures
from benchmarks.timing import seconds_of, seconds_of_python
from resources.io_managers import ReportIOManager, TableIOManager
from twin_assets.collection.assets import raw_documents
from twin_assets.console.building import Builder
from twin_assets.console.instance import prepare_dagster_home
from twin_assets.definitions import build_defs, build_resources
from twin_assets.documents import CleanedDocument
from twin_assets.evaluation.assets import style_profile
from twin_assets.features.assets import chunks, cleaned_documents
from twin_assets.features.config import ChunkingConfig
from twin_assets.partitions import authors_partitions
from twin_assets.settings import Settings

ASSETS = (raw_documents, cleaned_documents, chunks, style_profile)
AUTHORS = 100
START_OF_A_PAYLOAD = "import trl, peft; from trl import SFTTrainer"
WHOLE_GRAPH = 14


def run(figures: Figures) -> None:
    """Measure one author's chain of assets, and the collection of many authors."""
    slugs = [f"author-{number:03}" for number in range(AUTHORS)]
    with tempfile.TemporaryDirectory() as folder:
        settings = lay_out(Path(folder), slugs)
        home = prepare_dagster_home(settings)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            sides = Sides(settings, instance)
            builder = Builder(sides.definitions, instance, settings)
            builder.register_authors()
            builder.build(slugs[0], until="chunks")
            looked = seconds_of(lambda: builder.build(slugs[0], until="chunks"))
            figures.note("twin build of what is fresh: looking, per asset", f"{looked / 3:8.3f} s")
            one = _compare(figures, sides, slugs[:1], ASSETS, runs=3)
            _compare(figures, sides, slugs, ASSETS[:1], runs=1)
    # The smallest thing that the platform ever waits for is a training payload on its way to its first step.
    figures.ratio(
        f"orchestration of {WHOLE_GRAPH} assets, against starting one payload",
        WHOLE_GRAPH * one / seconds_of_python(START_OF_A_PAYLOAD),
        at_most=1,
    )


def lay_out(root: Path, slugs: Iterable[str]) -> Settings:
    """Write author files and articles, and return settings of embedded services, whatever the environment names."""
    settings = Settings(
        home=root / "home",
        authors_dir=root / "authors",
        mongodb_url=None,
        qdrant_url=None,
        mlflow_tracking_uri=None,
        artifacts_uri=None,
    )
    settings.authors_dir.mkdir(parents=True)
    texts = [document.text for document in generated_documents(8, sentences=40)]
    for slug in slugs:
        writings = root / "writings" / slug
        writings.mkdir(parents=True)
        for number, text in enumerate(texts):
            (writings / f"{number}.md").write_text(f"# Note {number} of {slug}\n\n{text}\n", encoding="utf-8")
        content = {
            "name": slug,
            "consent": {"given_by": "the author"},
            "sources": [{"type": "folder", "path": str(writings)}],
        }
        (settings.authors_dir / f"{slug}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return settings


class Sides:
    """The same assets, run and called."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.definitions = build_defs(settings=settings)
        self._jobs: dict[str, dg.JobDefinition] = {}
        self._instance = instance
        self._resources = build_resources(settings)
        self._tables = TableIOManager(root=settings.artifacts_root)
        self._reports = ReportIOManager(root=settings.artifacts_root)

    def orchestrated(self, authors: Iterable[str], assets: Iterable[dg.AssetsDefinition]) -> None:
        """Run the assets of each author, a run per author."""
        job = self._job(assets)
        for author in authors:
            job.execute_in_process(
                partition_key=author,
                instance=self._instance,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )

    def _job(self, assets: Iterable[dg.AssetsDefinition]) -> dg.JobDefinition:
        """Return a job of these assets without their checks, made once: a process makes its definitions once, too."""
        names = [asset.key.to_user_string() for asset in assets]
        name = "__".join(names)
        if name not in self._jobs:
            # The check that `raw_documents` makes itself is part of its function.
            own = [key for asset in assets for key in asset.check_keys]
            selection = dg.AssetSelection.assets(*names).without_checks() | dg.AssetSelection.checks(*own)
            job = dg.define_asset_job(name, selection=selection, partitions_def=authors_partitions)
            self._jobs[name] = dg.Definitions.merge(self.definitions, dg.Definitions(jobs=[job])).resolve_job_def(name)
        return self._jobs[name]

    def bare(self, authors: Iterable[str], assets: Iterable[dg.AssetsDefinition]) -> None:
        """Call the functions of the assets for each author, and store what they return."""
        for author in authors:
            for asset in assets:
                with dg.build_asset_context(partition_key=author, instance=self._instance) as context:
                    result = asset(context, **self._arguments(asset, author))
                if asset is not raw_documents:
                    manager = self._reports if asset is style_profile else self._tables
                    manager.write(self._path(manager, asset, author), result.value)

    def _arguments(self, asset: dg.AssetsDefinition, author: str) -> dict[str, Any]:
        wanted = asset.required_resource_keys & self._resources.keys() - {"tables", "reports"}
        arguments: dict[str, Any] = {name: self._resources[name] for name in wanted}
        if asset in (chunks, style_profile):
            path = self._path(self._tables, cleaned_documents, author)
            arguments["cleaned_documents"] = self._tables.read(path, CleanedDocument)
        if asset is chunks:
            arguments["config"] = ChunkingConfig()
        return arguments

    @staticmethod
    def _path(manager: TableIOManager | ReportIOManager, asset: dg.AssetsDefinition, author: str) -> UPath:
        return manager.path(asset.key, author)


def _compare(
    figures: Figures, sides: Sides, authors: list[str], assets: tuple[dg.AssetsDefinition, ...], *, runs: int
) -> float:
    """Measure both sides after a first run of each, and return the seconds per asset that Dagster adds."""
    sides.orchestrated(authors, assets)
    sides.bare(authors[:1], assets)
    orchestrated = seconds_of(lambda: sides.orchestrated(authors, assets), runs=runs)
    bare = seconds_of(lambda: sides.bare(authors, assets), runs=runs)
    n_assets = len(authors) * len(assets)
    added = (orchestrated - bare) / n_assets
    what = f"{len(authors)} author{'s' * (len(authors) > 1)}, {n_assets} assets, nothing new"
    figures.note(f"{what}: bare functions", f"{1000 * bare / n_assets:.0f} ms per asset")
    figures.note(f"{what}: Dagster adds", f"{1000 * added:.0f} ms per asset, {orchestrated / bare:.2f} times in all")
    return added
