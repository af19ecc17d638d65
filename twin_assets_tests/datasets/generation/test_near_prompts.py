from collections.abc import Callable

import pytest

from twin_assets.datasets.generation.near_prompts import NEAR_PROMPT, NearPrompts
from twin_assets.documents import InstructRow

Make = Callable[..., InstructRow]
PROMPTS = (
    "Write a short section about lanterns and harbour fog.",
    "Write a short section about lanterns and cabin doors.",
    "Tell me about the price of a ticket.",
    "What do you have to say about ropes?",
)


@pytest.fixture
def near(make_row: Make) -> NearPrompts:
    return NearPrompts([make_row(f"Answer {prompt}", instruction=prompt) for prompt in PROMPTS])


def found(near: NearPrompts, prompt: str) -> str | None:
    row = near.asked_again_by(prompt)
    return row and row.instruction


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("frame", ["{}", "hey, {} please!", "Can you help me? {}", "  {}\n"])
def test_an_instruction_is_found_again_in_other_dress(near: NearPrompts, prompt: str, frame: str) -> None:
    assert found(near, frame.format(prompt)) == prompt
    assert found(near, frame.format(prompt.lower().rstrip(".?"))) == prompt


def test_the_same_request_in_another_template_is_found(near: NearPrompts) -> None:
    assert found(near, "What should I know about ticket prices?") == PROMPTS[2]
    assert found(near, "Explain the price of tickets to me.") == PROMPTS[2]
    assert found(near, "Anything on rope?") == PROMPTS[3]


@pytest.mark.parametrize(
    "prompt",
    [
        "Write a short section about lanterns and engine oil.",
        "Write a short section about swifts.",
        "Tell me about the price of a rope and of bread and of a bicycle.",
        "Can you help me?",
        "",
        "???",
    ],
)
def test_another_request_in_the_same_template_is_not_taken_for_it(near: NearPrompts, prompt: str) -> None:
    assert found(near, prompt) is None


def test_of_two_that_ask_the_same_the_one_in_the_same_words_is_nearest(make_row: Make) -> None:
    first = make_row("One.", instruction="Write about ropes.")
    second = make_row("Two.", instruction="Tell me about ropes.")
    near = NearPrompts([first, second])

    assert near.asked_again_by("tell me about ropes") == second
    assert near.asked_again_by("Explain ropes") == first


def test_nearness_is_the_weight_of_what_both_have(make_row: Make) -> None:
    near = NearPrompts([make_row("One.", instruction="ropes tides"), make_row("Two.", instruction="ropes fog")])
    row, nearness = near.nearest("ropes tides gulls") or pytest.fail("nothing found")

    # log(3/2) for "rope", which both instructions have; log(3) for "tide" and for "gull", which none has.
    assert row.instruction == "ropes tides"
    assert nearness == pytest.approx((0.405465 + 1.098612) / (0.405465 + 2 * 1.098612), abs=1e-5)
    assert nearness < NEAR_PROMPT
    assert near.nearest("swifts") is None
    assert NearPrompts([]).asked_again_by("ropes") is None
