"""The pages: whole, self-contained, escaped, and honest about what is missing."""

import re

import pytest

from twin_assets.evaluation import pages
from twin_assets.evaluation.leaderboard import leaderboard_rows
from twin_assets.evaluation.reports import Miss, RetrievalReport, SearchScores
from twin_assets.evaluation.retrieval import retrieval_scores
from twin_assets.evaluation.stylometry import style_profile


def assert_self_contained(page):
    assert page.lstrip().startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    sources = re.findall(r'(?:src|srcset|href)="([^"]*)"', page)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "<script" not in page
    assert "@import" not in page
    assert "url(" not in page


def text_of(page):
    """The words of a page, without styles and tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<style>.*?</style>", "", page)).split())


@pytest.fixture(scope="module")
def page(report):
    return pages.eval_page(report, names={"bob": "Bob Smith"})


def test_the_evaluation_page_shows_headline_scores_samples_and_provenance(page):
    assert_self_contained(page)
    text = text_of(page)
    assert "45 % less perplexity" in text
    assert "54.6" in text
    assert "45.1 % 45.1 to 45.1" in text
    assert "Delta to Bob Smith" in text
    assert "0.80 0.75 to 0.85" in text
    assert "Because they weave algebra." in text
    assert "tiny-llama 3f9a" in text
    assert "prefers-color-scheme: dark" in page
    assert page.count("<img ") == 2


def test_what_people_and_models_wrote_is_escaped(page):
    assert "Why &lt;b&gt;engines&lt;/b&gt;?" in page
    assert "<b>engines" not in page
    assert "<Countess>" not in page
    assert "Ada &lt;Countess&gt;" in page


def test_without_likeness_the_page_says_why_and_draws_none(report):
    models = tuple(scores.model_copy(update={"likeness": None}) for scores in report.models)
    bare = report.model_copy(update={"models": models, "human": None, "likeness_note": "The models wrote 12 words."})
    page = pages.eval_page(bare)
    assert "The models wrote 12 words." in page
    assert page.count("<img ") == 1


def test_a_base_model_alone_has_a_page(report):
    page = pages.eval_page(report.model_copy(update={"models": (report.base,), "chosen": None, "samples": ()}))
    assert "Only the base model was measured" in page


def test_equal_reports_give_equal_pages(report, page):
    assert pages.eval_page(report.model_copy(deep=True), names={"bob": "Bob Smith"}) == page


def test_many_samples_are_folded_away(report):
    page = pages.eval_page(report.model_copy(update={"samples": report.samples * 7}))
    assert "<summary>3 more</summary>" in page
    assert page.count('class="sample"') == 7


@pytest.mark.parametrize(
    ("longest", "says"), [(240, "No passage is longer than the model reads"), (300, "1 passages are longer")]
)
def test_the_retrieval_page_shows_recall_lengths_and_misses(longest, says):
    report = RetrievalReport(
        author="ada",
        author_name="Ada",
        embedding_model="all-MiniLM-L6-v2",
        max_tokens=256,
        n_documents=3,
        chunk_tokens=(100, longest),
        exact=retrieval_scores([1, 1, 4, None]),
        half_dropped=retrieval_scores([1, 9, None, None]),
        misses=(Miss(query="Where was it?", document="The Map", returned="Over there."),),
        provenance={},
    )
    page = pages.retrieval_page(report)
    assert_self_contained(page)
    text = text_of(page)
    assert says in text
    assert "Looked for, from The Map Where was it?" in text
    assert "0.75 " in text


def test_the_retrieval_page_compares_the_kinds_of_search():
    scores = retrieval_scores([1, 2, None, 4])
    report = RetrievalReport(
        author="ada",
        author_name="Ada",
        embedding_model="all-MiniLM-L6-v2",
        max_tokens=256,
        n_documents=3,
        chunk_tokens=(100,),
        exact=scores,
        half_dropped=scores,
        modes=(
            SearchScores(mode="hybrid", exact=scores, half_dropped=scores),
            SearchScores(mode="dense", exact=retrieval_scores([None] * 4), half_dropped=scores),
        ),
        provenance={},
    )
    text = text_of(pages.retrieval_page(report))
    assert "dense Sentence as written 0.00 0.00 to 0.00" in text
    assert "hybrid Half of its words 0.25" in text


def test_the_style_page_sets_an_author_beside_the_others():
    ada, bob = style_profile("ada", ["upon the hill she went, " * 200]), style_profile("bob", ["over the hill; " * 200])
    names = {"ada": "Ada", "bob": "Bob"}
    page = pages.style_page(ada, {"ada": ada, "bob": bob}, names=names)
    assert_self_contained(page)
    assert "Commas per 1,000 words 200.0 0.0" in text_of(page)
    alone = pages.style_page(ada, {"ada": ada}, names=names)
    assert "A second author is needed" in alone


def test_the_leaderboard_page_shows_every_author_and_dashes_for_what_is_missing(report):
    rows = leaderboard_rows(
        {"ada": "Ada", "zoe": "Zoe"},
        documents={"ada": 12},
        evaluations={"ada": report},
        retrievals={},
        champions={"ada": "v3"},
    )
    page = pages.leaderboard_page(rows)
    assert_self_contained(page)
    assert "1 of 2 authors has a twin that was measured" in text_of(page)
    assert "Zoe zoe not built yet &ndash;" in text_of(page)
    assert "v3" in page


def test_a_leaderboard_with_nothing_measured_says_so():
    rows = leaderboard_rows({"zoe": "Zoe"}, documents={}, evaluations={}, retrievals={}, champions={})
    page = pages.leaderboard_page(rows)
    assert "No twin has been measured yet" in page
    assert "<img " not in page
