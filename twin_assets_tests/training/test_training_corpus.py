"""What the base model is trained on, by document."""

import random

import pytest

from twin_assets.datasets.curation.splitting import TooLittleTextError, split_documents
from twin_assets.documents import CleanedDocument, SplitRule, content_hash
from twin_assets.errors import UserError
from twin_assets.training.corpus import training_side

RULE = SplitRule(seed=0, test_fraction=0.3)


def document(author: str, number: int, text: str | None = None, **fields: object) -> CleanedDocument:
    draw = random.Random(f"{author}{number}")  # noqa: S311 - not for secrets
    text = text or " ".join(f"word{draw.randrange(100_000)}" for _ in range(600))
    values = {
        "document_id": f"{author}-{number}",
        "author": author,
        "category": "articles",
        "platform": "blog",
        "url": None,
        "title": None,
        "text": text,
        "language": "en",
        "published_at": None,
        "content_hash": content_hash(text),
        "duplicate_of": None,
        "n_words": len(text.split()),
    }
    return CleanedDocument(**(values | fields))


def writings(author: str) -> list[CleanedDocument]:
    return [document(author, number) for number in range(10)]


def ids_of(documents: list[CleanedDocument]) -> set[str]:
    return {one.document_id for one in documents}


def held_out_of(documents: list[CleanedDocument]) -> list[CleanedDocument]:
    split = split_documents(documents, RULE)
    return [one for one in documents if split[one.document_id] == "test"]


def test_all_of_the_training_side_is_trained_on_and_nothing_that_is_held_out():
    both = {"ann": writings("ann"), "bob": writings("bob")}
    corpus = training_side(both, authors=["ann", "bob"], rule=RULE)
    held_out = ids_of(held_out_of(both["ann"])) | ids_of(held_out_of(both["bob"]))

    assert held_out
    assert ids_of(corpus.documents) == ids_of(both["ann"] + both["bob"]) - held_out
    assert (corpus.held_out_elsewhere, corpus.without_file) == ([], [])


def test_a_text_that_is_held_out_for_another_author_is_not_trained_on():
    both = {"ann": writings("ann"), "bob": writings("bob")}
    trained = next(one for one in both["ann"] if one not in held_out_of(both["ann"]))
    theirs = held_out_of(both["bob"])[0]
    both["ann"][both["ann"].index(trained)] = trained.model_copy(
        update={"text": "First published by Bob. " + theirs.text}
    )
    corpus = training_side(both, authors=["ann", "bob"], rule=RULE)

    assert trained.document_id not in ids_of(corpus.documents)
    assert ids_of(corpus.held_out_elsewhere) == {trained.document_id}
    assert len(corpus.documents) == 20 - len(held_out_of(both["ann"])) - len(held_out_of(both["bob"])) - 1


def test_a_repost_is_trained_on_once():
    own = writings("ann")
    first = next(one for one in own if one not in held_out_of(own))
    repost = document("ann", 99, first.text, duplicate_of=first.document_id)
    corpus = training_side({"ann": [*own, repost]}, authors=["ann"], rule=RULE)

    assert first.document_id in ids_of(corpus.documents)
    assert repost.document_id not in ids_of(corpus.documents)


def test_an_author_whose_file_is_gone_is_left_out():
    both = {"ann": writings("ann"), "bob": writings("bob")}
    corpus = training_side(both, authors=["bob"], rule=RULE)

    assert {one.author for one in corpus.documents} == {"bob"}
    assert corpus.without_file == ["ann"]
    with pytest.raises(UserError, match="has an author file"):
        training_side(both, authors=[], rule=RULE)


def test_an_author_with_too_little_text_is_left_out_but_not_everybody():
    little = {"ann": writings("ann")[:2], "bob": writings("bob")}

    assert {one.author for one in training_side(little, authors=["ann", "bob"], rule=RULE).documents} == {"bob"}
    with pytest.raises(TooLittleTextError, match="ann has 2 distinct documents"):
        training_side({"ann": little["ann"]}, authors=["ann"], rule=RULE)
