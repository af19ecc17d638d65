"""A list of records, read one at a time: the same as read whole, wherever a block ends."""

import json
import tracemalloc

import pytest

from twin_assets.collection import records
from twin_assets.collection.records import records_of
from twin_assets.errors import UserError

RECORDS = [{"a": 'é "quoted" \\ ', "n": [1, -2.5e3, True, None, {"b": {}}]}, {}, {"long": "word " * 100}, {"z": "]},{"}]


def read(path):
    return list(records_of(path, expected="there should be files"))


@pytest.fixture
def write(tmp_path):
    def file(content):
        path = tmp_path / "records.json"
        path.write_bytes(content.encode())
        return path

    return file


@pytest.mark.parametrize("block", [1, 2, 7, 100, 1_000_000])
@pytest.mark.parametrize("indent", [None, 2])
def test_blocks_of_any_size_give_the_same_records(write, monkeypatch, block, indent):
    monkeypatch.setattr(records, "BLOCK_CHARACTERS", block)
    assert read(write(json.dumps(RECORDS, indent=indent, ensure_ascii=False) + "\n")) == RECORDS


@pytest.mark.parametrize("content", ["[]", " [ ] \n", "[\r\n\t]"])
def test_an_empty_list_holds_no_record(write, content):
    assert read(write(content)) == []


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "line 1, column 1: not valid JSON: Expecting value"),
        ("[", "line 1, column 2: not valid JSON: Expecting value"),
        ("[{}", "line 1, column 4: not valid JSON: Expecting ',' delimiter"),
        ("[{},", "line 1, column 5: not valid JSON: Expecting value"),
        ("[{},]", "not valid JSON"),
        ("[{} {}]", "line 1, column 5: not valid JSON: Expecting ',' delimiter"),
        ('[{}]\n{"a"', "line 2, column 1: not valid JSON: Extra data"),
        ('[{"a": 1}, {"b": }]', "line 1, column 18: not valid JSON: Expecting value"),
        ("[{}, 1]", "holds a list of records"),
        ("[[]]", "holds a list of records"),
        ('"text"', "holds a list of records"),
        ('[{"a": Infinity}]', "Infinity is not valid JSON: write null"),
    ],
)
@pytest.mark.parametrize("block", [1, 1_000_000])
def test_a_fault_is_named_with_its_place(write, monkeypatch, content, fault, block):
    monkeypatch.setattr(records, "BLOCK_CHARACTERS", block)
    with pytest.raises(UserError) as caught:
        read(write(content))
    assert fault in str(caught.value)


def test_memory_does_not_grow_with_the_number_of_records(write):
    def peak(number):
        path = write(json.dumps([{"text": f"{n} " + "word " * 1_200} for n in range(number)]))
        tracemalloc.start()
        try:
            assert sum(1 for _ in records_of(path, expected="")) == number
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(2_000) < 1.5 * peak(500)
