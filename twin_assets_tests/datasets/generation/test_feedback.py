import json
from pathlib import Path
from typing import Any

import pytest

from twin_assets.datasets.generation.feedback import MAX_NAMED, Feedback, read_feedback, standing
from twin_assets.errors import UserError

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "feedback.md"


def entry(**fields: Any) -> dict[str, Any]:
    return {
        "id": "one",
        "author": "ada-bell",
        "prompt": "When does the ferry leave?",
        "answer": "Ferries leave.",
        "verdict": "down",
        "model": "ada-bell@3",
        "created_at": "2025-03-02T10:15:00Z",
    } | fields


def written(path: Path, *lines: dict[str, Any] | str | bytes) -> Path:
    encoded = [
        line
        if isinstance(line, bytes)
        else (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)).encode()
        for line in lines
    ]
    path.write_bytes(b"\n".join(encoded))
    return path


def test_entries_are_read_in_order_with_every_field(tmp_path: Path) -> None:
    corrected = entry(id="two", correction="At nine.", corrected_by="ada-bell", documents=["d1", "d2"])
    path = written(
        tmp_path / "feedback.jsonl", b"\xef\xbb\xbf" + json.dumps(entry()).encode() + b"\r", "", corrected, "  "
    )
    first, second = read_feedback(path)

    assert (first.id, first.verdict, first.correction, first.documents) == ("one", "down", None, [])
    assert first.created_at.isoformat() == "2025-03-02T10:15:00+00:00"
    assert (second.correction, second.documents) == ("At nine.", ["d1", "d2"])
    assert second.is_signed
    assert not first.is_signed


def test_a_line_separator_inside_a_string_ends_no_line(tmp_path: Path) -> None:
    path = written(tmp_path / "feedback.jsonl", entry(answer="At nine.\u2028At ten.\x0b\u0085Never."))

    assert read_feedback(path)[0].answer == "At nine.\u2028At ten.\x0b\u0085Never."


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        (b'{"id": "\xff"}', "JSON"),
        (entry(verdict="meh"), "verdict"),
        (entry(created_at="yesterday"), "created_at"),
        (entry(created_at="2025-03-02T10:15:00"), "timezone"),
        (entry(created_at=1740910500), "created_at"),
        (entry(prompt="  "), "prompt: .*blank"),
        (entry(answer=""), "answer: .*blank"),
        (entry(correction=" "), "correction: .*blank"),
        (entry(author="Ada Bell"), "author"),
        (entry(id=""), "id"),
        (entry(id=7), "id"),
        (entry(corection="At nine."), "corection"),
        (entry(verdict="up", correction="At nine."), "goes with the verdict down"),
        (entry(corrected_by="ada-bell"), "goes with a correction"),
        ({key: value for key, value in entry().items() if key != "model"}, "model"),
    ],
)
def test_a_line_that_is_no_entry_is_named_with_the_reason(tmp_path: Path, line: Any, reason: str) -> None:
    path = written(tmp_path / "feedback.jsonl", entry(), "", line, entry(id="two"))

    with pytest.raises(UserError, match=rf"line 3 \(.*{reason}"):
        read_feedback(path)


def test_an_error_names_the_lines_and_repeats_nobodys_words(tmp_path: Path) -> None:
    private = entry(verdict="my secret")
    path = written(tmp_path / "feedback.jsonl", *[private] * (MAX_NAMED + 3))

    with pytest.raises(UserError, match=rf"line 1 .*line {MAX_NAMED} .* and 3 more") as caught:
        read_feedback(path)
    assert "my secret" not in str(caught.value)
    assert f"line {MAX_NAMED + 1} " not in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error_and_none_or_an_empty_one_holds_nothing(tmp_path: Path) -> None:
    assert read_feedback(tmp_path / "feedback.jsonl") == []
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(UserError, match="TWIN_PREFERENCE_GENERATORS"):
        read_feedback(tmp_path / "folder.jsonl")
    assert read_feedback(written(tmp_path / "feedback.jsonl")) == []


def entries(*fields: dict[str, Any]) -> list[Feedback]:
    return [Feedback.model_validate(entry(**one)) for one in fields]


def test_an_id_counts_once_by_its_newest_entry_wherever_it_stands() -> None:
    late, early = {"verdict": "up", "created_at": "2025-03-03T00:00:00Z"}, {"verdict": "down"}

    for order in ([late, early], [early, late], [early, late, early, late]):
        (kept,), overruled = standing(entries(*order), "ada-bell")
        assert (kept.verdict, overruled) == ("up", 0)


def test_of_verdicts_on_one_answer_the_newest_stands_and_the_others_are_counted() -> None:
    kept, overruled = standing(
        entries(
            {"id": "a", "created_at": "2025-03-02T12:00:00+02:00"},
            {"id": "b", "verdict": "up", "created_at": "2025-03-02T11:00:00Z", "answer": "ferries leave"},
            {"id": "c", "answer": "Never."},
            {"id": "d", "author": "tom-fox"},
        ),
        "ada-bell",
    )

    assert ([one.id for one in kept], overruled) == (["c", "b"], 1)


def test_of_entries_at_the_same_moment_the_later_line_is_the_newer() -> None:
    kept, _ = standing(entries({"verdict": "up"}, {"verdict": "down"}), "ada-bell")

    assert [one.verdict for one in kept] == ["down"]


def test_the_documented_contract_names_every_field_and_its_example_can_be_read(tmp_path: Path) -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    example = text.split("```json\n")[1].split("```")[0]
    described = {
        line.split("`")[1]: line.split("|")[2].strip() == "yes" for line in text.splitlines() if line.startswith("| `")
    }

    assert described == {name: field.is_required() for name, field in Feedback.model_fields.items()}
    assert [one.is_signed for one in read_feedback(written(tmp_path / "example.jsonl", example))] == [True, False]
