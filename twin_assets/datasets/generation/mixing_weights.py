"""Rows of several generators in the proportion of their weights, and instructions shared out between generators.

Both draw by hash, so that a row keeps its place when others are added.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, TypeVar

from twin_assets.documents import InstructRow, PreferenceRow, content_hash

Row = TypeVar("Row", InstructRow, PreferenceRow)


@dataclass(frozen=True)
class Mixed(Generic[Row]):
    """The rows of a mixture.

    Attributes:
        rows: The rows, generator by generator, each in its own order.
        dropped: Training rows left out for the sake of the proportion, by generator.
        limited_by: The generator that has too few rows for more; None where nothing had to be left out.
    """

    rows: list[Row]
    dropped: Counter[str] = field(default_factory=Counter)
    limited_by: str | None = None


def mix_by_weight(rows: Mapping[str, Sequence[Row]], weights: Mapping[str, float], seed: int) -> Mixed[Row]:
    """Return the largest dataset whose training side holds the generators' rows in the proportion of their weights.

    Of a generator with n training rows and the weight w, w * min(n / w) rows are kept, the minimum taken over the
    generators, rounded down. The generator with the fewest rows for its weight keeps them all; so does one that is
    alone. Rows held out for validation and test are all kept. Which training rows are kept is drawn by a hash of the
    seed and of what is asked; a row that is added takes the place of at most one other.

    A generator without a training row is left out of the proportion: it would leave nothing of the others.

    Args:
        rows: Rows by generator.
        weights: Weight by generator, as in `TWIN_INSTRUCT_GENERATORS`; only their ratio counts. A generator with weight
            0 gives no training rows.
        seed: Another seed draws others.

    Raises:
        ValueError: If a generator has no weight, or one below 0.
    """
    exact = _exact(weights, rows)
    sizes = {name: sum(row.split == "train" for row in rows[name]) for name in rows}
    # Of equally short ones, the first by name, so that the order of a mapping plays no part.
    taking_part = sorted(name for name in rows if sizes[name] and exact[name])
    shortest = min(taking_part, key=lambda name: sizes[name] / exact[name], default=None)
    per_weight = sizes[shortest] / exact[shortest] if shortest else Fraction(0)
    kept: list[Row] = []
    dropped: Counter[str] = Counter()
    for name in rows:
        count = int(per_weight * exact[name])
        training = [row for row in rows[name] if row.split == "train"]
        drawn = set(map(id, sorted(training, key=lambda row: _draw(row, seed))[:count]))
        kept += [row for row in rows[name] if row.split != "train" or id(row) in drawn]
        if len(training) > count:
            dropped[name] = len(training) - count
    return Mixed(kept, dropped, shortest if any(exact[name] for name in dropped) else None)


def share_out(rows: Sequence[InstructRow], weights: Mapping[str, float], seed: int) -> dict[str, list[InstructRow]]:
    """Return for each generator of pairs the instruct rows that it works on, each row for one of them.

    Without this every generator would write a rejected text for the same prompt, all but one of which would be paid for
    and then left out as a repetition. A row goes to a generator by a hash of the seed and of what is asked, and stays
    with it whatever rows are added; the shares are those of the weights, as far as chance has it.

    Raises:
        ValueError: If a weight is below 0, or all are 0.
    """
    exact = _exact(weights, weights)
    total = sum(exact.values())
    if not total:
        raise ValueError("All weights are 0: give at least one generator a weight above 0.")
    shares: dict[str, list[InstructRow]] = {name: [] for name in weights}
    for row in rows:
        # Not the hash by which rows are drawn elsewhere: of those drawn, each generator is to have its share.
        point = Fraction(int(content_hash(["share", _draw(row, seed)[0]])[:13], 16), 16**13) * total
        for name in sorted(exact):
            point -= exact[name]
            if point < 0:
                shares[name].append(row)
                break
    return shares


def _exact(weights: Mapping[str, float], names: Mapping[str, object]) -> dict[str, Fraction]:
    """Return the weights of the named generators as decimal fractions: 0.3 to 0.1 is 3 to 1, and not a bit less."""
    for name in names:
        if name not in weights:
            raise ValueError(f"{name} has no weight: give it one, or leave its rows out.")
        if not weights[name] >= 0:
            raise ValueError(f"The weight of {name} is {weights[name]}: choose 0 or more.")
    return {name: Fraction(str(weights[name])) for name in names}


def _draw(row: InstructRow | PreferenceRow, seed: int) -> tuple[str, str]:
    """Return the place of a row in the draw: of what is asked, and, where that is the same, of the whole row.

    The rejected text plays no part in the first: another model rejected leaves the same prompts in the dataset.
    """
    asked = row.instruction if isinstance(row, InstructRow) else row.prompt
    return content_hash([seed, asked, row.document_id, row.start]), row.row_id
