import pytest

from twin_assets.features.mixture import duplicate_share, main_language, shares_lost


def test_the_share_of_words_that_cleaning_dropped_is_told_for_each_document(raw, cleaned):
    collected = [
        raw("one two three four", document_id="half"),
        raw("one two", document_id="gone"),
        raw("one two", document_id="whole"),
    ]

    assert shares_lost(collected, [cleaned("one two", "half"), cleaned("one two", "whole")]) == {
        "half": 0.5,
        "gone": 1.0,
        "whole": 0.0,
    }


def test_markup_scripts_and_binary_files_are_no_words(raw, cleaned):
    page = raw("<html><style>a b c</style><p class='x y z'>one <b>two</b></p></html>", media_type="text/html")
    repository = raw(None, document_id="repo", category="repositories", files={"a.py": "x = 1", "b.bin": "\0 1 2 3"})

    assert shares_lost([page, repository], [cleaned("one two"), cleaned("x = 1", "repo")]) == {"doc-1": 0, "repo": 0}


def test_the_share_of_duplicates(cleaned):
    documents = [cleaned("a", "1"), cleaned("a", "2", duplicate_of="1"), cleaned("b", "3"), cleaned("c", "4")]

    assert duplicate_share(documents) == 0.25
    assert duplicate_share([]) == 0.0


def test_the_main_language_is_that_of_most_words_among_those_that_are_known(cleaned):
    documents = [
        cleaned("one two three", "1", language="en"),
        cleaned("eins", "2", language="de"),
        cleaned("? " * 50, "3", language=None),
    ]

    assert main_language(documents) == ("en", pytest.approx(0.75))
    assert main_language(documents[2:]) == (None, 1.0)
