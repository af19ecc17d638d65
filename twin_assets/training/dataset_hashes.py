"""The files of a dataset by their hashes: what a training was launched on, and whether that is what it finds.

A dataset is replaced in its place, file by file, while a job that was launched on it may wait days for its machine. How
datasets are fetched stands in `storage`; what their rows must be like, in `payload.rows`.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

from twin_assets.documents import SPLITS
from twin_assets.training.spec import TrainingError, TrainingSpec
from twin_assets.training.storage import place, trouble_told


def dataset_hashes(address: str) -> dict[str, str]:
    """Return the SHA-256 of each Parquet file of the dataset at an address, by the file's name.

    Raises:
        StorageError: If a file that is there cannot be read.
    """
    hashes = {}
    for path in (place(address) / f"{split}.parquet" for split in SPLITS):
        with trouble_told(f"{path} cannot be read"), suppress(FileNotFoundError):
            path.fs.invalidate_cache()
            hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes


def check_dataset(asked: TrainingSpec, folder: Path) -> None:
    """Refuse a dataset that is another one than the training was launched on.

    A spec without hashes, as one that is older or was written by hand, is trained on what is there.

    Args:
        asked: The spec as it was given.
        folder: Where its dataset lies on this machine.

    Raises:
        TrainingError: If a file changed, came or went.
    """
    if asked.dataset_hashes is None:
        return
    changed = sorted(dict(asked.dataset_hashes.items() ^ dataset_hashes(str(folder)).items()))
    if changed:
        raise TrainingError(
            f"The dataset at {asked.dataset_uri} changed after this training was launched ({', '.join(changed)}): "
            "build again, and what is there now is trained on."
        )
