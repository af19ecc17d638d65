"""The archive source: its options, what it counts, and when it says that something has changed."""

import pytest

from twin_assets.collection.contract import SourceContext
from twin_assets.collection.links import documents_of, ledger_of
from twin_assets.collection.sources import SOURCES, collect_links
from twin_assets.documents import Author, Consent, KnownDocument, SourceConfig
from twin_assets.errors import UserError

KINDS = ["linkedin", "x", "mastodon", "medium-export", "substack-export"]
SHARES = "Date,ShareLink,ShareCommentary\n2026-03-01 10:00:00,https://www.linkedin.com/feed/update/1,{text}\n"


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_of_something_else_is_refused_with_what_was_expected_and_found(kind, collect):
    assert kind in SOURCES
    with pytest.raises(UserError, match=r"is no export of \w+ as it is known here: expected .*, found holiday\.jpg"):
        collect(kind, {"holiday.jpg": "jpg"})


def test_an_empty_archive_is_refused(collect):
    with pytest.raises(UserError, match="found nothing"):
        collect("linkedin", {})


def test_an_option_that_nobody_knows_is_refused_with_the_known_ones(source_of):
    with pytest.raises(UserError, match=r"ann: source x: retweets: .*its options are: path, replies, reposts, site"):
        source_of("x", "export.zip", retweets=True)


def test_a_folder_around_all_members_is_allowed_for(collect):
    links = collect("linkedin", {"Basic_Export/Shares.csv": SHARES.format(text="Hello.")})
    assert [link.document.text for link in links] == ["Hello."]


def test_the_fingerprint_follows_the_texts_and_the_options_and_nothing_else(make_zip, source_of):
    def fingerprint(text, picture, **options):
        members = {"Shares.csv": SHARES.format(text=text), "media/picture.jpg": picture}
        return source_of("linkedin", make_zip(members), **options).fingerprint()

    first = fingerprint("Hello.", "old")
    assert fingerprint("Hello.", "new") == first
    assert len({first, fingerprint("Hullo.", "old"), fingerprint("Hello.", "old", replies=True)}) == 3


def test_what_an_archive_holds_twice_is_collected_once_and_both_are_counted(collect):
    twice = SHARES.format(text="Hello.") + SHARES.format(text="Hello again.").splitlines()[1]
    first, second = collect("linkedin", {"Shares.csv": twice})
    assert first.document.text == "Hello."
    assert (second.outcome, second.reason) == ("refused", "the archive holds it twice")


def test_documents_know_their_source_and_their_place_in_it(collect):
    rows = "".join(f"2026-03-01 10:00:00,https://www.linkedin.com/feed/update/{n},Post {n}.\n" for n in range(3))
    links = collect("linkedin", {"Shares.csv": "Date,ShareLink,ShareCommentary\n" + rows})
    assert [(link.document.position, link.document.source) for link in links] == [(n, "linkedin") for n in range(3)]


def test_an_archive_in_which_nothing_was_published_is_refused(collect):
    with pytest.raises(UserError, match="holds nothing that ann published on LinkedIn"):
        collect("linkedin", {"Shares.csv": "Date,ShareLink,ShareCommentary\n"})


def test_the_option_site_is_refused_where_it_means_nothing(source_of):
    with pytest.raises(UserError, match="ann: source x: site: its archive holds the addresses"):
        source_of("x", "export.zip", site="https://fog.example")


def test_everything_in_an_archive_ends_in_exactly_one_state(collect):
    rows = [("1", "Known and the same."), ("2", "Known and edited."), ("3", "New."), ("4", ""), ("5", "Bad date.")]
    table = "Date,ShareLink,ShareCommentary\n" + "".join(
        f"{'soon' if number == '5' else '2026-03-01 10:00:00'},https://www.linkedin.com/feed/update/{number},{text}\n"
        for number, text in rows
    )
    links = collect("linkedin", {"Shares.csv": table})
    known = {
        link.document.document_id: KnownDocument(
            document_id=link.document.document_id, content_hash=content_hash, address=link.address, platform="linkedin"
        )
        for link, content_hash in [(links[0], links[0].document.content_hash), (links[1], "an earlier one")]
    }
    known["6"] = KnownDocument(document_id="6", content_hash="x", address="deleted", platform="linkedin")
    assert [line.state for line in ledger_of(links, known)] == [
        "unchanged",
        "changed",
        "new",
        "refused",
        "failed",
        "gone",
    ]


def test_what_an_unreadable_part_of_a_newer_archive_may_hold_stays_as_it_was(tmp_path, make_zip):
    def export(**pages):
        return make_zip({f"posts/{name}.html": page for name, page in pages.items()})

    def collected(*known):
        config = SourceConfig.model_validate({"type": "medium-export", "path": "export.zip"})
        author = Author(slug="ann", name="Ann", consent=Consent(given_by="Ann"), sources=[config])
        context = SourceContext(tmp_path, list, pages=None, web=None, collected_documents=lambda *_: known)
        return collect_links(author, context)

    page = '<h1 class="p-name">Weather</h1><section data-field="body"><p>{}</p></section>'
    export(a=page.format("Fog."), b=page.format("Rain."), c=page.format("Snow."))
    before = documents_of(collected())
    assert len(before) == 3
    export(a=page.format("Fog."), b=b"\xff\xfe")
    links = collected(*before)
    assert [link.outcome for link in links] == ["found", "failed", "failed", "failed"]
    assert {document.document_id for document in documents_of(links)} == {known.document_id for known in before}
    export(a=page.format("Fog."))
    assert documents_of(collected(*before)) == before[:1]
