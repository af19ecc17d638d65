"""Rows that say what another row says: word for word, in nearly the same words, or in others.

Of rows that are alike the first in the order of `rows.by_precedence` is kept, so that what is held out stays whole. A
pair of a preference dataset may share its prompt and its chosen text with others: it repeats one of them only if what
is rejected is the same, or nearly.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from twin_assets.datasets.curation.contract import Embed, Row
from twin_assets.datasets.curation.overlap import NEAR, SketchedTexts, normal_form
from twin_assets.datasets.curation.rows import answer_of, by_precedence, prompt_of, texts_of
from twin_assets.documents import InstructRow, PreferenceRow

SEMANTIC = 0.9
"""Cosine of two answers' embeddings from which they say the same.

Measured with all-MiniLM-L6-v2 on 904 passages of the Handbook's two authors: two that open with the same sentence and
argue the same lie at 0.93; the next pair, a definition and the summary that takes it up, at 0.88. Any threshold between
gives the same result. Instructions are left out, because their templates bring rows together that answer differently.
"""

_BLOCK = 2_048
"""Rows compared at once: a product of 2,048 x 2,048 numbers takes 16 MB."""

Vectors = npt.NDArray[np.float32]


def identity_of(row: InstructRow | PreferenceRow) -> dict[str, tuple[str, ...]]:
    """Return what no two rows may share, by what is said of the second."""
    prompt, answer = normal_form(prompt_of(row)), normal_form(answer_of(row))
    if isinstance(row, PreferenceRow):
        return {"repeats another pair": (prompt, answer, normal_form(row.rejected))}
    return {"repeats another answer": ("answer", answer), "repeats another instruction": ("instruction", prompt)}


def drop_exact(rows: Sequence[Row]) -> tuple[list[Row], Counter[str]]:
    """Drop the rows whose answer or whose instruction another one has, marks and capitals aside.

    Returns:
        The rows that are left, in the order given, and how many were dropped, by reason.
    """
    seen: set[tuple[str, ...]] = set()
    dropped: Counter[str] = Counter()
    kept: set[int] = set()
    for place in by_precedence(rows):
        keys = identity_of(rows[place])
        repeated = next((reason for reason, key in keys.items() if key in seen), None)
        if repeated:
            dropped[repeated] += 1
        else:
            seen.update(keys.values())
            kept.add(place)
    return [rows[place] for place in sorted(kept)], dropped


def drop_near(rows: Sequence[Row], *, near: float = NEAR, seed: int = 0) -> tuple[list[Row], Counter[str]]:
    """Drop the rows whose answer nearly repeats that of another one: half of the word 5-grams of the shorter.

    Time and memory grow with the number of rows. Near-duplicates among the pairs of one prompt are told by what is
    rejected, those among prompts by what is chosen.

    Args:
        rows: Rows of one dataset.
        near: Share of the shorter text's 5-grams that the longer one has to hold.
        seed: Chooses the MinHash permutations.
    """
    dropped: Counter[str] = Counter()
    answers = SketchedTexts(seed=seed, near=near)
    repeated_prompts: set[str] = set()
    of_prompt: defaultdict[str, list[int]] = defaultdict(list)
    for place in by_precedence(rows):
        group = _group(rows[place], place)
        if group not in of_prompt and answers.repeated_by_or_add(group, answer_of(rows[place])) is not None:
            repeated_prompts.add(group)
        of_prompt[group].append(place)
    kept: set[int] = set()
    for group, alike in of_prompt.items():
        if group in repeated_prompts:
            dropped["nearly repeats another answer"] += len(alike)
            continue
        distinct = _distinct_rejections(rows, alike, near=near, seed=seed)
        dropped["nearly repeats another rejected text"] += len(alike) - len(distinct)
        kept.update(distinct)
    return [rows[place] for place in sorted(kept)], +dropped


def drop_semantic(
    rows: Sequence[Row], embed: Embed, *, threshold: float = SEMANTIC, report: Callable[[str], None] | None = None
) -> tuple[list[Row], Counter[str]]:
    """Drop the rows that answer what another one answers, in whatever words.

    Pairs of one prompt are left alone: they are meant to have the same chosen text.

    Args:
        rows: Rows of one dataset.
        embed: Returns unit vectors, of shape (texts, dimension).
        threshold: Cosine from which two rows are the same.
        report: Takes a sentence before the rows are embedded.
    """
    if not rows:
        return [], Counter()
    of_prompt: defaultdict[str, list[int]] = defaultdict(list)
    for place in by_precedence(rows):
        of_prompt[_group(rows[place], place)].append(place)
    groups = list(of_prompt.values())
    if report:
        report(f"Embedding {len(groups):,} answers to find those that say the same")
    vectors = embed([answer_of(rows[first]) for first, *_ in groups])
    kept = sorted(place for number in distinct_vectors(vectors, threshold) for place in groups[number])
    dropped = Counter({"says what another row says": len(rows) - len(kept)})
    return [rows[place] for place in kept], +dropped


def distinct_vectors(vectors: Vectors, threshold: float) -> list[int]:
    """Return the places of the vectors that are closer than `threshold` to none that is kept before them.

    The products are made block by block: memory grows with the number of vectors, never with its square.

    Args:
        vectors: Unit vectors, of shape (n, dimension), those that are kept first at the front.
        threshold: Cosine from which two are the same.
    """
    is_kept = np.ones(len(vectors), dtype=bool)
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        for before in range(0, start, _BLOCK):
            earlier = vectors[before : before + _BLOCK]
            is_close = block @ earlier.T >= threshold
            is_kept[start : start + len(block)] &= ~is_close[:, is_kept[before : before + len(earlier)]].any(axis=1)
        within = block @ block.T >= threshold
        for place in np.flatnonzero(np.tril(within, -1).any(axis=1)):
            # One by one: who is close only to a vector that was dropped is kept.
            alive = is_kept[start : start + place]
            is_kept[start + place] &= not within[place, :place][alive].any()
    return np.flatnonzero(is_kept).tolist()


def _group(row: InstructRow | PreferenceRow, place: int) -> str:
    """Return what the pairs of one prompt and passage have in common; an instruct row stands alone."""
    if not isinstance(row, PreferenceRow):
        return str(place)
    # The same passage may be cut to different lengths, so that it is told by where it begins.
    passage = f"{row.document_id}:{row.start}" if row.document_id else normal_form(row.chosen)
    return f"{normal_form(row.prompt)}\n{passage}"


def _distinct_rejections(rows: Sequence[Row], places: Sequence[int], *, near: float, seed: int) -> list[int]:
    """Return the places, out of those of one prompt, whose rejected texts repeat none before them."""
    if len(places) == 1:
        return list(places)
    rejected = SketchedTexts(seed=seed, near=near)
    return [place for place in places if rejected.repeated_by_or_add(str(place), texts_of(rows[place])[-1]) is None]
