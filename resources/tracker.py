"""The tracker: MLflow runs, as a tree per author: a run per build, and in it one per stage.

One experiment per author. The versions that come of it belong to `registry`, whose methods the tracker has too, because
both are one server. Which version deserves an alias is decided by `evaluation.promotion`.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.registry import (
    BASE_EXPERIMENT,
    CANDIDATE,
    CHAMPION,
    PREVIOUS,
    ModelRegistry,
    ModelVersion,
    registered_name,
)
from resources.source_code import commit_of
from twin_assets.documents import Entity
from twin_assets.settings import Settings
from twin_assets.training.spec import TrackingRun

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = ["CANDIDATE", "CHAMPION", "PREVIOUS", "DatasetUsed", "ModelVersion", "Tracker", "registered_name"]

DAGSTER_RUN, STAGE, BUILD = "dagster_run", "stage", "build"
"""Tags of a run: the Dagster run it belongs to, what it does, and the stage's name of a whole build."""

PARENT = "mlflow.parentRunId"
"""MLflow's own tag of a nested run."""

OPEN, ENDED_WITH_ITS_BUILD = "RUNNING", "KILLED"
"""MLflow's status of a run that goes on, and of one whose Dagster run ended without a word."""


class DatasetUsed(Entity):
    """A dataset that a run read: where it lies and which version of it; rows are not copied."""

    name: str
    version: str
    """Its data version in Dagster."""
    uri: str
    context: str
    """What it was read for, as MLflow shows it: training or evaluation."""
    rows: int | None = None
    columns: dict[str, str] | None = None
    """Type by column, in MLflow's names."""


