"""Where a checkpoint is written: beside its predecessor, which it replaces only when it is complete.

What is written into the folder belongs to the stages; the manifest belongs to `training.manifest`. One run at a time
may write to one output, and nothing here enforces it: for runs of the Dagster UI, the pool `gpu` does.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial-"
REPLACED = ".replaced-"


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `output` when the block ends without an error.

    Until then `output` stays as it is, also if this process is killed. What a killed run left behind is removed first;
    if it was killed between the two renames at the end, its predecessor is put back.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    recover(output)
    partial = output.with_name(f"{output.name}{PARTIAL}{os.getpid()}")
    partial.mkdir()
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _swap(partial, output)


def recover(output: Path) -> None:
    """Remove what an interrupted run left beside `output`, and put `output` back if it was interrupted in the swap."""
    for replaced in _siblings(output, REPLACED):
        if output.exists():
            shutil.rmtree(replaced)
        else:
            replaced.rename(output)
    for partial in _siblings(output, PARTIAL):
        shutil.rmtree(partial)


def _swap(partial: Path, output: Path) -> None:
    replaced = output.with_name(f"{output.name}{REPLACED}{os.getpid()}")
    if output.exists():
        output.rename(replaced)
    partial.rename(output)
    if replaced.exists():
        shutil.rmtree(replaced)


def _siblings(output: Path, infix: str) -> list[Path]:
    return sorted(path for path in output.parent.iterdir() if path.name.startswith(output.name + infix))
