import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hub_server import TOKEN, Hub, served_hub
from typer.testing import CliRunner
from upath import UPath

from resources.artifacts import ArtifactStore
from resources.io_managers import DatasetIOManager, TableIOManager
from twin_assets.cli import app
from twin_assets.datasets.card import CardFacts, dataset_card
from twin_assets.datasets.curation.contract import StageCount
from twin_assets.datasets.curation.splitting import split_documents
from twin_assets.datasets.formats.reading import read_examples
from twin_assets.documents import Author, CleanedDocument, InstructRow, PreferenceRow, SplitRule
from twin_assets.errors import UserError
from twin_assets.settings import PROJECT_ROOT

SLUG = "ada-bell"
CALL = "ab" + "0" * 62

NOUNS = "oven crust yeast salt flour starter rope harbour tide lantern gull fog roof hinge padlock gravel plank ramp"


def _document(number: int) -> CleanedDocument:
    def sentence(line: int) -> str:
        nouns = NOUNS.split()
        chosen = [nouns[(number * 7 + line * 5 + place * (number + 3)) % len(nouns)] for place in range(12)]
        return f"In year {number}{line} the {' '.join(chosen)}."

    text = f"# Essay {number}\n\n" + "\n\n".join(sentence(line) for line in range(60))
    return CleanedDocument(
        document_id=f"document-{number}",
        author=SLUG,
        category="articles",
        platform="blog",
        url=f"https://ada.example/{number}",
        title=f"Essay {number}",
        text=text,
        language="en",
        published_at=None,
        content_hash=str(number),
        duplicate_of=None,
        n_words=len(text.split()),
    )


@pytest.fixture
def documents() -> list[CleanedDocument]:
    return [_document(number) for number in range(8)]


@pytest.fixture
def artifacts(own_home: Path) -> ArtifactStore:
    return ArtifactStore(root=str(own_home / "artifacts"))


@pytest.fixture
def rows(documents: list[CleanedDocument]) -> list[InstructRow]:
    """A row of every document, verbatim; one written with a call of a model, one of no document, one gone stale."""
    splits = split_documents(documents, SplitRule())
    made = []
    for document in documents:
        start = document.text.index("In year")
        end = document.text.index("\n\n", start)
        made.append(_row(document.text[start:end], document, start, end, split=splits[document.document_id]))
    first = documents[0]
    written = {"passage_start": made[0].start, "passage_end": made[0].end, "calls": [CALL], "cost": 0.0021}
    made.append(_row("An oven, in her words.", first, 0, 9, split=made[0].split, generator="teacher@1", **written))
    made.append(_row("Three.", None, 0, 0, generator="general@1", support=0.0))
    made.append(_row("It was changed.", first, 0, 15, split=made[0].split))
    return made


def _row(answer: str, document: CleanedDocument | None, start: int, end: int, **fields: Any) -> InstructRow:
    values: dict[str, Any] = {
        "instruction": f"What is said of {answer[:22]}?",
        "answer": answer,
        "author": SLUG,
        "category": "articles",
        "document_id": document.document_id if document else "",
        "start": start,
        "end": end,
        "generator": "extractive@2",
        "prompt_hash": "00" * 32,
        "split": "train",
    }
    return InstructRow(**(values | fields))


@pytest.fixture
def built(
    make_author: Callable[..., Path],
    make_folder: Callable[..., Path],
    artifacts: ArtifactStore,
    documents: list[CleanedDocument],
    rows: list[InstructRow],
) -> ArtifactStore:
    """An author whose documents and datasets lie where the assets put them."""
    authors_dir = make_author(SLUG, make_folder({"articles/a.md": "text"}))
    TableIOManager(root=artifacts.root).write(artifacts.path("cleaned_documents", SLUG, ".parquet"), documents)
    datasets = DatasetIOManager(root=artifacts.root)
    datasets.write(artifacts.path("instruct_dataset", SLUG), rows)
    datasets.write(artifacts.path("preference_dataset", SLUG), [_pair(row) for row in rows[:8]])
    author = Author.model_validate({"slug": SLUG, "name": "Ada Bell", "sources": [{"type": "x"}], "consent": CONSENT})
    stages = [StageCount("rule filters", 11, Counter({"too short": 4}))]
    card = dataset_card(rows, CardFacts(author, documents, SplitRule(), data_version="0f0f", stages=stages))
    artifacts.write_text(artifacts.path("instruct_dataset", SLUG) / "README.md", card)
    assert authors_dir.is_dir()
    return artifacts


