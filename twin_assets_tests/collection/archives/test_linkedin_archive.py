"""LinkedIn's archive: shares with their odd quoting, and articles."""

import csv
import io
from datetime import UTC, datetime

import pytest

from twin_assets.collection.archives.linkedin import unquote_commentary
from twin_assets.documents import document_id_for
from twin_assets.errors import UserError

HEADER = ["Date", "ShareLink", "ShareCommentary", "SharedUrl", "MediaUrl", "Visibility"]
LINK = "https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A71"
ARTICLE = """<html><head><title>Ferries</title><style>p {{ color: red }}</style></head><body>
<img src="https://media.licdn.com/x" alt="">
<h1><a href="https://www.linkedin.com/pulse/ferries-ann-lee-1?trk=x">Ferries &amp; fog</a></h1>
<p class="created">Created on 2026-02-24 00:06</p>
<p class="published">{published}</p>
<div><p>The ferry waited.</p><p>So did we.</p></div>
</body></html>"""


def as_linkedin_quotes(text):
    """A commentary as it stands in a cell: quotation marks doubled, each line in quotation marks of its own."""
    return text.replace('"', '""').replace("\n", '"\n"')


def shares(*rows):
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in rows:
        writer.writerow({"Date": "2026-03-01 10:00:00", "ShareLink": LINK, **row}.get(column, "") for column in HEADER)
    return {"Shares.csv": table.getvalue()}


@pytest.mark.parametrize(
    "text",
    [
        "One line.",
        'She said "no", twice.',
        "First line.\nSecond line.",
        'First.\n\nSecond, with "words" in it.\n\n"Third."',
        '"All of it is quoted."',
        "",
    ],
)
def test_a_commentary_is_read_as_it_was_written_whichever_way_it_was_quoted(collect, text):
    for quoted in (as_linkedin_quotes(text), text):
        assert unquote_commentary(quoted) == text
    if text:
        (link,) = collect("linkedin", shares({"ShareCommentary": as_linkedin_quotes(text)}))
        assert link.document.text == text


def test_a_commentary_in_quotation_marks_as_a_whole_is_unwrapped(collect):
    assert unquote_commentary('"He said ""hi""\nand left."') == 'He said "hi"\nand left.'
    assert unquote_commentary('"Quote" he said "again"') == '"Quote" he said "again"'


def test_a_share_becomes_a_post_with_its_canonical_address(collect):
    (link,) = collect("linkedin", shares({"ShareCommentary": "Hello.", "Visibility": "MEMBER_NETWORK"}))
    post = link.document
    assert post.url == "https://www.linkedin.com/feed/update/urn:li:share:71"
    assert post.document_id == document_id_for(post.url)
    assert (post.category, post.platform, post.media_type, post.relation) == (
        "posts",
        "linkedin",
        "text/plain",
        "original",
    )
    assert post.published_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert link.domain == "linkedin.com"


def test_a_share_without_words_and_one_for_connections_only_are_refused(collect):
    bare, narrow = collect(
        "linkedin",
        shares({"SharedUrl": "https://elsewhere.example"}, {"ShareCommentary": "Psst.", "Visibility": "CONNECTIONS"}),
    )
    assert (bare.outcome, bare.reason) == ("refused", "a repost or a picture, without words of the author")
    assert (narrow.outcome, narrow.reason) == ("refused", "not public: its visibility is CONNECTIONS")


def test_a_share_whose_date_cannot_be_read_fails_and_does_not_hide_the_others(collect):
    rows = shares(
        {"ShareCommentary": "Bad.", "Date": "yesterday"}, {"ShareCommentary": "Good.", "ShareLink": LINK + "2"}
    )
    bad, good = collect("linkedin", rows)
    assert (bad.outcome, bad.reason) == ("failed", "Shares.csv, record 2: the date 'yesterday' cannot be read")
    assert good.document.text == "Good."


def test_the_name_with_the_member_s_number_is_known_too_and_comments_are_not_read(collect):
    table = shares({"ShareCommentary": "Hello."})["Shares.csv"]
    links = collect("linkedin", {"Shares_1234.csv": table, "Comments.csv": "Date,Link,Message\n1,2,Nice!\n"})
    assert [link.document.text for link in links] == ["Hello."]


def test_shares_of_another_version_are_refused_with_what_was_expected_and_found(collect):
    with pytest.raises(
        UserError,
        match=r"expected the columns Date, ShareLink, ShareCommentary in Shares\.csv, found no ShareLink among",
    ):
        collect("linkedin", {"Shares.csv": "Date,URL\n2026-01-01,x\n"})


def test_an_article_is_read_and_a_draft_is_refused(collect):
    article, draft = collect(
        "linkedin",
        {
            "Articles/Articles/2026-02-24-ferries.html": ARTICLE.format(published="Published on 2026-02-24 00:09"),
            "Articles/Articles/draft.html": ARTICLE.format(published="Published on "),
        },
    )
    document = article.document
    assert document.url == "https://www.linkedin.com/pulse/ferries-ann-lee-1"
    assert (document.title, document.category, document.media_type) == ("Ferries & fog", "articles", "text/html")
    assert document.text == "<div><p>The ferry waited.</p><p>So did we.</p></div>"
    assert document.published_at == datetime(2026, 2, 24, 0, 9, tzinfo=UTC)
    assert (draft.outcome, draft.reason) == ("refused", "a draft: it was never published")
    (wrong,) = collect("linkedin", {"Articles/a.html": ARTICLE.format(published="Published on 2026-02-31 00:09")})
    assert (wrong.outcome, wrong.reason) == ("failed", "there is no date 2026-02-31 00:09")


def test_an_article_page_of_another_structure_fails_and_does_not_hide_the_others(collect):
    good = ARTICLE.format(published="Published on 2026-02-24 00:09")
    links = collect("linkedin", {"Articles/a.html": "<html><body><p>Hi</p></body></html>", "Articles/b.html": good})
    assert [link.outcome for link in links] == ["failed", "found"]
    assert "expected a heading and a div" in links[0].reason
