"""The contract of a SageMaker training container: where it finds its instructions, and where it leaves word.

    <base>/input/config/hyperparameters.json   what the job was given, every value a text
    <base>/checkpoints/                        kept by SageMaker, and there again after an interruption
    <base>/output/failure                      why the job failed, in the description of the job

`<base>` is `/opt/ml`, or `SAGEMAKER_BASE_DIR`, as the SageMaker training toolkit calls it. What is trained, and where
the result goes, stands in the spec.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from twin_assets.training.payload.exit_codes import REFUSED
from twin_assets.training.spec import TrainingError

TRAIN = "train"
"""What SageMaker starts every container with: `docker run IMAGE train`."""

LONGEST_FAILURE = 1024
"""Characters of the file `failure` that SageMaker takes over (developer guide, "How Amazon SageMaker processes training
output")."""

PASSED_ON = ("DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES")
"""Hyperparameters that are environment variables to the payload."""

Refuse = Callable[[str], None]


def base_folder() -> Path:
    """Return the folder of the contract."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def train_in_container(train: Callable[[str, Refuse], int]) -> int:
    """Run the payload as SageMaker asks for it.

    Args:
        train: Takes the address of the spec and who is told of a refusal, and returns the exit code.

    Returns:
        The exit code; whatever is not 0 fails the job.
    """
    try:
        spec = instructions()
        # All else is told through Pipes: whoever opens the machine's own log reads where to look.
        sys.stdout.write(f"training {spec}; its progress is in the log of the Dagster run\n")
        sys.stdout.flush()
        return train(spec, _refuse)
    except TrainingError as error:
        _refuse(str(error))
        return REFUSED
    except Exception as error:  # noqa: BLE001 - whatever it is, the job's description is to name it
        traceback.print_exc()
        write_failure(f"{type(error).__name__}: {error}")
        return 1


def instructions() -> str:
    """Put what the job was given into the environment, and return the address of its spec.

    Raises:
        TrainingError: If there are no instructions, or they name no spec.
    """
    path = base_folder() / "input" / "config" / "hyperparameters.json"
    try:
        given: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{path} cannot be read ({error}): give a SPEC, or start the container as a training job."
        ) from error
    if not given.get("spec"):
        raise TrainingError(f"{path} names no spec: start the job with the platform.")
    for name in PASSED_ON:
        if name in given:
            os.environ[name] = given[name]
    if region := given.get("region"):
        os.environ.setdefault("AWS_DEFAULT_REGION", region)
    if given.get("hub_offline") == "1":
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TWIN_CHECKPOINTS", str(base_folder() / "checkpoints"))
    return given["spec"]


def write_failure(message: str) -> None:
    """Leave word of why the job fails."""
    path = base_folder() / "output" / "failure"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(message[:LONGEST_FAILURE], encoding="utf-8")


def _refuse(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
    write_failure(message)
