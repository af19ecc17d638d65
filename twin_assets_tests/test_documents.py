"""Entities: slugs, ids and hashes, on which identity and reuse rest."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from twin_assets.documents import (
    Author,
    Consent,
    RawDocument,
    SourceConfig,
    checked_slug,
    chunk_id_for,
    content_hash,
    document_id_for,
)


def raw(**fields):
    known = {"document_id": "d", "author": "ann", "category": "articles", "platform": "folder", "source": "folder"}
    return RawDocument(**{**known, "text": "Words.", **fields})


@pytest.mark.parametrize("slug", ["a", "7", "mira-voss", "a" * 63, "a--"])
def test_a_slug_of_lower_case_letters_digits_and_hyphens_is_taken(slug):
    assert checked_slug(slug) == slug


@pytest.mark.parametrize("slug", ["", "-a", "A", "ann lee", "ann_lee", "../ann", "zoë", "a" * 64, "ann\n"])
def test_a_malformed_slug_is_refused_with_an_example(slug):
    with pytest.raises(ValueError, match=r"not a valid author slug: use 1 to 63 .*, as in 'mira-voss'"):
        checked_slug(slug)


def test_an_author_needs_a_wellformed_slug_a_source_and_consent():
    good = {
        "slug": "ann",
        "name": "Ann",
        "sources": [SourceConfig(type="folder")],
        "consent": Consent(given_by="Ann"),
    }
    assert Author(**good).consent.given_by == "Ann"
    for bad in ({"slug": "../ann"}, {"sources": []}, {"name": ""}, {"consent": {"given_by": ""}}, {"sauces": []}):
        with pytest.raises(ValidationError):
            Author.model_validate({**good, **bad})


def test_entities_cannot_be_changed_and_take_no_unknown_field():
    document = raw()
    with pytest.raises(ValidationError):
        document.text = "Other words."
    with pytest.raises(ValidationError):
        raw(colour="red")


def test_an_edit_is_a_new_hash_and_a_move_within_its_source_is_not():
    assert raw().content_hash == raw().content_hash
    assert raw(position=7).content_hash == raw().content_hash
    edits = [
        raw(text="Words!"),
        raw(title="Title"),
        raw(url="https://a.example/"),
        raw(published_at=datetime(2026, 3, 31, tzinfo=UTC)),
        raw(native={"_id": "d"}),
    ]
    assert len({document.content_hash for document in [raw(), *edits]}) == 6


def test_a_hash_of_content_does_not_depend_on_the_order_of_keys():
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": [1, 2], "a": 1})
    assert content_hash({"a": [1, 2]}) != content_hash({"a": [2, 1]})
    # The canonical form is fixed for good: data versions and caches of earlier releases stand on it.
    assert content_hash({"é": None}) == "1bf725c382fc0122c8b0cc341619c04cfe1e2eec87f7cd03ac458c2e857fe72b"


def test_what_json_cannot_hold_has_no_hash():
    with pytest.raises(TypeError):
        content_hash({1, 2})
    with pytest.raises(ValueError, match="JSON compliant"):
        content_hash(float("nan"))


def test_ids_depend_on_the_address_alone_and_stay_the_same_for_good():
    assert document_id_for("https://a.example/x") == document_id_for("https://a.example/x")
    assert document_id_for("https://a.example/x") != document_id_for("https://a.example/y")
    assert document_id_for("folder:ann/articles/a.md") == "af7a5e0a-d6fc-544e-a96f-205538b4cf75"


def test_equal_passages_of_one_document_and_of_two_documents_have_their_own_ids():
    ids = {chunk_id_for("d", "same", 0), chunk_id_for("d", "same", 1), chunk_id_for("e", "same", 0)}
    assert len(ids) == 3
    assert chunk_id_for("d", "same", 0) in ids


def test_personal_data_is_masked_unless_the_author_file_says_otherwise():
    fields = {
        "slug": "ann-reed",
        "name": "Ann Reed",
        "sources": [{"type": "folder"}],
        "consent": {"given_by": "Ann Reed"},
    }

    assert Author.model_validate(fields).privacy.mask is True
    assert Author.model_validate({**fields, "privacy": {"mask": False}}).privacy.mask is False
    with pytest.raises(ValidationError, match="masks"):
        Author.model_validate({**fields, "privacy": {"masks": False}})
    # What nobody set is not written into an author file.
    assert "privacy" not in Author.model_validate(fields).model_dump(exclude_defaults=True)
