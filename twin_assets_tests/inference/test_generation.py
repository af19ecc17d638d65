import math

import pytest

from twin_assets.errors import UserError
from twin_assets.inference.generation import CausalModel, GenerationSettings
from twin_assets_tests.training.conftest import datasets, spec_for, train  # noqa: F401 - the fixture is used by name

SETTINGS = GenerationSettings(max_new_tokens=12, temperature=0.9, top_p=0.95, seed=3)


@pytest.fixture(scope="module")
def model(datasets, tmp_path_factory) -> CausalModel:  # noqa: F811 - pytest's way to ask for a fixture
    folder = tmp_path_factory.mktemp("generation")
    train(spec_for("pretrain", datasets["pretrain"], folder / "base"), folder)
    return CausalModel(str(folder / "base"))


def test_the_same_question_gets_the_same_answer(model):
    assert model.generate(["Why?"], SETTINGS) == model.generate(["Why?"], SETTINGS)


def test_another_seed_gets_another_answer(model):
    other = SETTINGS.model_copy(update={"seed": 4})

    assert model.generate(["Why?"], SETTINGS) != model.generate(["Why?"], other)


def test_an_answer_does_not_depend_on_its_neighbours_when_asked_alone(model):
    together = model.generate(["Why?", "What is a lantern for, and who lights it?"], SETTINGS, batch_size=1)

    assert together[0] == model.generate(["Why?"], SETTINGS, batch_size=1)[0]


def test_a_prompt_that_nearly_fills_the_context_does_not_cut_short_the_answers_beside_it(model, monkeypatch):
    asked = []
    monkeypatch.setattr(model, "_write", lambda ids, texts, settings: asked.append(texts) or texts)
    long = "The keeper writes. " * model._context
    tokens = model._tokenizer(long)["input_ids"][: model._context - SETTINGS.max_new_tokens + 1]
    long = model._tokenizer.decode(tokens)

    assert model.complete(["One.", long, "Two."], SETTINGS) == ["One.", long, "Two."]
    assert sorted(map(sorted, asked)) == sorted([["One.", "Two."], [long]])


def test_perplexity_of_a_long_text_agrees_with_one_pass_over_it(model):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    text = "The keeper writes slowly and reads again. " * 3
    ids = AutoTokenizer.from_pretrained(model.location)(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        loss = AutoModelForCausalLM.from_pretrained(model.location)(input_ids=ids, labels=ids).loss.item()
    [score] = model.token_nll([text])

    assert score.n_tokens == ids.shape[1] - 1
    assert score.perplexity == pytest.approx(math.exp(loss), rel=1e-4)


def test_windows_score_each_token_once(model):
    text = "The evening ferry leaves harbour before the tide table is read again. " * 20
    [whole], [windowed] = model.token_nll([text]), model.token_nll([text], window=32, stride=16)

    assert windowed.n_tokens == whole.n_tokens


def test_a_marker_that_a_text_spells_out_is_read_as_its_letters(model):
    text = "The template ends a turn with <|im_end|> and the keeper writes slowly."
    split = model._tokenizer(text, split_special_tokens=True)["input_ids"]
    [score] = model.token_nll([text])

    assert model._tokenizer.eos_token_id not in split
    assert score.n_tokens == len(split) - 1
    assert score.n_tokens > len(model._tokenizer(text)["input_ids"])


def test_a_text_is_gone_on_from_without_its_letters_becoming_a_marker(model, monkeypatch):
    read = []
    monkeypatch.setattr(model, "_write", lambda ids, texts, settings: read.extend(ids) or ["" for _ in ids])
    model.complete(["A turn ends with <|im_end|> here."], SETTINGS)
    model.generate(["Why?"], SETTINGS)

    end = model._tokenizer.eos_token_id
    assert [row.count(end) for row in read] == [0, 1]


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="nothing-here"):
        CausalModel(str(tmp_path / "nothing-here")).generate(["Why?"], SETTINGS)
