"""The tracker, on a real MLflow: runs by author, and a registry that keeps what was registered."""

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from resources.tracker import CANDIDATE, CHAMPION, DatasetUsed, Tracker, registered_name
from twin_assets.settings import Settings


@pytest.fixture(scope="module")
def tracker(tmp_path_factory):
    """MLflow on SQLite in a folder of this module: creating its database takes seconds, so it is done once."""
    folder = tmp_path_factory.mktemp("home") / "mlflow"
    return Tracker(folder=str(folder), ui_url="http://mlflow.example")


@pytest.fixture
def client(tracker):
    """MLflow's own client, to see what a person would see in its UI."""
    return tracker._client


def start(tracker, author, name="sft", **tags):
    return tracker.start_run(name, author=author, tags=tags)


def registered(tracker, tmp_path, author, content="weights", **tags):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir(exist_ok=True)
    run_id = start(tracker, author)
    tracker.finish_run(run_id)
    return register(tracker, author, checkpoint, content, run_id, **tags)


def register(tracker, author, checkpoint, content, run_id, **tags):
    """Register a checkpoint that has what MLflow reads of it, and any content in place of weights."""
    (checkpoint / "model.safetensors").write_text(content)
    (checkpoint / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (checkpoint / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return tracker.register(
        registered_name(author),
        checkpoint,
        run_id=run_id,
        tags=tags,
        description="A test.",
        base_model="base",
        licence="mit",
        trained_on={"sft": ["d1"]},
        metrics={"perplexity": 7.5},
    )


def without_packaging(tags):
    return {key: value for key, value in tags.items() if key != "packaging"}


def test_the_embedded_tracker_lies_in_the_home(own_home):
    tracker = Tracker.from_settings(Settings())
    assert tracker.uri == f"sqlite:///{own_home / 'mlflow' / 'mlflow.db'}"
    assert tracker.folder == str(own_home / "mlflow")
    server = Tracker.from_settings(Settings(mlflow_tracking_uri="http://mlflow.example"))
    assert server.uri == "http://mlflow.example"


def test_neither_a_repr_nor_the_configuration_shows_the_password_of_a_server_and_steps_still_get_it():
    address = "https://user:hush-hush@mlflow.example"
    tracker = Tracker.from_settings(Settings(mlflow_tracking_uri=address))
    seen = []

    @dg.asset
    def probe(tracker: Tracker) -> None:
        seen.append((tracker.uri, repr(tracker), repr(tracker.tracking_run("run-1"))))

    definitions = dg.Definitions(assets=[probe], resources={"tracker": tracker})
    assert dg.materialize([probe], resources={"tracker": tracker}).success
    [(uri, shown, run)] = seen
    assert uri == address
    assert "hush-hush" not in shown + run + repr(tracker)
    assert "hush-hush" not in str(RepositorySnap.from_def(definitions.get_repository_def()))


def test_a_run_stands_in_its_author_s_experiment_with_what_it_was_given(tracker, client):
    run_id = start(tracker, "ann", "sft", stage="sft", dataset_version="3f9a")
    tracker.finish_run(
        run_id,
        params={"learning_rate": 1e-4, "lora": True},
        metrics={"loss": 2, "perplexity": 7.5},
        files={"a.png": b"P"},
    )
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "sft"
    assert run.data.params == {"learning_rate": "0.0001", "lora": "True"}
    assert run.data.metrics == {"loss": 2.0, "perplexity": 7.5}
    assert {"author": "ann", "stage": "sft", "dataset_version": "3f9a"}.items() <= run.data.tags.items()
    assert [item.path for item in client.list_artifacts(run_id)] == ["a.png"]
    assert client.get_experiment(run.info.experiment_id).name == "twin-ann"


def test_a_run_of_all_authors_stands_in_the_experiment_of_the_base_model(tracker, client):
    run_id = start(tracker, None, "pretrain")
    experiment = client.get_experiment(client.get_run(run_id).info.experiment_id)
    assert experiment.name == "base-model"
    assert client.get_run(run_id).data.tags["author"] == "all authors"


def test_artifacts_of_the_embedded_tracker_lie_in_its_folder_whatever_the_current_directory(
    tracker, client, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    run_id = start(tracker, "dora")
    tracker.finish_run(run_id, files={"report.html": b"<p>"})
    uri = client.get_run(run_id).info.artifact_uri
    assert uri.startswith(f"{tracker.folder}/artifacts/twin-dora/")
    assert not list(tmp_path.rglob("*.html"))


def test_a_finished_run_is_found_again_by_a_tag_within_its_author(tracker):
    older = start(tracker, "eve", spec_hash="aa")
    tracker.finish_run(older)
    newer = start(tracker, "eve", spec_hash="aa")
    tracker.finish_run(newer)
    failed = start(tracker, "eve", spec_hash="bb")
    tracker.finish_run(failed, failed=True)
    start(tracker, "eve", spec_hash="cc")
    assert tracker.find_run("eve", tag="spec_hash", value="aa") == newer
    assert tracker.find_run("eve", tag="spec_hash", value="bb") is None
    assert tracker.find_run("eve", tag="spec_hash", value="cc") is None
    assert tracker.find_run("fay", tag="spec_hash", value="aa") is None


def test_an_author_without_a_model_has_no_versions(tracker):
    assert tracker.versions(registered_name("nobody")) == []


def test_versions_come_oldest_first_with_their_tags_and_run(tracker, tmp_path):
    first = registered(tracker, tmp_path, "gil", stage="sft")
    versions = [first, *(registered(tracker, tmp_path, "gil", stage="dpo") for _ in range(2))]
    assert [version.version for version in versions] == ["1", "2", "3"]
    assert tracker.versions("twin-gil") == versions
    assert without_packaging(first.tags) == {"stage": "sft"}
    assert first.run_id
    assert first.aliases == []


def test_a_registered_version_keeps_its_own_copy_of_the_checkpoint(tracker, client, tmp_path):
    version = registered(tracker, tmp_path, "hal", content="weights of version 1")
    registered(tracker, tmp_path, "hal", content="weights of version 2")
    source = client.get_model_version("twin-hal", version.version).source
    assert str(tmp_path) not in source
    copy = tracker.download("twin-hal", version.version, tmp_path / "copy")
    assert (copy / "model" / "model.safetensors").read_text() == "weights of version 1"


def test_another_checkpoint_of_the_same_run_leaves_a_registered_version_alone(tracker, tmp_path):
    run_id = start(tracker, "lea")
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for content in ("1", "2"):
        register(tracker, "lea", checkpoint, content, run_id)
    copies = [tracker.download("twin-lea", version, tmp_path / version) for version in ("1", "2")]
    assert [(copy / "model" / "model.safetensors").read_text() for copy in copies] == ["1", "2"]


def test_an_alias_points_to_one_version_and_moves(tracker, tmp_path):
    first, second = registered(tracker, tmp_path, "ida"), registered(tracker, tmp_path, "ida")
    tracker.set_alias("twin-ida", CHAMPION, first.version)
    tracker.set_alias("twin-ida", CANDIDATE, first.version)
    assert [version.aliases for version in tracker.versions("twin-ida")] == [["candidate", "champion"], []]
    tracker.set_alias("twin-ida", CHAMPION, second.version)
    assert [version.aliases for version in tracker.versions("twin-ida")] == [["candidate"], ["champion"]]


def test_tags_are_written_on_one_version(tracker, tmp_path):
    first, second = registered(tracker, tmp_path, "jo", stage="sft"), registered(tracker, tmp_path, "jo", stage="dpo")
    tracker.set_tags("twin-jo", second.version, {"promotion": "better by 0.2", "stage": "dpo, again"})
    assert [without_packaging(version.tags) for version in tracker.versions("twin-jo")] == [
        {"stage": "sft"},
        {"stage": "dpo, again", "promotion": "better by 0.2"},
    ]
    assert without_packaging(first.tags) == {"stage": "sft"}


def test_links_lead_to_the_run_and_the_version_in_the_ui(tracker, client, tmp_path):
    version = registered(tracker, tmp_path, "kim")
    experiment = client.get_run(version.run_id).info.experiment_id
    assert tracker.run_url(version.run_id) == (
        f"http://mlflow.example/#/experiments/{experiment}/runs/{version.run_id}"
    )
    assert tracker.version_url("twin-kim", "1") == "http://mlflow.example/#/models/twin-kim/versions/1"


def stage(tracker, author, name, build, **options):
    return tracker.start_stage(name, author=author, build_of=author, dagster_run=build, **options)


def status(client, run_id):
    return client.get_run(run_id).info.status


def test_the_stages_of_a_build_are_nested_in_one_run_of_its_author(tracker, client):
    stages = [stage(tracker, "mia", name, "build-1") for name in ("sft", "dpo")]
    [parent] = {client.get_run(run_id).data.tags["mlflow.parentRunId"] for run_id in stages}
    assert tracker.build_run("mia", "build-1") == parent
    tags = client.get_run(parent).data.tags
    assert tags["dagster_run_url"] == "http://127.0.0.1:3000/runs/build-1"
    assert "(http://127.0.0.1:3000/runs/build-1)" in tags["mlflow.note.content"]
    other = stage(tracker, "mia", "sft", "build-2")
    assert client.get_run(other).data.tags["mlflow.parentRunId"] != parent


def test_another_process_finds_the_same_build(tracker):
    first = stage(tracker, "nia", "sft", "build-1")
    elsewhere = Tracker(folder=tracker.folder)
    second = stage(elsewhere, "nia", "dpo", "build-1")
    parents = {tracker._client.get_run(run_id).data.tags["mlflow.parentRunId"] for run_id in (first, second)}
    assert len(parents) == 1


def test_stages_that_begin_at_once_agree_on_one_build(tracker, client):
    from concurrent.futures import ThreadPoolExecutor

    tracker.build_run("oda", "an earlier build")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Tracker(folder=tracker.folder).build_run("oda", "build-1"), range(4)))
    found = {tracker.build_run("oda", "build-1") for _ in range(3)}
    assert len(found) == 1
    experiment = client.get_experiment_by_name("twin-oda").experiment_id
    of_the_build = client.search_runs([experiment], filter_string="tags.dagster_run = 'build-1'")
    assert len(of_the_build) == 1


def test_a_build_is_open_while_a_stage_is_and_ends_as_its_stages_do(tracker, client):
    first = stage(tracker, "pia", "sft", "build-1")
    build = tracker.build_run("pia", "build-1")
    second = stage(tracker, "pia", "evaluation", "build-1")
    tracker.finish_run(first)
    assert status(client, build) == "RUNNING"
    tracker.finish_run(second)
    assert status(client, build) == "FINISHED"
    third = stage(tracker, "pia", "registration", "build-1")
    assert status(client, build) == "RUNNING"
    tracker.finish_run(third, failed=True)
    assert status(client, build) == "FAILED"
    tracker.finish_run(stage(tracker, "pia", "registration", "build-1"))
    assert status(client, build) == "FINISHED", "what failed was tried again"


def test_what_a_killed_build_left_open_is_closed_and_what_goes_on_is_not(tracker, client):
    killed, alive = stage(tracker, "rea", "sft", "killed"), stage(tracker, "rea", "sft", "alive")
    closed = tracker.end_abandoned("rea", has_ended=lambda run: run == "killed")
    assert sorted(closed) == sorted([killed, tracker.build_run("rea", "killed")])
    assert [status(client, run_id) for run_id in (killed, alive)] == ["KILLED", "RUNNING"]


def test_an_interrupted_training_goes_on_in_its_run_as_a_stage_of_the_next_build(tracker, client):
    began = stage(tracker, "sia", "sft", "killed", tags={"spec_hash": "aa"})
    failed = stage(tracker, "sia", "sft", "killed", tags={"spec_hash": "bb"})
    tracker.finish_run(failed, failed=True)
    tracker.end_abandoned("sia", has_ended=lambda run: True)
    assert tracker.interrupted_run("sia", tag="spec_hash", value="bb") is None
    assert tracker.interrupted_run("sia", tag="spec_hash", value="aa") == began
    tracker.resume_stage(began, build_of="sia", dagster_run="retry")
    assert status(client, began) == "RUNNING"
    tags = client.get_run(began).data.tags
    assert tags["mlflow.parentRunId"] == tracker.build_run("sia", "retry")
    assert tags["dagster_run"] == "retry"


def test_a_run_names_its_datasets_by_version_and_address_without_a_row_of_them(tracker, client):
    used = DatasetUsed(
        name="instruct_dataset of tom",
        version="3f9a17c2",
        uri="s3://twins/instruct_dataset/tom",
        context="training",
        rows=72,
        columns={"instruction": "string", "start": "long"},
    )
    run_id = stage(tracker, "tom", "sft", "build-1", inputs=[used])
    [given] = client.get_run(run_id).inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("instruct_dataset of tom", "3f9a17c2")
    assert (given.dataset.source_type, given.dataset.source) == ("s3", '{"uri": "s3://twins/instruct_dataset/tom"}')
    assert given.dataset.profile == '{"num_rows": 72}'
    assert '"instruction"' in given.dataset.schema
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]


