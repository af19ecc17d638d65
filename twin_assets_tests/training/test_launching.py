"""A training that fails while MLflow is away: why it failed is what is told."""

from types import SimpleNamespace

import dagster as dg

from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.launching import train
from twin_assets.training.spec import TrackingRun, TrainingSpec

SPEC = TrainingSpec(
    stage="sft",
    author="ann-reed",
    base_model="m",
    base_model_version="1",
    dataset_uri="d",
    dataset_version="1",
    output_uri="o",
    hyperparameters=SFTHyperparameters(),
    chat_template_hash="h",
    code_version="1",
)


class Away(Exception):
    """What the tracking server's client says."""


def interrupted(context, spec):
    raise dg.Failure("The machine was taken away.", allow_retries=True)


def away(run_id, *, failed):
    raise Away("http://ann:hunter2@mlflow.example is not there")


def test_that_mlflow_is_away_does_not_hide_why_a_training_failed():
    trainer = SimpleNamespace(under_way=lambda spec: None, train=interrupted)
    estimator = SimpleNamespace(check=lambda context, spec: {})
    tracker = SimpleNamespace(tracking_run=lambda run_id: TrackingRun(uri="u", run_id=run_id), finish_run=away)

    @dg.asset
    def checkpoint(context: dg.AssetExecutionContext) -> None:
        train(context, SPEC, trainer, estimator, tracker, open_run=lambda: "run")

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([checkpoint], instance=instance, raise_on_error=False)
        log = "\n".join(record.message for record in instance.all_logs(result.run_id))
    (event,) = [event for event in result.all_node_events if event.is_step_failure]

    assert event.step_failure_data.user_failure_data.description == "The machine was taken away."
    assert event.step_failure_data.error.cls_name == "Failure"
    assert "The MLflow run run stays open: it could not be closed (Away)." in log
    assert "hunter2" not in log
