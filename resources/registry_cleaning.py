"""Taking things out of MLflow: versions that nobody needs, runs that were killed, all that is held of one author.

What may go is decided elsewhere (`twin_assets.housekeeping`, `twin_assets.removal`). The tracker writes; this deletes.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from resources.registry import BASE_EXPERIMENT
from resources.tracker import Tracker, registered_name
from twin_assets.documents import Entity
from twin_assets.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

PAGE = 500


class RegistryCopy(Entity):
    """One version in the registry, and the copy of the model that it keeps."""

    name: str
    version: str
    created_at: datetime
    aliases: tuple[str, ...]
    checkpoint: str
    """Data version of the checkpoint that it is a copy of."""
    source: str
    bytes: int
    """Size of the copy; 0 where it does not lie on this machine."""
    model_id: str | None = None
    """The logged model that the copy belongs to; None for a version whose address names none."""


class Package(Entity):
    """A copy of a model among the artifacts of MLflow, whether or not a version names it."""

    model_id: str
    name: str
    created_at: datetime
    source: str
    bytes: int
    """Its size; 0 where it does not lie on this machine."""


class OpenRun(Entity):
    """A run that MLflow takes for running."""

    run_id: str
    name: str
    started_at: datetime
    dagster_run: str | None


class RegistryCleaner:
    """MLflow, for those who delete."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._folder = Path(tracker.folder)

    @property
    def _client(self) -> "MlflowClient":
        # Not kept from the beginning, because the first connection creates the database.
        return self._tracker.client

    @property
    def is_there(self) -> bool:
        """Whether anything was ever tracked; looking creates no database."""
        return not self._tracker.is_embedded or (self._folder / "mlflow.db").exists()

    def copies(self, name: str | None = None) -> list[RegistryCopy]:
        """Return the versions of a registered model, or of every author's, oldest first."""
        if not self.is_there:
            return []
        # A server may have models of others.
        wanted = f"name = '{name}'" if name else f"name LIKE '{registered_name('%')}'"
        found = list(
            _pages(lambda token: self._client.search_model_versions(wanted, max_results=PAGE, page_token=token))
        )
        aliases = {model: self._aliases(model) for model in {item.name for item in found}}
        copies = [
            RegistryCopy(
                name=item.name,
                version=str(item.version),
                created_at=datetime.fromtimestamp(item.creation_timestamp / 1000, UTC),
                aliases=tuple(sorted(aliases[item.name].get(str(item.version), ()))),
                checkpoint=str(item.tags.get("checkpoint", "")),
                source=str(item.source),
                bytes=size_of(local_path(str(item.source))),
                model_id=_model_of(str(item.source)),
            )
            for item in found
        ]
        return sorted(copies, key=lambda copy: (copy.name, int(copy.version)))

    def delete_copy(self, copy: RegistryCopy, *, shared: bool) -> bool:
        """Delete a version, and its copy of the model if it lies on this machine and no other version shares it.

        The copy goes last: interrupted between, it is a folder that nobody names, and no version without a model.

        Returns:
            Whether it was deleted: one that an alias points to by now stays.
        """
        # MLflow deletes a version together with its aliases, and deleting those before it may have taken long.
        if copy.version in self._aliases(copy.name):
            return False
        self._client.delete_model_version(copy.name, copy.version)
        if not shared:
            self._delete_model(copy.source, copy.model_id)
        return True

    def packages(self) -> list[Package]:
        """Return the packages that registrations stored in the authors' experiments."""
        if not self.is_there:
            return []
        authors = self._experiments_of_authors()
        if not authors:
            return []
        models = _pages(lambda token: self._client.search_logged_models(list(authors), page_token=token))
        return [
            Package(
                model_id=model.model_id,
                name=model.name,
                created_at=datetime.fromtimestamp(model.creation_timestamp / 1000, UTC),
                source=model.artifact_location,
                bytes=size_of(local_path(model.artifact_location)),
            )
            for model in models
            # Another name is of a model that somebody logged by hand.
            if model.name.startswith(f"{authors[model.experiment_id]}-")
        ]

    def delete_package(self, package: Package) -> None:
        """Delete a package that no version names."""
        self._delete_model(package.source, package.model_id)

    def _delete_model(self, source: str, model_id: str | None) -> None:
        """Delete the files of a model on this machine; those on a server are marked for its own `mlflow gc`."""
        if path := local_path(source):
            _delete_folder(path)
        if model_id:
            self._client.delete_logged_model(model_id)

    def open_runs(self) -> list[OpenRun]:
        """Return the runs that were begun and not ended, in the experiments of authors and of the base model."""
        if not self.is_there:
            return []
        experiments = list(self._experiments_of_authors())
        if base := self._client.get_experiment_by_name(BASE_EXPERIMENT):
            experiments.append(base.experiment_id)
        if not experiments:
            return []
        runs = _pages(
            lambda token: self._client.search_runs(
                experiments, "attributes.status = 'RUNNING'", max_results=PAGE, page_token=token
            )
        )
        return [
            OpenRun(
                run_id=run.info.run_id,
                name=run.info.run_name or "",
                started_at=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
                dagster_run=run.data.tags.get("dagster_run"),
            )
            for run in runs
        ]

    def mark_killed(self, run_id: str) -> None:
        """Close a run as one that was killed."""
        self._client.set_terminated(run_id, status="KILLED")

    def held_of(self, author: str) -> tuple[int, int, int]:
        """Return how many versions and runs there are of an author, and how many bytes their files take here."""
        name = registered_name(author)
        if not self.is_there:
            return 0, 0, 0
        experiment = self._experiment(author)
        runs = 0
        if experiment:
            where = [experiment.experiment_id]
            found = _pages(lambda token: self._client.search_runs(where, max_results=PAGE, page_token=token))
            runs = len(list(found))
        if self._tracker.is_embedded:
            # A removal that was interrupted here is gone on with.
            runs += len(self.deleted_experiments(author))
        files = size_of(local_path(experiment.artifact_location)) if experiment else 0
        return len(self.copies(name)), runs, files or size_of(self._folder / "artifacts" / name)

    def forget(self, author: str) -> None:
        """Delete the registered model, the experiment, its runs and their files.

        The embedded MLflow forgets them for good. A server keeps deleted runs until its own `mlflow gc`; the experiment
        is renamed first, so that an author of the same name can begin anew.

        Raises:
            UserError: If the deleted runs could not be taken out of the embedded database.
        """
        from mlflow.exceptions import MlflowException

        name = registered_name(author)
        if not self.is_there:
            return
        try:
            self._client.delete_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        experiment = self._experiment(author)
        if experiment:
            where = [experiment.experiment_id]
            for model in list(_pages(lambda token: self._client.search_logged_models(where, page_token=token))):
                # The experiment does not take them along, and `mlflow gc` leaves the files of what is not deleted.
                self._client.delete_logged_model(model.model_id)
            self._client.rename_experiment(experiment.experiment_id, _removed_name(author, experiment.experiment_id))
            self._client.delete_experiment(experiment.experiment_id)
        if self._tracker.is_embedded:
            self._collect_garbage(author)
            _delete_folder(self._folder / "artifacts" / name)

    def _collect_garbage(self, author: str) -> None:
        """Take the deleted experiments of an author out of the embedded database, with their runs and files."""
        deleted = self.deleted_experiments(author)
        if not deleted:
            return
        # MLflow offers it as a command only.
        where = ("--backend-store-uri", self._tracker.uri, "--tracking-uri", self._tracker.uri)
        done = subprocess.run(
            [sys.executable, "-m", "mlflow", "gc", *where, "--experiment-ids", ",".join(deleted)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or ["no reason"]
            raise UserError(f"MLflow could not take out what was deleted ({said[0]}): run this again.")

    def deleted_experiments(self, author: str) -> list[str]:
        """Return the ids of an author's experiments that were deleted, and that no `mlflow gc` has taken out yet."""
        from mlflow.entities import ViewType

        found = _pages(
            lambda token: self._client.search_experiments(ViewType.DELETED_ONLY, max_results=PAGE, page_token=token)
        )
        return [item.experiment_id for item in found if item.name == _removed_name(author, item.experiment_id)]

    def _experiments_of_authors(self) -> dict[str, str]:
        """Return the name of each author's experiment by its id: a server may have experiments of others."""
        found = _pages(lambda token: self._client.search_experiments(max_results=PAGE, page_token=token))
        return {item.experiment_id: item.name for item in found if item.name.startswith(registered_name(""))}

    def _experiment(self, author: str) -> "Experiment | None":
        found = self._client.get_experiment_by_name(registered_name(author))
        return found if found and found.lifecycle_stage == "active" else None

    def _aliases(self, name: str) -> dict[str, list[str]]:
        by_version: dict[str, list[str]] = {}
        for alias, version in self._client.get_registered_model(name).aliases.items():
            by_version.setdefault(str(version), []).append(alias)
        return by_version


def _model_of(source: str) -> str | None:
    """Return the id of the logged model whose artifacts lie at an address.

    MLflow's database takes the id of a version's model and keeps it nowhere; only the address still names it.
    """
    found = re.search(r"/models/(m-[0-9a-f]+)/", f"{source}/")
    return found[1] if found else None


def _removed_name(author: str, experiment_id: str) -> str:
    """Return what an experiment is called once it is deleted, so that its name is free."""
    return f"removed-{registered_name(author)}-{experiment_id}"


def _pages(ask: Callable[[Any], Any]) -> Iterator[Any]:
    """Yield what is on all pages of an answer of MLflow, whose pages have no type."""
    token = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def local_path(address: str) -> Path | None:
    """Return the path of an address of this machine; None of another."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(address) if not parts.scheme else None


def _delete_folder(path: Path) -> None:
    """Delete a folder and all in it; one that is gone already is no fault.

    Raises:
        OSError: If something of it cannot be deleted: it belongs to another user, say, or is a link to elsewhere.
    """
    if path.exists():
        shutil.rmtree(path)


def size_of(path: Path | None) -> int:
    """Return the bytes of a file, or of all files below a folder; 0 if there is none."""
    if path is None:
        return 0
    return sum(file.stat().st_size for file in files_of(path))


def files_of(path: Path) -> Iterator[Path]:
    """Yield a file, or the files below a folder."""
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file() and not file.is_symlink())
