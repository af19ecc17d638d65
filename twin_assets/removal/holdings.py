"""What the platform holds of one author, place by place, each with what takes it away.

The order is that of removal, and chosen so that an interrupted removal can be gone on with: the author file first, so
that no sensor collects anew; what finds other things (texts name the logged calls) before what it is found by; the
partition last, because it is by the partition that a half-removed author is still known.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from upath import UPath

from resources.artifacts import ArtifactStore
from resources.registry_cleaning import RegistryCleaner, files_of, size_of
from resources.tracker import Tracker, registered_name
from resources.vector_store import VectorStore
from resources.warehouse import Warehouse
from twin_assets.collection.dump import DumpUser
from twin_assets.errors import UserError
from twin_assets.removal.calls import calls_about
from twin_assets.settings import Settings
from twin_assets.training.corpus import CORPUS
from twin_assets.training.storage import cache_of, place, remove_folder
from twin_assets.training.sweeping import SWEEPS

CHECKPOINTS = ("sft_checkpoint", "dpo_checkpoint")

Archive = Callable[[Path], None]


@dataclass(frozen=True)
class Holding:
    """Something of an author's.

    Attributes:
        what: Its name, as the table shows it.
        where: Where it lies.
        count: How many there are.
        bytes: Size of its files; 0 where it is rows of a database.
        remove: Takes it away; what is gone already is no fault.
        archive: Writes it into a folder, whole or not at all; None if it is made of what is archived.
    """

    what: str
    where: str
    count: int
    bytes: int
    remove: Callable[[], None]
    archive: Archive | None = None


def files_held(author: str, settings: Settings, assets: Sequence[str]) -> list[Holding]:
    """Return what lies in files: the author file, logged calls, artifacts, launches, exports and feedback."""
    author_file = settings.authors_dir / f"{author}.yaml"
    calls = calls_about(author, settings)
    held = [
        _path("author file", author_file),
        Holding(
            "calls of language models",
            str(UPath(settings.artifacts_root) / "llm_calls"),
            len(calls),
            sum(_size(call) for call in calls),
            lambda: _unlink(calls),
        ),
        *(_artifact(author, asset, settings) for asset in (*assets, SWEEPS)),
        *(_fetched(author, asset, settings) for asset in CHECKPOINTS),
        _launches(author, settings),
        _path("exports", settings.home / "exports" / author),
        _path("feedback", settings.home / "feedback" / f"{author}.jsonl"),
    ]
    return [holding for holding in held if holding.count]


def stores_held(author: str, settings: Settings) -> list[Holding]:
    """Return what lies in stores: documents, vectors, models and their runs."""
    return [
        holding
        for holding in (_documents(author, settings), _vectors(author, settings), _models(author, settings))
        if holding.count
    ]


def corpora_held(settings: Settings) -> Holding:
    """Return what killed trainings of the base model left of the texts of all authors.

    Nobody needs it where none goes on. It is not told apart whose it is: a file that is half written cannot be read.
    """
    root = UPath(settings.artifacts_root)
    found = [path for path in root.iterdir() if path.name.startswith(CORPUS)] if root.is_dir() else []

    def remove() -> None:
        for path in found:
            remove_folder(str(path))

    files = [file for path in found for file in _files(path)]
    return Holding("corpora of all authors", str(root), len(files), sum(_size(file) for file in files), remove)


def _path(what: str, path: Path) -> Holding:
    def remove() -> None:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    files = list(files_of(path))
    return Holding(what, str(path), len(files), size_of(path), remove, lambda into: copy_whole(path, into / path.name))


def _artifact(author: str, asset: str, settings: Settings) -> Holding:
    """Return everything of an asset that carries the author's name: table, folder, report, page, and what lies beside.

    A slug may be the beginning of another one, so that the name has to end where the slug does.
    """
    folder = ArtifactStore(root=settings.artifacts_root).path(asset)
    found = [path for path in folder.iterdir() if _is_of(path.name, author)] if folder.is_dir() else []

    def remove() -> None:
        for path in found:
            if path.is_dir():
                path.fs.rm(path.path, recursive=True)
            else:
                path.unlink(missing_ok=True)

    def archive(into: Path) -> None:
        for path in found:
            if not path.name.startswith("."):
                copy_whole(path, into / "artifacts" / asset / path.name)

    files = [file for path in found for file in _files(path)]
    return Holding(asset, str(folder), len(files), sum(_size(file) for file in files), remove, archive)


def _fetched(author: str, asset: str, settings: Settings) -> Holding:
    """Return what was fetched of a checkpoint in an object store."""
    artifacts = ArtifactStore.from_settings(settings)
    held = _path(f"{asset}, fetched", cache_of(artifacts.address(asset, author), Path(artifacts.cache)))
    return replace(held, archive=None)


def _launches(author: str, settings: Settings) -> Holding:
    """Return what lies beside the jobs of remote trainings, with the checkpoints on their way.

    The name of a job has no room for every slug. Its spec says whose it is.
    """
    root = place(settings.launches_root)
    launches = [folder for folder in root.iterdir() if _trained_for(folder) == author] if root.is_dir() else []

    def remove() -> None:
        for folder in launches:
            remove_folder(str(folder))

    files = [file for folder in launches for file in _files(folder)]
    return Holding("launches", str(root), len(files), sum(_size(file) for file in files), remove)


def _trained_for(launch: UPath) -> str | None:
    """Return the author in the spec of a launch; None if it is the training of all, or has no spec.

    Raises:
        UserError: If the spec cannot be read, so that nobody knows whose launch it is.
    """
    spec = launch / "spec.json"
    if not spec.is_file():
        return None
    try:
        author = json.loads(spec.read_text(encoding="utf-8")).get("author")
    except (ValueError, AttributeError) as error:
        raise UserError(
            f"{spec} is damaged: look whose launch that is, delete its folder and run this again."
        ) from error
    return str(author) if author else None


def _is_of(name: str, author: str) -> bool:
    """Return whether an artifact is of an author: `ann`, `ann.json`, `ann.partial-17`, `.ann.parquet.x.partial`."""
    visible = name.removeprefix(".")
    return visible == author or visible.startswith(f"{author}.")


def _documents(author: str, settings: Settings) -> Holding:
    warehouse = Warehouse.from_settings(settings)
    if not settings.mongodb_url and not Path(warehouse.path).exists():
        return Holding("documents", warehouse.uri, 0, 0, lambda: None)
    with warehouse.session() as session:
        held = session.held_of(author)
        users = [user["_id"] for user in session.users() if _slug_of(user) == author]

    def remove() -> None:
        with warehouse.session() as session:
            session.forget_author(author)
            session.forget_users(users)

    def archive(into: Path) -> None:
        with warehouse.session() as session:
            lines = [document.model_dump_json() for document in session.documents(author)]
        if lines:
            write_whole(into / "documents.jsonl", "".join(f"{line}\n" for line in lines))

    return Holding("documents", warehouse.uri, sum(held.values()) + len(users), 0, remove, archive)


def _slug_of(user: dict[str, object]) -> str | None:
    first, last = str(user.get("first_name", "")), str(user.get("last_name", ""))
    try:
        return DumpUser(user_id=str(user["_id"]), first_name=first, last_name=last).slug
    except UserError:
        return None


def _vectors(author: str, settings: Settings) -> Holding:
    store = VectorStore.from_settings(settings)
    folder = Path(store.folder) / author
    count = store.count(author) or (0 if store.url else len(list(files_of(folder))))
    return Holding(
        "vectors", store.uri(author), count, 0 if store.url else size_of(folder), lambda: store.forget(author)
    )


def _models(author: str, settings: Settings) -> Holding:
    tracker = Tracker.from_settings(settings)
    cleaner = RegistryCleaner(tracker)
    versions, runs, size = cleaner.held_of(author)

    def archive(into: Path) -> None:
        for version in tracker.versions(registered_name(author)):
            folder = into / "models" / f"version-{version.version}"
            folder.parent.mkdir(parents=True, exist_ok=True)
            if not folder.exists():
                partial = folder.with_name(f"{folder.name}.partial")
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                tracker.download(version.name, version.version, partial)
                write_whole(partial / "version.json", version.model_dump_json(indent=2) + "\n")
                partial.rename(folder)

    return Holding(
        "models and runs",
        registered_name(author),
        versions + runs,
        size,
        lambda: cleaner.forget(author),
        archive,
    )


def copy_whole(source: Path | UPath, target: Path) -> None:
    """Copy a file or a folder, whole or not at all; what stands there already is replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    _drop(partial)
    root = UPath(source)
    for file in _files(root):
        inside = file.path.removeprefix(root.path).lstrip("/")
        place = partial / inside if inside else partial
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())
    _drop(target)
    partial.rename(target)


def write_whole(path: Path, text: str) -> None:
    """Write a text whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _unlink(files: Sequence[UPath]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _drop(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _files(path: UPath) -> list[UPath]:
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]


def _size(path: UPath) -> int:
    return int(path.stat().st_size)
