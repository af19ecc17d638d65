"""What is known of a base model that was not trained here: its version, and its number of parameters."""

import hashlib
from pathlib import Path

from twin_assets.documents import content_hash
from twin_assets.errors import UserError
from twin_assets.training.storage import checkpoint_manifest, is_remote


def version_of(location: str, revision: str | None) -> str:
    """Return what identifies the weights of a base model.

    Of a local folder it is a hash of every file in it, so that other weights at the same place are another model. Of a
    checkpoint in an object store it is the version that its manifest says, by which the payload knows it. Of a hub id
    it is a hash of id and revision: nothing is downloaded to find out. A revision that moves, as `main` does, is
    therefore one version whatever it names; pin a commit.

    Args:
        location: Folder, address of a checkpoint in an object store, or hub id.
        revision: Revision of a hub id; without meaning for a folder.

    Raises:
        UserError: If the location is an absolute or dotted path, and no folder with files is there; or an address, and
            no checkpoint is there.
    """
    if is_remote(location):
        return checkpoint_manifest(location).data_version
    folder = Path(location)
    if folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
        if not files:
            raise UserError(f"{location} is an empty folder: set TWIN_BASE_MODEL to a model's folder, or to a hub id.")
        return content_hash({path.relative_to(folder).as_posix(): _sha256(path) for path in files})[:16]
    if location.startswith(("/", ".", "~")):
        raise UserError(f"{location} is not a folder: set TWIN_BASE_MODEL to a model's folder, or to a hub id.")
    return content_hash([location, revision])[:16]


def n_parameters_of(location: str, revision: str | None, *, offline: bool) -> int | None:
    """Return the number of parameters of a base model, counted on its configuration: no weights are read or downloaded.

    Weights that two layers share count once.

    Args:
        location: Folder or hub id.
        revision: Revision of a hub id; without meaning for a folder.
        offline: Whether the hub must not be asked; what was downloaded before is still found.

    Returns:
        None if the hub does not answer, or the configuration is not that of a causal language model known here.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(
            location, revision=revision or "main", local_files_only=offline, trust_remote_code=False
        )
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except (OSError, ValueError, KeyError):
        return None
    return int(model.num_parameters())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
