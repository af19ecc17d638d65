"""The OpenVINO runtime of this process: one, for as long as the process lives."""

from functools import cache
from typing import Any


@cache
def core() -> Any:
    """Return the runtime, which is made once and never taken down.

    Its CPU plugin (seen in 2026.4) gives the thread that makes it another stack for signal handlers, which has room for
    AMX registers, and puts the former one back when it is taken down. Of two runtimes that do not end in the reverse
    order of their beginnings, the second leaves the thread with the freed stack of the first: the next signal, such as
    Ctrl-C, is a segmentation fault.
    """
    import openvino  # type: ignore[import-untyped]

    return openvino.Core()
