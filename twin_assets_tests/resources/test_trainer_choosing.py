"""Which trainer the settings name, and what is said of settings that do not suffice, before anything starts."""

import pytest

from resources.trainer import LocalTrainer, trainer_from_settings
from twin_assets.definitions import build_defs
from twin_assets.errors import UserError
from twin_assets.settings import Settings

SAGEMAKER = {
    "trainer_mode": "sagemaker",
    "artifacts_uri": "s3://bucket/artifacts",
    "aws_region": "eu-west-1",
    "trainer_image": "image",
    "trainer_role": "role",
}
ECS = {
    "trainer_mode": "ecs",
    "artifacts_uri": "s3://bucket/artifacts",
    "aws_region": "eu-west-1",
    "ecs_cluster": "gpus",
    "ecs_task_definition": "twin-trainer",
}


@pytest.fixture(autouse=True)
def no_region(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def test_trainings_run_here_unless_a_setting_says_otherwise():
    assert isinstance(trainer_from_settings(Settings()), LocalTrainer)


@pytest.mark.parametrize(("settings", "name"), [(SAGEMAKER, "SageMakerTrainer"), (ECS, "EcsTrainer")])
def test_a_mode_takes_another_trainer_and_no_other_asset(settings, name):
    there, here = build_defs(settings=Settings(**settings)), build_defs(settings=Settings())
    assert type(there.resources["trainer"]).__name__ == name
    assert {str(spec) for spec in there.resolve_all_asset_specs()} == {
        str(spec) for spec in here.resolve_all_asset_specs()
    }


@pytest.mark.parametrize(
    ("settings", "changes", "said"),
    [
        (SAGEMAKER, {"trainer_role": None}, "needs TWIN_TRAINER_ROLE: set it"),
        (
            SAGEMAKER,
            {"trainer_role": None, "aws_region": None},
            "needs TWIN_AWS_REGION and TWIN_TRAINER_ROLE: set them",
        ),
        (SAGEMAKER, {"artifacts_uri": None}, "set TWIN_ARTIFACTS_URI to an s3:// address"),
        (SAGEMAKER, {"launches_uri": "/tmp/launches"}, "TWIN_LAUNCHES_URI is /tmp/launches"),  # noqa: S108
        (SAGEMAKER, {"trainer_subnets": ["subnet-1"]}, "TWIN_TRAINER_SUBNETS and TWIN_TRAINER_SECURITY_GROUPS"),
        (SAGEMAKER, {"trainer_spot": True, "trainer_max_wait_hours": 1}, "TWIN_TRAINER_MAX_WAIT_HOURS"),
        (SAGEMAKER, {"trainer_instance_count": 4}, "TWIN_TRAINER_INSTANCE_COUNT is 4"),
        (SAGEMAKER, {"trainer_instance_type": "ml.none"}, "ml.none is not in the price table"),
        (SAGEMAKER, {"base_model": "/"}, "cannot reach the folder /"),
        (ECS, {"ecs_cluster": None}, "needs TWIN_ECS_CLUSTER"),
        (ECS, {"ecs_launch_type": "FARGATE"}, "Fargate has no GPUs"),
    ],
)
def test_settings_that_do_not_suffice_are_refused_in_a_sentence_that_names_them(settings, changes, said):
    with pytest.raises(UserError, match=said) as refusal:
        build_defs(settings=Settings(**{**settings, **changes}))
    assert "\n" not in str(refusal.value)


def test_lists_and_tags_are_written_with_commas(monkeypatch):
    monkeypatch.setenv("TWIN_TRAINER_SUBNETS", "subnet-1, subnet-2")
    monkeypatch.setenv("TWIN_TRAINER_TAGS", "team=writing,stage=production")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    settings = Settings()
    assert settings.trainer_subnets == ["subnet-1", "subnet-2"]
    assert settings.trainer_tags == {"team": "writing", "stage": "production"}
    assert settings.aws_region == "eu-central-1"
