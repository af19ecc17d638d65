"""Checkpoints and datasets at their address: a local folder, or a folder of an object store such as s3://bucket/key.

The platform and the payload both use this, so that a checkpoint goes straight from the training machine to the store.
How a local checkpoint takes the place of its predecessor stands in `payload.checkpoint`; what a manifest is, in
`manifest`. An object store cannot rename a folder, so a checkpoint there is published in two steps:

    <address>/<hash of the files>/...    every file, and the manifest that names them
    <address>/manifest.json              the same manifest, written last: what the checkpoint is from then on
"""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError
from upath import UPath

from twin_assets.documents import content_hash
from twin_assets.errors import UserError
from twin_assets.training.history import parse_history
from twin_assets.training.manifest import HISTORY, MANIFEST, Manifest, ManifestError, read_manifest, verify_manifest

LOCAL = ("", "file")

PATIENCE = {"retries": {"mode": "standard", "max_attempts": 8}}
"""How botocore meets a store that is away for a moment: eight tries, further and further apart, about a minute."""


BUSY = (errno.EBUSY, errno.EIO, getattr(errno, "EREMOTEIO", errno.EIO))
"""What s3fs calls a store that is busy, or that failed by itself (`s3fs.errors`)."""


class StorageError(UserError):
    """A folder that cannot be read from, or written to, its address."""


class StoreAwayError(StorageError):
    """A store that does not answer, or not now: the same can succeed later, unlike what it forbids."""


def is_remote(address: str) -> bool:
    """Return whether an address is in an object store; a path, a `file://` address and a hub id are not."""
    scheme, separator, _ = address.partition("://")
    return bool(separator) and scheme not in LOCAL


def local_folder(address: str) -> Path:
    """Return the folder that a local address names.

    Raises:
        StorageError: If the address is in an object store.
    """
    if is_remote(address):
        raise StorageError(f"{address} is not a local folder: it has to be fetched first.")
    return Path(address.removeprefix("file://")).absolute()


def place(address: str) -> UPath:
    """Return where an address leads, for reading and writing; credentials and endpoint are the environment's."""
    return UPath(address, config_kwargs=PATIENCE) if address.startswith("s3://") else UPath(address)


def checkpoint_manifest(address: str) -> Manifest:
    """Return the manifest of the checkpoint at an address, without a look at the files it names.

    Raises:
        ManifestError: If there is none, or it is not a manifest.
        StorageError: If the store does not answer.
    """
    if not is_remote(address):
        return read_manifest(local_folder(address))
    text = read_text(place(address) / MANIFEST)
    if text is None:
        raise ManifestError(f"{address} is not a checkpoint: it has no {MANIFEST}; train it first.")
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise ManifestError(f"{address}/{MANIFEST} is damaged: train the checkpoint again.") from error


def verified_checkpoint(address: str) -> Manifest:
    """Return the manifest of a checkpoint that is whole at its address.

    A local one is hashed, file by file. Of one in an object store, which guards what it holds by checksums of its own,
    only names and sizes are compared: hashing would fetch it all.

    Raises:
        ManifestError: If a file is missing or changed.
        StorageError: If the store does not answer.
    """
    if not is_remote(address):
        return verify_manifest(local_folder(address))
    manifest = checkpoint_manifest(address)
    folder = _published(address, manifest)
    sizes = _sizes(folder)
    for name, record in sorted(manifest.files.items()):
        if sizes.get(name) != record.size:
            raise ManifestError(f"{folder} lacks {name}, or holds another: train the checkpoint again.")
    return manifest


def checkpoint_history(address: str) -> list[dict[str, Any]]:
    """Return the log of the training of the checkpoint at an address, without fetching its weights.

    Raises:
        ManifestError: If the checkpoint, or its log, is not there.
        StorageError: If the store does not answer.
    """
    folder = _published(address, checkpoint_manifest(address)) if is_remote(address) else UPath(local_folder(address))
    text = read_text(folder / HISTORY)
    if text is None:
        raise ManifestError(f"{address} has no {HISTORY}: train the checkpoint again.")
    return parse_history(text)


def checkpoint_files(address: str) -> UPath:
    """Return where the files of the checkpoint at an address lie, for those who read one of them and fetch nothing.

    Raises:
        ManifestError: If an object store holds no checkpoint there.
        StorageError: If the store does not answer.
    """
    if not is_remote(address):
        return UPath(local_folder(address))
    return _published(address, checkpoint_manifest(address))


def fetch_checkpoint(address: str, cache: Path) -> Path:
    """Return a checkpoint's folder on this machine; one in an object store is fetched, once, and verified.

    Args:
        address: Where the checkpoint lies.
        cache: Folder that keeps what was fetched. Of each address it keeps the newest only.

    Raises:
        ManifestError: If it is not there, or what arrived is not what its manifest says.
        StorageError: If the store does not answer.
    """
    if not is_remote(address):
        return local_folder(address)
    manifest = checkpoint_manifest(address)
    home = cache_of(address, cache)
    folder = home / _files_hash(manifest)
    if not folder.exists():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=home) as scratch:
            arrived = Path(scratch) / folder.name
            _fetch(_published(address, manifest), arrived)
            verify_manifest(arrived)
            if not folder.exists():  # Another process may have been quicker.
                arrived.rename(folder)
        for older in home.iterdir():
            if older != folder and not older.name.startswith("."):
                shutil.rmtree(older, ignore_errors=True)
    return folder


def cache_of(address: str, cache: Path) -> Path:
    """Return the folder that keeps what was fetched from an address."""
    return cache / content_hash(address)[:16]


