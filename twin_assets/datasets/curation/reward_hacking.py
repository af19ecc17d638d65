"""What tells chosen from rejected without being read: cues that preference training would learn in place of a style.

Direct preference optimisation raises whatever separates the two texts of a pair. If length, an opening word or a
Markdown mark does, the model learns that (Singhal et al., 2023, "A long way to go: investigating length correlations in
RLHF"; Park et al., 2024, "Disentangling length from quality in direct preference optimization").
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twin_assets.documents import PreferenceRow

MIN_PAIRS_FOR_AUC = 20
"""Fewer pairs tell nothing: each fold would be measured on a handful."""
FOLDS = 5

_MARKS = {
    "bold": r"\*\*",
    "heading": r"(?m)^#{1,6} ",
    "list": r"(?m)^\s*(?:[-*+]|\d+[.)]) ",
    "fence": r"```",
    "code": r"`",
    "link": r"\]\(",
    "quotation": r"[\"\u201c\u201d]",
    "comma": ",",
    "semicolon": ";",
    "colon": ":",
    "dash": "[\u2013\u2014]",
    "question": r"\?",
    "exclamation": "!",
    "parenthesis": r"\(",
    "typographic apostrophe": "\u2019",
}


@dataclass(frozen=True)
class Cues:
    """How far shallow cues tell chosen from rejected.

    Attributes:
        pairs: Pairs looked at.
        chosen_longer: Share of pairs whose chosen text has more words; equal lengths count half.
        mean_log_ratio: Mean of log(words of chosen / words of rejected); 0 where lengths balance.
        median_ratio: Median of words of chosen / words of rejected.
        cue_auc: Area under the ROC curve of a logistic regression on length, opening word, punctuation and Markdown,
            cross-validated by pair: 0.5 if the cues tell nothing, 1.0 if they tell all. None with fewer than 20 pairs
            or five prompts.
    """

    pairs: int
    chosen_longer: float
    mean_log_ratio: float
    median_ratio: float
    cue_auc: float | None

    def figures(self) -> dict[str, Any]:
        """Return the figures by name, rounded to three digits."""
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(self).items()}


def length_ratio(row: PreferenceRow) -> float:
    """Return the words of the chosen text for each word of the rejected one; a text without words counts as one."""
    return max(1, len(row.chosen.split())) / max(1, len(row.rejected.split()))


def drop_unequal_lengths(
    rows: Sequence[PreferenceRow], *, max_ratio: float
) -> tuple[list[PreferenceRow], Counter[str]]:
    """Drop the pairs of which one text is more than `max_ratio` times as long as the other, in words."""
    dropped: Counter[str] = Counter()
    kept = []
    for row in rows:
        ratio = length_ratio(row)
        if ratio > max_ratio:
            dropped["chosen much longer than rejected"] += 1
        elif ratio < 1 / max_ratio:
            dropped["rejected much longer than chosen"] += 1
        else:
            kept.append(row)
    return kept, dropped


def shallow_cues(rows: Sequence[PreferenceRow], *, seed: int = 0) -> Cues:
    """Return how far shallow cues tell chosen from rejected.

    Args:
        rows: Pairs; none gives figures of 0.
        seed: Draws the folds.
    """
    if not rows:
        return Cues(0, 0.0, 0.0, 0.0, None)
    ratios = np.array([length_ratio(row) for row in rows])
    return Cues(
        pairs=len(rows),
        chosen_longer=float((ratios > 1).mean() + (ratios == 1).mean() / 2),
        mean_log_ratio=float(np.log(ratios).mean()),
        median_ratio=float(np.median(ratios)),
        cue_auc=cue_auc(rows, seed=seed) if _are_enough(rows) else None,
    )


def cue_auc(rows: Sequence[PreferenceRow], *, seed: int = 0) -> float:
    """Return how well a logistic regression on shallow cues tells chosen from rejected, on pairs it has not seen.

    The two texts of a pair, and all pairs of a prompt, stand in the same fold: else a chosen text that two pairs share
    would be known already.

    Args:
        rows: Pairs of at least `FOLDS` prompts.
        seed: Draws the folds.

    Raises:
        ValueError: If there are too few prompts to make the folds.
    """
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler

    prompts = {prompt: number for number, prompt in enumerate(sorted({row.prompt for row in rows}))}
    if len(prompts) < FOLDS:
        raise ValueError(f"{len(prompts)} prompts are too few for {FOLDS} folds.")
    texts = [text for row in rows for text in (row.chosen, row.rejected)]
    labels = np.tile([1, 0], len(rows))
    groups = np.repeat([prompts[row.prompt] for row in rows], 2)
    classifier = make_pipeline(DictVectorizer(), MaxAbsScaler(), LogisticRegression(max_iter=1_000, random_state=seed))
    scores = cross_val_predict(
        classifier,
        [_cues_of(text) for text in texts],
        labels,
        groups=groups,
        cv=GroupKFold(FOLDS, shuffle=True, random_state=seed),
        method="decision_function",
    )
    return float(roc_auc_score(labels, scores))


def _are_enough(rows: Sequence[PreferenceRow]) -> bool:
    return len(rows) >= MIN_PAIRS_FOR_AUC and len({row.prompt for row in rows}) >= FOLDS


def _cues_of(text: str) -> dict[str, float]:
    words = text.split()
    count = max(1, len(words))
    opening = re.sub(r"\W", "", words[0].casefold()) if words else ""
    return {
        f"opens with {opening}": 1.0,
        "log words": math.log(count),
        "letters per word": sum(map(len, words)) / count,
        "paragraphs per word": (1 + text.strip().count("\n\n")) / count,
        "ends with a stop": float(text.rstrip().endswith((".", "!", "?"))),
        "opens with a capital": float(text.lstrip()[:1].isupper()),
        **{name: len(re.findall(pattern, text)) / count for name, pattern in _MARKS.items()},
    }
