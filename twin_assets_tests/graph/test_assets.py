"""Every asset as it was really materialized: what it reported, what lies in storage, and what a second run does."""

import re
from collections import Counter

import dagster as dg
import pyarrow.parquet as pq
import pytest
from small_author import AUTHOR, TINY
from upath import UPath

from resources.io_managers import read_rows
from resources.tracker import CANDIDATE
from twin_assets.datasets.curation.splitting import split_documents
from twin_assets.documents import Chunk, CleanedDocument, InstructRow, PreferenceRow, SplitRule
from twin_assets.reporting import rows_version
from twin_assets.training.manifest import read_manifest, verify_manifest

TABLES = {
    "cleaned_documents": (CleanedDocument, [f"cleaned_documents/{AUTHOR}.parquet"]),
    "chunks": (Chunk, [f"chunks/{AUTHOR}.parquet"]),
    "instruct_dataset": (InstructRow, [f"instruct_dataset/{AUTHOR}/{split}.parquet" for split in ("train", "test")]),
    "preference_dataset": (
        PreferenceRow,
        [f"preference_dataset/{AUTHOR}/{split}.parquet" for split in ("train", "test")],
    ),
}
CONTRACT = {
    "cleaned_documents": "document_id author category platform url title text language published_at content_hash "
    "duplicate_of n_words duplicate_kind",
    "chunks": "chunk_id document_id author category position headings text start end n_tokens parent_start parent_end",
    "instruct_dataset": "instruction answer author category document_id start end generator prompt_hash split",
    "preference_dataset": "prompt chosen rejected author category document_id start end rejected_by prompt_hash split",
}
"""The public contract: columns may be added, not renamed."""

CHECKPOINTS = ("sft_checkpoint", "dpo_checkpoint")
PLOTTED = {
    "cleaned_documents": "documents_by_platform",
    "chunks": "chunk_lengths",
    "embeddings": "map",
    "base_model": "loss_curve",
    "sft_checkpoint": "loss_curve",
    "dpo_checkpoint": "loss_curve",
    "eval_report": "perplexity",
    "retrieval_report": "recall",
    "leaderboard": "improvement",
}
PAGES = (f"eval_report/{AUTHOR}.html", f"retrieval_report/{AUTHOR}.html", "leaderboard.html")
ALL = (
    "raw_documents",
    "cleaned_documents",
    "chunks",
    "embeddings",
    "style_profile",
    "instruct_dataset",
    "preference_dataset",
    "base_model",
    "sft_checkpoint",
    "dpo_checkpoint",
    "eval_report",
    "retrieval_report",
    "registered_model",
    "leaderboard",
)


def owner_of(asset: str) -> str | None:
    return None if asset in {"base_model", "leaderboard"} else AUTHOR


def _rows(place, split: str) -> list[InstructRow]:
    return read_rows(UPath(place.artifacts) / f"instruct_dataset/{AUTHOR}/{split}.parquet", InstructRow)


def versions(place) -> dict[str, str]:
    return {asset: (place.materialization(asset, owner_of(asset)).tags or {})["dagster/data_version"] for asset in ALL}


def test_the_job_builds_every_asset_of_the_platform(built):
    with built.states() as reader:
        assert sorted(reader.build_order()) == sorted(ALL)
        assert {state.asset: state.state for state in reader.states(AUTHOR)} == dict.fromkeys(
            reader.build_order(), "fresh"
        )


@pytest.mark.parametrize("asset", ALL)
def test_every_asset_reports_a_summary_where_it_lies_and_a_version_of_its_content(built, asset):
    materialization = built.materialization(asset, owner_of(asset))
    assert materialization.metadata["summary"].value
    assert materialization.metadata["dagster/uri"].value
    assert re.fullmatch(r"[0-9a-f]{16}", materialization.tags["dagster/data_version"])


