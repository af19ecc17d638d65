"""Assets of the feature stage: clean text, passages, and their vectors."""

from collections import Counter

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.embedder import Embedder
from resources.vector_store import VectorStore
from resources.warehouse import Warehouse
from twin_assets.automation import follow_inputs
from twin_assets.collection.assets import raw_documents
from twin_assets.documents import CATEGORIES, Chunk, CleanedDocument
from twin_assets.errors import UserError
from twin_assets.features.chunking import build_splitter, chunk_document
from twin_assets.features.cleaning import clean_document
from twin_assets.features.coverage import coverage
from twin_assets.features.deduplication import mark_near_duplicates
from twin_assets.observed_settings import SETTINGS
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS, count_table, counts, data_version, quoted, table_result


@dg.asset(
    partitions_def=authors_partitions,
    deps=[raw_documents],
    group_name="features",
    owners=OWNERS,
    kinds={"parquet"},
    code_version="1",
    io_manager_key="tables",
    automation_condition=follow_inputs(),
)
def cleaned_documents(
    context: dg.AssetExecutionContext, warehouse: Warehouse, artifacts: ArtifactStore
) -> dg.MaterializeResult[list[CleanedDocument]]:
    """Clean Markdown of every document: site furniture gone; structure, code, contractions and quotes intact.

    A document that nearly repeats another is kept and marked (`duplicate_of`), so that nothing is lost and nothing
    counts twice. `chunks`, the datasets, `base_model`, `style_profile` and both reports read it.

    If it fails, the previous table stays whole.
    """
    author = context.partition_key
    with warehouse.session() as session:
        raw = session.documents(author)
    results = [clean_document(document) for document in raw]
    documents = mark_near_duplicates([result.document for result in results if result.document])
    if not documents:
        raise UserError(f"{author}: none of the {len(raw)} collected documents holds text of the author's own.")
    dropped: Counter[str] = Counter()
    for result in results:
        dropped.update(result.dropped)
    words = sum(document.n_words for document in documents)
    duplicates = sum(document.duplicate_of is not None for document in documents)
    return table_result(
        documents,
        uri=str(artifacts.path("cleaned_documents", author, ".parquet")),
        sample="\n\n".join(f"**{document.title}**\n\n{quoted(document.text)}" for document in documents[:3]),
        metadata={
            "summary": f"{len(documents):,} documents, {words:,} words, {duplicates} near-duplicates",
            "documents": len(documents),
            "documents_dropped": len(raw) - len(documents),
            "near_duplicates": duplicates,
            "words": words,
            "characters_dropped": sum(dropped.values()),
            "dropped_by_reason": count_table(dropped, key="reason", value="characters"),
            **counts((document.category for document in documents), "documents"),
        },
        lineage={"text": [("raw_documents", "text")], "content_hash": [("raw_documents", "content_hash")]},
    )


@dg.asset(
    partitions_def=authors_partitions,
    deps=[SETTINGS],
    group_name="features",
    owners=OWNERS,
    kinds={"parquet"},
    code_version="1",
    io_manager_key="tables",
    automation_condition=follow_inputs(),
)
def chunks(
    context: dg.AssetExecutionContext,
    cleaned_documents: list[CleanedDocument],
    embedder: Embedder,
    artifacts: ArtifactStore,
) -> dg.MaterializeResult[list[Chunk]]:
    """Passages short enough for the embedding model to read whole, with offsets into the cleaned text.

    Split along headings, paragraphs and sentences; a passage's id is made of its own text, so an edit elsewhere leaves
    it alone. `embeddings` and `retrieval_report` read it.

    If it fails, the previous table stays whole.
    """
    splitter = build_splitter(embedder.tokenizer_file)
    rows = [chunk for document in cleaned_documents for chunk in chunk_document(document, splitter)]
    by_document: dict[str, list[Chunk]] = {}
    for chunk in rows:
        by_document.setdefault(chunk.document_id, []).append(chunk)
    covered = [coverage(document.text, by_document.get(document.document_id, [])) for document in cleaned_documents]
    tokens = [chunk.n_tokens for chunk in rows]
    return table_result(
        rows,
        uri=str(artifacts.path("chunks", context.partition_key, ".parquet")),
        sample="\n\n".join(f"**{' / '.join(chunk.headings)}**\n\n{quoted(chunk.text)}" for chunk in rows[:3]),
        metadata={
            "summary": f"{len(rows):,} passages, {sum(tokens) / len(tokens):.0f} tokens on average, "
            f"{max(tokens)} at most",
            "chunks": len(rows),
            "tokens": sum(tokens),
            "tokens_mean": round(sum(tokens) / len(tokens), 1),
            "tokens_max": max(tokens),
            "coverage_min": min(covered),
            **counts((chunk.category for chunk in rows), "chunks"),
        },
        lineage={"text": [("cleaned_documents", "text")], "document_id": [("cleaned_documents", "document_id")]},
    )


@dg.asset(
    partitions_def=authors_partitions,
    deps=[SETTINGS],
    group_name="features",
    owners=OWNERS,
    kinds={"qdrant"},
    code_version="1",
    automation_condition=follow_inputs(),
)
def embeddings(
    context: dg.AssetExecutionContext, chunks: list[Chunk], embedder: Embedder, vector_store: VectorStore
) -> dg.MaterializeResult[None]:
    """One vector per passage in Qdrant, in step with `chunks`: the missing are added, the vanished deleted.

    One collection per category, named with the embedding model, behind an alias per author and category. Only passages
    without a vector are embedded. `retrieval_report` reads it.

    If it fails half-way, what is stored stays, and the next run embeds only the rest.
    """
    author = context.partition_key
    totals: Counter[str] = Counter()
    table = []
    with vector_store.session(author) as session:
        for category in CATEGORIES:
            synced = session.sync(category, [chunk for chunk in chunks if chunk.category == category], embedder)
            context.log.info(f"{category}: {synced}")
            totals.update(synced.model_dump())
            table.append(f"| {session.collection(category)} | {synced.added} | {synced.kept} | {synced.deleted} |")
    return dg.MaterializeResult(
        data_version=data_version([embedder.model_name, sorted(chunk.model_dump_json() for chunk in chunks)]),
        metadata={
            "summary": f"{len(chunks):,} vectors: {totals['added']} embedded, {totals['kept']} kept, "
            f"{totals['deleted']} deleted",
            "dagster/row_count": len(chunks),
            "dagster/uri": vector_store.uri(author),
            "vectors": len(chunks),
            "vectors_added": totals["added"],
            "vectors_kept": totals["kept"],
            "vectors_deleted": totals["deleted"],
            "embedding_model": embedder.model_name,
            "collections": dg.MetadataValue.md(
                "\n".join(["| collection | added | kept | deleted |", "|---|---|---|---|", *table])
            ),
        },
    )
