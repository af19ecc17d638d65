"""What the base model is trained on, token by token."""

import pytest

from twin_assets.training.hyperparameters import PretrainHyperparameters
from twin_assets.training.payload.pretrain import encode, train_tokenizer

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
