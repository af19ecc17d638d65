"""Each way to change a model's weights, and each loss, trained for real on a very small model."""

from pathlib import Path

import pytest

from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters
from twin_assets.training.manifest import read_manifest
from twin_assets_tests.training.conftest import spec_for
from twin_assets_tests.training.in_process import history_of, train_here

SHORT = {"max_steps": 4, "lora_rank": 4, "lora_alpha": 8}
SFT_KINDS = {
    "full": SFTHyperparameters(**SHORT, method="full", learning_rate=1e-3),
    "packed": SFTHyperparameters(**SHORT, packing=True, batch_size=1, max_length=256),
    "full and packed": SFTHyperparameters(
        **SHORT, method="full", learning_rate=1e-3, packing=True, batch_size=1, max_length=256
    ),
    "eager, checkpointed, noisy, constant": SFTHyperparameters(
        **SHORT, attention="eager", gradient_checkpointing=True, neftune_alpha=5.0, lr_scheduler="constant"
    ),
    "bfloat16": SFTHyperparameters(**SHORT, precision="bf16"),
    "full in bfloat16": SFTHyperparameters(**SHORT, method="full", learning_rate=1e-3, precision="bf16", packing=True),
    "some layers": SFTHyperparameters(**SHORT, target_modules="q_proj, v_proj", lr_scheduler="linear"),
}
PREFERENCE_KINDS = {
    "dpo, full": DPOHyperparameters(max_steps=3, method="full", learning_rate=1e-4),
    "orpo": DPOHyperparameters(**SHORT, loss="orpo"),
    "orpo, full": DPOHyperparameters(max_steps=3, method="full", loss="orpo", learning_rate=1e-4),
    "kto": DPOHyperparameters(**SHORT, loss="kto"),
    "kto, full": DPOHyperparameters(max_steps=3, method="full", loss="kto", learning_rate=1e-4),
}


@pytest.fixture(scope="module")
def sft(base, datasets, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sft")
    train_here(spec_for("sft", datasets["sft"], folder / "sft", base=base))
    return folder / "sft"


def weights(folder: Path):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("kind", SFT_KINDS)
def test_sft_changes_the_model_in_every_way_it_can_be_asked_to(kind, base, datasets, tmp_path):
    settings = SFT_KINDS[kind]
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=settings)
    manifest = train_here(spec)

    assert manifest.data_version != read_manifest(base).data_version
    assert manifest.metrics["train_rows"] == 24
    assert manifest.metrics["tokens_per_second"] > 0
    assert (tmp_path / "sft" / "adapter").is_dir() == settings.has_adapter
    assert ("merge_difference" in manifest.metrics) == settings.has_adapter
    assert ("packed_sequences" in manifest.metrics) == settings.packing


@pytest.mark.parametrize("kind", PREFERENCE_KINDS)
def test_every_preference_loss_trains_and_logs_its_rewards(kind, sft, datasets, tmp_path):
    settings = PREFERENCE_KINDS[kind]
    spec = spec_for("dpo", datasets["dpo"], tmp_path / "dpo", base=sft, hyperparameters=settings)
    manifest = train_here(spec)

    assert manifest.data_version != read_manifest(sft).data_version
    assert manifest.metrics["train_rows"] == 24
    assert {"reward_chosen", "reward_rejected", "reward_margin"} <= manifest.metrics.keys()
    assert any("rewards/margins" in row for row in history_of(spec))
    assert (tmp_path / "dpo" / "adapter").is_dir() == settings.has_adapter


def test_full_fine_tuning_changes_every_matrix_and_a_lora_leaves_the_embeddings(base, sft, datasets, tmp_path):
    spec = spec_for("sft", datasets["sft"], tmp_path / "full", base=base, hyperparameters=SFT_KINDS["full"])
    train_here(spec)
    before, full, lora = weights(base), weights(tmp_path / "full"), weights(sft)

    assert [name for name in before if before[name].equal(full[name])] == []
    assert before["model.embed_tokens.weight"].equal(lora["model.embed_tokens.weight"])


def test_the_reference_of_a_full_dpo_is_the_model_it_started_from(sft, datasets, tmp_path):
    spec = spec_for("dpo", datasets["dpo"], tmp_path / "dpo", base=sft, hyperparameters=PREFERENCE_KINDS["dpo, full"])
    train_here(spec)
    first = next(row for row in history_of(spec) if "eval_rewards/margins" in row)

    assert first["step"] == 0
    assert first["eval_rewards/margins"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("kind", ["full and packed"])
def test_two_runs_of_one_spec_are_equal_bit_for_bit(kind, base, datasets, tmp_path):
    versions = [
        train_here(
            spec_for("sft", datasets["sft"], tmp_path / run, base=base, hyperparameters=SFT_KINDS[kind])
        ).data_version
        for run in ("one", "two")
    ]

    assert versions[0] == versions[1]


def test_packing_takes_fewer_sequences_and_as_many_epochs(base, datasets, tmp_path):
    settings = SFTHyperparameters(lora_rank=4, lora_alpha=8, packing=True, batch_size=1, max_length=256, epochs=2)
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=settings)
    metrics = train_here(spec).metrics

    assert metrics["packed_sequences"] < 24
    assert metrics["steps"] == 2 * metrics["packed_sequences"]
    assert history_of(spec)[-1]["epoch"] == pytest.approx(2)


def test_a_layer_that_is_not_there_is_named_with_those_that_are(base, datasets, tmp_path):
    from twin_assets.training.spec import TrainingError

    settings = SFTHyperparameters(**SHORT, target_modules="q_proj,query_key_value")
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=settings)

    with pytest.raises(TrainingError, match=r"query_key_value.*q_proj"):
        train_here(spec)


def test_the_output_layer_gets_no_adapter(base, datasets, tmp_path):
    from twin_assets.training.spec import TrainingError

    settings = SFTHyperparameters(**SHORT, target_modules="lm_head")
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=settings)

    with pytest.raises(TrainingError, match="lm_head"):
        train_here(spec)
