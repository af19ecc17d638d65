"""The teacher and the judge, asked over HTTP: what is sent, what is kept, and that nothing is asked twice."""

import asyncio
import json
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from pydantic import BaseModel, Field, SecretStr, field_validator

from resources.call_log import read_call
from resources.language_model import Teacher
from resources.spending import Budget
from twin_assets.asking import (
    EMPTY,
    MALFORMED,
    NOT_TAKEN,
    OUT_OF_BUDGET,
    PROSE,
    REFUSAL,
    REPETITION,
    TRUNCATED,
    Estimate,
    LanguageModel,
    Question,
)
from twin_assets.errors import UserError
from twin_assets.settings import Settings
from twin_assets_tests.openai_server import OpenAIServer, fails, says

NEVER_SHOWN = "sk-hunter2-do-not-print"


class Tide(BaseModel):
    """What the tests ask for."""

    height: int = Field(ge=0, le=20)
    remark: str = ""


class Port(BaseModel):
    name: str


def question(number=0, *, form=Tide, **fields):
    return Question(
        **{
            "prompt": "tide@1",
            "system": "You read tide tables.",
            "user": f"How high is tide {number}?",
            "form": form,
            "max_tokens": 100,
        }
        | fields
    )


def questions(count):
    return [question(number) for number in range(count)]


def high_tide(asked):
    return says({"height": 7})


