"""An author with two checkpoints to register, of which nothing was trained: a registry asks only for their files."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.artifacts import ArtifactStore
from resources.io_managers import write_rows
from resources.project import Project
from resources.tracker import Tracker
from twin_assets.documents import BaseModelRef, CleanedDocument
from twin_assets.evaluation.reports import EvalReport, Sample
from twin_assets.evaluation.stylometry import style_profile
from twin_assets.inference import aliases
from twin_assets.inference.assets import STAGES, registered_model
from twin_assets.inference.promoting import report_check
from twin_assets.inference.registering import gate_checks
from twin_assets.inference.registration import Registration
from twin_assets.training.chat_template import chat_template
from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters
from twin_assets.training.manifest import Manifest, read_manifest, write_manifest
from twin_assets.training.spec import TrainingSpec
from twin_assets_tests.evaluation.conftest import scores_of

STYLE = "It is not that the tide was late. "
PROMPTS = [f"prompt {i}" for i in range(24)]
BASE_MODEL = BaseModelRef(location="hub/base", revision="main", licence="mit", version="base-1", n_parameters=None)


def document(name: str) -> CleanedDocument:
    return CleanedDocument(
        document_id=name,
        author="ann",
        category="posts",
        platform="blog",
        url=None,
        title=None,
        text="The tide.",
        language="en",
        published_at=None,
        content_hash="0",
        duplicate_of=None,
        n_words=2,
    )


def tiny_model(folder: Path) -> Path:
    """Make a model and its tokenizer as a training leaves them: real, with random weights, a few kilobytes long."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        [chat_template(), "The tide table is a promise that the moon keeps."],
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=["<eos>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **dict.fromkeys(("eos_token", "pad_token"), "<eos>"))
    fast.chat_template = chat_template()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@dataclass
class Serving:
    """A store, a registry and an instance, and what is done with them.

    The checks of checkpoints and of the evaluation are recorded as if they had run, because the gate asks for them.
    """

    author: str
    artifacts: ArtifactStore
    tracker: Tracker
    project: Project
    instance: dg.DagsterInstance
    model: Path
    """A real model, whose configuration and tokenizer every checkpoint has."""
    base_model: BaseModelRef = BASE_MODEL
    """The base model that is in the store."""
    events: list[Any] = field(default_factory=list)
    """What the last registration logged besides its result."""

    @property
    def name(self) -> str:
        return f"twin-{self.author}"

    def train(
        self,
        stage: str,
        weights: str | None,
        *,
        trained_on: tuple[str, ...] | None = ("d1", "d2"),
        base: str = "base-1",
    ) -> Manifest:
        """Put a checkpoint into the store, as a training would; with the real model's weights, if none are given."""
        folder = self.artifacts.folder(f"{stage}_checkpoint", self.author)
        shutil.copytree(self.model, folder, dirs_exist_ok=True)
        if weights is not None:
            (folder / "model.safetensors").write_text(weights)
        spec = TrainingSpec(
            stage=stage,
            author=self.author,
            base_model="hub/base",
            base_model_version=base,
            dataset_uri="nowhere",
            dataset_version=f"{stage}-rows-1",
            output_uri=str(folder),
            hyperparameters={"sft": SFTHyperparameters(), "dpo": DPOHyperparameters()}[stage],
            chat_template_hash="0",
            code_version="1",
        )
        manifest = write_manifest(folder, spec=spec, libraries={}, metrics={"train_rows": 7.0}, trained_on=trained_on)
        self.checked(f"{stage}_checkpoint")
        return manifest

    def keep(self, *documents: str) -> None:
        """Let these be all the documents there are."""
        path = self.artifacts.path("cleaned_documents", self.author, ".parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_rows(path, [document(name) for name in documents])

    def checked(self, asset: str, *, only_blocking: bool = False, **failed: dg.AssetCheckSeverity) -> None:
        """Record that an asset was materialized and that its checks ran; all passed, but for those named."""
        self.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=self.author))
        for spec in gate_checks():
            if spec.asset_key == dg.AssetKey(asset) and (spec.blocking or not only_blocking):
                report_check(
                    self.instance,
                    spec.key,
                    self.author,
                    passed=spec.name not in failed,
                    severity=failed.get(spec.name, dg.AssetCheckSeverity.ERROR),
                    blocking=spec.blocking,
                )

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
        """Measure what lies in the store, check it, and register it."""
        self.checked("eval_report")
        return self.register_as_reported(self.measured(report))

    def register_as_reported(self, report: EvalReport) -> Registration:
        """Materialize the asset and store what it returns, as its IO manager would."""
        context = dg.build_asset_context(partition_key=self.author, instance=self.instance)
        try:
            result = registered_model(
                context,
                eval_report=report.model_copy(update={"author": self.author}),
                style_profile={self.author: style_profile(self.author, [STYLE * 80])},
                base_model=self.base_model,
                project=self.project,
                artifacts=self.artifacts,
                tracker=self.tracker,
            )
        finally:
            self.events = list(context.op_execution_context.get_events())
        self.artifacts.write_text(
            self.artifacts.path("registered_model", self.author, ".json"), result.value.model_dump_json()
        )
        return result.value

    def aliases(self) -> dict[str, str]:
        return {alias: version.version for version in self.tracker.versions(self.name) for alias in version.aliases}

    def champions(self) -> list[str]:
        return [version.version for version in self.tracker.versions(self.name) if "champion" in version.aliases]

    def tags(self, version: str) -> dict[str, str]:
        return next(item.tags for item in self.tracker.versions(self.name) if item.version == version)


