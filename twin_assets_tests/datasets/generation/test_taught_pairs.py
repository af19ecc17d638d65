from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import pytest

from twin_assets.asking import OUT_OF_BUDGET, Estimate, Progress, Question, Reply
from twin_assets.datasets.generation.pair_contract import PairMaterial
from twin_assets.datasets.generation.taught_pairs import Taught, TeachersAnswer, question_for
from twin_assets.documents import CleanedDocument, InstructRow, content_hash
from twin_assets.errors import UserError

Make = Callable[..., InstructRow]
PRICE = 0.01


class ScriptedTeacher:
    """Stands in for a model behind a network: answers as told, looks answers up, and remembers its questions."""

    name = "scripted"

    def __init__(self, failures: dict[str, str] | None = None, answers: dict[str, str] | None = None) -> None:
        self.asked: list[Question] = []
        self.called: list[Question] = []
        self._failures = failures or {}
        self._answers = answers or {}

    def estimate(self, questions: Sequence[Question]) -> Estimate:
        return Estimate(len(questions), 0, 0, 0, 0.0)

    def ask(self, questions: Sequence[Question], *, progress: Progress | None = None) -> list[Reply]:
        replies = []
        for number, question in enumerate(questions, start=1):
            cached = question in self.asked
            self.asked.append(question)
            self.called += [] if cached else [question]
            replies.append(self._reply(question, cached=cached))
            if progress:
                progress(number, len(questions))
        return replies

    def _reply(self, question: Question, *, cached: bool) -> Reply:
        key = content_hash([question.system, question.user])
        failure = next((why for words, why in self._failures.items() if words in question.user), None)
        if failure == OUT_OF_BUDGET:
            return Reply(key, None, failure, 0, 0, 0.0, cached=False)
        text = next((text for words, text in self._answers.items() if words in question.user), "It is a large boat.")
        answer = None if failure else question.form.model_validate({"answer": text})
        return Reply(key, answer, failure, 50, 20, PRICE, cached=cached)


def unsampled(prompts: Sequence[str]) -> NoReturn:
    raise AssertionError(prompts)


def passage(number: int) -> str:
    return f"Ferry number {number} leaves the western quay at nine and is never seen before noon."


@pytest.fixture
def author(make_row: Make, make_document: Callable[..., CleanedDocument]) -> Callable[..., PairMaterial]:
    def make(numbers: Sequence[int], teacher: ScriptedTeacher | None, **fields: Any) -> PairMaterial:
        documents = [make_document(passage(number), document_id=f"d{number}") for number in numbers]
        rows = [
            make_row(passage(number), document_id=f"d{number}", instruction=f"What of ferry {number}?")
            for number in numbers
        ]

        def ask() -> ScriptedTeacher:
            if teacher is None:
                raise UserError("No teacher is configured: set TWIN_TEACHER_MODEL.")
            return teacher

        return PairMaterial(
            **(
                {
                    "author": "ada-bell",
                    "rows": rows,
                    "documents": documents,
                    "splits": {},
                    "seed": 0,
                    "ask": ask,
                    "sample": unsampled,
                }
                | fields
            )
        )

    return make


Author = Callable[..., PairMaterial]


def test_a_pair_holds_the_passage_against_the_teachers_answer_with_call_and_cost(author: Author) -> None:
    teacher = ScriptedTeacher()
    result = Taught().generate(author([7], teacher))
    (pair,) = result.rows

    assert (pair.prompt, pair.chosen, pair.rejected) == ("What of ferry 7?", passage(7), "It is a large boat.")
    assert (pair.document_id, pair.start, pair.end, pair.split) == ("d7", 0, len(passage(7)), "train")
    assert pair.rejected_by.startswith("scripted@")
    assert pair.generator == "teacher@1"
    assert pair.calls == [content_hash([teacher.asked[0].system, teacher.asked[0].user])]
    assert (pair.cost, result.cost, result.generated, result.reused) == (PRICE, PRICE, 1, 0)


def test_the_teacher_is_given_the_instruction_and_the_length_and_not_the_passage(make_row: Make) -> None:
    question = question_for(make_row("word " * 87, instruction="What of <b> & {{ ferries }}?"))

    assert question.user == "What of <b> & {{ ferries }}?\n\nAnswer in about 90 words."
    assert "word word" not in question.system + question.user
    assert (question.prompt, question.form) == ("reject@1", TeachersAnswer)
    assert question.max_tokens > 300
    assert "about 10 words" in question_for(make_row("word")).user


def test_failures_cost_their_own_pair_and_are_counted_with_what_they_cost(author: Author) -> None:
    teacher = ScriptedTeacher(
        failures={"ferry 2": "the model refused", "ferry 3": OUT_OF_BUDGET},
        answers={"ferry 4": passage(4), "ferry 5": "It is a boat. It sails, and", "ferry 6": "no end in sight"},
    )
    result = Taught().generate(author(range(1, 7), teacher))

    assert {row.prompt: row.rejected for row in result.rows} == {
        "What of ferry 1?": "It is a large boat.",
        "What of ferry 5?": "It is a boat.",
    }
    assert result.dropped == {
        "the model refused": 1,
        OUT_OF_BUDGET: 1,
        "rejected equals chosen": 1,
        "rejected has no complete sentence": 1,
    }
    assert result.cost == pytest.approx(5 * PRICE)
    assert result.generated == 4


def test_a_second_run_reuses_every_answer_and_is_the_same(author: Author) -> None:
    teacher = ScriptedTeacher()
    first = Taught().generate(author(range(5), teacher))
    again = Taught().generate(author(range(5), teacher))

    assert again.rows == first.rows
    assert (again.generated, again.reused, again.cost) == (0, 5, 0.0)


def test_one_new_document_among_a_thousand_asks_only_its_own_question(author: Author) -> None:
    teacher = ScriptedTeacher()
    Taught().generate(author(range(999), teacher))
    teacher.called.clear()
    Taught().generate(author(range(1000), teacher))

    assert [question.user for question in teacher.called] == ["What of ferry 999?\n\nAnswer in about 20 words."]


def test_nobody_is_asked_where_no_row_takes_part(author: Author, make_row: Make) -> None:
    strange = make_row("Not the author's.", document_id="")
    result = Taught().generate(author([], None, rows=[strange]))

    assert (result.rows, result.dropped) == ([], Counter({"answer is not the author's own words": 1}))


def test_a_missing_teacher_is_said(author: Author) -> None:
    with pytest.raises(UserError, match="TWIN_TEACHER_MODEL"):
        Taught().generate(author([1], None))


def test_a_limit_bounds_the_calls_and_progress_is_told(author: Author) -> None:
    teacher, said = ScriptedTeacher(), []
    Taught(limit=60).generate(author(range(100), teacher, report=said.append))

    assert len(teacher.called) == 60
    assert said == ["The teacher answered 50 of 60 prompts", "The teacher answered 60 of 60 prompts"]
