"""A training on this machine and the process that waits for it."""

import time

import dagster as dg
import psutil

from resources.trainer import LocalTrainer
from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets_tests.training.cloud.orchestrator import Training
from twin_assets_tests.training.conftest import spec_for

LONG = SFTHyperparameters(max_steps=5_000, epochs=5_000, lora_rank=4, lora_alpha=8)


def test_a_training_ends_with_the_process_that_waits_for_it(base, datasets, tmp_path):
    home = tmp_path / "dagster"
    home.mkdir()
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=LONG)
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        orchestrator = Training(spec, instance, home, kind=LocalTrainer).start()
    started = []
    try:
        until = time.monotonic() + 120
        while not any(".partial-" in path.name for path in tmp_path.iterdir()):
            assert orchestrator.poll() is None, orchestrator.stdout.read()
            assert time.monotonic() < until, "the training did not begin"
            time.sleep(0.2)
        started = psutil.Process(orchestrator.pid).children(recursive=True)
        payloads = [child for child in started if "twin_assets.training.payload" in child.cmdline()]
        assert payloads
        orchestrator.kill()
        orchestrator.wait(timeout=10)

        assert not psutil.wait_procs(payloads, timeout=10)[1], "nobody would wait for it, and it would hold a GPU"
    finally:
        for process in started:
            if process.is_running():
                process.kill()
        orchestrator.kill()
        orchestrator.communicate(timeout=10)
