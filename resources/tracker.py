"""The tracker: MLflow runs and the MLflow model registry.

One experiment per author; one registered model `twin-<author>`. Which version deserves an alias is decided by
`evaluation.promotion`, not here.
"""

import logging
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, SecretStr

from twin_assets.documents import Entity
from twin_assets.settings import Settings
from twin_assets.training.spec import TrackingRun

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CANDIDATE = "champion", "candidate"


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


class Tracker(dg.ConfigurableResource):  # type: ignore[type-arg]
    """An MLflow server, or MLflow on SQLite and a local folder."""

    # Not a field of the configuration, because the Dagster UI shows those, and the address may hold a password.
    server: dg.ResourceDependency[SecretStr | None] = None  # type: ignore[assignment]
    folder: str = Field(description="Folder of the embedded MLflow database and artifacts")
    ui_url: str = Field(default="http://127.0.0.1:5000", description="Where the MLflow UI is served, for links")

    @classmethod
    def from_settings(cls, settings: Settings) -> "Tracker":
        """Configure the tracker that the settings name."""
        return cls(
            server=settings.mlflow_tracking_uri, folder=str(settings.home / "mlflow"), ui_url=settings.mlflow_ui_url
        )

    @property
    def uri(self) -> str:
        """Tracking URI, the password of a server included: it is for clients, and not to be shown."""
        return self.server.get_secret_value() if self.server else f"sqlite:///{Path(self.folder) / 'mlflow.db'}"

    def start_run(self, name: str, *, author: str | None, tags: Mapping[str, str]) -> str:
        """Open a run in the author's experiment and return its id."""
        run = self._client.create_run(
            self._experiment(author), run_name=name, tags={**tags, "author": author or "all authors"}
        )
        return str(run.info.run_id)

    def sweep_run(self, author: str, sweep: str) -> str:
        """Return the run of a sweep, within which its trials stand; whichever trial comes first opens it."""
        found = self._client.search_runs([self._experiment(author)], filter_string=f"tags.sweep_id = '{sweep}'")
        if found:
            return str(found[0].info.run_id)
        return self.start_run(f"sweep {sweep}", author=author, tags={"sweep_id": sweep, "stage": "sweep"})

    def find_run(self, author: str | None, *, tag: str, value: str) -> str | None:
        """Return the newest finished run of the author's experiment that carries a tag."""
        runs = self._client.search_runs(
            [self._experiment(author)],
            filter_string=f"tags.{tag} = '{value}' and attributes.status = 'FINISHED'",
            max_results=1,
        )
        return str(runs[0].info.run_id) if runs else None

    def finish_run(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        files: Mapping[str, bytes] | None = None,
        failed: bool = False,
    ) -> None:
        """Log what a run ended with, and close it.

        Args:
            run_id: The run.
            params: Settings, by name.
            metrics: Final figures, by name.
            files: Contents of artifacts, by file name.
            failed: Whether to close the run as failed.
        """
        from mlflow.entities import Metric, Param

        self._client.log_batch(
            run_id,
            metrics=[Metric(key, float(value), 0, 0) for key, value in (metrics or {}).items()],
            params=[Param(key, str(value)) for key, value in (params or {}).items()],
        )
        with tempfile.TemporaryDirectory() as folder:
            for name, content in (files or {}).items():
                path = Path(folder) / name
                path.write_bytes(content)
                self._client.log_artifact(run_id, str(path))
        self._client.set_terminated(run_id, status="FAILED" if failed else "FINISHED")

    def tracking_run(self, run_id: str) -> TrackingRun:
        """Return what a training payload needs to log to a run of ours."""
        return TrackingRun(uri=self.uri, run_id=run_id)

    def run_url(self, run_id: str) -> str:
        """Return the address of a run in the MLflow UI."""
        experiment = self._client.get_run(run_id).info.experiment_id
        return f"{self.ui_url}/#/experiments/{experiment}/runs/{run_id}"

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
        data_version: str,
        run_id: str,
        tags: Mapping[str, str],
        description: str,
    ) -> ModelVersion:
        """Copy a checkpoint into its run's artifacts and make it a version of the registered model.

        The registry keeps its own copy, in a folder that carries the checkpoint's data version: neither a later
        training nor another checkpoint of the same run can change a registered version.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name, description="LLM Twin: one version per trained checkpoint.")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        folder = f"model-{data_version}"
        self._client.log_artifacts(run_id, str(checkpoint), artifact_path=folder)
        source = f"{self._client.get_run(run_id).info.artifact_uri}/{folder}"
        version = self._client.create_model_version(
            name, source=source, run_id=run_id, tags=dict(tags), description=description
        )
        return next(item for item in self.versions(name) if item.version == str(version.version))

    def download(self, name: str, version: str, into: Path) -> Path:
        """Copy what the registry keeps of a version into a folder, and return where it lies there."""
        from mlflow.artifacts import download_artifacts

        source = self._client.get_model_version(name, version).source
        return Path(download_artifacts(artifact_uri=source, dst_path=str(into), tracking_uri=self.uri))

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias point to a version."""
        self._client.set_registered_model_alias(name, alias, version)

    def set_tags(self, name: str, version: str, tags: Mapping[str, str]) -> None:
        """Write tags on a version."""
        for key, value in tags.items():
            self._client.set_model_version_tag(name, version, key, value)

    def version_url(self, name: str, version: str) -> str:
        """Return the address of a version in the MLflow UI."""
        return f"{self.ui_url}/#/models/{name}/versions/{version}"

    def _experiment(self, author: str | None) -> str:
        name = registered_name(author) if author else "base-model"
        found = self._client.get_experiment_by_name(name)
        if found:
            return str(found.experiment_id)
        local = self.uri.startswith("sqlite:")
        location = str(Path(self.folder) / "artifacts" / name) if local else None
        return str(self._client.create_experiment(name, artifact_location=location))

    @cached_property
    def _client(self) -> "MlflowClient":
        from mlflow import MlflowClient

        # What it says while it creates its tables is of no use to anyone.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        if self.uri.startswith("sqlite:"):
            Path(self.folder).mkdir(parents=True, exist_ok=True)
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