CONSENT = {"given_by": "herself"}


def _pair(row: InstructRow) -> PreferenceRow:
    return PreferenceRow(
        prompt=row.instruction,
        chosen=row.answer,
        rejected="Hm. I could not say.",
        author=SLUG,
        category=row.category,
        document_id=row.document_id,
        start=row.start,
        end=row.end,
        rejected_by="tiny@1",
        prompt_hash=row.prompt_hash,
        split=row.split,
        generator="model@1",
    )


def twin(*arguments: str | Path, width: int | None = None) -> Result:
    environment = {"COLUMNS": str(width)} if width else {}
    return CliRunner().invoke(app, ["dataset", *map(str, arguments)], env=environment)


def said_by(result: Result) -> str:
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


def as_json(result: Result) -> Any:
    assert result.exception is None, result.exception
    return json.loads(result.output)


@pytest.mark.usefixtures("built")
def test_show_puts_a_row_beside_the_passage_it_comes_from(rows: list[InstructRow]) -> None:
    shown = as_json(twin("show", SLUG, "--rows", "50", "--json"))
    assert {row["row_id"] for row in shown} == {row.row_id for row in rows}
    by_id = {row["row_id"]: row for row in shown}
    verbatim, written, general, changed = (by_id[rows[place].row_id] for place in (0, 8, 9, 10))
    assert verbatim["source"]["passage"] == verbatim["answer"]
    assert verbatim["source"]["before"].endswith("# Essay 0\n\n")
    assert verbatim["source"]["url"] == "https://ada.example/0"
    assert written["source"]["passage"] == rows[0].answer
    assert "on the ground of" in written["source"]["remark"]
    assert general["source"]["document_id"] is None
    assert "does not stand here" in changed["source"]["remark"]
    told = twin("show", SLUG).output
    assert "5 of 11 rows" in told
    assert told.count("characters ") + told.count("names no document") == 5


@pytest.mark.usefixtures("built")
def test_show_keeps_to_a_side_and_shows_pairs() -> None:
    assert {row["split"] for row in as_json(twin("show", SLUG, "--split", "test", "--json"))} == {"test"}
    pairs = as_json(twin("show", SLUG, "--preference", "--rows", "2", "--json"))
    assert [pair["rejected"] for pair in pairs] == ["Hm. I could not say."] * 2
    assert "rejected (by tiny@1)" in twin("show", SLUG, "--preference").output
    assert "no rows for validation" in said_by(twin("show", SLUG, "--split", "validation"))


def test_what_a_text_holds_does_not_steer_the_terminal(built: ArtifactStore, documents: list[CleanedDocument]) -> None:
    row = _row("A \x1b[2J\x07 clear [bold]screen[/bold].", documents[0], 0, 4)
    DatasetIOManager(root=built.root).write(built.path("instruct_dataset", SLUG), [row])
    output = twin("show", SLUG).output
    assert "\x1b[2J" not in output
    assert "[bold]screen[/bold]" in output


def test_trace_leads_a_row_back_to_document_call_and_checks(built: ArtifactStore, rows: list[InstructRow]) -> None:
    logged = {
        "prompt": "instruct@1",
        "model": "a-teacher",
        "system": "You write.",
        "user": "The rendered prompt.",
        "answer": {"instruction": "What?"},
        "failure": None,
        "prompt_tokens": 812,
        "completion_tokens": 77,
        "cost": 0.0042,
    }
    built.write_text(built.path("llm_calls") / "ab" / f"{CALL}.json", json.dumps(logged))
    row = rows[8]
    traced = as_json(twin("trace", SLUG, row.row_id[:8], "--json"))[0]
    assert traced["dataset"] == "instruct_dataset"
    assert traced["row"]["cost"] == 0.0021
    assert (traced["source"]["title"], traced["source"]["passage"]) == ("Essay 0", rows[0].answer)
    assert traced["calls"] == [{"key": CALL, **logged}]
    assert {"grounded", "split_by_document"} <= {check["check"] for check in traced["checks"]}
    assert all(check["what"] for check in traced["checks"])
    told = twin("trace", SLUG, row.row_id).output
    for part in (
        "The rendered prompt.",
        "a-teacher, prompt instruct@1, 812 + 77 tokens",
        "0.0021",
        "grounded",
        "Essay 0",
    ):
        assert part in told


