from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from twin_assets.datasets.curation.splitting import TooLittleTextError, cluster_roots, split_documents
from twin_assets.documents import CleanedDocument, SplitRule
from twin_assets.errors import UserError

Make = Callable[..., CleanedDocument]


def corpus(make: Make, count: int, **fields: object) -> list[CleanedDocument]:
    return [make(name=f"document {number}", n_words=1_000, **fields) for number in range(count)]


def test_about_the_asked_share_of_a_large_corpus_is_held_out(make_document: Make) -> None:
    splits = split_documents(corpus(make_document, 400), SplitRule(seed=1, test_fraction=0.15))

    assert 60 <= list(splits.values()).count("test") <= 80


def test_adding_documents_to_a_large_corpus_moves_none_out_of_the_training_split_but_to_fill_the_share(
    make_document: Make,
) -> None:
    documents = corpus(make_document, 400)
    before = split_documents(documents[:300], SplitRule(seed=1))
    after = split_documents(documents, SplitRule(seed=1))

    assert sum(before[document_id] != after[document_id] for document_id in before) <= 3


def test_no_document_moves_where_the_draw_alone_fills_the_share(make_document: Make) -> None:
    documents = corpus(make_document, 400)

    def held_out(count: int, seed: int) -> set[str]:
        splits = split_documents(documents[:count], SplitRule(seed=seed, test_fraction=0.3))
        return {document_id for document_id, split in splits.items() if split == "test"}

    # More than the guaranteed 60 and 120: nothing was added to fill a minimum.
    seed = next(seed for seed in range(50) if len(held_out(200, seed)) > 60 and len(held_out(400, seed)) > 120)

    assert held_out(200, seed) == held_out(400, seed) & {document.document_id for document in documents[:200]}


def test_the_order_of_the_documents_is_of_no_account(make_document: Make) -> None:
    documents = corpus(make_document, 30)

    assert split_documents(documents, SplitRule(seed=1)) == split_documents(documents[::-1], SplitRule(seed=1))


def test_another_seed_draws_another_split(make_document: Make) -> None:
    documents = corpus(make_document, 60)

    assert split_documents(documents, SplitRule(seed=1)) != split_documents(documents, SplitRule(seed=2))


def test_near_duplicates_share_a_side_through_a_chain_and_when_the_first_was_deleted(make_document: Make) -> None:
    documents = corpus(make_document, 40)
    first = [make_document(name=f"copy {n}", duplicate_of=documents[n].document_id, n_words=9) for n in range(40)]
    second = [make_document(name=f"copy of copy {n}", duplicate_of=first[n].document_id, n_words=9) for n in range(40)]
    orphans = [make_document(name=f"orphan {n}", duplicate_of="deleted", n_words=9) for n in range(2)]
    everything = documents + first + second + orphans

    for seed in range(5):
        splits = split_documents(everything, SplitRule(seed=seed))
        for trio in zip(documents, first, second, strict=True):
            assert len({splits[document.document_id] for document in trio}) == 1
        assert splits[orphans[0].document_id] == splits[orphans[1].document_id]


def test_documents_that_name_each_other_as_duplicates_are_one_cluster(make_document: Make) -> None:
    one = make_document(name="one", duplicate_of=make_document(name="two").document_id)
    two = make_document(name="two", duplicate_of=one.document_id)

    assert len(set(cluster_roots([one, two]).values())) == 1


@pytest.mark.parametrize("seed", range(40))
def test_six_documents_give_at_least_two_in_test_and_three_in_train(make_document: Make, seed: int) -> None:
    sides = list(split_documents(corpus(make_document, 6), SplitRule(seed=seed, test_fraction=0.5)).values())

    assert sides.count("test") >= 2
    assert sides.count("train") >= 3


@pytest.mark.parametrize("seed", range(40))
def test_both_splits_hold_prose_even_if_most_of_what_was_written_is_code(make_document: Make, seed: int) -> None:
    prose = [make_document(name=f"article {n}", n_words=1_000) for n in range(2)]
    code = [make_document(name=f"code {n}", n_words=1_000, category="repositories") for n in range(5)]
    splits = split_documents(prose + code, SplitRule(seed=seed, test_fraction=0.5))

    assert {splits[document.document_id] for document in prose} == {"train", "test"}


