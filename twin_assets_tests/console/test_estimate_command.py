"""`twin estimate`: figures for the stages whose dataset is built, and nothing started."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from twin_assets.cli import app
from twin_assets.errors import UserError
from twin_assets_tests.training.test_estimated_memory import LLAMA_3_8B

SLUG = "ada-bell"
ANSWER = "The tide table is a promise that nobody made. " * 40


@pytest.fixture
def home(own_home: Path, make_folder, make_author, tmp_path, monkeypatch) -> Path:
    """An author with an instruct dataset, and the configuration of an 8B model as base model."""
    make_author(SLUG, make_folder({"a.md": "# A\n\nText."}))
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(LLAMA_3_8B), encoding="utf-8")
    monkeypatch.setenv("TWIN_BASE_MODEL", str(model))
    folder = own_home / "artifacts" / "instruct_dataset" / SLUG
    folder.mkdir(parents=True)
    rows = [{"instruction": "Write about tides.", "answer": ANSWER}] * 100
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
    return own_home


@pytest.fixture
def all_activations(tmp_path) -> str:
    """A run configuration that keeps every activation: too much for a small GPU."""
    config = tmp_path / "all-activations.yaml"
    config.write_text("ops: {sft_checkpoint: {config: {gradient_checkpointing: false}}}", encoding="utf-8")
    return str(config)


def estimated(*arguments: str) -> dict:
    result = CliRunner().invoke(app, ["estimate", SLUG, *arguments, "--json"])
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    (only,) = json.loads(result.stdout)
    return only


def test_an_8b_model_with_the_settings_of_its_size_fits_on_one_small_gpu(home):
    figures = estimated("--instance", "ml.g5.2xlarge")

    assert figures["refused"] is None
    assert figures["trained_parameters"] == 83_886_080


def test_the_settings_of_the_author_file_count(home, make_folder, make_author):
    with (make_author(SLUG, make_folder({"a.md": "# A\n\nText."})) / f"{SLUG}.yaml").open("a") as file:
        file.write("training: {sft: {lora_rank: 16}}\n")

    assert estimated("--instance", "ml.g5.2xlarge")["trained_parameters"] == 41_943_040


def test_json_says_what_it_takes_why_it_is_refused_and_what_would_fit(home, all_activations):
    figures = estimated("--instance", "ml.g5.2xlarge", "--config", all_activations)

    assert figures["stage"] == "sft"
    assert figures["parameters"] == 8_030_261_248
    assert figures["trained_parameters"] == 83_886_080
    assert figures["memory_gib"] > figures["device_gib"]
    assert "needs about" in figures["refused"]
    assert {"gradient_checkpointing": True} in [one["settings"] for one in figures["would_fit"]]
    assert {one["device"] for one in figures["elsewhere"]} >= {"ml.p5.48xlarge", "g6e.xlarge"}
    assert figures["tokens_counted_by"] == "characters"


def test_the_settings_of_a_run_configuration_count(home, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text(
        "ops: {sft_checkpoint: {config: {gradient_checkpointing: true, lora_rank: 16, force: true}}}", encoding="utf-8"
    )

    figures = estimated("--instance", "ml.g5.2xlarge", "--config", str(config))

    assert figures["refused"] is None
    assert figures["would_fit"] == []
    assert figures["trained_parameters"] == 41_943_040


def test_people_get_tables_and_the_sentence_of_the_refusal(home, all_activations):
    result = CliRunner().invoke(app, ["estimate", SLUG, "--instance", "ml.g5.2xlarge", "--config", all_activations])

    assert result.exit_code == 0, result.output
    assert "it would be refused" in result.output
    assert "p4de.24xlarge" in result.output
    assert "preference_dataset is not built yet" in result.output


def test_nothing_is_started_and_nothing_written(home):
    before = sorted(path for path in home.rglob("*"))

    estimated()

    assert sorted(path for path in home.rglob("*")) == before


def test_an_instance_that_no_table_has_is_refused(home):
    with pytest.raises(UserError, match=r"ml\.unknown is not in the price table"):
        estimated("--instance", "ml.unknown")


def test_an_author_without_a_dataset_is_told_what_to_build(home):
    (home / "artifacts" / "instruct_dataset" / SLUG / "train.parquet").unlink()

    with pytest.raises(UserError, match="--until instruct_dataset"):
        estimated()
