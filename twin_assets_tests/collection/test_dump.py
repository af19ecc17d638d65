"""The dump format: import and export are inverse, and a fault is named with its file and record."""

import json

import pytest

from twin_assets.collection.dump import CATEGORY_FILES, USER_FILE, DumpUser, read_dump, write_dump
from twin_assets.documents import RawDocument
from twin_assets.errors import UserError

ARTICLES, POSTS, REPOSITORIES = CATEGORY_FILES.values()

USER = {"first_name": "Zoë", "last_name": "O'Neil", "_id": "user-1"}
ARTICLE = {
    "content": {"Title": "T", "Subtitle": None, "Content": "Text of an article.", "language": "en"},
    "platform": "medium",
    "author_id": "user-1",
    "author_full_name": "Zoë O'Neil",
    "link": "https://zoe.example/t",
    "_id": "article-1",
}
POST = {
    "_id": "post-1",
    "platform": "linkedin",
    "content": {"Post_1": "First.", "n": 3, "Post_2": "Second."},
    "author_id": "user-1",
    "image": None,
}
REPOSITORY = {
    "name": "tool",
    "link": "https://code.example/tool",
    "content": {"src/a.b.py": "x = 1\n", "README.md": "# Tool"},
    "platform": "github",
    "author_id": "user-1",
    "_id": "repository-1",
}


@pytest.fixture
def make_dump(make_folder):
    """Write a dump; `records` replace the good ones, file by file."""

    def write(*, name="dump", **records):
        files = {USER_FILE: [USER], ARTICLES: [ARTICLE], POSTS: [POST], REPOSITORIES: [REPOSITORY]}
        for key, value in records.items():
            files[{"users": USER_FILE, "articles": ARTICLES, "posts": POSTS, "repositories": REPOSITORIES}[key]] = value
        return make_folder(
            {name: value if isinstance(value, bytes) else json.dumps(value) for name, value in files.items()}, name=name
        )

    return write


def refusal(folder):
    with pytest.raises(UserError) as caught:
        read_dump(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def text_of(folder):
    """The JSON of a dump's files, key order included."""
    return {
        name: json.dumps(json.loads((folder / name).read_text(encoding="utf-8")))
        for name in [USER_FILE, ARTICLES, POSTS, REPOSITORIES]
    }


def test_a_dump_is_read_into_users_and_documents(make_dump):
    dump = read_dump(make_dump())
    assert [(user.name, user.slug) for user in dump.users] == [("Zoë O'Neil", "zoe-o-neil")]
    article, post, repository = dump.documents
    assert (article.document_id, article.title, article.text) == ("article-1", "T", "Text of an article.")
    assert (article.url, article.language, article.platform) == ("https://zoe.example/t", "en", "medium")
    assert post.text == "First.\n\nSecond."
    assert repository.files == {"src/a.b.py": "x = 1\n", "README.md": "# Tool"}
    assert {document.author for document in dump.documents} == {"zoe-o-neil"}
    assert {document.source for document in dump.documents} == {"import"}


def test_documents_know_their_place_in_their_file(make_dump):
    articles = [{**ARTICLE, "_id": name} for name in ("c", "a", "b")]
    dump = read_dump(make_dump(articles=articles))
    assert [(document.document_id, document.position) for document in list(dump.documents)[:3]] == [
        ("c", 0),
        ("a", 1),
        ("b", 2),
    ]


def test_an_import_is_exported_as_it_came_key_by_key_and_in_its_order(make_dump, tmp_path):
    folder = make_dump(articles=[{**ARTICLE, "_id": name} for name in ("c", "a", "b")])
    dump = read_dump(folder)
    counts = write_dump(tmp_path / "out", dump.users, reversed(list(dump.documents)))
    assert counts == {USER_FILE: 1, ARTICLES: 3, POSTS: 1, REPOSITORIES: 1}
    assert text_of(tmp_path / "out") == text_of(folder)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(text_of(folder))


def test_the_handbook_s_dump_is_exported_as_it_came(handbook, tmp_path):
    dump = read_dump(handbook)
    write_dump(tmp_path / "out", dump.users, dump.documents)
    assert len(list(dump.documents)) == 76
    assert text_of(tmp_path / "out") == text_of(handbook)


def test_documents_of_other_sources_are_exported_in_a_form_that_can_be_imported(tmp_path):
    common = {"author": "ann-lee", "platform": "folder", "source": "folder"}
    documents = [
        RawDocument(document_id="a", category="articles", title="T", language="en", text="Text.", url="u", **common),
        RawDocument(document_id="p", category="posts", text="Post.", **common),
        RawDocument(document_id="r", category="repositories", title="tool", files={"a.b": "x"}, **common),
    ]
    write_dump(tmp_path / "out", [DumpUser(user_id="1", first_name="Ann", last_name="Lee")], documents)
    again = read_dump(tmp_path / "out").documents
    assert [(d.document_id, d.author, d.category, d.title, d.text, d.files, d.url) for d in again] == [
        ("a", "ann-lee", "articles", "T", "Text.", None, "u"),
        ("p", "ann-lee", "posts", None, "Post.", None, None),
        ("r", "ann-lee", "repositories", "tool", None, {"a.b": "x"}, None),
    ]


def test_malformed_json_is_refused_with_file_line_and_column(make_dump):
    folder = make_dump(articles=b'[\n  {"_id": "a",\n   "platform" "medium"}\n]')
    assert refusal(folder) == f"{folder / ARTICLES}, line 3, column 15: not valid JSON: Expecting ':' delimiter."


def test_a_file_that_is_not_utf_8_is_refused_with_the_place(make_dump):
    folder = make_dump(posts='[{"_id": "é"}]'.encode("latin-1"))
    assert refusal(folder) == f"{folder / POSTS} is not UTF-8 (byte 10): save it as UTF-8."


def test_a_file_with_a_byte_order_mark_is_read(make_dump):
    dump = read_dump(make_dump(articles=b"\xef\xbb\xbf" + json.dumps([ARTICLE]).encode()))
    assert len(list(dump.documents)) == 3


def test_a_missing_file_is_refused_with_the_names_of_all(make_dump):
    folder = make_dump()
    (folder / POSTS).unlink()
    assert f"{folder / POSTS} is missing: a dump holds {USER_FILE} and {ARTICLES}, {POSTS}, " in refusal(folder)


def test_a_missing_folder_is_refused(tmp_path):
    assert f"{tmp_path / 'nowhere' / USER_FILE} is missing" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [{"a": 1}, ["text"], None])
