"""Checks of the feature stage: nothing of the author's was lost, nothing of the site's was kept, all is in step."""

import re
from collections import Counter
from collections.abc import Iterable

import dagster as dg
import pyarrow.parquet as pq

from resources.artifacts import ArtifactStore
from resources.embedder import Embedder
from resources.io_managers import read_rows
from resources.project import Project
from resources.schemas import arrow_schema
from resources.vector_store import VectorStore
from resources.warehouse import Warehouse
from twin_assets.checks import SHOWN, none_of, verdict
from twin_assets.collection.authors import load_author
from twin_assets.documents import Chunk, CleanedDocument, Entity
from twin_assets.features.assets import chunks, cleaned_documents, embeddings
from twin_assets.features.contractions import broken_by_cleaning
from twin_assets.features.coverage import coverage
from twin_assets.features.deduplication import mark_across_authors
from twin_assets.features.masking import find_personal_data
from twin_assets.features.mixture import duplicate_share, main_language, shares_lost
from twin_assets.partitions import authors_partitions

WITH_DOCUMENTS = {"cleaned_documents": dg.AssetIn("cleaned_documents")}
"""What a check needs that compares rows with the text they come from."""

MIN_COVERAGE = 0.995
"""Share of a document's characters that its passages have to hold; the rest may be bare headings and rules."""

FURNITURE_LINE = re.compile(r"^\W*(subscribe( now)?|share this post|sign ?in|subscribe ?sign in)\W*$", re.IGNORECASE)
MAX_FURNITURE_SHARE = 0.05
"""Share of documents that may keep such a line: an author may write one as a heading of their own."""

MAX_LOST = 0.5
"""Share of a document's words that cleaning may drop before a person should look: pages with many comments lose most.

Of the 76 articles of the LLM Engineer's Handbook, none loses more than a third.
"""

MAX_DUPLICATES = 0.5
"""Share of documents that may repeat others: who posts everything on two platforms has half, more is a source too many.
"""

