"""The version of a base model that was not trained here."""

import hashlib
from pathlib import Path

from twin_assets.documents import content_hash
from twin_assets.errors import UserError


def version_of(location: str, revision: str | None) -> str:
    """Return what identifies the weights of a base model.

    Of a local folder it is a hash of every file in it, so that other weights at the same place are another model. Of a
    hub id it is a hash of id and revision: nothing is downloaded to find out. A revision that moves, as `main` does, is
    therefore one version whatever it names; pin a commit.

    Args:
        location: Folder or hub id.
        revision: Revision of a hub id; without meaning for a folder.

    Raises:
        UserError: If the location is an absolute or dotted path, and no folder with files is there.
    """
    folder = Path(location)
    if folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
        if not files:
            raise UserError(f"{location} is an empty folder: set TWIN_BASE_MODEL to a model's folder, or to a hub id.")
        return content_hash({path.relative_to(folder).as_posix(): _sha256(path) for path in files})[:16]
    if location.startswith(("/", ".", "~")):
        raise UserError(f"{location} is not a folder: set TWIN_BASE_MODEL to a model's folder, or to a hub id.")
    return content_hash([location, revision])[:16]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
