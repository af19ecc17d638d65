"""What the steps from rows to a dataset have in common: rows of either kind, and what became of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from twin_assets.documents import InstructRow, PreferenceRow

Row = TypeVar("Row", InstructRow, PreferenceRow)

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Returns one vector of length 1 per text, of shape (texts, dimension)."""


@dataclass(frozen=True)
class StageCount:
    """What one stage of curation kept and dropped."""

    stage: str
    kept: int
    dropped: Counter[str] = field(default_factory=Counter)
    """Rows dropped, by reason."""


@dataclass(frozen=True)
class Curated(Generic[Row]):
    """The rows that are left, and what each stage did, in order."""

    rows: list[Row]
    stages: list[StageCount]


@dataclass(frozen=True)
class Finding:
    """What one check of the audit found: it passed if nothing is at fault."""

    check: str
    """Name of the check, as the asset check is called."""
    faults: int
    of: int
    sentence: str
    """What was found, in words and numbers."""
    examples: list[str] = field(default_factory=list)
    """Some of the rows at fault, by name."""
    figures: dict[str, Any] = field(default_factory=dict)
    """Further numbers worth keeping."""

    @property
    def passed(self) -> bool:
        """Whether nothing is at fault."""
        return not self.faults
