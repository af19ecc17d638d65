"""Datasets whose rows others have a part in, through the real assets: a teacher, a judge, files, readers' feedback.

The language model is a server on loopback that speaks OpenAI's protocol, asked by the real client.
"""

import json
import re
from collections import Counter
from dataclasses import replace
from hashlib import sha256

import dagster as dg
import pytest
from small_author import AUTHOR, TINY, Place
from typer.testing import CliRunner
from upath import UPath

from resources.io_managers import DatasetIOManager
from twin_assets.cli import app
from twin_assets.documents import InstructRow, PreferenceRow
from twin_assets_tests.openai_server import Asked, OpenAIServer, Sent, says

DATASETS = ("instruct_dataset", "preference_dataset")
TAUGHT = {
    "teacher_model": "sage",
    "teacher_key": "not-a-secret",
    "judge_model": "sage",
    "teacher_input_price": 1.0,
    "teacher_output_price": 10.0,
    "instruct_generators": {"extractive": 1.0, "teacher": 1.0},
    "preference_generators": {"teacher": 1.0},
}


def _sage(asked: Asked) -> Sent:
    """Answer as a teacher and a judge would; each question gets an answer of its own."""
    return says(_answer(asked.user), prompt_tokens=500, completion_tokens=100)


def _answer(question: str) -> dict[str, object]:
    number = sha256(question.encode()).hexdigest()[:6]
    if question.startswith("Write the one request"):
        return {"instruction": f"What do you make of case {number} in your work?", "kind": "opinion"}
    if question.startswith("Here is what the person wrote"):
        quoted = re.findall(r"<<<extract \w+>>>\n(.*?)\n<<<end", question, re.DOTALL)[0]
        whole = {"instruction": f"How would you handle matter {number}?", "kind": "how-to", "answer": quoted}
        poor = {"instruction": f"Why bother with {number}?", "kind": "opinion", "answer": "It depends."}
        return {"pairs": [whole, poor]}
    if question.startswith("The instruction:"):
        return {"feedback": "It answers what was asked.", "score": 2 if number[0] == "0" else 4}
    looks = f"There are {int(number, 16):,} ways to look at it. Each of them has advantages and disadvantages."
    return {"answer": f"{looks} It is worth weighing them carefully before you decide what suits your needs."}


def materialize(place: Place, *assets: str) -> dg.ExecuteInProcessResult:
    with place.instance() as instance:
        return (
            place.definitions()
            .resolve_job_def("twin")
            .execute_in_process(
                partition_key=AUTHOR,
                instance=instance,
                run_config={"ops": {name: TINY["ops"][name] for name in assets if name in TINY["ops"]}},
                asset_selection=[dg.AssetKey(name) for name in assets],
                raise_on_error=False,
            )
        )


def rows_of(place: Place, asset: str) -> list:
    kind = {"instruct_dataset": InstructRow, "preference_dataset": PreferenceRow}[asset]
    return DatasetIOManager(root=".").read(UPath(place.artifacts) / asset / AUTHOR, kind)


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    return {
        evaluation.check_name: evaluation.description or ""
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR
    }


def twin(place: Place, *arguments: str) -> str:
    """Return what a `twin` command prints."""
    environment = {"TWIN_HOME": str(place.root / "home"), "TWIN_AUTHORS_DIR": str(place.root / "authors")}
    result = CliRunner().invoke(app, list(arguments), env=environment)
    assert result.exception is None, result.exception
    return result.output


