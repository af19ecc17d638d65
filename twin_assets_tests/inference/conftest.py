"""An author with two checkpoints to register, of which nothing was trained: a registry asks only for their files."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from resources.artifacts import ArtifactStore
from resources.project import Project
from resources.tracker import Tracker
from twin_assets.documents import BaseModelRef
from twin_assets.evaluation.reports import EvalReport, ModelScores
from twin_assets.inference.assets import STAGES, registered_model
from twin_assets.inference.registration import Registration
from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters
from twin_assets.training.manifest import Manifest, read_manifest, write_manifest
from twin_assets.training.spec import TrainingSpec
from twin_assets_tests.evaluation.conftest import scores_of

BASE_MODEL = BaseModelRef(location="hub/base", revision="main", licence="mit", version="base-1", n_parameters=None)


@dataclass
class Serving:
    """A store and a registry, and what is done with them."""

    author: str
    artifacts: ArtifactStore
    tracker: Tracker
    project: Project

    @property
    def name(self) -> str:
        return f"twin-{self.author}"

    def train(self, stage: str, weights: str) -> Manifest:
        """Put a checkpoint into the store, as a training would."""
        folder = self.artifacts.folder(f"{stage}_checkpoint", self.author)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").write_text(weights)
        spec = TrainingSpec(
            stage=stage,
            author=self.author,
            base_model="hub/base",
            base_model_version="base-1",
            dataset_uri="nowhere",
            dataset_version="1",
            output_uri=str(folder),
            hyperparameters={"sft": SFTHyperparameters(), "dpo": DPOHyperparameters()}[stage],
            chat_template_hash="0",
            code_version="1",
        )
        return write_manifest(folder, spec=spec, libraries={}, metrics={})

    def measured(self, report: EvalReport) -> EvalReport:
        """Return a report with the same scores on the checkpoints that lie in the store now."""
        versions = {
            stage: read_manifest(self.artifacts.folder(f"{stage}_checkpoint", self.author)).data_version
            for stage in STAGES
        }
        models = tuple(
            scores.model_copy(update={"version": versions.get(scores.model, scores.version)})
            for scores in report.models
        )
        return report.model_copy(update={"models": models})

    def register(self, report: EvalReport) -> Registration:
        """Measure what lies in the store, and register it."""
        return self.register_as_reported(self.measured(report))

    def register_as_reported(self, report: EvalReport) -> Registration:
        """Materialize the asset and store what it returns, as its IO manager would."""
        context = dg.build_asset_context(partition_key=self.author)
        result = registered_model(
            context,
            eval_report=report,
            base_model=BASE_MODEL,
            project=self.project,
            artifacts=self.artifacts,
            tracker=self.tracker,
        )
        self.artifacts.write_text(
            self.artifacts.path("registered_model", self.author, ".json"), result.value.model_dump_json()
        )
        return result.value

    def champions(self) -> list[str]:
        return [version.version for version in self.tracker.versions(self.name) if "champion" in version.aliases]

    def tags(self, version: str) -> dict[str, str]:
        return next(item.tags for item in self.tracker.versions(self.name) if item.version == version)


def report_with(chosen: str, *, sft: float, dpo: float, base: float = 4.0) -> EvalReport:
    """Return a report on models that spend so many nats a token, all of them equally like the author."""
    models: tuple[ModelScores, ...] = (
        scores_of("base", base, likeness=0.9),
        scores_of("sft", sft, likeness=0.9),
        scores_of("dpo", dpo, likeness=0.9),
    )
    return EvalReport(
        author="ann",
        author_name="Ann",
        models=models,
        human=None,
        attribution=None,
        samples=(),
        chosen=chosen,
        chosen_because="It is better.",
        provenance={},
    )


@pytest.fixture(scope="module")
def tracker(tmp_path_factory) -> Tracker:
    """MLflow on SQLite in a folder of this module: creating its database takes seconds, so it is done once."""
    folder = tmp_path_factory.mktemp("home") / "mlflow"
    return Tracker(folder=str(folder))


@pytest.fixture
def serving(tracker: Tracker, tmp_path: Path, request: pytest.FixtureRequest) -> Serving:
    """An author of this test alone, with an SFT and a DPO checkpoint."""
    author = f"ann-{hashlib.sha256(request.node.name.encode()).hexdigest()[:8]}"
    place = Serving(
        author=author,
        artifacts=ArtifactStore(root=str(tmp_path / "artifacts")),
        tracker=tracker,
        project=Project(authors_dir=str(tmp_path / "authors")),
    )
    for stage in STAGES:
        place.train(stage, f"{stage} weights")
    return place


@pytest.fixture
def make_report() -> Callable[..., EvalReport]:
    return report_with
