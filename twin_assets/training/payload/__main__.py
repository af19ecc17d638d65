"""The payload as a program: `python -m twin_assets.training.payload SPEC.json`.

Exit codes: 0 for a checkpoint that is in its place; 2 for a spec, dataset or result that was refused with a reason,
where a retry cannot help; anything else is a fault of the program or the machine.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from twin_assets.errors import UserError
from twin_assets.training.chat_template import chat_template_hash
from twin_assets.training.manifest import Manifest
from twin_assets.training.payload.launcher import Launcher, open_launcher
from twin_assets.training.payload.places import brought_here
from twin_assets.training.payload.rows import read_rows
from twin_assets.training.spec import TrainingError, TrainingSpec
from twin_assets.training.storage import is_remote, local_folder, publish_checkpoint

REFUSED = 2


def main(arguments: list[str] | None = None) -> int:
    """Train what the spec file asks for.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m twin_assets.training.payload", description="Train one checkpoint of a training spec."
    )
    parser.add_argument("spec", type=Path, help="JSON file that TrainingSpec.write wrote")
    spec_file = parser.parse_args(arguments).spec
    # Both, and explicitly: a launcher that itself runs in the background hands down a SIGINT that is ignored.
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, _cancel)
    try:
        with open_launcher() as launcher:
            try:
                run(spec_file, launcher)
            except UserError as error:
                launcher.fail(str(error))
                raise
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return REFUSED
    return 0


def run(spec_file: Path, launcher: Launcher) -> None:
    """Read the spec and its dataset, train, and report the checkpoint.

    Raises:
        TrainingError: If anything is wrong with the spec, the dataset or the result.
    """
    asked = TrainingSpec.read(spec_file)
    check_chat_template(asked)
    with brought_here(asked, launcher) as spec:
        manifest = train_here(spec, asked, launcher)
        if manifest and is_remote(asked.output_uri):
            launcher.say(f"The checkpoint goes to {asked.output_uri}")
            publish_checkpoint(local_folder(spec.output_uri), asked.output_uri)
    if manifest:
        launcher.finish(
            {**manifest.metrics, "spec_hash": manifest.spec_hash, "seed": asked.seed},
            data_version=manifest.data_version,
        )


def train_here(spec: TrainingSpec, asked: TrainingSpec, launcher: Launcher) -> Manifest | None:
    """Train on a dataset that lies on this machine.

    Args:
        spec: The run, with addresses on this machine.
        asked: The spec as it was given.
        launcher: Who is told of the progress.
    """
    dataset = local_folder(spec.dataset_uri)
    train = read_rows(dataset, spec.stage, split="train")
    test = read_rows(dataset, spec.stage, split="test")
    launcher.say(f"{spec.stage} on {len(train)} rows, {len(test)} held out")
    # cuBLAS is deterministic only with a fixed workspace, and reads this when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    # Imported last: torch takes seconds, and a spec that is refused needs none of it.
    from twin_assets.training.payload.training import train_checkpoint

    return train_checkpoint(spec, train, test, launcher, asked=asked)


def check_chat_template(spec: TrainingSpec) -> None:
    """Refuse a spec whose dataset and server use another chat template than this payload.

    Raises:
        TrainingError: If the hashes differ.
    """
    own = chat_template_hash()
    if spec.chat_template_hash != own:
        raise TrainingError(
            f"The spec asks for chat template {spec.chat_template_hash[:12]}, this payload has {own[:12]}: "
            "run the payload of the same version as the platform."
        )


def _cancel(signal_number: int, frame: FrameType | None) -> NoReturn:
    """End like on Ctrl-C, so that what was begun is removed."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
