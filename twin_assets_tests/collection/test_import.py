"""`twin import` and `twin export` together: all or nothing, and out as it came in."""

import json

import pytest

from resources.warehouse import Warehouse
from twin_assets.collection.dump import CATEGORY_FILES, USER_FILE
from twin_assets.console.commands import export_documents, import_documents
from twin_assets.documents import RawDocument
from twin_assets.errors import UserError
from twin_assets.settings import Settings

ARTICLES, POSTS, REPOSITORIES = CATEGORY_FILES.values()
USERS = [{"first_name": name, "last_name": "Lee", "_id": name.lower()} for name in ("Ann", "Bob")]


def article(name, *, owner="ann", text="Text."):
    content = {"Title": name, "Subtitle": None, "Content": text, "language": "en"}
    return {"content": content, "platform": "medium", "author_id": owner, "link": None, "_id": name}


@pytest.fixture
def make_dump(make_folder):
    def write(articles, *, name="dump", **more):
        files = {USER_FILE: USERS, ARTICLES: articles, POSTS: [], REPOSITORIES: [], **more}
        return make_folder({file: json.dumps(records) for file, records in files.items()}, name=name)

    return write


def stored(author):
    with Warehouse.from_settings(Settings.load()).session() as session:
        return {document.document_id: document.text for document in session.documents(author)}


def test_a_dump_with_one_bad_record_at_its_end_leaves_nothing_behind(make_dump, own_home):
    dump = make_dump([article("a")], **{REPOSITORIES: [{**article("r"), "content": {"a.py": 1}}]})
    with pytest.raises(UserError, match=r"record 0 \(r\)"):
        import_documents(dump, consent="Ann", as_json=True)
    assert not own_home.exists()


def test_a_second_import_follows_edits_and_deletions_and_leaves_other_sources_alone(make_dump, capsys):
    import_documents(make_dump([article("a"), article("b"), article("c", owner="bob")]), consent="Ann", as_json=True)
    with Warehouse.from_settings(Settings.load()).session() as session:
        own = RawDocument(
            document_id="f", author="ann-lee", category="posts", platform="folder", text="Own.", source="folder"
        )
        session.replace_documents("ann-lee", [own], source="folder")
    capsys.readouterr()
    import_documents(make_dump([article("a", text="Edited."), article("d")]), consent="Ann", as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"author": "ann-lee", "documents": 2, "new": 1, "changed": 1, "unchanged": 0, "gone": 1},
        {"author": "bob-lee", "documents": 0, "new": 0, "changed": 0, "unchanged": 0, "gone": 1},
    ]
    assert stored("ann-lee") == {"a": "Edited.", "d": "Text.", "f": "Own."}
    assert stored("bob-lee") == {}


def test_an_export_is_equal_to_the_import_byte_by_byte(make_dump, tmp_path):
    dump = make_dump([article("c"), article("x", owner="bob"), article("a", text="Zoë 😀"), article("b")])
    import_documents(dump, consent="Ann", as_json=True)
    export_documents(tmp_path / "out", authors=None, as_json=True)
    for name in (USER_FILE, ARTICLES, POSTS, REPOSITORIES):
        assert (tmp_path / "out" / name).read_bytes() == (dump / name).read_bytes()
