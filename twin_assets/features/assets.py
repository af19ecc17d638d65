"""Assets of the feature stage: clean text, passages, and their vectors."""

from collections import Counter

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.embedder import Embedder
from resources.project import Project
from resources.vector_store import VectorStore
from resources.warehouse import Warehouse
from twin_assets.automation.conditions import follow_inputs
from twin_assets.automation.new_rows import ROW_MARKS, row_marks
from twin_assets.collection.assets import raw_documents
from twin_assets.collection.authors import load_author
from twin_assets.documents import Chunk, CleanedDocument
from twin_assets.errors import UserError
from twin_assets.features import plots
from twin_assets.features.chunking import build_splitter, chunk_documents
from twin_assets.features.config import ChunkingConfig
from twin_assets.features.corpus import clean_corpus
from twin_assets.features.coverage import coverage
from twin_assets.features.embedding_map import embedding_map
from twin_assets.observing.settings import SETTINGS
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS, count_table, counts, data_version, picture, quoted, table_result

DRAWN = 2000
"""Passages on the map of their meanings, at most: those with the smallest ids, which are hashes, so any passages.

More would be one blot, and reading every vector at every run would take longer than what is new.
"""


@dg.asset(
    partitions_def=authors_partitions,
    deps=[raw_documents],
    group_name="features",
    owners=OWNERS,
    kinds={"parquet"},
    code_version="2",
    io_manager_key="tables",
    automation_condition=follow_inputs(),
)
def cleaned_documents(
    context: dg.AssetExecutionContext, warehouse: Warehouse, artifacts: ArtifactStore, project: Project
) -> dg.MaterializeResult[list[CleanedDocument]]:
    """Clean Markdown of every document: site furniture gone; structure, code, contractions and quotes intact.

    Personal data and secrets are masked, unless the author file says otherwise. A document that repeats another is kept
    and marked (`duplicate_of`), so that nothing is lost and nothing counts twice. `chunks`, the datasets, `base_model`,
    `style_profile` and both reports read it.

    If it fails, the previous table stays whole.
    """
    author = context.partition_key
    with warehouse.session() as session:
        raw = session.documents(author)
    corpus = clean_corpus(raw, mask=load_author(project.authors_path, author).privacy.mask)
    documents = corpus.documents
    if not documents:
        raise UserError(f"{author}: none of the {len(raw)} collected documents holds text of the author's own.")
    for reason in corpus.empty:
        context.log.warning(reason)
    words = sum(document.n_words for document in documents)
    repeated = Counter(document.duplicate_kind for document in documents if document.duplicate_of)
    return table_result(
        documents,
        uri=str(artifacts.path("cleaned_documents", author, ".parquet")),
        sample="\n\n".join(f"**{document.title}**\n\n{quoted(document.text)}" for document in documents[:3]),
        metadata={
            "summary": f"{len(documents):,} documents, {words:,} words, {repeated.total()} duplicates, "
            f"{corpus.masked.total()} masked",
            "documents": len(documents),
            "documents_dropped": len(raw) - len(documents),
            "duplicates": repeated.total(),
            "exact_duplicates": repeated["exact"],
            "near_duplicates": repeated["near"],
            "cross_posts": repeated["cross-post"],
            "words": words,
            "characters_dropped": corpus.dropped.total(),
            "dropped_by_reason": count_table(corpus.dropped, key="reason", value="characters"),
            "masked": corpus.masked.total(),
            "masked_by_kind": count_table(corpus.masked, key="kind", value="places"),
            **counts((document.category for document in documents), "documents"),
            "documents_by_language": count_table(
                Counter(document.language or "unknown" for document in documents), key="language", value="documents"
            ),
            "documents_by_platform": picture(plots.documents_by_platform(documents), "Documents by platform"),
            **(
                {"publication_dates": picture(plots.publication_dates(documents), "Documents by publication date")}
                if any(document.published_at for document in documents)
                else {}
            ),
            "dropped_text": picture(plots.dropped_by_reason(corpus.dropped), "Dropped text by reason"),
            ROW_MARKS: row_marks(f"{document.document_id} {document.text}" for document in documents),
        },
        lineage={"text": [("raw_documents", "text")], "content_hash": [("raw_documents", "content_hash")]},
    )


