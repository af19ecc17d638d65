"""What the model is taught, in token ids, whatever trains it: the answer and nothing else, its end exactly once."""

import itertools

import pytest

from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters
from twin_assets_tests.training.conftest import row_of, spec_for
from twin_assets_tests.training.in_process import Listener

ROWS = 6
SFT_KINDS = {
    "lora": SFTHyperparameters(max_steps=4, lora_rank=4),
    "packed": SFTHyperparameters(max_steps=4, lora_rank=4, packing=True, max_length=256),
    "full": SFTHyperparameters(max_steps=4, method="full"),
}
PREFERENCE_KINDS = {
    loss: DPOHyperparameters(max_steps=4, lora_rank=4, loss=loss, batch_size=2) for loss in ("dpo", "orpo", "kto")
}


def trainer_of(stage, settings, base, datasets, folder):
    from twin_assets.training.payload.dpo import preference_trainer
    from twin_assets.training.payload.reporting import ReportingCallback
    from twin_assets.training.payload.runtime import load_tokenizer
    from twin_assets.training.payload.sft import sft_trainer

    spec = spec_for(stage, datasets[stage], folder / stage, base=base, hyperparameters=settings)
    return (sft_trainer if stage == "sft" else preference_trainer)(
        spec,
        [row_of(stage, number, "train") for number in range(ROWS)],
        [],
        tokenizer=load_tokenizer(spec),
        work=folder / "work",
        callback=ReportingCallback(Listener(), None),
    )


@pytest.fixture(params=SFT_KINDS)
def sft(request, base, datasets, tmp_path):
    return trainer_of("sft", SFT_KINDS[request.param], base, datasets, tmp_path)


@pytest.fixture(params=PREFERENCE_KINDS)
def preference(request, base, datasets, tmp_path):
    return request.param, trainer_of("dpo", PREFERENCE_KINDS[request.param], base, datasets, tmp_path)


def collated(trainer):
    return trainer.data_collator([trainer.train_dataset[number] for number in range(len(trainer.train_dataset))])


def runs_of(ids, learnt):
    """Return the stretches of tokens that are learnt, and those that are not, in order."""
    stretches = itertools.groupby(zip(ids, learnt, strict=True), key=lambda pair: pair[1])
    taught, untaught = [], []
    for is_learnt, stretch in stretches:
        (taught if is_learnt else untaught).append([token for token, _ in stretch])
    return taught, untaught


def sft_targets(trainer):
    batch = collated(trainer)
    taught, untaught = [], []
    for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
        more_taught, more_untaught = runs_of(ids, [label != -100 for label in labels])
        assert all(label in (-100, token) for token, label in zip(ids, labels, strict=True))
        taught += more_taught
        untaught += more_untaught
    return taught, untaught


def preference_targets(loss, trainer):
    """Return the stretches on which each trainer takes its loss, as it computes them itself."""
    batch = collated(trainer)
    if loss == "orpo":
        taught, untaught = [], []
        for answer in ("chosen", "rejected"):
            rows = zip(batch[f"{answer}_input_ids"].tolist(), batch[f"{answer}_labels"].tolist(), strict=True)
            for ids, labels in rows:
                more_taught, more_untaught = runs_of(ids, [label != -100 for label in labels])
                taught, untaught = taught + more_taught, untaught + more_untaught
        return taught, untaught
    stretches = [
        runs_of(ids, mask)
        for ids, mask in zip(batch["input_ids"].tolist(), batch["completion_mask"].tolist(), strict=True)
    ]
    return [run for taught, _ in stretches for run in taught], [run for _, untaught in stretches for run in untaught]


def test_the_loss_of_sft_covers_the_answers_and_nothing_else(sft):
    tokenizer = sft.processing_class
    taught, untaught = sft_targets(sft)
    answers = {row_of("sft", number, "train")["answer"] for number in range(ROWS)}

    assert {tokenizer.decode(ids, skip_special_tokens=True) for ids in taught} == answers
    assert not any(answer in tokenizer.decode(ids) for answer in answers for ids in untaught)


def test_the_end_of_an_answer_is_learnt_exactly_once(sft):
    end = sft.processing_class.eos_token_id
    taught, _ = sft_targets(sft)

    assert len(taught) == ROWS
    for ids in taught:
        assert ids.count(end) == 1
        assert ids[-1] == end


def test_the_loss_of_a_preference_covers_both_texts_and_nothing_else(preference):
    loss, trainer = preference
    tokenizer = trainer.processing_class
    taught, untaught = preference_targets(loss, trainer)
    rows = [row_of("dpo", number, "train") for number in range(ROWS)]
    texts = {row[answer] for row in rows for answer in ("chosen", "rejected")}

    assert {tokenizer.decode(ids, skip_special_tokens=True) for ids in taught} == texts
    assert not any(text in tokenizer.decode(ids) for text in texts for ids in untaught)


def test_the_end_of_a_preferred_text_is_compared_exactly_once(preference):
    loss, trainer = preference
    end = trainer.processing_class.eos_token_id
    taught, _ = preference_targets(loss, trainer)

    assert len(taught) == 2 * ROWS
    for ids in taught:
        assert ids.count(end) == 1
        assert ids[-1] == end


def test_a_prompt_that_orpo_learnt_by_heart_does_not_count(base, datasets, tmp_path):
    """The likelihood term is that of the chosen text: as computed anew from the logits, without the prompt."""
    import torch

    trainer = trainer_of("dpo", PREFERENCE_KINDS["orpo"], base, datasets, tmp_path)
    batch = collated(trainer)
    with torch.no_grad():
        likelihood = trainer.concatenated_forward(trainer.model, batch)[4]
        logits = trainer.model(
            input_ids=batch["chosen_input_ids"], attention_mask=batch["chosen_attention_mask"]
        ).logits
    expected = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), batch["chosen_labels"][:, 1:].flatten(), ignore_index=-100
    )

    assert likelihood.item() == pytest.approx(expected.item(), rel=1e-5)


def test_orpo_begins_a_prompt_as_sft_does(base, datasets, tmp_path):
    sft = trainer_of("sft", SFT_KINDS["lora"], base, datasets, tmp_path)
    orpo = trainer_of("dpo", PREFERENCE_KINDS["orpo"], base, datasets, tmp_path)
    tokenizer = sft.processing_class
    # A tokenizer with a BOS that the chat template does not have.
    tokenizer.add_special_tokens({"bos_token": tokenizer.pad_token})
    orpo.processing_class = tokenizer
    row = orpo.tokenize_row({"prompt": "Why?", "chosen": "So.", "rejected": "No."})

    assert row["chosen_input_ids"][0] == tokenizer("Why?", add_special_tokens=False)["input_ids"][0]


def test_kto_sees_every_text_once_and_never_a_pair_side_by_side():
    from twin_assets.training.payload.kto import unpaired

    rows = [row_of("dpo", number, "train") for number in range(9)]
    dataset = unpaired(rows, seed=3)
    texts = [row["completion"][0]["content"] for row in dataset]
    prompts = [row["prompt"][0]["content"] for row in dataset]

    assert sorted(texts) == sorted(row[answer] for row in rows for answer in ("chosen", "rejected"))
    assert all(row["label"] == (row["completion"][0]["content"] in {one["chosen"] for one in rows}) for row in dataset)
    assert all(before != after for before, after in itertools.pairwise(prompts))
    labels = [row["label"] for row in dataset]
    assert sum(labels[:8]) == 4, "half of a batch is wanted"
    assert unpaired(rows, seed=3)["completion"] == dataset["completion"]
    assert unpaired(rows, seed=4)["completion"] != dataset["completion"]