@pytest.mark.usefixtures("built")
def test_trace_tells_what_is_not_there(rows: list[InstructRow]) -> None:
    assert "is not in the log" in as_json(twin("trace", SLUG, rows[8].row_id, "--json"))[0]["calls"][0]["remark"]
    assert "is not in the log" in twin("trace", SLUG, rows[8].row_id).output
    assert "No row of ada-bell has the id 'zzz'" in said_by(twin("trace", SLUG, "zzz"))
    assert "No row" in said_by(twin("trace", SLUG, ""))
    pair = _pair(rows[0])
    traced = as_json(twin("trace", SLUG, pair.row_id, "--json"))[0]
    assert (traced["dataset"], traced["calls"]) == ("preference_dataset", [])
    beginnings = Counter(row.row_id[0] for row in rows)
    shared = next(letter for letter, count in beginnings.items() if count > 1)
    assert "begins the ids of" in said_by(twin("trace", SLUG, shared))


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("form", ["alpaca", "sharegpt", "messages"])
def test_an_export_holds_every_row_and_loads_with_its_card(form: str, rows: list[InstructRow], tmp_path: Path) -> None:
    listed = as_json(twin("export", SLUG, "--format", form, "--out", tmp_path / "out", "--json"))
    assert [one["file"] for one in listed] == ["train.jsonl", "test.jsonl", "README.md"]
    reading = read_examples(tmp_path / "out")
    assert reading.form == form
    exported = {(one.exchange.instruction, one.exchange.answer, one.split) for one in reading.examples}
    assert exported == {(row.instruction, row.answer, row.split) for row in rows}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "path: test.jsonl" in card
    # What the curation dropped is known from the card of the built dataset only.
    assert "| rule filters | 11 | 4 | too short: 4 |" in card
    assert "Data version: `0f0f`" in card
    assert _loaded(tmp_path / "out", tmp_path) == Counter(row.split for row in rows)


@pytest.mark.usefixtures("built")
def test_pairs_are_exported_for_dpo(rows: list[InstructRow], own_home: Path) -> None:
    assert twin("export", SLUG, "--format", "dpo").exception is None
    folder = own_home / "exports" / SLUG / "dpo"
    found = read_examples(folder)
    assert (found.form, len(found.examples)) == ("dpo", 8)
    assert "Preference pairs" in (folder / "README.md").read_text()


@pytest.mark.usefixtures("built")
def test_an_export_replaces_nothing_unless_it_is_told_to(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert twin("export", SLUG, "--format", "alpaca", "--out", out).exception is None
    (out / "mine.txt").write_text("mine")
    before = (out / "train.jsonl").read_text()
    refusal = said_by(twin("export", SLUG, "--format", "messages", "--out", out))
    assert "holds train.jsonl, test.jsonl, README.md already" in refusal
    assert (out / "train.jsonl").read_text() == before
    forced = twin("export", SLUG, "--format", "messages", "--split", "test", "--out", out, "--force")
    assert forced.exception is None
    # A train side in another form beside it would be taken for the same dataset.
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "mine.txt", "test.jsonl"]
    assert read_examples(out / "test.jsonl").form == "messages"


@pytest.mark.usefixtures("built")
def test_a_format_that_is_not_known_is_refused() -> None:
    result = twin("export", SLUG, "--format", "vicuna")
    assert result.exit_code == 2
    assert "vicuna" in result.output


def test_what_was_not_built_is_told_with_the_command_that_builds_it(
    make_author: Callable[..., Path], make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    make_author(SLUG, make_folder({"articles/a.md": "text"}))
    for arguments in (("show", SLUG), ("export", SLUG, "--format", "alpaca"), ("trace", SLUG, "ab")):
        assert "run `twin build ada-bell --until instruct_dataset` first" in said_by(twin(*arguments))
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"instruction": "Q?", "output": "A."}\n')
    assert "--until cleaned_documents" in said_by(twin("check", SLUG, rows))
    assert "There is no author 'ada-bel'" in said_by(twin("show", "ada-bel"))


