"""Reading a JSON file that is a list of records, one record at a time."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from twin_assets.errors import UserError

BLOCK_CHARACTERS = 1_000_000
"""How much is read at once; a record that is longer doubles it until it fits."""

Record = dict[str, Any]


def records_of(path: Path, *, expected: str) -> Iterator[Record]:
    """Yield the records of a file in its order, without ever holding all of them.

    Args:
        path: A JSON file, a list of objects.
        expected: What to say of a missing file: which files there should be.

    Raises:
        UserError: If the file is missing, unreadable, not UTF-8 or not JSON (line and column), or no list of objects.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from _records_in(path, file)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: {expected}.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): mend that first.") from error
    except (UnicodeDecodeError, json.JSONDecodeError, _UnexpectedError):
        _say_where(path)


def _records_in(path: Path, file: IO[str]) -> Iterator[Record]:
    decoder = json.JSONDecoder(parse_constant=lambda constant: _refuse_constant(path, constant))
    buffer = _Buffer(file)
    _expect(buffer, "[")
    if buffer.next_character() != "]":
        yield _next_record(buffer, decoder)
        while buffer.next_character() == ",":
            buffer.place += 1
            yield _next_record(buffer, decoder)
    _expect(buffer, "]")
    _expect(buffer, "")


def _expect(buffer: "_Buffer", character: str) -> None:
    if buffer.next_character() != character:
        raise _UnexpectedError
    buffer.place += 1


def _next_record(buffer: "_Buffer", decoder: json.JSONDecoder) -> Record:
    if buffer.next_character() != "{":
        raise _UnexpectedError
    record: Record = buffer.next_value(decoder)
    return record


class _UnexpectedError(Exception):
    """Something else than a list of objects stands here; JSON or not."""


class _Buffer:
    """The part of a file that is being read."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._text = ""
        self.place = 0

    def next_character(self) -> str:
        """Skip white space, and return the character that follows; nothing at the end of the file."""
        while True:
            while self.place < len(self._text) and self._text[self.place] in " \t\n\r":
                self.place += 1
            if self.place < len(self._text):
                return self._text[self.place]
            if not self._read_more():
                return ""

    def next_value(self, decoder: json.JSONDecoder) -> Any:
        """Return the value that begins here, and go behind it."""
        while True:
            try:
                value, self.place = decoder.raw_decode(self._text, self.place)
            except json.JSONDecodeError:
                if not self._read_more():
                    raise
            else:
                return value

    def _read_more(self) -> bool:
        rest = self._text[self.place :]
        block = self._file.read(max(BLOCK_CHARACTERS, len(rest)))
        self._text, self.place = rest + block, 0
        return bool(block)


def _refuse_constant(path: Path, constant: str) -> NoReturn:
    raise UserError(f"{path}: {constant} is not valid JSON: write null.")


def _say_where(path: Path) -> NoReturn:
    """Read a broken file once more, whole, because only then line and column are known."""
    try:
        json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}.") from error
    raise UserError(f"{path}: a dump file holds a list of records.")
