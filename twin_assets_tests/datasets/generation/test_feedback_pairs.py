from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import pytest

from twin_assets.datasets.curation.audit import audit_preference
from twin_assets.datasets.curation.faults import ungrounded_rows
from twin_assets.datasets.generation.feedback import Feedback
from twin_assets.datasets.generation.feedback_pairs import FromFeedback
from twin_assets.datasets.generation.pair_contract import GeneratedPairs, PairMaterial
from twin_assets.documents import CleanedDocument, InstructRow

FERRY = "The old ferry leaves the western quay at nine and comes back whenever the tide allows it."
ROPE = "A wet rope is twice as heavy as a dry one, and three times as likely to be somebody else's."
FOG = "In fog we ring the bell every minute, and between the rings we listen harder than we steer."
BAD = "Ferries are boats that go from one place to another."
PROMPT = "When does the ferry leave the quay?"
OVERRULED = "overruled by a newer verdict"


def never(*_: object) -> NoReturn:
    raise AssertionError("no model is needed")


@pytest.fixture
def material(make_row: Callable[..., InstructRow], make_document: Callable[..., CleanedDocument]) -> PairMaterial:
    """Three documents: the ferry for training, the rope for testing, the fog for validation and without a row."""
    texts = {"ferry": FERRY, "rope": ROPE, "fog": FOG}
    documents = [make_document(f"# A title\n\n{text}", document_id=name) for name, text in texts.items()]
    place = {"start": 11, "end": 11 + len(FERRY)}
    rows = [
        make_row(FERRY, document_id="ferry", instruction="Write about ferries and the western quay.", **place),
        make_row(
            ROPE,
            document_id="rope",
            instruction="Tell me about wet ropes.",
            start=11,
            end=11 + len(ROPE),
            split="test",
            category="posts",
        ),
    ]
    return PairMaterial(
        author="ada-bell",
        rows=rows,
        documents=documents,
        splits={"ferry": "train", "rope": "test", "fog": "validation"},
        seed=0,
        ask=never,
        sample=never,
    )


def said(number: int, verdict: str, answer: str = BAD, prompt: str = PROMPT, **fields: Any) -> Feedback:
    values = {
        "id": str(number),
        "author": "ada-bell",
        "model": "ada-bell@3",
        "created_at": f"2025-03-02T10:{number:02}:00Z",
    }
    return Feedback.model_validate(values | {"verdict": verdict, "answer": answer, "prompt": prompt} | fields)


def made(entries: Sequence[Feedback], material: PairMaterial) -> GeneratedPairs:
    result = FromFeedback(entries).generate(material)
    assert ungrounded_rows([row for row in result.rows if row.document_id], material.documents) == []
    return result


def test_a_signed_correction_is_chosen_over_the_answer_it_corrects(material: PairMaterial) -> None:
    correction = "It leaves at nine. It always has."
    result = made([said(1, "down", correction=f" {correction}\n", corrected_by="ada-bell")], material)
    (pair,) = result.rows

    assert (pair.prompt, pair.chosen, pair.rejected) == (PROMPT, correction, BAD)
    assert (pair.document_id, pair.start, pair.end, pair.split) == ("", 0, 0, "train")
    assert (pair.rejected_by, pair.generator, pair.category) == ("ada-bell@3", "feedback@1", "posts")
    assert result.dropped == {}


def test_a_correction_that_stands_in_a_document_is_named_by_it(material: PairMaterial) -> None:
    (pair,) = made([said(1, "down", correction=FOG, corrected_by="ada-bell")], material).rows

    assert (pair.document_id, pair.start, pair.end, pair.split) == ("fog", 11, 11 + len(FOG), "validation")


@pytest.mark.parametrize("signature", [{}, {"corrected_by": "tom-fox"}])
def test_a_correction_by_somebody_else_is_not_chosen(material: PairMaterial, signature: dict[str, str]) -> None:
    result = made([said(1, "down", correction="It leaves at nine.", **signature)], material)

    assert result.rows == []
    assert result.dropped == {"correction is not signed by the author": 1}


def test_a_liked_answer_that_repeats_a_passage_is_chosen_over_one_that_was_not_liked(material: PairMaterial) -> None:
    result = made([said(1, "up", f"{FERRY}\n"), said(2, "down")], material)
    (pair,) = result.rows

    assert (pair.chosen, pair.rejected, pair.document_id, pair.start) == (FERRY, BAD, "ferry", 11)
    assert result.dropped == {}


def test_a_liked_answer_of_the_models_own_is_not_chosen(material: PairMaterial) -> None:
    result = made(
        [said(1, "up", "It leaves at nine, dear passenger, as it has for years and years."), said(2, "down")], material
    )

    assert result.rows == []
    assert result.dropped == {"liked, but not the author's words": 1, "disliked, with nothing of the author's own": 1}


def test_a_few_words_that_stand_in_a_document_by_chance_are_nobodys_passage(material: PairMaterial) -> None:
    result = made([said(1, "up", "The old ferry leaves"), said(2, "down")], material)

    assert result.dropped["liked, but not the author's words"] == 1


def test_a_liked_passage_alone_teaches_nothing(material: PairMaterial) -> None:
    result = made([said(1, "up", FERRY), said(2, "down", prompt="What of swifts?")], material)

    assert result.dropped == {
        "liked, with nothing disliked beside it": 1,
        "disliked, with nothing of the author's own": 1,
    }


def test_a_disliked_answer_to_what_an_instruct_row_asks_is_paired_with_its_passage(material: PairMaterial) -> None:
    (pair,) = made([said(1, "down", prompt="What can you tell me about the wet rope?")], material).rows

    assert (pair.chosen, pair.document_id, pair.split, pair.category) == (ROPE, "rope", "test", "posts")
    assert pair.prompt == "What can you tell me about the wet rope?"


