import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from twin_assets.datasets.curation.contract import StageCount
from twin_assets.datasets.exploration import explore_instruct, explore_preference
from twin_assets.datasets.samples import drawn
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow, content_hash

MakeRow = Callable[..., InstructRow]
STAGES = [
    StageCount("rule filters", 5, Counter({"too short": 2, "refusal": 1})),
    StageCount("exact duplicates", 4, Counter({"repeated answer": 1})),
]


def unit(*angles: float) -> np.ndarray:
    radians = np.radians(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def make_pair(chosen: str, rejected: str, **fields: object) -> PreferenceRow:
    values: dict[str, object] = {
        "prompt": f"Write about {chosen[:9]}.",
        "chosen": chosen,
        "rejected": rejected,
        "author": "ada-bell",
        "category": "posts",
        "document_id": "one",
        "start": 0,
        "end": len(chosen),
        "rejected_by": "tiny@1",
        "prompt_hash": content_hash(chosen),
        "split": "train",
        "generator": "model@1",
    }
    return PreferenceRow.model_validate(values | fields)


@pytest.fixture
def rows(make_row: MakeRow) -> list[InstructRow]:
    return [
        make_row("one two three", kind="explain", cost=0.25),
        make_row("one two three four", kind="explain", document_id="two", category="posts"),
        make_row("one two", kind="write", split="validation", document_id="three", generator="teacher@1", cost=0.5),
        make_row("one two three four five six", kind="explain", split="test", document_id="four"),
    ]


def test_rows_are_counted_by_split_and_by_every_field(rows: list[InstructRow]) -> None:
    figures = explore_instruct(rows, STAGES, unit(0, 20, 40, 60), 0)

    assert figures.splits.rows == {"train": 2, "validation": 1, "test": 1}
    assert figures.splits.total == 4
    assert figures.documents == 4
    assert figures.words == 15
    assert figures.cost == 0.75
    kinds = [(tally.value, tally.rows) for tally in figures.breakdowns["kind"]]
    assert kinds == [
        ("explain", {"train": 2, "validation": 0, "test": 1}),
        ("write", {"train": 0, "validation": 1, "test": 0}),
    ]
    assert {tally.value: tally.total for tally in figures.breakdowns["category"]} == {"articles": 3, "posts": 1}
    assert {tally.value: tally.total for tally in figures.breakdowns["generator"]} == {
        "extractive@1": 3,
        "teacher@1": 1,
    }
    assert "rejected_by" not in figures.breakdowns


def test_lengths_are_words_by_text_and_split(rows: list[InstructRow]) -> None:
    figures = explore_instruct(rows, [], unit(0, 20, 40, 60), 0)

    assert figures.lengths["answer"] == {"train": (3, 4), "validation": (2,), "test": (6,)}
    assert figures.lengths["instruction"] == {"train": (3, 3), "validation": (3,), "test": (3,)}


def test_stages_keep_their_order_counts_and_reasons(rows: list[InstructRow]) -> None:
    figures = explore_instruct(rows, STAGES, unit(0, 20, 40, 60), 0)

    assert [(stage.stage, stage.kept, stage.dropped) for stage in figures.stages] == [
        ("rule filters", 5, {"too short": 2, "refusal": 1}),
        ("exact duplicates", 4, {"repeated answer": 1}),
    ]


def test_the_test_rows_are_compared_with_training_rows_alone(rows: list[InstructRow]) -> None:
    # The validation row, at 59 degrees, is nearer to the test row than any training row.
    overlap = explore_instruct(rows, [], unit(0, 20, 59, 60), 0).overlap

    assert overlap is not None
    assert overlap.cosines == (pytest.approx(math.cos(math.radians(40)), abs=1e-4),)
    assert overlap.shared == (0.0,)
    [pair] = overlap.closest
    assert (pair.test, pair.train) == ("one two three four five six", "one two three four")


def test_the_ten_closest_pairs_are_named_nearest_first(make_row: MakeRow) -> None:
    rows = [make_row(f"Answer {number}", split="test" if number else "train") for number in range(14)]
    overlap = explore_instruct(rows, [], unit(*range(0, 70, 5)), 0).overlap

    assert overlap is not None
    assert len(overlap.cosines) == 13
    assert [pair.test for pair in overlap.closest] == [f"Answer {number}" for number in range(1, 11)]


def test_a_dataset_without_test_rows_has_no_overlap(make_row: MakeRow) -> None:
    assert explore_instruct([make_row("One."), make_row("Two.")], [], unit(0, 90), 0).overlap is None


def test_every_row_lies_on_the_map_in_its_topic(rows: list[InstructRow]) -> None:
    subjects = explore_instruct(rows, [], unit(0, 20, 40, 60), 0).subjects

    assert [place.held_out for place in subjects.places] == [False, False, False, True]
    assert [place.topic for place in subjects.places] == [0] * 4
    [topic] = subjects.topics
    assert (topic.size, topic.held_out) == (4, 1)
    assert len(topic.examples) == 3
    assert sum(subjects.variance) == pytest.approx(1)


def test_openings_are_those_of_the_instructions(make_row: MakeRow) -> None:
    asked = ["Tell me of tides.", "Tell me of fog.", "Why is it so?"]
    rows = [make_row(f"Answer {text}", instruction=text) for text in asked]
    figures = explore_instruct(rows, [], unit(0, 10, 20), 0)

    assert figures.openings == (("tell me", 2), ("why is", 1))
    assert figures.distinct_openings == 2


def test_a_verbatim_row_stands_beside_its_passage_and_what_surrounds_it(
    make_row: MakeRow, make_document: Callable[..., CleanedDocument]
) -> None:
    document = make_document("Before it. The passage stands here. After it.", "one", title="On Tides")
    row = make_row("The passage stands here.", document_id=document.document_id, start=11, end=35)
    [sample] = explore_instruct([row], [], unit(0), 0, documents=[document]).samples

    assert (sample.before, sample.passage, sample.after) == ("Before it.", "The passage stands here.", "After it.")
    assert sample.title == "On Tides"
    assert sample.verbatim


def test_a_written_row_stands_beside_the_passage_it_was_written_from(
    make_row: MakeRow, make_document: Callable[..., CleanedDocument]
) -> None:
    document = make_document("Before it. The passage stands here. After it.", "one")
    row = make_row("It says so.", document_id=document.document_id, start=11, end=35, passage_start=11, passage_end=35)
    [sample] = explore_instruct([row], [], unit(0), 0, documents=[document]).samples

    assert (sample.answer, sample.passage, sample.verbatim) == ("It says so.", "The passage stands here.", False)


def test_a_long_context_is_cut_between_words(make_row: MakeRow, make_document: Callable[..., CleanedDocument]) -> None:
    before, after = (" ".join(f"{name}{number}" for number in range(40)) for name in ("before", "after"))
    document = make_document(f"{before}\n\nThe passage.\n\n{after}", "one")
    start = document.text.index("The passage.")
    row = make_row("The passage.", document_id=document.document_id, start=start, end=start + 12)
    [sample] = explore_instruct([row], [], unit(0), 0, documents=[document]).samples

    assert sample.before.split() == ["...", *(f"before{number}" for number in range(10, 40))]
    assert sample.after.split() == [*(f"after{number}" for number in range(30)), "..."]


def test_without_its_document_a_row_stands_alone(make_row: MakeRow) -> None:
    [sample] = explore_instruct([make_row("The passage.")], [], unit(0), 0).samples

    assert sample.passage is None
    assert sample.answer == "The passage."


def test_five_rows_are_drawn_with_every_generator_among_them_whatever_their_order(make_row: MakeRow) -> None:
    rows = [make_row(f"Answer {number}") for number in range(40)]
    rows[7] = make_row("Answer 7", generator="teacher@1")
    first = drawn(rows, 5, seed=0)

    assert len(first) == 5
    assert "teacher@1" in {row.generator for row in first}
    assert drawn(rows[::-1], 5, seed=0) == first
    assert drawn(rows, 5, seed=1) != first


def test_no_figure_holds_personal_data(make_row: MakeRow, make_document: Callable[..., CleanedDocument]) -> None:
    address = "ann.lee@fernlight.org"
    text = f"Write to {address} soon. The answer is {address}, she says. So ask {address}."
    document = make_document(text, "one", title=f"Of {address}")
    answer = f"The answer is {address}, she says."
    start = text.index(answer)
    rows = [
        make_row(
            answer,
            instruction=f"{address} asks {split}.",
            document_id=document.document_id,
            start=start,
            end=start + len(answer),
            split=split,
        )
        for split in ("train", "test")
    ]
    pairs = [
        make_pair(answer, f"Not {answer}", prompt=f"Is it {address}? {split}", split=split)
        for split in ("train", "test")
    ]
    shown = explore_instruct(rows, [], unit(0, 10), 0, documents=[document]).model_dump_json()
    shown += explore_preference(pairs, [], unit(0, 10), 0).model_dump_json()

    assert "ann.lee" not in shown.lower()
    assert shown.count("[EMAIL]") >= 12


def test_the_length_bias_of_pairs_is_the_mean_of_log_ratios() -> None:
    pairs = [
        make_pair("one two three four", "one two"),
        make_pair("one two", "one two three four", split="test"),
        make_pair("five six seven eight", "one", split="test"),
    ]
    figures = explore_preference(pairs, [], unit(0, 10, 20), 0, cue_auc=0.75)

    assert figures.pairs is not None
    assert figures.pairs.chosen_longer == pytest.approx(2 / 3)
    assert figures.pairs.mean_log_ratio == pytest.approx(math.log(4) / 3)
    assert figures.pairs.cue_auc == 0.75
    assert figures.lengths == {
        "train": {"chosen": (4,), "rejected": (2,)},
        "test": {"chosen": (2, 4), "rejected": (4, 1)},
    }
    assert [tally.value for tally in figures.breakdowns["rejected_by"]] == ["tiny@1"]
    assert len(figures.pairs.samples) == 3
    assert figures.samples == ()


def test_an_empty_rejected_text_does_not_break_the_figures() -> None:
    figures = explore_preference([make_pair("one two", "")], [], unit(0), 0)

    assert figures.pairs is not None
    assert figures.pairs.mean_log_ratio == pytest.approx(math.log(2))


def test_no_rows_or_other_vectors_are_refused(rows: list[InstructRow]) -> None:
    with pytest.raises(ValueError, match="4 rows and 1 vectors"):
        explore_instruct(rows, [], unit(0), 0)
    with pytest.raises(ValueError, match="0 rows"):
        explore_preference([], [], np.zeros((0, 2), np.float32), 0)


def test_a_model_is_named_by_hashes_that_can_be_read() -> None:
    version, settings = content_hash("model"), content_hash("settings")
    figures = explore_preference(
        [make_pair("a text of mine", "another text", rejected_by=f"{version}@{settings}")], STAGES, unit(0), seed=0
    )
    short = f"{version[:12]}@{settings[:12]}"

    assert [tally.value for tally in figures.breakdowns["rejected_by"]] == [short]
    assert figures.pairs is not None
    assert figures.pairs.samples[0].rejected_by == short
