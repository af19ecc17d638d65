"""The project: what an asset needs to know that is neither a service nor a run's configuration."""

import json
from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import Field

from twin_assets.documents import SplitRule
from twin_assets.settings import Settings
from twin_assets.training.chat_template import CHAT_TEMPLATES, CHATML, ChatTemplate


class Project(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where the author files lie, and the numbers that every stage must agree on."""

    authors_dir: str = Field(description="Folder of the author files")
    seed: int = Field(default=0, description="Seed of the split, of sampling and of training")
    test_fraction: float = Field(default=0.15, description="Share of documents held out from training")
    validation_fraction: float = Field(default=0.1, description="Share of documents kept for validation")
    test_since: str | None = Field(default=None, description="Day since which what is published is held out instead")
    base_model: str = Field(default="offline", description="'offline', or the hub id or path of the model to fine-tune")
    base_model_revision: str = Field(default="main", description="Revision of the hub model")
    base_model_licence: str = Field(default="unknown", description="Licence of the hub model")
    chat_template: str = Field(default=CHATML, description="Name of the one chat template of the deployment")
    instruct_generators: dict[str, float] = Field(
        default={"extractive": 1.0}, description="Who writes instruct rows, with weights"
    )
    preference_generators: dict[str, float] = Field(
        default={"model": 1.0}, description="Who writes preference pairs, with weights"
    )
    rejected_from: str = Field(default="base", description="Which model writes rejected texts: base or sft")
    feedback_dir: str = Field(default="feedback", description="Folder of what readers thought of answers")
    hub_offline: bool = Field(default=True, description="Forbid downloads from a hub")
    general_dataset: str | None = Field(default=None, description="General instruction set to mix in: a path or hub id")
    general_ratio: float = Field(default=0.0, description="Its rows for each training row of the author's")
    teacher_model: str | None = Field(default=None, description="Model that writes rows")
    judge_model: str | None = Field(default=None, description="Model that scores rows")
    embedding_model: str = Field(default="all-MiniLM-L6-v2", description="The model that passages are embedded with")
    dagster_ui_url: str = Field(
        default="http://127.0.0.1:3000", description="Where the Dagster UI is served, for links"
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> "Project":
        """Take over what the settings say."""
        return cls(
            authors_dir=str(settings.authors_dir),
            seed=settings.seed,
            test_fraction=settings.test_fraction,
            validation_fraction=settings.validation_fraction,
            test_since=settings.test_since.isoformat() if settings.test_since else None,
            base_model=settings.base_model,
            base_model_revision=settings.base_model_revision,
            base_model_licence=settings.base_model_licence,
            chat_template=settings.chat_template,
            instruct_generators=settings.instruct_generators,
            preference_generators=settings.preference_generators,
            rejected_from=settings.rejected_from,
            feedback_dir=str(settings.home / "feedback"),
            hub_offline=settings.hub_offline,
            general_dataset=settings.general_dataset,
            general_ratio=settings.general_ratio,
            teacher_model=settings.teacher_model,
            judge_model=settings.judge_model,
            embedding_model=settings.embedding_model,
            dagster_ui_url=settings.dagster_ui_url,
        )

    @property
    def authors_path(self) -> Path:
        """The folder of the author files."""
        return Path(self.authors_dir)

    @property
    def template(self) -> ChatTemplate:
        """The chat template that datasets, trainer, merged model and server share."""
        return CHAT_TEMPLATES[self.chat_template]

    def feedback_file(self, author: str) -> Path:
        """Return where the serving side leaves what readers thought of an author's twin."""
        return Path(self.feedback_dir) / f"{author}.jsonl"

    @property
    def split_rule(self) -> SplitRule:
        """How documents are drawn for training, validation and test."""
        return SplitRule(
            seed=self.seed,
            test_fraction=self.test_fraction,
            validation_fraction=self.validation_fraction,
            test_since=date.fromisoformat(self.test_since) if self.test_since else None,
        )

    def shaping_results(self) -> dict[str, str | int | float]:
        """Return the settings that decide what an asset holds, by name; places and addresses decide nothing."""
        return {
            "seed": self.seed,
            "test_fraction": self.test_fraction,
            "validation_fraction": self.validation_fraction,
            "test_since": self.test_since or "",
            "instruct_generators": json.dumps(self.instruct_generators, sort_keys=True),
            "preference_generators": json.dumps(self.preference_generators, sort_keys=True),
            "rejected_from": self.rejected_from,
            "general_dataset": self.general_dataset or "",
            "general_ratio": self.general_ratio,
            "teacher_model": self.teacher_model or "",
            "judge_model": self.judge_model or "",
            "base_model": self.base_model,
            "base_model_revision": self.base_model_revision,
            "chat_template": self.chat_template,
            "embedding_model": self.embedding_model,
        }

    def run_url(self, run_id: str) -> str:
        """Return the address of a run in the Dagster UI."""
        return f"{self.dagster_ui_url}/runs/{run_id}"
