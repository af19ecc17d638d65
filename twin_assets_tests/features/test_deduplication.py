import random
from datetime import UTC, datetime

import numpy as np
import pytest

from twin_assets.features import deduplication
from twin_assets.features.deduplication import (
    MAX_SHARING,
    Candidates,
    containment,
    mark_across_authors,
    mark_near_duplicates,
    shingles,
)


def words(seed: int, count: int) -> str:
    rng = random.Random(seed)  # noqa: S311  # no secret is made here
    return " ".join(f"w{rng.randrange(5000)}" for _ in range(count))


def marks(documents):
    return {document.document_id: document.duplicate_of for document in mark_near_duplicates(documents)}


def test_a_shortened_cross_post_points_to_the_longer_article(cleaned):
    article = words(1, 400)
    documents = [cleaned(words(2, 200), "other"), cleaned(article[:900], "short"), cleaned(article, "long")]

    assert marks(documents) == {"other": None, "short": "long", "long": None}


def test_of_two_equal_documents_the_one_published_first_is_kept(cleaned):
    text = words(1, 100)
    documents = [
        cleaned(text, "a"),
        cleaned(text, "b", published_at=datetime(2024, 2, 1, tzinfo=UTC)),
        cleaned(text, "c", published_at=datetime(2023, 2, 1, tzinfo=UTC)),
    ]

    assert marks(documents) == {"a": "c", "b": "c", "c": None}


def test_of_two_equal_documents_without_a_date_the_smaller_id_is_kept_whatever_the_order(cleaned):
    documents = [cleaned(words(1, 100), "b"), cleaned(words(1, 100), "a")]

    assert marks(documents) == marks(documents[::-1]) == {"a": None, "b": "a"}


def test_documents_that_share_a_section_are_both_kept(cleaned):
    shared = words(1, 100)
    documents = [cleaned(f"{shared} {words(2, 200)}", "a"), cleaned(f"{shared} {words(3, 220)}", "b")]

    assert marks(documents) == {"a": None, "b": None}


def test_an_announcement_that_stands_in_two_lessons_does_not_make_them_one(cleaned):
    announcement = words(1, 60)
    documents = [
        cleaned(announcement, "announcement"),
        cleaned(f"{announcement} {words(2, 400)}", "lesson-1"),
        cleaned(f"{announcement} {words(3, 500)}", "lesson-2"),
    ]

    assert marks(documents) == {"announcement": "lesson-2", "lesson-1": None, "lesson-2": None}


def test_case_and_punctuation_do_not_hide_a_duplicate(cleaned):
    text = words(1, 50)
    documents = [cleaned(text.upper().replace(" ", ", "), "a"), cleaned(f"{text} and more", "b")]

    assert marks(documents) == {"a": "b", "b": None}


def test_short_and_empty_documents_are_compared_whole(cleaned):
    documents = [cleaned("ship it", "a"), cleaned("Ship it!", "b"), cleaned("it ship", "c"), cleaned("—", "d")]

    assert marks(documents) == {"a": None, "b": "a", "c": None, "d": None}


def test_the_order_and_everything_else_stays_and_the_seed_changes_nothing(cleaned):
    documents = [cleaned(words(seed % 3, 80 + seed % 2), str(seed)) for seed in range(6)]
    results = [mark_near_duplicates(documents, seed=seed) for seed in (0, 1, 2)]

    assert results[0] == results[1] == results[2]
    unmarked = [found.model_copy(update={"duplicate_of": None, "duplicate_kind": None}) for found in results[0]]
    assert unmarked == documents


def test_a_mark_from_an_earlier_run_is_not_believed(cleaned):
    assert marks([cleaned(words(1, 50), "a", duplicate_of="gone")]) == {"a": None}


def test_documents_of_two_authors_are_refused(cleaned):
    with pytest.raises(ValueError, match="one author"):
        mark_near_duplicates([cleaned("a", "a"), cleaned("a", "b", author="someone-else")])


def test_two_documents_with_one_id_are_refused(cleaned):
    with pytest.raises(ValueError, match="one document_id"):
        mark_near_duplicates([cleaned("a"), cleaned("b")])


def test_no_documents_are_no_duplicates():
    assert mark_near_duplicates([]) == []


def test_the_order_of_words_counts():
    assert containment(shingles("one two three four five six"), shingles("six five four three two one")) == 0.0


def test_containment_is_the_share_of_the_smaller_set():
    one, other = np.array([1, 2, 3, 4], dtype=np.uint64), np.array([3, 4, 5, 6, 7, 8], dtype=np.uint64)

    assert containment(one, other) == containment(other, one) == 0.5


