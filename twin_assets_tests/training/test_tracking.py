"""What reaches MLflow while a training goes on: its own figures, and those of the machine."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

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


class _Tracking(BaseHTTPRequestHandler):
    """As much of MLflow's REST API as a run needs that is logged to."""

    def do_GET(self) -> None:
        info = {"run_id": "r", "run_uuid": "r", "experiment_id": "1", "status": "RUNNING", "artifact_uri": "mem:/"}
        self._answer({"run": {"info": info, "data": {}}})

    def do_POST(self) -> None:
        batch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/log-batch"):
            self.server.batches.append(batch["metrics"])
        self._answer({})

    def _answer(self, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(port: int = 0) -> HTTPServer:
    server = HTTPServer(("127.0.0.1", port), _Tracking)
    server.batches = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def end(server: HTTPServer) -> int:
    """End a server, and return the port that is dead now."""
    server.shutdown()
    server.server_close()
    return server.server_address[1]


def test_a_server_that_goes_away_holds_up_no_training_and_gets_the_figures_when_it_is_back(monkeypatch):
    from twin_assets.training.payload import reporting
    from twin_assets.training.payload.reporting import IMPATIENCE, MOST_METRICS, TrackingLog

    monkeypatch.setattr(reporting, "SECONDS_WITHOUT_TRACKING", 6.0)
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    for name in IMPATIENCE:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    server, warnings = serve(), []
    run = TrackingRun(uri=f"http://127.0.0.1:{server.server_address[1]}", run_id="r")
    log = TrackingLog(run, warnings.append)
    port = end(server)
    began = time.monotonic()
    for step in range(MOST_METRICS):
        log.log(step, {"loss": 2.0, "grad_norm": 1.0})
    failed = time.monotonic()

    assert failed - began < 15, "one try, and then none for a while"
    assert len(warnings) == 1
    assert log.undelivered == 2 * MOST_METRICS
    while any(thread.name == "SystemMetricsMonitor" for thread in threading.enumerate()):
        assert time.monotonic() - failed < 60, "a server that is away ends the monitor"
        time.sleep(0.1)
    server = serve(port)
    time.sleep(max(0.0, failed + 6 - time.monotonic()))
    log.log(MOST_METRICS, {"loss": 2.0})
    time.sleep(1)
    log.close()
    end(server)

    assert log.undelivered == 0
    delivered = [metric for batch in server.batches for metric in batch if not metric["key"].startswith("system/")]
    assert {int(metric["step"]) for metric in delivered} == set(range(MOST_METRICS + 1))
    assert len(delivered) < sum(len(batch) for batch in server.batches), "the machine is measured again"
    assert max(len(batch) for batch in server.batches) <= MOST_METRICS
