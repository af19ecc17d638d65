"""Each supported chat template: its bytes, what of a conversation is learnt, and which token ends an answer."""

from importlib.resources import files
from pathlib import Path

import pytest

from resources.artifacts import ArtifactStore
from resources.project import Project
from twin_assets.documents import BaseModelRef
from twin_assets.errors import UserError
from twin_assets.inference.base import base_to_ask
from twin_assets.settings import Settings
from twin_assets.training.chat_template import CHAT_TEMPLATES, answer_message, holds_marker, messages_for
from twin_assets.training.hyperparameters import PretrainHyperparameters
from twin_assets_tests.training.conftest import row_of, spec_for, start, train

PREAMBLE = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
START = "<s>"
HASHES = {
    "alpaca": "24839ec77ce0bae19b5c65f910defe38c63d9a2fd8ecf747126d979881b9ec54",
    "chatml": "3f67ea21b9070200548268462be0e78f41abad0e68a5a9d5ac370f3b101ffa62",
    "llama3": "e6fe3259f6aae0c101fc79661e20d8ba04954d840b885568df937bb85005bd87",
    "gemma": "06386cc32c2a9f60a0ad4c204cfa790630f24ab62e507d033e11282edc9e67a5",
    "phi": "8fab1c501fbaed792cf670f83c6e18f735283997504a9a12ae72bf043453c86d",
}
ASKED = {
    "alpaca": f"{PREAMBLE}\n\n### Instruction:\nWhy?\n\n### Response:\n",
    "chatml": "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
    "llama3": "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "gemma": "<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n",
    "phi": "<|user|>\nWhy?<|end|>\n<|assistant|>\n",
}
ENDS = {
    "alpaca": "<|endoftext|>",
    "chatml": "<|im_end|>",
    "llama3": "<|eot_id|>",
    "gemma": "<end_of_turn>",
    "phi": "<|end|>",
}
ASKED_AGAIN = {
    "alpaca": "\n\n### Instruction:\nAnd then?\n\n### Response:\n",
    "chatml": "\n<|im_start|>user\nAnd then?<|im_end|>\n<|im_start|>assistant\n",
    "llama3": "<|start_header_id|>user<|end_header_id|>\n\nAnd then?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "gemma": "\n<start_of_turn>user\nAnd then?<end_of_turn>\n<start_of_turn>model\n",
    "phi": "\n<|user|>\nAnd then?<|end|>\n<|assistant|>\n",
}
WITH_SYSTEM = {
    "alpaca": "Be brief.\n\n### Instruction:\nWhy?",
    "chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>",
    "llama3": "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>",
    "gemma": "<start_of_turn>user\nBe brief.\n\nWhy?<end_of_turn>",
    "phi": "<|system|>\nBe brief.<|end|>\n<|user|>\nWhy?<|end|>",
}
PUBLISHED = {"llama3": ["llama3"], "gemma": ["gemma", "gemma3"], "phi": ["phi3", "phi3_5"]}
"""The templates of the formats' own models, as TRL ships them; that of Llama 3.1 adds a system turn with two dates."""

