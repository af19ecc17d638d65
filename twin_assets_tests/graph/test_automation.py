"""The automation conditions, by real ticks and real runs on assets of a few lines; never by the shape of a condition.

A `Stage` is one upstream dataset with a blocking check and, below it, what follows it. A test changes what stands above
and looks at what a tick asks for.
"""

from collections.abc import Iterator

import dagster as dg
import pytest

from resources.project import Project
from twin_assets.automation.conditions import follow_inputs, retrain_on_new_data
from twin_assets.collection.assets import author_sites
from twin_assets.collection.observation import SITES_KEY
from twin_assets.definitions import build_resources
from twin_assets.observing.settings import SETTINGS, settings
from twin_assets.settings import Settings
from twin_assets_tests.recorded_checks import record_check

pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning")

AUTHORS = dg.DynamicPartitionsDefinition(name="authors")
NOTHING: set[str | None] = set()
ONCE: set[str | None] = {None}


class Stage:
    """Two inputs per author, of which `dataset` is checked, and the assets that follow them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.version: dict[str, str] = {}
        self.bad: set[str] = set()
        self.cursor = None

        @dg.asset(partitions_def=AUTHORS)
        def dataset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            return dg.MaterializeResult(data_version=dg.DataVersion(self.version[context.partition_key]))

        @dg.asset_check(asset=dataset, blocking=True, partitions_def=AUTHORS)
        def dataset_is_good(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=context.partition_key not in self.bad)

        def follower(name: str, condition: dg.AutomationCondition, *, partitioned: bool) -> dg.AssetsDefinition:
            @dg.asset(
                name=name,
                deps=[dataset],
                partitions_def=AUTHORS if partitioned else None,
                automation_condition=condition,
            )
            def asset() -> None: ...

            return asset

        self.followers = {
            "training": follower("training", retrain_on_new_data(), partitioned=True),
            "training_of_all": follower("training_of_all", retrain_on_new_data(), partitioned=False),
            "feature": follower("feature", follow_inputs(), partitioned=True),
            "board": follower("board", follow_inputs(every_author=False), partitioned=False),
        }
        self.dataset, self.check = dataset, dataset_is_good
        self.definitions = dg.Definitions(assets=[dataset, *self.followers.values()], asset_checks=[dataset_is_good])

    def add(self, *authors: str) -> None:
        self.instance.add_dynamic_partitions("authors", list(authors))

    def collect(self, author: str, version: str, *, good: bool = True, checked: bool = True) -> None:
        """Materialize the dataset of an author, with its check."""
        self.version[author] = version
        (self.bad.discard if good else self.bad.add)(author)
        assets = [self.dataset, self.check] if checked else [self.dataset]
        dg.materialize(assets, partition_key=author, instance=self.instance, raise_on_error=False)

    def check_again(self, author: str, *, good: bool) -> None:
        """Let the check pass, or not, without new data."""
        (self.bad.discard if good else self.bad.add)(author)
        # A job of checks alone cannot be partitioned yet, so what its run would record is recorded here.
        record_check(self.instance, dg.AssetCheckKey(self.dataset.key, "dataset_is_good"), author, passed=good)

    def tick(self) -> dict[str, set[str | None]]:
        """Evaluate all conditions once, run nothing, and return what is asked for, by asset."""
        result = dg.evaluate_automation_conditions(self.definitions, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {name: set(result.get_requested_partitions(asset.key)) for name, asset in self.followers.items()}

    def tick_and_run(self) -> dict[str, set[str | None]]:
        """Evaluate all conditions once and run what is asked for, as the daemon does."""
        asked = self.tick()
        for name, partitions in asked.items():
            for partition in partitions:
                self.run(name, partition)
        return asked

    def run(self, name: str, partition: str | None) -> None:
        assert dg.materialize([self.followers[name]], partition_key=partition, instance=self.instance).success

    def settle(self) -> None:
        """Tick and run until nothing is asked for."""
        for _ in range(5):
            if not any(self.tick_and_run().values()):
                return
        raise AssertionError("every tick asks for something: a loop")


@pytest.fixture
def stage() -> Iterator[Stage]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Stage(instance)


@pytest.fixture
def settled(stage: Stage) -> Stage:
    """Ann is collected, everything is built, and the last tick asked for nothing."""
    stage.add("ann")
    stage.collect("ann", "1")
    stage.settle()
    return stage


def everywhere(author: str) -> dict[str, set[str | None]]:
    return {"training": {author}, "training_of_all": ONCE, "feature": {author}, "board": ONCE}


def nowhere() -> dict[str, set[str | None]]:
    return dict.fromkeys(("training", "training_of_all", "feature", "board"), NOTHING)


def test_the_first_result_above_builds_everything_below_once(stage):
    assert stage.tick() == nowhere()
    stage.add("ann")
    stage.collect("ann", "1")
    assert stage.tick_and_run() == everywhere("ann")
    assert stage.tick_and_run() == nowhere()
    assert stage.tick_and_run() == nowhere()


def test_what_was_collected_before_the_first_tick_is_built_too(stage):
    stage.add("ann")
    stage.collect("ann", "1")
    assert stage.tick_and_run() == everywhere("ann")
    assert stage.tick_and_run() == nowhere()


def test_the_same_content_again_triggers_nothing(settled):
    settled.collect("ann", "1")
    assert settled.tick_and_run() == nowhere()
    assert settled.tick_and_run() == nowhere()


def test_new_content_triggers_exactly_once(settled):
    settled.collect("ann", "2")
    assert settled.tick_and_run() == everywhere("ann")
    assert settled.tick_and_run() == nowhere()


def test_content_that_came_between_two_ticks_twice_triggers_once(settled):
    settled.collect("ann", "2")
    settled.collect("ann", "3")
    assert settled.tick_and_run() == everywhere("ann")
    assert settled.tick_and_run() == nowhere()


def test_a_failed_blocking_check_holds_everything_back_however_long(settled):
    settled.collect("ann", "2", good=False)
    held = [settled.tick_and_run() for _ in range(3)]
    assert held == [nowhere()] * 3


def test_new_content_that_passes_releases_what_was_held_once(settled):
    settled.collect("ann", "2", good=False)
    settled.tick_and_run()
    settled.collect("ann", "3")
    assert settled.tick_and_run() == everywhere("ann")
    assert settled.tick_and_run() == nowhere()


def test_a_check_that_passes_when_run_again_releases_what_was_held_once(settled):
    settled.collect("ann", "2", good=False)
    settled.tick_and_run()
    settled.tick_and_run()
    settled.check_again("ann", good=True)
    assert settled.tick_and_run() == everywhere("ann")
    assert settled.tick_and_run() == nowhere()


def test_training_waits_for_a_check_that_has_not_run_on_the_newest_data(settled):
    settled.collect("ann", "2", checked=False)
    for _ in range(2):
        asked = settled.tick_and_run()
        assert asked["training"] == NOTHING
        assert asked["training_of_all"] == NOTHING
    settled.check_again("ann", good=True)
    asked = settled.tick_and_run()
    assert asked["training"] == {"ann"}
    assert asked["training_of_all"] == ONCE
    assert settled.tick_and_run() == nowhere()


def test_training_waits_for_a_check_that_never_ran(stage):
    stage.add("ann")
    stage.collect("ann", "1", checked=False)
    for _ in range(2):
        asked = stage.tick_and_run()
        assert asked["training"] == NOTHING
        assert asked["training_of_all"] == NOTHING


def test_a_cheap_asset_does_not_wait_for_a_check_that_has_not_run(settled):
    settled.collect("ann", "2", checked=False)
    assert settled.tick_and_run()["feature"] == {"ann"}


def test_one_author_s_failed_check_holds_nobody_else_back(settled):
    settled.add("bob")
    settled.collect("bob", "1", good=False)
    settled.collect("ann", "2")
    asked = settled.tick_and_run()
    assert asked["training"] == {"ann"}
    assert asked["feature"] == {"ann"}


def test_what_is_trained_on_all_authors_waits_for_each_of_them(settled):
    settled.add("bob")
    settled.collect("bob", "1", good=False)
    settled.collect("ann", "2")
    assert settled.tick_and_run()["training_of_all"] == NOTHING
    settled.collect("bob", "2")
    assert settled.tick_and_run()["training_of_all"] == ONCE
    assert settled.tick_and_run()["training_of_all"] == NOTHING


def test_an_author_of_whom_nothing_was_collected_holds_back_what_is_trained_on_all(settled):
    settled.add("bob")
    settled.collect("ann", "2")
    asked = settled.tick_and_run()
    assert asked["training"] == {"ann"}
    assert asked["training_of_all"] == NOTHING


def test_the_board_does_not_wait_for_an_author_of_whom_nothing_was_collected(settled):
    settled.add("bob")
    settled.collect("ann", "2")
    assert settled.tick_and_run()["board"] == ONCE


def test_a_missing_input_holds_everything_back(stage):
    stage.add("ann")
    asked = [stage.tick_and_run() for _ in range(2)]
    for name in ("training", "training_of_all", "feature"):
        assert [tick[name] for tick in asked] == [NOTHING, NOTHING]


def test_a_second_author_does_not_train_the_first_again(settled):
    settled.add("bob")
    settled.collect("bob", "1")
    assert settled.tick_and_run() == everywhere("bob")
    assert settled.tick_and_run() == nowhere()


def test_a_training_that_was_asked_for_and_is_queued_is_not_asked_for_again(settled):
    settled.collect("ann", "2")
    assert settled.tick()["training"] == {"ann"}
    settled.collect("ann", "3")
    _queue(settled, "training", "ann")
    assert settled.tick()["training"] == NOTHING


def test_content_that_came_after_a_training_was_asked_for_is_not_forgotten(settled):
    settled.collect("ann", "2")
    assert settled.tick() == everywhere("ann")
    settled.collect("ann", "3")
    run = _queue(settled, "training", "ann")
    assert settled.tick()["training"] == NOTHING
    settled.instance.report_run_canceled(run)
    assert settled.tick()["training"] == {"ann"}
    assert settled.tick()["training"] == NOTHING


def test_before_there_is_an_author_nothing_is_asked_for(stage):
    assert [stage.tick(), stage.tick()] == [nowhere(), nowhere()]


def test_nothing_is_asked_for_while_the_input_is_being_computed(settled):
    settled.collect("ann", "2")
    run = _queue(settled, "dataset", "ann")
    asked = settled.tick()
    assert asked["training"] == NOTHING
    assert asked["feature"] == NOTHING
    settled.collect("ann", "2")
    settled.instance.report_run_canceled(run)
    asked = settled.tick()
    assert asked["training"] == {"ann"}
    assert asked["feature"] == {"ann"}


def _queue(stage: Stage, name: str, partition: str) -> dg.DagsterRun:
    """Leave a run of an asset in progress, as a run that another process has begun."""
    asset = stage.dataset if name == "dataset" else stage.followers[name]
    job = stage.definitions.resolve_implicit_global_asset_job_def()
    return stage.instance.create_run_for_job(
        job.get_subset(asset_selection={asset.key}, asset_check_selection=set()),
        asset_selection=frozenset({asset.key}),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": partition},
    )


def test_the_settings_ask_for_a_training_when_they_change_but_not_before_there_is_an_author(stage):
    instance = stage.instance

    @dg.asset(partitions_def=AUTHORS)
    def dataset() -> None: ...

    @dg.asset(deps=[dataset, SETTINGS], automation_condition=retrain_on_new_data())
    def training() -> None: ...

    definitions = dg.Definitions(
        assets=[settings, dataset, training], resources={"project": Project(authors_dir="authors")}
    )
    cursor = None

    def asked() -> int:
        nonlocal cursor
        result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
        cursor = result.cursor
        return result.total_requested

    def observe(version: str) -> None:
        observation = dg.AssetObservation(SETTINGS, tags={"dagster/data_version": version})
        instance.report_runless_asset_event(observation)

    observe("seed 0")
    assert [asked(), asked()] == [0, 0]
    instance.add_dynamic_partitions("authors", ["ann"])
    dg.materialize([dataset], partition_key="ann", instance=instance)
    assert [asked(), asked()] == [1, 0]
    dg.materialize([training], instance=instance)
    assert [asked(), asked()] == [0, 0]
    observe("seed 7")
    assert [asked(), asked()] == [1, 0]


def test_what_changed_at_an_author_s_sources_is_collected_once(stage, tmp_path):
    instance = stage.instance

    @dg.asset(partitions_def=AUTHORS, deps=["author_sites"], automation_condition=follow_inputs())
    def collected() -> None: ...

    settings = Settings(home=tmp_path, authors_dir=tmp_path)
    definitions = dg.Definitions(assets=[author_sites, collected], resources=build_resources(settings))
    cursor = None

    def asked() -> set[str | None]:
        nonlocal cursor
        result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
        cursor = result.cursor
        return set(result.get_requested_partitions(collected.key))

    def observe(version: str) -> None:
        tags = {"dagster/data_version": version}
        instance.report_runless_asset_event(dg.AssetObservation(SITES_KEY, partition="ann", tags=tags))

    instance.add_dynamic_partitions("authors", ["ann", "ben"])
    assert asked() == NOTHING
    observe("two articles")
    assert [asked(), asked()] == [{"ann"}, NOTHING]
    dg.materialize([collected], partition_key="ann", instance=instance)
    assert [asked(), asked()] == [NOTHING, NOTHING]
    observe("three articles")
    assert [asked(), asked()] == [{"ann"}, NOTHING]


def test_each_link_of_a_chain_is_asked_for_once_and_after_what_it_reads(stage):
    """Otherwise DPO is trained on the pairs of yesterday, and again on those of today."""
    instance, content = stage.instance, {"dataset": "1"}

    def link(name: str, deps: list[str], condition: dg.AutomationCondition) -> dg.AssetsDefinition:
        @dg.asset(name=name, deps=deps, partitions_def=AUTHORS, automation_condition=condition)
        def asset() -> dg.MaterializeResult:
            return dg.MaterializeResult(data_version=dg.DataVersion(f"{name} of {content['dataset']}"))

        return asset

    @dg.asset(partitions_def=AUTHORS)
    def dataset() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion(content["dataset"]))

    groups = {
        "cpu": [link("chunks", ["dataset"], follow_inputs()), link("vectors", ["chunks", "dataset"], follow_inputs())],
        "gpu": [link("sft", ["dataset"], retrain_on_new_data()), link("dpo", ["sft", "pairs"], retrain_on_new_data())],
        "llm": [link("pairs", ["dataset"], follow_inputs())],
    }
    definitions = dg.Definitions(assets=[dataset, *(asset for group in groups.values() for asset in group)])
    cursors: dict[str, object] = {}

    def tick_and_run() -> list[str]:
        """Tick the sensors one after the other, and then run what each of them asks for as one run."""
        asked = []
        for name, group in groups.items():
            selection = dg.AssetSelection.assets(*group)
            result = dg.evaluate_automation_conditions(
                definitions, instance, asset_selection=selection, cursor=cursors.get(name)
            )
            cursors[name] = result.cursor
            asked.append([asset for asset in group if result.get_requested_partitions(asset.key)])
        for assets in filter(None, asked):
            dg.materialize(assets, partition_key="ann", instance=instance)
        return sorted(asset.key.to_user_string() for assets in asked for asset in assets)

    instance.add_dynamic_partitions("authors", ["ann"])
    for content["dataset"] in ("1", "2"):
        dg.materialize([dataset], partition_key="ann", instance=instance)
        assert [tick_and_run() for _ in range(4)] == [["chunks", "pairs", "sft"], ["dpo", "vectors"], [], []]