@pytest.mark.parametrize("asset", TABLES)
def test_a_table_reports_its_rows_and_a_schema_with_descriptions(built, asset):
    entity, files = TABLES[asset]
    metadata = built.metadata(asset)
    assert metadata["dagster/row_count"].value == sum(
        pq.read_metadata(built.artifacts / file).num_rows for file in files
    )
    columns = metadata["dagster/column_schema"].schema.columns
    assert [column.name for column in columns] == list(entity.model_fields)
    assert all(column.description for column in columns)
    lineage = metadata["dagster/column_lineage"].value.deps_by_column
    assert set(lineage) <= set(entity.model_fields)
    assert len(metadata["sample"].value) > 50


@pytest.mark.parametrize("asset", TABLES)
def test_the_columns_in_storage_are_those_of_the_contract(built, asset):
    for file in TABLES[asset][1]:
        names, contract = pq.read_schema(built.artifacts / file).names, CONTRACT[asset].split()
        # Columns may be added behind those of the contract, and none renamed.
        assert names[: len(contract)] == contract


def test_the_collection_reports_what_it_collected_of_which_kind(built):
    metadata = built.metadata("raw_documents")
    assert metadata["dagster/row_count"].value == 12
    assert (metadata["documents_articles"].value, metadata["documents_posts"].value) == (6, 5)
    assert metadata["documents_repositories"].value == 1
    assert metadata["consent"].value == "the author. In writing."


def test_the_repost_is_kept_and_marked(built):
    rows = pq.read_table(built.artifacts / f"cleaned_documents/{AUTHOR}.parquet").to_pylist()
    assert len(rows) == 12
    assert sum(row["duplicate_of"] is not None for row in rows) == 1
    assert built.metadata("cleaned_documents")["duplicates"].value == 1


def test_there_is_a_vector_for_every_chunk(built):
    metadata = built.metadata("embeddings")
    chunks = pq.read_metadata(built.artifacts / f"chunks/{AUTHOR}.parquet").num_rows
    assert metadata["vectors"].value == metadata["vectors_added"].value == chunks


def test_preferences_set_the_author_s_own_text_against_the_base_model_s(built):
    metadata = built.metadata("preference_dataset")
    assert metadata["generated"].value == TINY["ops"]["preference_dataset"]["config"]["max_rows"]
    manifest = read_manifest(built.artifacts / "base_model")
    assert metadata["rejected_by"].value.startswith(manifest.data_version)


@pytest.mark.parametrize("asset", PLOTTED)
def test_a_picture_is_shown_where_one_says_more(built, asset):
    picture = built.metadata(asset, owner_of(asset))[PLOTTED[asset]]
    assert isinstance(picture, dg.MarkdownMetadataValue)
    assert "data:image/png;base64,iVBOR" in picture.value


@pytest.mark.parametrize("asset", CHECKPOINTS)
def test_a_checkpoint_shows_what_was_estimated_beside_what_was_measured(built, asset):
    metadata = built.metadata(asset)
    assert metadata["estimated_memory_gib"].value > 0.5
    assert metadata["estimated_seconds"].value > 0
    assert metadata["estimated_tokens"].value > 0
    assert "this machine" in metadata["estimated_on"].value
    assert "seconds" in metadata


@pytest.mark.parametrize("asset", CHECKPOINTS)
def test_a_checkpoint_is_whole_and_names_what_it_was_trained_from(built, asset):
    manifest = verify_manifest(built.artifacts / asset / AUTHOR)
    metadata = built.metadata(asset)
    assert manifest.metrics["steps"] == TINY["ops"][asset]["config"]["max_steps"]
    assert metadata["spec_hash"].value == manifest.spec_hash
    assert metadata["reused"].value is False
    dataset = {"sft_checkpoint": "instruct_dataset", "dpo_checkpoint": "preference_dataset"}[asset]
    assert manifest.spec.dataset_version == built.materialization(dataset).tags["dagster/data_version"]
    above = built.artifacts / ("base_model" if asset == "sft_checkpoint" else f"sft_checkpoint/{AUTHOR}")
    assert manifest.spec.base_model_version == read_manifest(above).data_version


