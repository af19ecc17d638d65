"""Several processes train one checkpoint: real ones, over gloo, on this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from twin_assets.training.compute import Compute, Saving
from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters
from twin_assets.training.manifest import Manifest, read_manifest, verify_manifest
from twin_assets.training.spec import TrainingError
from twin_assets_tests.training.conftest import spec_for, start, train

TWO = {stage: Compute(processes_per_node=2, zero_stage=stage) for stage in (0, 2, 3)}
# 24 rows: three steps make an epoch, in one process of 8 rows or in two of 4. The dropout of two processes draws
# differently, so there is none where they are held against one.
ALONE = SFTHyperparameters(max_steps=6, epochs=2, batch_size=8, lora_rank=4, lora_alpha=8)
SHARED = ALONE.model_copy(update={"batch_size": 4})
LONG = SFTHyperparameters(max_steps=5_000, epochs=5_000, batch_size=4, lora_rank=4, lora_alpha=8)


@pytest.fixture(scope="module")
def alone(base, datasets, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    train(spec_for("sft", datasets["sft"], folder / "sft", base=base, hyperparameters=ALONE), folder)
    return folder / "sft"


def largest_difference(one: Path, other: Path) -> float:
    """Return the largest difference between two adapters' weights."""
    from safetensors.torch import load_file

    weights, others = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (one, other))
    assert weights.keys() == others.keys()
    return max((weights[name] - others[name]).abs().max().item() for name in weights)


@pytest.mark.parametrize("zero_stage", [0, 2, 3])
def test_two_processes_learn_what_one_learns(zero_stage, alone, base, datasets, tmp_path):
    spec = spec_for(
        "sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=SHARED, compute=TWO[zero_stage]
    )
    process = start(spec, tmp_path)
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors

    metrics, expected = verify_manifest(tmp_path / "sft").metrics, read_manifest(alone).metrics
    assert metrics["steps"] == expected["steps"]
    assert metrics["tokens"] == expected["tokens"], "every row is seen, by one of them"
    assert metrics["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-5)
    assert metrics["eval_loss"] == pytest.approx(expected["eval_loss"], rel=1e-5)
    assert largest_difference(tmp_path / "sft", alone) < 1e-5
    assert said.count("finished, data version") == 1, "the first process alone reports"
    assert {path.name for path in tmp_path.iterdir()} == {"sft", "sft.spec.json"}


def test_preferences_are_learnt_where_even_the_weights_are_divided(alone, datasets, tmp_path):
    settings = DPOHyperparameters(max_steps=2, batch_size=2, lora_rank=4, lora_alpha=8)
    spec = spec_for("dpo", datasets["dpo"], tmp_path / "dpo", base=alone, hyperparameters=settings, compute=TWO[3])
    manifest: Manifest = train(spec, tmp_path)

    verify_manifest(tmp_path / "dpo")
    assert manifest.data_version != read_manifest(alone).data_version
    assert "reward_margin" in manifest.metrics


@pytest.mark.parametrize("zero_stage", [0, 2])
def test_killed_processes_go_on_to_the_weights_of_those_that_were_not(zero_stage, base, datasets, tmp_path):
    # With dropout: each process has a random state of its own. Twelve steps of three an epoch.
    settings = SHARED.model_copy(update={"max_steps": 12, "epochs": 4, "lora_dropout": 0.2})
    options = {"base": base, "hyperparameters": settings, "compute": TWO[zero_stage]}
    train(spec_for("sft", datasets["sft"], tmp_path / "whole", **options), tmp_path)
    spec = spec_for("sft", datasets["sft"], tmp_path / "killed", saving=Saving(every_steps=1), **options)
    process = start(spec, tmp_path)
    _wait_for(process, lambda: list(tmp_path.glob("killed.checkpoints-*/checkpoint-[4-9]/whole-0.json")))
    process.kill()
    process.communicate(timeout=60)
    process = start(spec, tmp_path)
    said, errors = process.communicate(timeout=300)

    assert process.returncode == 0, errors
    assert "goes on from step" in said
    weights = "adapter/adapter_model.safetensors"
    assert (tmp_path / "killed" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_one_that_was_started(how, base, datasets, tmp_path):
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=LONG, compute=TWO[0])
    process = start(spec, tmp_path)
    ranks: list[psutil.Process] = []
    try:
        # It trains when the folder for its checkpoints is there.
        _wait_for(process, lambda: list(tmp_path.glob("sft.checkpoints-*")))
        ranks = psutil.Process(process.pid).children(recursive=True)
        assert len(ranks) == 2
        os.kill(process.pid, how)
        process.communicate(timeout=60)
        _, alive = psutil.wait_procs(ranks, timeout=40)
    finally:
        for rank in ranks:
            if rank.is_running():
                rank.kill()

    assert process.returncode != 0
    assert not alive
    if how != signal.SIGKILL:
        assert not [path for path in tmp_path.iterdir() if "partial" in path.name], "what was begun is removed"


def test_a_refusal_in_the_processes_is_the_refusal_of_the_payload(base, datasets, tmp_path):
    wild = SHARED.model_copy(update={"max_steps": 60, "epochs": 60, "learning_rate": 1e30, "max_grad_norm": 1e30})
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=wild, compute=TWO[0])
    process = start(spec, tmp_path)
    _, errors = process.communicate(timeout=240)

    assert process.returncode == 2, errors
    assert errors.count("error: ") == 1
    assert "lower the learning rate" in errors
    assert not (tmp_path / "sft").exists()


