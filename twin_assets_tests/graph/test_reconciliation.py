"""The reconciliation, on assets of a few lines: what it asks for when nobody else does, and what it leaves alone."""

import time
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType

from jobs.automation_sensors import automated_groups
from jobs.reconciliation import build_reconciliation
from twin_assets.automation.conditions import follow_inputs, retrain_on_new_data
from twin_assets.automation.new_rows import ROW_MARKS, row_marks
from twin_assets.automation.reconciling import Drift, Reconciler
from twin_assets.automation.staleness import StateReader
from twin_assets.documents import Author, Consent, SourceConfig, TrainingPolicy
from twin_assets.observing.policy import observe_policy
from twin_assets.observing.recording import LastObserved
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import data_version

GROUPS = ("features", "training")
LATER = 2 * 3600.0


class Platform:
    """Documents with a blocking check, a model that is trained on them, and pages made of one or all; for authors."""

    def __init__(self, instance: dg.DagsterInstance, *, release: str = "1") -> None:
        self.instance = instance
        self.rows: dict[str, list[str]] = {}
        self.good = True
        self.broken = False

        @dg.asset(partitions_def=authors_partitions, group_name="features", code_version="1")
        def documents(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            rows = self.rows[context.partition_key]
            return dg.MaterializeResult(data_version=data_version(rows), metadata={ROW_MARKS: row_marks(rows)})

        @dg.asset_check(asset=documents, blocking=True, partitions_def=authors_partitions)
        def documents_are_good() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=self.good)

        @dg.asset(
            partitions_def=authors_partitions,
            deps=[documents],
            group_name="training",
            code_version="1",
            automation_condition=retrain_on_new_data(),
        )
        def model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            if self.broken:
                raise RuntimeError
            return dg.MaterializeResult(data_version=data_version(["model", *self.rows[context.partition_key]]))

        @dg.asset(
            partitions_def=authors_partitions,
            deps=[model],
            group_name="features",
            code_version=release,
            automation_condition=follow_inputs(),
        )
        def page() -> None: ...

        @dg.asset(deps=[documents], group_name="features", code_version="1", automation_condition=follow_inputs())
        def board() -> None: ...

        @dg.asset(
            deps=[model],
            group_name="features",
            code_version="1",
            automation_condition=follow_inputs(every_author=False),
        )
        def ranking() -> None: ...

        self.assets = {"documents": documents, "model": model, "page": page, "board": board, "ranking": ranking}
        self.check = documents_are_good
        self.jobs = [dg.define_asset_job("twin", partitions_def=authors_partitions)]
        self.definitions = dg.Definitions(
            assets=[*self.assets.values()],
            asset_checks=[documents_are_good],
            jobs=self.jobs,
            sensors=[build_reconciliation(self.jobs)],
        )

    def add(self, author: str) -> None:
        self.instance.add_dynamic_partitions("authors", [author])
        self.write(author, ["one", "two"])
        self.run("model", author)
        self.run("page", author)
        self.run("board")
        self.run("ranking")

    def write(self, author: str, rows: list[str]) -> None:
        self.rows[author] = rows
        dg.materialize(
            [self.assets["documents"], self.check], partition_key=author, instance=self.instance, raise_on_error=False
        )

    def run(self, name: str, author: str | None = None) -> None:
        dg.materialize([self.assets[name]], partition_key=author, instance=self.instance, raise_on_error=False)

    def drift(self, author: str | None = "ann", *, groups: tuple[str, ...] = GROUPS, after: float = LATER) -> Drift:
        reader = StateReader(self.definitions, self.instance)
        return Reconciler(reader, self.instance, groups=groups, now=time.time() + after).drift(author)

    def tick(self, cursor: str | None = None) -> dg.SensorResult:
        sensor = self.definitions.get_repository_def().get_sensor_def("reconciliation")
        repository = self.definitions.get_repository_def()
        with dg.build_sensor_context(instance=self.instance, cursor=cursor, repository_def=repository) as context:
            return sensor(context)

    def switch_on(self, sensor: str) -> None:
        repository = RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin(host="localhost", port=1), "twin")
        self.instance.add_instigator_state(
            InstigatorState(RemoteInstigatorOrigin(repository, sensor), InstigatorType.SENSOR, InstigatorStatus.RUNNING)
        )


