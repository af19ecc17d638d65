import textwrap

import pytest

from twin_assets.features.blocks import fence, join_lines, parse_blocks

PARAGRAPH = (
    "A queue is a loan that you take from the future, and the rate at which you pay it back is the spare capacity that "
    "you have left when the work has stopped coming in at last. With ten percent of headroom, half an hour is "
    "fine-tuned into an afternoon, and nobody in the room will remember why it had been given the same pool of workers."
)
WRAPPED = textwrap.fill(PARAGRAPH, 78)


def test_hard_wrapped_lines_become_one_paragraph():
    assert [block.text for block in parse_blocks(WRAPPED)] == [PARAGRAPH]


@pytest.mark.parametrize("width", range(66, 100))
def test_a_paragraph_wrapped_at_any_usual_width_is_whole_again(width):
    (block,) = parse_blocks(textwrap.fill(PARAGRAPH, width))

    assert block.text == PARAGRAPH


def test_a_compound_cut_at_its_hyphen_is_whole_again_and_a_hanging_hyphen_keeps_its_space():
    assert join_lines("It is fine-\ntuned, pre-\nand post-processed -\nat last", wrapped=True) == (
        "It is fine-tuned, pre- and post-processed - at last"
    )


def test_a_wrapped_heading_is_one_heading():
    title = "Why and when do you need to tune a model at all? And what about the prompts, the context and all the rest"
    heading, body = parse_blocks(f"{textwrap.fill('### ' + title, 78)}\n\n{WRAPPED}")

    assert heading.text == f"### {title}"
    assert body.text == PARAGRAPH


def test_text_right_below_a_short_heading_is_no_part_of_it():
    heading, body, _ = parse_blocks(f"### Why\nBecause I said so.\n\n{WRAPPED}")

    assert (heading.text, body.text) == ("### Why", "Because I said so.")


def test_lists_and_quotes_are_unwrapped_item_by_item():
    item = "The first item is so long that it goes on in a second line of the same width, and there it ends."
    lines = [textwrap.fill(f"* {item}", 78, subsequent_indent="  "), "* The second is short."]
    source = "\n".join([*lines, "", textwrap.fill(PARAGRAPH, 76).replace("\n", "\n> ").join(["> ", ""]), "", WRAPPED])
    items, quote, _ = parse_blocks(source)

    assert items.text == f"* {item}\n* The second is short."
    assert quote.text == f"> {PARAGRAPH}"


def test_line_breaks_of_a_post_that_is_not_wrapped_stay():
    source = "Three things I learned:\n→ alert on age\n→ not on length\nThat's all."

    assert [block.text for block in parse_blocks(source)] == [source]


def test_a_break_that_is_meant_stays_in_a_wrapped_text():
    verse, _ = parse_blocks(f"Roses are red,  \nqueues are long\\\nand so is this line.\n\n{WRAPPED}")

    assert verse.text == "Roses are red,\nqueues are long\nand so is this line."


def test_an_underlined_heading_is_written_with_hashes():
    assert [block.text for block in parse_blocks("Title\n=====\n\nText.")] == ["# Title", "Text."]


def test_windows_line_ends_make_no_difference():
    assert parse_blocks("# A\r\n\r\nb\r\nc") == parse_blocks("# A\n\nb\nc")


@pytest.mark.parametrize(("code", "marks"), [("a", "```"), ("```", "````"), ("a ````` b", "``````")])
def test_a_fence_is_longer_than_any_run_of_backticks_inside(code, marks):
    assert fence(code, "py") == f"{marks}py\n{code}\n{marks}"
