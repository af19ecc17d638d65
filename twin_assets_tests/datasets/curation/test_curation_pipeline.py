from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from twin_assets.collection.dump import read_dump
from twin_assets.datasets.curation.audit import audit_instruct, balanced
from twin_assets.datasets.curation.contract import Curated
from twin_assets.datasets.curation.options import CurationOptions
from twin_assets.datasets.curation.pipeline import curate_instruct, curate_preference
from twin_assets.datasets.curation.splitting import split_documents
from twin_assets.datasets.generation.contract import Material
from twin_assets.datasets.generation.extractive import Extractive
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow, SplitRule
from twin_assets.features.corpus import clean_corpus

MakeRow = Callable[..., InstructRow]
MakeDocument = Callable[..., CleanedDocument]
HANDBOOK = Path(__file__).parents[4] / "shared" / "data" / "handbook"
OPTIONS = CurationOptions()
RULE = SplitRule(seed=0, test_fraction=0.25)
STAGES = [
    "rule filters",
    "groundedness",
    "exact duplicates",
    "near duplicates",
    "semantic duplicates",
    "quality score",
    "split",
    "decontamination",
    "balance",
    "final order",
]


def unasked() -> NoReturn:
    raise AssertionError


def generated(documents: list[CleanedDocument], rule: SplitRule = RULE) -> list[InstructRow]:
    splits = split_documents(documents, rule)
    return Extractive().generate(Material("ada-bell", documents, splits, 0, unasked)).rows


def drops(curated: Curated[InstructRow] | Curated[PreferenceRow]) -> dict[str, dict[str, int]]:
    return {stage.stage: dict(stage.dropped) for stage in curated.stages if stage.dropped}


def test_sound_rows_come_through_whole_and_are_put_in_a_drawn_order(library: list[CleanedDocument]) -> None:
    rows = generated(library)
    told: list[str] = []
    curated = curate_instruct(rows, library, options=OPTIONS, seed=0, report=told.append)

    assert [stage.stage for stage in curated.stages] == STAGES
    assert drops(curated) == {}
    assert curated.rows != rows
    assert Counter(row.row_id for row in curated.rows) == Counter(row.row_id for row in rows)
    assert told[0] == f"Curation, rule filters: {len(rows):,} rows kept, 0 dropped"
    assert all(finding.passed for finding in audit_instruct(curated.rows, library))


def test_the_order_of_rows_is_of_no_account_and_the_seed_is(library: list[CleanedDocument]) -> None:
    rows = generated(library)
    first = curate_instruct(rows, library, options=OPTIONS, seed=0)

    assert curate_instruct(rows[::-1], library, options=OPTIONS, seed=0) == first
    assert curate_instruct(rows, library, options=OPTIONS, seed=1) != first


def test_every_fault_is_dropped_by_its_own_stage_and_counted_once(library: list[CleanedDocument]) -> None:
    rows = generated(library)
    tested = next(row for row in rows if row.split == "test")
    trained, other = [row for row in rows if row.split == "train"][:2]
    written = {"passage_start": trained.start, "passage_end": trained.end}

    def spoilt(row: InstructRow, number: int, **fields: object) -> InstructRow:
        return row.model_copy(update={"instruction": f"Tell me of matter {number}."} | fields)

    faulty = [
        spoilt(trained, 0, instruction="What does the text say about it?"),
        spoilt(trained, 1, answer=f"Never written. {other.answer}"),
        spoilt(trained, 2, document_id="nowhere"),
        spoilt(trained, 3, answer="A written answer of enough words to stand as one.", **written, support=0.5),
        spoilt(trained, 4, **written),
        spoilt(trained, 5, answer=f"{other.answer} And so it ends here.", **written),
        spoilt(
            trained,
            6,
            answer="A written answer of enough words, which nobody found to be any good.",
            **written,
            quality=2,
        ),
        spoilt(
            trained,
            7,
            answer="Of general things one may say this much and little more.",
            document_id="",
            generator="general@1",
            split="test",
        ),
        spoilt(
            tested,
            8,
            split="train",
            answer="Words that stand in none of the documents, on matters far away.",
            passage_start=tested.start,
            passage_end=tested.end,
        ),
    ]
    curated = curate_instruct([*faulty, *rows], library, options=OPTIONS, seed=0)

    assert {row.row_id for row in curated.rows} == {row.row_id for row in rows}
    assert drops(curated) == {
        "rule filters": {"instruction names the text it was made from": 1},
        "groundedness": {
            "not verbatim at its offsets": 1,
            "in no document of the author": 1,
            "too little support by its passage": 1,
        },
        "exact duplicates": {"repeats another answer": 1},
        "near duplicates": {"nearly repeats another answer": 1},
        "quality score": {"scored 2 of 4": 1},
        "split": {"general row held out": 1},
        "decontamination": {"document of the test side": 1},
    }


def test_a_rule_places_the_rows_before_duplicates_are_judged(library: list[CleanedDocument]) -> None:
    rows = [row.model_copy(update={"split": "train"}) for row in generated(library)]
    curated = curate_instruct(rows, library, options=CurationOptions(split_rule=RULE), seed=0)

    assert Counter(row.split for row in curated.rows) == Counter(row.split for row in generated(library))


