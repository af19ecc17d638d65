from twin_assets.features.cleaning import clean_document

FENCED = """```python
def subscribe(topic,   *, share=True):
    # Subscribe

    return f"don't {topic}  __all__ [a](b)"   
```"""  # noqa: W291  # trailing white space in code is the point


def test_fenced_code_comes_through_byte_for_byte(cleaned_text):
    assert FENCED in cleaned_text(f"# Topics\n\nSome words before.\n\n{FENCED}\n\nAnd after.")


def test_indented_code_becomes_fenced_and_keeps_its_characters(cleaned_text):
    text = cleaned_text("Run this.\n\n    if x:\n        y = 1\n\n    print('a  b')\n\nDone.")

    assert "```\nif x:\n    y = 1\n\nprint('a  b')\n```" in text


def test_a_converters_code_block_after_a_list_is_code_and_no_list_item(cleaned_text):
    text = cleaned_text("Steps:\n\n  * first\n\n  * second\n\n    \n    \n    class A:\n        b = 1\n\nDone.")

    assert "* second\n\n```\nclass A:\n    b = 1\n```\n\nDone." in text


def test_code_that_holds_a_fence_gets_a_longer_one(cleaned_text):
    assert cleaned_text("See:\n\n    ```\n    x\n    ```\n") == "See:\n\n````\n```\nx\n```\n````"


def test_inline_code_is_not_touched(cleaned_text):
    code = "`x = __a__ \\- [b](c) ![d](e)  &amp; \u200b<b>`"

    assert code in cleaned_text(f"Write {code} there.")


def test_headings_lists_tables_and_quotes_stay(cleaned_text):
    source = (
        "# One\n\nText.\n\n## Two\n\n- a\n  - b\n- c\n\n1. d\n2. e\n\n> said\n> she\n\n| k | v |\n|---|---|\n| 1 | 2 |"
    )

    assert cleaned_text(source) == source


def test_a_link_is_reduced_to_its_text_and_an_address_in_the_text_stays(cleaned_text):
    text = cleaned_text(
        "See [the *manual* `x`](https://a.example/b_(c) 'T') and https://b.example or <https://c.example>."
    )

    assert text == "See the *manual* `x` and https://b.example or https://c.example."


def test_a_reference_link_is_resolved_and_a_citation_is_not(cleaned_text):
    assert cleaned_text("See [this][r] and [1][2].\n\n[r]: https://a.example") == "See this and [1][2]."


def test_contractions_and_quotes_are_untouched(cleaned_text):
    sentence = "I don't think it\u2019s “done”, they've said 'no', and we'd rather you\u2019ll see."

    assert cleaned_text(sentence) == sentence


def test_fake_bold_letters_become_letters(cleaned_text):
    bold = "".join(chr(0x1D5EE + ord(letter) - ord("a")) for letter in "queues")

    assert cleaned_text(f"Fix {bold} 'now', don't wait.") == "Fix queues 'now', don't wait."


def test_images_and_empty_links_leave_nothing_behind(raw):
    result = clean_document(raw("Look ![chart](a.png) here.\n\n[![badge](b.svg)](https://c.example)\n\nEnd."))

    assert result.document.text == "Look here.\n\nEnd."
    assert result.dropped["image remnant"] > 0
    assert result.dropped["empty link"] > 0


def test_every_dropped_character_has_a_reason(raw):
    result = clean_document(raw("# T\n\nSubscribe\n\nSome words of my own.\n\n© 2024 Mira Voss"))

    assert result.dropped == {"footer": 16, "subscribe and share": 9}
    assert list(result.dropped.values()) == sorted(result.dropped.values(), reverse=True)


def test_a_page_of_furniture_alone_gives_no_document_but_a_reason(raw):
    result = clean_document(raw("Subscribe\n\nSign in\n\nShare this post"))

    assert result.document is None
    assert "subscribe and share" in result.reason


def test_a_document_without_text_says_where_to_look(raw):
    result = clean_document(raw(None, source="import"))

    assert result.document is None
    assert "'import'" in result.reason


def test_plain_text_keeps_its_line_breaks_and_its_indentation_is_no_code(cleaned_text):
    text = cleaned_text(
        "First thing.\nSecond thing.\n\n    a set-in line\n\n#queues <soon>", media_type="text/plain", category="posts"
    )

    assert text == "First thing.\nSecond thing.\n\na set-in line\n\n#queues <soon>"


def test_a_repository_is_its_readme_and_then_every_file_in_a_fence(raw):
    files = {
        "src/main.py": "print('hi')  \n\n\n# don't\n",
        "README.md": "# tool\n\nIt [restores](https://a.example).",
        "docs/fence.md": "```sh\nmake\n```",
        "Makefile": "all:\n\ttrue\n",
        "empty.txt": "\n",
        "logo.bin": "\0\1",
    }
    result = clean_document(raw(None, files=files, category="repositories"))

    assert result.document.text == (
        "# tool\n\nIt restores.\n\n"
        "## Makefile\n\n```makefile\nall:\n\ttrue\n```\n\n"
        "## docs/fence.md\n\n````markdown\n```sh\nmake\n```\n````\n\n"
        "## src/main.py\n\n```python\nprint('hi')  \n\n\n# don't\n```"
    )
    assert result.document.title == "tool"
    assert result.dropped["binary file"] == 2


def test_raw_html_in_a_readme_is_read_and_a_placeholder_is_no_html(cleaned_text):
    text = cleaned_text("<p align='center'><img src='a.png'><b>Fast</b> restores</p>\n\n<your-token>\n\nEnd.")

    assert text == "**Fast** restores\n\n<your-token>\n\nEnd."


def test_the_document_keeps_what_is_known_about_it(raw):
    source = raw("# A title\n\nThree more words.", language="en", url="https://a.example/b")
    document = clean_document(source).document

    assert document.n_words == 6
    assert document.title == "A title"
    assert document.content_hash == source.content_hash
    assert (document.language, document.url, document.duplicate_of) == ("en", "https://a.example/b", None)


def test_the_first_line_of_a_post_is_no_title(raw):
    source = raw("Nobody reads the runbook\n\nI asked around.", category="posts")

    assert clean_document(source).document.title is None
