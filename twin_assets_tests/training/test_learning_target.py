"""What the model is taught: the loss falls on the author's answer, and its end is learnt exactly once."""

import pytest

from twin_assets_tests.training.conftest import row_of, spec_for


class Quiet:
    def say(self, message):
        pass

    fail = finish = say


@pytest.fixture(scope="module")
def trainer(base, datasets, tmp_path_factory):
    from twin_assets.training.payload.reporting import ReportingCallback
    from twin_assets.training.payload.runtime import load_tokenizer
    from twin_assets.training.payload.sft import sft_trainer

    folder = tmp_path_factory.mktemp("target")
    spec = spec_for("sft", datasets["sft"], folder / "sft", base=base)
    rows = [row_of("sft", number, "train") for number in range(6)]
    return sft_trainer(
        spec,
        rows,
        [],
        tokenizer=load_tokenizer(spec),
        work=folder / "work",
        callback=ReportingCallback(Quiet(), None),
    )


def test_the_loss_covers_the_answer_and_nothing_else(trainer):
    tokenizer = trainer.processing_class
    batch = trainer.data_collator([trainer.train_dataset[number] for number in range(6)])

    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        learnt = tokenizer.decode(ids[labels != -100], skip_special_tokens=True)
        unlearnt = tokenizer.decode(ids[labels == -100], skip_special_tokens=True)
        answers = [row_of("sft", number, "train")["answer"] for number in range(6)]
        assert learnt in answers
        assert learnt not in unlearnt


def test_the_end_of_the_answer_is_learnt_exactly_once(trainer):
    end = trainer.processing_class.eos_token_id
    batch = trainer.data_collator([trainer.train_dataset[number] for number in range(6)])

    for labels in batch["labels"]:
        learnt = [label for label in labels.tolist() if label != -100]
        assert learnt.count(end) == 1
        assert learnt[-1] == end
