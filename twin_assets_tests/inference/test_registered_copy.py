"""What the registry keeps of a checkpoint, and how a copy that is not whole is found out."""

from pathlib import Path
from urllib.parse import urlparse

import dagster as dg
import pytest
from dagster._core.execution.context.invocation import DirectAssetCheckExecutionContext

from twin_assets.inference.checks import registered_is_what_was_trained


def checked(serving) -> dg.AssetCheckResult:
    context = DirectAssetCheckExecutionContext(op_execution_context=dg.build_op_context(partition_key=serving.author))
    return registered_is_what_was_trained(context, artifacts=serving.artifacts, tracker=serving.tracker)


@pytest.fixture
def copy(serving, make_report) -> Path:
    """Where the registry keeps its copy of the candidate."""
    serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    source = serving.tracker._client.get_model_version(serving.name, "2").source
    return Path(urlparse(source).path) / "model"


def test_a_whole_copy_passes(serving, copy):
    assert (copy / "model.safetensors").is_file()
    assert checked(serving).passed


def test_a_copy_with_one_altered_byte_is_refused_and_the_file_is_named(serving, copy):
    (copy / "model.safetensors").write_text("dpo weightz")
    result = checked(serving)
    assert not result.passed
    assert "model.safetensors" in (result.description or "")


def test_a_copy_that_lacks_a_file_is_refused(serving, copy):
    (copy / "model.safetensors").unlink()
    assert not checked(serving).passed


def test_a_copy_whose_tokenizer_for_mlflow_was_altered_is_refused(serving, copy):
    (copy.parent / "components" / "tokenizer" / "chat_template.jinja").write_text("{{ messages }}")
    result = checked(serving)
    assert not result.passed
    assert "what lies around the checkpoint was changed" in (result.description or "")


def test_a_tag_that_names_another_checkpoint_is_refused(serving, copy):
    serving.tracker.set_tags(serving.name, "2", {"checkpoint": "of something else"})
    result = checked(serving)
    assert not result.passed
    assert "no present checkpoint" in (result.description or "")


def test_the_run_that_stands_in_for_a_lost_training_is_closed(serving, copy):
    version = serving.tracker.versions(serving.name)[-1]
    assert serving.tracker._client.get_run(version.run_id).info.status == "FINISHED"
