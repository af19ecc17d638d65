"""Coverage: what share of a text its passages hold. The number that shows whether chunking lost anything."""

from collections.abc import Sequence

from twin_assets.documents import Chunk


def coverage(text: str, chunks: Sequence[Chunk]) -> float:
    """Return the share of the text's characters, white space apart, that stand in at least one chunk.

    Args:
        text: The cleaned text.
        chunks: Chunks of this text, in any order; they may overlap.

    Returns:
        A share from 0 to 1. A text without characters is covered whole.
    """
    total = _visible(text)
    if not total:
        return 1.0
    covered, reached = 0, 0
    for start, end in sorted((chunk.start, chunk.end) for chunk in chunks):
        covered += _visible(text[max(start, reached) : end])
        reached = max(reached, end)
    return covered / total


def _visible(text: str) -> int:
    return sum(map(len, text.split()))
