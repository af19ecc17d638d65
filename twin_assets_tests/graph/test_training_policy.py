"""When a model is trained again by itself: as many new rows, and as many hours, as the author's file asks for.

By real ticks and real runs on assets of a few lines; the rows are marked as the datasets mark theirs.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import deserialize_value, serialize_value

from twin_assets.automation.conditions import retrain_on_new_data
from twin_assets.automation.new_rows import ROW_MARKS, changed_rows, row_marks
from twin_assets.definitions import build_defs
from twin_assets.documents import Author, Consent, SourceConfig, TrainingPolicy
from twin_assets.observing.policy import observe_policy, recorded_policies
from twin_assets.observing.recording import LastObserved
from twin_assets.reporting import data_version
from twin_assets.settings import Settings
from twin_assets_tests.recorded_checks import record_check

AUTHORS = dg.DynamicPartitionsDefinition(name="authors")
NOTHING: set[str | None] = set()


class Training:
    """A dataset per author, a base model over all of them, and a checkpoint per author made of both."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.rows: dict[str, list[str]] = {}
        self.base = "base 1"
        self.reused = False
        self.meanwhile: list[list[str]] = []
        self.cursor = None

        @dg.asset(partitions_def=AUTHORS)
        def dataset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            rows = self.rows[context.partition_key]
            return dg.MaterializeResult(data_version=data_version(rows), metadata={ROW_MARKS: row_marks(rows)})

        @dg.asset
        def base() -> dg.MaterializeResult:
            return dg.MaterializeResult(data_version=dg.DataVersion(self.base))

        @dg.asset(partitions_def=AUTHORS, deps=[dataset, base], automation_condition=retrain_on_new_data())
        def checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            while self.meanwhile:
                self.report(context.partition_key, self.meanwhile.pop(0))
            return dg.MaterializeResult(metadata={"reused": self.reused})

        @dg.asset(deps=[dataset], automation_condition=retrain_on_new_data())
        def model_of_all() -> None: ...

        self.assets = {"dataset": dataset, "base": base, "checkpoint": checkpoint, "model_of_all": model_of_all}
        self.definitions = dg.Definitions(assets=[*self.assets.values()])

    def policy(self, author: str, *, rows: int = 1, hours: float = 0.0) -> None:
        """Write the author's policy as the sensor records it."""
        file = Author(
            slug=author,
            name=author,
            consent=Consent(given_by="the author"),
            sources=[SourceConfig(type="folder")],
            training=TrainingPolicy(min_new_samples=rows, min_hours_between=hours),
        )
        observation = observe_policy(LastObserved(self.instance, [author]), file)
        if observation:
            self.instance.report_runless_asset_event(observation)

    def write(self, author: str, rows: list[str]) -> None:
        """Build the dataset of an author."""
        self.rows[author] = rows
        self.run("dataset", author)

    def report(self, author: str, rows: list[str]) -> None:
        """Record the dataset of an author as somebody else's run does."""
        tags, marks = {"dagster/data_version": str(data_version(rows).value)}, {ROW_MARKS: row_marks(rows)}
        event = dg.AssetMaterialization("dataset", partition=author, tags=tags, metadata=marks)
        self.instance.report_runless_asset_event(event)

    def run(self, name: str, author: str | None = None) -> None:
        assert dg.materialize([self.assets[name]], partition_key=author, instance=self.instance).success

    def tick(self, after: timedelta = timedelta()) -> dict[str, set[str | None]]:
        """Evaluate once, some time from now; run what is asked for; return it."""
        result = dg.evaluate_automation_conditions(
            self.definitions, self.instance, cursor=self.cursor, evaluation_time=datetime.now(UTC) + after
        )
        self.cursor = result.cursor
        asked = {
            name: set(result.get_requested_partitions(self.assets[name].key)) for name in ("checkpoint", "model_of_all")
        }
        for name, partitions in asked.items():
            for partition in partitions:
                self.run(name, partition)
        return asked

    def trains(self, after: timedelta = timedelta()) -> set[str | None]:
        return self.tick(after)["checkpoint"]


