"""Vectors of rows' texts: what one stage has had computed, another does not ask for again."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from twin_assets.datasets.curation.contract import Embed


class RememberedVectors:
    """An embedding that computes each text once."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._known: dict[str, npt.NDArray[np.float32]] = {}

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return one vector of length 1 per text, of shape (texts, dimension)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embed(new), strict=True))
        return np.stack([self._known[text] for text in texts]) if texts else self._embed([])
