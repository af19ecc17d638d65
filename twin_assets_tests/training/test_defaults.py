"""Who decides a setting: the run, the author, the size of the model, in this order; and what a size decides."""

from pathlib import Path

import pytest

from twin_assets.errors import UserError
from twin_assets.training.config import DPOConfig, SFTConfig, hyperparameters_of, set_in
from twin_assets.training.defaults import resolve, size_of
from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters

TINY, HALF_A_BILLION, THREE_BILLION, EIGHT_BILLION = 900_000, 500_000_000, 3_200_000_000, 8_030_000_000


def resolved(kind=SFTHyperparameters, *, run=None, author=None, n_parameters=TINY):
    stage = "sft" if kind is SFTHyperparameters else "dpo"
    return resolve(
        kind,
        run=run or {},
        author=author or {},
        author_file=Path("authors/ann.yaml"),
        field=f"training.{stage}",
        n_parameters=n_parameters,
    )


@pytest.mark.parametrize("kind", [SFTHyperparameters, DPOHyperparameters])
def test_the_offline_model_is_trained_as_the_classes_say(kind):
    assert resolved(kind).settings == kind()


def test_the_run_wins_over_the_author_and_the_author_over_the_size():
    found = resolved(
        run={"epochs": 7.0, "learning_rate": None},
        author={"epochs": 2, "learning_rate": 1e-5},
        n_parameters=EIGHT_BILLION,
    )

    assert found.settings.epochs == 7.0
    assert found.settings.learning_rate == 1e-5
    assert found.settings.lora_alpha == 32
    assert found.settings.weight_decay == 0.01
    assert {name: found.decided_by[name] for name in ("epochs", "learning_rate", "lora_alpha", "weight_decay")} == {
        "epochs": "run configuration",
        "learning_rate": "author file",
        "lora_alpha": "size of the model",
        "weight_decay": "default",
    }


def test_an_eight_billion_model_is_trained_as_the_handbook_trains_it():
    sft = resolved(n_parameters=EIGHT_BILLION).settings
    dpo = resolved(DPOHyperparameters, n_parameters=EIGHT_BILLION).settings

    assert (sft.lora_rank, sft.lora_alpha, sft.lora_dropout, sft.learning_rate) == (32, 32, 0.0, 3e-4)
    assert (sft.epochs, sft.batch_size, sft.gradient_accumulation, sft.max_length) == (3, 2, 8, 2048)
    assert (sft.packing, sft.lr_scheduler) == (True, "linear")
    assert (dpo.learning_rate, dpo.beta, dpo.epochs, dpo.lr_scheduler) == (2e-6, 0.5, 1, "linear")


def test_the_method_and_the_loss_decide_what_follows_from_them():
    qlora = resolved(run={"method": "qlora"}, n_parameters=EIGHT_BILLION).settings
    full = resolved(run={"method": "full"}, n_parameters=EIGHT_BILLION).settings
    orpo = resolved(DPOHyperparameters, author={"loss": "orpo"}, n_parameters=EIGHT_BILLION).settings

    assert (qlora.lora_rank, qlora.lora_alpha, qlora.learning_rate, qlora.max_grad_norm) == (64, 16, 2e-4, 0.3)
    assert (qlora.lr_scheduler, qlora.optimizer, qlora.lora_dropout) == ("constant", "paged_adamw_8bit", 0.1)
    assert full.learning_rate == 2e-5
    assert orpo.beta == 0.1


def test_a_smaller_model_takes_no_smaller_rate_and_an_unknown_one_is_treated_as_large():
    rates = [
        resolved(n_parameters=size).settings.learning_rate for size in (HALF_A_BILLION, THREE_BILLION, EIGHT_BILLION)
    ]

    assert rates == sorted(rates, reverse=True)
    assert resolved(n_parameters=None).settings == resolved(n_parameters=EIGHT_BILLION).settings
    assert [size_of(size) for size in (TINY, HALF_A_BILLION, THREE_BILLION, EIGHT_BILLION)] == [
        *("offline", "small", "medium", "large")
    ]


@pytest.mark.parametrize("size", [TINY, HALF_A_BILLION, THREE_BILLION, EIGHT_BILLION, 70_000_000_000, None])
@pytest.mark.parametrize("method", ["lora", "qlora", "full"])
@pytest.mark.parametrize("kind", [SFTHyperparameters, DPOHyperparameters])
def test_every_size_and_method_has_settings_that_can_be_combined(kind, method, size):
    assert resolved(kind, run={"method": method}, n_parameters=size).settings.method == method


@pytest.mark.parametrize(
    ("author", "sentence"),
    [
        (
            {"learning_rat": 1e-4},
            r"authors/ann\.yaml: training\.sft\.learning_rat is not a setting: did you mean learning_rate\?",
        ),
        ({"lora_rank": 0}, r"authors/ann\.yaml: training\.sft\.lora_rank is 0: .*greater than or equal to 1"),
        ({"method": "dora"}, r"authors/ann\.yaml: training\.sft\.method is 'dora': .*'full', 'lora' or 'qlora'"),
        ({"method": "qlora", "precision": "fp32"}, r"training\.sft do not go together: method qlora .* precision"),
    ],
)
def test_a_fault_in_the_author_file_is_named_with_its_field(author, sentence):
    with pytest.raises(UserError, match=sentence):
        resolved(author=author)


def test_a_fault_of_the_run_is_not_laid_at_the_author_s_door():
    with pytest.raises(UserError, match="The run configuration sets epochs to -1"):
        resolved(run={"epochs": -1}, author={"epochs": 2})


def test_kto_needs_two_texts_to_compare():
    with pytest.raises(UserError, match="set batch_size to 2 or more"):
        resolved(DPOHyperparameters, run={"loss": "kto", "batch_size": 1})


@pytest.mark.parametrize(("config", "kind"), [(SFTConfig, SFTHyperparameters), (DPOConfig, DPOHyperparameters)])
def test_the_launchpad_offers_every_setting_and_says_what_an_empty_one_is(config, kind):
    fields = config.model_fields

    assert set(kind.model_fields) <= set(fields)
    for name in kind.model_fields:
        assert fields[name].default is None
        assert "Empty: as the author file says" in fields[name].description
    assert "one of full, lora, qlora" in fields["method"].description


def test_what_a_run_leaves_empty_is_not_set():
    assert set_in(SFTConfig(epochs=2.0), SFTHyperparameters) == {"epochs": 2.0}
    assert hyperparameters_of(SFTConfig(epochs=2.0), SFTHyperparameters) == SFTHyperparameters(epochs=2.0)


def test_the_table_of_settings_says_who_decided():
    table = resolved(author={"epochs": 2}).table()

    assert {"setting": "epochs", "value": "2.0", "from": "author file"} in table
    assert len(table) == len(SFTHyperparameters.model_fields)
