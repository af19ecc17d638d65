"""The two tables of the feature stage, materialized for real on a small author."""

from itertools import pairwise

import dagster as dg
import pyarrow.parquet as pq
import pytest
import yaml

from twin_assets.definitions import build_defs
from twin_assets.settings import Settings

AUTHOR = "ann-reed"
BOX = "I send one letter a month about queues and databases, and nothing else at all."
THINGS = ("backup", "queue", "index", "handover", "migration", "certificate", "deploy", "alert")


def article(thing: str) -> str:
    sentences = [
        f"The {thing} that nobody looked at in {month} is the {thing} that fails on a Sunday in {later}, number {n}."
        for n, (month, later) in enumerate(
            [("January", "May"), ("June", "July"), ("March", "April"), ("August", "October")] * 30
        )
    ]
    return f"# About the {thing}\n\nAsk ann@reed.io. {' '.join(sentences)}\n\n{BOX}\n"


@pytest.fixture
def place(tmp_path, make_author, make_folder):
    articles = {f"articles/{thing}.md": article(thing) for thing in THINGS}
    # A post has no title, so its text stands in the samples.
    folder = make_folder({**articles, "posts/a-question.md": "Is it only me? Write to ann@reed.io, or come by."})
    return Settings(home=tmp_path / "home", authors_dir=make_author(AUTHOR, folder))


@pytest.fixture
def materialize(place):
    definitions = build_defs(settings=place)
    assets = [definitions.get_assets_def(name) for name in ("raw_documents", "cleaned_documents", "chunks")]

    def run(**config):
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("authors", [AUTHOR])
            result = dg.materialize(
                assets,
                partition_key=AUTHOR,
                instance=instance,
                resources=definitions.resources,
                run_config={"ops": {"chunks": {"config": config}}},
            )
            assert result.success
            return {
                name: result.asset_materializations_for_node(name)[0].metadata
                for name in ("raw_documents", "cleaned_documents", "chunks")
            }

    return run


def rows(place, asset):
    return pq.read_table(place.home / "artifacts" / asset / f"{AUTHOR}.parquet").to_pylist()


def test_the_documents_are_clean_masked_and_described(place, materialize):
    metadata = materialize()["cleaned_documents"]
    documents = rows(place, "cleaned_documents")

    assert len(documents) == len(THINGS) + 1
    assert all(BOX not in document["text"] and "[EMAIL]" in document["text"] for document in documents)
    assert {document["language"] for document in documents} == {"en"}
    assert metadata["masked"].value == len(THINGS) + 1
    assert metadata["characters_dropped"].value >= len(THINGS) * len(BOX)
    for picture in ("documents_by_platform", "dropped_text"):
        assert "data:image/png;base64,iVBOR" in metadata[picture].value
    # No article has a date.
    assert "publication_dates" not in metadata


def test_an_author_s_setting_keeps_the_address_in_the_text_but_never_in_a_sample(place, materialize):
    file = place.authors_dir / f"{AUTHOR}.yaml"
    author = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump({**author, "privacy": {"mask": False}}), encoding="utf-8")
    metadata = materialize()

    assert all("ann@reed.io" in document["text"] for document in rows(place, "cleaned_documents"))
    assert metadata["cleaned_documents"]["masked"].value == 0
    assert "[EMAIL]" in metadata["raw_documents"]["sample"].value
    assert "reed.io" not in str(metadata)


def test_passages_overlap_as_far_as_the_run_says(place, materialize):
    materialize()
    apart = rows(place, "chunks")
    metadata = materialize(overlap_tokens=32)["chunks"]
    overlapping = rows(place, "chunks")

    assert not any(one["end"] > other["start"] for one, other in _neighbours(apart))
    assert sum(one["end"] > other["start"] for one, other in _neighbours(overlapping)) > len(THINGS)
    assert max(chunk["n_tokens"] for chunk in overlapping) <= 128
    assert metadata["overlap_tokens"].value == 32
    assert metadata["coverage_min"].value == 1.0
    assert "data:image/png;base64,iVBOR" in metadata["chunk_lengths"].value


def _neighbours(chunks):
    return [(one, other) for one, other in pairwise(chunks) if one["document_id"] == other["document_id"]]
