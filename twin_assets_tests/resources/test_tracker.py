"""The tracker, on a real MLflow: runs by author, and a registry that keeps what was registered."""

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from resources.tracker import CANDIDATE, CHAMPION, Tracker, registered_name
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
    (checkpoint / "model.safetensors").write_text(content)
    run_id = start(tracker, author)
    tracker.finish_run(run_id)
    return tracker.register(
        registered_name(author), checkpoint, data_version=content[-1], run_id=run_id, tags=tags, description="A test."
    )


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
    assert first.tags == {"stage": "sft"}
    assert first.run_id
    assert first.aliases == []


def test_a_registered_version_keeps_its_own_copy_of_the_checkpoint(tracker, client, tmp_path):
    version = registered(tracker, tmp_path, "hal", content="weights of version 1")
    registered(tracker, tmp_path, "hal", content="weights of version 2")
    source = client.get_model_version("twin-hal", version.version).source
    assert str(tmp_path) not in source
    copy = tracker.download("twin-hal", version.version, tmp_path / "copy")
    assert (copy / "model.safetensors").read_text() == "weights of version 1"


def test_another_checkpoint_of_the_same_run_leaves_a_registered_version_alone(tracker, tmp_path):
    run_id = start(tracker, "lea")
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for content in ("1", "2"):
        (checkpoint / "model.safetensors").write_text(content)
        tracker.register("twin-lea", checkpoint, data_version=content, run_id=run_id, tags={}, description="A test.")
    copies = [tracker.download("twin-lea", version, tmp_path / version) for version in ("1", "2")]
    assert [(copy / "model.safetensors").read_text() for copy in copies] == ["1", "2"]


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
    assert [version.tags for version in tracker.versions("twin-jo")] == [
        {"stage": "sft"},
        {"stage": "dpo, again", "promotion": "better by 0.2"},
    ]
    assert first.tags == {"stage": "sft"}


def test_links_lead_to_the_run_and_the_version_in_the_ui(tracker, client, tmp_path):
    version = registered(tracker, tmp_path, "kim")
    experiment = client.get_run(version.run_id).info.experiment_id
    assert tracker.run_url(version.run_id) == (
        f"http://mlflow.example/#/experiments/{experiment}/runs/{version.run_id}"
    )
    assert tracker.version_url("twin-kim", "1") == "http://mlflow.example/#/models/twin-kim/versions/1"
