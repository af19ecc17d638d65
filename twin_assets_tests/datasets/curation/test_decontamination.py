from collections.abc import Callable

import pytest

from twin_assets.datasets.curation.decontamination import decontaminate
from twin_assets.documents import InstructRow, PreferenceRow

MakeRow = Callable[..., InstructRow]
HELD_OUT = (
    "The old ferry leaves the western quay at nine and comes back whenever the tide allows it to, which is seldom "
    "before noon and never after dark, because the captain sleeps badly and trusts no lantern."
)
OTHER = (
    "Bread wants a cold night more than it wants flour, and whoever says otherwise has an oven with a clock in it and "
    "no patience for a crust that sings when it comes out into the draught of the kitchen door."
)
THIRTEEN = " ".join(HELD_OUT.split()[4:17])
TWELVE = " ".join(HELD_OUT.split()[4:16])


@pytest.fixture
def tested(make_row: MakeRow) -> InstructRow:
    return make_row(HELD_OUT, instruction="When does the ferry leave?", document_id="held out", split="test")


def dropped(tested: InstructRow, row: InstructRow | PreferenceRow, **options: object) -> dict[str, int]:
    rows = [tested, row] if isinstance(row, InstructRow) else [row]
    kept, counts = decontaminate(rows, **options)  # type: ignore[type-var,arg-type]
    assert (row in kept) == (not counts)
    return dict(counts)


@pytest.mark.parametrize("side", ["train", "validation"])
@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("document of the test side", {"document_id": "held out"}),
        ("document of the test side", {"document_id": "copy"}),
        ("instruction of the test side", {"instruction": "when does the FERRY leave"}),
        ("answer of the test side", {"answer": HELD_OUT.upper()}),
        ("nearly repeats the test side", {"answer": " ".join(HELD_OUT.split()[:11])}),
        ("nearly repeats the test side", {"answer": HELD_OUT.replace("nine", "ten")}),
        ("13 words in a row of the test side", {"answer": f"{OTHER} {THIRTEEN} {OTHER}"}),
        ("13 words in a row of the test side", {"instruction": f"What of {THIRTEEN}?"}),
    ],
)
def test_what_shares_something_with_the_test_side_goes(
    make_row: MakeRow, tested: InstructRow, reason: str, fault: dict[str, str], side: str
) -> None:
    row = make_row(**({"answer": OTHER, "document_id": "another", "split": side} | fault))

    assert dropped(tested, row, roots={"copy": "held out"}) == {reason: 1}


def test_twelve_words_in_a_row_are_chance(make_row: MakeRow, tested: InstructRow) -> None:
    assert dropped(tested, make_row(f"{OTHER} {TWELVE} {OTHER}", document_id="another")) == {}


def test_further_texts_are_held_out_too(make_row: MakeRow, tested: InstructRow) -> None:
    row = make_row(OTHER, document_id="another")

    assert dropped(tested, row) == {}
    assert dropped(tested, row, test_texts=[f"A whole document.\n\n{OTHER}\n\nAnd more of it."]) == {
        "nearly repeats the test side": 1
    }


def test_a_rejected_text_that_a_model_knew_by_heart_is_found(
    tested: InstructRow, make_pair: Callable[..., PreferenceRow]
) -> None:
    pair = make_pair(OTHER, f"It is known that {THIRTEEN}.", document_id="another")

    assert dropped(tested, pair, test_texts=[HELD_OUT]) == {"13 words in a row of the test side": 1}


def test_the_test_side_stays_as_it_is_and_so_do_rows_without_a_document(make_row: MakeRow, tested: InstructRow) -> None:
    twin = tested.model_copy(update={"start": 1})
    nameless = [make_row(OTHER, document_id="", split="test"), make_row("Swifts sleep as they fly.", document_id="")]

    assert decontaminate([tested, twin, *nameless]) == ([tested, twin, *nameless], {})


def test_without_a_test_side_nothing_is_dropped(make_row: MakeRow) -> None:
    rows = [make_row(HELD_OUT), make_row(OTHER)]

    assert decontaminate(rows) == (rows, {})