def test_the_base_model_is_trained_on_nothing_that_is_held_out(built):
    documents = read_rows(UPath(built.artifacts) / f"cleaned_documents/{AUTHOR}.parquet", CleanedDocument)
    split = split_documents(documents, SplitRule(seed=0))
    train = [d for d in documents if split[d.document_id] == "train" and d.duplicate_of is None]
    assert {row.document_id for row in _rows(built, "test")} <= {d for d, side in split.items() if side == "test"}
    assert read_manifest(built.artifacts / "base_model").spec.dataset_version == rows_version(train).value
    assert built.metadata("base_model", None)["documents"].value == len(train)
    assert built.metadata("base_model", None)["documents_held_out_elsewhere"].value == 0


@pytest.mark.parametrize("asset", ["base_model", *CHECKPOINTS, "eval_report", "retrieval_report"])
def test_the_link_to_mlflow_leads_to_a_finished_run(built, asset):
    from mlflow import MlflowClient

    address = built.metadata(asset, owner_of(asset))["mlflow_run"].value
    run = MlflowClient(built.settings.tracking_uri).get_run(address.rsplit("/", 1)[1])
    assert run.info.status == "FINISHED"
    assert run.data.metrics
    assert run.data.tags["author"] == (owner_of(asset) or "all authors")


def test_the_registry_holds_a_version_per_checkpoint_with_its_provenance(built):
    tracker = built.definitions().resources["tracker"]
    found = tracker.versions(f"twin-{AUTHOR}")
    assert [version.tags["stage"] for version in found] == ["sft", "dpo"]
    for version in found:
        manifest = read_manifest(built.artifacts / f"{version.tags['stage']}_checkpoint" / AUTHOR)
        assert version.tags["checkpoint"] == manifest.data_version
        assert version.tags["dataset_version"] == manifest.spec.dataset_version
        assert version.tags["author"] == AUTHOR
        assert version.tags["base_model_licence"]
    assert Counter(alias for version in found for alias in version.aliases)[CANDIDATE] == 1
    candidate = next(version for version in found if CANDIDATE in version.aliases)
    assert candidate.tags["promotion"] == built.metadata("registered_model")["reason"].value
    assert built.metadata("registered_model")["candidate"].value == int(candidate.version)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_needs_nothing_but_itself(built, page):
    html = (built.artifacts / page).read_text(encoding="utf-8")
    assert "Ann Reed" in html
    loaded = re.findall(r"""<(?:script|link|img|iframe)[^>]*?(?:src|href)=["']([^"']+)""", html)
    assert [address for address in loaded if not address.startswith("data:")] == []
    assert "@import" not in html
    assert re.findall(r"url\((?!['\"]?data:)", html) == []


def test_everything_that_a_build_writes_lies_in_home(built):
    assert sorted(path.name for path in built.root.iterdir()) == ["authors", "home", "writings"]
    assert sorted(path.name for path in (built.root / "home").iterdir()) == [
        "artifacts",
        "dagster",
        "mlflow",
        "models",
        "qdrant",
        "warehouse.db",
    ]
    partial = [path for path in built.artifacts.rglob("*") if path.name.startswith(".")]
    assert partial == []


def test_a_second_materialization_has_the_same_versions_and_repeats_no_expensive_work(place):
    before = versions(place)
    with place.instance() as instance:
        job = place.definitions().resolve_job_def("twin")
        result = job.execute_in_process(partition_key=AUTHOR, instance=instance, run_config=TINY)
    assert result.success
    assert versions(place) == before
    assert place.metadata("embeddings")["vectors_added"].value == 0
    assert place.metadata("preference_dataset")["generated"].value == 0
    for asset in ("base_model", *CHECKPOINTS):
        assert place.metadata(asset, owner_of(asset))["reused"].value is True
    registered = place.definitions().resources["tracker"].versions(f"twin-{AUTHOR}")
    assert [version.version for version in registered] == ["1", "2"]
