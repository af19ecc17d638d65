"""The log of calls: one file per question, whole or not at all, in a folder or in an object store."""

import json

import pytest
from pydantic import BaseModel
from upath import UPath

from resources.call_log import Attempt, answer_of, call_key, call_of, name_author, read_call, read_calls, write_call
from twin_assets.asking import Question
from twin_assets.errors import UserError


class Tide(BaseModel):
    height: int


def question(number=0, **fields):
    return Question(**{"prompt": "tide@1", "system": "s", "user": f"Zoë asks {number}.", "form": Tide} | fields)


def call(number=0, height=7, author="ann"):
    attempt = Attempt(
        raw='{"height": 7}',
        finish_reason="stop",
        failure=None,
        detail="",
        prompt_tokens=20,
        completion_tokens=10,
        cost=0.5,
        seconds=1.25,
        created_at="2026-01-02T03:04:05+00:00",
    )
    return call_of("sage", author, question(number), [attempt, attempt], answer=Tide(height=height), complete=True)


@pytest.fixture(params=["folder", "object store"])
def root(request, tmp_path):
    return str(tmp_path / "artifacts") if request.param == "folder" else f"memory://{tmp_path.name}/artifacts"


def test_a_call_comes_back_as_it_was_written(root):
    written = call()
    write_call(root, written)
    assert read_call(root, written.key) == written
    assert (UPath(root) / "llm_calls" / written.key[:2] / f"{written.key}.json").exists()


def test_a_call_counts_all_its_attempts():
    both = call()
    assert (both.prompt_tokens, both.completion_tokens, both.cost, both.seconds) == (40, 20, 1.0, 2.5)


def test_a_later_call_takes_the_place_of_an_earlier_one(root):
    write_call(root, call(height=1))
    write_call(root, call(height=2))
    assert answer_of(read_call(root, call().key), Tide) == Tide(height=2)


def test_a_call_goes_on_naming_the_authors_of_an_earlier_one(root):
    write_call(root, call(author="bob"))
    write_call(root, call(height=2, author="ann"))
    found = read_call(root, call().key)
    assert found.authors == ["ann", "bob"]
    assert found.answer == {"height": 2}


def test_whoever_looks_a_call_up_is_named_in_it_as_it_is_by_then(root):
    write_call(root, call(height=1))
    looked_up = [read_call(root, call().key), call(1)]
    write_call(root, call(height=2))
    name_author(root, looked_up, "bob")
    found = read_call(root, call().key)
    assert found.authors == ["ann", "bob"]
    assert found.answer == {"height": 2}
    assert read_call(root, call(1).key) is None


def test_a_call_from_before_authors_were_named_is_read_and_names_none(root):
    write_call(root, call())
    path = UPath(root) / "llm_calls" / call().key[:2] / f"{call().key}.json"
    fields = json.loads(path.read_text())
    del fields["authors"]
    path.write_text(json.dumps(fields))
    assert read_call(root, call().key).authors == []


def test_what_was_never_asked_is_not_there(root):
    assert read_call(root, "0" * 64) is None
    assert read_call(root, "../../elsewhere") is None


def test_many_calls_are_read_at_once(root):
    for number in range(30):
        write_call(root, call(number))
    keys = [call(number).key for number in range(40)]
    assert list(read_calls(root, [*keys, *keys])) == keys[:30]


@pytest.mark.parametrize("content", ["", "{}", "not JSON", "\xff"])
def test_a_file_that_is_no_call_is_named(root, content):
    write_call(root, call())
    path = UPath(root) / "llm_calls" / call().key[:2] / f"{call().key}.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=rf"{call().key}\.json is not a logged call any more: delete it"):
        read_call(root, call().key)


def test_a_full_disk_is_one_sentence_and_the_earlier_call_stays(tmp_path, full_disk):
    write_call(str(tmp_path), call())
    longer = call().model_copy(update={"raw": "x" * 100_000})
    with full_disk(at=20_000), pytest.raises(UserError, match="could not be written"):
        write_call(str(tmp_path), longer)
    assert read_call(str(tmp_path), call().key) == call()


def test_the_key_is_the_same_in_every_process():
    assert call_key("sage", question()) == "5f622df56b46f4dcb56e16a7e76e139324645c1949a229bf7a35dbbb661ee489"
    assert call_key("sage", question(temperature=1)) == call_key("sage", question(temperature=1.0))