@pytest.fixture
def training():
    """Ann has ten rows and asks for four new ones; all is trained."""
    with dg.DagsterInstance.ephemeral() as instance:
        training = Training(instance)
        instance.add_dynamic_partitions("authors", ["ann"])
        training.policy("ann", rows=4)
        training.run("base")
        training.write("ann", rows(10))
        assert training.trains() == {"ann"}
        assert training.trains() == NOTHING
        yield training


def _materialized(training: Training, name: str) -> list[float]:
    records = training.instance.fetch_materializations(dg.AssetKey(name), limit=10, ascending=True).records
    return [record.timestamp for record in records]


def rows(count: int, *, edited: int = 0) -> list[str]:
    return [f"row {number}{' edited' if number < edited else ''}" for number in range(count)]


def test_the_first_training_waits_for_no_number_of_rows(training):
    training.instance.add_dynamic_partitions("authors", ["bob"])
    training.policy("bob", rows=1_000, hours=1_000)
    training.write("bob", rows(2))
    assert training.trains() == {"bob"}


def test_too_few_new_rows_wait_and_small_edits_add_up_to_one_training(training):
    training.write("ann", rows(12))
    assert [training.trains(), training.trains()] == [NOTHING, NOTHING]
    training.write("ann", rows(13))
    assert training.trains() == NOTHING
    training.write("ann", rows(14))
    assert training.trains() == {"ann"}
    assert training.trains() == NOTHING
    training.write("ann", rows(15))
    assert training.trains() == NOTHING


def test_an_edited_row_counts_once_and_one_that_was_edited_back_not_at_all(training):
    training.write("ann", rows(10, edited=3))
    assert training.trains() == NOTHING
    training.write("ann", rows(10))
    training.write("ann", rows(10, edited=3))
    assert training.trains() == NOTHING
    training.write("ann", rows(10, edited=4))
    assert training.trains() == {"ann"}


def test_rows_that_only_vanished_are_a_reason_to_train(training):
    training.write("ann", rows(7))
    assert training.trains() == NOTHING
    training.write("ann", rows(6))
    assert training.trains() == {"ann"}


def test_with_the_defaults_the_smallest_edit_is_enough(training):
    training.policy("ann")
    training.write("ann", rows(11))
    assert training.trains() == {"ann"}


def test_an_author_file_that_is_edited_later_counts_for_what_is_waiting(training):
    training.write("ann", rows(12))
    assert training.trains() == NOTHING
    training.policy("ann", rows=2)
    assert training.trains() == {"ann"}


def test_what_was_waiting_is_not_forgotten_with_the_cursor_of_the_sensor(training):
    training.write("ann", rows(12))
    assert training.trains() == NOTHING
    training.cursor = None
    assert training.trains() == NOTHING
    # Two rows alone would not be enough: the other two came before the cursor was lost.
    training.write("ann", rows(14))
    assert training.trains() == {"ann"}


def test_the_hours_are_counted_from_the_last_training_and_then_it_trains_once(training):
    training.policy("ann", hours=6)
    training.write("ann", rows(11))
    assert training.trains(timedelta(hours=5)) == NOTHING
    assert training.trains(timedelta(hours=7)) == {"ann"}
    assert training.trains(timedelta(hours=7)) == NOTHING


def test_a_checkpoint_that_was_taken_over_begins_no_new_wait(training):
    training.policy("ann", hours=6)
    training.reused = True
    training.run("checkpoint", "ann")
    trained, taken_over = _materialized(training, "checkpoint")
    training.write("ann", rows(11))
    # Six hours after the training, and not yet six hours after the checkpoint was taken over.
    between = datetime.fromtimestamp((trained + taken_over) / 2, UTC) - datetime.now(UTC)
    assert training.trains(between + timedelta(hours=6)) == {"ann"}