@pytest.fixture
def serve():
    """Start a server that follows a script, for the time of the test."""
    running = []

    def start(script=high_tide, **options):
        running.append(OpenAIServer(script, **options).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def resource(tmp_path):
    def make(server, **fields):
        values = {
            "artifacts": str(tmp_path / "artifacts"),
            "url": server.url,
            "teacher_model": "sage",
            "judge_model": "owl",
            "first_wait_seconds": 0.01,
            "timeout_seconds": 10,
        }
        return Teacher(**(values | fields))

    return make


@pytest.fixture
def teacher(resource):
    return lambda server, **fields: resource(server, **fields).teacher("ann")


def log_files(tmp_path):
    return sorted((tmp_path / "artifacts" / "llm_calls").rglob("*.json"))


def test_each_question_gets_its_own_validated_answer_in_order(serve, teacher):
    server = serve(lambda asked: says({"height": int(asked.user[-2])}, seconds=0.05 * (9 - int(asked.user[-2]))))
    model: LanguageModel = teacher(server)
    replies = model.ask(questions(8))
    assert [reply.answer for reply in replies] == [Tide(height=number) for number in range(8)]
    assert all((reply.failure, reply.cached) == (None, False) for reply in replies)
    assert model.name == "sage"


def test_the_endpoint_gets_the_messages_the_form_and_the_limits(serve, teacher):
    server = serve()
    teacher(server).ask([question(temperature=0.2)])
    [asked] = server.asked
    assert asked.body["model"] == "sage"
    assert asked.body["messages"] == [
        {"role": "system", "content": "You read tide tables."},
        {"role": "user", "content": "How high is tide 0?"},
    ]
    assert (asked.body["max_tokens"], asked.body["temperature"]) == (100, 0.2)
    schema = asked.body["response_format"]["json_schema"]
    assert schema["strict"] is True
    assert schema["schema"]["required"] == ["height", "remark"]
    assert schema["schema"]["additionalProperties"] is False


def test_so_many_questions_are_under_way_at_once_and_no_more(serve, teacher):
    server = serve(lambda asked: says({"height": 7}, seconds=0.1))
    teacher(server, concurrency=3).ask(questions(12))
    assert server.most_at_once == 3
    assert len(server.asked) == 12


def test_progress_is_told_as_replies_come(serve, teacher):
    server, told = serve(), []
    model = teacher(server)
    model.ask(questions(2))
    model.ask([*questions(4), question(0)], progress=lambda done, total: told.append((done, total)))
    assert told == [(3, 5), (4, 5), (5, 5)]


def test_what_was_asked_once_is_never_asked_again(serve, resource, tmp_path):
    server = serve()
    first = resource(server).teacher("ann").ask(questions(3))
    stored = [file.read_bytes() for file in log_files(tmp_path)]
    again = resource(server).teacher("ann")
    second = again.ask(questions(3))
    assert len(server.asked) == 3
    assert [(reply.key, reply.answer, reply.cost) for reply in second] == [
        (reply.key, reply.answer, reply.cost) for reply in first
    ]
    assert all(reply.cached for reply in second)
    assert (again.spent.calls, again.spent.tokens, again.spent.cached) == (0, 0, 3)
    assert [file.read_bytes() for file in log_files(tmp_path)] == stored


def test_the_log_names_for_whom_a_question_was_asked_and_for_whom_its_answer_was_looked_up(serve, resource, tmp_path):
    server = serve()
    resource(server).teacher("bob").ask(questions(2))
    resource(server).teacher("ann").ask([question(1), question(2)])
    assert len(server.asked) == 3
    logged = [json.loads(file.read_text()) for file in log_files(tmp_path)]
    assert {call["user"][-2]: call["authors"] for call in logged} == {"0": ["bob"], "1": ["ann", "bob"], "2": ["ann"]}


@pytest.mark.parametrize(
    "changed",
    [{"system": "Another."}, {"user": "Another?"}, {"form": Port}, {"max_tokens": 99}, {"temperature": 0.1}],
    ids=lambda changed: next(iter(changed)),
)
def test_whatever_decides_the_answer_makes_it_another_question(serve, teacher, changed):
    server = serve(lambda asked: says({"height": 7, "name": "Harwich"}))
    model = teacher(server)
    model.ask([question()])
    [reply] = model.ask([question(**changed)])
    assert not reply.cached
    assert len(server.asked) == 2


def test_another_model_is_another_question_and_another_prompt_name_is_not(serve, resource):
    server = serve()
    resource(server).teacher("ann").ask([question()])
    resource(server).teacher("ann").ask([question(prompt="tide@2")])
    assert len(server.asked) == 1
    resource(server).judge("ann").ask([question()])
    assert [asked.body["model"] for asked in server.asked] == ["sage", "owl"]


def test_equal_questions_of_one_batch_are_asked_once(serve, teacher):
    server = serve()
    model = teacher(server)
    replies = model.ask([question(), question(), question(1)])
    assert len(server.asked) == 2
    assert [reply.cached for reply in replies] == [False, True, False]
    assert (model.spent.calls, model.spent.cached) == (2, 1)


def test_an_answer_that_its_form_refuses_by_now_is_asked_for_again(serve, teacher):
    answers = iter([{"name": "Hull"}, {"name": "HULL"}])
    server = serve(lambda asked: says(next(answers)))

    def strict():
        class Port(BaseModel):
            name: str

            @field_validator("name")
            @classmethod
            def _loud(cls, name):
                assert name.isupper()
                return name

        return Port

    model = teacher(server)
    model.ask([question(form=Port)])
    [reply] = model.ask([question(form=strict())])
    assert reply.answer.name == "HULL"


def test_the_log_tells_everything_about_a_call_but_the_key_of_the_endpoint(serve, teacher, tmp_path):
    server = serve(lambda asked: says({"height": 7}, prompt_tokens=400, completion_tokens=100))
    [reply] = teacher(server, input_price=2.5, output_price=10, key=SecretStr(NEVER_SHOWN)).ask([question()])
    assert server.asked[0].headers["Authorization"] == f"Bearer {NEVER_SHOWN}"
    [file] = log_files(tmp_path)
    assert file.relative_to(tmp_path / "artifacts") == Path("llm_calls", reply.key[:2], f"{reply.key}.json")
    logged = json.loads(file.read_text())
    expected = {
        "prompt": "tide@1",
        "model": "sage",
        "system": "You read tide tables.",
        "user": "How high is tide 0?",
        "answer": {"height": 7, "remark": ""},
        "raw": '{"height": 7}',
        "failure": None,
        "prompt_tokens": 400,
        "completion_tokens": 100,
        "max_tokens": 100,
        "temperature": 0.7,
        "form": "Tide",
    }
    assert expected.items() <= logged.items()
    assert logged["cost"] == pytest.approx(0.002) == reply.cost
    assert logged["seconds"] > 0
    assert logged["created_at"].startswith("20")
    assert read_call(str(tmp_path / "artifacts"), reply.key).answer == {"height": 7, "remark": ""}


def test_the_estimate_is_known_before_the_first_call_and_leaves_out_what_is_known(serve, teacher):
    server = serve()
    model = teacher(server, input_price=1, output_price=10)
    before = model.estimate([*questions(3), question(0)])
    assert server.asked == []
    assert (before.calls, before.cached, before.completion_tokens) == (3, 1, 300)
    assert before.cost == pytest.approx((before.prompt_tokens + 3000) / 1e6)
    model.ask(questions(2))
    after = model.estimate(questions(3))
    assert (after.calls, after.cached, after.completion_tokens) == (1, 2, 100)
    model.ask(questions(3))
    assert model.estimate(questions(3)) == Estimate(0, 3, 0, 0, 0.0)


def test_the_estimate_is_not_less_than_what_a_real_tokenizer_counts(handbook, teacher, serve):
    from transformers import AutoTokenizer

    from resources.embedder import Embedder

    tokenizer = AutoTokenizer.from_pretrained(Embedder().location)
    text = (handbook / "ArticleDocument.json").read_text()[:20_000]
    estimate = teacher(serve()).estimate([question(user=text)])
    counted = len(tokenizer(text, add_special_tokens=False)["input_ids"])
    assert counted < estimate.prompt_tokens < 2.5 * counted


def test_it_works_inside_a_running_event_loop(serve, teacher):
    async def inside():
        return teacher(serve()).ask(questions(2))

    assert [reply.answer.height for reply in asyncio.run(inside())] == [7, 7]


def test_a_batch_of_nothing_is_no_call(serve, teacher):
    server = serve()
    assert teacher(server, max_cost=0).ask([]) == []
    assert server.asked == []


# ---- answers that are none


LOOP = "The tide comes in and the tide goes out and so it goes on for ever and ever until "


@pytest.mark.parametrize(
    ("sent", "failure"),
    [
        (says("The tide is about seven metres high today, I think."), PROSE),
        (says({"height": "very"}), MALFORMED),
        (says({"height": 21}), MALFORMED),
        (says('{"height": 7, "remark": "it ri', finish_reason="length"), TRUNCATED),
        (says('{"height": 7, "remark": "it ri'), TRUNCATED),
        (says("", finish_reason="length"), TRUNCATED),
        (says(None, refusal="I can't do that."), REFUSAL),
        (says(None, finish_reason="content_filter"), REFUSAL),
        (says("I\N{RIGHT SINGLE QUOTATION MARK}m sorry, but I can't assist with that."), REFUSAL),
        (says({"height": 1, "remark": "I'm sorry, but I can't assist with that request."}), REFUSAL),
        (says(""), EMPTY),
        (says(None), EMPTY),
        (says('{"height": 7, "remark": "' + LOOP * 30, finish_reason="length"), REPETITION),
        (says({"height": 7, "remark": LOOP * 30}), REPETITION),
    ],
)
def test_an_answer_that_is_none_costs_its_own_row_and_is_counted_and_kept(serve, resource, sent, failure):
    server = serve(lambda asked: sent if "tide 1?" in asked.user else high_tide(asked))
    model = resource(server).teacher("ann")
    replies = model.ask(questions(3))
    assert [reply.failure for reply in replies] == [None, failure, None]
    assert [reply.answer is None for reply in replies] == [False, True, False]
    assert model.spent.failures == {failure: 1}
    calls = len(server.asked)
    assert calls == (4 if failure in {PROSE, MALFORMED, EMPTY} else 3)
    [again] = resource(server).teacher("ann").ask([question(1)])
    assert (again.failure, again.cached) == (failure, True)
    assert len(server.asked) == calls


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"height": 7}\n```',
        '```\n{"height": 7}```',
        'Here you are:\n\n```json\n{"height": 7}\n```\n\nAnything else?',
        'The answer is {"height": 7}.',
        '<think>Seven {or eight}? Seven.</think>\n{"height": 7}',
        '  {"height": 7}\n',
    ],
)
def test_json_counts_in_a_fence_and_between_words(serve, teacher, text):
    server = serve(lambda asked: says(text))
    [reply] = teacher(server).ask([question()])
    assert reply.answer == Tide(height=7)
    assert len(server.asked) == 1


def test_an_invalid_answer_is_asked_for_once_more_with_what_is_wrong_with_it(serve, teacher, tmp_path):
    server = serve(lambda asked: says({"height": 99 if asked.number == 0 else 9}, prompt_tokens=50))
    model = teacher(server)
    [reply] = model.ask([question()])
    assert reply.answer == Tide(height=9)
    assert (reply.prompt_tokens, reply.completion_tokens) == (100, 20)
    roles = [message["role"] for message in server.asked[1].body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert server.asked[1].body["messages"][2]["content"] == '{"height": 99}'
    assert "height: Input should be less than or equal to 20" in server.asked[1].body["messages"][3]["content"]
    assert model.spent.failures == {}
    attempts = read_call(str(tmp_path / "artifacts"), reply.key).attempts
    assert [(attempt.raw, attempt.failure) for attempt in attempts] == [
        ('{"height": 99}', MALFORMED),
        ('{"height": 9}', None),
    ]


def test_failures_of_the_log_are_asked_anew_on_demand_and_what_they_cost_stays_in_it(serve, resource):
    server = serve(lambda asked: says(None, refusal="No."))
    [refused] = resource(server, input_price=100).teacher("ann").ask([question()])
    server.script = high_tide
    model = resource(server, input_price=100).teacher("ann", retry_failures=True)
    assert model.estimate([question()]).calls == 1
    [reply] = model.ask([question()])
    assert (reply.failure, reply.answer) == (None, Tide(height=7))
    assert reply.cost == pytest.approx(2 * refused.cost)
    assert model.spent.cost == pytest.approx(refused.cost)
    model.ask([question()])
    assert len(server.asked) == 2


# ---- what servers understand


def test_a_server_without_schemas_is_asked_for_any_object_and_that_is_remembered(serve, teacher):
    def script(asked):
        if asked.format == "json_schema":
            return fails(400, "'response_format.type' must be 'json_object'")
        assert '"height"' in asked.text
        assert "JSON" in asked.text
        return high_tide(asked)

    server = serve(script)
    replies = teacher(server, concurrency=1).ask(questions(3))
    assert [reply.answer.height for reply in replies] == [7, 7, 7]
    assert [asked.format for asked in server.asked] == ["json_schema", "json_object", "json_object", "json_object"]


def test_a_server_that_knows_no_format_is_asked_in_words(serve, teacher):
    server = serve(lambda asked: fails(422, "unexpected field") if asked.format else high_tide(asked))
    model = teacher(server, concurrency=1)
    assert all(reply.answer for reply in model.ask(questions(2)))
    assert [asked.format for asked in server.asked] == ["json_schema", "json_object", "", ""]
    assert model.spent.calls == 2


def test_a_schema_that_a_server_takes_and_ignores_is_put_into_the_prompt(serve, teacher):
    server = serve(lambda asked: high_tide(asked) if '"height"' in asked.text else says("Seven metres."))
    replies = teacher(server, concurrency=1).ask(questions(3))
    assert all(reply.answer for reply in replies)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("message", "left_out"),
    [
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_tokens"),
        ("Unsupported value: 'temperature' does not support 0.7 with this model.", "temperature"),
    ],
)
def test_a_parameter_that_a_model_refuses_is_left_out(serve, teacher, message, left_out):
    server = serve(lambda asked: fails(400, message) if left_out in asked.body else high_tide(asked))
    assert all(reply.answer for reply in teacher(server, concurrency=1).ask(questions(3)))
    assert [left_out in asked.body for asked in server.asked] == [True, False, False, False]
    assert {asked.format for asked in server.asked} == {"json_schema"}
    assert all({"max_tokens", "max_completion_tokens"} & set(asked.body) for asked in server.asked)


def test_a_question_that_is_too_long_costs_its_own_row_and_is_tried_again_later(serve, resource):
    too_long = fails(400, "This model's maximum context length is 8192 tokens.", code="context_length_exceeded")
    server = serve(lambda asked: too_long if "tide 1?" in asked.user else high_tide(asked))
    model = resource(server, concurrency=1).teacher("ann")
    assert [reply.failure for reply in model.ask(questions(3))] == [None, NOT_TAKEN, None]
    assert "8192" in model.spent.examples[NOT_TAKEN]
    assert [asked.format for asked in server.asked] == ["json_schema"] * 3
    resource(server).teacher("ann").ask(questions(3))
    assert len(server.asked) == 4


# ---- the budget


@pytest.mark.parametrize(
    ("limit", "setting"), [({"max_cost": 0}, "TWIN_TEACHER_MAX_COST"), ({"max_tokens": 0}, "TWIN_TEACHER_MAX_TOKENS")]
)
def test_a_budget_of_zero_is_refused_with_numbers_before_anything_is_asked(serve, resource, limit, setting):
    server = serve()
    model = resource(server, input_price=1, output_price=1000, **limit).teacher("ann")
    with pytest.raises(UserError, match=rf"3 questions to sage take up to [0-9,]+ tokens and 0\.30.* {setting}"):
        model.ask(questions(3))
    assert server.asked == []
    resource(server).teacher("ann").ask(questions(3))
    assert len(resource(server, **limit).teacher("ann").ask(questions(3))) == 3


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("limit", [{"max_tokens": 10_000}, {"max_cost": 0.01}], ids=["tokens", "cost"])
def test_the_budget_is_never_exceeded_and_a_second_run_goes_on_from_there(serve, resource, concurrency, limit):
    # A server that uses all it may: every byte a token, and the answer as long as allowed.
    def script(asked):
        return says({"height": 7}, prompt_tokens=len(asked.text), completion_tokens=asked.body["max_tokens"])

    long_ones = [question(number, user=f"How high is tide {number}? {'Listen. ' * 50}") for number in range(60)]
    server = serve(script)
    prices = {"input_price": 1, "output_price": 1, "concurrency": concurrency}
    model = resource(server, **prices, **limit).teacher("ann")
    told = []
    replies = model.ask(long_ones, progress=lambda done, total: told.append((done, total)))
    answered = sum(reply.answer is not None for reply in replies)
    assert 8 < answered < 60
    assert model.spent.failures == {OUT_OF_BUDGET: 60 - answered}
    assert model.spent.tokens == sum(reply.prompt_tokens + reply.completion_tokens for reply in replies) <= 10_000
    assert model.spent.cost <= 0.01
    assert len(server.asked) == answered
    assert told[-1] == (60, 60)
    assert model.ask(long_ones)[-1].failure == OUT_OF_BUDGET
    assert len(server.asked) == answered

    second = resource(server, **prices).teacher("ann")
    assert all(reply.answer for reply in second.ask(long_ones))
    assert len(server.asked) == 60
    assert second.spent.cached == answered


def test_what_answers_did_not_need_is_spent_on_further_questions(serve, teacher):
    # At worst one question takes over 500 tokens, in fact 30: three at once do not fit, one after the other all do.
    server = serve(lambda asked: says({"height": 7}, seconds=0.02))
    model = teacher(server, max_tokens=1_500, concurrency=4)
    assert all(reply.answer for reply in model.ask(questions(25)))
    assert model.spent.tokens == 25 * 30
    assert 1 <= server.most_at_once <= 2


def test_a_server_that_does_not_count_is_booked_at_the_worst(serve, teacher):
    server = serve(lambda asked: says({"height": 7}, prompt_tokens=None))
    model = teacher(server)
    [reply] = model.ask([question()])
    assert reply.completion_tokens == 100
    assert reply.prompt_tokens > len(server.asked[0].text)


def test_an_invalid_answer_at_the_end_of_the_budget_is_mended_by_the_next_run(serve, resource):
    server = serve(lambda asked: says({"height": 99 if asked.number == 0 else 9}, prompt_tokens=500))
    [reply] = resource(server, max_tokens=900).teacher("ann").ask([question()])
    assert reply.failure == MALFORMED
    assert len(server.asked) == 1
    [mended] = resource(server).teacher("ann").ask([question()])
    assert mended.answer == Tide(height=9)
    assert mended.prompt_tokens == 1000


def test_teacher_and_judge_can_share_a_budget(serve, resource):
    server = serve()
    settings = resource(server, max_tokens=600)
    budget = settings.budget()
    assert settings.teacher("ann", budget=budget).ask([question()])[0].answer
    assert isinstance(budget, Budget)
    budget.max_tokens = 40
    assert settings.judge("ann", budget=budget).ask([question()])[0].failure == OUT_OF_BUDGET


# ---- who may ask


@pytest.mark.parametrize(
    ("fields", "setting"),
    [
        ({"teacher_model": None}, "set TWIN_TEACHER_MODEL to one that"),
        ({"url": "https://api.example.com/v1"}, "set TWIN_TEACHER_KEY"),
        ({"url": "localhost:8000/v1"}, "TWIN_TEACHER_URL is not an address"),
    ],
)
def test_what_is_not_set_is_said_before_anything_starts(serve, resource, fields, setting):
    with pytest.raises(UserError, match=setting):
        resource(serve(), **fields).teacher("ann")


def test_a_judge_that_is_not_set_is_not_the_teacher(serve, resource):
    with pytest.raises(UserError, match="set TWIN_JUDGE_MODEL"):
        resource(serve(), judge_model=None).judge("ann")


def test_the_settings_configure_the_endpoint(own_home):
    settings = Settings(
        teacher_url="http://me:hush@127.0.0.1:9/v1",
        teacher_key=NEVER_SHOWN,
        teacher_model="sage",
        judge_model="owl",
        teacher_input_price=1,
        teacher_output_price=2,
        teacher_concurrency=3,
        teacher_timeout_seconds=4,
        teacher_max_cost=5,
        teacher_max_tokens=6,
    )
    made = Teacher.from_settings(settings)
    assert made.key.get_secret_value() == NEVER_SHOWN
    assert (made.url, made.artifacts) == ("http://127.0.0.1:9/v1", str(own_home / "artifacts"))
    assert (made.teacher_model, made.judge_model) == ("sage", "owl")
    numbers = (made.input_price, made.output_price, made.concurrency, made.timeout_seconds, made.max_cost)
    assert (*numbers, made.max_tokens) == (1, 2, 3, 4, 5, 6)


def test_a_key_that_is_a_plain_word_does_not_mutilate_answers_and_a_line_break_after_it_does_no_harm(serve, teacher):
    server = serve(lambda asked: says({"height": 7, "remark": "So says ollama."}))
    [reply] = teacher(server, key=SecretStr("ollama\n")).ask([question()])
    assert server.asked[0].headers["Authorization"] == "Bearer ollama"
    assert reply.answer.remark == "So says ollama."


def test_half_a_character_in_an_answer_harms_nothing(serve, teacher):
    half = says("Half a whale: \ud83d.")
    server = serve(lambda asked: half if "tide 0?" in asked.user else high_tide(asked))
    assert [reply.failure for reply in teacher(server).ask(questions(2))] == [PROSE, None]


def test_neither_a_repr_nor_the_configuration_nor_a_file_shows_the_key_and_steps_still_get_it(
    serve, resource, tmp_path, caplog
):
    # A server that says the key back, in an answer and in an error.
    server = serve(
        lambda asked: (
            says({"height": 7, "remark": asked.headers["Authorization"]})
            if "tide 0?" in asked.user
            else fails(413, f"too big, {asked.headers['Authorization']}")
        )
    )
    teacher = resource(server, key=SecretStr(NEVER_SHOWN))
    shown = []

    @dg.asset
    def probe(teacher: Teacher) -> None:
        model = teacher.teacher("ann")
        replies = model.ask(questions(2))
        shown.append(f"{teacher!r} {model!r} {vars(model)} {replies} {model.spent}")

    caplog.set_level("DEBUG")
    definitions = dg.Definitions(assets=[probe], resources={"teacher": teacher})
    assert dg.materialize([probe], resources={"teacher": teacher}).success
    assert server.asked[0].headers["Authorization"] == f"Bearer {NEVER_SHOWN}"
    files = "".join(file.read_text() for file in log_files(tmp_path))
    assert "Bearer ***" in files
    assert "Bearer ***" in shown[0]
    everything = shown[0] + files + repr(teacher) + caplog.text
    assert NEVER_SHOWN not in everything
    assert NEVER_SHOWN not in str(RepositorySnap.from_def(definitions.get_repository_def()))
