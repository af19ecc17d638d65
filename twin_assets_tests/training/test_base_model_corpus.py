"""The corpus that is written for the training of the base model: there as long as somebody has to read it."""

import json
import random
from pathlib import Path
from typing import ClassVar

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.estimator import Estimator
from resources.project import Project
from resources.tracker import Tracker
from resources.trainer import Trainer, TrainingOutcome
from twin_assets.documents import CleanedDocument, content_hash
from twin_assets.partitions import authors_partitions
from twin_assets.settings import Settings
from twin_assets.training.assets import base_model
from twin_assets.training.manifest import HISTORY, Manifest
from twin_assets.training.spec import TrainingSpec

AUTHOR = "ann-reed"


class Cloud(Trainer):
    """A machine whose first job goes on after its run has lost sight of it."""

    read: ClassVar[list[Path]] = []

    def train(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> TrainingOutcome:
        self.read.append(Path(spec.dataset_uri))
        if len(self.read) == 1:
            raise dg.Failure("AWS tells this run nothing more, and the job goes on.", allow_retries=False)
        folder = Path(spec.output_uri)
        folder.mkdir(parents=True)
        (folder / HISTORY).write_text(json.dumps([{"step": 1, "loss": 2.0}]), encoding="utf-8")
        metrics = {"parameters": 1000.0, "train_loss": 2.0}
        manifest = Manifest(spec=spec, spec_hash=spec.spec_hash, libraries={}, metrics=metrics, files={})
        return TrainingOutcome(manifest=manifest, reused=False)


def document(number: int) -> CleanedDocument:
    draw = random.Random(number)  # noqa: S311 - not for secrets
    text = " ".join(f"word{draw.randrange(100_000)}" for _ in range(600))
    return CleanedDocument(
        document_id=f"d{number}",
        author=AUTHOR,
        category="articles",
        platform="blog",
        url=None,
        title=None,
        text=text,
        language="en",
        published_at=None,
        content_hash=content_hash(text),
        duplicate_of=None,
        n_words=600,
    )


class Writings(dg.IOManager):
    """Ten documents of one author; what is made of them is not kept."""

    def load_input(self, context: dg.InputContext) -> dict[str, list[CleanedDocument]]:
        return {AUTHOR: [document(number) for number in range(10)]}

    def handle_output(self, context: dg.OutputContext, obj: object) -> None: ...


def build(settings: Settings) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [dg.AssetSpec("cleaned_documents", partitions_def=authors_partitions), base_model],
            instance=instance,
            resources={
                "io_manager": Writings(),
                "reports": Writings(),
                "project": Project.from_settings(settings),
                "artifacts": ArtifactStore.from_settings(settings),
                "trainer": Cloud(),
                "estimator": Estimator(mode="ecs"),
                "tracker": Tracker.from_settings(settings),
            },
            raise_on_error=False,
        )


def test_the_corpus_stays_for_a_job_that_goes_on_and_goes_when_the_model_is_there():
    settings = Settings()
    settings.authors_dir.mkdir(parents=True, exist_ok=True)
    (settings.authors_dir / f"{AUTHOR}.yaml").write_text(
        "name: Ann Reed\nconsent: {given_by: Ann}\nsources: [{type: folder, path: .}]\n", encoding="utf-8"
    )

    assert not build(settings).success
    assert (Cloud.read[0] / "train.parquet").is_file()

    assert build(settings).success
    assert Cloud.read[1] == Cloud.read[0]
    assert not Cloud.read[0].exists()
