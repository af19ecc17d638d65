"""Medium's archive: stories, responses and drafts."""

from datetime import UTC, datetime

from twin_assets.documents import document_id_for
from twin_assets.features.cleaning import clean_document

STORY = """<!DOCTYPE html><html><head><title>{title}</title></head><body><article class="h-entry">
<header><h1 class="p-name">{title}</h1></header>{summary}
<section data-field="body" class="e-content"><section name="1" class="section section--body">
<div class="section-content"><div class="section-inner">{body}</div></div></section></section>
<footer><p>By <a href="https://medium.com/@annlee" class="p-author h-card">Ann Lee</a> on
<a href="https://medium.com/p/a1b2c3d4e5f6"><time class="dt-published" datetime="{time}">June 3, 2024</time></a>.</p>
<p><a href="https://medium.com/@annlee/on-fog-a1b2c3d4e5f6?source=x" class="p-canonical">Canonical link</a></p>
<p>Exported from <a href="https://medium.com">Medium</a> on June 3, 2026.</p></footer></article></body></html>"""
SUMMARY = '<section data-field="subtitle" class="p-summary">What the ferry knows</section>'
BODY = '<h3 class="graf graf--h3 graf--leading graf--title">On fog</h3><p class="graf graf--p">It lifts at nine.</p>'


def story(*, title="On fog", body=BODY, summary=SUMMARY, time="2024-06-03T09:41:57.629Z"):
    return STORY.format(title=title, body=body, summary=summary, time=time)


def test_a_story_is_read_with_its_facts_and_without_the_footer_of_the_export(collect):
    (link,) = collect("medium-export", {"posts/2024-06-03_On-fog-a1b2c3d4e5f6.html": story()})
    document = link.document
    assert (document.title, document.subtitle, document.category) == ("On fog", "What the ferry knows", "articles")
    assert document.url == "https://medium.com/@annlee/on-fog-a1b2c3d4e5f6"
    assert document.document_id == document_id_for(document.url)
    assert document.published_at == datetime(2024, 6, 3, 9, 41, 57, 629000, tzinfo=UTC)
    cleaned = clean_document(document).document
    assert "It lifts at nine." in cleaned.text
    assert "Exported" not in cleaned.text


def test_a_draft_is_refused(collect):
    (link,) = collect("medium-export", {"posts/draft_On-fog-a1b2c3d4e5f6.html": story()})
    assert (link.outcome, link.reason) == ("refused", "a draft: it was never published")


def test_a_response_is_a_reply_and_no_article(collect):
    response = story(
        title="I have seen that fog, too.",
        body='<p class="graf graf--p">I have seen that fog, too. Twice.</p>',
        summary="",
    )
    members = {"posts/2024-06-03_I-have-seen-a1b2c3d4e5f6.html": response}
    (left_out,) = collect("medium-export", members)
    assert (left_out.outcome, left_out.reason) == ("refused", "a reply; the option `replies: true` collects these")
    (link,) = collect("medium-export", members, replies=True)
    assert (link.document.relation, link.document.category, link.document.title) == ("reply", "posts", None)


def test_an_old_story_without_a_title_in_its_body_is_no_response(collect):
    (link,) = collect("medium-export", {"posts/a.html": story(body="<p>It lifts at nine, mostly.</p>")})
    assert (link.document.relation, link.document.title) == ("original", "On fog")


def test_a_page_of_another_structure_fails_and_does_not_hide_the_others(collect):
    broken, whole = collect("medium-export", {"posts/a.html": "<p>Hello</p>", "posts/b.html": story()})
    assert broken.outcome == "failed"
    assert "expected a section with data-field=body, found none" in broken.reason
    assert whole.outcome == "found"


def test_a_page_that_is_not_utf_8_fails_and_does_not_hide_the_others(collect):
    broken, whole = collect("medium-export", {"posts/a.html": "Zoë".encode("latin-1"), "posts/b.html": story()})
    assert (broken.outcome, whole.outcome) == ("failed", "found")
    assert "posts/a.html is not UTF-8 (byte 2)" in broken.reason


def test_what_macos_adds_to_an_archive_is_passed_over(collect):
    shadows = {"__MACOSX/posts/._a.html": b"\0\5\x16\7", "posts/._a.html": b"\0\5\x16\7"}
    assert [link.outcome for link in collect("medium-export", {"posts/a.html": story(), **shadows})] == ["found"]


def test_a_page_with_an_address_that_is_none_fails_and_does_not_hide_the_others(collect):
    odd = story().replace("https://medium.com/@annlee/on-fog", "https://[draft]/on-fog")
    broken, whole = collect("medium-export", {"posts/a.html": odd, "posts/b.html": story()})
    assert (broken.outcome, broken.reason) == ("failed", "it cannot be read (ValueError)")
    assert whole.outcome == "found"
