"""Where a run finds its dataset and its base model, and leaves its checkpoint: on this machine, whatever the addresses.

What lies in an object store is fetched into a scratch folder first; the checkpoint is trained beside it, and published
by the program when it is whole. See `training.storage` for how.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twin_assets.training.dataset_hashes import check_dataset
from twin_assets.training.manifest import read_manifest
from twin_assets.training.payload.launcher import Launcher
from twin_assets.training.spec import TrainingError, TrainingSpec
from twin_assets.training.storage import (
    fetch_checkpoint,
    fetch_folder,
    is_remote,
    local_folder,
    place,
    publish_folder,
    read_text,
    remove_folder,
)


@contextmanager
def spec_at_hand(spec: str) -> Iterator[Path]:
    """Yield the file of a spec that is given by its path or its address; a fetched one goes away with the block.

    Raises:
        TrainingError: If there is none at its address.
        StorageError: If the store refuses or does not answer.
    """
    if not is_remote(spec):
        yield Path(spec)
        return
    text = read_text(place(spec))
    if text is None:
        raise TrainingError(f"{spec} is not there: check the address.")
    # A folder that nobody else may read: the spec may hold the password of a tracking server.
    with tempfile.TemporaryDirectory(prefix="twin-spec-") as folder:
        file = Path(folder) / "spec.json"
        file.write_text(text, encoding="utf-8")
        yield file


CHECKPOINTS_VARIABLE = "TWIN_CHECKPOINTS"
"""Names the folder, or the address, in which every spec has a folder for its checkpoints."""

PROBE = ".probe"


@contextmanager
def brought_here(asked: TrainingSpec, launcher: Launcher) -> Iterator[TrainingSpec]:
    """Yield the spec with addresses on this machine; what was fetched for it goes away with the block.

    Raises:
        UserError: If something is not at its address, or is no longer what it was when the training was launched, or
            the result could not be written to its own.
    """
    remote = [
        address for address in (asked.dataset_uri, asked.base_model, asked.output_uri) if is_remote(address or "")
    ]
    if not remote:
        check_dataset(asked, local_folder(asked.dataset_uri))
        yield asked
        return
    with tempfile.TemporaryDirectory(prefix="twin-payload-") as name:
        scratch = Path(name)
        if is_remote(asked.dataset_uri):
            launcher.say(f"The dataset comes from {asked.dataset_uri}")
        dataset = fetch_folder(asked.dataset_uri, scratch / "dataset")
        check_dataset(asked, dataset)
        base_model = asked.base_model
        if base_model and is_remote(base_model):
            launcher.say(f"The base model comes from {base_model}")
            base_model = str(fetch_base_model(asked, base_model, scratch / "models"))
        output = asked.output_uri
        if is_remote(output):
            check_writable(output, scratch / "probe")
            output = str(scratch / "checkpoint")
        yield asked.model_copy(update={"dataset_uri": str(dataset), "base_model": base_model, "output_uri": output})


def fetch_base_model(asked: TrainingSpec, address: str, cache: Path) -> Path:
    """Return the folder on this machine of the model that a training was launched to start from.

    Args:
        asked: The spec as it was given.
        address: Where the model lies in an object store.
        cache: Folder that keeps what was fetched.

    Raises:
        TrainingError: If another model has taken its place since.
        UserError: If there is none, or the store does not answer.
    """
    folder = fetch_checkpoint(address, cache)
    if read_manifest(folder).data_version != asked.base_model_version:
        raise TrainingError(
            f"The model at {address} changed after this training was launched to start from it: build again, and what "
            "is there now is started from."
        )
    return folder


def check_writable(address: str, scratch: Path) -> None:
    """Write to an address of an object store, and remove it again, before hours are paid for what goes there.

    Args:
        address: Where the checkpoint will go.
        scratch: Folder on this machine that is not there yet.

    Raises:
        StorageError: If the store refuses or does not answer.
    """
    scratch.mkdir()
    (scratch / "probe").touch()
    publish_folder(scratch, f"{address.rstrip('/')}/{PROBE}")
    remove_folder(f"{address.rstrip('/')}/{PROBE}")


def with_checkpoints(here: TrainingSpec, asked: TrainingSpec) -> TrainingSpec:
    """Return the spec with the root of its checkpoints.

    Args:
        here: The run, with addresses on this machine.
        asked: The spec as it was given: if its output is in an object store, the checkpoints are, too, because this
            machine may not be there again after an interruption.
    """
    beside_output = f"{asked.output_uri.rstrip('/')}.checkpoints" if is_remote(asked.output_uri) else None
    root = asked.saving.root or os.environ.get(CHECKPOINTS_VARIABLE) or beside_output
    return here.model_copy(update={"saving": here.saving.model_copy(update={"root": root})})