def test_a_doubtful_spec_is_refused_before_any_process_starts(base, datasets, tmp_path):
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, compute=TWO[0], chat_template_hash="0" * 64)
    process = start(spec, tmp_path)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "chat template" in errors
    assert "Traceback" not in errors


def test_without_deepspeed_it_is_said_how_to_install_it(monkeypatch):
    from twin_assets.training.payload import processes

    monkeypatch.setattr(processes.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"pip install 'twin-assets\[gpu\]'"):
        processes.check_machine(TWO[2])
    processes.check_machine(TWO[0])


def test_zero_for_one_process_is_refused():
    with pytest.raises(ValueError, match="divides a model among processes"):
        Compute(zero_stage=2)


@pytest.mark.parametrize("stage", [2, 3])
def test_deepspeed_takes_the_configuration(stage, tmp_path):
    # A process of its own: DeepSpeed looks for an accelerator when it is imported, and keeps what it found.
    check = f"""
import json
from deepspeed.runtime.config import DeepSpeedConfig
from twin_assets.training.payload.distributed import zero_configuration

given = json.loads(zero_configuration({stage}).read_text())
filled = {{key: value for key, value in given.items() if value != "auto"}}
filled |= {{"train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 1, "bf16": {{"enabled": True}}}}
zero = {{key: 1000 if value == "auto" else value for key, value in given["zero_optimization"].items()}}
config = DeepSpeedConfig(filled | {{"zero_optimization": zero}})
assert config.zero_optimization_stage == {stage}
assert config.optimizer_params["torch_adam"] is True
assert config.zero_config.gather_16bit_weights_on_model_save is ({stage} == 3)
# A key that DeepSpeed does not know is dropped in silence.
known = type(config.zero_config).model_fields
names = set(known) | {{field.alias for field in known.values()}}
assert set(zero) <= names, set(zero) - names
"""
    environment = {**os.environ, "DS_ACCELERATOR": "cpu"}
    result = subprocess.run(
        [sys.executable, "-c", check], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr


def test_one_process_leaves_the_hash_of_a_spec_as_it_was(tmp_path):
    spec = spec_for("pretrain", tmp_path, tmp_path / "out")

    assert spec.model_copy(update={"compute": Compute()}).spec_hash == spec.spec_hash
    assert spec.model_copy(update={"saving": Saving(every_steps=7)}).spec_hash == spec.spec_hash
    assert spec.model_copy(update={"compute": TWO[0]}).spec_hash != spec.spec_hash
    assert (
        spec.model_copy(update={"compute": TWO[2]}).spec_hash != spec.model_copy(update={"compute": TWO[3]}).spec_hash
    )


class TestNodes:
    """Where a machine stands among several, by what its launcher says."""

    COMPUTE = Compute(nodes=2, processes_per_node=4)

    def arguments(self, environment: dict[str, str], resources: dict | None = None) -> list[str]:
        from twin_assets.training.payload.processes import this_node, torchrun_arguments

        return torchrun_arguments(self.COMPUTE, this_node(self.COMPUTE, environment, resources), ["spec.json"])

    def test_sagemaker_says_it_in_a_file(self):
        resources = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"], "network_interface_name": "eth0"}
        assert self.arguments({}, resources)[:5] == [
            "--nnodes=2",
            "--nproc-per-node=4",
            "--node-rank=1",
            "--master-addr=algo-1",
            "--master-port=29500",
        ]

    def test_sagemakers_toolkit_says_it_in_variables(self):
        hosts = json.dumps(["algo-2", "algo-1"])
        first = self.arguments({"SM_HOSTS": hosts, "SM_CURRENT_HOST": "algo-1"})
        second = self.arguments({"SM_HOSTS": hosts, "SM_CURRENT_HOST": "algo-2"})
        assert "--node-rank=0" in first
        assert "--node-rank=1" in second
        assert "--master-addr=algo-1" in first
        assert "--master-addr=algo-1" in second

    def test_anyone_else_says_it_in_variables(self):
        arguments = self.arguments({"NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "4000"})
        assert {"--node-rank=1", "--master-addr=10.0.0.1", "--master-port=4000"} <= set(arguments)

    def test_torchrun_takes_the_arguments(self):
        from torch.distributed.run import parse_args

        given = parse_args(self.arguments({"NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1"}))
        assert (given.nnodes, given.nproc_per_node, given.node_rank) == ("2", "4", 1)
        assert (given.module, given.training_script) == (True, "twin_assets.training.payload")
        assert given.training_script_args == ["spec.json"]

    @pytest.mark.parametrize(
        ("environment", "sentence"),
        [
            ({}, "set NODE_RANK and MASTER_ADDR"),
            ({"NODE_RANK": "2", "MASTER_ADDR": "10.0.0.1"}, "count from 0"),
            ({"SM_HOSTS": '["algo-1"]', "SM_CURRENT_HOST": "algo-1"}, "the job has 1"),
        ],
    )
    def test_a_machine_that_does_not_know_its_place_is_refused(self, environment, sentence):
        with pytest.raises(TrainingError, match=sentence):
            self.arguments(environment)


def _wait_for(process: subprocess.Popen[str], there) -> None:
    deadline = time.monotonic() + 180
    while not there():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
