"""How busy the machine is while it trains: tokens per second, memory and utilisation of the GPU, MLflow's figures.

Where something cannot be measured there is no figure, rather than a zero.
"""

import logging
import time
from typing import TYPE_CHECKING

import torch

from twin_assets.training.spec import TrackingRun

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

GIB = 2**30


class Throughput:
    """Tokens per second of training, over all processes; the time between steps does not count."""

    def __init__(self, *, tokens: float = 0.0, seconds: float = 0.0) -> None:
        """Begin at what an interrupted run had come to: its tokens, and its seconds in steps."""
        self._began: float | None = None
        self.seconds = seconds
        self._tokens = tokens
        self._since = (tokens, seconds)

    def step_begins(self) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def step_ends(self) -> None:
        """Stop the clock."""
        if self._began is not None:
            self.seconds += time.monotonic() - self._began
        self._began = None

    def since(self, tokens: float | None) -> dict[str, float]:
        """Return the tokens per second since this was asked last.

        Args:
            tokens: Tokens of the run so far, as the trainer counted them; None if it counts none.
        """
        if tokens is None:
            return {}
        before, seconds = self._since
        self._since, self._tokens = (tokens, self.seconds), tokens
        passed = self.seconds - seconds
        return {"tokens_per_second": (tokens - before) / passed} if passed > 0 else {}

    @property
    def overall(self) -> float | None:
        """Tokens per second of the run so far; None if none were counted."""
        return self._tokens / self.seconds if self._tokens and self.seconds else None


def gpu_usage() -> dict[str, float]:
    """Return the most memory of this process's GPU that was in use, in GiB, and its utilisation in percent.

    The utilisation needs `nvidia-ml-py`; without it there is none.
    """
    if not torch.cuda.is_available():
        return {}
    usage = {"gpu_memory_gib": torch.cuda.max_memory_allocated() / GIB}
    try:
        usage["gpu_utilisation"] = float(torch.cuda.utilization())
    except (ImportError, RuntimeError):
        return usage
    return usage


def still_watches(monitor: "SystemMetricsMonitor") -> bool:
    """Return whether a monitor goes on measuring; it ends itself when the server does not answer it."""
    thread = monitor._process  # noqa: SLF001 - it says it nowhere else
    return thread is not None and thread.is_alive()


def watch_system(run: TrackingRun) -> "SystemMetricsMonitor | None":
    """Let MLflow log processor, memory, disk, network and GPUs of this machine to a run every few seconds.

    Returns:
        What has to be told when the training is over; None if this machine cannot be measured, which ends no training.
    """
    import psutil  # type: ignore[import-untyped]
    from mlflow.exceptions import MlflowException
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)
    try:
        monitor = SystemMetricsMonitor(run.run_id, tracking_uri=run.uri, resume_logging=True)  # type: ignore[no-untyped-call]
        monitor.start()  # type: ignore[no-untyped-call]
    except (MlflowException, psutil.Error, OSError, ImportError, AttributeError) as error:
        logging.getLogger(__name__).warning("No system metrics: %s.", error)
        return None
    return monitor
