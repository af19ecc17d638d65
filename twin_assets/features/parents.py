"""Parents: the larger passage in which a found passage is read (small-to-big retrieval).

A short passage is found best, a long one is understood best. So the short one is embedded, and what is given to a
reader, or to a model, is the section around it.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

PARENT_TOKENS = 512
"""Tokens in a parent at most, counted as the sum over its passages: four passages of the default length.

LlamaIndex's small-to-big retrieval pairs chunks of 128 and 256 tokens with parents of 512 and 1,024; at 512 a context
of 4,096 tokens holds five parents beside a question and an answer.
"""

Span = tuple[int, int]


def parent_spans(
    spans: Sequence[Span], sizes: Sequence[int], sections: Sequence[Span], *, limit: int = PARENT_TOKENS
) -> list[Span]:
    """Return for each passage the span from the first to the last passage that is read with it.

    That is the largest section around the passage that stays within the limit, and the whole text if it does. Where
    even the smallest section is longer, it is the part of it around the passage.

    Args:
        spans: Start and end of each passage, in the order of the text.
        sizes: Tokens of each passage.
        sections: Start and end of each section, subsections included.
        limit: Tokens in a parent at most. A passage that is longer is its own parent.
    """
    starts = [start for start, _ in spans]
    up_to = [0, *accumulate(sizes)]
    parents = []
    for place, around in enumerate(_sections_around(spans, sections)):
        ranges = [(bisect_left(starts, start), bisect_left(starts, end)) for start, end in around]
        first, end = next(
            ((first, end) for first, end in ranges if up_to[end] - up_to[first] <= limit),
            _window(place, sizes, *ranges[-1], limit=limit),
        )
        parents.append((spans[first][0], max(stop for _, stop in spans[first:end])))
    return parents


def _sections_around(spans: Sequence[Span], sections: Sequence[Span]) -> Iterator[list[Span]]:
    """Yield for each passage the sections in which it begins, the whole text first, the smallest last."""
    waiting = sorted(sections, key=lambda section: (section[0], -section[1]))
    around = [(0, spans[-1][1])] if spans else []
    position = 0
    for start, _ in spans:
        while position < len(waiting) and waiting[position][0] <= start:
            around.append(waiting[position])
            position += 1
        around = [around[0], *(section for section in around[1:] if start < section[1])]
        yield around


def _window(place: int, sizes: Sequence[int], first: int, end: int, *, limit: int) -> tuple[int, int]:
    """Let a passage grow by its neighbours from `first` to before `end`, in turn after and before."""
    low, high, total = place, place + 1, sizes[place]
    grown = True
    while grown:
        grown = False
        if high < end and total + sizes[high] <= limit:
            total += sizes[high]
            high += 1
            grown = True
        if low > first and total + sizes[low - 1] <= limit:
            low -= 1
            total += sizes[low]
            grown = True
    return low, high
