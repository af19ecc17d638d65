import json

import pyarrow.parquet as pq
import pytest

from twin_assets_tests.end_to_end.conftest import AUTHOR, Platform

ASSETS = {
    *("raw_documents", "cleaned_documents", "chunks", "embeddings", "style_profile", "instruct_dataset"),
    *("preference_dataset", "base_model", "sft_checkpoint", "dpo_checkpoint", "eval_report", "retrieval_report"),
    *("registered_model", "leaderboard"),
}


def test_every_asset_of_the_graph_is_fresh_and_says_what_it_holds(built: Platform) -> None:
    rows = built.rows("build", AUTHOR)

    assert {row["asset"] for row in rows} == ASSETS
    assert {row["state"] for row in rows} == {"fresh"}
    assert all(any(letter.isdigit() for letter in row["what it holds"]) for row in rows)


def test_a_second_build_runs_nothing(built: Platform) -> None:
    done = built.twin("build", AUTHOR)

    assert "nothing was embedded, generated or trained" in done.stdout


def test_status_says_fresh_for_the_built_author_and_missing_for_the_other(built: Platform) -> None:
    states = {(row["author"], row["asset"]): row["state"] for row in built.rows("status")}

    assert states[AUTHOR, "registered_model"] == "fresh"
    assert states["tobias-fenn", "cleaned_documents"] == "fresh", "the base model reads it"
    assert states["tobias-fenn", "registered_model"] == "missing"


def test_no_check_fails_but_those_that_a_very_small_model_and_dataset_may_fail(built: Platform) -> None:
    failed = {check for row in built.rows("status", AUTHOR) for check in row["failed_checks"]}

    assert failed <= {"length_bias"}


def test_sft_knows_the_authors_held_out_text_better_than_the_base_model(built: Platform) -> None:
    report = json.loads(built.artifact(f"eval_report/{AUTHOR}.json").read_text())
    perplexity = {model["model"]: model["perplexity"]["perplexity"]["estimate"] for model in report["models"]}

    assert perplexity["sft"] < perplexity["base"]


def test_the_authors_held_out_text_is_nearer_to_the_own_profile(built: Platform) -> None:
    deltas = json.loads(built.artifact(f"eval_report/{AUTHOR}.json").read_text())["human"]["deltas"]

    assert deltas[AUTHOR]["estimate"] < deltas["tobias-fenn"]["estimate"]


def test_held_out_documents_are_in_no_training_data(built: Platform) -> None:
    for dataset in ("instruct_dataset", "preference_dataset"):
        sides = [
            set(pq.read_table(built.artifact(f"{dataset}/{AUTHOR}/{split}.parquet"))["document_id"].to_pylist())
            for split in ("train", "test")
        ]
        assert sides[0]
        assert sides[1]
        assert not sides[0] & sides[1], dataset


def test_the_checkpoints_answer_with_transformers_alone(built: Platform) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for stage in ("sft_checkpoint", "dpo_checkpoint"):
        folder = str(built.artifact(f"{stage}/{AUTHOR}"))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder)
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": "Write about backups."}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        written = model.generate(**prompt, max_new_tokens=8, do_sample=False)
        assert written.shape[1] > prompt["input_ids"].shape[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["build", "mira-vos"], "Did you mean 'mira-voss'?"),
        (["build", "Mira Voss"], "not a valid author slug"),
        (["build", AUTHOR, "--until", "embedings"], "There is no asset 'embedings'"),
        (["promote", AUTHOR, "99"], "has no version '99'"),
        (["import", "/nowhere"], "is missing"),
        (["author", "add", "new-one", "--folder", "/nowhere", "--consent", "herself"], "is not a folder"),
    ],
)
def test_a_mistake_gets_one_clear_sentence(built: Platform, arguments: list[str], words: str) -> None:
    done = built.twin(*arguments, expect=1)

    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
