"""The model registry: the versions of an author's model, what is kept of each, and the aliases that point to them.

One registered model `twin-<author>`. Which version deserves an alias is decided by `evaluation.promotion`, and who
moved it is written down by `inference.aliases`, not here.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resources.mlflow_connection import MlflowConnection
from resources.model_package import CHECKPOINT, TRAINED_ON, packaging_hash, write_package
from twin_assets.documents import Entity

CHAMPION, CANDIDATE, PREVIOUS = "champion", "candidate", "previous"
"""Aliases: the version to serve, the one that the gate judged last, and the champion before."""

PACKAGING = "packaging"
"""Tag of a version: hash of what lies in its package beside the checkpoint."""


BASE_EXPERIMENT = "base-model"
"""Experiment of what is made of all authors' writings; each author has one that is called like the registered model."""


def registered_name(author: str) -> str:
    """Return the name of an author's model in the registry."""
    return f"twin-{author}"


class ModelVersion(Entity):
    """One version in the model registry."""

    name: str
    version: str
    tags: dict[str, str]
    aliases: list[str]
    run_id: str | None


class ModelRegistry(MlflowConnection):
    """The registered models of an MLflow server, or of MLflow on SQLite."""

    def versions(self, name: str) -> list[ModelVersion]:
        """Return all versions of a registered model, oldest first; none if it is not registered."""
        found = self._client.search_model_versions(f"name = '{name}'")
        by_alias: dict[str, list[str]] = {}
        if found:
            for alias, version in self._client.get_registered_model(name).aliases.items():
                by_alias.setdefault(str(version), []).append(alias)
        return [
            ModelVersion(
                name=name,
                version=str(item.version),
                tags=dict(item.tags),
                aliases=sorted(by_alias.get(str(item.version), [])),
                run_id=item.run_id or None,
            )
            for item in sorted(found, key=lambda item: int(item.version))
        ]

    def register(
        self,
        name: str,
        checkpoint: Path,
        *,
        run_id: str,
        tags: Mapping[str, str],
        description: str,
        base_model: str,
        licence: str,
        trained_on: Mapping[str, Sequence[str]],
        metrics: Mapping[str, float] | None = None,
    ) -> ModelVersion:
        """Copy a checkpoint into the registry, in MLflow's own format, and make it a version of the registered model.

        The copy lies in a folder of its own: neither a later training nor another checkpoint of the same run can change
        a registered version.

        Args:
            name: Name of the registered model.
            checkpoint: Folder of the checkpoint.
            run_id: The run that trained it.
            tags: What is told of the version.
            description: A short model card, in Markdown.
            base_model: Location of the base model.
            licence: Licence of the weights.
            trained_on: Ids of the documents that it was trained on, by stage.
            metrics: What was measured of it.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name, description="LLM Twin: one version per trained checkpoint.")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        with tempfile.TemporaryDirectory(prefix="twin-package-") as folder:
            model_id, packaging = self._store(
                checkpoint,
                Path(folder),
                name=f"{name}-{tags.get('stage', 'model')}",
                run_id=run_id,
                metrics=metrics or {},
                base_model=base_model,
                licence=licence,
                trained_on=trained_on,
            )
        version = self._client.create_model_version(
            name,
            source=self._client.get_logged_model(model_id).artifact_location,
            run_id=run_id,
            tags={**tags, PACKAGING: packaging},
            description=description,
            model_id=model_id,
        )
        return next(item for item in self.versions(name) if item.version == str(version.version))

    def _store(
        self, checkpoint: Path, scratch: Path, *, name: str, run_id: str, metrics: Mapping[str, float], **facts: Any
    ) -> tuple[str, str]:
        """Store the package of a checkpoint as a logged model of its run; return the model's id and packaging hash."""
        from mlflow.entities import LoggedModelOutput, Metric
        from mlflow.models import Model

        run = self._client.get_run(run_id)
        logged = self._client.create_logged_model(
            run.info.experiment_id, name=name, source_run_id=run_id, params=dict(run.data.params)
        )
        try:
            model = Model(
                artifact_path=logged.artifact_location,
                run_id=run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
            )
            write_package(checkpoint, scratch / "package", model=model, **facts)
            self._client.log_model_artifacts(logged.model_id, str(scratch / "package"))
        except BaseException:
            self._client.finalize_logged_model(logged.model_id, "FAILED")
            raise
        self._client.finalize_logged_model(logged.model_id, "READY")
        self._client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        dataset = run.inputs.dataset_inputs[0].dataset if run.inputs and run.inputs.dataset_inputs else None
        of_dataset = {"dataset_name": dataset.name, "dataset_digest": dataset.digest} if dataset else {}
        self._client.log_batch(
            run_id,
            metrics=[
                Metric(
                    key, float(value), run.info.end_time or 0, 0, model_id=logged.model_id, run_id=run_id, **of_dataset
                )
                for key, value in metrics.items()
            ],
        )
        return str(logged.model_id), packaging_hash(scratch / "package")

    def download(self, name: str, version: str, into: Path) -> Path:
        """Copy what the registry keeps of a version into a folder, and return where it lies there.

        It is a package: the checkpoint lies in it where `model_package.checkpoint_in` says.
        """
        from mlflow.artifacts import download_artifacts

        source = self._client.get_model_version(name, version).source
        return Path(download_artifacts(artifact_uri=source, dst_path=str(into), tracking_uri=self.uri))

    def trained_on(self, version: ModelVersion) -> set[str] | None:
        """Return the ids of all documents that a registered model was trained on.

        Returns:
            The ids; None for a version whose copy does not tell, because it is older than packages.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        source = self._client.get_model_version(version.name, version.version).source
        with tempfile.TemporaryDirectory(prefix="twin-registry-") as folder:
            try:
                path = download_artifacts(artifact_uri=f"{source}/{TRAINED_ON}", dst_path=folder, tracking_uri=self.uri)
            except (OSError, MlflowException):
                if PACKAGING in version.tags:
                    raise
                return None
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        return {str(document_id) for ids in content.values() for document_id in ids}

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias point to a version."""
        self._client.set_registered_model_alias(name, alias, version)

    def remove_alias(self, name: str, alias: str) -> None:
        """Let an alias point to nothing."""
        self._client.delete_registered_model_alias(name, alias)

    def set_tags(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        """Write tags on a version."""
        for key, value in tags.items():
            self._client.set_model_version_tag(name, version, key, value)

    def remove_tag(self, name: str, version: str, key: str) -> None:
        """Take a tag from a version."""
        self._client.delete_model_version_tag(name, version, key)

    def describe(self, name: str, version: str, description: str) -> None:
        """Give a version another description, in Markdown."""
        self._client.update_model_version(name, version, description=description)

    def version_url(self, name: str, version: str) -> str:
        """Return the address of a version in the MLflow UI."""
        return f"{self.ui_url}/#/models/{name}/versions/{version}"


__all__ = ["CANDIDATE", "CHAMPION", "CHECKPOINT", "PREVIOUS", "ModelRegistry", "ModelVersion", "registered_name"]