@pytest.fixture
def platform() -> Iterator[Platform]:
    with dg.instance_for_test() as instance:
        platform = Platform(instance)
        platform.add("ann")
        yield platform


def test_where_nothing_has_changed_nothing_is_lost(platform):
    assert platform.drift() == Drift({}, {})
    assert platform.drift(None) == Drift({}, {})


def test_of_what_is_stale_only_the_first_is_asked_for_and_the_others_follow_it(platform):
    platform.write("ann", ["one", "three"])
    found = platform.drift()
    assert list(found.lost) == ["model"]
    platform.run("model", "ann")
    assert list(platform.drift().lost) == ["page"]


def test_the_same_find_has_the_same_run_key_and_newer_data_another(platform):
    platform.write("ann", ["one", "three"])
    first = platform.drift().run_key("ann")
    assert platform.drift().run_key("ann") == first
    platform.write("ann", ["one", "four"])
    assert platform.drift().run_key("ann") != first


def test_what_is_found_again_on_the_inputs_of_an_older_find_has_another_run_key(platform):
    keys = []
    for text in ("two", "three", "two", "three"):
        platform.write("ann", ["one", text])
        found = platform.drift()
        if found.lost:
            keys.append(found.run_key("ann"))
            platform.run("model", "ann")
            platform.run("page", "ann")
    assert len(set(keys)) == 3


def test_another_release_on_the_same_inputs_has_another_run_key(platform):
    keys = []
    for release in ("2", "3"):
        released = Platform(platform.instance, release=release)
        found = released.drift()
        assert list(found.lost) == ["page"]
        keys.append(found.run_key("ann"))
        if release == "2":
            released.run("page", "ann")
    assert keys[0] != keys[1]


def test_what_takes_the_authors_that_are_there_waits_for_nobody_and_is_asked_for_once(platform):
    platform.add("cid")
    platform.instance.add_dynamic_partitions("authors", ["bob"])
    platform.write("ann", ["one", "three"])
    platform.run("model", "ann")
    platform.write("cid", ["one", "three"])
    found = platform.drift(None)
    assert list(found.lost) == ["ranking"]
    assert found.held["board"] == "documents is missing"
    platform.run("ranking")
    assert dict(platform.drift(None).lost) == {}


def test_what_is_made_of_all_authors_is_found_when_one_of_them_changed(platform):
    platform.add("bob")
    platform.write("bob", ["one", "three"])
    assert list(platform.drift(None).lost) == ["board"]


def test_an_asset_that_was_never_built_is_found(platform):
    platform.instance.add_dynamic_partitions("authors", ["bob"])
    platform.write("bob", ["one"])
    assert list(platform.drift("bob").lost) == ["model"]


def test_what_has_just_changed_is_left_to_the_automation_sensor(platform):
    platform.write("ann", ["one", "three"])
    found = platform.drift(after=60.0)
    assert (dict(found.lost), found.held["model"]) == ({}, "an input changed within the hour")


def test_a_sensor_that_somebody_switched_off_is_not_gone_behind(platform):
    platform.write("ann", ["one", "three"])
    assert dict(platform.drift(groups=("features",)).lost) == {}
    assert list(platform.drift(groups=("training",)).lost) == ["model"]


def test_a_failed_blocking_check_holds_the_reconciliation_too(platform):
    platform.good = False
    platform.write("ann", ["one", "three"])
    found = platform.drift()
    assert (dict(found.lost), found.held["model"]) == ({}, "a blocking check of documents has not passed")


