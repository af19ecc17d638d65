"""Reading an archive, zipped or unpacked, by the names of its members. Nothing is ever extracted to the disk.

An archive comes from outside, so it is taken for hostile: names that lead elsewhere, symbolic links, encryption and
everything that grows beyond its measure refuse the whole archive. The measure is taken while reading, because the sizes
that an archive states about itself are its own claim.
"""

import errno
import hashlib
import io
import json
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Protocol

from twin_assets.collection.characters import whole_characters
from twin_assets.errors import UserError

MAX_MEMBERS = 200_000
"""Members of an archive: ten years of posts with a picture each are some tens of thousands."""
MAX_MEMBER_BYTES = 256_000_000
"""One member, unpacked: 100,000 posts of 2.5 kB each. What is longer does not fit into memory once parsed."""
MAX_TOTAL_BYTES = 1_000_000_000
"""All members that are read, unpacked; pictures and films are never read."""
MAX_RATIO = 100
"""Unpacked to packed bytes: the limit of Apache POI's ZipSecureFile. Exports of text stay below 40."""
RATIO_GRACE_BYTES = 100 * 1024
"""The ratio counts from here on, as in Apache POI: a short text of one repeated word is no bomb."""
BLOCK_BYTES = 64 * 1024

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_GZIP_MAGIC = b"\x1f\x8b"
# Of the others, zipfile unpacks a block of any size at once, before anything can be measured.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class NotTextError(UserError):
    """A member is not UTF-8; the others may be."""


class Archive(Protocol):
    """The members of one archive."""

    @property
    def path(self) -> Path:
        """Where the archive lies."""
        ...

    def names(self) -> list[str]:
        """Return the names of all members that are files, sorted, with `/` between folders."""
        ...

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        Raises:
            UserError: If it cannot be read, or is too long.
        """
        ...

    def stamp(self, name: str) -> str:
        """Return what changes when the content of a member does, without unpacking it."""
        ...


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a zip file or an unpacked folder for the length of a `with` block.

    Raises:
        UserError: If it is missing, neither of the two, damaged, or not safe to read.
    """
    if path.is_dir():
        yield FolderArchive(path)
        return
    if not path.is_file():
        raise UserError(f"{path} is missing: put the export archive there, or correct `path`.")
    with ExitStack() as opened:
        with _damage_told(path):
            file = opened.enter_context(_CountingFile(path))
            magic = file.read(2)
            if magic == _GZIP_MAGIC:
                raise UserError(f"{path} is a tar.gz file: unpack it, and let `path` name the folder.")
            archive = ZipArchive(path, file, zipfile.ZipFile(file))
        yield archive