@dg.asset(
    partitions_def=authors_partitions,
    deps=[SETTINGS],
    group_name="features",
    owners=OWNERS,
    kinds={"parquet"},
    code_version="2",
    io_manager_key="tables",
    automation_condition=follow_inputs(),
)
def chunks(
    context: dg.AssetExecutionContext,
    config: ChunkingConfig,
    cleaned_documents: list[CleanedDocument],
    embedder: Embedder,
    artifacts: ArtifactStore,
) -> dg.MaterializeResult[list[Chunk]]:
    """Passages short enough for the embedding model to read whole, with offsets into the cleaned text.

    Split along headings, paragraphs and sentences; a passage's id is made of its own text, so an edit elsewhere leaves
    it alone. Each names the larger passage that it is read in (`parent_start`, `parent_end`). `embeddings` and
    `retrieval_report` read it.

    If it fails, the previous table stays whole.
    """
    splitter = build_splitter(embedder.tokenizer_file, overlap_tokens=config.overlap_tokens)
    rows = chunk_documents(cleaned_documents, splitter)
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
            "overlap_tokens": config.overlap_tokens,
            "coverage_min": min(covered),
            **counts((chunk.category for chunk in rows), "chunks"),
            "chunk_lengths": picture(plots.passage_lengths(tokens, splitter.max_tokens), "Lengths of the passages"),
        },
        lineage={"text": [("cleaned_documents", "text")], "document_id": [("cleaned_documents", "document_id")]},
    )


@dg.asset(
    partitions_def=authors_partitions,
    deps=[SETTINGS],
    group_name="features",
    owners=OWNERS,
    kinds={"qdrant"},
    code_version="2",
    automation_condition=follow_inputs(),
)
def embeddings(
    context: dg.AssetExecutionContext,
    chunks: list[Chunk],
    cleaned_documents: list[CleanedDocument],
    embedder: Embedder,
    vector_store: VectorStore,
) -> dg.MaterializeResult[None]:
    """A dense and a BM25 vector per passage in Qdrant, in step with `chunks`: missing are added, vanished deleted.

    One collection per embedding function, behind an alias per author. Only passages without a vector are embedded.
    `retrieval_report` reads it.

    If it fails half-way, what is stored stays, and the next run embeds only the rest.
    """
    author = context.partition_key
    published = {document.document_id: document.published_at for document in cleaned_documents}
    with vector_store.session(author) as session:
        synced = session.sync(chunks, embedder, published=published)
        collection = session.collection()
        drawn = sorted(chunks, key=lambda chunk: chunk.chunk_id)[:DRAWN]
        vectors = session.vectors(chunk.chunk_id for chunk in drawn)
    dates = sorted((name, str(date)) for name, date in published.items())
    return dg.MaterializeResult(
        data_version=data_version([embedder.parameters, sorted(chunk.model_dump_json() for chunk in chunks), dates]),
        metadata={
            "summary": f"{len(chunks):,} vectors: {synced.added} embedded, {synced.kept} kept, "
            f"{synced.deleted} deleted",
            "dagster/row_count": len(chunks),
            "dagster/uri": vector_store.uri(author),
            "vectors": len(chunks),
            "vectors_added": synced.added,
            "vectors_kept": synced.kept,
            "vectors_deleted": synced.deleted,
            "embedding_model": embedder.model_name,
            "collection": collection,
            **counts((chunk.category for chunk in chunks), "vectors"),
            "map": picture(
                embedding_map([vectors[chunk.chunk_id] for chunk in drawn], [chunk.category for chunk in drawn]),
                "Passages by meaning: the first two principal components of their vectors",
            ),
        },
    )
