"""The teacher and an endpoint in trouble: what is sent again, when everything stops, and what is said then."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from time import monotonic

import pytest
from pydantic import BaseModel, SecretStr

from resources.language_model import Teacher
from twin_assets.asking import NO_ANSWER, Question
from twin_assets.errors import UserError
from twin_assets_tests.openai_server import OpenAIServer, Sent, fails, says
from twin_assets_tests.resources.warehouses import free_port

NEVER_SHOWN = "sk-hunter2-do-not-print"


class Tide(BaseModel):
    height: int


def questions(count):
    return [Question("tide@1", "You read tide tables.", f"How high is tide {n}?", Tide, 100) for n in range(count)]


def high_tide(asked):
    return says({"height": 7})


@pytest.fixture
def serve():
    running = []

    def start(script=high_tide, **options):
        running.append(OpenAIServer(script, **options).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def teacher(tmp_path):
    def make(url, **fields):
        values = {
            "artifacts": str(tmp_path),
            "url": url,
            "teacher_model": "sage",
            "first_wait_seconds": 0.01,
            "timeout_seconds": 10,
            "attempts": 4,
        }
        return Teacher(**(values | fields)).teacher("ann")

    return make


@pytest.mark.parametrize(
    "trouble", [fails(429), fails(408), fails(409), fails(500), fails(503), Sent("", hang_up=True)]
)
def test_what_can_succeed_is_sent_again(serve, teacher, trouble):
    server = serve(lambda asked: trouble if asked.number < 3 else high_tide(asked))
    model = teacher(server.url)
    [reply] = model.ask(questions(1))
    assert reply.answer == Tide(height=7)
    assert len(server.asked) == 4
    assert model.spent.retries == 3


def test_each_wait_is_longer_than_the_one_before(serve, teacher):
    times = []
    server = serve(lambda asked: times.append(monotonic()) or (fails(500) if asked.number < 3 else high_tide(asked)))
    teacher(server.url, first_wait_seconds=0.2).ask(questions(1))
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert 0.1 <= waits[0] <= 0.35
    assert 0.2 <= waits[1] <= 0.6
    assert 0.4 <= waits[2] <= 1.1


@pytest.mark.parametrize("form", ["seconds", "milliseconds", "date"])
def test_a_server_is_left_alone_as_long_as_it_asks_by_every_question(serve, teacher, form):
    times = []

    def script(asked):
        times.append(monotonic())
        if asked.number:
            return high_tide(asked)
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        return fails(
            429,
            **{
                "seconds": {"retry_after": "1"},
                "milliseconds": {"retry_after_ms": "1000"},
                "date": {"retry_after": date},
            }[form],
        )

    server = serve(script)
    teacher(server.url, concurrency=1).ask(questions(2))
    assert len(server.asked) == 3
    # A date has whole seconds: of two, up to one is lost.
    assert 1.0 <= times[1] - times[0] < 3.0


def test_while_a_server_asks_to_be_left_alone_no_other_question_is_sent(serve, teacher):
    times = []

    def script(asked):
        times.append((asked.number, monotonic()))
        return fails(429, retry_after="1") if asked.number == 0 else says({"height": 7}, seconds=0.1)

    server = serve(script)
    teacher(server.url, concurrency=2).ask(questions(6))
    begun = times[0][1]
    # One more was under way already.
    assert [number for number, time in times if time - begun < 0.9] in ([0], [0, 1])
    assert len(times) == 7


def test_a_wait_without_end_is_cut_short(serve, teacher, monkeypatch):
    monkeypatch.setattr("resources.conversation.LONGEST_ASKED_WAIT", 0.2)
    server = serve(lambda asked: high_tide(asked) if asked.number else fails(429, retry_after="86400"))
    begun = monotonic()
    assert teacher(server.url).ask(questions(1))[0].answer
    assert monotonic() - begun < 5


def test_an_endpoint_that_is_down_is_one_sentence_and_not_a_hundred_failures(teacher):
    model = teacher(f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:[0-9]+/v1 cannot be reached .*TWIN_TEACHER_URL"):
        model.ask(questions(100))
    assert model.spent.retries <= 3 * 4
    assert (model.spent.tokens, model.spent.unanswered) == (0, 0)


def test_an_endpoint_that_comes_up_in_time_is_asked(serve, teacher):
    port = free_port()
    timer = threading.Timer(0.5, lambda: serve(port=port))
    timer.start()
    replies = teacher(f"http://127.0.0.1:{port}/v1", first_wait_seconds=0.4, attempts=5).ask(questions(3))
    timer.join()
    assert all(reply.answer for reply in replies)


@pytest.mark.parametrize(
    ("refusal", "says_so"),
    [
        (
            fails(401, f"Incorrect API key provided: {NEVER_SHOWN}"),
            r"does not accept the key \(401\): set TWIN_TEACHER_KEY",
        ),
        (fails(403, "not for you"), r"does not accept the key \(403\)"),
        (fails(402, "no balance"), "has no credit left"),
        (fails(429, "You exceeded your current quota.", code="insufficient_quota"), "has no credit left"),
        (fails(404, "no model sage"), r"no model sage at http.*\(404\): mend TWIN_TEACHER_MODEL"),
        (fails(400, "sage is not a valid model ID"), r"no model sage at http.*\(400\)"),
    ],
)
def test_what_no_question_will_overcome_stops_everything_at_once(serve, teacher, refusal, says_so):
    server = serve(lambda asked: refusal)
    with pytest.raises(UserError, match=says_so) as caught:
        teacher(server.url, key=SecretStr(NEVER_SHOWN), concurrency=2).ask(questions(50))
    assert NEVER_SHOWN not in str(caught.value)
    assert len(server.asked) <= 2


def test_what_is_under_way_when_everything_stops_is_paid_for_and_kept(serve, teacher):
    def script(asked):
        return says({"height": 7}, seconds=0.5) if "tide 0?" in asked.user else fails(401)

    server = serve(script)
    model = teacher(server.url, concurrency=2)
    with pytest.raises(UserError, match="does not accept the key"):
        model.ask(questions(20))
    assert model.estimate(questions(20)).cached == 1
    assert model.spent.tokens == 30


def test_one_question_in_trouble_is_one_row_and_the_next_run_asks_it_again(serve, teacher):
    server = serve(lambda asked: fails(500, "out of memory") if "tide 1?" in asked.user else high_tide(asked))
    model = teacher(server.url)
    assert [reply.failure for reply in model.ask(questions(5))] == [None, NO_ANSWER, None, None, None]
    assert model.spent.failures == {NO_ANSWER: 1}
    assert model.spent.examples[NO_ANSWER] == "HTTP 500: out of memory / error"
    server.script = high_tide
    assert [reply.cached for reply in teacher(server.url).ask(questions(5))] == [True, False, True, True, True]


def test_an_endpoint_out_of_order_stops_everything_after_some_questions(serve, teacher):
    server = serve(lambda asked: fails(502, "bad gateway"))
    with pytest.raises(UserError, match=r"answered none of 3 questions in a row.*HTTP 502: bad gateway"):
        teacher(server.url, concurrency=1).ask(questions(50))
    assert len(server.asked) == 3 * 4


def test_an_endpoint_that_takes_no_question_at_all_stops_everything(serve, teacher):
    server = serve(lambda asked: fails(400, "no such option"))
    with pytest.raises(UserError, match=r"takes no question for sage.*no such option"):
        teacher(server.url, concurrency=1).ask(questions(50))
    assert len(server.asked) < 50


def test_a_web_page_in_place_of_an_answer_is_no_answer(serve, teacher):
    server = serve(lambda asked: Sent("<html>Welcome</html>", kind="text/html"))
    with pytest.raises(UserError, match="what is not JSON: '<html>Welcome</html>'"):
        teacher(server.url).ask(questions(5))
    [reply] = teacher(server.url).ask(questions(1))
    assert reply.failure == NO_ANSWER


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{}",
        '{"choices": []}',
        '{"choices": [{"message": 3}]}',
        "null",
        '{"error": {"message": "busy"}}',
        "[" * 100_000,
    ],
)
def test_json_that_is_no_completion_is_no_answer(serve, teacher, body):
    server = serve(lambda asked: Sent(body))
    [reply] = teacher(server.url).ask(questions(1))
    assert reply.failure == NO_ANSWER


@pytest.mark.parametrize("usage", ['{"prompt_tokens": -5, "completion_tokens": "many"}', "[]", "7"])
def test_a_count_that_cannot_be_is_booked_at_the_worst(serve, teacher, usage):
    body = '{"choices": [{"message": {"content": "{\\"height\\": 7}"}}], "usage": %s}' % usage  # noqa: UP031
    model = teacher(serve(lambda asked: Sent(body)).url)
    [reply] = model.ask(questions(1))
    assert reply.answer == Tide(height=7)
    assert reply.completion_tokens == 100


def test_an_answer_that_takes_too_long_is_given_up_and_booked_at_the_worst(serve, teacher):
    server = serve(lambda asked: says({"height": 7}, seconds=2.0 if asked.number < 2 else 0.0))
    model = teacher(server.url, timeout_seconds=0.5)
    [reply] = model.ask(questions(1))
    assert reply.answer
    assert (model.spent.unanswered, model.spent.calls) == (2, 1)
    assert model.spent.completion_tokens == 2 * 100 + 10


def test_a_server_that_drips_is_not_waited_for_longer(serve, teacher):
    slow = replace(says({"height": 7}), drip=0.2)
    server = serve(lambda asked: high_tide(asked) if asked.number else slow)
    begun = monotonic()
    assert teacher(server.url, timeout_seconds=1).ask(questions(1))[0].answer
    assert monotonic() - begun < 3
    assert len(server.asked) == 2


def test_waiting_in_vain_does_not_exceed_the_budget(serve, teacher):
    server = serve(lambda asked: says({"height": 7}, seconds=1.0))
    model = teacher(server.url, timeout_seconds=0.1, max_tokens=1_200, attempts=6)
    model.ask(questions(1))
    assert len(server.asked) == 2
    assert model.spent.tokens <= 1_200


def test_a_proxy_of_the_environment_does_not_come_between_us_and_a_server_on_this_machine(serve, teacher, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert teacher(serve().url).ask(questions(1))[0].answer
