"""Serving the two UIs on the local instance: Dagster, and MLflow beside it."""

import os
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import NoReturn

from rich.console import Console

from twin_assets.console.instance import local_instance
from twin_assets.errors import UserError
from twin_assets.settings import PROJECT_ROOT, Settings, without_userinfo

POLL_SECONDS = 0.5
GRACE_SECONDS = 20


def serve_uis(*, port: int, mlflow_port: int) -> None:
    """Run both servers until one of them ends or the user presses Ctrl-C; then end both.

    Raises:
        UserError: If a server ends by itself.
    """
    settings = Settings.load()
    with local_instance(settings) as instance:
        home = instance.root_directory
    (settings.home / "mlflow").mkdir(parents=True, exist_ok=True)
    # MLflow would start eight job workers that nothing here gives work to.
    environment = {**os.environ, "DAGSTER_HOME": home, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    commands = {"Dagster": _dagster_command(port)}
    if settings.mlflow_tracking_uri is None:
        commands["MLflow"] = _mlflow_command(settings, mlflow_port)
    # Each server starts processes of its own; as a group of its own it can be ended whole.
    servers = {
        name: subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, start_new_session=True)
        for name, command in commands.items()
    }
    Console().print(addresses(settings, port=port, mlflow_port=mlflow_port))
    ended: list[str] = []
    try:
        for asked in (signal.SIGINT, signal.SIGTERM):
            signal.signal(asked, _stop)
        while not ended:
            time.sleep(POLL_SECONDS)
            ended = [name for name, server in servers.items() if server.poll() is not None]
    except KeyboardInterrupt:
        return
    finally:
        for server in servers.values():
            _end(server)
    raise UserError(f"{' and '.join(ended)} ended: is the port in use? Choose others with --port and --mlflow-port.")


def addresses(settings: Settings, *, port: int, mlflow_port: int) -> str:
    """Return where both UIs are, in a line that holds no password."""
    server = without_userinfo(settings.tracking_uri) if settings.mlflow_tracking_uri else None
    return (
        f"Dagster: http://127.0.0.1:{port}   MLflow: {server or f'http://127.0.0.1:{mlflow_port}'}   (Ctrl-C ends both)"
    )


def _stop(signal_number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _end(server: "subprocess.Popen[bytes]") -> None:
    """Ask a server and what it started to end, and insist after a while."""
    for asked in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, asked)
        except ProcessLookupError:
            return
        try:
            server.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def _dagster_command(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "dagster", "dev"),
        *("-w", str(PROJECT_ROOT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)),
    ]


def _mlflow_command(settings: Settings, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", settings.tracking_uri),
        *("--artifacts-destination", str(settings.home / "mlflow" / "artifacts")),
    ]
