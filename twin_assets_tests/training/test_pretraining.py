"""What the base model is trained on, token by token."""

import pytest

from twin_assets.training.hyperparameters import PretrainHyperparameters
from twin_assets.training.payload.pretrain import batches_of, encode, train_tokenizer
from twin_assets.training.spec import TrainingError

SETTINGS = PretrainHyperparameters(vocab_size=400, min_frequency=2, context_length=32, block_length=8)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["The keeper writes slowly and reads again."] * 4, SETTINGS)


def test_a_text_that_spells_out_the_end_of_a_turn_has_one_end_only(tokenizer):
    text = "A turn ends with <|im_end|> and a turn starts with <|im_start|>, says the page."
    tokens = encode(tokenizer, [text], seed=0)

    assert tokens.count(tokenizer.eos_token_id) == 1
    assert tokens[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(tokens[:-1]) == text


def test_a_block_that_the_texts_do_not_fill_is_refused_and_not_waited_for():
    with pytest.raises(TrainingError, match="do not fill a block of 8"):
        batches_of([1, 2, 3, 4, 5, 6, 7], SETTINGS.model_copy(update={"long_fraction": 0.0}), steps=2, seed=0)


def test_batches_are_whole_blocks_of_both_lengths():
    batches = batches_of(list(range(64)), SETTINGS.model_copy(update={"tokens_per_step": 35}), steps=4, seed=0)
    assert [tuple(batch.shape) for batch in batches] == [(4, 8), (4, 8), (4, 8), (1, 32)]
