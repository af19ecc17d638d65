"""Settings: defaults, profiles, what outranks what, and secrets that no repr shows."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from twin_assets.console.ui import addresses
from twin_assets.errors import UserError
from twin_assets.settings import PROJECT_ROOT, Settings

NEVER_SHOWN = "hunter2-do-not-print"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in (
        "MONGODB_URL",
        "QDRANT_URL",
        "QDRANT_API_KEY",
        "MLFLOW_TRACKING_URI",
        "TWIN_HOME",
        "TWIN_AUTHORS_DIR",
    ):
        monkeypatch.delenv(name, raising=False)


def test_by_default_everything_is_embedded_offline_and_below_one_folder_of_the_checkout():
    settings = Settings()
    assert settings.profile == "offline"
    assert settings.base_model == "offline"
    assert settings.hub_offline
    assert settings.mongodb_url is settings.qdrant_url is settings.qdrant_api_key is None
    assert settings.home == PROJECT_ROOT / ".twin"
    assert settings.artifacts_root == str(PROJECT_ROOT / ".twin" / "artifacts")
    assert settings.tracking_uri == f"sqlite:///{PROJECT_ROOT / '.twin' / 'mlflow' / 'mlflow.db'}"


def test_a_profile_changes_defaults_only(monkeypatch):
    monkeypatch.setenv("TWIN_PROFILE", "laptop")
    laptop = Settings()
    assert laptop.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert laptop.base_model_licence == "apache-2.0"
    assert not laptop.hub_offline
    assert laptop.embedding_model == Settings(profile="offline").embedding_model


def test_a_value_set_alone_outranks_the_profile_and_an_argument_outranks_both(monkeypatch):
    monkeypatch.setenv("TWIN_PROFILE", "cloud")
    monkeypatch.setenv("TWIN_BASE_MODEL", "acme/tiny")
    assert Settings().base_model == "acme/tiny"
    assert Settings().base_model_licence == "llama3.1"
    assert Settings(base_model="acme/small").base_model == "acme/small"
    assert Settings(profile="offline").hub_offline


def test_the_environment_outranks_the_env_file(tmp_path, monkeypatch):
    env_file = tmp_path / ".env"
    env_file.write_text("TWIN_SEED=7\nTWIN_PROFILE=laptop\nMONGODB_URL=mongodb://file.example\nUNRELATED=1\n")
    monkeypatch.setitem(Settings.model_config, "env_file", env_file)
    assert Settings().seed == 7
    assert Settings().base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert Settings().mongodb_url.get_secret_value() == "mongodb://file.example"
    monkeypatch.setenv("TWIN_SEED", "8")
    assert Settings().seed == 8


@pytest.mark.parametrize("prefix", ["", "TWIN_"])
def test_addresses_of_servers_are_read_from_their_own_names_and_from_ours(monkeypatch, prefix):
    monkeypatch.setenv(f"{prefix}QDRANT_URL", "http://qdrant.example")
    monkeypatch.setenv(f"{prefix}MLFLOW_TRACKING_URI", "http://mlflow.example")
    monkeypatch.setenv(f"{prefix}MONGODB_URL", "mongodb://mongo.example")
    settings = Settings()
    assert settings.qdrant_url == "http://qdrant.example"
    assert settings.tracking_uri == "http://mlflow.example"
    assert settings.mongodb_url.get_secret_value() == "mongodb://mongo.example"


def test_relative_folders_do_not_depend_on_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWIN_HOME", "elsewhere/twin")
    assert Settings().home == PROJECT_ROOT / "elsewhere" / "twin"
    assert Settings(authors_dir=Path("people")).authors_dir == PROJECT_ROOT / "people"


def test_no_repr_and_no_dump_shows_a_secret(monkeypatch):
    monkeypatch.setenv("MONGODB_URL", f"mongodb://user:{NEVER_SHOWN}@mongo.example")
    monkeypatch.setenv("QDRANT_API_KEY", NEVER_SHOWN)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://user:{NEVER_SHOWN}@mlflow.example/base?x=1")
    settings = Settings()
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert NEVER_SHOWN not in shown
    assert settings.qdrant_api_key.get_secret_value() == NEVER_SHOWN
    assert NEVER_SHOWN in settings.tracking_uri
    assert "MLflow: https://mlflow.example/base?x=1 " in addresses(settings, port=3000, mlflow_port=5000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("profile", "gigantic"),
        ("test_fraction", "0"),
        ("test_fraction", "0.9"),
        ("lock_timeout_seconds", "-1"),
        ("seed", "x"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(monkeypatch, name, value):
    monkeypatch.setenv(f"TWIN_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()


@pytest.mark.parametrize(
    ("written", "weights"),
    [
        ("teacher", {"teacher": 1.0}),
        ("extractive=2, teacher = 0.5,", {"extractive": 2.0, "teacher": 0.5}),
        ("", {"extractive": 1.0}),
    ],
)
def test_weights_are_written_as_names_with_numbers(monkeypatch, written, weights):
    monkeypatch.setenv("TWIN_INSTRUCT_GENERATORS", written)
    assert Settings.load().instruct_generators == weights


def test_a_weight_that_is_no_number_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("TWIN_PREFERENCE_GENERATORS", "model=much")
    with pytest.raises(UserError, match=r"preference_generators\.model \(TWIN_PREFERENCE_GENERATORS\) is not usable"):
        Settings.load()


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        Settings().seed = 3