def test_a_history_is_logged_afterwards_step_by_step(tracker, client):
    run_id = stage(tracker, "uma", "sft", "build-1")
    tracker.log_history(run_id, [{"step": 1, "loss": 2.5, "note": "text"}, {"step": 2, "loss": 1.5, "eval_loss": 2}])
    assert [(metric.step, metric.value) for metric in client.get_metric_history(run_id, "loss")] == [(1, 2.5), (2, 1.5)]
    assert [(metric.step, metric.value) for metric in client.get_metric_history(run_id, "eval_loss")] == [(2, 2.0)]


@pytest.mark.parametrize(("address", "reachable"), [(None, False), ("http://mlflow.example", True)])
def test_only_a_server_can_be_reached_from_another_machine(address, reachable):
    assert Tracker.from_settings(Settings(mlflow_tracking_uri=address)).is_reachable_from_elsewhere is reachable


def test_a_version_is_linked_to_the_run_that_trained_it_and_measured_on_its_dataset(tracker, client, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    used = DatasetUsed(name="rows", version="3f9a", uri="/rows", context="training")
    run_id = stage(tracker, "via", "sft", "build-1", inputs=[used])
    tracker.finish_run(run_id, params={"lr": 1})
    version = register(tracker, "via", checkpoint, "weights", run_id, stage="sft")
    [output] = client.get_run(run_id).outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert model.source_run_id == run_id
    assert str(model.status) == "READY"
    [metric] = model.metrics
    assert (metric.key, metric.value, metric.dataset_digest) == ("perplexity", 7.5, "3f9a")
    assert client.get_model_version("twin-via", version.version).run_id == run_id
    assert tracker.trained_on(version) == {"d1"}


def test_a_checkpoint_without_a_tokenizer_is_not_registered(tracker, tmp_path):
    from twin_assets.errors import UserError

    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    with pytest.raises(UserError, match=r"tokenizer_config\.json is missing"):
        tracker.register(
            "twin-wim",
            checkpoint,
            run_id=start(tracker, "wim"),
            tags={},
            description="",
            base_model="",
            licence="",
            trained_on={},
        )
    assert tracker.versions("twin-wim") == []
