"""Progress on its way out: to the launcher every few seconds, to MLflow each logged step, to `history.json` at the end.

Also the place where a loss that is no longer a number stops the run. What is merely said, `alarms` decides; how busy
the machine is, `usage` measures.
"""

import math
import os
import time
from collections.abc import Callable
from typing import Any, TypedDict

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from twin_assets.training.payload.alarms import Alarms
from twin_assets.training.payload.launcher import Launcher
from twin_assets.training.payload.usage import Throughput, gpu_usage, still_watches, watch_system
from twin_assets.training.spec import TrackingRun, TrainingError

SECONDS_BETWEEN_REPORTS = 5.0
SHOWN = (
    "loss",
    "eval_loss",
    "learning_rate",
    "grad_norm",
    "rewards/margins",
    "eval_rewards/margins",
    "tokens_per_second",
)
IMPATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""How MLflow's client meets a server that is away while a GPU waits; by itself it would try for four minutes."""

SECONDS_WITHOUT_TRACKING = 300.0
"""How long a server that failed is left alone."""

MOST_METRICS = 1000
"""Of one batch, as MLflow's REST API allows ("Request Limits")."""

FINITE = ("loss", "eval_loss", "eval_validation_loss", "grad_norm")

HistoryRow = dict[str, float]


class Progress(TypedDict):
    """What a checkpoint on the way keeps for the report."""

    history: list[HistoryRow]
    seconds: float
    """Since the run began."""
    seconds_in_steps: float


class TrackingLog:
    """Metrics on their way to an MLflow run.

    A server that fails in the middle neither ends nor holds up a training that goes well: it is left alone for some
    minutes, its rows are kept for the next try, and what could not be delivered at last is counted.
    """

    def __init__(self, run: TrackingRun, warn: Callable[[str], None]) -> None:
        """Open the run.

        Args:
            run: The run.
            warn: Is told, once, that the server has failed.

        Raises:
            TrainingError: If the run cannot be reached now, before anything was spent.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        self._failure = (MlflowException, OSError)
        self._run = run
        self._warn: Callable[[str], None] | None = warn
        self._not_before = -math.inf
        self._waiting: list[Any] = []
        self._client = MlflowClient(tracking_uri=run.uri)
        try:
            self._client.get_run(run.run_id)
        except self._failure as error:
            raise TrainingError(f"MLflow run {run.run_id} cannot be reached: check the tracking server.") from error
        for name, value in IMPATIENCE.items():
            os.environ.setdefault(name, value)
        self._system = watch_system(run)

    def close(self) -> None:
        """Stop measuring the machine, and send what waits."""
        if self._system:
            self._system.finish()  # type: ignore[no-untyped-call]
        self._send()

    @property
    def undelivered(self) -> int:
        """How many values wait for a server that failed."""
        return len(self._waiting)

    def log(self, step: int, values: HistoryRow) -> None:
        """Send the values of one step, and what waits."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)  # MLflow wants the time of day; nothing else here depends on it.
        self._waiting += [Metric(name, value, now, step) for name, value in values.items()]
        if time.monotonic() < self._not_before:
            return
        self._send()
        if self._system and not self._waiting and not still_watches(self._system):
            self._system.finish()  # type: ignore[no-untyped-call]
            self._system = watch_system(self._run)

    def _send(self) -> None:
        while self._waiting:
            try:
                self._client.log_batch(self._run.run_id, metrics=self._waiting[:MOST_METRICS])
            except self._failure:
                self._not_before = time.monotonic() + SECONDS_WITHOUT_TRACKING
                if self._warn:
                    self._warn("MLflow does not take the figures of this training: they are kept, and sent again later")
                self._warn = None
                return
            del self._waiting[:MOST_METRICS]


