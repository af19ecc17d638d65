"""What a sweep tries, and on which rows its trials are compared."""

import pytest

from twin_assets.documents import InstructRow
from twin_assets.errors import UserError
from twin_assets.training.sweeping import best_first, read_sweep, rows_to_compare_on, settings_of

GRID = """
stage: sft
method: grid
parameters:
  learning_rate: [1e-3, 2e-3]
  lora_rank: [4, 8, 16]
"""
RANDOM = """
stage: sft
method: random
runs: 12
seed: 3
parameters:
  learning_rate: {low: 1e-5, high: 1e-2, log: true}
  lora_rank: {low: 4, high: 64}
  epochs: [1, 2]
"""


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        (tmp_path / "sweep.yaml").write_text(text)
        return read_sweep(tmp_path / "sweep.yaml")

    return write_and_read


def row(document: str | None, split: str, number: int = 0) -> InstructRow:
    return InstructRow(
        instruction=f"Say {number}",
        answer=f"It is {number}.",
        author="ann",
        category="articles",
        document_id=document or "",
        start=0,
        end=9,
        generator="test",
        prompt_hash="0",
        split=split,
    )


def test_a_grid_is_every_combination_with_its_values_as_numbers(read):
    sweep = read(GRID)

    assert sweep.size == 6
    assert sorted((trial["learning_rate"], trial["lora_rank"]) for trial in sweep.trials()) == [
        (rate, rank) for rate in (0.001, 0.002) for rank in (4, 8, 16)
    ]


def test_a_random_sweep_draws_the_same_trials_again_and_others_with_another_seed(read):
    trials = read(RANDOM).trials()

    assert len(trials) == 12
    assert trials == read(RANDOM).trials()
    assert trials != read(RANDOM.replace("seed: 3", "seed: 4")).trials()
    assert all(1e-5 <= trial["learning_rate"] <= 1e-2 for trial in trials)
    # Even by order of magnitude: without `log`, one in ten would be below a thousandth.
    assert sum(trial["learning_rate"] < 1e-3 for trial in trials) >= 4
    assert all(type(trial["lora_rank"]) is int and 4 <= trial["lora_rank"] <= 64 for trial in trials)
    assert {trial["epochs"] for trial in trials} == {1.0, 2.0}


def test_a_sample_from_lists_is_no_longer_than_their_grid(read):
    sweep = read(GRID.replace("method: grid", "method: random\nruns: 50"))

    assert len(sweep.trials()) == 6


def test_the_same_file_is_the_same_sweep_and_another_value_makes_another(read):
    assert read(GRID).id == read("# my first sweep\n" + GRID).id
    assert read(GRID).id != read(GRID.replace("16", "32")).id


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("lora_rank", "lora_rnak"), "sft has no setting 'lora_rnak': did you mean 'lora_rank'"),
        (("[4, 8, 16]", "{low: 4, high: 8}"), "lora_rank is a range, of which a grid has no end"),
        (("[4, 8, 16]", "[]"), "lora_rank lists no value"),
        (("[4, 8, 16]", "{low: 4}"), "parameters.lora_rank.high: Field required"),
        (("[4, 8, 16]", "{low: 8, high: 4}"), "low (8) must be below high (4)"),
        (("[4, 8, 16]", "4"), "parameters.lora_rank: Input should be a valid list"),
        (("method: grid", "method: random"), "a random sweep needs runs"),
        (("method: grid", "method: grid\nruns: 3"), "leave runs out"),
        (("method: grid", "method: bayes"), "method: Input should be 'grid' or 'random'"),
        (("method: grid", "method: grid\nmetric: loss"), "'loss' is not one of eval_loss"),
        (("method: grid", "method: grid\nmetric: reward_margin"), "sft has no reward_margin"),
        (("lora_rank: [4, 8, 16]", "early_stopping_patience: [0, 3]"), "trials train to the end"),
        (("lora_rank: [4, 8, 16]", "max_length: [256, 512]"), "max_length cannot be tried: it decides on which"),
        (
            ("lora_rank: [4, 8, 16]", "max_eval_rows: [8, 16]"),
            "max_eval_rows cannot be tried: it decides on which",
        ),
        (("stage: sft", "stage: pretrain"), "stage: Input should be 'sft' or 'dpo'"),
        (("method: grid", "method: grid\nbudget: 3"), "budget: Extra inputs are not permitted"),
        (("method: grid", "method: [grid"), "line 4: not valid YAML"),
    ],
)
def test_a_sweep_that_cannot_be_run_is_refused_in_one_sentence(change, sentence, read):
    with pytest.raises(UserError) as refusal:
        read(GRID.replace(*change))

    assert sentence in str(refusal.value)
    assert "sweep.yaml" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_losses_are_not_compared_where_the_loss_itself_is_what_is_tried(read):
    tried = "stage: dpo\nmethod: grid\nparameters:\n  beta: [0.1, 0.5]\n"

    assert read(tried).metric == "reward_accuracy"
    with pytest.raises(UserError, match="beta changes what the loss is"):
        read(tried + "metric: eval_loss\n")


def test_a_value_that_the_training_does_not_take_is_named(read):
    with pytest.raises(UserError, match="lora_rank: Input should be greater than or equal to 1"):
        read(GRID.replace("16", "0")).trials()


def test_a_trial_changes_the_authors_own_settings_and_leaves_the_others():
    assert settings_of("sft", {"epochs": 2, "lora_rank": 8}, {"lora_rank": 16}) == {"epochs": 2, "lora_rank": 16}
    with pytest.raises(UserError, match="epochs"):
        settings_of("sft", {"epochs": -1}, {})


def test_trials_are_compared_on_the_validation_side_and_see_nothing_of_the_test_side():
    rows = [row("a", "train"), row("b", "validation"), row("c", "test")]
    train, compared = rows_to_compare_on(rows, seed=0)

    assert train == [rows[0]]
    assert [one.document_id for one in compared] == ["b"]
    assert {one.split for one in compared} == {"test"}


def test_without_a_validation_side_whole_documents_of_the_training_side_are_set_aside():
    rows = [row(f"d{number % 10}", "train", number) for number in range(40)]
    rows += [row("held-out", "test"), row("", "train")]
    train, compared = rows_to_compare_on(rows, seed=0)

    aside = {one.document_id for one in compared}
    assert len(aside) == 2
    assert not aside & {one.document_id for one in train}
    assert len(train) + len(compared) == 41
    assert not {"held-out", ""} & aside
    assert rows_to_compare_on(rows, seed=0) == (train, compared)
    assert {one.document_id for one in rows_to_compare_on(rows, seed=1)[1]} != aside


def test_rows_of_one_document_alone_cannot_be_compared():
    with pytest.raises(UserError, match="rows of one document only"):
        rows_to_compare_on([row("a", "train", 1), row("a", "train", 2)], seed=0)


def test_the_best_is_the_lowest_loss_and_the_highest_accuracy():
    results = [({"epochs": 1}, 2.0), ({"epochs": 2}, 1.0), ({"epochs": 3}, 3.0)]

    assert [figure for _, figure in best_first(results, "eval_loss")] == [1.0, 2.0, 3.0]
    assert [figure for _, figure in best_first(results, "reward_accuracy")] == [3.0, 2.0, 1.0]
