"""Links: every one ends in exactly one state, and what cannot be reached is not lost."""

import pytest

from twin_assets.collection.links import (
    LINK_STATES,
    MAX_REFUSED,
    LedgerLine,
    Link,
    documents_of,
    domain_of,
    ledger_of,
    notices_of,
    shortened,
)
from twin_assets.documents import KnownDocument, RawDocument


def raw(name, **fields):
    known = {"author": "ann", "category": "articles", "platform": "blog", "source": "web", "text": f"Text of {name}."}
    return RawDocument(document_id=name, **{**known, **fields})


def known_as(document, **fields):
    known = {"document_id": document.document_id, "content_hash": document.content_hash, "platform": document.platform}
    return {document.document_id: KnownDocument(**{**known, "address": address_of(document.document_id), **fields})}


def address_of(name):
    return f"https://www.ann.example/{name}"


def link(name, document=None, **fields):
    return Link(address=address_of(name), document=document, **fields)


def states(links, known):
    return {line.address.rsplit("/")[-1]: line.state for line in ledger_of(links, known)}


def test_every_link_ends_in_one_state_and_the_states_add_up():
    old = {name: raw(name) for name in ("same", "edited", "down", "forbidden", "vanished", "removed")}
    known = {key: value for document in old.values() for key, value in known_as(document).items()}
    links = [
        link("fresh", raw("fresh")),
        link("same", old["same"]),
        link("edited", raw("edited", text="Another text.")),
        link("down", old["down"], outcome="failed", reason="it does not answer"),
        link("forbidden", old["forbidden"], outcome="refused", reason="robots.txt forbids it"),
        link("removed", outcome="gone"),
    ]
    assert states(links, known) == {
        "fresh": "new",
        "same": "unchanged",
        "edited": "changed",
        "down": "failed",
        "forbidden": "refused",
        "removed": "gone",
        "vanished": "gone",
    }
    assert {line.state for line in ledger_of(links, known)} == set(LINK_STATES)


def test_what_could_not_be_reached_today_stays_and_what_is_gone_goes():
    kept = raw("down")
    links = [link("down", kept, outcome="failed", reason="?"), link("never-seen", outcome="failed", reason="?")]
    links += [link("removed", raw("removed"), outcome="gone"), link("here", raw("here"))]
    assert documents_of(links) == [kept, raw("here")]


def test_a_document_that_is_refused_from_now_on_is_told_once():
    before = raw("reply")
    links = [link("reply", outcome="refused", reason="it is a reply")]
    assert [line.state for line in ledger_of(links, known_as(before))] == ["refused"]


def test_a_link_that_was_found_without_a_document_is_a_fault_of_the_source():
    with pytest.raises(ValueError, match="was found, but has no document"):
        ledger_of([link("odd")], {})


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("https://www.ann.example/a", "ann.example"),
        ("http://blog.ann.example:8080/a", "blog.ann.example"),
        ("articles/a.md", "folder"),
        ("C: a title with a colon", "folder"),
    ],
)
def test_the_domain_is_the_host_or_else_the_platform(address, domain):
    assert domain_of(address, "folder") == domain


def test_an_address_that_is_none_has_the_domain_of_its_platform():
    assert domain_of("https://[draft]/x", "folder") == "folder"


def test_what_was_refused_alike_is_said_once_and_listed_in_part():
    def lines(state, count, reason):
        return [LedgerLine(address=f"{state} {n}", domain="x", state=state, reason=reason) for n in range(count)]

    replies, failed = lines("refused", 20_000, "a reply"), lines("failed", 60, "no answer")
    ledger = [*replies, *failed, *lines("refused", 1, "a repost"), *lines("new", 1, "")]
    assert notices_of(ledger) == [
        "refused: refused 0, refused 1, refused 2 and 19,997 more: a reply",
        "failed: failed 0, failed 1, failed 2 and 57 more: no answer",
        "refused: refused 0: a repost",
    ]
    assert shortened(ledger) == [
        *replies[:MAX_REFUSED],
        *ledger[20_000:],
        LedgerLine(address="19,950 more", domain="", state="refused", reason="a reply"),
    ]
