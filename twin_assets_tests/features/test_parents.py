import pytest

from twin_assets.features.parents import parent_spans

SPANS = [(0, 10), (11, 20), (21, 30), (31, 40), (41, 50)]
SIZES = [10, 10, 10, 10, 10]


def test_a_text_within_the_limit_is_the_parent_of_all_its_passages():
    assert parent_spans(SPANS, SIZES, [(21, 50)], limit=50) == [(0, 50)] * 5


def test_the_largest_section_that_fits_is_the_parent():
    sections = [(0, 20), (21, 50), (31, 50)]

    assert parent_spans(SPANS, SIZES, sections, limit=30) == [(0, 20), (0, 20), (21, 50), (21, 50), (21, 50)]


def test_a_subsection_is_the_parent_where_its_section_is_too_long():
    sections = [(0, 50), (31, 50)]

    assert parent_spans(SPANS, SIZES, sections, limit=20)[3:] == [(31, 50), (31, 50)]


def test_of_a_section_that_is_too_long_the_part_around_the_passage_is_the_parent():
    assert parent_spans(SPANS, SIZES, [(0, 50)], limit=30) == [(0, 30), (0, 30), (11, 40), (21, 50), (21, 50)]


def test_the_part_around_a_passage_ends_with_its_section():
    assert parent_spans(SPANS, SIZES, [(0, 30), (31, 50)], limit=25) == [
        (0, 20),
        (11, 30),
        (11, 30),
        (31, 50),
        (31, 50),
    ]


def test_a_passage_over_the_limit_is_its_own_parent():
    assert parent_spans([(0, 9), (9, 18)], [80, 80], [(0, 18)], limit=50) == [(0, 9), (9, 18)]


@pytest.mark.parametrize("limit", [1, 15, 25, 35, 45, 100])
def test_a_parent_holds_its_passage_and_keeps_the_limit(limit):
    for (start, end), (low, high) in zip(SPANS, parent_spans(SPANS, SIZES, [(11, 40)], limit=limit), strict=True):
        assert low <= start
        assert end <= high
        assert sum(low <= other[0] and other[1] <= high for other in SPANS) * 10 <= max(limit, 10)


def test_no_passages_have_no_parents():
    assert parent_spans([], [], []) == []