def test_the_training_policy_holds_the_reconciliation_too(platform):
    observation = observe_policy(
        LastObserved(platform.instance, ["ann"]),
        Author(
            slug="ann",
            name="Ann",
            consent=Consent(given_by="the author"),
            sources=[SourceConfig(type="folder")],
            training=TrainingPolicy(min_new_samples=2),
        ),
    )
    platform.instance.report_runless_asset_event(observation)
    platform.write("ann", ["one", "three"])
    found = platform.drift()
    assert (dict(found.lost), found.held["model"]) == ({}, "not enough is new for a training")
    platform.write("ann", ["three", "four"])
    assert list(platform.drift().lost) == ["model"]


def test_a_run_in_progress_is_not_doubled(platform):
    platform.write("ann", ["one", "three"])
    job = platform.definitions.resolve_job_def("twin")
    run = platform.instance.create_run_for_job(
        job.get_subset(asset_selection={dg.AssetKey("model")}),
        asset_selection=frozenset({dg.AssetKey("model")}),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": "ann"},
    )
    assert platform.drift().held["model"] == "it, or an input, is being computed"
    platform.instance.report_run_canceled(run)
    assert list(platform.drift().lost) == ["model"]


def test_what_failed_on_these_inputs_waits_for_a_person_and_what_failed_before_does_not(platform):
    platform.broken = True
    platform.write("ann", ["one", "three"])
    platform.run("model", "ann")
    assert "a person" in platform.drift().held["model"]
    platform.write("ann", ["one", "four"])
    assert list(platform.drift().lost) == ["model"]


def test_what_failed_in_the_very_run_that_made_its_inputs_waits_for_a_person_too(platform):
    platform.broken = True
    platform.rows["ann"] = ["one", "three"]
    made_of = [platform.assets["documents"], platform.check, platform.assets["model"]]
    assert not dg.materialize(made_of, partition_key="ann", instance=platform.instance, raise_on_error=False).success
    assert "a person" in platform.drift().held["model"]


def test_a_run_that_built_it_and_failed_at_something_else_speaks_not_against_it(platform):
    @dg.asset(partitions_def=authors_partitions, deps=["page"])
    def unlucky() -> None:
        raise RuntimeError

    both = [platform.assets["page"], unlucky]
    assert not dg.materialize(both, partition_key="ann", instance=platform.instance, raise_on_error=False).success
    assert list(Platform(platform.instance, release="2").drift().lost) == ["page"]


def test_failures_of_before_the_inputs_are_not_even_read(platform, monkeypatch):
    platform.broken = True
    for text in ("three", "four"):
        platform.write("ann", ["one", text])
        platform.run("model", "ann")
    read = []
    for name in ("get_runs", "get_run_records"):
        ask = getattr(platform.instance, name)

        def counted(filters, *arguments, ask=ask, **options):
            found = ask(filters, *arguments, **options)
            read.extend(found if dg.DagsterRunStatus.FAILURE in filters.statuses else [])
            return found

        monkeypatch.setattr(platform.instance, name, counted)
    assert "a person" in platform.drift().held["model"]
    assert len(read) == 1


def test_the_sensor_asks_for_lost_assets_once_a_day_author_by_author_and_last_for_those_of_all(platform, monkeypatch):
    monkeypatch.setattr("jobs.reconciliation.AUTHORS_AT_ONCE", 1)
    monkeypatch.setattr("twin_assets.automation.reconciling.SETTLED_SECONDS", 0.0)
    assert "No automation sensor is on" in platform.tick().skip_reason.skip_message
    platform.switch_on("automation_gpu")
    assert set(automated_groups(platform.instance)) == {"training"}
    platform.switch_on("automation_cpu")
    platform.add("bob")
    platform.write("ann", ["one", "three"])
    first = platform.tick()
    (request,) = first.run_requests
    assert request.partition_key == "ann"
    assert request.asset_selection == [dg.AssetKey("model")]
    second = platform.tick(first.cursor)
    assert second.run_requests == []
    third = platform.tick(second.cursor)
    (request,) = third.run_requests
    assert (request.partition_key, request.asset_selection) == (None, [dg.AssetKey("board")])
    assert "has ended" in platform.tick(third.cursor).skip_reason.skip_message
