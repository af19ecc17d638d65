"""Sources of an author put together, and the sample authors that come with the project."""

from itertools import combinations

import pytest

from resources.warehouse import WarehouseSession
from resources.web import Web
from twin_assets.collection.authors import author_slugs, load_author
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.sources import collect_documents, fingerprint_of
from twin_assets.documents import Author, Consent, RawDocument, SourceConfig
from twin_assets.errors import UserError
from twin_assets.settings import PROJECT_ROOT

SAMPLES = ("mira-voss", "tobias-fenn")


def author_of(*sources):
    return Author(
        slug="ann",
        name="Ann",
        consent=Consent(given_by="Ann"),
        sources=[SourceConfig.model_validate(source) for source in sources],
    )


def imported(name, **fields):
    known = {"document_id": name, "author": "ann", "category": "articles", "platform": "medium", "source": "import"}
    return RawDocument(**{**known, "title": name, "text": f"Text of {name}.", **fields})


def source_context(folder, in_warehouse):
    """What sources need that read files and imports alone."""
    return SourceContext(
        folder,
        lambda author: [document for document in in_warehouse if document.author == author],
        pages=WarehouseSession(None),
        web=Web(user_agent="tests"),
    )


@pytest.fixture
def in_warehouse():
    """What was imported: a list for the test to fill."""
    return []


@pytest.fixture
def context(tmp_path, in_warehouse):
    return source_context(tmp_path, in_warehouse)


def test_documents_of_all_sources_come_together(make_folder, context, in_warehouse):
    make_folder({"a.md": "A"}, name="one")
    make_folder({"b.md": "B"}, name="two")
    in_warehouse.append(imported("c"))
    author = author_of(
        {"type": "folder", "path": "one"}, {"type": "folder", "path": "two", "category": "posts"}, {"type": "import"}
    )
    assert [(d.category, d.text, d.source) for d in collect_documents(author, context)] == [
        ("articles", "A", "folder"),
        ("posts", "B", "folder"),
        ("articles", "Text of c.", "import"),
    ]


def test_an_unknown_kind_of_source_is_refused_with_the_known_ones(context):
    with pytest.raises(UserError, match=r"ann: there is no source of type 'rss'; known are: .*folder, .*import"):
        collect_documents(author_of({"type": "rss"}), context)


def test_an_author_with_nothing_imported_is_refused(context):
    with pytest.raises(UserError, match="Nothing was imported for ann: run `twin import DIR` first"):
        collect_documents(author_of({"type": "import"}), context)


def test_an_import_has_no_options(context):
    with pytest.raises(UserError, match=r"ann: source import: path: Extra inputs .*its options are: none"):
        collect_documents(author_of({"type": "import", "path": "dump"}), context)


def test_one_empty_source_among_good_ones_fails_the_whole_collection(make_folder, context):
    make_folder({"a.md": "A"}, name="one")
    make_folder({}, name="two")
    with pytest.raises(UserError, match="two holds no writings"):
        collect_documents(author_of({"type": "folder", "path": "one"}, {"type": "folder", "path": "two"}), context)


def test_two_sources_with_the_same_url_are_refused_with_the_url_and_both_titles(make_folder, context):
    make_folder({"a.md": "---\ntitle: Here\nurl: https://ann.example/x\n---\nA"}, name="one")
    make_folder({"b.md": "---\ntitle: There\nurl: https://ann.example/x\n---\nB"}, name="two")
    author = author_of({"type": "folder", "path": "one"}, {"type": "folder", "path": "two"})
    with pytest.raises(UserError, match=r"same address or id 'https://ann\.example/x': 'Here' and 'There'"):
        collect_documents(author, context)


def test_the_same_file_name_in_two_folders_is_refused_rather_than_lost(make_folder, context):
    make_folder({"a.md": "A"}, name="one")
    make_folder({"a.md": "B"}, name="two")
    author = author_of({"type": "folder", "path": "one"}, {"type": "folder", "path": "two"})
    with pytest.raises(UserError, match=r"same address or id .*; remove one of them, or give it a url of its own"):
        collect_documents(author, context)


def test_the_fingerprint_follows_every_source(make_folder, context, in_warehouse):
    make_folder({"a.md": "A"}, name="one")
    in_warehouse.append(imported("c"))
    author = author_of({"type": "folder", "path": "one"}, {"type": "import"})
    first = fingerprint_of(author, context)
    assert fingerprint_of(author, context) == first
    in_warehouse[0] = imported("c", text="Edited.")
    second = fingerprint_of(author, context)
    make_folder({"a.md": "B"}, name="one")
    assert len({first, second, fingerprint_of(author, context)}) == 3


@pytest.fixture(scope="module", params=SAMPLES)
def sample(request):
    authors_dir = PROJECT_ROOT / "authors"
    return collect_documents(load_author(authors_dir, request.param), source_context(authors_dir, []))


def test_the_sample_authors_have_author_files():
    assert set(SAMPLES) <= set(author_slugs(PROJECT_ROOT / "authors"))


def test_a_sample_author_has_enough_of_everything_to_train_and_test_on(sample):
    categories = [document.category for document in sample]
    assert categories.count("articles") >= 15
    assert categories.count("posts") >= 20
    assert categories.count("repositories") == 1
    assert sum(len((document.text or "").split()) for document in sample) >= 12_000


def test_a_sample_author_writes_in_markdown_html_and_plain_text_under_addresses_of_nobody(sample):
    assert {document.media_type for document in sample} == {"text/markdown", "text/html", "text/plain"}
    hosts = {document.url.split("/")[2] for document in sample if document.url}
    assert all(host.endswith((".example", ".example.com", ".example.org")) for host in hosts)


def test_a_sample_author_repeats_himself_now_and_then(sample):
    texts = [" ".join(document.text.split()) for document in sample if document.text]
    words = [text.split() for text in texts]
    shingles = [{tuple(some[i : i + 4]) for i in range(len(some) - 3)} for some in words]
    alike = [
        (one, other)
        for one, other in combinations(range(len(texts)), 2)
        if len(shingles[one] & shingles[other]) > 0.5 * min(len(shingles[one]), len(shingles[other]))
    ]
    assert 2 <= len(alike) <= 10
    assert all(texts[one] != texts[other] for one, other in alike)
