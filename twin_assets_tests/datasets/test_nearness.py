import numpy as np
import pytest

from twin_assets.datasets import nearness
from twin_assets.datasets.nearness import nearest_training_rows, openings

FERRY = "The old ferry leaves the western quay at nine and comes back with the tide."
COPIED = "We know that the old ferry leaves the western quay at nine, whatever the weather."
APART = "An orchard wants pruning in the months when nobody feels like doing it."


def unit(*angles: float) -> np.ndarray:
    radians = np.radians(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_a_test_row_is_paired_with_the_training_row_of_the_largest_cosine() -> None:
    [first, second] = nearest_training_rows([APART] * 4, unit(0, 60, 90, 100), test=[1, 3], train=[0, 2])

    assert (first.test, first.train) == (1, 2)
    assert first.cosine == pytest.approx(np.cos(np.radians(30)), abs=1e-6)
    assert (second.test, second.train) == (3, 2)
    assert second.cosine == pytest.approx(np.cos(np.radians(10)), abs=1e-6)


def test_runs_of_words_are_shared_with_the_neighbour_and_with_all_training_rows_together() -> None:
    # Of the eleven runs of five words in the test text, five stand in the copy, which is not the nearest by meaning.
    texts = [FERRY, APART, COPIED]
    [found] = nearest_training_rows(texts, unit(0, 10, 80), test=[0], train=[1, 2])

    assert found.train == 1
    assert found.shared == 0
    assert found.shared_with_all == pytest.approx(5 / 11)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sides = {"test": list(range(0, 60, 3)), "train": [row for row in range(60) if row % 3]}
    whole = nearest_training_rows([APART] * 60, vectors, **sides)
    monkeypatch.setattr(nearness, "BLOCK_ROWS", 7)
    cut = nearest_training_rows([APART] * 60, vectors, **sides)

    assert [one.train for one in cut] == [one.train for one in whole]
    expected = [sides["train"][int(np.argmax(vectors[sides["train"]] @ vectors[row]))] for row in sides["test"]]
    assert [one.train for one in cut] == expected


def test_without_one_of_the_sides_there_is_nothing_to_compare() -> None:
    assert nearest_training_rows([FERRY, APART], unit(0, 10), test=[], train=[0, 1]) == []
    assert nearest_training_rows([FERRY, APART], unit(0, 10), test=[0, 1], train=[]) == []


def test_openings_are_counted_without_marks_and_capitals() -> None:
    texts = ["Tell me about tides.", "tell me, please", 'Write "Fog" again', "Write fog.", "Why?"]

    assert openings(texts) == [("tell me", 2), ("write fog", 2), ("why", 1)]
