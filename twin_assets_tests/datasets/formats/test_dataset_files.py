import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from resources.io_managers import write_rows
from twin_assets.datasets.formats.reading import read_examples
from twin_assets.documents import InstructRow
from twin_assets.errors import UserError

Write = Callable[[str, str | bytes], Path]

RECORDS = [{"instruction": f"Question {number}?", "output": f"Answer {number}."} for number in range(3)]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def json_lines_of(records: list[Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def read(path: Path) -> list[tuple[str, str]]:
    return [(one.exchange.instruction, one.exchange.answer) for one in read_examples(path).examples]


EXPECTED = [(record["instruction"], record["output"]) for record in RECORDS]


def test_every_kind_of_file_gives_the_same_records(write: Write, tmp_path: Path) -> None:
    import datasets

    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "rows.parquet")
    datasets.Dataset.from_list(RECORDS).save_to_disk(str(tmp_path / "saved"))
    files = [
        write("rows.jsonl", json_lines_of(RECORDS)),
        write("windows.jsonl", b"\xef\xbb\xbf" + json_lines_of(RECORDS).replace("\n", "\r\n").encode() + b"\r\n"),
        write("list.json", json.dumps(RECORDS, indent=1)),
        write("lines.json", json_lines_of(RECORDS)),
        tmp_path / "rows.parquet",
        tmp_path / "saved",
    ]
    assert [read(file) for file in files] == [EXPECTED] * len(files)


def test_a_record_is_named_by_its_line(write: Write) -> None:
    lines = read_examples(write("rows.jsonl", "\n" + json_lines_of(RECORDS))).examples
    assert [one.place for one in lines] == ["rows.jsonl, line 2", "rows.jsonl, line 3", "rows.jsonl, line 4"]
    items = read_examples(write("list.json", json.dumps(RECORDS, indent=1))).examples
    assert [one.place for one in items] == [
        "list.json, line 2 (record 1)",
        "list.json, line 6 (record 2)",
        "list.json, line 10 (record 3)",
    ]


def test_a_folder_gives_each_record_the_side_of_its_file(tmp_path: Path, make_row: Callable[..., InstructRow]) -> None:
    import datasets

    sides = {
        "test": datasets.Dataset.from_list(RECORDS[:1]),
        "train": datasets.Dataset.from_list(RECORDS[1:]),
    }
    datasets.DatasetDict(sides).save_to_disk(str(tmp_path / "saved"))
    saved = read_examples(tmp_path / "saved").examples
    assert sorted((one.exchange.instruction, one.split) for one in saved) == [
        ("Question 0?", "test"),
        ("Question 1?", "train"),
        ("Question 2?", "train"),
    ]
    built = tmp_path / "built"
    built.mkdir()
    rows = [make_row("A.", category="posts"), make_row("B.", split="test")]
    for row in rows:
        write_rows(UPath(built / f"{row.split}.parquet"), [row])
    found = read_examples(built)
    assert found.form == "handbook"
    assert [(one.exchange.answer, one.split, one.category) for one in found.examples] == [
        ("A.", "train", "posts"),
        ("B.", "test", "articles"),
    ]


def test_the_files_of_the_handbook_are_read_with_their_sides_and_categories(write: Write) -> None:
    samples = {"posts": {"category": "posts", "samples": [{"id": "1", "instruction": "Q?", "answer": "A."}]}}
    other = {"odd": {"samples": [{"instruction": "P?", "answer": "B."}]}}
    path = write("rows.json", json.dumps({"id": "x", "train": samples, "test": other, "test_split_size": 0.1}))
    reading = read_examples(path)
    assert reading.form == "handbook"
    assert [(one.exchange.answer, one.split, one.category, one.place) for one in reading.examples] == [
        ("A.", "train", "posts", "rows.json, train.posts, sample 1"),
        ("B.", "test", None, "rows.json, test.odd, sample 1"),
    ]


def test_the_generated_data_of_the_handbook_is_read_whole(handbook: Path) -> None:
    answers = read_examples(handbook / "generated" / "instruct_datasets.json").examples
    assert [one.split for one in answers].count("test") == 250
    assert len(answers) == 2_500
    pairs = read_examples(handbook / "generated" / "preference_datasets.json").examples
    assert len(pairs) == 402
    assert sum(one.exchange.answer == one.exchange.rejected for one in pairs) == 56


def test_faults_are_named_with_file_and_line_and_counted(write: Write) -> None:
    lines = [*RECORDS, {"instruction": "No output"}, "a text", *[{"instruction": "", "output": "x"}] * 6]
    path = write("rows.jsonl", json_lines_of(lines) + "{not json\n" + "\n")
    with pytest.raises(UserError) as refused:
        read_examples(path)
    sentence = str(refused.value)
    assert "9 of 12 records cannot be used" in sentence
    assert "rows.jsonl, line 4: has no field output" in sentence
    assert "rows.jsonl, line 5: is not a JSON object" in sentence
    assert "rows.jsonl, line 8: has nothing in instruction" in sentence
    assert "rows.jsonl, line 9" not in sentence
    assert "and 4 more" in sentence
    reading = read_examples(path, on_fault="drop")
    assert [one.exchange.answer for one in reading.examples] == [answer for _, answer in EXPECTED]
    assert len(reading.faults) == 9
    assert reading.faults[-1] == "rows.jsonl, line 12: is not JSON (Expecting property name enclosed in double quotes)"


def test_a_line_that_is_not_utf_8_is_a_fault_of_its_own(write: Write) -> None:
    path = write("rows.jsonl", json_lines_of(RECORDS).encode() + b'{"instruction": "caf\xe9", "output": "x"}\n')
    assert read_examples(path, on_fault="drop").faults == ["rows.jsonl, line 4: is not UTF-8"]


def test_what_python_cannot_hold_is_a_fault_of_its_line(write: Write) -> None:
    half = '{"instruction": "half \\ud83d", "output": "x"}\n'
    long = '{"instruction": "Q", "output": "x", "n": ' + "9" * 5_000 + "}\n"
    faults = read_examples(write("rows.jsonl", json_lines_of(RECORDS) + half + long), on_fault="drop").faults
    assert faults[0] == "rows.jsonl, line 4: holds half a character (\\ud83d, a surrogate alone)"
    assert faults[1].startswith("rows.jsonl, line 5: cannot be read (Exceeds the limit")
    with pytest.raises(UserError, match="cannot be read"):
        read_examples(write("list.json", f"[{long}]"))


def test_a_file_of_two_forms_is_refused(write: Write) -> None:
    path = write("rows.jsonl", json_lines_of([*RECORDS, {"prompt": "Q", "chosen": "a", "rejected": "b"}]))
    with pytest.raises(UserError, match="line 4: is in the form dpo, and a record before it in the form alpaca"):
        read_examples(path)


def test_the_form_that_is_given_counts(write: Write) -> None:
    path = write("rows.jsonl", json_lines_of([{"instruction": "Q?", "output": "A.", "answer": "B."}]))
    assert read(path) == [("Q?", "A.")]
    assert read_examples(path, form="handbook").examples[0].exchange.answer == "B."


def test_a_file_that_cannot_be_used_at_all_is_refused_with_the_reason(write: Write, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "state.json").write_text("{}")
    broken = write("broken.json", '[\n{"instruction": "a",\n')
    refused = {
        tmp_path / "gone.jsonl": "is not there",
        tmp_path / "empty": "holds no data",
        tmp_path / "half": "save it again",
        write("none.jsonl", ""): "holds no record",
        write("none.json", ""): "holds no record",
        write("list.json", "[]"): "holds no record",
        write("table.parquet", b"PAR1 not really"): "is not a whole Parquet file",
        write("rows.csv", "instruction,output\n"): "is of no kind that can be read",
        broken: "broken.json, line 3: not JSON",
        write("page.jsonl", "<html>\n</html>\n"): "page.jsonl, line 1: is not JSON",
        write("odd.jsonl", '{"question": "a", "reply": "b"}\n'): r"in no known form \(fields: question, reply; forms:",
        write("dict.json", '{"train": []}'): "train is not an object of categories",
        write("deep.jsonl", "[" * 100_000): "line 1: is nested too deeply",
        write("deep.json", "[" * 100_000): "is nested too deeply",
        write("latin.json", b'["caf\xe9"]'): "is not UTF-8",
    }
    for path, reason in refused.items():
        with pytest.raises(UserError, match=reason):
            read_examples(path, on_fault="drop")
    with pytest.raises(UserError, match="no form 'vicuna'"):
        read_examples(write("rows.jsonl", json_lines_of(RECORDS)), form="vicuna")
