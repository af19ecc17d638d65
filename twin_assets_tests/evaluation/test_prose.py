"""What counts as prose, as a word and as a sentence."""

from twin_assets.evaluation.prose import passages, prose_of, sentence_spans, words_of

PAGE = """# A *bold* heading

A paragraph with `inline code`, a [link](https://a.example/b) and **weight**,
wrapped over lines. See https://c.example/d?e=f.

- first item
- second item

```python
print("not prose")
```

| a | b |
|---|---|
| 1 | 2 |

![a picture](x.png)
"""


def test_prose_is_paragraphs_and_items_without_marks_code_tables_headings_and_addresses():
    assert prose_of(PAGE) == (
        "A paragraph with, a link and weight, wrapped over lines. See.\n\nfirst item\n\nsecond item"
    )


def test_every_block_is_told_apart_and_knows_its_lines():
    assert [(p.kind, p.source) for p in passages(PAGE)] == [
        ("heading", (0, 1)),
        ("paragraph", (2, 4)),
        ("item", (5, 6)),
        ("item", (6, 7)),
        ("code", (8, 11)),
        ("table", (12, 13)),
        ("table", (12, 13)),
        ("table", (14, 15)),
        ("table", (14, 15)),
    ]


def test_a_word_is_the_same_word_however_its_apostrophe_and_letters_were_typed():
    assert words_of("Don\u2019t don't \U0001d5d7\U0001d5fc\U0001d5fb't 42 half-done") == [
        "don't",
        "don't",
        "don't",
        "half",
        "done",
    ]


def test_sentences_do_not_break_at_abbreviations_initials_numbers_and_addresses():
    text = "We use e.g. Postgres 9.5 here. Dr. J. Smith saw https://a.b/c.d first! Why? 100 reasons."
    assert [text[start:end] for start, end in sentence_spans(text)] == [
        "We use e.g. Postgres 9.5 here.",
        "Dr. J. Smith saw https://a.b/c.d first!",
        "Why?",
        "100 reasons.",
    ]


def test_sentences_break_at_blank_lines_and_keep_closing_quotes():
    text = 'He said "no." Then he left\n\nand came back'
    assert [text[start:end] for start, end in sentence_spans(text)] == [
        'He said "no."',
        "Then he left",
        "and came back",
    ]


def test_a_stop_before_a_small_letter_ends_nothing():
    assert sentence_spans("He left... and came back.") == [(0, 25)]
