"""The archive of X: posts, replies, reposts and threads told apart, and the whole text of long posts."""

import json
from datetime import UTC, datetime

import pytest

from twin_assets.documents import document_id_for
from twin_assets.errors import UserError

ACCOUNT = [{"account": {"accountId": "7", "username": "annlee", "createdAt": "2019-01-01T00:00:00.000Z"}}]


def tweet(number, text, *, minute=0, answers=None, of="7", **fields):
    record = {
        "id": str(number),
        "id_str": str(number),
        "full_text": text,
        "created_at": f"Sun Mar 01 10:{minute:02}:00 +0000 2026",
        "lang": "en",
        "retweeted": False,
        "entities": {"urls": [], "user_mentions": []},
        **fields,
    }
    if answers:
        record |= {"in_reply_to_status_id_str": str(answers), "in_reply_to_user_id_str": of}
    return {"tweet": record}


def script(name, records):
    return f"window.YTD.{name} = {json.dumps(records)}"


def archive(*tweets, notes=(), **more):
    return {
        "data/account.js": script("account.part0", ACCOUNT),
        "data/tweets.js": script("tweets.part0", list(tweets)),
        "data/note-tweet.js": script("note_tweet.part0", list(notes)),
        "data/direct-messages.js": script("direct_messages.part0", [{"secret": "Do not read this."}]),
        **more,
    }


def texts(links):
    return [link.document.text if link.document else link.reason for link in links]


def test_a_post_has_its_address_its_time_and_its_text_decoded(collect):
    (link,) = collect("x", archive(tweet(11, "Fish &amp; chips &lt;3")))
    post = link.document
    assert post.text == "Fish & chips <3"
    assert post.url == "https://x.com/annlee/status/11"
    assert post.document_id == document_id_for(post.url)
    assert post.published_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert (post.language, post.category, post.relation) == ("en", "posts", "original")


def test_links_are_expanded_and_those_to_pictures_go(collect):
    entities = {
        "urls": [{"url": "https://t.co/abc", "expanded_url": "https://ann.example/?a=1&b=2"}],
        "media": [{"url": "https://t.co/pic"}],
    }
    (link,) = collect("x", archive(tweet(11, "See https://t.co/abc https://t.co/pic", entities=entities)))
    assert link.document.text == "See https://ann.example/?a=1&b=2"


def test_a_thread_of_one_s_own_becomes_one_post_even_across_parts(collect):
    links = collect(
        "x",
        archive(
            tweet(14, "@annlee Third.", minute=3, answers=12),
            tweet(11, "First.", minute=1),
            **{"data/tweets-part1.js": script("tweets.part1", [tweet(12, "Second.", minute=2, answers=11)])},
        ),
    )
    assert texts(links) == ["First.\n\nSecond.\n\nThird."]
    assert links[0].document.url == "https://x.com/annlee/status/11"
    assert links[0].document.relation == "original"


def test_a_thread_whose_beginning_was_deleted_is_still_one_s_own(collect):
    (link,) = collect("x", archive(tweet(12, "Second.", answers=11)))
    assert (link.document.text, link.document.relation) == ("Second.", "original")


def test_replies_and_reposts_are_refused_unless_they_are_wanted(collect):
    members = archive(
        tweet(11, "Mine."),
        tweet(12, "@bob I agree.", answers=5, of="8"),
        tweet(13, "@bob And more.", answers=12),
        tweet(14, "RT @carol: Hers."),
    )
    assert texts(collect("x", members)) == [
        "Mine.",
        "a reply; the option `replies: true` collects these",
        "a repost; the option `reposts: true` collects these",
    ]
    links = collect("x", members, replies=True, reposts=True)
    assert [(link.document.relation, link.document.text) for link in links] == [
        ("original", "Mine."),
        ("reply", "@bob I agree.\n\n@bob And more."),
        ("repost", "RT @carol: Hers."),
    ]


def test_a_long_post_has_its_whole_text(collect):
    whole = "A long &amp; winding text. " * 20 + "See https://t.co/abc"
    note = {
        "noteTweetId": "99",
        "createdAt": "2026-03-01T09:59:59.000Z",
        "core": {"text": whole, "urls": [{"shortUrl": "https://t.co/abc", "expandedUrl": "https://ann.example/"}]},
    }
    stray = {"noteTweetId": "98", "createdAt": "2026-03-01T09:00:00.000Z", "core": {"text": "Of a deleted post."}}
    members = archive(
        tweet(10, "Another one of this second."),
        tweet(11, whole[:270] + "\u2026 https://t.co/self"),
        notes=[{"noteTweet": note}, {"noteTweet": stray}],
    )
    other, long, left = collect("x", members)
    assert other.document.text == "Another one of this second."
    assert long.document.text == "A long & winding text. " * 20 + "See https://ann.example/"
    assert (left.outcome, left.reason) == ("refused", "a long text whose post is not in the archive")


def test_half_of_a_character_is_replaced(collect):
    (link,) = collect("x", archive(tweet(11, "Cut \ud83d off, whole \U0001f600.")))
    assert link.document.text == "Cut \ufffd off, whole \U0001f600."
    assert link.document.content_hash


def test_a_post_without_words_is_refused(collect):
    entities = {"urls": [], "media": [{"url": "https://t.co/pic"}]}
    (link,) = collect("x", archive(tweet(11, "https://t.co/pic", entities=entities)))
    assert (link.outcome, link.reason) == ("refused", "a picture or a film, without words of the author")


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (
            "data/tweets.js",
            "var tweets = []",
            r"expected window\.YTD\.\.\. = \[\.\.\.\] in data/tweets\.js, found 'var",
        ),
        ("data/tweets.js", "window.YTD.tweets.part0 = [", r"expected JSON in data/tweets\.js, found Expecting value"),
        (
            "data/tweets.js",
            script("tweets.part0", [{"id": 1, "text": "An old version."}]),
            "expected tweet with id_str, full_text, created_at in record 0 of data/tweets.js, found id, text",
        ),
        ("data/account.js", script("account.part0", []), "expected data/account.js"),
    ],
)
def test_an_archive_of_another_version_is_refused_with_what_was_expected_and_found(collect, name, content, fault):
    with pytest.raises(UserError, match=fault):
        collect("x", archive(tweet(11, "Mine."), **{name: content}))


def test_an_archive_without_the_posts_is_refused(collect):
    members = archive()
    del members["data/tweets.js"]
    with pytest.raises(UserError, match=r"expected data/account\.js and data/tweets\.js, found data/account\.js"):
        collect("x", members)


def test_a_time_that_cannot_be_read_fails_its_post_alone(collect):
    bad = tweet(11, "When?", created_at="once upon a time")
    note = {"noteTweet": {"noteTweetId": "9", "createdAt": "then", "core": {"text": "Of nobody."}}}
    failed, good, left = collect("x", archive(bad, tweet(12, "Now."), notes=[note]))
    assert (failed.outcome, failed.reason) == ("failed", "its time 'once upon a time' cannot be read")
    assert good.document.text == "Now."
    assert left.reason == "a long text whose post is not in the archive"
