"""Balance of the training side, and the order in which a dataset is stored."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from twin_assets.datasets.curation.contract import Row
from twin_assets.documents import content_hash

MAX_SHARE_OF_DOCUMENT = 0.75
"""A document with more of the training rows than this is what the model will sound like, whatever else was written."""


def cap_shares(
    rows: Sequence[Row], group_of: Callable[[Row], str], *, largest: float, seed: int
) -> tuple[list[Row], int]:
    """Drop training rows of large groups until none has more than its share; other sides stay as they are.

    A hash of the seed and the row chooses, so that a row that is left stays when others are added, as far as the share
    lets it.

    Args:
        rows: Rows of one dataset.
        group_of: Names the group of a row, such as its kind.
        largest: Largest share of the training rows that are left, in (0, 1]. Where there are too few groups for it,
            each is cut to the size of the smallest.
        seed: Another seed chooses other rows.

    Returns:
        The rows that are left, in the order given, and how many were dropped.
    """
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.split == "train":
            groups[group_of(row)].append(row)
    limit = _limit([len(members) for members in groups.values()], largest)
    surplus = {
        id(row)
        for members in groups.values()
        for row in sorted(members, key=lambda row: content_hash([seed, row.row_id]))[limit:]
    }
    return [row for row in rows if id(row) not in surplus], len(surplus)


def in_drawn_order(rows: Iterable[Row], *, seed: int) -> list[Row]:
    """Return the rows in an order drawn by a hash of the seed and the row, whatever order they came in."""
    return sorted(rows, key=lambda row: (content_hash(["order", seed, row.row_id]), row.start))


def _limit(sizes: Sequence[int], largest: float) -> int:
    """Return the most rows that a group may keep: no group then has more than the share `largest` of what is left."""
    counts = Counter(sizes)
    if not counts:
        return 0
    fitting = (size for size in range(max(counts), 0, -1) if size <= largest * sum(min(n, size) for n in sizes) + 1e-9)
    return next(fitting, min(counts))
