"""Queries from documents, ranks of passages, recall and MRR by hand."""

import pytest

from twin_assets.documents import Chunk, CleanedDocument
from twin_assets.evaluation.retrieval import (
    RetrievalQuery,
    RetrievalScores,
    drop_half_of_the_words,
    rank_of,
    retrieval_scores,
    sentence_queries,
)

ARTICLE = """# A heading that is long enough to be taken for a sentence.

Every slow system I have met was about to get a queue. Short one. It finishes sixty
messages a second, e.g. on a Tuesday, and then it stops for a while.

See [the other page](https://a.example) for what I wrote about this last year. The same words stand here twice in all.

> Somebody else said this, and it stands here as a quotation only.

- An item in a list is not a paragraph, so nobody should ask for it.

```python
# This comment is a sentence of more than eight words in code.
```

| This table has a cell with more than eight words in it. | b |
|---|---|
| c | d |

The same words stand here twice in all.
"""


def document(text=ARTICLE, document_id="d1", duplicate_of=None):
    return CleanedDocument(
        document_id=document_id,
        author="ada",
        category="articles",
        platform="blog",
        url=None,
        title=None,
        text=text,
        language="en",
        published_at=None,
        content_hash="0",
        duplicate_of=duplicate_of,
        n_words=len(text.split()),
    )


def chunk(text, *, document_id="d1", start=0, end=0):
    return Chunk(
        chunk_id="c",
        document_id=document_id,
        author="ada",
        category="articles",
        position=0,
        headings=[],
        text=text,
        start=start,
        end=end,
        n_tokens=1,
    )


def test_queries_are_whole_plain_sentences_of_paragraphs_verbatim_and_unique():
    queries = sentence_queries([document()])
    assert [query.text for query in queries] == [
        "Every slow system I have met was about to get a queue.",
        "It finishes sixty\nmessages a second, e.g. on a Tuesday, and then it stops for a while.",
    ]
    assert all(ARTICLE[query.start : query.end] == query.text for query in queries)


def test_offsets_hold_after_carriage_returns():
    text = ARTICLE.replace("\n", "\r\n")
    queries = sentence_queries([document(text)])
    assert len(queries) == 2
    assert all(text[query.start : query.end] == query.text for query in queries)


def test_a_near_duplicate_is_not_asked_for():
    assert sentence_queries([document(duplicate_of="d0")]) == []


def test_a_new_document_moves_no_old_query():
    many = " ".join(f"This is sentence number {word} of the long paragraph here." for word in "abcdefghijklmnop")
    alone = sentence_queries([document(many)], per_document=3)
    beside = sentence_queries([document(many.replace("long", "new"), "d0"), document(many)], per_document=3)
    assert len(alone) == 3
    assert beside[3:] == alone
    assert [query.start for query in alone] == sorted(query.start for query in alone)
    assert sentence_queries([document(many)], per_document=3, seed=1) != alone


def test_half_of_the_words_stay_in_their_order():
    query = "one two three four five six seven"
    kept = drop_half_of_the_words(query).split()
    assert len(kept) == 4
    assert kept == [word for word in query.split() if word in kept]
    assert drop_half_of_the_words(query) == " ".join(kept)
    assert len({drop_half_of_the_words(query, seed) for seed in range(10)}) > 1


def test_a_passage_answers_by_span_or_by_text_and_a_near_duplicate_counts():
    query = RetrievalQuery(document_id="d1", text="A sentence\nof mine.", start=10, end=29)
    elsewhere = chunk("nothing", document_id="d2", start=0, end=500)
    cut_off = chunk("A sentence", start=0, end=20)
    by_span = chunk("edited since", start=10, end=29)
    by_text = chunk("Before. A sentence of mine. After.", document_id="d9")
    assert rank_of(query, [elsewhere, cut_off, by_span]) == 3
    assert rank_of(query, [elsewhere, by_text, by_span]) == 2
    assert rank_of(query, [elsewhere, cut_off]) is None
    assert rank_of(query, []) is None


def test_recall_and_mrr_are_those_worked_out_by_hand():
    scores = retrieval_scores([1, 2, 4, 10, 11, None, 1, 6])
    assert {k: interval.estimate for k, interval in scores.recall.items()} == {1: 2 / 8, 3: 3 / 8, 5: 4 / 8, 10: 6 / 8}
    assert scores.mrr.estimate == pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 10 + 0 + 0 + 1 + 1 / 6) / 8)
    assert scores.n_queries == 8


def test_intervals_over_documents_are_honest_about_few_documents():
    ranks = [1, 1, 1, 1, None, None, None, None]
    over_queries = retrieval_scores(ranks).recall[1]
    over_documents = retrieval_scores(ranks, document_ids=["a"] * 4 + ["b"] * 4).recall[1]
    assert over_documents.estimate == over_queries.estimate == 0.5
    assert (over_documents.low, over_documents.high, over_documents.n) == (0, 1, 2)
    assert over_queries.low > 0


def test_scores_survive_json():
    scores = retrieval_scores([1, None, 3])
    assert RetrievalScores.model_validate_json(scores.model_dump_json()) == scores


@pytest.mark.parametrize(
    ("ranks", "documents", "message"),
    [([], None, "no queries"), ([0], None, "count from 1"), ([1], ["a", "b"], "1 ranks and 2 documents")],
)
def test_what_cannot_be_scored_is_refused(ranks, documents, message):
    with pytest.raises(ValueError, match=message):
        retrieval_scores(ranks, document_ids=documents)
