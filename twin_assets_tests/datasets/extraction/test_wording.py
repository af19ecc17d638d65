import pytest

from twin_assets.datasets.extraction.wording import heading_of, in_running_case, purpose_of, tidy

PROSE = "We quantize models with Llama here. A beam search is greedy, and each beam search ends. Then Llama speaks."


@pytest.mark.parametrize(
    ("raw", "form", "text"),
    [
        ("What is a tensor?", "question", "What is a tensor?"),
        ("2.1. Why do we need a queue?", "question", "Why do you need a queue?"),
        ("What is a Mixture of Experts", "question", "What is a Mixture of Experts?"),
        ("Why Bytewax?", "question", "Why Bytewax?"),
        ("How to Quantize Models", "action", "quantize models"),
        ("Quantize Llama Models", "action", "quantize Llama models"),
        ("Put a pooler in front", "action", "put a pooler in front"),
        ("What an index costs", "clause", "what an index costs"),
        ("🔍 Beam Search", "topic", "beam search"),
        ("Introduction to MoEs", "topic", "MoEs"),
        ("AgentInstruct: A Multi-Agent Approach", "topic", "AgentInstruct"),
        ("The arithmetic of halving", "topic", "the arithmetic of halving"),
        ("Levels mean people", "quoted", "Levels mean people"),
        ("The hand", "quoted", "The hand"),
        ("Results", "quoted", "Results"),
        ("My favourite way to sort", "quoted", "My favourite way to sort"),
        ("Say no early", "quoted", "Say no early"),
        ("Introduction", "opening", "Introduction"),
        ("5. Conclusion", "closing", "Conclusion"),
        ("Here is why", "none", ""),
        ("How does it work?", "none", ""),
        ("Table of contents", "none", ""),
        ("🔥", "none", ""),
        ("", "none", ""),
    ],
)
def test_a_heading_is_told_by_its_form(raw: str, form: str, text: str) -> None:
    heading = heading_of(raw, PROSE)

    assert (heading.form, heading.text) == (form, text)


def test_a_heading_that_is_a_paragraph_is_not_asked_for() -> None:
    assert heading_of("one of the words " * 5, PROSE).form == "none"


@pytest.mark.parametrize(
    ("raw", "tidied"),
    [
        ("#1. Bringing in talent", "Bringing in talent"),
        ("3️⃣ Softmax normalization", "Softmax normalization"),
        ("IV. Objective", "Objective"),
        ("Step 2: Call the endpoint", "Call the endpoint"),
        ("7 tips to reduce memory", "7 tips to reduce memory"),
        ("Top 10. And 1 more", "Top 10. And 1 more"),
        ("DML: Why the queue grew", "Why the queue grew"),
        ("A short title - by Paul Example", "A short title"),
        ("Pipelines (part one)", "Pipelines"),
        ("**Bold** ideas:", "Bold ideas"),
        ("“Nobody reads this”", "Nobody reads this"),
        ("“Nobody reads this” - said the printer", "“Nobody reads this” - said the printer"),
        (None, ""),
    ],
)
def test_a_title_loses_its_number_its_emoji_and_its_byline(raw: str | None, tidied: str) -> None:
    assert tidy(raw) == tidied


def test_words_are_spelled_as_the_running_text_spells_them() -> None:
    assert in_running_case("Beam Search With Llama 3 8B and GPTQ", PROSE) == "beam search with Llama 3 8B and GPTQ"


def test_a_phrase_that_the_text_uses_is_taken_as_it_is() -> None:
    prose = "I like Direct Preference Optimization. The preference is direct, and an optimization."

    assert in_running_case("Direct preference optimization", prose) == "Direct Preference Optimization"


@pytest.mark.parametrize(
    ("summary", "purpose"),
    [
        ("Restore a backup somewhere harmless", "restore a backup somewhere harmless"),
        ("Restores a backup", "restore a backup"),
        ("Copies the file", "copy the file"),
        ("As the crow goes", ""),
        ("Backups", ""),
        ("Read what I wrote", ""),
        ("", ""),
    ],
)
def test_a_docstring_says_what_a_function_is_for_if_it_is_an_order(summary: str, purpose: str) -> None:
    assert purpose_of(summary) == purpose
