"""Checks of the feature stage: nothing of the author's was lost, nothing of the site's was kept, all is in step."""

import re

import dagster as dg

from resources.embedder import Embedder
from resources.project import Project
from resources.vector_store import VectorStore
from twin_assets.checks import none_of, verdict
from twin_assets.datasets.splitting import split_documents
from twin_assets.documents import Chunk, CleanedDocument
from twin_assets.errors import UserError
from twin_assets.features.assets import chunks, cleaned_documents, embeddings
from twin_assets.features.coverage import coverage
from twin_assets.partitions import authors_partitions

WITH_DOCUMENTS = {"cleaned_documents": dg.AssetIn("cleaned_documents")}
"""What a check needs that compares rows with the text they come from."""

MIN_COVERAGE = 0.995
"""Share of a document's characters that its passages have to hold; the rest may be bare headings and rules."""

FURNITURE_LINE = re.compile(r"^\W*(subscribe( now)?|share this post|sign ?in|subscribe ?sign in)\W*$", re.IGNORECASE)
MAX_FURNITURE_SHARE = 0.05
"""Share of documents that may keep such a line: an author may write one as a heading of their own."""

BROKEN_CONTRACTION = re.compile(r"\b(?:don|can|won|isn|doesn|didn|aren|couldn|wouldn) t\b")


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions, blocking=True)
def enough_text(cleaned_documents: list[CleanedDocument], project: Project) -> dg.AssetCheckResult:
    """There are documents and words enough to hold some back for evaluation."""
    try:
        split = split_documents(cleaned_documents, seed=project.seed, test_fraction=project.test_fraction)
    except UserError as error:
        return dg.AssetCheckResult(passed=False, description=str(error))
    held_out = sum(side == "test" for side in split.values())
    return verdict(
        passed=True,
        expected="documents on both sides",
        actual=f"{len(split) - held_out} to train on, {held_out} held out",
    )


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions)
def site_furniture_is_gone(cleaned_documents: list[CleanedDocument]) -> dg.AssetCheckResult:
    """Lines such as 'Subscribe', 'Share this post' and 'Sign in' are gone from the prose."""
    kept = [
        document.title or document.document_id
        for document in cleaned_documents
        if document.category != "repositories"
        and any(FURNITURE_LINE.match(line) for line in document.text.splitlines())
    ]
    return verdict(
        passed=len(kept) <= MAX_FURNITURE_SHARE * len(cleaned_documents),
        expected=f"at most {MAX_FURNITURE_SHARE:.0%} of the documents",
        actual=f"{len(kept)} of {len(cleaned_documents)} documents",
        severity=dg.AssetCheckSeverity.WARN,
    )


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions, blocking=True)
def contractions_are_whole(cleaned_documents: list[CleanedDocument]) -> dg.AssetCheckResult:
    """No contraction has lost its apostrophe to cleaning ("don t")."""
    return none_of(
        [
            f"{document.title}: {match.group()}"
            for document in cleaned_documents
            if (match := BROKEN_CONTRACTION.search(document.text))
        ],
        what="broken contraction",
    )


@dg.asset_check(asset=chunks, partitions_def=authors_partitions, blocking=True)
def within_the_model_limit(chunks: list[Chunk], embedder: Embedder) -> dg.AssetCheckResult:
    """No passage is longer than the embedding model reads; what is over would be silently ignored."""
    limit = embedder.max_tokens
    return none_of(
        [f"{chunk.chunk_id} ({chunk.n_tokens} tokens)" for chunk in chunks if chunk.n_tokens > limit],
        what=f"passage over {limit} tokens",
    )


@dg.asset_check(asset=chunks, partitions_def=authors_partitions, blocking=True, additional_ins=WITH_DOCUMENTS)
def verbatim_at_their_offsets(chunks: list[Chunk], cleaned_documents: list[CleanedDocument]) -> dg.AssetCheckResult:
    """Each passage stands, letter for letter, at its offsets in the cleaned document."""
    texts = {document.document_id: document.text for document in cleaned_documents}
    return none_of(
        [chunk.chunk_id for chunk in chunks if texts.get(chunk.document_id, "")[chunk.start : chunk.end] != chunk.text],
        what="passage that differs from its document",
    )


@dg.asset_check(asset=chunks, partitions_def=authors_partitions, blocking=True, additional_ins=WITH_DOCUMENTS)
def every_document_is_covered(chunks: list[Chunk], cleaned_documents: list[CleanedDocument]) -> dg.AssetCheckResult:
    """The passages of a document together hold its text."""
    by_document: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        by_document.setdefault(chunk.document_id, []).append(chunk)
    covered = {
        document.document_id: coverage(document.text, by_document.get(document.document_id, []))
        for document in cleaned_documents
    }
    return none_of(
        [f"{name} ({share:.1%})" for name, share in covered.items() if share < MIN_COVERAGE],
        what=f"document covered less than {MIN_COVERAGE:.1%}",
    )


@dg.asset_check(
    asset=embeddings, partitions_def=authors_partitions, blocking=True, additional_ins={"chunks": dg.AssetIn("chunks")}
)
def embeddings_match_chunks(
    context: dg.AssetCheckExecutionContext, chunks: list[Chunk], vector_store: VectorStore
) -> dg.AssetCheckResult:
    """The index that readers are shown holds a vector for each passage, and none besides: point ids equal chunk ids."""
    with vector_store.session(context.partition_key) as session:
        stored = session.chunk_ids()
    expected = {chunk.chunk_id for chunk in chunks}
    return none_of(sorted(stored ^ expected), what="vector without a passage, or passage without a vector")
