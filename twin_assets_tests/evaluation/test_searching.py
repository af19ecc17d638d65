"""Retrieval measured in each kind of search: the queries as written and halved, the answers to the right ranks."""

import json
from typing import NamedTuple

import numpy as np
import pytest

from resources.bm25 import Bm25
from resources.embedder import EncodedTexts
from twin_assets.documents import Chunk, CleanedDocument, chunk_id_for
from twin_assets.evaluation.retrieval import drop_half_of_the_words, sentence_queries
from twin_assets.evaluation.searching import measure_retrieval

SENTENCES = (
    "The vacuum finished long before anybody on call had noticed it.",
    "A queue is a loan that the night shift has to pay back.",
    "Disks fill at night because that is when the reports are written.",
)
TEXT = "\n\n".join(SENTENCES)


class Found(NamedTuple):
    chunk: Chunk


class Encoder:
    """Real BM25 terms; the dense half is not looked at by the index below."""

    model_name = "acme"
    max_tokens = 256

    def encode_queries(self, texts):
        return EncodedTexts(np.array([[len(text)] for text in texts]), [Bm25().query(text) for text in texts], {})


class Index:
    """Answers hybrid queries rightly, sparse ones with the right passage second, dense ones not at all."""

    def __init__(self, chunks):
        self.chunks = chunks
        self.asked = []

    def search(self, queries, *, limit, mode):
        self.asked.append((mode, limit, [int(length) for (length,) in queries.dense]))
        ranked = [sorted(self.chunks, key=lambda c: -self.overlap(c, terms)) for terms in queries.sparse]
        places = {"hybrid": [0, 1], "sparse": [2, 0], "dense": [1, 2]}[mode]
        return [[Found(some[place]) for place in places] for some in ranked]

    @staticmethod
    def overlap(chunk, terms):
        return len(set(Bm25().query(chunk.text).indices) & set(terms.indices))


@pytest.fixture
def measured():
    document = CleanedDocument(
        document_id="d",
        author="ada",
        category="articles",
        platform="blog",
        url=None,
        title="On call",
        text=TEXT,
        language="en",
        published_at=None,
        content_hash="0",
        duplicate_of=None,
        n_words=len(TEXT.split()),
    )
    chunks = [
        Chunk(
            chunk_id=chunk_id_for("d", sentence, 0),
            document_id="d",
            author="ada",
            category="articles",
            position=place,
            headings=[],
            text=sentence,
            start=TEXT.index(sentence),
            end=TEXT.index(sentence) + len(sentence),
            n_tokens=12,
        )
        for place, sentence in enumerate(SENTENCES)
    ]
    index = Index(chunks)
    report = measure_retrieval(
        index,
        Encoder(),
        author="ada",
        author_name="Ada",
        queries=sentence_queries([document]),
        documents=[document],
        chunks=chunks,
        seed=0,
    )
    return index, report


def test_each_kind_of_search_is_asked_whole_and_halved_queries(measured):
    index, _ = measured
    whole, half = [len(s) for s in SENTENCES], [len(drop_half_of_the_words(s, 0)) for s in SENTENCES]
    assert index.asked == [(mode, 10, lengths) for mode in ("hybrid", "dense", "sparse") for lengths in (whole, half)]


def test_each_kind_of_search_has_its_own_scores_and_the_report_is_about_hybrid_search(measured):
    _, report = measured
    assert [scores.mode for scores in report.modes] == ["hybrid", "dense", "sparse"]
    assert [scores.exact.ranks for scores in report.modes] == [(1, 1, 1), (None, None, None), (2, 2, 2)]
    assert [scores.exact.mrr.estimate for scores in report.modes] == [1, 0, 0.5]
    assert report.exact == report.modes[0].exact
    assert report.half_dropped == report.modes[0].half_dropped
    assert report.misses == ()
    assert json.loads(report.model_dump_json())["exact"]["recall"]["5"]["estimate"] == 1
