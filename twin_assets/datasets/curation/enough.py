"""How many rows a training takes, by the size of the model.

The figures are those of the LLM Engineer's Handbook, chapter 5, and of the papers it draws on: LIMA (Zhou et al., 2023)
aligns a model of 65 billion parameters with 1,000 examples; a model of about 7 billion needs more, or it does not even
learn the chat template; a narrow task takes 100 to 100,000.
"""

from dataclasses import dataclass

from twin_assets.errors import UserError

MIN_TRAIN_ROWS = 20
"""Fewest rows worth training on: 20 are two or three batches of the default size, and are learnt by heart."""
TASK_ROWS = 100
"""Fewest rows for a narrow task."""
STYLE_ROWS = 1_000
"""Rows below which a general set should be mixed in."""
LARGE_MODEL = 60_000_000_000
"""Parameters from which `STYLE_ROWS` good rows do."""
ROWS_OF_A_SMALL_MODEL = 3_000
"""Rows that a model of fewer parameters was taught a style with: the Handbook's own set, for one of 8 billion."""


class TooFewRowsError(UserError):
    """Curation left too few rows to train on."""


@dataclass(frozen=True)
class Enough:
    """Whether there are rows enough.

    Attributes:
        rows: Training rows there are.
        recommended: Training rows that the model should have.
        warning: One sentence with the numbers, or None if there are enough.
    """

    rows: int
    recommended: int
    warning: str | None


def enough_rows(n_train: int, *, n_parameters: int | None = None) -> Enough:
    """Return whether there are enough rows to train a model of this size.

    Args:
        n_train: Rows of the training side.
        n_parameters: Parameters of the model; None if unknown, which asks for as many as a small model does.

    Raises:
        TooFewRowsError: If there are too few to train anything on.
    """
    if n_train < MIN_TRAIN_ROWS:
        raise TooFewRowsError(
            f"{n_train:,} training rows are left, and {MIN_TRAIN_ROWS} are the least to train on: add writings to the "
            "author's sources, or see in the dataset's stages what was dropped."
        )
    is_large = n_parameters is not None and n_parameters >= LARGE_MODEL
    recommended = STYLE_ROWS if is_large else ROWS_OF_A_SMALL_MODEL
    size = "a model of unknown size" if n_parameters is None else f"a model of {_size(n_parameters)} parameters"
    if n_train >= recommended:
        return Enough(n_train, recommended, None)
    if n_train < TASK_ROWS:
        advice = f"even a narrow task takes {TASK_ROWS}: add writings"
    elif n_train < STYLE_ROWS:
        advice = f"below {STYLE_ROWS:,} mix in a general set (TWIN_GENERAL_DATASET)"
    else:
        advice = "let a teacher write more rows on the same passages (TWIN_INSTRUCT_GENERATORS)"
    return Enough(
        n_train,
        recommended,
        f"{n_train:,} training rows for {size}, which should have about {recommended:,}; {advice}.",
    )


def _size(n_parameters: int) -> str:
    for unit, name in ((10**9, "billion"), (10**6, "million")):
        if n_parameters >= unit:
            return f"{n_parameters / unit:.3g} {name}"
    return f"{n_parameters:,}"
