"""Mastodon's archive: public posts only, replies and reposts told apart."""

import json
from datetime import UTC, datetime

import pytest

from twin_assets.errors import UserError

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
ANN = "https://social.example/users/ann"
FOLLOWERS = f"{ANN}/followers"


def create(number, content, *, to=(PUBLIC,), cc=(FOLLOWERS,), answers=None, **fields):
    return {
        "id": f"{ANN}/statuses/{number}/activity",
        "type": "Create",
        "actor": ANN,
        "published": f"2026-03-01T10:{number:02}:00Z",
        "to": list(to),
        "cc": list(cc),
        "object": {
            "id": f"{ANN}/statuses/{number}",
            "type": "Note",
            "summary": None,
            "inReplyTo": answers,
            "published": f"2026-03-01T10:{number:02}:00Z",
            "url": f"https://social.example/@ann/{number}",
            "to": list(to),
            "cc": list(cc),
            "content": content,
            "contentMap": {"en": content},
            **fields,
        },
    }


def announce(number):
    return {
        "id": f"{ANN}/statuses/{number}/activity",
        "type": "Announce",
        "actor": ANN,
        "to": [PUBLIC],
        "object": "https://other.example/users/bob/statuses/5",
    }


def outbox(*items, **fields):
    collection = {"id": "outbox.json", "type": "OrderedCollection", "totalItems": len(items), "orderedItems": items}
    return {"outbox.json": json.dumps({**collection, **fields}), "likes.json": "[]", "actor.json": "{}"}


def test_a_public_post_keeps_its_html_address_language_and_time(collect):
    (link,) = collect("mastodon", outbox(create(1, "<p>Fog &amp; ferries</p>", summary="Weather")))
    post = link.document
    assert (post.text, post.media_type, post.subtitle) == ("<p>Fog &amp; ferries</p>", "text/html", "Weather")
    assert (post.url, post.language, post.category) == ("https://social.example/@ann/1", "en", "posts")
    assert post.published_at == datetime(2026, 3, 1, 10, 1, tzinfo=UTC)
    assert link.domain == "social.example"


def test_public_and_unlisted_posts_are_collected_and_all_others_are_refused(collect):
    links = collect(
        "mastodon",
        outbox(
            create(1, "<p>For all.</p>"),
            create(2, "<p>Unlisted.</p>", to=[FOLLOWERS], cc=[PUBLIC]),
            create(3, "<p>For followers.</p>", to=[FOLLOWERS], cc=[]),
            create(4, "<p>For Bob.</p>", to=["https://other.example/users/bob"], cc=[]),
        ),
    )
    assert sorted(link.document.text for link in links if link.document) == ["<p>For all.</p>", "<p>Unlisted.</p>"]
    refused = [link for link in links if not link.document]
    assert [link.outcome for link in refused] == ["refused", "refused"]
    assert {link.reason for link in refused} == {"not public: for followers, or for those who are named in it"}


def test_replies_reposts_and_threads_are_told_apart(collect):
    items = [
        create(1, "<p>First.</p>"),
        create(2, "<p>Second.</p>", answers=f"{ANN}/statuses/1"),
        create(3, "<p>To Bob.</p>", answers="https://other.example/users/bob/statuses/5"),
        announce(4),
        create(5, "<p>To a post of mine that is gone.</p>", answers=f"{ANN}/statuses/0"),
    ]
    links = {link.address: link for link in collect("mastodon", outbox(*items))}
    thread = links["https://social.example/@ann/1"].document
    assert (thread.text, thread.relation) == ("<p>First.</p>\n<p>Second.</p>", "original")
    assert links["https://social.example/@ann/5"].document.relation == "original"
    assert "a reply" in links["https://social.example/@ann/3"].reason
    assert links[f"{ANN}/statuses/4"].reason == "a repost; the archive holds only its address"
    assert len(links) == 4
    wanted = collect("mastodon", outbox(*items), replies=True)
    assert [link.document.text for link in wanted if link.document and link.document.relation == "reply"] == [
        "<p>To Bob.</p>"
    ]


def test_what_is_no_post_or_has_no_words_is_refused(collect):
    items = [{"type": "Delete", "id": "x", "object": "y"}, create(1, "")]
    assert [(link.outcome, link.reason) for link in collect("mastodon", outbox(*items))] == [
        ("refused", "an activity of type 'Delete', not a post"),
        ("refused", "a picture or a film, without words of the author"),
    ]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"type": "OrderedCollectionPage"}', "found OrderedCollectionPage without orderedItems"),
        ("[]", "found list without orderedItems"),
        ("{", "expected JSON in outbox.json, found Expecting property name"),
    ],
)
def test_an_outbox_of_another_structure_is_refused_with_what_was_expected_and_found(collect, content, found):
    with pytest.raises(UserError, match=found):
        collect("mastodon", {"outbox.json": content})
