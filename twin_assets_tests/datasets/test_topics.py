import numpy as np
import pytest

from twin_assets.datasets.topics import MAX_TOPICS, topics
from twin_assets.documents import CleanedDocument

Texts = tuple[list[str], np.ndarray, np.ndarray]


@pytest.fixture
def six_subjects(library: list[CleanedDocument]) -> Texts:
    """Paragraphs of six articles, with vectors that lie in six tight groups, mixed."""
    texts = [
        (paragraph, number)
        for number, document in enumerate(library[:6])
        for paragraph in document.text.split("\n\n")
        if not paragraph.startswith("#")
    ]
    order = np.random.default_rng(1).permutation(len(texts))
    subjects = np.array([texts[place][1] for place in order])
    centres = np.linalg.qr(np.random.default_rng(2).normal(size=(32, 6)))[0].T
    vectors = centres[subjects] + np.random.default_rng(3).normal(scale=0.05, size=(len(texts), 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [texts[place][0] for place in order], vectors.astype(np.float32), subjects


def test_as_many_topics_are_found_as_there_are_subjects_and_each_row_is_in_its_own(six_subjects: Texts) -> None:
    texts, vectors, subjects = six_subjects
    found = topics(texts, vectors, seed=0)

    assert len(found.clusters) == 6
    assert found.silhouette is not None
    assert found.silhouette > 0.7
    assert sorted(row for cluster in found.clusters for row in cluster.rows) == list(range(len(texts)))
    for cluster in found.clusters:
        assert len({int(subjects[row]) for row in cluster.rows}) == 1
    sizes = [len(cluster.rows) for cluster in found.clusters]
    assert sizes == sorted(sizes, reverse=True)


def test_a_topic_is_named_by_words_of_its_own_texts_and_no_word_names_two(six_subjects: Texts) -> None:
    texts, vectors, _ = six_subjects
    clusters = topics(texts, vectors, seed=0).clusters
    phrases = [phrase for cluster in clusters for phrase in cluster.name.split(", ")]

    assert len(phrases) == len(set(phrases)) >= 12
    for cluster in clusters:
        own = " ".join(texts[row] for row in cluster.rows).lower()
        others = " ".join(texts[row] for other in clusters if other != cluster for row in other.rows).lower()
        for phrase in cluster.name.lower().split(", "):
            assert own.count(phrase) > others.count(phrase)


def test_the_most_central_row_comes_first(six_subjects: Texts) -> None:
    texts, vectors, _ = six_subjects
    for cluster in topics(texts, vectors, seed=0).clusters:
        nearness = vectors[list(cluster.rows)] @ vectors[list(cluster.rows)].mean(axis=0)
        assert list(nearness) == sorted(nearness, reverse=True)


def test_equal_rows_give_equal_topics(six_subjects: Texts) -> None:
    texts, vectors, _ = six_subjects

    assert topics(texts, vectors, seed=4) == topics(list(texts), vectors.copy(), seed=4)


@pytest.mark.parametrize("count", [1, 5, 15])
def test_few_rows_are_one_topic(count: int, six_subjects: Texts) -> None:
    texts, vectors, _ = six_subjects
    found = topics(texts[:count], vectors[:count], seed=0)

    assert [len(cluster.rows) for cluster in found.clusters] == [count]
    assert found.silhouette is None


def test_rows_that_all_mean_the_same_are_one_topic(six_subjects: Texts) -> None:
    texts, vectors, _ = six_subjects

    assert len(topics(texts, np.repeat(vectors[:1], len(texts), axis=0), seed=0).clusters) == 1


def test_there_are_never_more_topics_than_can_be_told_apart() -> None:
    vectors = np.random.default_rng(0).normal(size=(400, 30)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    assert 2 <= len(topics([f"Text {row}" for row in range(400)], vectors, seed=0).clusters) <= MAX_TOPICS


def test_vectors_that_do_not_belong_to_the_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="one vector for each text"):
        topics(["One."], np.zeros((2, 3), np.float32), seed=0)
