"""The same settings on more GPUs: a step reads the same rows, and every GPU that can has its share."""

import os

import pytest

from resources.trainer.ecs import EcsTrainer
from resources.trainer.local import LocalTrainer
from resources.trainer.sagemaker import SageMakerTrainer
from twin_assets.settings import Settings
from twin_assets.training.compute import Compute
from twin_assets.training.hyperparameters import DPOHyperparameters, PretrainHyperparameters, SFTHyperparameters
from twin_assets.training.payload.processes import use_one_gpu
from twin_assets.training.sharing import share, together
from twin_assets_tests.training.conftest import spec_for
from twin_assets_tests.training.test_distributed import ALONE, SHARED, TWO


@pytest.mark.parametrize(
    ("batch_size", "accumulation", "gpus", "each"),
    [
        (2, 8, 1, (2, 8, 1)),
        (2, 8, 0, (2, 8, 1)),
        (2, 8, 4, (2, 2, 4)),
        (2, 8, 8, (2, 1, 8)),
        (8, 1, 4, (2, 1, 4)),
        # Five rows, or six, cannot be divided among four.
        (5, 1, 4, (5, 1, 1)),
        (3, 2, 4, (2, 1, 3)),
        (1, 1, 8, (1, 1, 1)),
    ],
)
def test_a_step_reads_the_same_rows_on_more_gpus(batch_size, accumulation, gpus, each):
    settings = SFTHyperparameters(batch_size=batch_size, gradient_accumulation=accumulation)
    shared, compute = share(settings, gpus)

    assert (shared.batch_size, shared.gradient_accumulation, compute.processes) == each
    assert share(together(shared, compute), gpus) == (shared, compute)


def test_what_two_gpus_are_given_is_what_two_processes_are_shown_to_learn_as_one_does():
    assert share(ALONE, 2) == (SHARED, TWO[0])


def test_the_batch_that_kto_compares_within_stays_whole():
    settings = DPOHyperparameters(loss="kto", batch_size=4, gradient_accumulation=2)
    shared, compute = share(settings, 4)

    assert (shared.batch_size, shared.gradient_accumulation, compute.processes) == (4, 1, 2)


def test_the_small_model_is_trained_by_one_process():
    assert share(PretrainHyperparameters(), 8) == (PretrainHyperparameters(), Compute())


CLOUD = {"artifacts_uri": "s3://bucket/artifacts", "aws_region": "eu-west-1"}


@pytest.mark.parametrize(
    ("trainer", "settings", "processes"),
    [
        (LocalTrainer, {}, 1),
        (SageMakerTrainer, {"trainer_instance_type": "ml.g5.2xlarge"}, 1),
        (SageMakerTrainer, {"trainer_instance_type": "ml.g5.12xlarge"}, 4),
        (EcsTrainer, {"ecs_gpus": 4}, 4),
        (EcsTrainer, {"ecs_gpus": 0}, 1),
    ],
)
def test_a_trainer_gives_each_of_its_gpus_a_process_and_one_leaves_the_spec_as_it_is(
    trainer, settings, processes, tmp_path
):
    spec = spec_for("sft", tmp_path, tmp_path / "out", base_model="m", base_model_version="1")
    shared = trainer.from_settings(Settings(**CLOUD, **settings)).shared(spec)

    assert shared.compute.processes == processes
    assert (shared == spec) is (processes == 1)
    assert (shared.spec_hash == spec.spec_hash) is (processes == 1)


@pytest.mark.parametrize(("visible", "seen"), [(None, "0"), ("2,3", "2"), ("", ""), ("GPU-8932f937", "GPU-8932f937")])
def test_a_process_by_itself_sees_one_gpu(visible, seen, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible or "")
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    use_one_gpu()

    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen
