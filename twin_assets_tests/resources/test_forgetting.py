"""What an MLflow server keeps of an author who is removed, and that the command that is told takes it out: for real."""

import os
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from resources.registry_cleaning import RegistryCleaner
from resources.tracker import Tracker, registered_name
from twin_assets.console.removing import tell_of_what_mlflow_keeps
from twin_assets.settings import Settings
from twin_assets_tests.resources.warehouses import free_port

START_SECONDS = 120.0


@pytest.fixture
def server(tmp_path):
    """The address of a server whose database and artifacts lie in this test's folder."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", url.rpartition(":")[2], "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", f"{tmp_path}/kept"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        end = time.monotonic() + START_SECONDS
        while not answers(f"{url}/health"):
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            assert time.monotonic() < end, (tmp_path / "server.log").read_text()
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - an address of this machine
            return True
    except (urllib.error.URLError, OSError):
        return False


def test_the_command_that_is_told_takes_the_weights_out_of_the_store_of_a_server(server, tmp_path, capsys):
    settings = Settings(mlflow_tracking_uri=server)
    tracker = Tracker.from_settings(settings)
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_text("weights")
    (checkpoint / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (checkpoint / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    for author in ("ann", "bob"):
        run_id = tracker.start_run("sft", author=author, tags={})
        name, told = registered_name(author), {"tags": {}, "description": "A test.", "base_model": "tiny"}
        tracker.register(name, checkpoint, run_id=run_id, licence="none", trained_on={}, **told)
        tracker.finish_run(run_id)
    tell_of_what_mlflow_keeps("ann", settings)
    assert capsys.readouterr().err == ""
    RegistryCleaner(tracker).forget("ann")
    assert len(list((tmp_path / "kept").rglob("model.safetensors"))) == 2
    tell_of_what_mlflow_keeps("ann", settings)
    address, *command = shlex.split(capsys.readouterr().err.partition("database is: ")[2])
    database = f"sqlite:///{tmp_path}/server.db"
    done = subprocess.run(
        [sys.executable, "-m", *(database if word == "DATABASE" else word for word in command)],
        env={**os.environ, "MLFLOW_TRACKING_URI": address.partition("=")[2]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "kept").rglob("model.safetensors"))) == 1
    assert tracker.versions(registered_name("bob"))