def test_the_whole_text_of_held_out_documents_is_compared_with(library: list[CleanedDocument]) -> None:
    rows = generated(library)
    tested = {row.document_id for row in rows if row.split == "test"}
    at, held_out = next((n, one) for n, one in enumerate(library) if one.document_id in tested)
    trained = next(row for row in rows if row.split == "train")
    # A held-out document quotes a passage that gave a training row, at a place that gives no row of its own.
    documents = [
        *library[:at],
        held_out.model_copy(update={"text": f"{held_out.text}\n\n> {trained.answer}"}),
        *library[at + 1 :],
    ]
    strict = curate_instruct(rows, documents, options=OPTIONS, seed=0)
    loose = curate_instruct(rows, documents, options=CurationOptions(compare_with_held_out_documents=False), seed=0)
    asked = curate_instruct(rows, library, options=OPTIONS, seed=0, test_texts=[f"Once more: {trained.answer}"])

    assert drops(strict) == drops(asked) == {"decontamination": {"nearly repeats the test side": 1}}
    assert trained not in strict.rows
    assert drops(loose) == {}


def test_answers_that_say_the_same_are_found_by_their_vectors(library: list[CleanedDocument]) -> None:
    rows = generated(library)
    tested = next(row for row in rows if row.split == "test")
    trained = next(row for row in rows if row.split == "train")

    def embed(texts: Sequence[str]) -> np.ndarray:
        places = {text: place for place, text in enumerate(dict.fromkeys(row.answer for row in rows))}
        places[trained.answer] = places[tested.answer]
        return np.eye(len(places), dtype=np.float32)[[places[text] for text in texts]]

    curated = curate_instruct(rows, library, options=OPTIONS, seed=0, embed=embed)

    assert drops(curated) == {"semantic duplicates": {"says what another row says": 1}}
    assert tested in curated.rows
    assert trained not in curated.rows


def test_a_kind_can_be_capped(library: list[CleanedDocument]) -> None:
    rows = [
        row.model_copy(update={"kind": "write" if number % 4 else "explain"})
        for number, row in enumerate(generated(library))
    ]
    curated = curate_instruct(rows, library, options=CurationOptions(max_share_of_kind=0.5), seed=0)
    kinds = Counter(row.kind for row in curated.rows if row.split == "train")

    assert kinds["write"] == kinds["explain"] > 0
    assert [row for row in rows if row.split == "test" and row not in curated.rows] == []


def test_a_document_that_is_most_of_the_rows_is_cut_to_what_the_check_allows(library: list[CleanedDocument]) -> None:
    trained = [row for row in generated(library) if row.split == "train"]
    most = trained[0].document_id
    one_sided = [row for row in trained if row.document_id == most]
    others = [row for row in trained if row.document_id != most][: max(1, len(one_sided) // 6)]
    assert not balanced([*one_sided, *others]).passed

    curated = curate_instruct([*one_sided, *others], library, options=CurationOptions(), seed=0)
    assert balanced(curated.rows).passed
    assert {row.document_id for row in curated.rows} == {most, *(row.document_id for row in others)}


def test_pairs_are_curated_alike_and_held_to_like_lengths(
    library: list[CleanedDocument], make_pair: Callable[..., PreferenceRow]
) -> None:
    draw = np.random.default_rng(0)
    rows = [
        make_pair(
            row.answer,
            " ".join(f"r{number}" for number in draw.integers(9_999, size=40)),
            row.instruction,
            document_id=row.document_id,
            start=row.start,
            end=row.end,
            split=row.split,
        )
        for row in generated(library)
    ]
    short = rows[0].model_copy(update={"rejected": "Boats, mostly."})
    tested = next(row for row in rows if row.split == "test")
    knows = next(row for row in rows if row.split == "train" and row != rows[0])
    leaking = knows.model_copy(update={"rejected": " ".join(tested.chosen.split()[:30])})
    curated = curate_preference([short, leaking, *rows], library, options=OPTIONS, seed=0)

    assert drops(curated) == {
        "length ratio": {"chosen much longer than rejected": 1},
        "decontamination": {"13 words in a row of the test side": 1},
    }
    assert len(curated.rows) == len(rows)


def test_no_rows_at_all_pass_through_every_stage(library: list[CleanedDocument]) -> None:
    assert curate_instruct([], library, options=OPTIONS, seed=0).rows == []
    assert curate_preference([], library, options=OPTIONS, seed=0).rows == []


def test_the_handbooks_passages_lose_only_what_stands_in_held_out_documents() -> None:
    if not HANDBOOK.exists():
        pytest.skip(f"the article dump is not at {HANDBOOK}")
    dump = read_dump(HANDBOOK)
    before, after = 0, 0
    dropped: Counter[str] = Counter()
    for user in dump.users:
        documents = clean_corpus(dump.documents_of(user.slug)).documents
        if not documents:
            continue
        rows = generated(documents, SplitRule(seed=0, validation_fraction=0.1))
        curated = curate_instruct(rows, documents, options=OPTIONS, seed=0)
        assert all(finding.passed for finding in audit_instruct(curated.rows, documents)), user.slug
        assert drops(curated).keys() <= {"decontamination"}
        dropped.update(drops(curated).get("decontamination", {}))
        before, after = before + len(rows), after + len(curated.rows)

    assert before >= 900
    assert after >= 885
    assert set(dropped) == {"nearly repeats the test side", "13 words in a row of the test side"}
