"""Substack's archive: posts with their table."""

from datetime import UTC, datetime

import pytest

from twin_assets.documents import document_id_for
from twin_assets.errors import UserError

HEADER = "post_id,post_date,is_published,email_sent_at,inbox_sent_at,type,audience,title,subtitle,podcast_url\n"
POST = '101.on-fog,2026-03-01T10:00:00.000Z,true,,,newsletter,everyone,"On fog, again",What the ferry knows,\n'


def archive(rows=POST, **pages):
    return {
        "posts.csv": HEADER + rows,
        "posts/101.on-fog.html": "<h2>Fog</h2><p>It lifts at nine.</p>",
        "posts/101.on-fog.opens.csv": "email\nreader@example.com\n",
        "email_list.fog.csv": "email\nreader@example.com\n",
        **{f"posts/{name.replace('_', '.')}.html": html for name, html in pages.items()},
    }


def test_a_post_is_read_with_its_facts_and_its_address(collect):
    (link,) = collect("substack-export", archive(), site="https://fog.substack.com/")
    document = link.document
    assert (document.title, document.subtitle) == ("On fog, again", "What the ferry knows")
    assert document.url == "https://fog.substack.com/p/on-fog"
    assert document.document_id == document_id_for(document.url)
    assert document.text == "<h2>Fog</h2><p>It lifts at nine.</p>"
    assert document.published_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert link.domain == "fog.substack.com"


def test_without_the_site_the_number_is_the_identity(collect):
    (link,) = collect("substack-export", archive())
    assert (link.document.url, link.document.document_id) == (None, document_id_for("substack:101"))
    assert link.address == "posts/101.on-fog.html"


def test_drafts_and_podcasts_without_text_are_refused_and_what_does_not_fit_the_table_fails(collect):
    rows = (
        POST + "102.idea,,false,,,newsletter,everyone,,,\n"
        "103.audio,2026-03-02T10:00:00.000Z,true,,,podcast,everyone,Audio,,https://x.example/a.mp3\n"
        "104.late,soon,true,,,newsletter,everyone,Late,,\n"
    )
    links = collect("substack-export", archive(rows, **{"102_idea": "<p>Half.</p>", "104_late": "a", "105_x": "b"}))
    assert [(link.outcome, link.reason) for link in links[1:]] == [
        ("refused", "a draft: it was never published"),
        ("refused", "a podcast without text"),
        ("failed", "its date 'soon' cannot be read"),
        ("failed", "posts.csv does not name it: download the export again"),
    ]
    assert links[0].outcome == "found"


def test_a_table_of_another_version_is_refused_with_what_was_expected_and_found(collect):
    with pytest.raises(
        UserError, match=r"expected the columns post_id, .* in posts\.csv, found no post_id among id, date"
    ):
        collect("substack-export", {"posts.csv": "id,date\n1,2\n"})
    with pytest.raises(UserError, match=r"expected posts\.csv, found posts/1\.a\.html"):
        collect("substack-export", {"posts/1.a.html": "<p>a</p>"})


def test_a_site_that_is_no_address_is_refused(source_of):
    with pytest.raises(UserError, match="source substack-export: site: "):
        source_of("substack-export", "export.zip", site="fog")
