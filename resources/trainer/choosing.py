"""Which trainer the settings name, and whether they say enough for it: told before anything starts."""

from pathlib import Path

from resources.trainer.contract import Trainer
from resources.trainer.local import LocalTrainer
from twin_assets.errors import UserError
from twin_assets.settings import Settings

NEEDED = {
    "sagemaker": ("aws_region", "trainer_image", "trainer_role"),
    "ecs": ("aws_region", "ecs_cluster", "ecs_task_definition"),
}
"""The settings that a mode cannot do without, and that have no default."""


def trainer_from_settings(settings: Settings) -> Trainer:
    """Return the trainer that the settings name.

    Raises:
        UserError: If a setting is missing for it, or two of them do not go together.
    """
    if settings.trainer_mode == "local":
        return LocalTrainer.from_settings(settings)
    check_settings(settings)
    try:
        if settings.trainer_mode == "sagemaker":
            from resources.trainer.sagemaker import SageMakerTrainer

            return SageMakerTrainer.from_settings(settings)
        from resources.trainer.ecs import EcsTrainer

        return EcsTrainer.from_settings(settings)
    except ModuleNotFoundError as error:
        raise UserError(
            f"TWIN_TRAINER_MODE={settings.trainer_mode} needs {error.name}: install the extra, twin-assets[aws]."
        ) from error


def check_settings(settings: Settings) -> None:
    """Make sure that a remote trainer can be reached and reaches what it needs.

    Raises:
        UserError: If a setting is missing, or two of them do not go together.
    """
    mode = settings.trainer_mode
    missing = [f"TWIN_{name.upper()}" for name in NEEDED[mode] if not getattr(settings, name)]
    if missing:
        raise UserError(
            f"TWIN_TRAINER_MODE={mode} needs {_listed(missing)}: set {'it' if not missing[1:] else 'them'}."
        )
    if not settings.artifacts_root.startswith("s3://"):
        raise UserError(
            f"TWIN_TRAINER_MODE={mode} trains on another machine, which cannot reach {settings.artifacts_root}: "
            "set TWIN_ARTIFACTS_URI to an s3:// address."
        )
    if Path(settings.base_model).is_dir():
        raise UserError(
            f"TWIN_TRAINER_MODE={mode} trains on another machine, which cannot reach the folder {settings.base_model}: "
            "set TWIN_BASE_MODEL to a hub id."
        )
    if settings.launches_uri and not settings.launches_uri.startswith("s3://"):
        raise UserError(f"TWIN_LAUNCHES_URI is {settings.launches_uri}: the jobs need an s3:// address.")
    if mode == "sagemaker" and settings.trainer_instance_count > 1:
        raise UserError(
            f"TWIN_TRAINER_INSTANCE_COUNT is {settings.trainer_instance_count}, but a training runs on one instance: "
            "set it to 1, and TWIN_TRAINER_INSTANCE_TYPE to one with more GPUs."
        )
    if mode == "sagemaker" and bool(settings.trainer_subnets) != bool(settings.trainer_security_groups):
        raise UserError("A job in a VPC needs both: set TWIN_TRAINER_SUBNETS and TWIN_TRAINER_SECURITY_GROUPS.")
    if mode == "sagemaker" and settings.trainer_spot and settings.trainer_max_wait_hours < settings.trainer_max_hours:
        raise UserError(
            "TWIN_TRAINER_MAX_WAIT_HOURS counts the training too: set it to TWIN_TRAINER_MAX_HOURS or more."
        )
    if mode == "ecs" and settings.ecs_gpus and settings.ecs_launch_type == "FARGATE":
        raise UserError("Fargate has no GPUs: set TWIN_ECS_LAUNCH_TYPE to EC2, or TWIN_ECS_GPUS to 0.")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