def test_a_teacher_and_a_judge_have_their_part_once_and_every_row_leads_back_to_what_it_cost(place):
    with OpenAIServer(_sage) as server:
        place = replace(place, changes={**TAUGHT, "teacher_url": server.url})
        first = materialize(place, *DATASETS)
        assert first.success, failed_checks(first)
        asked = len(server.asked)
        written = {asset: rows_of(place, asset) for asset in DATASETS}
        again = materialize(place, *DATASETS)
        assert again.success
        assert len(server.asked) == asked
    assert {asset: rows_of(place, asset) for asset in DATASETS} == written

    instructions, pairs = written["instruct_dataset"], written["preference_dataset"]
    generators = Counter(row.generator for row in instructions)
    assert generators["teacher@1"] >= 10
    assert generators["extractive@2"] >= 10
    assert {row.quality for row in instructions} == {4}
    assert {row.generator for row in pairs} == {"teacher@1"}
    assert all(row.rejected_by.startswith("sage@") for row in pairs)
    assert "scored 2 of 4" in str(place.metadata("instruct_dataset")["dropped_by_reason"].value)
    paid = sum(row.cost for row in instructions)
    assert 0 < paid <= 1
    assert place.metadata("instruct_dataset")["cost"].value == 0  # the second run paid for nothing

    logged = [json.loads(file.read_text()) for file in (place.artifacts / "llm_calls").rglob("*.json")]
    assert {call["prompt"].partition("@")[0] for call in logged} == {"answers", "backtranslate", "judge", "reject"}
    assert all(call["authors"] == [AUTHOR] for call in logged)

    row = next(row for row in instructions if row.generator == "teacher@1" and row.passage_start is None)
    traced = json.loads(twin(place, "dataset", "trace", AUTHOR, row.row_id, "--json"))
    (found,) = [traced] if isinstance(traced, dict) else traced
    assert found["source"]["passage"] == row.answer
    assert {call["model"] for call in found["calls"]} == {"sage"}
    assert len(found["calls"]) == 2  # the teacher's, and the judge's
    assert row.answer in json.dumps(found["calls"], ensure_ascii=False).replace("\\n", "\n")
    assert sum(call["cost"] for call in found["calls"]) >= row.cost > 0


def test_a_budget_of_nothing_asks_nothing_and_one_that_ends_keeps_what_is_done(place):
    before = rows_of(place, "instruct_dataset")
    with OpenAIServer(_sage) as server:
        changes = {**TAUGHT, "teacher_url": server.url, "judge_model": None}
        nothing = materialize(replace(place, changes={**changes, "teacher_max_tokens": 0}), "instruct_dataset")
        assert "the budget is 0 tokens: raise TWIN_TEACHER_MAX_TOKENS" in failure_of(nothing)
        assert server.asked == []
        assert rows_of(place, "instruct_dataset") == before

        little = replace(place, changes={**changes, "teacher_max_tokens": 20_000})
        materialize(little, "instruct_dataset")
        done = len(server.asked)
        assert 0 < done < 40
        assert "budget" in str(place.metadata("instruct_dataset")["not_written"].value)
        assert 0 < place.metadata("instruct_dataset")["tokens_asked_and_answered"].value <= 20_000

        assert materialize(replace(place, changes=changes), "instruct_dataset").success
        assert len({asked.text for asked in server.asked}) == len(server.asked) > 2 * done


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """Return why the run failed, errors' causes included."""
    said = []
    for event in result.all_events:
        error = getattr(event.event_specific_data, "error", None) if event.is_step_failure else None
        while error:
            said.append(error.message)
            error = error.cause
    return "".join(said)


def test_an_endpoint_that_is_down_fails_the_dataset_in_a_sentence_and_the_old_one_stays(place, monkeypatch):
    # It is tried again, as it should be, but not for two minutes.
    monkeypatch.setattr(dg.RetryPolicy, "calculate_delay", lambda _, attempt: 0.01 * attempt)
    before = rows_of(place, "instruct_dataset")
    with OpenAIServer(_sage) as server:
        gone = server.url
    result = materialize(replace(place, changes={**TAUGHT, "teacher_url": gone}), "instruct_dataset")
    assert "TWIN_TEACHER_URL" in failure_of(result)
    assert rows_of(place, "instruct_dataset") == before


@pytest.fixture
def with_rows(place):
    """The place, with rows of others: a file that the author file names, a general set and a reader's feedback."""
    rows = rows_of(place, "instruct_dataset")
    asked, own = [row for row in rows if row.split == "train" and row.category == "articles"][:2]
    author = place.root / "authors" / f"{AUTHOR}.yaml"
    author.write_text(author.read_text("utf-8") + "datasets:\n  - path: ../writings/rows.jsonl\n", encoding="utf-8")
    imported = [
        {"instruction": "What would you tell somebody new to all this?", "input": "", "output": own.answer},
        {
            "instruction": "And what would somebody else say?",
            "input": "",
            "output": "Nobody of this name ever wrote this down anywhere at all.",
        },
    ]
    (place.writings / "rows.jsonl").write_text("\n".join(map(json.dumps, imported)), encoding="utf-8")
    general = [
        {"instruction": f"Add {number} and {number}.", "output": f"The sum of the two is {2 * number}, as you see."}
        for number in range(40)
    ]
    (place.root / "general.jsonl").write_text("\n".join(map(json.dumps, general)), encoding="utf-8")
    feedback = place.root / "home" / "feedback" / f"{AUTHOR}.jsonl"
    feedback.parent.mkdir()
    verdict = {
        "id": "1",
        "author": AUTHOR,
        "prompt": asked.instruction,
        "answer": "It is a best practice to do so in all cases, and there is little more to say about it. "
        "Teams that follow it are happier and faster than others, as many studies of the field have shown.",
        "verdict": "down",
        "model": f"twin-{AUTHOR}@1",
        "created_at": "2026-01-01T10:00:00Z",
    }
    feedback.write_text(json.dumps(verdict), encoding="utf-8")
    return replace(
        place,
        changes={
            "instruct_generators": {"extractive": 1.0, "import": 1.0},
            "preference_generators": {"model": 1.0, "feedback": 1.0},
            "general_dataset": str(place.root / "general.jsonl"),
            "general_ratio": 0.2,
        },
    )


