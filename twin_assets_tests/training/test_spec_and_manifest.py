import shutil

import pytest

from twin_assets.training.chat_template import chat_template, chat_template_hash, messages_for
from twin_assets.training.config import SFTConfig, hyperparameters_of
from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.manifest import ManifestError, read_manifest, verify_manifest
from twin_assets.training.spec import TrainingError, TrainingSpec
from twin_assets_tests.training.conftest import spec_for


def test_the_chat_template_renders_byte_for_byte(base):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    asked = tokenizer.apply_chat_template(messages_for("Why?"), add_generation_prompt=True, tokenize=False)
    answered = tokenizer.apply_chat_template(
        [*messages_for("Why?"), {"role": "assistant", "content": "Because."}], tokenize=False
    )

    assert tokenizer.chat_template == chat_template()
    assert asked == "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    assert answered == asked + "Because.<|im_end|>"


def test_one_changed_blank_is_another_template():
    assert chat_template_hash(chat_template() + " ") != chat_template_hash()


def test_places_do_not_change_the_spec_hash_but_settings_do(datasets, tmp_path):
    spec = spec_for("pretrain", datasets["pretrain"], tmp_path / "one")

    assert spec.model_copy(update={"output_uri": "/else", "dataset_uri": "/else"}).spec_hash == spec.spec_hash
    assert spec.model_copy(update={"dataset_hashes": {"train.parquet": "0" * 64}}).spec_hash == spec.spec_hash
    assert spec.model_copy(update={"seed": 5}).spec_hash != spec.spec_hash
    assert spec.model_copy(update={"dataset_version": "2"}).spec_hash != spec.spec_hash


def test_a_spec_survives_its_file(datasets, tmp_path):
    spec = spec_for("pretrain", datasets["pretrain"], tmp_path / "out")
    spec.write(tmp_path / "spec.json")

    assert TrainingSpec.read(tmp_path / "spec.json") == spec


def test_a_malformed_spec_file_is_named_with_its_first_fault(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text('{"stage": "sft"}')

    with pytest.raises(TrainingError, match=r"spec\.json is not a training spec: .*Field required"):
        TrainingSpec.read(path)


@pytest.mark.parametrize("damage", ["changed", "missing", "foreign"])
def test_a_checkpoint_that_is_not_what_its_manifest_says_is_refused(damage, base, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(base, folder)
    if damage == "changed":
        with (folder / "model.safetensors").open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\x7f")
    elif damage == "missing":
        (folder / "tokenizer.json").unlink()
    else:
        (folder / "adapter_config.json").write_text("{}")

    with pytest.raises(ManifestError):
        verify_manifest(folder)


def test_the_data_version_is_of_the_model_and_not_of_the_time_it_took(base):
    manifest = read_manifest(base)

    slower = manifest.model_copy(update={"metrics": {**manifest.metrics, "seconds": 999.0}})
    assert slower.data_version == manifest.data_version


def test_the_launchpad_offers_the_hyperparameters_with_their_ranges():
    assert hyperparameters_of(SFTConfig(), SFTHyperparameters) == SFTHyperparameters()
    with pytest.raises(ValueError, match="greater than"):
        hyperparameters_of(
            SFTConfig.model_construct(**{**SFTConfig().model_dump(), "lora_rank": 0}), SFTHyperparameters
        )