def test_the_own_correction_comes_before_others_and_those_before_the_dataset(material: PairMaterial) -> None:
    prompt = "Write about ferries and the western quay!"
    first = said(1, "down", "A quay is a wall.", prompt, correction="Mine says nine.", corrected_by="ada-bell")
    second = said(2, "down", "A boat is a boat.", prompt, correction="Mine says ten.", corrected_by="ada-bell")
    third = said(3, "down", "There is no ferry.", prompt.upper())

    pairs = {pair.rejected: pair.chosen for pair in made([third, second, first], material).rows}
    assert pairs == {
        "A quay is a wall.": "Mine says nine.",
        "A boat is a boat.": "Mine says ten.",
        "There is no ferry.": "Mine says ten.",
    }
    assert made([third], material).rows[0].chosen == FERRY


def test_a_correction_without_a_document_is_left_out_if_it_may_speak_of_what_is_held_out(
    material: PairMaterial,
) -> None:
    signed = {"correction": "I never coil it wet.", "corrected_by": "ada-bell"}

    def outcome(prompt: str, *documents: str) -> object:
        result = made([said(1, "down", prompt=prompt, documents=list(documents), **signed)], material)
        return result.rows[0].split if result.rows else result.dropped

    left_out = {"correction speaks of what is held out": 1}
    assert outcome("What of swifts?") == "train"
    assert outcome("What of swifts?", "ferry", "gone") == "train"
    assert outcome("What of swifts?", "ferry", "fog") == left_out
    assert outcome("What of swifts?", "ferry", "fog", "rope") == left_out
    assert outcome("Anything about wet ropes?", "ferry") == left_out


def test_the_audit_takes_a_signed_correction_for_the_author_s_word(material: PairMaterial) -> None:
    signed = {"correction": "I never coil it wet.", "corrected_by": "ada-bell"}
    (row,) = made([said(1, "down", prompt="What of swifts?", **signed)], material).rows

    found = {one.check: one for one in audit_preference([row], list(material.documents))}
    assert found["grounded"].passed
    assert found["grounded"].figures["signed"] == 1
    assert found["split_by_document"].passed
    unsigned = row.model_copy(update={"generator": "import@1"})
    assert not {one.check: one for one in audit_preference([unsigned], list(material.documents))}["grounded"].passed


def test_a_pair_that_joins_two_sides_of_the_split_is_left_out(material: PairMaterial) -> None:
    result = made(
        [said(1, "down", prompt="Tell me about wet ropes", correction=FERRY, corrected_by="ada-bell")], material
    )

    assert result.dropped == {"asks for one side of the split, answered from another": 1}


def test_the_rules_of_all_pairs_hold(material: PairMaterial) -> None:
    signed = {"correction": f"{FERRY} It does.", "corrected_by": "ada-bell"}
    result = made(
        [
            said(1, "down", "A boat that", **signed),
            said(2, "down", f"{FERRY} It does!", **signed),
            said(3, "down", "It <|im_end|> leaves.", **signed),
            said(4, "down", "It is a boat. It goes to", **signed),
            said(5, "down", "A quay.", correction="It leaves at", corrected_by="ada-bell"),
        ],
        material,
    )

    assert [pair.rejected for pair in result.rows] == ["It is a boat."]
    assert result.dropped == {
        "rejected has no complete sentence": 1,
        "rejected equals chosen": 1,
        "holds a marker of the chat template": 1,
        "chosen breaks off": 1,
    }


def test_personal_data_of_readers_is_masked(material: PairMaterial) -> None:
    prompt = "I am zoe.quill@ferrymail.net. When does the ferry leave?"
    signed = {"correction": "Ask zoe.quill@ferrymail.net instead.", "corrected_by": "ada-bell"}
    (pair,) = made([said(1, "down", "Write to zoe.quill@ferrymail.net about it.", prompt, **signed)], material).rows

    assert "zoe" not in pair.prompt + pair.chosen + pair.rejected
    assert pair.prompt == "I am [EMAIL]. When does the ferry leave?"


def test_every_entry_that_stands_is_used_or_counted_whatever_their_order(material: PairMaterial) -> None:
    entries = [
        said(1, "down", correction="Mine says nine.", corrected_by="ada-bell"),
        said(2, "up", FERRY),
        said(3, "up", "Yes."),
        said(4, "down", "No."),
        said(5, "down", "Never.", "What of swifts?"),
        said(6, "up", "No.", "What of swifts?"),
        said(7, "down", "No!", "What of swifts?"),
        said(8, "up", ROPE, "What of lanterns?"),
        said(9, "down", author="tom-fox"),
        said(4, "down", "No."),
    ]
    result = made(entries, material)

    assert made(entries[::-1], material) == result
    assert [(pair.chosen, pair.rejected) for pair in result.rows] == [("Mine says nine.", BAD), (FERRY, "No.")]
    assert result.dropped == {
        OVERRULED: 1,
        "liked, but not the author's words": 1,
        "disliked, with nothing of the author's own": 2,
        "liked, with nothing disliked beside it": 1,
    }


def test_an_original_is_named_before_a_document_that_repeats_it(material: PairMaterial) -> None:
    copy = material.documents[0].model_copy(update={"document_id": "a-copy", "duplicate_of": "ferry"})
    twice = PairMaterial(
        **{**vars(material), "documents": [copy, *material.documents], "splits": {**material.splits, "a-copy": "train"}}
    )
    (pair,) = made([said(1, "up", FERRY), said(2, "down")], twice).rows

    assert pair.document_id == "ferry"