class Tracker(ModelRegistry):
    """An MLflow server, or MLflow on SQLite and a local folder."""

    @classmethod
    def from_settings(cls, settings: Settings) -> "Tracker":
        """Configure the tracker that the settings name."""
        return cls(
            server=settings.mlflow_tracking_uri,
            folder=str(settings.home / "mlflow"),
            ui_url=settings.mlflow_ui_url,
            dagster_ui_url=settings.dagster_ui_url,
        )

    def start_run(self, name: str, *, author: str | None, tags: Mapping[str, str], parent: str | None = None) -> str:
        """Open a run in the author's experiment and return its id."""
        run = self._client.create_run(
            self._experiment(author),
            run_name=name,
            tags={
                **_source_tags(),
                **tags,
                "author": author or "all authors",
                **({PARENT: parent} if parent else {}),
                **(self._link_to_dagster(tags[DAGSTER_RUN]) if DAGSTER_RUN in tags else {}),
            },
        )
        return str(run.info.run_id)

    def sweep_run(self, author: str, sweep: str) -> str:
        """Return the run of a sweep, within which its trials stand; whichever trial comes first opens it."""
        found = self._client.search_runs([self._experiment(author)], filter_string=f"tags.sweep_id = '{sweep}'")
        if found:
            return str(found[0].info.run_id)
        return self.start_run(f"sweep {sweep}", author=author, tags={"sweep_id": sweep, "stage": "sweep"})

    def start_stage(
        self,
        stage: str,
        *,
        author: str | None,
        build_of: str | None,
        dagster_run: str,
        tags: Mapping[str, str] | None = None,
        inputs: Sequence[DatasetUsed] = (),
    ) -> str:
        """Open the run of one stage within the run of its build, and return its id.

        Args:
            stage: What is done; the name of the run.
            author: Whose experiment it stands in; none for what is made of all authors' writings.
            build_of: Author whose build it belongs to, if any.
            dagster_run: Id of the Dagster run, which is the build.
            tags: What else is told of it.
            inputs: Datasets that it reads.
        """
        parent = self.build_run(build_of, dagster_run) if build_of else None
        if parent:
            self._client.update_run(parent, status=OPEN)
        run_id = self.start_run(
            stage,
            author=author,
            tags={**(tags or {}), STAGE: (tags or {}).get(STAGE, stage), DAGSTER_RUN: dagster_run},
            parent=parent,
        )
        self.log_inputs(run_id, inputs)
        return run_id

    def build_run(self, author: str, dagster_run: str) -> str:
        """Return the run of an author's build, which is opened by whichever stage comes first.

        Stages may run in processes of their own, and MLflow cannot create what is not there yet as one act. Where two
        were created at once, the older one counts for everybody, and the other is deleted by whoever created it.
        """
        if found := self._builds(author, dagster_run):
            return str(found[0].info.run_id)
        own = self.start_run(
            f"build {dagster_run[:8]}",
            author=author,
            tags={STAGE: BUILD, DAGSTER_RUN: dagster_run},
        )
        oldest = str(self._builds(author, dagster_run)[0].info.run_id)
        if oldest != own:
            self._client.delete_run(own)
        return oldest

    def _link_to_dagster(self, dagster_run: str) -> dict[str, str]:
        """Return the tags that lead to a Dagster run: one for programs, and a description that can be clicked."""
        url = self.dagster_run_url(dagster_run)
        return {"dagster_run_url": url, "mlflow.note.content": f"Part of Dagster's run [{dagster_run[:8]}]({url})."}

    def _builds(self, author: str, dagster_run: str) -> "list[Run]":
        found = self._runs(author, f"tags.{DAGSTER_RUN} = '{dagster_run}' and tags.{STAGE} = '{BUILD}'")
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def _runs(self, author: str | None, filter_string: str) -> "list[Run]":
        return list(self._client.search_runs([self._experiment(author)], filter_string=filter_string))

    def find_run(self, author: str | None, *, tag: str, value: str) -> str | None:
        """Return the newest finished run of the author's experiment that carries a tag."""
        runs = self._client.search_runs(
            [self._experiment(author)],
            filter_string=f"tags.{tag} = '{value}' and attributes.status = 'FINISHED'",
            max_results=1,
        )
        return str(runs[0].info.run_id) if runs else None

    def interrupted_run(self, author: str | None, *, tag: str, value: str) -> str | None:
        """Return the newest run that carries a tag and was begun, but neither finished nor failed.

        The process that watched it was killed: what it watched may still be going on, and logs to this very run.
        """
        found = self._runs(author, f"tags.{tag} = '{value}'")
        interrupted = [run for run in found if run.info.status in {OPEN, ENDED_WITH_ITS_BUILD}]
        return str(interrupted[0].info.run_id) if interrupted else None

    def resume_stage(self, run_id: str, *, build_of: str | None, dagster_run: str) -> None:
        """Let a run that was interrupted go on as a stage of another build."""
        self._client.update_run(run_id, status=OPEN)
        tags = {DAGSTER_RUN: dagster_run, **self._link_to_dagster(dagster_run)}
        if build_of:
            tags[PARENT] = self.build_run(build_of, dagster_run)
            self._client.update_run(tags[PARENT], status=OPEN)
        for key, value in tags.items():
            self._client.set_tag(run_id, key, value)

    def end_abandoned(self, author: str, *, has_ended: Callable[[str], bool]) -> list[str]:
        """Close the runs of an author that are open although their Dagster run has ended, and return their ids.

        A stage that is killed cannot close its run. Neither can anybody else before the next build, where there is no
        daemon.

        Args:
            author: Slug of the author.
            has_ended: Whether the Dagster run of that id has ended, or is not known any more.
        """
        open_runs = self._runs(author, f"attributes.status = '{OPEN}'")
        abandoned = [
            run.info.run_id
            for run in open_runs
            if (dagster_run := run.data.tags.get(DAGSTER_RUN)) and has_ended(dagster_run)
        ]
        for run_id in abandoned:
            self._client.set_terminated(run_id, status=ENDED_WITH_ITS_BUILD)
        return abandoned

    def log_inputs(self, run_id: str, datasets: Sequence[DatasetUsed]) -> None:
        """Say which datasets a run reads: by name, version and address."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        if not datasets:
            return
        self._client.log_inputs(
            run_id,
            [
                DatasetInput(
                    Dataset(
                        name=used.name,
                        digest=used.version[:36],
                        source_type="s3" if used.uri.startswith("s3://") else "local",
                        source=json.dumps({"uri": used.uri}),
                        schema=_mlflow_schema(used.columns) if used.columns else None,
                        profile=json.dumps({"num_rows": used.rows}) if used.rows is not None else None,
                    ),
                    [InputTag("mlflow.data.context", used.context)],
                )
                for used in datasets
            ],
        )

    def log_history(self, run_id: str, history: Sequence[Mapping[str, Any]]) -> None:
        """Log what a training measured at each step, afterwards, where it could not log while it ran.

        Args:
            run_id: The run.
            history: Rows of `training.history.read_history`: `step` and what was measured there.
        """
        from mlflow.entities import Metric

        began = self._client.get_run(run_id).info.start_time
        metrics = [
            Metric(key, float(value), began + place, int(row["step"]))
            for place, row in enumerate(history)
            for key, value in row.items()
            if key != "step" and isinstance(value, int | float)
        ]
        for start in range(0, len(metrics), _METRICS_AT_ONCE):
            self._client.log_batch(run_id, metrics=metrics[start : start + _METRICS_AT_ONCE])

    def finish_run(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        files: Mapping[str, bytes] | None = None,
        failed: bool = False,
    ) -> None:
        """Log what a run ended with, and close it; and the run of its build, if nothing else of that goes on.

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
        if parent := self._client.get_run(run_id).data.tags.get(PARENT):
            self._settle(parent)

    def _settle(self, build: str) -> None:
        """Close the run of a build whose stages have all ended: as failed, if the last attempt at one of them failed.

        Nobody knows which stage is the last: a later one opens it again.
        """
        experiments = [self._experiment(author) for author in (self._client.get_run(build).data.tags["author"], None)]
        stages = self._client.search_runs(
            experiments, filter_string=f"tags.`{PARENT}` = '{build}'", order_by=["attributes.start_time ASC"]
        )
        if any(run.info.status == OPEN for run in stages):
            return
        last = {run.data.tags.get(STAGE): run.info.status for run in stages}
        failed = any(status != "FINISHED" for status in last.values())
        self._client.set_terminated(build, status="FAILED" if failed else "FINISHED")

    def tracking_run(self, run_id: str) -> TrackingRun:
        """Return what a training payload needs to log to a run of ours."""
        return TrackingRun(uri=self.uri, run_id=run_id)

    def run_url(self, run_id: str) -> str:
        """Return the address of a run in the MLflow UI."""
        experiment = self._client.get_run(run_id).info.experiment_id
        return f"{self.ui_url}/#/experiments/{experiment}/runs/{run_id}"

    def _experiment(self, author: str | None) -> str:
        from mlflow.exceptions import MlflowException

        name = registered_name(author) if author else BASE_EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        if found:
            return str(found.experiment_id)
        location = str(Path(self.folder) / "artifacts" / name) if self.is_embedded else None
        try:
            return str(self._client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            # Another stage of the same build was faster.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._experiment(author)


_METRICS_AT_ONCE = 1000
"""As many as MLflow takes in one request."""


def _source_tags() -> dict[str, str]:
    """Return MLflow's own tags of the code that makes a run."""
    commit = commit_of()
    if commit is None:
        return {"mlflow.source.name": "twin_assets"}
    return {
        "mlflow.source.name": "twin_assets",
        "mlflow.source.git.commit": commit.sha,
        "git_commit": commit.text,
        **({"git_commit_url": commit.url} if commit.url else {}),
    }


def _mlflow_schema(columns: Mapping[str, str]) -> str:
    from mlflow.types import ColSpec, Schema

    return json.dumps({"mlflow_colspec": Schema([ColSpec(kind, name) for name, kind in columns.items()]).to_dict()})
