"""The figures of a dataset that a person looks at before trusting it: what is in it, and how it came to be.

Nothing is drawn here and no row is judged: `exploration_page` sets the figures, `curation` decides what stays. Every
text in them is without personal data, whatever the author's setting is, for they are made to be shown.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from twin_assets.datasets.curation.contract import Row, StageCount
from twin_assets.datasets.curation.rows import answer_of, prompt_of
from twin_assets.datasets.figures import (
    ClosePair,
    Exploration,
    Overlap,
    Pairs,
    Place,
    Stage,
    Subjects,
    Tally,
    Topic,
)
from twin_assets.datasets.nearness import nearest_training_rows, openings
from twin_assets.datasets.samples import beginning, drawn, instruct_sample, pair_sample, with_short_hashes
from twin_assets.datasets.topics import Vectors, topics
from twin_assets.documents import SPLITS, CleanedDocument, InstructRow, PreferenceRow, Split
from twin_assets.features.embedding_map import first_two_components
from twin_assets.features.masking import without_personal_data

SAMPLES = 5
CLOSEST_PAIRS = 10
OPENINGS = 15
EXAMPLES_PER_TOPIC = 3


def explore_instruct(
    rows: Sequence[InstructRow],
    stages: Sequence[StageCount],
    vectors: Vectors,
    seed: int,
    *,
    documents: Iterable[CleanedDocument] = (),
    language: str = "en",
) -> Exploration:
    """Return the figures of an instruct dataset.

    Args:
        rows: The dataset.
        stages: What each stage of curation kept and dropped, in order.
        vectors: The vector of each answer, of length 1: shape (rows, dimension).
        seed: Draws the samples, and begins the clustering.
        documents: The author's documents, so that samples stand beside their source.
        language: Main language of the author (ISO 639-1), for the names of the topics.

    Raises:
        ValueError: If there is no row, or not one vector per row.
    """
    sources = {document.document_id: document for document in documents}
    by_split = _by_split(rows)
    return _explored(
        rows,
        stages,
        vectors,
        seed,
        language,
        dataset="instruct",
        lengths={
            "instruction": {split: _words(row.instruction for row in some) for split, some in by_split.items()},
            "answer": {split: _words(row.answer for row in some) for split, some in by_split.items()},
        },
        samples=tuple(instruct_sample(row, sources.get(row.document_id)) for row in drawn(rows, SAMPLES, seed=seed)),
    )


def explore_preference(
    rows: Sequence[PreferenceRow],
    stages: Sequence[StageCount],
    vectors: Vectors,
    seed: int,
    *,
    cue_auc: float | None = None,
    language: str = "en",
) -> Exploration:
    """Return the figures of a preference dataset.

    Args:
        rows: The dataset.
        stages: What each stage of curation kept and dropped, in order.
        vectors: The vector of each chosen text, of length 1: shape (rows, dimension).
        seed: Draws the samples, and begins the clustering.
        cue_auc: How well shallow cues tell chosen from rejected, as an area under the ROC curve, if it was measured.
        language: Main language of the author (ISO 639-1), for the names of the topics.

    Raises:
        ValueError: If there is no row, or not one vector per row.
    """
    return _explored(
        rows,
        stages,
        vectors,
        seed,
        language,
        dataset="preference",
        lengths={
            split: {"chosen": _words(row.chosen for row in some), "rejected": _words(row.rejected for row in some)}
            for split, some in _by_split(rows).items()
        },
        pairs=_pairs(rows, cue_auc, seed),
    )


def _explored(
    rows: Sequence[Row], stages: Sequence[StageCount], vectors: Vectors, seed: int, language: str, **own: Any
) -> Exploration:
    """Return the figures that either dataset has, together with its own."""
    if not rows or len(rows) != len(vectors):
        raise ValueError(f"There are {len(rows)} rows and {len(vectors)} vectors: give one vector for each row.")
    prompts = [without_personal_data(prompt_of(row)) for row in rows]
    answers = [without_personal_data(answer_of(row)) for row in rows]
    begun = openings(prompts)
    return Exploration(
        documents=len({row.document_id for row in rows} - {""}),
        words=sum(_words(map(answer_of, rows))),
        cost=sum(row.cost for row in rows),
        splits=Tally(value="all rows", rows=Counter(row.split for row in rows)),
        breakdowns=_breakdowns(rows),
        stages=tuple(Stage(stage=one.stage, kept=one.kept, dropped=one.dropped) for one in stages),
        subjects=_subjects(rows, prompts, answers, vectors, seed, language),
        overlap=_overlap(rows, prompts, answers, vectors),
        openings=tuple(begun[:OPENINGS]),
        distinct_openings=len(begun),
        **own,
    )


def _breakdowns(rows: Sequence[Row]) -> dict[str, tuple[Tally, ...]]:
    """Return the rows by each field that groups them, the largest group first; a field that is empty is left out."""
    fields: dict[str, list[str]] = {"category": [row.category for row in rows]}
    for name in ("kind", "generator", "rejected_by"):
        fields[name] = [with_short_hashes(getattr(row, name, "")) for row in rows]
    tallies = {}
    for name, values in fields.items():
        found = Counter(zip(values, (row.split for row in rows), strict=True))
        totals = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
        tallies[name] = tuple(
            Tally(value=value or "not given", rows={split: found[value, split] for split in SPLITS})
            for value, _ in totals
        )
    return {name: tally for name, tally in tallies.items() if any(fields[name])}


def _subjects(
    rows: Sequence[Row], prompts: Sequence[str], answers: Sequence[str], vectors: Vectors, seed: int, language: str
) -> Subjects:
    found = topics(answers, vectors, seed=seed, language=language)
    topic_of = {row: number for number, cluster in enumerate(found.clusters) for row in cluster.rows}
    places, variance = first_two_components(vectors.tolist())
    return Subjects(
        topics=tuple(
            Topic(
                name=cluster.name,
                size=len(cluster.rows),
                held_out=sum(rows[row].split == "test" for row in cluster.rows),
                examples=tuple(prompts[row] for row in cluster.rows[:EXAMPLES_PER_TOPIC]),
            )
            for cluster in found.clusters
        ),
        silhouette=found.silhouette,
        places=tuple(
            Place(x=round(x, 4), y=round(y, 4), topic=topic_of[number], held_out=rows[number].split == "test")
            for number, (x, y) in enumerate(places.tolist())
        ),
        variance=(variance[0], variance[1]),
    )


def _overlap(rows: Sequence[Row], prompts: Sequence[str], answers: Sequence[str], vectors: Vectors) -> Overlap | None:
    sides = {split: [number for number, row in enumerate(rows) if row.split == split] for split in SPLITS}
    found = nearest_training_rows(answers, vectors, sides["test"], sides["train"])
    if not found:
        return None
    return Overlap(
        cosines=tuple(round(one.cosine, 4) for one in found),
        shared=tuple(round(one.shared_with_all, 4) for one in found),
        closest=tuple(
            ClosePair(
                test_prompt=prompts[one.test],
                test=beginning(answers[one.test]),
                train_prompt=prompts[one.train],
                train=beginning(answers[one.train]),
                cosine=round(one.cosine, 4),
                shared=round(one.shared, 4),
            )
            for one in sorted(found, key=lambda one: (-one.cosine, one.test))[:CLOSEST_PAIRS]
        ),
    )


def _pairs(rows: Sequence[PreferenceRow], cue_auc: float | None, seed: int) -> Pairs:
    chosen, rejected = _words(row.chosen for row in rows), _words(row.rejected for row in rows)
    ratios = [math.log(max(1, ours) / max(1, theirs)) for ours, theirs in zip(chosen, rejected, strict=True)]
    return Pairs(
        chosen_longer=sum(ratio > 0 for ratio in ratios) / max(1, len(rows)),
        mean_log_ratio=sum(ratios) / max(1, len(rows)),
        cue_auc=cue_auc,
        samples=tuple(map(pair_sample, drawn(rows, SAMPLES, seed=seed))),
    )


def _by_split(rows: Sequence[Row]) -> dict[Split, list[Row]]:
    """Return the rows of each split that has any."""
    found = {split: [row for row in rows if row.split == split] for split in SPLITS}
    return {split: some for split, some in found.items() if some}


def _words(texts: Iterable[str]) -> tuple[int, ...]:
    return tuple(len(text.split()) for text in texts)
