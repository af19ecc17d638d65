"""BM25 by hand: weights, terms, names of terms."""

import pytest

from resources.bm25 import Bm25


def weight(tf, length, *, k1=1.2, b=0.75, average=50.0):
    return tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average))


def test_the_weight_of_a_term_saturates_and_a_long_passage_counts_less():
    bm25 = Bm25()
    once, often = bm25.passage("lantern"), bm25.passage("lantern " * 9)
    assert once.values == pytest.approx([weight(1, 1)])
    assert often.values == pytest.approx([weight(9, 9)])
    assert often.values[0] < 2.2 * once.values[0]
    among_others = bm25.passage("lantern " + " ".join(f"word{number}" for number in range(99)))
    assert among_others.values == pytest.approx([weight(1, 100)] * 100)


def test_parameters_count():
    text = "lantern lantern queue"
    assert Bm25(b=0).passage(text).values == pytest.approx(Bm25(b=0, average_terms=3).passage(text).values)
    assert set(Bm25(k1=0).passage(text).values) == {1.0}


def test_a_query_asks_for_each_of_its_terms_once():
    bm25 = Bm25()
    query = bm25.query("lantern, Lanterns; queue")
    assert query.values == [1.0, 1.0]
    assert set(query.indices) == set(bm25.passage("a queue of lanterns").indices)


def test_terms_are_stems_in_lower_case_without_stop_words():
    assert Bm25().terms("The Queues weren't waiting, and don\u2019t wait") == ["queue", "wait", "wait"]
    assert Bm25(stemmer="german", stop_words="de").terms("Die Warteschlangen und der Wartende") == [
        "warteschlang",
        "wartend",
    ]


def test_ids_are_ascending_and_the_same_in_every_process():
    vector = Bm25().passage("queue lantern backup")
    assert vector.indices == sorted(vector.indices)
    # CRC-32 of 'lantern': with another name, no stored vector would be found.
    assert Bm25().query("lantern").indices == [697468183]


def test_a_text_of_stop_words_alone_has_no_terms():
    assert Bm25().passage("it is what it is") == ([], [])
