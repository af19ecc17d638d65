"""The files that records lie in: JSON Lines, a JSON list, the Handbook's JSON, Parquet, and folders of them.

Each record comes with its place, and the side that the file gives it. What a record says is for `forms` to tell.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from twin_assets.datasets.formats.contract import Located, Records
from twin_assets.documents import CATEGORIES, SPLITS, Category, Split
from twin_assets.errors import UserError

SPLIT_NAMES: dict[str, Split] = {
    **{split: split for split in SPLITS},
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
}
"""Names of files, folders and splits by which a side is known."""

_SAVED = ("dataset_dict.json", "dataset_info.json", "state.json")
"""The files by which `datasets` knows what `save_to_disk` wrote."""


def records_of(path: Path) -> Records:
    """Yield every record of a file or a folder, in order.

    Raises:
        UserError: If there is no such file, it is of no kind that can be read, or it is broken as a whole.
    """
    if path.is_dir():
        yield from _folder(path)
    elif not path.exists():
        raise UserError(f"{path} is not there: check the path; in an author file it is relative to that file.")
    elif path.suffix.lower() in _READERS:
        try:
            yield from _READERS[path.suffix.lower()](path)
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror or error}): mend that first.") from error
    else:
        raise UserError(f"{path} is of no kind that can be read: give {_KINDS}, or a folder of them.")


def _folder(path: Path) -> Records:
    """Yield the records of a folder: as `save_to_disk` wrote it, or with one file per side."""
    if any((path / name).is_file() for name in _SAVED):
        yield from _saved(path)
        return
    files = sorted(
        (file for file in path.iterdir() if file.suffix.lower() in _READERS and not file.name.startswith(".")),
        key=lambda file: (list(SPLIT_NAMES).index(file.stem) if file.stem in SPLIT_NAMES else len(SPLIT_NAMES), file),
    )
    if not files:
        raise UserError(f"{path} holds no data: a folder has {_KINDS}, or what `datasets` saved with save_to_disk.")
    for file in files:
        yield from records_of(file)


def _saved(path: Path) -> Records:
    import datasets

    try:
        saved = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} is not a dataset that save_to_disk wrote whole ({error}): save it again.") from error
    parts = saved.items() if isinstance(saved, Mapping) else [(path.name, saved)]
    for name, rows in parts:
        for number, row in enumerate(rows, start=1):
            yield Located(row, f"{path.name}, {name}, row {number}", SPLIT_NAMES.get(name))


def _json_lines(path: Path) -> Records:
    split = SPLIT_NAMES.get(path.stem)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            place = f"{path.name}, line {number}"
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    yield Located(json.loads(text), place, split)
            except UnicodeDecodeError:
                yield Located(None, place, split, fault="is not UTF-8")
            except json.JSONDecodeError as error:
                yield Located(None, place, split, fault=f"is not JSON ({error.msg})")
            except RecursionError:
                yield Located(None, place, split, fault="is nested too deeply")
            except ValueError as error:
                yield Located(None, place, split, fault=f"cannot be read ({error})")


def _json(path: Path) -> Records:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8.") from error
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise UserError(f"{path} is nested too deeply to be a dataset: give a JSON list of records.") from error
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" or not text.strip():
            # Objects one after the other, or nothing: JSON Lines under another name.
            yield from _json_lines(path)
            return
        raise UserError(f"{path}, line {error.lineno}: not JSON ({error.msg}): mend that first.") from error
    except ValueError as error:
        # A number with more digits than Python turns into one.
        raise UserError(f"{path} cannot be read ({error}): mend that first.") from error
    if isinstance(content, list):
        for number, (record, line) in enumerate(zip(content, _lines_of_items(text), strict=True), start=1):
            yield Located(record, f"{path.name}, line {line} (record {number})", SPLIT_NAMES.get(path.stem))
    elif isinstance(content, dict) and content.keys() & SPLIT_NAMES.keys():
        yield from _handbook(path, content)
    else:
        # One record alone: JSON Lines of one line, or spread over several.
        yield Located(content, f"{path.name}, line 1", SPLIT_NAMES.get(path.stem))


def _lines_of_items(text: str) -> Iterator[int]:
    """Yield the line on which each item of a JSON list begins; `text` is known to be valid."""
    decoder, position, line, counted = json.JSONDecoder(), text.index("[") + 1, 1, 0
    while True:
        while text[position] in " \t\r\n,":
            position += 1
        if text[position] == "]":
            return
        line, counted = line + text.count("\n", counted, position), position
        yield line
        _, position = decoder.raw_decode(text, position)


def _handbook(path: Path, content: Mapping[str, Any]) -> Records:
    """Yield the samples of a file of the Handbook: `{"train": {category: {"samples": [...]}}, "test": ...}`."""
    for name, categories in content.items():
        if name not in SPLIT_NAMES:
            continue
        if not isinstance(categories, dict):
            raise UserError(f"{path}: {name} is not an object of categories, as in the Handbook's files.")
        for category, part in categories.items():
            samples = part.get("samples") if isinstance(part, dict) else None
            if not isinstance(samples, list):
                raise UserError(f"{path}: {name}.{category} has no list of samples, as in the Handbook's files.")
            for number, sample in enumerate(samples, start=1):
                place = f"{path.name}, {name}.{category}, sample {number}"
                yield Located(sample, place, SPLIT_NAMES[name], category_named(category))


def category_named(name: object) -> Category | None:
    """Return the category of this name, or None."""
    return next((category for category in CATEGORIES if category == name), None)


def _parquet(path: Path) -> Records:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield Located(row, f"{path.name}, row {number}", SPLIT_NAMES.get(path.stem))
    except pa.ArrowException as error:
        raise UserError(f"{path} is not a whole Parquet file ({error}): write it again.") from error


_READERS: dict[str, Callable[[Path], Records]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".parquet": _parquet,
}

_KINDS = f"a {', '.join(list(_READERS)[:-1])} or {list(_READERS)[-1]} file"
