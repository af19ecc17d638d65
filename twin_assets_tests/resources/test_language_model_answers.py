"""What counts as an answer, and what does not although it looks like one."""

import json
import random
from time import perf_counter

import pytest
from pydantic import BaseModel

from resources.answers import RawAnswer, read_answer, runs_in_circles
from twin_assets.asking import MALFORMED, PROSE, REFUSAL, REPETITION, TRUNCATED

LOOP = "The tide comes in and the tide goes out and so it goes on for ever. "


class Row(BaseModel):
    instruction: str
    answer: str


def read(text, finish_reason="stop", refusal=""):
    return read_answer(RawAnswer(text, refusal, finish_reason, 1, 1), Row)


@pytest.mark.parametrize(
    "answer",
    [
        "I cannot count the evenings on which I rebuilt that boat.",
        "Sorry is the word I wrote on the first page.",
        "As an AI researcher I read papers before breakfast.",
        "I won't answer the phone at sea.",
    ],
)
def test_an_author_may_begin_with_the_words_of_a_refusal(answer):
    assert read(Row(instruction="Write.", answer=answer).model_dump_json()).answer.answer == answer


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't assist with that request.",
        "I\N{RIGHT SINGLE QUOTATION MARK}m sorry, but I cannot help with that.",
        "I cannot fulfill this request.",
        "I am unable to complete your request.",
        "As an AI language model, I have no boats.",
        "As an AI assistant, I do not sail.",
        "Unfortunately, I can't comply with this.",
    ],
)
def test_a_refusal_in_a_field_is_a_refusal(answer):
    assert read(Row(instruction="Write.", answer=answer).model_dump_json()).failure == REFUSAL


def test_an_answer_that_ends_exactly_at_the_limit_is_complete():
    assert read('{"instruction": "a", "answer": "b"}', "length").answer == Row(instruction="a", answer="b")


@pytest.mark.parametrize(
    "text",
    ['{"instruction": "a", "answer": "b', '{"instruction": "a"', '```json\n{"instruction": "a", ', "{", '{"a": [1, 2'],
)
def test_the_beginning_of_an_object_was_cut_off_whatever_the_server_says(text):
    assert read(text).failure == TRUNCATED


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("[1, 2]", PROSE),
        ('"a text"', PROSE),
        ("Use {braces} here.", PROSE),
        ('[{"instruction": "a", "answer": "b"}, {"instruction": "c", "answer": "d"}]', PROSE),
        ('{"instruction": "a"}', MALFORMED),
        ('{"instruction": NaN, "answer": "b"}', PROSE),
        ('{"instruction": "a", "answer": null}', MALFORMED),
        ('{"a":' * 100_000, REPETITION),
    ],
)
def test_other_json_is_no_answer(text, failure):
    assert read(text).failure == failure


def test_line_breaks_within_strings_and_fences_within_answers_are_kept():
    text = '{"instruction": "a", "answer": "one\ntwo"}'
    assert read(text).answer.answer == "one\ntwo"
    code = Row(instruction="a", answer="See:\n\n```python\nprint({})\n```\n\nDone.")
    assert read(code.model_dump_json()).answer == code
    assert read(f"```json\n{code.model_dump_json(indent=2)}\n```").answer == code


def test_half_a_character_is_replaced_and_a_whole_one_is_kept():
    text = r'{"instruction": "Half: \ud83d.", "answer": "Whole: \ud83d\udc33."}'
    assert read(text).answer == Row(instruction="Half: \N{REPLACEMENT CHARACTER}.", answer="Whole: \N{SPOUTING WHALE}.")


def test_what_is_wrong_is_told_without_what_was_written():
    detail = read('{"instruction": "a secret remark", "answer": 5}').detail
    assert detail == "answer: Input should be a valid string"


@pytest.mark.parametrize(
    "text",
    [
        LOOP * 20,
        "It began well enough, with a plan for the boat and a list of planks. " + LOOP * 12,
        " ".join(f"{number}. {LOOP}" for number in range(20)),
        "潮が満ちて" * 60,
        "tide" * 100,
        "0, " * 200,
    ],
)
def test_a_text_without_end_runs_in_circles(text):
    assert runs_in_circles(text)


@pytest.mark.parametrize(
    "text",
    [
        LOOP * 3,
        "| --- " * 60 + "|\n",
        "-" * 400,
        "for row in rows:\n    for column in row:\n        total += column\n" * 2,
        "\n".join(f"- The plank number {n} was cut, planed, {n % 7} times sanded and laid {n * n}." for n in range(30)),
    ],
)
def test_a_refrain_a_table_a_rule_and_a_list_do_not(text):
    assert not runs_in_circles(text)


def test_a_very_long_answer_is_read_in_reasonable_time():
    draw = random.Random(0)  # noqa: S311
    for alphabet in ("ab ", "abcdefghijklmnopqrstuvwxyz     "):
        text = "".join(draw.choice(alphabet) for _ in range(50_000))
        begun = perf_counter()
        runs_in_circles(text)
        read(text)
        assert perf_counter() - begun < 5


def test_no_passage_of_real_articles_runs_in_circles(handbook):
    articles = json.loads((handbook / "ArticleDocument.json").read_text())
    texts = [str(part) for article in articles for part in article["content"].values()]
    passages = [text[start : start + 4_000] for text in texts for start in range(0, len(text), 4_000)]
    assert len(passages) > 300
    assert not any(map(runs_in_circles, passages))
