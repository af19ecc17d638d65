"""A small author to build for real: cut from the sample, with hyperparameters that take a few steps.

How it is shared between tests stands in `conftest.py`.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from twin_assets.automation.staleness import StateReader
from twin_assets.console.building import Build, Builder
from twin_assets.console.instance import prepare_dagster_home
from twin_assets.definitions import build_defs
from twin_assets.settings import PROJECT_ROOT, Settings

AUTHOR = "ann-reed"
SAMPLE = PROJECT_ROOT / "samples" / "mira-voss"
ARTICLES = (
    "a-backup-is-a-rumour.md",
    "a-queue-is-a-loan.md",
    "capacity-is-a-date.html",
    "drop-the-index.md",
    "migrations-that-let-you-sleep.md",
    "the-handover-note.md",
)
POSTS = ("certificates.md", "config-drift.md", "explain-buffers.md", "explain-buffers-repost.md", "runbook-rot.md")

_ADAPTER = {"batch_size": 4, "max_length": 96, "lora_rank": 4, "lora_alpha": 8, "max_eval_rows": 4}
TINY: dict[str, Any] = {
    "ops": {
        "base_model": {
            "config": {
                "vocab_size": 600,
                "hidden_size": 64,
                "layers": 1,
                "attention_heads": 2,
                "intermediate_size": 64,
                "context_length": 256,
                "block_length": 64,
                # Below this the model writes no sentence that ends, and a pair needs one.
                "token_budget": 60_000,
                "max_epochs": 10.0,
                "max_eval_rows": 8,
            }
        },
        "preference_dataset": {"config": {"max_rows": 72}},
        "sft_checkpoint": {"config": {**_ADAPTER, "max_steps": 8}},
        "dpo_checkpoint": {"config": {**_ADAPTER, "max_steps": 4}},
        "eval_report": {"config": {"prompts": 3}},
        "retrieval_report": {"config": {"queries_per_document": 2}},
    }
}
"""Run configuration with which every payload takes a few steps."""


@dataclass(frozen=True)
class Place:
    """A home, a folder of author files and the writings they name, on an instance of its own."""

    root: Path
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings, by name, that differ from the defaults."""

    @property
    def settings(self) -> Settings:
        return Settings(
            home=self.root / "home", authors_dir=self.root / "authors", lock_timeout_seconds=20, **self.changes
        )

    @property
    def writings(self) -> Path:
        return self.root / "writings"

    @property
    def artifacts(self) -> Path:
        return self.root / "home" / "artifacts"

    def definitions(self) -> dg.Definitions:
        return build_defs(settings=self.settings)

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        with dg.DagsterInstance.from_config(str(prepare_dagster_home(self.settings))) as instance:
            yield instance

    def build(self, author: str = AUTHOR, **options: Any) -> Build:
        """Build as `twin build` does."""
        with self.instance() as instance:
            return Builder(self.definitions(), instance, self.settings).build(author, **options)

    @contextmanager
    def states(self) -> Iterator[StateReader]:
        with self.instance() as instance:
            yield StateReader(self.definitions(), instance)

    def materialization(self, asset: str, author: str | None = AUTHOR) -> dg.AssetMaterialization:
        """Return the newest materialization of an asset."""
        with self.instance() as instance:
            records = instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[author] if author else None),
                limit=1,
            ).records
        assert records, f"{asset} was never materialized"
        materialization = records[0].asset_materialization
        assert materialization
        return materialization

    def metadata(self, asset: str, author: str | None = AUTHOR) -> Mapping[str, dg.MetadataValue[Any]]:
        return self.materialization(asset, author).metadata

    def resource(self, key: str) -> Any:
        return self.definitions().resources[key]

    def add_author(self, slug: str, path: Path | str) -> None:
        content = {
            "name": slug.replace("-", " ").title(),
            "consent": {"given_by": "the author", "note": "In writing."},
            "sources": [{"type": "folder", "path": str(path)}],
        }
        file = self.root / "authors" / f"{slug}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content), encoding="utf-8")


def lay_out(root: Path) -> Place:
    """Write the small author: six articles, five posts of which one is a repost, and a repository."""
    place = Place(root)
    for category, names in (("articles", ARTICLES), ("posts", POSTS)):
        (place.writings / category).mkdir(parents=True)
        for name in names:
            shutil.copyfile(SAMPLE / category / name, place.writings / category / name)
    repository = place.writings / "repositories" / "restorecheck"
    repository.mkdir(parents=True)
    for name in ("README.md", "restorecheck/checks.py"):
        shutil.copyfile(SAMPLE / "repositories" / "restorecheck" / name, repository / Path(name).name)
    place.add_author(AUTHOR, "../writings")
    return place