@pytest.mark.usefixtures("built")
def test_check_passes_what_is_sound_and_names_what_is_not(documents: list[CleanedDocument], tmp_path: Path) -> None:
    pytest.importorskip("twin_assets.datasets.curation.audit")
    bad = tmp_path / "bad.jsonl"
    records = [
        {"instruction": f"Question {n}?", "output": f"Nobody has written this answer, number {n}."} for n in range(5)
    ]
    bad.write_text("".join(json.dumps(record) + "\n" for record in records) + "{broken\n")
    result = twin("check", SLUG, bad, "--json")
    assert result.exit_code == 1
    verdicts = {row["check"]: row for row in json.loads(result.output)}
    assert (verdicts["readable"]["faults"], verdicts["readable"]["of"]) == (1, 6)
    assert verdicts["readable"]["for example"][0].startswith("bad.jsonl, line 6: is not JSON")
    assert (verdicts["grounded"]["state"], verdicts["grounded"]["faults"]) == ("failed", 5)
    good = tmp_path / "good.jsonl"
    passages = [text for document in documents for text in document.text.split("\n\n")[1:]]
    good.write_text("".join(json.dumps({"instruction": f"{p[:15]}?", "output": p}) + "\n" for p in passages))
    grounded = {row["check"]: row for row in json.loads(twin("check", SLUG, good, "--json").output)}["grounded"]
    assert (grounded["state"], grounded["of"]) == ("passed", len(passages))


@pytest.fixture
def hub() -> Iterator[Hub]:
    with served_hub() as served:
        yield served


def push(hub_address: str, home: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Push in a process of its own: `huggingface_hub` reads its address and its mode when it is imported."""
    return subprocess.run(
        [sys.executable, "-c", "from twin_assets.cli import main; main()", "dataset", "push", SLUG, *arguments],
        env={
            **os.environ,
            "HF_HUB_OFFLINE": "0",
            "HF_ENDPOINT": hub_address,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(home / "hub"),
            "TWIN_HUB_OFFLINE": "false",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT_ROOT,
    )


@pytest.mark.usefixtures("built")
def test_push_puts_the_files_and_the_card_on_a_hub(
    hub: Hub, built: ArtifactStore, rows: list[InstructRow], tmp_path: Path
) -> None:
    done = push(hub.address, tmp_path, "ada/essays")
    assert done.returncode == 0, done.stderr
    assert f"{hub.address}/datasets/ada/essays" in done.stdout
    assert hub.private == {"ada/essays": True}
    files = hub.files["ada/essays"]
    assert {name for name in files if not name.startswith(".")} == {"train.jsonl", "test.jsonl", "README.md"}
    assert files["README.md"].decode().startswith("---\npretty_name:")
    assert sum(content.count(b"\n") for name, content in files.items() if name.endswith(".jsonl")) == len(rows)
    DatasetIOManager(root=built.root).write(
        UPath(built.path("instruct_dataset", SLUG)), [row for row in rows if row.split == "train"]
    )
    again = push(hub.address, tmp_path, "ada/essays", "--public")
    assert again.returncode == 0, again.stderr
    # One commit each; a side that the dataset no longer has is gone, and nobody has made a private dataset public.
    assert len(hub.commits) == 2
    assert {name for name in hub.files["ada/essays"] if name.endswith(".jsonl")} == {"train.jsonl"}
    assert hub.private == {"ada/essays": True}


@pytest.mark.usefixtures("built")
def test_push_says_in_a_sentence_what_keeps_it_from_pushing(hub: Hub, tmp_path: Path) -> None:
    refused = {
        "set TWIN_HUB_OFFLINE=false": push(hub.address, tmp_path, "ada/essays", TWIN_HUB_OFFLINE="true"),
        "set HF_TOKEN to a token": push(hub.address, tmp_path, "ada/essays", HF_TOKEN=TOKEN[::-1]),
        "give one as OWNER/NAME": push(hub.address, tmp_path, "ada/ess ays"),
        "cannot be reached": push("http://127.0.0.1:9", tmp_path, "ada/essays"),
    }
    for remedy, done in refused.items():
        assert done.returncode == 1, remedy
        # The sentence is wrapped to the width of the terminal, wherever that falls.
        assert remedy in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
        assert TOKEN not in done.stderr
    assert hub.files == {}


def _loaded(folder: Path, home: Path) -> dict[str, int]:
    code = (
        "import json, sys, datasets\n"
        "found = datasets.load_dataset(sys.argv[1])\n"
        "print(json.dumps({name: len(rows) for name, rows in found.items()}))"
    )
    environment = {**os.environ, "HF_HOME": str(home / "hub")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)
    return counts