@pytest.mark.parametrize("seed", range(20))
def test_a_category_with_enough_documents_has_its_share_in_test(make_document: Make, seed: int) -> None:
    posts = [make_document(name=f"post {n}", n_words=50, category="posts") for n in range(20)]
    splits = split_documents([*corpus(make_document, 20), *posts], SplitRule(seed=seed, test_fraction=0.15))

    assert sum(splits[post.document_id] == "test" for post in posts) >= 3


def test_too_few_documents_are_refused_with_what_is_there_and_what_is_needed(make_document: Make) -> None:
    documents = [make_document(name=f"document {n}", n_words=300, author="mira-voss") for n in range(3)]

    with pytest.raises(TooLittleTextError) as refused:
        split_documents(documents, SplitRule(seed=1))

    assert isinstance(refused.value, UserError)
    assert str(refused.value) == (
        "mira-voss has 3 distinct documents and 900 words; a twin needs at least 6 documents and 3,000 words: "
        "add writings to its sources."
    )


def test_repeated_documents_do_not_count_towards_what_is_needed(make_document: Make) -> None:
    documents = corpus(make_document, 3)
    copies = [make_document(name=f"copy {n}", duplicate_of=documents[0].document_id, n_words=1_000) for n in range(9)]

    with pytest.raises(TooLittleTextError, match="3 distinct documents and 3,000 words"):
        split_documents(documents + copies, SplitRule(seed=1))


def test_no_documents_at_all_are_refused_too() -> None:
    with pytest.raises(TooLittleTextError, match="0 distinct documents and 0 words"):
        split_documents([], SplitRule(seed=1))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 15])
def test_a_share_that_is_none_is_refused(make_document: Make, fraction: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_documents(corpus(make_document, 10), SplitRule(seed=1, test_fraction=fraction))


def test_a_validation_side_is_drawn_beside_the_test_side_and_moves_nothing_of_it(make_document: Make) -> None:
    documents = corpus(make_document, 400)
    without = split_documents(documents, SplitRule(seed=1, test_fraction=0.15))
    rule = SplitRule(seed=1, test_fraction=0.15, validation_fraction=0.1)
    splits = split_documents(documents, rule)

    assert {name for name, side in splits.items() if side == "test"} == {
        name for name, side in without.items() if side == "test"
    }
    assert 20 <= sum(side == "validation" for side in splits.values()) <= 60
    fewer = split_documents(documents[:300], rule)
    assert {name: splits[name] for name in fewer} == fewer


def test_a_small_author_has_nothing_to_spare_for_validation(make_document: Make) -> None:
    rule = SplitRule(seed=1, validation_fraction=0.4)

    assert "validation" not in split_documents(corpus(make_document, 49), rule).values()
    assert "validation" in split_documents(corpus(make_document, 50), rule).values()


def test_what_was_published_since_a_day_is_held_out_and_nothing_else(make_document: Make) -> None:
    documents = [
        document.model_copy(update={"published_at": datetime(2026, 1 + number % 12, 1, tzinfo=UTC) if number else None})
        for number, document in enumerate(corpus(make_document, 36))
    ]
    splits = split_documents(documents, SplitRule(test_since=date(2026, 10, 1)))

    assert {name for name, side in splits.items() if side == "test"} == {
        one.document_id for one in documents if one.published_at and one.published_at.month >= 10
    }
    with pytest.raises(TooLittleTextError, match="0 distinct documents published since 2027-01-01"):
        split_documents(documents, SplitRule(test_since=date(2027, 1, 1)))


def test_a_repeated_text_is_as_old_as_its_first_publication(make_document: Make) -> None:
    documents = corpus(make_document, 20)
    dated = [
        one.model_copy(update={"published_at": datetime(2026, 1 + n, 1, tzinfo=UTC)})
        for n, one in enumerate(documents[:12])
    ]
    again = documents[0].model_copy(
        update={
            "document_id": "again",
            "duplicate_of": documents[0].document_id,
            "published_at": datetime(2026, 12, 1, tzinfo=UTC),
        }
    )

    assert split_documents([*dated, again], SplitRule(test_since=date(2026, 10, 1)))["again"] == "train"


@pytest.mark.parametrize("validation", [-0.1, 0.85])
def test_a_share_for_validation_leaves_something_to_train_on(make_document: Make, validation: float) -> None:
    with pytest.raises(ValueError, match="validation_fraction"):
        split_documents(corpus(make_document, 10), SplitRule(validation_fraction=validation))
