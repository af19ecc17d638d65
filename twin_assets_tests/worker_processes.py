"""Where the runs of a ticked platform are executed: each in a process of its own, as a deployment has it.

A process is forked from a server that has imported the libraries, so that it costs a tenth of a second and not ten.
What a run does is the project's own code; only how its process begins is ours. Ticks and queues are in `ticking.py`.
"""

import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.execution.api import execute_run
from dagster._core.instance import InstanceRef
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._serdes import ConfigurableClass
from dagster._serdes.config_class import ConfigurableClassData
from dagster._utils.hosted_user_process import recon_job_from_origin

from resources.trainer import LocalTrainer, TrainingOutcome
from twin_assets.definitions import build_defs
from twin_assets.documents import InstructRow
from twin_assets.partitions import authors_partitions
from twin_assets.settings import Settings
from twin_assets.training.manifest import HISTORY, verify_manifest, write_manifest
from twin_assets.training.spec import TrainingSpec

RUN_CONFIG = "run_config.yaml"
"""File in the home of a platform with the configuration of its runs, as somebody would type it into the launchpad."""

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        "twin_assets_tests.worker_processes",
        "twin_assets.training.payload.training",
        "twin_assets.training.payload.sft",
        "twin_assets.training.payload.dpo",
        "mlflow.store.tracking.sqlalchemy_store",
        "qdrant_client",
        "openvino",
        "sklearn.linear_model",
        "matplotlib.pyplot",
        "detect_secrets",
        "phonenumbers",
        "neosqlite",
        "datasketch",
        "semantic_text_splitter",
    ]
)
_COPIES = multiprocessing.get_context("fork")
"""For what a run starts: a fork of the run itself. It cannot reach the server it was forked from, and would start, and
load, another one for each training."""

FORBIDDEN = "Halcyon"
"""The name of a client that no row may tell."""


@dg.asset_check(asset="instruct_dataset", partitions_def=authors_partitions, blocking=True)
def tells_no_client(instruct_dataset: list[InstructRow]) -> dg.AssetCheckResult:
    """A check as a deployment adds one of its own: it holds real rows against a real rule."""
    telling = [row for row in instruct_dataset if FORBIDDEN in row.answer]
    return dg.AssetCheckResult(passed=not telling, metadata={"rows": len(telling)})


def platform_defs(**settings: Any) -> dg.Definitions:
    """Return the real definitions and a check more; a run executes its steps in one process, and trains in another."""
    return dg.Definitions.merge(_defs(settings, ForkedTrainer()), dg.Definitions(asset_checks=[tells_no_client]))


def resting_defs(**settings: Any) -> dg.Definitions:
    """Return the real definitions, on a machine that rests where it should train."""
    return _defs(settings, RestingTrainer())


def _defs(settings: Mapping[str, Any], trainer: LocalTrainer) -> dg.Definitions:
    definitions = build_defs(settings=Settings(**settings), resource_overrides={"trainer": trainer})
    return dg.Definitions.merge(definitions, dg.Definitions(executor=dg.in_process_executor))


class ForkedRunLauncher(RunLauncher, ConfigurableClass):
    """Starts each run in a forked process."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self.processes: dict[str, BaseProcess] = {}
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> "ForkedRunLauncher":
        return cls(inst_data=inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        process = _PROCESSES.Process(
            target=_execute,
            args=(self._instance.get_ref(), context.dagster_run.run_id, context.job_code_origin),
        )
        process.start()
        self.processes[context.dagster_run.run_id] = process

    def died(self) -> list[str]:
        """Return the runs whose process did not come to its end: no daemon would wait for them."""
        return [run_id for run_id, process in self.processes.items() if process.exitcode]

    def terminate(self, run_id: str) -> bool:
        self.processes[run_id].terminate()
        return True

    def dispose(self) -> None:
        for process in self.processes.values():
            process.join(timeout=60)


def _execute(reference: InstanceRef, run_id: str, origin: Any) -> None:
    """Execute a run that was created, as `dagster api execute_run` does, and keep its output beside the instance."""
    import torch

    # Runs lie side by side on few cores, and their threads would mostly wait for one another.
    torch.set_num_threads(1)
    with dg.DagsterInstance.from_ref(reference) as instance:
        with (Path(instance.root_directory) / "runs.log").open("a", encoding="utf-8") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        run = instance.get_run_by_id(run_id)
        assert run
        wanted = {key.to_user_string() for key in run.asset_selection or ()}
        config_file = Path(instance.root_directory).parent / RUN_CONFIG
        config = yaml.safe_load(config_file.read_text(encoding="utf-8"))
        config = {"ops": {op: value for op, value in config["ops"].items() if op in wanted}}
        execute_run(recon_job_from_origin(origin), run._replace(run_config=config), instance)


class ForkedTrainer(LocalTrainer):
    """The local trainer, with the payload in a process that need not import torch and TRL first."""

    def train(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> TrainingOutcome:
        with (
            tempfile.TemporaryDirectory(prefix="twin-training-") as folder,
            dg.open_pipes_session(
                context=context.op_execution_context,
                context_injector=dg.PipesTempFileContextInjector(),
                message_reader=dg.PipesTempFileMessageReader(),
            ) as session,
        ):
            spec_file = Path(folder) / "spec.json"
            spec.write(spec_file)
            environment = {**session.get_bootstrap_env_vars(), **self._environment()}
            process = _COPIES.Process(target=_train, args=(str(spec_file), environment))
            process.start()
            process.join()
        if process.exitcode:
            raise dg.Failure(f"The payload ended with {process.exitcode}.")
        return TrainingOutcome(manifest=verify_manifest(Path(spec.output_uri)), reused=False)


class RestingTrainer(LocalTrainer):
    """A trainer of which only the process is real: it rests, and leaves a checkpoint without weights."""

    def train(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> TrainingOutcome:
        process = _COPIES.Process(target=_rest, args=(spec,))
        process.start()
        process.join()
        if process.exitcode:
            raise dg.Failure(f"The rest ended with {process.exitcode}.")
        return TrainingOutcome(manifest=verify_manifest(Path(spec.output_uri)), reused=False)


def _rest(spec: TrainingSpec) -> None:
    time.sleep(0.05)
    folder = Path(spec.output_uri)
    # Fails where a checkpoint is already: nothing is trained twice.
    folder.mkdir(parents=True)
    losses = [{"step": step, "loss": 4.0 - step} for step in range(4)]
    (folder / HISTORY).write_text(json.dumps(losses), encoding="utf-8")
    metrics = {"train_rows": 1.0, "steps": 4.0, "train_loss": 1.0}
    write_manifest(folder, spec=spec, libraries={}, metrics=metrics, trained_on=())


def _train(spec_file: str, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    from twin_assets.training.payload.__main__ import main

    sys.exit(main([spec_file]))
