import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from twin_assets_tests.end_to_end.conftest import Platform, new_platform

AUTHORS = ("maxime-labonne", "paul-iusztin")
FURNITURE = re.compile(r"^\W*(subscribe( now)?|share this post|sign ?in)\W*$", re.IGNORECASE | re.MULTILINE)


@pytest.fixture(scope="module")
def imported(handbook: Path, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = new_platform(tmp_path_factory.mktemp("handbook"))
    platform.twin("import", str(handbook))
    for author in AUTHORS:
        platform.twin("build", author, "--until", "retrieval_report")
    return platform


def _table(platform: Platform, asset: str, author: str) -> list[dict]:
    rows: list[dict] = pq.read_table(platform.artifact(f"{asset}/{author}.parquet")).to_pylist()
    return rows


def test_an_export_equals_what_was_imported(imported: Platform, handbook: Path, tmp_path: Path) -> None:
    imported.twin("export", str(tmp_path), *(word for author in AUTHORS for word in ("--author", author)))

    for name in ("UserDocument.json", "ArticleDocument.json", "PostDocument.json", "RepositoryDocument.json"):
        assert json.loads((tmp_path / name).read_text()) == json.loads((handbook / name).read_text()), name


def test_no_chunk_is_longer_than_the_model_reads(imported: Platform) -> None:
    assert max(row["n_tokens"] for author in AUTHORS for row in _table(imported, "chunks", author)) <= 256


def test_chunks_stand_verbatim_in_their_document_and_cover_it(imported: Platform) -> None:
    for author in AUTHORS:
        texts = {row["document_id"]: row["text"] for row in _table(imported, "cleaned_documents", author)}
        covered: dict[str, set[int]] = {name: set() for name in texts}
        for chunk in _table(imported, "chunks", author):
            assert texts[chunk["document_id"]][chunk["start"] : chunk["end"]] == chunk["text"]
            covered[chunk["document_id"]].update(range(chunk["start"], chunk["end"]))
        for name, text in texts.items():
            letters = [place for place, letter in enumerate(text) if not letter.isspace()]
            assert sum(place in covered[name] for place in letters) >= 0.995 * len(letters), name


def test_site_furniture_is_gone_and_contractions_are_whole(imported: Platform) -> None:
    documents = [row for author in AUTHORS for row in _table(imported, "cleaned_documents", author)]

    assert len(documents) == 76
    assert sum(bool(FURNITURE.search(row["text"])) for row in documents) <= 0.05 * len(documents)
    assert not [row["title"] for row in documents if re.search(r"\b(don|can|isn|doesn|didn|won) t\b", row["text"])]


def test_cross_posts_are_marked_and_no_two_different_articles(imported: Platform) -> None:
    documents = {row["document_id"]: row for author in AUTHORS for row in _table(imported, "cleaned_documents", author)}
    pairs = [
        {row["platform"], documents[row["duplicate_of"]]["platform"]}
        for row in documents.values()
        if row["duplicate_of"]
    ]

    # Five cross-posts, and an announcement on the one platform that a lesson on the other repeats.
    assert pairs == [{"medium", "decodingml.substack.com"}] * 6


def test_sentences_are_found_among_the_first_five_passages(imported: Platform) -> None:
    hits, queries = 0.0, 0
    for author in AUTHORS:
        exact = json.loads(imported.artifact(f"retrieval_report/{author}.json").read_text())["exact"]
        hits += exact["recall"]["5"]["estimate"] * exact["n_queries"]
        queries += exact["n_queries"]

    assert queries > 500
    assert hits / queries >= 0.69
