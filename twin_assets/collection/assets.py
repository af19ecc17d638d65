"""Assets of collection: the author's sites, as they are out there, and what was collected from them."""

from datetime import timedelta

import dagster as dg

from resources.project import Project
from resources.warehouse import Warehouse
from twin_assets.automation import follow_inputs
from twin_assets.collection.authors import load_author
from twin_assets.collection.sources import SourceContext, collect_documents
from twin_assets.documents import RawDocument
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS, counts, data_version, excerpt

author_sites = dg.AssetSpec(
    "author_sites",
    partitions_def=authors_partitions,
    group_name="sources",
    owners=OWNERS,
    kinds={"file"},
    description=(
        "The places where an author publishes, as the author file names them: folders, and imports.\n\n"
        "They lie outside the platform. A sensor and `twin build` observe them and record a hash of their content; "
        "when it changes, `raw_documents` is stale."
    ),
)

teacher_model = dg.AssetSpec(
    "teacher_model",
    group_name="sources",
    owners=OWNERS,
    kinds={"openai"},
    description=(
        "An OpenAI-compatible model that may write instructions.\n\n"
        "None is needed: without one, instructions are derived from the author's own titles, headings and keyphrases. "
        "No asset calls it in this release."
    ),
)

judge_model = dg.AssetSpec(
    "judge_model",
    group_name="sources",
    owners=OWNERS,
    kinds={"openai"},
    description=(
        "An OpenAI-compatible model that may judge answers.\n\n"
        "None is needed: evaluation uses perplexity and Burrows' Delta, which give the same figure every time. "
        "No asset calls it in this release."
    ),
)


@dg.asset(
    partitions_def=authors_partitions,
    deps=[author_sites],
    group_name="collection",
    owners=OWNERS,
    kinds={"mongodb"},
    code_version="1",
    pool="crawl",
    automation_condition=follow_inputs(),
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(days=30), warn_window=timedelta(days=8)),
)
def raw_documents(
    context: dg.AssetExecutionContext, project: Project, warehouse: Warehouse
) -> dg.MaterializeResult[None]:
    """Every article, post and repository of the author, exactly as collected.

    Read from the sources in `authors/<slug>.yaml` and kept in the document warehouse under stable ids: an edit is a new
    content hash under the same id, a deletion leaves a tombstone. `cleaned_documents` reads it.

    If a source cannot be read, nothing in the warehouse has changed, and the message names the file or record; if a
    write is refused half-way, what was written stays, and the next run writes the rest.
    """
    author = load_author(project.authors_path, context.partition_key)
    with warehouse.session() as session:
        documents = collect_documents(author, SourceContext(project.authors_path, session.imported_documents))
        written = session.replace_documents(author.slug, documents)
    context.log.info(f"{author.slug}: {len(documents)} documents, {written}")
    words = sum(_words(document) for document in documents)
    return dg.MaterializeResult(
        data_version=data_version(sorted([document.document_id, document.content_hash] for document in documents)),
        metadata={
            "summary": f"{len(documents)} documents, {words:,} words: {written.new} new, {written.changed} changed, "
            f"{written.gone} gone",
            "dagster/row_count": len(documents),
            "dagster/uri": warehouse.uri,
            "documents": len(documents),
            "words": words,
            **{f"documents_{name}": count for name, count in written.model_dump().items()},
            **counts((document.category for document in documents), "documents"),
            **counts((document.platform for document in documents), "platform"),
            "consent": f"{author.consent.given_by}. {author.consent.note}".strip(),
            "sample": dg.MetadataValue.md(
                "\n".join(f"- *{document.category}*: {excerpt(_title(document), 90)}" for document in documents[:8])
            ),
        },
    )


def _words(document: RawDocument) -> int:
    return sum(len(text.split()) for text in [document.text or "", *(document.files or {}).values()])


def _title(document: RawDocument) -> str:
    return document.title or document.text or document.document_id
