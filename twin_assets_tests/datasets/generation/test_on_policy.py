from collections.abc import Callable, Sequence
from typing import NoReturn

import pytest

from twin_assets.datasets.generation.on_policy import (
    BLOCK,
    KEPT_MODELS,
    OnPolicy,
    known_texts,
    rejected_by_name,
    to_keep,
)
from twin_assets.datasets.generation.pair_contract import GeneratedPairs, PairMaterial
from twin_assets.datasets.sampling import REJECTION_SETTINGS, sampled
from twin_assets.documents import CleanedDocument, InstructRow, Rejection
from twin_assets.errors import UserError
from twin_assets.inference.generation import CausalModel, GenerationSettings
from twin_assets.training.chat_template import TURN_END, TURN_START, chat_template

Make = Callable[..., InstructRow]
MODEL = "base@1"


class Sampler:
    """Stands in for a model: writes a text of its own for each prompt, and remembers what it was asked."""

    def __init__(self, texts: dict[str, str] | None = None) -> None:
        self.asked: list[list[str]] = []
        self._texts = texts or {}

    def __call__(self, prompts: Sequence[str]) -> list[str]:
        self.asked.append(list(prompts))
        return [self._texts.get(prompt, f"Somebody was asked: {prompt} Nobody knew") for prompt in prompts]

    @property
    def prompts(self) -> list[str]:
        return [prompt for block in self.asked for prompt in block]


def unasked(*_: object) -> NoReturn:
    raise AssertionError("the teacher is not needed")


@pytest.fixture
def author(make_row: Make, make_document: Callable[..., CleanedDocument]) -> Callable[..., PairMaterial]:
    """Material of documents that consist of one answer each."""

    def make(numbers: Sequence[int], sample: Callable[..., Sequence[str | None]], **fields: object) -> PairMaterial:
        answers = {f"d{number}": f"Ferry number {number} leaves the western quay at nine." for number in numbers}
        documents = [make_document(text, name, document_id=name) for name, text in answers.items()]
        rows = [
            make_row(
                text,
                document_id=name,
                instruction=f"What about ferry {name}?",
                split="test" if name == "d1" else "train",
            )
            for name, text in answers.items()
        ]
        values: dict[str, object] = {
            "author": "ada-bell",
            "rows": rows,
            "documents": documents,
            "splits": {row.document_id: row.split for row in rows},
            "seed": 0,
            "ask": unasked,
            "sample": sample,
        }
        return PairMaterial(**(values | fields))  # type: ignore[arg-type]

    return make


Author = Callable[..., PairMaterial]


def test_a_pair_holds_the_authors_passage_against_what_the_model_wrote(author: Author) -> None:
    material = author([1, 2], Sampler({"What about ferry d1?": "It floats. It also"}))
    result = OnPolicy(MODEL).generate(material)
    first = next(row for row in result.rows if row.document_id == "d1")

    assert (first.chosen, first.rejected) == ("Ferry number 1 leaves the western quay at nine.", "It floats.")
    assert (first.split, first.rejected_by, first.generator) == ("test", MODEL, "model@1")
    assert (result.generated, result.reused, result.cost) == (2, 0, 0.0)


def test_nothing_is_generated_twice_not_even_what_gave_no_pair(author: Author) -> None:
    material = author([1, 2, 3], Sampler({"What about ferry d2?": "", "What about ferry d3?": "It breaks off"}))
    first = OnPolicy(MODEL).generate(material)
    kept = to_keep([], first.rejections, material.rows)
    again = OnPolicy(MODEL, known_texts(kept, MODEL)).generate(author([1, 2, 3], unasked))

    assert first.dropped == {"rejected is empty": 1, "rejected has no complete sentence": 1}
    assert (again.rows, again.dropped) == (first.rows, first.dropped)
    assert (again.generated, again.reused) == (0, 3)
    assert to_keep(kept, again.rejections, material.rows) == kept
    assert {one.text for one in kept} == {"", "It breaks off", "Somebody was asked: What about ferry d1? Nobody knew"}


def test_one_new_document_among_a_thousand_generates_only_its_own(author: Author) -> None:
    before = OnPolicy(MODEL).generate(author(range(999), first := Sampler()))
    kept = to_keep([], before.rejections, author(range(999), unasked).rows)
    sampler = Sampler()
    after = OnPolicy(MODEL, known_texts(kept, MODEL)).generate(author(range(1000), sampler))

    assert len(first.prompts) == 999
    assert sampler.asked == [["What about ferry d999?"]]
    assert (after.generated, after.reused) == (1, 999)
    assert after.rows[:-1] == before.rows


def test_another_model_writes_everything_anew(author: Author) -> None:
    first = OnPolicy(MODEL).generate(author([1, 2], Sampler()))
    sampler = Sampler()
    OnPolicy("sft@1", known_texts(first.rejections, "sft@1")).generate(author([1, 2], sampler))

    assert len(sampler.prompts) == 2
    assert known_texts(first.rejections, "sft@1") == {}
    assert rejected_by_name("sft", "1") == "sft@1"


def test_prompts_are_asked_once_each_in_blocks_with_progress(author: Author, make_row: Make) -> None:
    said: list[str] = []
    sampler = Sampler()
    material = author(range(BLOCK + 10), sampler, report=said.append)
    twice = [
        *material.rows,
        material.rows[0].model_copy(update={"document_id": "d5", "answer": material.rows[5].answer}),
    ]
    result = OnPolicy(MODEL).generate(author(range(BLOCK + 10), sampler, report=said.append, rows=twice))

    assert [len(block) for block in sampler.asked] == [BLOCK, 10]
    assert len(set(sampler.prompts)) == BLOCK + 10
    assert said == [
        f"Generated rejected texts for {BLOCK} of {BLOCK + 10} prompts",
        f"Generated rejected texts for {BLOCK + 10} of {BLOCK + 10} prompts",
    ]
    assert len(result.rows) == BLOCK + 11


