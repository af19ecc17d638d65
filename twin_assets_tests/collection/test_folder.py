"""The folder source: what it reads, what it passes over, and what it refuses."""

import os
import time
from datetime import UTC, datetime

import pytest

from resources.warehouse import WarehouseSession
from resources.web import Web
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.folder import FolderSource
from twin_assets.documents import Author, Consent, SourceConfig, document_id_for
from twin_assets.errors import UserError

PAGE = """\
---
title: "Colons: a study"
subtitle: On punctuation
date: 2026-03-31
url: https://ann.example/colons
language: en
platform: blog
---

# Colons

Text.
"""


def collected(folder, **options):
    return [link.document for link in FolderSource("ann", folder, **options).collect()]


def refusal(folder, **options):
    """The sentence with which a folder is refused, whether it is read or only looked at."""
    with pytest.raises(UserError) as caught:
        collected(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def page(make_folder, content, name="a.md"):
    return collected(make_folder({name: content}))[0]


def test_front_matter_becomes_fields_and_the_rest_is_the_text(make_folder):
    document = page(make_folder, PAGE)
    assert document.title == "Colons: a study"
    assert document.subtitle == "On punctuation"
    assert document.published_at == datetime(2026, 3, 31, tzinfo=UTC)
    assert document.url == "https://ann.example/colons"
    assert document.document_id == document_id_for("https://ann.example/colons")
    assert (document.language, document.platform, document.category) == ("en", "blog", "articles")
    assert document.text == "# Colons\n\nText."
    assert document.media_type == "text/markdown"


def test_three_categories_are_read_by_path_and_files_beside_them_are_not(make_folder):
    folder = make_folder(
        {
            "README.md": "About this folder.",
            "posts/b.md": "B",
            "posts/2026/a.txt": "A",
            "articles/z.html": "<p>Z</p>",
            "repositories/tool/main.py": "print(1)\n",
        }
    )
    documents = collected(folder)
    assert [(document.category, document.text, document.position) for document in documents] == [
        ("articles", "<p>Z</p>", 0),
        ("posts", "A", 1),
        ("posts", "B", 2),
        ("repositories", None, 3),
    ]
    assert [document.media_type for document in documents[:3]] == ["text/html", "text/plain", "text/markdown"]


def test_a_flat_folder_is_taken_for_the_category_that_is_named(make_folder):
    folder = make_folder({"a.md": "A", "b.md": "B"})
    assert {document.category for document in collected(folder)} == {"articles"}
    assert {document.category for document in collected(folder, category="posts")} == {"posts"}


def test_a_document_without_an_address_is_known_by_its_path_and_keeps_its_id_when_it_is_edited(make_folder):
    before = page(make_folder, "One.", "notes/a.md")
    after = page(make_folder, "Two.", "notes/a.md")
    assert before.document_id == after.document_id
    assert before.content_hash != after.content_hash


def test_a_repository_keeps_dotted_paths_line_endings_and_key_order_and_leaves_out_what_nobody_wrote(make_folder):
    folder = make_folder(
        {
            "repositories/tool.v1/src/app.test.js": "let a = 1;\r\n",
            "repositories/tool.v1/Makefile": "all:\n\techo\n",
            "repositories/tool.v1/image.png": b"\x89PNG\xff",
            "repositories/tool.v1/.git/config.toml": "[core]",
            "repositories/tool.v1/__pycache__/x.py": "cached",
            "repositories/.hidden/x.py": "hidden",
        }
    )
    (document,) = collected(folder)
    assert document.title == "tool.v1"
    assert document.files == {"Makefile": "all:\n\techo\n", "src/app.test.js": "let a = 1;\r\n"}
    assert list(document.files) == ["Makefile", "src/app.test.js"]


def test_hidden_files_and_links_are_passed_over(make_folder, tmp_path):
    folder = make_folder({"a.md": "A", ".b.md": "B", ".trash/c.md": "C"})
    secret = tmp_path / "secret.md"
    secret.write_text("not for publication")
    (folder / "link.md").symlink_to(secret)
    (folder / "dangling.md").symlink_to(tmp_path / "nothing")
    assert [document.text for document in collected(folder)] == ["A"]


def test_a_repository_that_is_a_link_is_passed_over(make_folder, tmp_path):
    folder = make_folder({"repositories/tool/a.py": "x = 1\n"})
    elsewhere = make_folder({"secret.py": "not for publication"}, name="elsewhere")
    (folder / "repositories" / "evil").symlink_to(elsewhere)
    assert [document.title for document in collected(folder)] == ["tool"]


def test_windows_files_are_read_like_others(make_folder):
    document = page(make_folder, ("\ufeff" + PAGE.replace("\n", "\r\n")).encode())
    assert document == page(make_folder, PAGE)


def test_a_page_of_html_says_what_its_head_says(make_folder):
    document = page(
        make_folder,
        "<html lang='de'><head><title>Site - T</title><meta property='og:title' content='T'>"
        "<meta name='description' content='D'><link rel='canonical' href='https://ann.example/t'>"
        "<meta property='article:published_time' content='2026-03-31T12:00:00+02:00'></head>"
        "<body><p>x</p></body></html>",
        "t.html",
    )
    assert (document.title, document.subtitle, document.language) == ("T", "D", "de")
    assert document.url == "https://ann.example/t"
    assert document.published_at == datetime(2026, 3, 31, 10, tzinfo=UTC)


def test_a_page_of_html_without_a_head_or_a_language_is_read_all_the_same(make_folder):
    document = page(make_folder, "<p>Only this.</p>", "t.htm")
    assert document.text == "<p>Only this.</p>"
    assert (document.title, document.language, document.url, document.published_at) == (None, None, None, None)


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ("language: no", "language", "no"),
        ("title: Yes", "title", "Yes"),
        ("title: 12:30", "title", "12:30"),
        ("title: 1e3", "title", "1e3"),
        ("title:", "title", None),
        ("title: null", "title", None),
        ("url:", "url", None),
        ("platform:", "platform", "folder"),
        ("published_at:", "published_at", None),
        ("date: '2026-03-31'", "published_at", datetime(2026, 3, 31, tzinfo=UTC)),
        ("date: 2026-03-31 12:00:00 +02:00", "published_at", datetime(2026, 3, 31, 10, tzinfo=UTC)),
        ("published_at: 2026-03-31T12:00:00Z", "published_at", datetime(2026, 3, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_value_of_front_matter_means_what_is_written(make_folder, written, field, value):
    assert getattr(page(make_folder, f"---\n{written}\n---\nText."), field) == value


@pytest.mark.parametrize(
    "text",
    [
        "---\nTwo lines across the page, and words between them.\n---\nMore words.",
        "---\n- a list\n- between lines\n---\nMore words.",
        "---\n\nA line across the page, and no other.",
        "Words first.\n\n---\nkey: value\n---",
        "{\n  not: json\n}\nMore words.",
    ],
)
def test_what_only_looks_like_front_matter_stays_in_the_text(make_folder, text):
    assert page(make_folder, text).text == text


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("---\ntitle: [A\nb: c\n---\nText.", 3),
        ("---\ntitle: A\nb: c: d\n---\nText.", 3),
        ("\n\n---\n\n\ntitle: A\nb: c: d\n---\nText.", 7),
        ("---\r\ntitle: A\r\nb: c: d\r\n---\r\nText.", 3),
    ],
)
def test_malformed_front_matter_is_refused_with_file_and_line(make_folder, content, line):
    folder = make_folder({"good.md": "Good.", "bad.md": content})
    assert refusal(folder) == f"{folder / 'bad.md'}, line {line}: the front matter is not valid YAML."


@pytest.mark.parametrize("written", ["spring", "2026-02-30", "2026", "31.3.2026"])
def test_a_bad_date_is_refused_with_the_file_and_an_example(make_folder, written):
    folder = make_folder({"a.md": f"---\npublished_at: {written}\n---\nText."})
    assert refusal(folder) == f"{folder / 'a.md'}: published_at is '{written}': write it as 2026-03-31."


def test_a_bad_date_in_html_is_refused_too(make_folder):
    folder = make_folder({"a.html": "<meta property='article:published_time' content='May 1'><p>x</p>"})
    assert "a.html: published_at is 'May 1'" in refusal(folder)


@pytest.mark.parametrize("name", ["articles/a.md", "repositories/tool/a.py"])
def test_a_file_that_is_not_utf_8_is_refused_with_the_place(make_folder, name):
    folder = make_folder({name: "café".encode("latin-1"), "articles/good.md": "Good."})
    expected = f"{folder / name} is not UTF-8 (byte 3): save it as UTF-8, or move it away."
    assert refusal(folder) == expected
    with pytest.raises(UserError, match="is not UTF-8"):
        FolderSource("ann", folder).fingerprint()


def test_a_file_name_that_is_not_utf_8_is_refused(make_folder):
    folder = make_folder({"good.md": "Good."})
    with open(os.fsencode(folder) + b"/caf\xe9.md", "w") as file:  # noqa: PTH123 - a path of bytes is the point
        file.write("Text.")
    assert "caf\\udce9.md': the name of this file is not UTF-8: rename it." in refusal(folder)


def test_a_file_that_may_not_be_read_is_refused_by_name(make_folder, monkeypatch):
    folder = make_folder({"a.md": "A"})

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", forbidden)
    assert refusal(folder) == f"{folder / 'a.md'} cannot be read (Permission denied): mend that, or move it away."


def test_a_missing_folder_is_refused(tmp_path):
    assert refusal(tmp_path / "nowhere") == f"{tmp_path / 'nowhere'}, a source of ann, is not a folder."
    with pytest.raises(UserError, match="is not a folder"):
        FolderSource("ann", tmp_path / "nowhere").fingerprint()


@pytest.mark.parametrize("files", [{}, {"articles/picture.png": b"\x89"}, {".hidden.md": "x"}, {"draft.docx": b"x"}])
def test_a_folder_without_writings_is_refused_and_never_looks_like_an_empty_author(make_folder, files):
    folder = make_folder(files)
    assert "holds no writings of ann: put Markdown, HTML or text files there" in refusal(folder)
    with pytest.raises(UserError, match="holds no writings"):
        FolderSource("ann", folder).fingerprint()


def test_a_repository_without_a_text_file_is_refused(make_folder):
    folder = make_folder({"repositories/pictures/a.png": b"\x89"})
    assert "pictures is a repository without a text file: remove it or add its files." in refusal(folder)


def test_two_files_with_the_same_url_are_both_named(make_folder):
    folder = make_folder({"articles/a.md": PAGE, "posts/b.md": PAGE})
    message = refusal(folder)
    assert str(folder / "articles" / "a.md") in message
    assert str(folder / "posts" / "b.md") in message
    assert "the same url" in message


def test_a_document_of_5_mb_is_read_whole_and_quickly(make_folder):
    text = "A sentence of eight words, or about so. " * 131_072
    assert len(text) > 5_000_000
    folder = make_folder({"long.md": f"---\ntitle: Long\n---\n{text}", "short.md": "Short."})
    begin = time.perf_counter()
    document = collected(folder)[0]
    FolderSource("ann", folder).fingerprint()
    assert time.perf_counter() - begin < 10
    assert document.text == text.strip()


def test_a_fingerprint_changes_when_and_only_when_what_would_be_read_changes(make_folder):
    files = {"articles/a.md": "A", "repositories/tool/x.py": "x = 1\n"}
    folder = make_folder(files)

    def fingerprint():
        return FolderSource("ann", folder).fingerprint()

    first = fingerprint()
    make_folder({"README.md": "not read", "articles/.hidden.md": "not read", "repositories/tool/x.pyc": b"\x00"})
    os.utime(folder / "articles" / "a.md", (0, 0))
    assert fingerprint() == first
    make_folder({"repositories/tool/x.py": "x = 2\n"})
    second = fingerprint()
    make_folder({"articles/a.md": "B"})
    third = fingerprint()
    (folder / "articles" / "a.md").rename(folder / "articles" / "b.md")
    assert len({first, second, third, fingerprint()}) == 4


def test_options_of_the_author_file_are_checked(tmp_path):
    def source(**options):
        author = Author(slug="ann", name="Ann", consent=Consent(given_by="Ann"), sources=[SourceConfig(type="folder")])
        context = SourceContext(tmp_path, lambda _: [], pages=WarehouseSession(None), web=Web(user_agent="tests"))
        return FolderSource.from_config(author, SourceConfig(type="folder", **options), context)

    assert source(path="writings").path == tmp_path / "writings"
    assert source(path="/writings", category="posts").category == "posts"
    with pytest.raises(UserError, match="ann: source folder: path: Field required"):
        source()
    with pytest.raises(UserError, match="category: Input should be 'articles', 'posts' or 'repositories'"):
        source(path="writings", category="poems")
    with pytest.raises(UserError, match=r"catgory: Extra inputs .*its options are: path, category"):
        source(path="writings", catgory="posts")
