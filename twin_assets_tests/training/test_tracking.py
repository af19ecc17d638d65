"""What reaches MLflow while a training goes on: its own figures, and those of the machine."""

import pytest

from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.spec import TrackingRun
from twin_assets_tests.training.conftest import spec_for
from twin_assets_tests.training.in_process import history_of, train_here


@pytest.fixture(scope="module")
def tracked(base, datasets, tmp_path_factory):
    """Return the client, the run's id and the spec of a training long enough to be measured a few times."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("tracked")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri)
    run = client.create_run(client.create_experiment("twin", artifact_location=str(folder / "artifacts"))).info.run_id
    settings = SFTHyperparameters(max_steps=60, epochs=60, lora_rank=4)
    spec = spec_for("sft", datasets["sft"], folder / "sft", base=base, hyperparameters=settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
        train_here(spec.model_copy(update={"tracking": TrackingRun(uri=uri, run_id=run)}))
    return client, run, spec


@pytest.mark.parametrize("figure", ["loss", "grad_norm", "learning_rate", "tokens_per_second", "eval_loss"])
def test_the_figures_of_a_training_are_a_curve_each(figure, tracked):
    client, run, _ = tracked
    points = client.get_metric_history(run, figure)

    assert len({point.step for point in points}) > 2
    assert all(point.value > 0 or figure == "learning_rate" for point in points)


def test_the_machine_is_measured_along_with_the_training(tracked):
    client, run, _ = tracked
    measured = {name: value for name, value in client.get_run(run).data.metrics.items() if name.startswith("system/")}

    assert measured["system/cpu_utilization_percentage"] >= 0
    assert measured["system/system_memory_usage_megabytes"] > 0


def test_nothing_goes_on_measuring_afterwards(tracked):
    import threading

    assert not [thread for thread in threading.enumerate() if thread.name == "SystemMetricsMonitor"]


def test_tokens_per_second_are_those_of_the_steps(tracked):
    _, _, spec = tracked
    rows = [row for row in history_of(spec) if "loss" in row]

    assert all(row["tokens_per_second"] > 0 for row in rows)
    assert rows[-1]["num_tokens"] > rows[0]["num_tokens"]


def test_a_machine_that_cannot_be_measured_is_trained_on_all_the_same(base, datasets, tmp_path, monkeypatch):
    import psutil
    from mlflow import MlflowClient
    from mlflow.system_metrics.metrics import disk_monitor

    def fails(*_):
        raise psutil.AccessDenied

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri)
    run = client.create_run(client.create_experiment("twin", artifact_location=str(tmp_path / "a"))).info.run_id
    monkeypatch.setattr(disk_monitor.psutil, "disk_usage", fails)
    monkeypatch.setattr(psutil, "net_io_counters", fails)
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base)

    assert train_here(spec.model_copy(update={"tracking": TrackingRun(uri=uri, run_id=run)})).metrics["train_loss"] > 0