def test_candidates_are_found_among_documents_of_very_different_length():
    long, candidates = words(1, 2000), Candidates(seed=0)
    candidates.add("long", candidates.sketch(shingles(long)))

    assert candidates.near(candidates.sketch(shingles(" ".join(long.split()[500:650])))) == ["long"]
    assert candidates.near(candidates.sketch(shingles(words(2, 2000)))) == []


@pytest.fixture
def comparisons(monkeypatch):
    """How often two documents were compared, as a list of ones."""
    made = []
    monkeypatch.setattr(deduplication, "containment", lambda *pair: made.append(1) or containment(*pair))
    return made


def test_posts_that_share_their_hashtags_are_not_all_compared_with_each_other(cleaned, comparisons):
    tagged = [f"{words(seed, 30)} #one #two #three #four #five #six" for seed in range(400)]
    candidates = Candidates(seed=0)
    for seed, text in enumerate(tagged[1:]):
        candidates.add(str(seed), candidates.sketch(shingles(text)))

    assert len(candidates.sharing(candidates.sketch(shingles(tagged[0])))) < MAX_SHARING
    assert set(marks([cleaned(text, str(seed)) for seed, text in enumerate(tagged)]).values()) == {None}
    assert comparisons == []


@pytest.mark.parametrize("times", [1, 2, 4, 8])
def test_no_near_duplicate_is_passed_over_however_much_longer_the_other_one_is(times):
    candidates = Candidates(seed=0)
    pairs = {}
    for seed in range(40):
        short = np.arange(200, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(seed << 32 | seed * 7919)
        rest = np.arange(200 * times, dtype=np.uint64) * np.uint64(40503) + np.uint64((seed + 100) << 34 | 1)
        pairs[str(seed)] = short
        long = np.concatenate([short[:101], rest[: 200 * times - 101]])
        candidates.add(str(seed), candidates.sketch(np.unique(long)))

    assert [name for name, short in pairs.items() if name not in candidates.near(candidates.sketch(short))] == []


def test_a_document_that_hardly_resembles_another_is_not_compared_with_it(cleaned, comparisons):
    shared, own = words(1, 100), [words(seed, 100) for seed in (2, 3, 4)]
    documents = [cleaned(f"{shared[: len(shared) // 4]} {text}", str(seed)) for seed, text in enumerate(own)]

    assert set(marks(documents).values()) == {None}
    assert comparisons == []
    # A third of each is shared, and twice as much of the shorter one: near enough to look.
    marks([cleaned(f"{shared} {own[0]}", "long"), cleaned(f"{shared[: len(shared) // 2]} {own[1][:200]}", "short")])
    assert comparisons


def test_a_text_that_stands_there_many_times_is_compared_with_one_of_them_alone(cleaned, comparisons):
    text = words(1, 100)
    documents = [cleaned(f"{text} {seed}", f"{seed:03}") for seed in range(200)]

    assert marks(documents) == {"000": None} | {f"{seed:03}": "000" for seed in range(1, 200)}
    assert len(comparisons) == 199


def test_the_kind_of_a_duplicate_is_told(cleaned):
    text = words(1, 100)
    documents = [
        cleaned(f"{text} and more", "kept"),
        cleaned(text, "near"),
        cleaned(f"{text.upper()}, AND MORE!", "same", published_at=datetime(2024, 2, 1, tzinfo=UTC)),
        cleaned(f"{text} and more", "elsewhere", platform="medium"),
        cleaned(words(2, 100), "other"),
    ]
    kinds = {document.document_id: document.duplicate_kind for document in mark_near_duplicates(documents)}

    assert kinds == {"kept": "exact", "near": "near", "same": None, "elsewhere": "cross-post", "other": None}


def test_across_authors_the_document_published_first_is_kept_whoever_is_built_first(cleaned):
    text = words(1, 200)
    documents = [
        cleaned(text, "later", author="ann-reed", published_at=datetime(2024, 2, 1, tzinfo=UTC)),
        cleaned(text[:700], "z-first", author="mira-voss", published_at=datetime(2023, 2, 1, tzinfo=UTC)),
        cleaned(text, "undated", author="abe-zorn"),
        cleaned(words(2, 200), "own", author="abe-zorn"),
    ]

    assert mark_across_authors(documents) == {"later": "z-first", "undated": "z-first"}
    assert mark_across_authors(documents[::-1]) == mark_across_authors(documents)


def test_across_authors_an_author_s_own_duplicates_are_passed_over(cleaned):
    text = words(1, 200)
    documents = [
        cleaned(text, "a", author="ann-reed"),
        cleaned(text, "b", author="ann-reed", duplicate_of="a"),
        cleaned(text, "c", author="mira-voss"),
    ]

    assert mark_across_authors(documents) == {"c": "a"}
    assert mark_across_authors(documents[:2]) == {}
    assert mark_across_authors([cleaned(text, name, author="ann-reed") for name in "ab"]) == {}
