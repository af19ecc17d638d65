from twin_assets.documents import Chunk
from twin_assets.features.coverage import coverage


def chunk(start: int, end: int) -> Chunk:
    return Chunk(
        chunk_id="c",
        document_id="d",
        author="mira-voss",
        category="articles",
        position=0,
        headings=[],
        text="",
        start=start,
        end=end,
        n_tokens=1,
    )


def test_white_space_need_not_be_covered():
    assert coverage("ab  cd\n\nef", [chunk(0, 2), chunk(4, 6), chunk(8, 10)]) == 1.0


def test_what_is_missing_counts_in_characters():
    assert coverage("ab cdef", [chunk(0, 2)]) == 2 / 6
    assert coverage("ab cdef", []) == 0.0


def test_what_is_covered_twice_counts_once_and_the_order_does_not_matter():
    assert coverage("abcdef", [chunk(2, 5), chunk(0, 4), chunk(1, 3)]) == 5 / 6


def test_nothing_to_cover_is_covered():
    assert coverage(" \n", []) == 1.0
