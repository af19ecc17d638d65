"""What is said about a training that goes on: by the rule, and by a training that really goes wrong."""

import pytest

from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters
from twin_assets.training.payload.alarms import Alarms
from twin_assets_tests.training.conftest import row_of, spec_for, write_rows
from twin_assets_tests.training.in_process import Listener, train_here


def look_at(norms, *, clipped_at=1.0):
    alarms = Alarms()
    return [step for step, norm in enumerate(norms, 1) if alarms.gradients(step, norm, clipped_at=clipped_at)], alarms


def test_gradients_that_leap_beyond_a_hundred_medians_are_said_once():
    steps, alarms = look_at([1, 2, 1, 3, 1, 2, 250, 300, 1])

    assert steps == [7]
    assert len(alarms.sentences) == 1
    assert "step 7" in alarms.sentences[0]
    assert "167 times" in alarms.sentences[0]


@pytest.mark.parametrize("norms", [[1, 2, 1, 3, 1, 2, 90], [500, 400, 300], [0, 0, 0, 0], []])
def test_spikes_and_large_beginnings_are_not_explosions(norms):
    assert look_at(norms)[0] == []


def test_without_a_median_only_a_huge_norm_is_an_explosion():
    assert look_at([1_001])[0] == [1]
    assert look_at([1_001], clipped_at=10.0)[0] == []


def told_apart(rows, *, steps=100, pairs=4):
    alarms = Alarms()
    return [step for step, accuracy in rows if alarms.rewards(step, steps, accuracy, pairs=pairs)]


def test_every_pair_told_apart_in_the_first_tenth_is_said():
    assert told_apart([(1, 0.5), (2, 1.0), (3, 1.0), (4, 1.0)]) == [3]


def test_a_few_lucky_pairs_and_a_late_success_are_not_said():
    assert told_apart([(1, 1.0), (2, 0.75), (3, 1.0)]) == []
    assert told_apart([(11, 1.0), (12, 1.0), (13, 1.0)]) == []


def test_gradients_that_explode_while_training_reach_the_log_and_the_manifest(base, datasets, tmp_path, monkeypatch):
    """A clip so small that any gradient is a thousand times of it: the alarm is real, the training is not."""
    listener = Listener()
    settings = SFTHyperparameters(max_steps=3, lora_rank=4, max_grad_norm=1e-6)
    spec = spec_for("sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=settings)
    manifest = train_here(spec, listener)

    assert len(manifest.warnings) == 1
    assert listener.warnings == list(manifest.warnings)
    assert "Gradients exploded at step 1" in listener.warnings[0]


def test_pairs_that_give_themselves_away_reach_the_log_and_the_manifest(base, tmp_path):
    """Rejected is the same few words in every pair: one step is enough to tell."""
    for split, numbers in (("train", range(64)), ("test", range(100, 104))):
        rows = [{**row_of("dpo", number, split), "rejected": "Ferry ferry ferry ferry."} for number in numbers]
        write_rows(tmp_path / "rows", split, rows)
    sft = tmp_path / "sft"
    write_rows(tmp_path / "sft-rows", "train", [row_of("sft", number, "train") for number in range(8)])
    train_here(
        spec_for(
            "sft",
            tmp_path / "sft-rows",
            sft,
            base=base,
            hyperparameters=SFTHyperparameters(max_steps=1, lora_rank=4),
        )
    )
    listener = Listener()
    settings = DPOHyperparameters(
        max_steps=40, epochs=40, batch_size=8, lora_rank=4, learning_rate=1e-2, warmup_fraction=0
    )
    manifest = train_here(
        spec_for("dpo", tmp_path / "rows", sft.with_name("dpo"), base=sft, hyperparameters=settings), listener
    )

    assert any("told apart" in sentence for sentence in manifest.warnings)
    assert listener.warnings == list(manifest.warnings)


def test_a_training_as_it_should_be_raises_no_alarm(base, datasets, tmp_path):
    assert train_here(spec_for("sft", datasets["sft"], tmp_path / "sft", base=base)).warnings == ()
