import random
from collections.abc import Callable

import numpy as np
import pytest

from twin_assets.datasets.curation.duplicates import distinct_vectors, drop_exact, drop_near, drop_semantic
from twin_assets.datasets.curation.overlap import NEAR, SeenTexts, SketchedTexts, word_runs
from twin_assets.documents import InstructRow, PreferenceRow

MakeRow = Callable[..., InstructRow]
MakePair = Callable[..., PreferenceRow]
TEXT = "The old ferry leaves the western quay at nine and comes back whenever the tide allows it to."
SIDES = ("train", "validation", "test")


def words(seed: int, count: int) -> str:
    draw = random.Random(seed)  # noqa: S311  # words, not secrets
    return " ".join(f"w{draw.randrange(5_000)}" for _ in range(count))


@pytest.mark.parametrize("repeated", [TEXT.upper(), f"**{TEXT}**", TEXT.replace(" ", "\n")])
def test_of_equal_answers_the_one_held_out_is_kept(make_row: MakeRow, repeated: str) -> None:
    rows = [
        make_row(text, split=side, instruction=side) for text, side in zip((TEXT, repeated, TEXT), SIDES, strict=True)
    ]

    assert drop_exact(rows) == ([rows[2]], {"repeats another answer": 2})
    assert drop_exact(rows[:2]) == ([rows[1]], {"repeats another answer": 1})


def test_of_equal_instructions_one_is_kept_whatever_the_order(make_row: MakeRow) -> None:
    rows = [make_row(words(seed, 30), instruction="Why ferries?", start=seed, end=900) for seed in range(4)]

    assert drop_exact(rows) == ([rows[0]], {"repeats another instruction": 3})
    assert drop_exact(rows[::-1])[0] == [rows[0]]


def test_what_the_author_wrote_is_kept_before_what_was_written_in_the_authors_place(make_row: MakeRow) -> None:
    written = make_row(TEXT, instruction="A?", document_id="a", passage_start=0, passage_end=99)
    verbatim = make_row(TEXT, instruction="B?", document_id="b")
    general = make_row(TEXT, instruction="C?", document_id="", generator="general@1")

    assert drop_exact([general, written, verbatim])[0] == [verbatim]
    assert drop_exact([general, written])[0] == [written]


def test_of_nearly_equal_answers_the_one_held_out_is_kept(make_row: MakeRow) -> None:
    changed = TEXT.replace("nine", "ten")
    longer = f"{words(1, 40)} {TEXT} {words(2, 30)}"
    other = make_row("At nine the ferry leaves, and the tide decides when it will be back at its quay.")
    rows = [make_row(TEXT), make_row(changed, split="test"), make_row(longer, split="validation"), other]

    assert drop_near(rows) == ([rows[1], other], {"nearly repeats another answer": 2})


def test_pairs_of_one_prompt_differ_by_what_is_rejected(make_pair: MakePair) -> None:
    rows = [make_pair(TEXT, rejected) for rejected in (words(1, 40), words(2, 40), f"{words(1, 40)} again")]
    other_prompt = make_pair(TEXT.replace("nine", "ten"), words(3, 40), start=5, end=99)

    assert drop_near([*rows, other_prompt])[1] == {
        "nearly repeats another rejected text": 1,
        "nearly repeats another answer": 1,
    }
    assert drop_exact(rows) == (rows, {})
    assert drop_exact([*rows, rows[0]]) == (rows, {"repeats another pair": 1})


def test_sketches_find_what_an_exact_count_finds() -> None:
    exact, sketched = SeenTexts(), SketchedTexts(seed=0)
    found: list[tuple[bool, bool]] = []
    for seed in range(400):
        text = words(seed, 60)
        exact.add(str(seed), text)
        assert sketched.repeated_by_or_add(str(seed), text) is None
    for seed in range(400):
        own, kept = words(seed + 1_000, 120).split(), words(seed, 60).split()
        text = " ".join(kept[: 20 + seed % 40] + own[: seed % 120])
        expected = exact.repeated_by(text)
        found.append((expected is not None, sketched.repeated_by_or_add(f"{seed} again", text) == expected))
    near = [is_same for is_near, is_same in found if is_near]

    assert 100 < len(near) < 390
    assert sum(near) >= 0.99 * len(near)
    assert all(is_same for is_near, is_same in found if not is_near)


def test_the_threshold_is_a_share_of_the_shorter_text() -> None:
    text, other = TEXT.split(), words(1, 40)
    half = f"{' '.join(text[:12])} {other}"
    share = len(word_runs(TEXT) & word_runs(half)) / len(word_runs(TEXT))
    sketched = SketchedTexts(seed=0)
    sketched.repeated_by_or_add("ferry", TEXT)

    assert share > NEAR
    assert sketched.repeated_by_or_add("half", half) == "ferry"
    assert SketchedTexts(seed=0, near=share + 0.01).repeated_by_or_add("a", TEXT) is None
    strict = SketchedTexts(seed=0, near=share + 0.01)
    strict.repeated_by_or_add("ferry", TEXT)
    assert strict.repeated_by_or_add("half", half) is None


def test_a_text_without_a_word_repeats_nothing() -> None:
    texts = SketchedTexts(seed=0)

    assert [texts.repeated_by_or_add(str(n), "...") for n in range(3)] == [None] * 3


def vectors_of(*angles: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], dtype=np.float32)


def test_rows_that_answer_the_same_are_dropped_and_the_one_held_out_is_kept(make_row: MakeRow) -> None:
    rows = [make_row(words(1, 30)), make_row(words(2, 30)), make_row(words(3, 30), split="test")]
    angles = {rows[0].answer: 0.0, rows[1].answer: 1.2, rows[2].answer: 0.1}
    result = drop_semantic(rows, lambda texts: vectors_of(*(angles[text] for text in texts)), threshold=0.9)

    assert result == (rows[1:], {"says what another row says": 1})


def test_who_is_close_only_to_a_dropped_one_is_kept() -> None:
    assert distinct_vectors(vectors_of(0.0, 0.4, 0.8, 1.2, 1.6), np.cos(0.5)) == [0, 2, 4]


def test_blocks_give_what_the_whole_matrix_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    unit = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    kept: list[int] = []
    for place in range(len(unit)):
        if not any(float(unit[place] @ unit[other]) >= 0.8 for other in kept):
            kept.append(place)
    monkeypatch.setattr("twin_assets.datasets.curation.duplicates._BLOCK", 7)

    assert 20 < len(kept) < 280
    assert distinct_vectors(unit, 0.8) == kept


def test_no_rows_are_no_trouble() -> None:
    def refuse(texts: object) -> np.ndarray:
        raise AssertionError

    assert drop_exact(list[InstructRow]()) == ([], {})
    assert drop_near(list[InstructRow]()) == ([], {})
    assert drop_semantic(list[InstructRow](), refuse) == ([], {})