def test_a_file_that_is_no_list_of_records_is_refused(make_dump, content):
    folder = make_dump(articles=content)
    assert refusal(folder) == f"{folder / ARTICLES}: a dump file holds a list of records."


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        ({"articles": [ARTICLE, {**ARTICLE, "_id": None}]}, "record 1 (None): the field '_id' is missing or not text"),
        ({"articles": [{**ARTICLE, "platform": 3}]}, "record 0 (article-1): the field 'platform' is missing or not"),
        ({"articles": [{**ARTICLE, "content": {}}]}, "record 0 (article-1): the field 'content.Content' is missing"),
        ({"articles": [{**ARTICLE, "content": "x"}]}, "record 0 (article-1): the field 'content' is missing or not an"),
        ({"articles": [{**ARTICLE, "author_id": "nobody"}]}, "(article-1): its author_id 'nobody' is not in UserDoc"),
        ({"articles": [{**ARTICLE, "link": 7}]}, "record 0 (article-1): url: Input should be a valid string"),
        ({"posts": [{**POST, "content": {"n": 1}}]}, "record 0 (post-1): the field 'content' holds no text"),
        ({"repositories": [{**REPOSITORY, "content": {"a.py": 1}}]}, "(repository-1): the field 'a.py' is missing or"),
        ({"repositories": [{**REPOSITORY, "name": None}]}, "record 0 (repository-1): the field 'name' is missing"),
        ({"users": [{"_id": "user-1", "first_name": "Z"}]}, "record 0: the field 'last_name' is missing or not text"),
        ({"users": [USER, USER]}, "two users have the same name or id"),
        ({"users": [{**USER, "first_name": "李", "last_name": ""}]}, "no slug can be made of '李'"),
        ({"articles": [], "posts": [], "repositories": []}, "holds no document: is it a dump?"),
        ({"articles": [ARTICLE, POST, ARTICLE]}, "record 1 (post-1): the field 'content.Content' is missing"),
        ({"articles": [ARTICLE, ARTICLE]}, "record 1: the id 'article-1' occurs twice in this dump"),
        ({"posts": [{**POST, "_id": "article-1"}]}, "record 0: the id 'article-1' occurs twice in this dump"),
    ],
)
def test_a_fault_is_named_with_its_record(make_dump, records, fault):
    assert fault in refusal(make_dump(**records))


def test_what_json_does_not_know_is_refused(make_dump):
    folder = make_dump(articles=json.dumps([{**ARTICLE, "likes": float("nan")}]).encode())
    assert refusal(folder) == f"{folder / ARTICLES}: NaN is not valid JSON: write null."


def test_half_a_character_is_refused_with_its_record(make_dump):
    broken = {**ARTICLE, "content": {**ARTICLE["content"], "Content": "\ud83d"}}
    assert r"record 0 (article-1): '\ud83d' is half of a character: remove it." in refusal(make_dump(articles=[broken]))


def test_a_document_of_nobody_is_not_exported_and_nothing_is_written(make_dump, tmp_path):
    dump = read_dump(make_dump())
    with pytest.raises(UserError, match="article-1: its author 'zoe-o-neil' is not among the users to export"):
        write_dump(tmp_path / "out", [], dump.documents)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_the_earlier_export_whole(make_dump, full_disk):
    folder = make_dump(name="out")
    before = text_of(folder)
    dump = read_dump(folder)
    long = next(iter(dump.documents)).model_copy(update={"native": {**ARTICLE, "link": "x" * 50_000}})
    with full_disk(at=10_000), pytest.raises(UserError, match=r"out cannot be written \(File too large\): mend that"):
        write_dump(folder, dump.users, [long])
    assert text_of(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == sorted(before)


def test_documents_of_one_author_come_without_those_of_others(make_dump):
    bob = {"first_name": "Bob", "last_name": "Lee", "_id": "user-2"}
    articles = [ARTICLE, {**ARTICLE, "_id": "article-2", "author_id": "user-2"}]
    dump = read_dump(make_dump(users=[USER, bob], articles=articles))
    assert [(d.document_id, d.position) for d in dump.documents_of("bob-lee")] == [("article-2", 1)]
    assert [d.document_id for d in dump.documents_of("zoe-o-neil")] == ["article-1", "post-1", "repository-1"]