class ReportingCallback(TrainerCallback):  # type: ignore[misc]
    """Passes on what a Hugging Face trainer logs; on the first process only."""

    def __init__(self, launcher: Launcher, tracking: TrackingLog | None, *, began: float | None = None) -> None:
        """Report to `launcher`, and to MLflow if there is a run; `began` is when the training did (monotonic)."""
        self.history: list[HistoryRow] = []
        self.alarms = Alarms()
        self._launcher = launcher
        self._tracking = tracking
        self._reported_at = -math.inf
        self._reported_tenth = -1
        self._throughput = Throughput()
        self._began = time.monotonic() if began is None else began

    @property
    def seconds(self) -> float:
        """Seconds of the run so far, with those before an interruption."""
        return time.monotonic() - self._began

    def progress(self) -> Progress:
        """Return what the report of a run that goes on from here has to know."""
        return {"history": self.history, "seconds": self.seconds, "seconds_in_steps": self._throughput.seconds}

    def go_on(self, progress: Progress, args: TrainingArguments) -> None:
        """Put log, clocks and alarms back to where they stood; what an alarm said then is not said again."""
        self.history[:] = progress["history"]
        self._began -= progress["seconds"]
        self._throughput = Throughput(tokens=self.last("num_tokens") or 0.0, seconds=progress["seconds_in_steps"])
        for row in self.history:
            self._alarms_of(args, int(row["step"]), row)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the clock of a step."""
        self._throughput.step_begins()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Stop the clock of a step: evaluation and logging are not training."""
        self._throughput.step_ends()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Keep, check and pass on one row.

        Raises:
            TrainingError: If a loss or the gradient norm is not a finite number.
        """
        # Beside rows for choosing, the trainer names those of the test side; here they have one name, always.
        values = {
            name.replace("eval_test_", "eval_"): float(value)
            for name, value in (logs or {}).items()
            if isinstance(value, int | float)
        }
        for name in FINITE:
            if not math.isfinite(values.get(name, 0.0)):
                raise TrainingError(
                    f"{name} is {values[name]} at step {state.global_step}: "
                    f"lower the learning rate ({args.learning_rate:g}) or look for broken rows in the dataset."
                )
        if not state.is_world_process_zero:
            return
        if "loss" in values:
            values |= {**self._throughput.since(values.get("num_tokens")), **gpu_usage()}
            for sentence in self._alarms_of(args, state.global_step, values):
                self._launcher.warn(sentence)
        self.history.append({"step": float(state.global_step), **values})
        if self._tracking:
            self._tracking.log(state.global_step, values)
        self._say(state, values)

    def say(self, message: str) -> None:
        """Pass on a line."""
        self._launcher.say(message)

    def last(self, name: str) -> float | None:
        """Return the value that was logged last under a name."""
        return next((row[name] for row in reversed(self.history) if name in row), None)

    def first(self, name: str) -> float | None:
        """Return the value that was logged first under a name."""
        return next((row[name] for row in self.history if name in row), None)

    def summary(self) -> dict[str, float]:
        """Return the last training loss, and the evaluation loss before and after, as far as they were logged."""
        figures = {
            "train_loss": self.last("loss"),
            "eval_loss_before": self.first("eval_loss"),
            "eval_loss": self.last("eval_loss"),
            "tokens_per_second": self._throughput.overall,
        }
        return {name: value for name, value in figures.items() if value is not None}

    def _alarms_of(self, args: TrainingArguments, step: int, values: HistoryRow) -> list[str]:
        said = []
        if "grad_norm" in values:
            said.append(self.alarms.gradients(step, values["grad_norm"], clipped_at=args.max_grad_norm))
        if "rewards/accuracies" in values:
            pairs = args.train_batch_size * args.gradient_accumulation_steps * args.world_size * args.logging_steps
            said.append(self.alarms.rewards(step, args.max_steps, values["rewards/accuracies"], pairs=int(pairs)))
        return [sentence for sentence in said if sentence]

    def _say(self, state: TrainerState, values: HistoryRow) -> None:
        tenth = 10 * state.global_step // max(1, state.max_steps)
        now = time.monotonic()
        if tenth == self._reported_tenth and now - self._reported_at < SECONDS_BETWEEN_REPORTS:
            return
        shown = ", ".join(f"{name} {values[name]:.4g}" for name in SHOWN if name in values)
        if not shown:
            return
        self._reported_at, self._reported_tenth = now, tenth
        self._launcher.say(f"step {state.global_step}/{state.max_steps}: {shown}")