def publish_checkpoint(folder: Path, address: str) -> None:
    """Put a whole checkpoint at an address of an object store; until the last step its predecessor stays in force.

    Raises:
        ManifestError: If `folder` is not what its manifest says.
        StorageError: If the store refuses or does not answer.
    """
    manifest = verify_manifest(folder)
    target = _published(address, manifest)
    before = read_text(place(address) / MANIFEST)
    publish_folder(folder, str(target))
    with trouble_told(f"{address} cannot be written", writing=True):
        (place(address) / MANIFEST).write_text((folder / MANIFEST).read_text(encoding="utf-8"), encoding="utf-8")
    _forget_all_but(address, keep={target.name, *_files_hash_of(before)})


def read_text(path: UPath) -> str | None:
    """Return what a file of an object store holds, None if it is not there.

    Raises:
        StorageError: If the store refuses or does not answer.
    """
    with trouble_told(f"{path} cannot be read"), suppress(FileNotFoundError):
        path.fs.invalidate_cache()
        return path.read_text(encoding="utf-8")
    return None


def holds_files(address: str) -> bool:
    """Return whether anything lies at an address of an object store.

    Raises:
        StorageError: If the store does not answer.
    """
    return bool(_sizes(place(address)))


def folders_at(address: str) -> set[str]:
    """Return the names of the folders at an address of an object store that hold files.

    Raises:
        StorageError: If the store does not answer.
    """
    return {PurePosixPath(name).parts[0] for name in _sizes(place(address)) if "/" in name}


def fetch_folder(address: str, into: Path) -> Path:
    """Return a folder on this machine that holds the files of an address; from an object store they are fetched.

    Raises:
        StorageError: If nothing is there, or the store does not answer.
    """
    if not is_remote(address):
        return local_folder(address)
    if not _sizes(place(address)):
        raise StorageError(f"{address} holds no files: build what should lie there first.")
    _fetch(place(address), into)
    return into


def publish_folder(folder: Path, address: str) -> None:
    """Put every file of a folder at an address of an object store, over what is there.

    Raises:
        StorageError: If the store refuses or does not answer.
    """
    target = place(address)
    with trouble_told(f"{address} cannot be written", writing=True):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                target.fs.put_file(str(path), f"{target.path.rstrip('/')}/{path.relative_to(folder).as_posix()}")


def remove_folder(address: str) -> None:
    """Remove everything at an address, as far as it is there.

    Raises:
        StorageError: If the store refuses or does not answer.
    """
    with trouble_told(f"{address} cannot be removed"), suppress(FileNotFoundError):
        target = place(address)
        target.fs.rm(target.path, recursive=True)


def _published(address: str, manifest: Manifest) -> UPath:
    return place(address) / _files_hash(manifest)


def _files_hash(manifest: Manifest) -> str:
    """Return the name of the folder that holds the files: of the model, its adapter and its log."""
    return content_hash({name: record.sha256 for name, record in manifest.files.items()})[:16]


def _files_hash_of(text: str | None) -> list[str]:
    try:
        return [_files_hash(Manifest.model_validate_json(text))] if text else []
    except ValidationError:
        return []  # A damaged predecessor keeps nothing alive.


def _forget_all_but(address: str, keep: set[str]) -> None:
    """Remove what was published at an address before, but for `keep`: a reader may still be at the predecessor."""
    with trouble_told(f"{address} cannot be tidied"):
        home = place(address)
        home.fs.invalidate_cache()
        for entry in home.fs.ls(home.path, detail=False):
            name = PurePosixPath(entry).name
            if name not in keep and name != MANIFEST:
                home.fs.rm(entry, recursive=True)


def _sizes(folder: UPath) -> dict[str, int]:
    """Return the bytes of every file below a folder of an object store, by relative path."""
    base = folder.path.rstrip("/") + "/"
    found: dict[str, dict[str, Any]] = {}
    with trouble_told(f"{folder} cannot be read"), suppress(FileNotFoundError):
        folder.fs.invalidate_cache()
        found = folder.fs.find(folder.path, detail=True)
    return {name.removeprefix(base): int(entry["size"]) for name, entry in found.items() if entry["type"] == "file"}


def _fetch(folder: UPath, into: Path) -> None:
    for name in _sizes(folder):
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with trouble_told(f"{folder / name} cannot be fetched"):
            folder.fs.get_file(f"{folder.path.rstrip('/')}/{name}", str(target))


@contextmanager
def trouble_told(what: str, *, writing: bool = False) -> Iterator[None]:
    """Turn what a store, or the way to it, says into a sentence; a file that is not there is the reader's to judge.

    To one who writes, what is not there is the bucket.

    Raises:
        StorageError: If the store refuses; a StoreAwayError if it does not answer after all tries.
    """
    try:
        yield
    except FileNotFoundError as error:
        if writing:
            raise StorageError(f"{what} ({error}): check the address.") from error
        raise
    except ImportError as error:
        raise StorageError(f"{what}: install what talks to object stores, `pip install 'twin-assets[aws]'`.") from error
    except Exception as error:
        # s3fs turns a refusal into an OSError, but lets through what botocore says of the way there; it is not imported
        # here, because a platform without an object store does not have it.
        if not isinstance(error, OSError) and not type(error).__module__.startswith("botocore."):
            raise
        kind = StoreAwayError if _may_pass(error) else StorageError
        raise kind(f"{what} ({error}): check the address, the credentials and the store.") from error


def _may_pass(error: Exception) -> bool:
    """Return whether the same may succeed later; what is no OSError, botocore says of the way to the store."""
    return not isinstance(error, OSError) or isinstance(error, ConnectionError | TimeoutError) or error.errno in BUSY