def test_a_model_that_leaves_out_an_answer_is_an_error(author: Author) -> None:
    with pytest.raises(ValueError, match="zip"):
        OnPolicy(MODEL).generate(author([1, 2], lambda prompts: ["Only one."]))


def test_a_prompt_that_fills_the_model_s_context_costs_its_own_pair(author: Author) -> None:
    def write(prompts: Sequence[str]) -> list[str | None]:
        return [None if "d2" in prompt else "It floats." for prompt in prompts]

    material = author([1, 2, 3], write)
    result = OnPolicy(MODEL).generate(material)

    assert [row.document_id for row in result.rows] == ["d1", "d3"]
    assert result.dropped == {"prompt fills the model's context": 1}
    assert (result.generated, len(result.rejections)) == (2, 2)


def test_answers_that_are_not_the_authors_words_take_no_part_and_cost_nothing(author: Author) -> None:
    material = author([1, 2, 3, 4], unasked)
    written = material.rows[0].model_copy(update={"passage_start": 0, "passage_end": 9})
    edited = material.rows[1].model_copy(update={"answer": "Ferry number 9 leaves the western quay at ten."})
    foreign = material.rows[2].model_copy(update={"document_id": ""})
    cut = material.rows[3].model_copy(update={"answer": "Ferry number 4 leaves", "end": len("Ferry number 4 leaves")})
    result = OnPolicy(MODEL).generate(author([1, 2, 3, 4], unasked, rows=[written, edited, foreign, cut]))

    assert result.rows == []
    assert result.dropped == {"answer is not the author's own words": 3, "chosen breaks off": 1}


def test_a_limit_asks_for_so_many_and_the_texts_of_the_others_are_kept(author: Author) -> None:
    material = author(range(20), Sampler())
    whole = OnPolicy(MODEL).generate(material)
    kept = to_keep([], whole.rejections, material.rows)
    some: GeneratedPairs = OnPolicy(MODEL, known_texts(kept, MODEL), limit=5).generate(author(range(20), unasked))

    assert (len(some.rows), len(some.rejections)) == (5, 5)
    assert to_keep(kept, some.rejections, material.rows) == kept


def test_texts_for_instructions_that_are_gone_are_not_kept(author: Author) -> None:
    whole = OnPolicy(MODEL).generate(author([1, 2, 3], Sampler()))
    left = author([1, 3], Sampler())
    again = OnPolicy(MODEL, known_texts(whole.rejections, MODEL)).generate(left)
    kept = to_keep(whole.rejections, again.rejections, left.rows)

    assert {one.text for one in kept} == {row.rejected + " Nobody knew" for row in again.rows}
    assert len(kept) == 2


def test_the_models_used_last_are_kept_and_no_more(author: Author) -> None:
    material = author([1], Sampler())
    kept: list[Rejection] = []
    for model in ("a", "b", "c", "a", "d"):
        kept = to_keep(kept, OnPolicy(model).generate(material).rejections, material.rows)

    assert [one.rejected_by for one in kept] == ["c", "a", "d"]
    assert len(kept) == KEPT_MODELS


def test_a_text_that_was_generated_again_takes_the_place_of_the_old_one(author: Author) -> None:
    material = author([1], Sampler())
    old = OnPolicy(MODEL).generate(material).rejections
    new = [old[0].model_copy(update={"text": "Another text."})]

    assert to_keep(old, new, material.rows) == new


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> CausalModel:
    """A Llama of 20,000 random weights that writes bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    symbols = [*sorted(pre_tokenizers.ByteLevel.alphabet()), TURN_START, TURN_END]
    bytes_alone = Tokenizer(models.BPE(vocab={symbol: place for place, symbol in enumerate(symbols)}, merges=[]))
    bytes_alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_alone.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bytes_alone, eos_token=TURN_END, additional_special_tokens=[TURN_START]
    )
    tokenizer.chat_template = chat_template()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(symbols),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=256,
        eos_token_id=tokenizer.eos_token_id,
    )
    folder = tmp_path_factory.mktemp("model")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return CausalModel(str(folder))


def test_a_new_row_changes_no_text_of_a_real_model(author: Author, small_model: CausalModel) -> None:
    settings = GenerationSettings(max_new_tokens=24, temperature=0.9, top_p=0.95, seed=0)

    def texts(numbers: Sequence[int]) -> dict[str, str]:
        material = author(numbers, lambda prompts: small_model.generate(prompts, settings))
        result = OnPolicy(rejected_by_name("small", settings.fingerprint)).generate(material)
        return {one.prompt_hash: one.text for one in result.rejections}

    few, many = texts(range(0, 40, 4)), texts(range(40))

    assert len(many) == 40
    assert few.items() < many.items()
    assert len(set(many.values())) > 35


def test_a_real_model_tells_which_prompts_leave_it_room(author: Author, small_model: CausalModel) -> None:
    prompts = ["Short?", "Long? " * 60, "Short again?"]

    assert small_model.leaves_room(prompts) == [True, False, True]
    texts = sampled(small_model, prompts)
    assert [text is None for text in texts] == [False, True, False]
    assert texts[0] == small_model.generate(prompts[:1], REJECTION_SETTINGS)[0]
    with pytest.raises(UserError, match="fills the context"):
        small_model.generate(prompts, REJECTION_SETTINGS)