MIN_MAIN_LANGUAGE = 0.9
"""Share of the words that should be in one language: a twin that learns two by chance answers in either."""


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
def contractions_are_whole(
    context: dg.AssetCheckExecutionContext, cleaned_documents: list[CleanedDocument], warehouse: Warehouse
) -> dg.AssetCheckResult:
    """No contraction has lost its apostrophe to cleaning ("don t")."""
    # What the author wrote so is no fault of the cleaning: only what the collected text has not is refused.
    with warehouse.session() as session:
        collected = {document.document_id: document for document in session.documents(context.partition_key)}
    return none_of(
        [
            f"{document.title}: {broken[0]}"
            for document in cleaned_documents
            if (broken := broken_by_cleaning(collected.get(document.document_id), document))
        ],
        what="broken contraction",
    )


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions, blocking=True)
def no_personal_data_left(
    context: dg.AssetCheckExecutionContext, cleaned_documents: list[CleanedDocument], project: Project
) -> dg.AssetCheckResult:
    """No e-mail address, phone number, IP address or secret is left in a text or title, if the author masks them."""
    masks = load_author(project.authors_path, context.partition_key).privacy.mask
    # Only kinds and numbers are named: what a check says is stored and shown.
    left = {
        document.document_id: Counter(
            finding.kind for text in (document.text, document.title or "") for finding in find_personal_data(text)
        )
        for document in cleaned_documents
    }
    offenders = [
        f"{name} ({', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))})"
        for name, kinds in left.items()
        if kinds
    ]
    if masks:
        return none_of(offenders, what="document with personal data")
    return verdict(
        passed=True, expected="any number, for the author file says not to mask", actual=f"{len(offenders)} documents"
    )


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions, blocking=True)
def document_ids_are_unique(cleaned_documents: list[CleanedDocument]) -> dg.AssetCheckResult:
    """No two documents share an id, and a duplicate points to a document that is there and is none itself."""
    kept = {document.document_id for document in cleaned_documents if document.duplicate_of is None}
    dangling = [
        f"{document.document_id} (points to {document.duplicate_of})"
        for document in cleaned_documents
        if document.duplicate_of is not None and document.duplicate_of not in kept
    ]
    twice = _occurring_twice(document.document_id for document in cleaned_documents)
    return none_of([*twice, *dangling], what="id that occurs twice, or duplicate of nothing")


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions, blocking=True)
def documents_have_their_columns(
    context: dg.AssetCheckExecutionContext, artifacts: ArtifactStore
) -> dg.AssetCheckResult:
    """The stored table has the columns, and their types, that its readers were promised."""
    return _columns_as_promised(artifacts, "cleaned_documents", context.partition_key, CleanedDocument)


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions)
def little_text_was_dropped(
    context: dg.AssetCheckExecutionContext, cleaned_documents: list[CleanedDocument], warehouse: Warehouse
) -> dg.AssetCheckResult:
    """No document lost most of its words to cleaning; one that did may be furniture, or a rule may be wrong."""
    with warehouse.session() as session:
        lost = shares_lost(session.documents(context.partition_key), cleaned_documents)
    offenders = sorted((name for name in lost if lost[name] > MAX_LOST), key=lambda name: (-lost[name], name))
    return _warning(
        passed=not offenders,
        expected=f"no document that lost more than {MAX_LOST:.0%} of its words",
        actual=f"{len(offenders)}: " + "; ".join(f"{name} ({lost[name]:.0%})" for name in offenders[:SHOWN]),
    )


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions)
def few_duplicates(cleaned_documents: list[CleanedDocument]) -> dg.AssetCheckResult:
    """Not most of the documents repeat others, as they would if two sources collected the same."""
    share = duplicate_share(cleaned_documents)
    return _warning(
        passed=share <= MAX_DUPLICATES, expected=f"at most {MAX_DUPLICATES:.0%} duplicates", actual=f"{share:.0%}"
    )


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions)
def language_mix(cleaned_documents: list[CleanedDocument]) -> dg.AssetCheckResult:
    """Nearly all words are in one language."""
    language, share = main_language(cleaned_documents)
    return _warning(
        passed=share >= MIN_MAIN_LANGUAGE,
        expected=f"at least {MIN_MAIN_LANGUAGE:.0%} of the words in one language",
        actual=f"{share:.0%} in {language or 'an unknown language'}",
    )


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions)
def told_by_no_other_author(
    context: dg.AssetCheckExecutionContext, cleaned_documents: list[CleanedDocument], artifacts: ArtifactStore
) -> dg.AssetCheckResult:
    """No document repeats one that another author published first, as far as the others are built."""
    author = context.partition_key
    tables = sorted(artifacts.path("cleaned_documents").glob("[!.]*.parquet"))
    others = [row for table in tables if table.stem != author for row in read_rows(table, CleanedDocument)]
    author_of = {document.document_id: document.author for document in others}
    own = {document.document_id for document in cleaned_documents}
    repeats = mark_across_authors([*cleaned_documents, *(other for other in others if other.document_id not in own)])
    offenders = [f"{name} repeats {kept} of {author_of[kept]}" for name, kept in repeats.items() if name in own]
    return _warning(
        passed=not offenders,
        expected="no document that another author published first",
        actual=f"{len(offenders)}: {'; '.join(offenders[:SHOWN])}" if offenders else "none",
    )


@dg.asset_check(asset=chunks, partitions_def=authors_partitions, blocking=True)
def passage_ids_are_unique(chunks: list[Chunk]) -> dg.AssetCheckResult:
    """No two passages share an id: the second would overwrite the vector of the first."""
    return none_of(_occurring_twice(chunk.chunk_id for chunk in chunks), what="id that occurs twice")


@dg.asset_check(asset=chunks, partitions_def=authors_partitions, blocking=True)
def passages_have_their_columns(
    context: dg.AssetCheckExecutionContext, artifacts: ArtifactStore
) -> dg.AssetCheckResult:
    """The stored table has the columns, and their types, that its readers were promised."""
    return _columns_as_promised(artifacts, "chunks", context.partition_key, Chunk)


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


def _occurring_twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _columns_as_promised(
    artifacts: ArtifactStore, asset: str, author: str, entity: type[Entity]
) -> dg.AssetCheckResult:
    with artifacts.path(asset, author, ".parquet").open("rb") as file:
        found = {column.name: column.type for column in pq.read_schema(file)}
    promised = {column.name: column.type for column in arrow_schema(entity)}
    differing = sorted(name for name in {*found, *promised} if found.get(name) != promised.get(name))
    return none_of(
        [f"{name} ({found.get(name, 'missing')})" for name in differing], what="column that differs from its entity"
    )


def _warning(*, passed: bool, expected: str, actual: str) -> dg.AssetCheckResult:
    return verdict(passed=passed, expected=expected, actual=actual, severity=dg.AssetCheckSeverity.WARN)
