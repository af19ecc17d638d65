from itertools import pairwise

import pytest

from twin_assets.datasets.extraction.blocks import blocks

DOCUMENT = """# A title

A paragraph with a [link](https://example.com/a) and `code`,
wrapped by hand.

* one item
* another

```python
print("a # in code")

print(2)
```

| a | b |
|---|---|
| 1 | 2 |

> quoted

[ref]: https://example.com/b

**All of it bold**

*All of it italic*

![a picture](a.png)
"""


def test_every_block_is_a_verbatim_span_and_they_follow_each_other() -> None:
    found = blocks(DOCUMENT)

    assert [block.kind for block in found] == [
        "heading", "paragraph", "list", "code", "table", "quote", "paragraph", "paragraph", "paragraph",
    ]  # fmt: skip
    assert all(DOCUMENT[block.start : block.end] == block.text for block in found)
    assert all(before.end <= after.start for before, after in pairwise(found))


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_offsets_hold_for_other_line_ends(line_end: str) -> None:
    text = DOCUMENT.replace("\n", line_end)

    assert [block.text.split() for block in blocks(text)] == [block.text.split() for block in blocks(DOCUMENT)]
    assert all(text[block.start : block.end] == block.text for block in blocks(text))


def test_characters_that_only_python_takes_for_line_ends_do_not_shift_the_offsets() -> None:
    text = "One\u2028line\x0cis one.\n\nAnother."

    assert [block.text for block in blocks(text)] == ["One\u2028line\x0cis one.", "Another."]


def test_plain_words_leave_marks_out_and_join_wrapped_lines() -> None:
    paragraph, items = blocks(DOCUMENT)[1:3]

    assert paragraph.plain == "A paragraph with a link and code, wrapped by hand."
    assert paragraph.words_in_links == 1
    assert items.items == ("one item", "another")


def test_a_block_knows_its_language_its_level_and_what_it_is_set_in() -> None:
    heading, _, _, code, _, _, bold, italic, picture = blocks(DOCUMENT)

    assert heading.level == 1
    assert code.language == "python"
    assert code.items == ('print("a # in code")\n\nprint(2)\n',)
    assert (bold.all_bold, italic.all_bold) == (True, False)
    assert (bold.all_italic, italic.all_italic) == (False, True)
    assert picture.has_picture


def test_an_empty_text_has_no_blocks() -> None:
    assert blocks("") == []