SETTINGS = PretrainHyperparameters(
    vocab_size=600, min_frequency=2, hidden_size=32, layers=1, attention_heads=2, intermediate_size=32
)
EVERY = pytest.mark.parametrize("name", CHAT_TEMPLATES)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder for each template: a model of random weights, and the offline tokenizer for that template."""
    import torch

    from twin_assets.training.payload.pretrain import new_model, train_tokenizer

    root = tmp_path_factory.mktemp("models")
    for name, template in CHAT_TEMPLATES.items():
        torch.manual_seed(0)
        tokenizer = train_tokenizer(["The keeper writes slowly and reads again."] * 4, SETTINGS, template)
        new_model(tokenizer, SETTINGS).save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    return root


@pytest.fixture
def tokenizer(models, name):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(models / name)


def rendered(tokenizer, *turns, **options):
    return tokenizer.apply_chat_template([turn for part in turns for turn in part], tokenize=False, **options)


def end_of(tokenizer):
    return tokenizer.convert_ids_to_tokens(tokenizer.eos_token_id)


def spec_of(name, models, stage="sft"):
    return spec_for(
        stage,
        models / "no-dataset",
        models / "no-output",
        base_model=str(models / name),
        base_model_version="1",
        chat_template=name,
        chat_template_hash=CHAT_TEMPLATES[name].hash,
    )


@EVERY
def test_no_byte_of_a_template_changes_unnoticed(name):
    assert CHAT_TEMPLATES[name].hash == HASHES[name]


@EVERY
def test_a_question_is_rendered_byte_for_byte(name, tokenizer):
    assert rendered(tokenizer, messages_for("Why?"), add_generation_prompt=True) == ASKED[name]


@EVERY
def test_a_conversation_of_two_turns_is_rendered_byte_for_byte(name, tokenizer):
    first = [*messages_for("Why?"), *answer_message("Because.")]
    second = [*messages_for("And then?"), *answer_message("Nothing.")]

    assert rendered(tokenizer, first) == f"{ASKED[name]}Because.{ENDS[name]}"
    assert rendered(tokenizer, first, second[:1], add_generation_prompt=True) == (
        f"{ASKED[name]}Because.{ENDS[name]}{ASKED_AGAIN[name]}"
    )
    assert rendered(tokenizer, first, second) == (
        f"{ASKED[name]}Because.{ENDS[name]}{ASKED_AGAIN[name]}Nothing.{ENDS[name]}"
    )


@EVERY
def test_a_system_turn_is_rendered_byte_for_byte(name, tokenizer):
    system = [{"role": "system", "content": "Be brief."}]

    assert rendered(tokenizer, system, messages_for("Why?")) == WITH_SYSTEM[name]


@EVERY
def test_a_beginning_of_text_is_written_once_where_the_format_writes_one(name, tokenizer):
    tokenizer.bos_token = START

    start = "" if name == "phi" else START
    assert rendered(tokenizer, messages_for("Why?"), add_generation_prompt=True) == start + ASKED[name]


@pytest.mark.parametrize(("name", "published"), [(name, one) for name, many in PUBLISHED.items() for one in many])
def test_a_template_writes_what_the_models_of_its_format_were_trained_on(name, published, tokenizer):
    theirs = files("trl").joinpath("chat_templates", f"{published}.jinja").read_text(encoding="utf-8")
    tokenizer.bos_token = "" if name == "phi" else START
    conversation = [*messages_for("Why?"), *answer_message("Because."), *messages_for("And then?")]
    ours = rendered(tokenizer, conversation, add_generation_prompt=True)

    assert ours == rendered(tokenizer, conversation, add_generation_prompt=True, chat_template=theirs)


@EVERY
def test_the_loss_covers_the_answer_and_its_end_token_for_token(name, models, tmp_path):
    from twin_assets.training.payload.reporting import ReportingCallback
    from twin_assets.training.payload.runtime import load_tokenizer
    from twin_assets.training.payload.sft import sft_trainer

    spec = spec_of(name, models)
    tokenizer = load_tokenizer(spec)
    rows = [row_of("sft", number, "train") for number in range(4)]
    trainer = sft_trainer(
        spec, rows, [], tokenizer=tokenizer, work=tmp_path / "work", callback=ReportingCallback(Quiet(), None)
    )
    batch = trainer.data_collator([trainer.train_dataset[number] for number in range(4)])

    end = tokenizer.convert_tokens_to_ids(ENDS[name])
    for row, ids, labels in zip(rows, batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
        asked = tokenizer(ASKED[name].replace("Why?", row["instruction"]))["input_ids"]
        answer = tokenizer(row["answer"])["input_ids"]
        padding = len(ids) - len(asked) - len(answer) - 1
        assert ids == [*asked, *answer, end, *[tokenizer.pad_token_id] * padding]
        assert labels == [*[-100] * len(asked), *answer, end, *[-100] * padding]
        assert answer.count(end) == 0


@EVERY
def test_of_a_pair_both_answers_end_once_and_the_question_is_no_part_of_them(name, models, tmp_path):
    from twin_assets.training.payload.dpo import preference_trainer
    from twin_assets.training.payload.reporting import ReportingCallback
    from twin_assets.training.payload.runtime import load_tokenizer

    spec = spec_of(name, models, "dpo")
    tokenizer = load_tokenizer(spec)
    row = row_of("dpo", 0, "train")
    trainer = preference_trainer(
        spec, [row], [], tokenizer=tokenizer, work=tmp_path / "work", callback=ReportingCallback(Quiet(), None)
    )
    pair = trainer.train_dataset[0]

    end = tokenizer.convert_tokens_to_ids(ENDS[name])
    assert pair["prompt_ids"] == tokenizer(ASKED[name].replace("Why?", row["prompt"]))["input_ids"]
    assert pair["chosen_ids"] == [*tokenizer(row["chosen"])["input_ids"], end]
    assert pair["rejected_ids"] == [*tokenizer(row["rejected"])["input_ids"], end]


@EVERY
def test_the_markers_of_a_template_are_single_tokens_of_the_offline_tokenizer(name, tokenizer):
    for marker in CHAT_TEMPLATES[name].tokens:
        assert len(tokenizer(marker)["input_ids"]) == 1


@EVERY
def test_a_text_that_spells_a_marker_of_any_template_is_told(name):
    template = CHAT_TEMPLATES[name]
    for marker in template.tokens + template.headings:
        assert holds_marker(f"It says {marker} here.")
    assert not holds_marker("### Instructions for a walk <b>here</b>")


class Quiet:
    def say(self, message):
        pass

    fail = finish = say


class TestTheEndOfAnAnswer:
    """A model whose tokenizer has the template's marker beside another EOS, as the Llama 3 models have."""

    @pytest.fixture
    def model(self, models, tmp_path):
        """Copy the Llama 3 model, its tokenizer's EOS another token than the marker."""
        import shutil

        from transformers import AutoTokenizer

        folder = tmp_path / "model"
        shutil.copytree(models / "llama3", folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.eos_token = tokenizer.pad_token
        tokenizer.save_pretrained(folder)
        return folder

    def stop_at(self, folder, *tokens):
        from transformers import AutoTokenizer, GenerationConfig

        ids = AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(list(tokens))
        GenerationConfig(eos_token_id=ids).save_pretrained(folder)

    def loaded(self, folder):
        from twin_assets.training.payload.runtime import load_tokenizer

        return load_tokenizer(spec_of("llama3", folder.parent).model_copy(update={"base_model": str(folder)}))

    def test_is_the_marker_if_the_model_stops_there(self, model):
        self.stop_at(model, "<|pad|>", "<|eot_id|>")
        tokenizer = self.loaded(model)

        assert end_of(tokenizer) == "<|eot_id|>"
        assert rendered(tokenizer, answer_message("So.")).endswith("So.<|eot_id|>")

    def test_is_the_tokenizers_own_if_the_model_was_never_taught_the_marker(self, model):
        self.stop_at(model, "<|pad|>")
        tokenizer = self.loaded(model)

        assert end_of(tokenizer) == "<|pad|>"
        assert rendered(tokenizer, answer_message("So.")).endswith("So.<|pad|>")

    def test_is_told_by_the_models_configuration_where_it_brings_no_generation_settings(self, model):
        (model / "generation_config.json").unlink()

        assert end_of(self.loaded(model)) == "<|eot_id|>"


def test_rows_that_spell_out_a_special_token_of_the_tokenizer_are_left_out(models):
    from twin_assets.training.payload.runtime import without_special_tokens

    rows = [row_of("sft", number, "train") for number in range(3)]
    rows[1]["answer"] += " It is filled with <|pad|> at last."

    assert without_special_tokens(rows, spec_of("gemma", models)) == [rows[0], rows[2]]


@pytest.fixture(scope="module")
def trained(datasets, tmp_path_factory):
    """A base model, its SFT and its DPO checkpoint, all of them with Gemma's template."""
    folder = tmp_path_factory.mktemp("gemma")
    gemma = {"chat_template": "gemma", "chat_template_hash": CHAT_TEMPLATES["gemma"].hash}
    train(spec_for("pretrain", datasets["pretrain"], folder / "base", **gemma), folder)
    train(spec_for("sft", datasets["sft"], folder / "sft", base=folder / "base", **gemma), folder)
    train(spec_for("dpo", datasets["dpo"], folder / "dpo", base=folder / "sft", **gemma), folder)
    return folder


def test_every_stage_hands_the_chosen_template_on_and_stops_at_its_marker(trained):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for stage in ("base", "sft", "dpo"):
        tokenizer = AutoTokenizer.from_pretrained(trained / stage)
        stops = AutoModelForCausalLM.from_pretrained(trained / stage).generation_config.eos_token_id
        assert tokenizer.chat_template == CHAT_TEMPLATES["gemma"].text
        assert end_of(tokenizer) == "<end_of_turn>"
        assert tokenizer.eos_token_id in (stops if isinstance(stops, list) else [stops])


def test_a_model_of_another_template_is_not_aligned_with_this_one(trained, datasets, tmp_path):
    process = start(spec_for("dpo", datasets["dpo"], tmp_path / "dpo", base=trained / "sft"), tmp_path)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 2
    assert "was trained with another chat template" in errors


def test_a_hub_model_is_asked_with_the_template_of_the_deployment(models):
    hub = BaseModelRef(location=str(models / "chatml"), revision="main", licence="mit", version="1", n_parameters=None)
    here = hub.model_copy(update={"revision": None})
    store = ArtifactStore(root=str(models))
    model, version = base_to_ask(hub, CHAT_TEMPLATES["phi"], store)

    assert model._conversations(["Why?"]) == [ASKED["phi"]]
    assert version != base_to_ask(hub, CHAT_TEMPLATES["chatml"], store)[1]
    assert base_to_ask(here, CHAT_TEMPLATES["phi"], store)[1] == "1"


def test_the_setting_names_the_template_of_the_whole_deployment(monkeypatch):
    monkeypatch.setenv("TWIN_CHAT_TEMPLATE", "llama3")
    project = Project.from_settings(Settings.load())

    assert project.template is CHAT_TEMPLATES["llama3"]
    assert project.shaping_results()["chat_template"] == "llama3"
    monkeypatch.setenv("TWIN_CHAT_TEMPLATE", "mistral")
    with pytest.raises(UserError, match="TWIN_CHAT_TEMPLATE"):
        Settings.load()


def test_the_name_of_a_template_leaves_the_hash_of_a_spec_alone():
    spec = spec_for("pretrain", Path("dataset"), Path("output"))

    assert spec.model_copy(update={"chat_template": "phi"}).spec_hash == spec.spec_hash
    assert spec.model_copy(update={"chat_template_hash": CHAT_TEMPLATES["phi"].hash}).spec_hash != spec.spec_hash