@pytest.mark.parametrize(("n_rows", "then"), [(23, NOTHING), (24, {"ann"})])
def test_rows_that_came_while_it_trained_are_new_to_the_next_training(training, n_rows, then):
    training.write("ann", rows(20))
    training.meanwhile = [rows(40), rows(n_rows)]

    assert training.trains() == {"ann"}
    assert training.trains() == then


def test_a_new_base_model_is_a_reason_however_few_the_rows_are(training):
    training.base = "base 2"
    training.run("base")
    assert training.trains() == {"ann"}


def test_a_new_base_model_waits_for_the_hours_too(training):
    training.policy("ann", rows=4, hours=6)
    training.base = "base 2"
    training.run("base")
    assert training.trains() == NOTHING
    assert training.trains(timedelta(hours=7)) == {"ann"}


def test_the_policy_of_one_author_holds_nobody_else_back(training):
    training.instance.add_dynamic_partitions("authors", ["bob"])
    training.write("bob", rows(3))
    training.trains()
    training.write("ann", rows(11))
    training.write("bob", rows(4))
    assert training.trains() == {"bob"}


def test_the_model_of_all_waits_until_one_author_is_due_and_sums_over_nobody(training):
    training.instance.add_dynamic_partitions("authors", ["bob"])
    training.policy("bob", rows=4)
    training.write("bob", rows(10))
    assert training.tick()["model_of_all"] == {None}
    training.write("ann", rows(13))
    training.write("bob", rows(13))
    assert training.tick()["model_of_all"] == NOTHING
    training.write("bob", rows(14))
    assert training.tick()["model_of_all"] == {None}
    assert training.tick()["model_of_all"] == NOTHING


def test_a_policy_is_recorded_when_it_changes_and_the_defaults_stand_in_for_none(training):
    assert recorded_policies(training.instance, ["nobody"])["nobody"] == TrainingPolicy()
    training.policy("ann", rows=7, hours=2.5)
    recorded = recorded_policies(training.instance, ["ann"])["ann"]
    assert (recorded.min_new_samples, recorded.min_hours_between) == (7, 2.5)


def test_marks_tell_rows_apart_by_what_is_in_them():
    before, after = row_marks(["a", "b", "c"]).value, row_marks(["c", "d", "a"]).value
    assert changed_rows(before, after) == 1
    assert changed_rows(before, row_marks(["c", "b", "a"]).value) == 0
    assert changed_rows({}, after) == 3


def test_the_sensor_of_trainings_is_evaluated_in_the_code_location_and_its_answer_crosses_to_the_daemon(tmp_path):
    definitions = build_defs(settings=Settings(home=tmp_path, authors_dir=tmp_path))
    repository = definitions.get_repository_def()
    sensor = repository.get_sensor_def("automation_gpu")
    # What the daemon is told of the location: a condition of our own is in it by its label only.
    assert deserialize_value(serialize_value(RepositorySnap.from_def(repository)), RepositorySnap)
    assert sensor.sensor_type == SensorType.AUTOMATION
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("authors", ["ann"])
        for asset in ("settings", "training_settings", "cleaned_documents", "instruct_dataset", "base_model"):
            node = repository.asset_graph.get(dg.AssetKey(asset))
            kind = dg.AssetMaterialization if node.is_materializable else dg.AssetObservation
            partition = "ann" if node.is_partitioned else None
            tags = {"dagster/data_version": "1"}
            instance.report_runless_asset_event(kind(asset, partition=partition, tags=tags))
            for check in repository.asset_graph.get_check_keys_for_assets({node.key}):
                record_check(instance, check, partition)
        with dg.build_sensor_context(instance=instance, repository_def=repository) as context:
            tick = sensor.evaluate_tick(context)
    requests = [(request.partition_key, request.asset_selection) for request in tick.run_requests]
    assert requests == [("ann", [dg.AssetKey("sft_checkpoint")])]
    assert serialize_value(tick.automation_condition_evaluations)
