"""The payload as a program: `python -m twin_assets.training.payload SPEC`.

SPEC is a file or an address such as s3://bucket/spec.json; without it, or with the word `train`, the program is the
container of a SageMaker training job and finds its instructions there.

Exit codes: 0 for a checkpoint that is in its place, or one of `exit_codes`; anything else is a fault of the program or
the machine.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from twin_assets.errors import UserError
from twin_assets.training.chat_template import CHAT_TEMPLATES
from twin_assets.training.manifest import Manifest
from twin_assets.training.payload.container import TRAIN, Refuse, train_in_container
from twin_assets.training.payload.exit_codes import REFUSED, STORAGE_EXIT_CODE
from twin_assets.training.payload.launcher import ConsoleLauncher, Launcher, open_launcher
from twin_assets.training.payload.places import CHECKPOINTS_VARIABLE, brought_here, spec_at_hand, with_checkpoints
from twin_assets.training.payload.processes import (
    check_machine,
    end_with_the_parent,
    is_one_of_several,
    leave_word,
    scratch_folder,
    start_processes,
    use_one_gpu,
    wants_processes,
    word_left,
)
from twin_assets.training.payload.rows import patience_of, read_rows, read_rows_for_choosing
from twin_assets.training.spec import TrainingError, TrainingSpec
from twin_assets.training.storage import StoreAwayError, local_folder


def main(arguments: list[str] | None = None) -> int:
    """Train what the spec file asks for.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m twin_assets.training.payload", description="Train one checkpoint of a training spec."
    )
    parser.add_argument(
        "spec",
        nargs="?",
        default=TRAIN,
        help="JSON that TrainingSpec.write wrote, as a file or an address; 'train' in a SageMaker container",
    )
    parser.add_argument("--checkpoints", help="folder or address for checkpoints on the way (or TWIN_CHECKPOINTS)")
    parser.add_argument("--parent", type=int, help="id of the process that waits for this one, which ends with it")
    parser.add_argument("--asked", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.checkpoints:
        os.environ[CHECKPOINTS_VARIABLE] = given.checkpoints
    if given.parent or is_one_of_several():
        end_with_the_parent(given.parent)
    # Both, and explicitly: a launcher that itself runs in the background hands down a SIGINT that is ignored.
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, _cancel)
    if given.spec == TRAIN:
        return train_in_container(train)
    return train(given.spec, _refuse, given.asked)


def train(spec: str, refuse: Refuse, asked_file: Path | None = None) -> int:
    """Train what the spec at a path or an address asks for.

    Args:
        spec: The path or the address.
        refuse: Who is told why nothing was trained.
        asked_file: The spec as it was given, if another process brought its data here already.

    Returns:
        The exit code.
    """
    try:
        with spec_at_hand(spec) as spec_file:
            if wants_processes(spec_file):
                return run_in_processes(spec_file)
            with open_launcher() as launcher:
                # Ends here, so that only its sentence is reported: what caused it may show the address of a server,
                # and a password in it.
                refusal = refused(lambda: run(spec_file, launcher, asked_file))
                if refusal is None:
                    return 0
                launcher.fail(str(refusal))
    except UserError as error:
        refusal = error
    leave_word(str(refusal)) if is_one_of_several() else refuse(str(refusal))
    return STORAGE_EXIT_CODE if isinstance(refusal, StoreAwayError) else REFUSED


def refused(training: Callable[[], None]) -> UserError | None:
    """Run a training and return why it was refused, None if it was not."""
    try:
        training()
    except UserError as error:
        return error
    return None


def run_in_processes(spec_file: Path) -> int:
    """Check the spec, bring its data to this machine, and start the processes that train it.

    Only what is refused before they start is reported from here; all else the first of them reports.

    Returns:
        The exit code that they came to.

    Raises:
        TrainingError: If the spec, or what a process of it came to, is refused.
        StorageError: If a store refuses or does not answer.
    """
    try:
        asked = TrainingSpec.read(spec_file)
        check_chat_template(asked)
        check_machine(asked.compute)
        with brought_here(asked, ConsoleLauncher()) as here, scratch_folder() as scratch:
            for split in ("train", "test"):
                read_rows(local_folder(here.dataset_uri), here.stage, split=split)
            patience = patience_of(here.hyperparameters)
            read_rows_for_choosing(local_folder(here.dataset_uri), here.stage, patience=patience)
            here.write(scratch / "here.json")
            asked.write(scratch / "asked.json")
            program = [str(scratch / "here.json"), "--asked", str(scratch / "asked.json")]
            code = start_processes(asked.compute, program, scratch)
            refusal = word_left(scratch)
    except UserError as error:
        with open_launcher() as launcher:
            launcher.fail(str(error))
        raise
    if code == REFUSED and refusal:
        raise TrainingError(refusal)
    if code == STORAGE_EXIT_CODE and refusal:
        raise StoreAwayError(refusal)
    return code


def run(spec_file: Path, launcher: Launcher, asked_file: Path | None = None) -> None:
    """Read the spec and its dataset, train, and report the checkpoint.

    Args:
        spec_file: The spec.
        launcher: Who is told of the progress.
        asked_file: The spec as it was given, if another process brought its data here already.

    Raises:
        TrainingError: If anything is wrong with the spec, the dataset or the result.
        StorageError: If a store refuses or does not answer.
    """
    given = TrainingSpec.read(spec_file)
    asked = TrainingSpec.read(asked_file) if asked_file else given
    check_chat_template(asked)
    with brought_here(given, launcher) as here:
        spec = with_checkpoints(here, asked)
        manifest = train_here(spec, asked, launcher)
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
    validation = read_rows_for_choosing(dataset, spec.stage, patience=patience_of(spec.hyperparameters))
    launcher.say(f"{spec.stage} on {len(train)} rows, {len(test)} held out")
    if not is_one_of_several():
        use_one_gpu()
    # cuBLAS is deterministic only with a fixed workspace, and reads this when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    # Imported last: torch takes seconds, and a spec that is refused needs none of it.
    from twin_assets.training.payload.training import train_checkpoint

    return train_checkpoint(spec, train, test, launcher, asked=asked, validation=validation)


def check_chat_template(spec: TrainingSpec) -> None:
    """Refuse a spec whose dataset and server use another chat template than this payload.

    Raises:
        TrainingError: If the hashes differ.
    """
    own = CHAT_TEMPLATES[spec.chat_template].hash
    if spec.chat_template_hash != own:
        raise TrainingError(
            f"The spec asks for chat template {spec.chat_template} {spec.chat_template_hash[:12]}, this payload has "
            f"{own[:12]}: "
            "run the payload of the same version as the platform."
        )


def _refuse(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")


def _cancel(signal_number: int, frame: FrameType | None) -> NoReturn:
    """End like on Ctrl-C, so that what was begun is removed."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