def test_rows_of_others_join_where_they_are_grounded_and_an_edit_of_them_makes_the_datasets_stale(with_rows):
    place = with_rows
    build = place.build(until="preference_dataset", run_config=TINY)
    assert build.success, build.failures
    instructions, pairs = rows_of(place, "instruct_dataset"), rows_of(place, "preference_dataset")
    assert "in no document of the author" in str(place.metadata("instruct_dataset")["dropped_by_reason"].value)
    general = [row for row in instructions if row.generator == "general@1"]
    assert {row.split for row in general} == {"train"}
    assert len(general) == round(0.2 * sum(row.split == "train" and row not in general for row in instructions))
    assert [row.rejected_by for row in pairs if row.generator == "feedback@1"] == [f"twin-{AUTHOR}@1"]
    assert place.metadata("preference_dataset")["generated"].value == 1  # for the request of the file

    assert place.build(until="preference_dataset", run_config=TINY).built == ()
    file = place.root / "home" / "feedback" / f"{AUTHOR}.jsonl"
    file.write_text("", encoding="utf-8")
    build = place.build(until="preference_dataset", run_config=TINY)
    assert build.built == DATASETS
    assert not any(row.generator == "feedback@1" for row in rows_of(place, "preference_dataset"))


def test_a_new_document_generates_its_own_rows_only_and_moves_no_other(place):
    before = rows_of(place, "instruct_dataset")
    (place.writings / "posts" / "new.md").write_text(
        "I keep a ledger of every small repair that I make on a machine, with the date and the reason for it. After a "
        "year the ledger shows which part of the house is about to fall down, and it is never the part that anybody "
        "complains about. People complain about what they see. The ledger counts what they step over.\n",
        encoding="utf-8",
    )
    build = place.build(until="instruct_dataset", run_config=TINY)
    assert build.success, build.failures
    after = rows_of(place, "instruct_dataset")
    known = {row.row_id: row for row in before}
    assert {row.row_id: row for row in after if row.row_id in known} == known
    new = [row for row in after if row.row_id not in known]
    assert len(new) == 1
    assert new[0].document_id not in {row.document_id for row in before}


@pytest.mark.parametrize("asset", DATASETS)
def test_automation_makes_a_dataset_again_though_no_language_model_is_ever_observed(place, asset):
    selection = dg.AssetSelection.assets(asset)
    above = {"instruct_dataset": "cleaned_documents", "preference_dataset": "instruct_dataset"}[asset]
    with place.instance() as instance:
        definitions = place.definitions()
        first = dg.evaluate_automation_conditions(definitions, instance, selection)
        assert first.total_requested == 0
        version = {"dagster/data_version": "another"}
        instance.report_runless_asset_event(dg.AssetMaterialization(above, partition=AUTHOR, tags=version))
        second = dg.evaluate_automation_conditions(definitions, instance, selection, cursor=first.cursor)
    assert second.get_requested_partitions(dg.AssetKey(asset)) == {AUTHOR}


def test_an_author_without_feedback_or_files_is_no_error_where_both_are_switched_on(place):
    changes = {
        "instruct_generators": {"extractive": 1.0, "import": 1.0},
        "preference_generators": {"model": 1.0, "feedback": 1.0, "import": 1.0},
    }
    before = {asset: rows_of(place, asset) for asset in DATASETS}
    result = materialize(replace(place, changes=changes), *DATASETS)
    assert result.success, failed_checks(result)
    assert {asset: rows_of(place, asset) for asset in DATASETS} == before