def text_of(archive: Archive, name: str) -> str:
    """Return the text of a member.

    Raises:
        NotTextError: If it is not UTF-8.
        UserError: If it cannot be read, or is too long.
    """
    try:
        return archive.read(name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotTextError(
            f"{archive.path}: {name} is not UTF-8 (byte {error.start}): download the export again."
        ) from error


def json_in(text: str) -> Any:
    """Return what a JSON text holds; of a character that was cut in half, as services do, a replacement stands there.

    Raises:
        json.JSONDecodeError: If it is no JSON.
    """
    value = json.loads(text)
    if _SURROGATE.search(text):
        value = json.loads(whole_characters(json.dumps(value, ensure_ascii=False)))
    return value


class ZipArchive:
    """The members of a zip file."""

    def __init__(self, path: Path, file: "_CountingFile", packed: zipfile.ZipFile) -> None:
        self.path = path
        self._file = file
        self._packed = packed
        self._total = 0
        members = packed.infolist()
        _refuse_too_many(path, len(members))
        for member in members:
            _refuse_unsafe(path, member)
        self._members = {member.filename: member for member in members if not member.is_dir()}
        twice = [name for name, times in Counter(member.filename for member in members).items() if times > 1]
        if twice:
            raise UserError(f"{path} holds two members named {twice[0]!r}: download the export again.")

    def names(self) -> list[str]:
        """Return the names of all members that are files."""
        return sorted(self._members)

    def read(self, name: str) -> bytes:
        """Return the content of a member, measured while it is unpacked."""
        before, content = self._file.bytes_read, bytearray()
        with _damage_told(self.path), self._packed.open(self._members[name]) as member:
            while block := member.read(BLOCK_BYTES):
                content += block
                self._total += len(block)
                packed = max(self._file.bytes_read - before, 1)
                if len(content) > RATIO_GRACE_BYTES and len(content) > MAX_RATIO * packed:
                    raise UserError(
                        f"{self.path}: {name} unpacks to more than {MAX_RATIO} times its size, as a zip bomb does: "
                        "download the export again."
                    )
                _refuse_too_long(self.path, name, len(content), self._total)
        return bytes(content)

    def stamp(self, name: str) -> str:
        """Return size and checksum as the archive states them; the checksum is proven when the member is read."""
        return f"{self._members[name].file_size}-{self._members[name].CRC:08x}"


class FolderArchive:
    """The files of an archive that somebody has unpacked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._total = 0
        self._files: dict[str, Path] = {}
        for file in path.rglob("*"):
            name = file.relative_to(path).as_posix()
            if file.is_symlink():
                raise UserError(f"{path}: {name} is a symbolic link, which no export holds: remove it.")
            if file.is_file():
                self._files[name] = file
            _refuse_too_many(path, len(self._files))

    def names(self) -> list[str]:
        """Return the names of all files."""
        return sorted(self._files)

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        try:
            with self._files[name].open("rb") as file:
                content = file.read(MAX_MEMBER_BYTES + 1)
        except OSError as error:
            raise UserError(f"{self._files[name]} cannot be read ({error.strerror}): mend that first.") from error
        self._total += len(content)
        _refuse_too_long(self.path, name, len(content), self._total)
        return content

    def stamp(self, name: str) -> str:
        """Return the hash of a file's content."""
        with self._files[name].open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class _CountingFile(io.FileIO):
    """A file that counts how much of it was read: what a member really takes, whatever its header says."""

    bytes_read = 0

    def read(self, size: int | None = -1) -> bytes:
        block = super().read(-1 if size is None else size)
        self.bytes_read += len(block)
        return block


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Turn what zipfile stumbles over in a damaged file into the error of an archive.

    Beside its own error: a place before the beginning of the file (EINVAL), and a name that is not UTF-8. What else the
    operating system says is about the disk or the permissions, and no download mends it.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise _damaged(path, str(error)) from error
        raise UserError(f"{path} cannot be read ({error.strerror or error}): mend that first.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is no zip file, or is damaged ({reason or 'it ends too early'}): download the export again."
    )


def _refuse_too_many(path: Path, count: int) -> None:
    if count > MAX_MEMBERS:
        raise UserError(f"{path} holds more than {MAX_MEMBERS:,} members: unpack it, and keep only the texts.")


def _refuse_too_long(path: Path, name: str, member: int, total: int) -> None:
    if member > MAX_MEMBER_BYTES:
        raise UserError(f"{path}: {name} is longer than {MAX_MEMBER_BYTES:,} bytes, too long to be read.")
    if total > MAX_TOTAL_BYTES:
        raise UserError(f"{path} holds more than {MAX_TOTAL_BYTES:,} bytes of text, too much to be read.")


def _refuse_unsafe(path: Path, member: zipfile.ZipInfo) -> None:
    # orig_filename, because zipfile cuts a name at a NUL byte.
    name = member.orig_filename
    parts: Sequence[str] = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith("/") or ".." in parts or "\0" in name or PureWindowsPath(name).drive or "\\" in name:
        raise UserError(f"{path}: the member {name!r} leads out of the archive: do not trust it.")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UserError(f"{path}: the member {name!r} is a symbolic link, which no export holds: do not trust it.")
    if member.flag_bits & 0x1:
        raise UserError(f"{path}: the member {name!r} is encrypted: unpack it, and let `path` name the folder.")
    if member.compress_type not in _COMPRESSIONS:
        raise UserError(f"{path}: the member {name!r} is packed in a way that no export uses: zip the archive anew.")