def text_at(nats: float) -> str:
    """Return 50 words, the fewer of them the author's the more nats a token are spent."""
    foreign = round(10 * nats)
    return " ".join([*(STYLE.split() * 8)[: 50 - foreign], *["stone"] * foreign])


def report_with(chosen: str, *, sft: float, dpo: float, base: float = 4.0) -> EvalReport:
    """Return a report on models that spend so many nats a token; who spends less writes more like the author."""
    spent = {"base": base, "sft": sft, "dpo": dpo}
    return EvalReport(
        author="ann",
        author_name="Ann",
        models=tuple(scores_of(model, nats, likeness=nats) for model, nats in spent.items()),
        human=None,
        attribution=None,
        samples=tuple(
            Sample(
                document_id="d",
                prompt=prompt,
                author_text="",
                texts={model: text_at(nats) for model, nats in spent.items()},
            )
            for prompt in PROMPTS
        ),
        chosen=chosen,
        chosen_because="It is better.",
        provenance={},
    )


@pytest.fixture(scope="module")
def tracker(tmp_path_factory) -> Tracker:
    """MLflow on SQLite in a folder of this module: creating its database takes seconds, so it is done once."""
    folder = tmp_path_factory.mktemp("home") / "mlflow"
    return Tracker(folder=str(folder))


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def serving(tracker: Tracker, model: Path, tmp_path: Path, request: pytest.FixtureRequest, make_author) -> Serving:
    """An author of this test alone, with an SFT and a DPO checkpoint."""
    author = f"ann-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8]}"
    make_author(author, tmp_path)
    place = Serving(
        author=author,
        artifacts=ArtifactStore(root=str(tmp_path / "artifacts")),
        tracker=tracker,
        project=Project(authors_dir=str(tmp_path / "authors")),
        instance=dg.DagsterInstance.ephemeral(),
        model=model,
    )
    for stage in STAGES:
        place.train(stage, f"{stage} weights")
    return place


@pytest.fixture
def make_report() -> Callable[..., EvalReport]:
    return report_with


@pytest.fixture
def killed_before_previous(monkeypatch) -> Callable[[Callable[[], Any]], None]:
    """Call something that moves aliases, and kill it when it is about to move `previous`."""
    moved = aliases._moved

    def killed(tracker: Tracker, name: str, alias: str, *rest: Any, **told: Any) -> list[aliases.AliasMove]:
        if alias == "previous":
            raise KeyboardInterrupt
        return moved(tracker, name, alias, *rest, **told)

    def call(what: Callable[[], Any]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(aliases, "_moved", killed)
            with pytest.raises(KeyboardInterrupt):
                what()

    return call
