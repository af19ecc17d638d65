"""Which files of a repository are collected, and why the others are not."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pathspec import GitIgnoreSpec

from twin_assets.collection.code_files import is_code
from twin_assets.collection.repositories.git import REGULAR_FILE, SYMBOLIC_LINK, TreeEntry

MAX_FILE_BYTES = 500_000
"""Longest file that is read: a longer one is data, or was generated."""
MAX_TOTAL_BYTES = 8_000_000
"""All files of a repository: MongoDB keeps at most 16 MB in one record, and a text may need more there than here."""

DEFAULT_EXCLUDES = (
    # Hidden files, as in a folder of writings.
    ".*",
    # Lock files.
    "*.lock", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "go.sum",
    # Other people's code, and what is generated: after vendor.yml and generated.rb of github-linguist.
    "vendor/", "vendored/", "node_modules/", "bower_components/", "third_party/", "third-party/", "Pods/",
    "site-packages/", "venv/", "__pycache__/", "dist/", "build/", "*.egg-info/",
    "*.min.js", "*.min.css", "*-min.js", "*-min.css", "*.map", "*_pb2.py", "*_pb2_grpc.py", "*.pb.go",
    "*.generated.*", "*.g.dart", "*.designer.cs",
)  # fmt: skip
"""Patterns as in .gitignore of what nobody wrote, or somebody else did."""


@dataclass(frozen=True)
class Selection:
    """The files to read, and how many others there are of each kind."""

    entries: list[TreeEntry]
    passed_over: Counter[str]


def select_files(
    entries: Iterable[TreeEntry], *, missing: Collection[str], sizes: Mapping[str, int], exclude: Sequence[str]
) -> Selection:
    """Choose the files to read, in the order of their paths, until there is enough.

    Args:
        entries: Every path of the commit.
        missing: Objects that were not fetched because they are too large.
        sizes: How long the others are.
        exclude: Patterns as in .gitignore, besides the default ones; `!pattern` takes one of these back.
    """
    spec = GitIgnoreSpec.from_lines([*DEFAULT_EXCLUDES, *exclude])
    chosen: list[TreeEntry] = []
    passed_over: Counter[str] = Counter()
    total = 0
    for entry in sorted(entries, key=lambda entry: entry.path):
        reason = _reason(entry, spec, missing, sizes)
        if not reason and total + sizes[entry.object_id] > MAX_TOTAL_BYTES:
            reason = f"beyond {MAX_TOTAL_BYTES:,} bytes in all"
        if reason:
            passed_over[reason] += 1
        else:
            total += sizes[entry.object_id]
            chosen.append(entry)
    return Selection(chosen, passed_over)


def texts_of(chosen: Sequence[TreeEntry], contents: Mapping[str, bytes], passed_over: Counter[str]) -> dict[str, str]:
    """Return the texts by path, byte for byte; count what is binary or not UTF-8 among what was passed over."""
    texts = {}
    for entry in chosen:
        content = contents[entry.object_id]
        if b"\0" in content:
            passed_over["binary"] += 1
            continue
        try:
            texts[entry.path] = content.decode("utf-8")
        except UnicodeDecodeError:
            passed_over["not UTF-8"] += 1
    return texts


def said_of(passed_over: Mapping[str, int]) -> str:
    """Return in words what was passed over; nothing if nothing was."""
    counts = sorted(passed_over.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {reason}" for reason, count in counts)


def _reason(entry: TreeEntry, spec: GitIgnoreSpec, missing: Collection[str], sizes: Mapping[str, int]) -> str:
    if not entry.mode.startswith(REGULAR_FILE):
        return "symbolic link" if entry.mode == SYMBOLIC_LINK else "submodule"
    if "\ufffd" in entry.path:
        return "with a name that is not UTF-8"
    if spec.match_file(entry.path):
        return "excluded"
    if not is_code(PurePosixPath(entry.path)):
        return "not a kind of text that is read"
    if entry.object_id in missing or sizes[entry.object_id] > MAX_FILE_BYTES:
        return f"larger than {MAX_FILE_BYTES:,} bytes"
    return ""
