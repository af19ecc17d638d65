from collections.abc import Callable
from typing import Any

import pytest

from twin_assets.datasets.curation.code_fences import code_fault
from twin_assets.datasets.curation.filters import FILTERS, apply_filters, corpus_of
from twin_assets.datasets.curation.options import CurationOptions
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow

MakeRow = Callable[..., InstructRow]
MakeDocument = Callable[..., CleanedDocument]
PROSE = "The old ferry leaves the western quay at nine and comes back whenever the tide allows it."
ASKED = "What do you have to say about ferries?"
OPTIONS = CurationOptions()


def reasons(
    row: InstructRow | PreferenceRow, *documents: CleanedDocument, options: CurationOptions = OPTIONS
) -> list[str]:
    corpus = corpus_of(documents, options)
    return [rule.reason for rule in FILTERS if rule.objects(row, corpus)]


def test_a_good_row_passes_every_rule(make_row: MakeRow) -> None:
    assert reasons(make_row(PROSE, instruction=ASKED)) == []


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("empty text", {"answer": " \n"}),
    ("empty text", {"instruction": "..."}),
    ("holds a marker of the chat template", {"answer": f"{PROSE} <|im_end|> And so on."}),
    ("answer too short", {"answer": "It rained."}),
    ("answer too long", {"answer": f"{PROSE} " * 40}),
    ("instruction too long", {"instruction": f"{ASKED} " * 30}),
    ("code fence left open", {"answer": f"{PROSE}\n\n```python\nprint(1)\n\nThat was it, and it is never closed."}),
    ("code that does not parse", {"answer": f"{PROSE}\n\n```python\ndef print(:\n```"}),
    ("code that does not parse", {"answer": f"{PROSE}\n\n```json\n{{'quay': 'west'}}\n```"}),
    ("refusal of a language model", {"answer": f"As an AI language model, I have no quay. {PROSE}", "document_id": ""}),
    ("refusal of a language model", {"answer": f"I\u2019m sorry, but I can\u2019t say. {PROSE}", "passage_start": 0}),
    ("promotion", {"answer": f"{PROSE} Subscribe to my newsletter for more of it."}),
    ("unfinished sentence", {"answer": f"{PROSE} And the captain, who had never seen"}),
    ("unfinished sentence", {"answer": f"{PROSE}\n\nThese are the three rules of the quay:"}),
    ("instruction holds a piece of the answer", {"instruction": f"Is it so that {PROSE.lower()[:60]}?"}),
    ("instruction names the text it was made from", {"instruction": "What does the extract say about ferries?"}),
    ("instruction names the text it was made from", {"instruction": "What does the author think of ferries?"}),
]


@pytest.mark.parametrize(("reason", "fault"), FAULTS)
def test_each_rule_finds_its_fault_and_no_other_rule_does(
    make_row: MakeRow, reason: str, fault: dict[str, Any]
) -> None:
    row = make_row(**({"answer": PROSE, "instruction": ASKED} | fault))

    assert reasons(row) == [reason] or (reason == "empty text" and reasons(row)[0] == reason)


def test_every_rule_is_tried_by_a_fault() -> None:
    assert {rule.reason for rule in FILTERS} - {reason for reason, _ in FAULTS} == {
        "in a language the author hardly writes"
    }
    assert len({rule.name for rule in FILTERS}) == len(FILTERS)
    assert all(rule.name.partition("@")[2].isdigit() for rule in FILTERS)


@pytest.mark.parametrize(
    "answer",
    [
        f"{PROSE}\n\n- the western quay\n- the eastern quay",
        f"{PROSE}\n\n\u2192 The western quay\n\n\u2192 The eastern quay",
        f"{PROSE}\n\n| quay | boats |\n| --- | --- |\n| west | 3 |",
        f"{PROSE}\n\n```\nno language: def (\n```",
        f"{PROSE}\n\n```python\n!pip install quay\n%time\nimport quay\n```",
        f"{PROSE}\n\n```python\n>>> 1 +  1\n2\n```",
        f"{PROSE}\n\n```python\n    indented = [1, ...]\n    return indented\n```",
        f"{PROSE} **So it is.** \U0001f600",
        f"{PROSE} As an AI engineer I cannot help but agree.",
        f"{PROSE} Readers subscribe to the idea that a text has a context.",
    ],
)
def test_what_a_person_may_well_write_passes(make_row: MakeRow, answer: str) -> None:
    assert reasons(make_row(answer, instruction=ASKED)) == []


def test_a_passage_of_the_author_that_quotes_a_refusal_passes(make_row: MakeRow) -> None:
    quoted = f"{PROSE} The bot said that as an AI language model it had no quay."

    assert reasons(make_row(quoted, instruction=ASKED)) == []
    assert reasons(make_row(quoted, instruction=ASKED, passage_start=0)) == ["refusal of a language model"]


def test_a_rejected_text_that_refuses_is_found(make_pair: Callable[..., PreferenceRow]) -> None:
    assert reasons(make_pair(PROSE, "I am sorry, but I cannot help with that.", ASKED)) == [
        "refusal of a language model"
    ]
    assert reasons(make_pair(PROSE, "Ferries are boats.", ASKED)) == []


def test_a_language_that_the_author_hardly_writes_is_left_out_and_a_second_one_is_not(
    make_row: MakeRow, make_document: MakeDocument
) -> None:
    english, german, french = (
        make_document(name=language, language=language, n_words=words)
        for language, words in (("en", 6_000), ("de", 3_000), ("fr", 500))
    )
    rows = [make_row(f"{PROSE} {one.language}.", document_id=one.document_id) for one in (english, german, french)]
    kept, dropped = apply_filters(rows, corpus_of([english, german, french], OPTIONS))

    assert kept == rows[:2]
    assert dropped == {"in a language the author hardly writes": 1}


def test_lengths_are_counted_by_the_counter_that_is_given(make_row: MakeRow) -> None:
    row = make_row(PROSE, instruction=ASKED)
    by_letters = corpus_of([], CurationOptions(max_answer_words=len(PROSE) - 1), len)

    assert apply_filters([row], by_letters) == ([], {"answer too long": 1})
    assert apply_filters(
        [row], corpus_of([], CurationOptions(max_answer_words=len(PROSE), max_instruction_words=99), len)
    )[0]


def test_a_function_may_be_asked_for_in_the_words_of_its_docstring(make_row: MakeRow) -> None:
    code = '```python\ndef quay():\n    """Return the quay that the ferry leaves from at nine sharp."""\n```'
    asked = "Write a function that does this: return the quay that the ferry leaves from at nine sharp."

    assert reasons(make_row(code, instruction=asked, category="repositories", kind="function")) == []
    assert reasons(make_row(code, instruction=asked)) == ["instruction holds a piece of the answer"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("plain words", None),
        ("````\n```\n````", None),
        ("~~~python\nx = 1\n~~~", None),
        ("```python\nx = 1\n~~~", "open"),
        ("```python title='a'\nx = = 1\n```", "unparsable"),
        ("```py\n" + "(" * 5_000 + "\n```", "unparsable"),
        ("```json\n" + "[" * 100_000 + "\n```", "unparsable"),
        ('```json\n{"a": [1, 2]}\n```', None),
        ("use ``` in a line of prose", None),
    ],
)
def test_fenced_code_is_read_as_markdown_reads_it(text: str, fault: str | None) -> None:
    assert code_fault(text) == fault
