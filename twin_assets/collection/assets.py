"""Assets of collection: the author's sites, as they are out there, and what was collected from them."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from resources.project import Project
from resources.warehouse import Warehouse
from resources.web import Web
from twin_assets.automation.conditions import follow_inputs
from twin_assets.collection.authors import load_author
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.links import LINK_STATES, LedgerLine, documents_of, ledger_of, notices_of, shortened
from twin_assets.collection.sources import collect_links, fingerprint_of, forget_unnamed
from twin_assets.documents import RawDocument
from twin_assets.failures import ASKS_THE_NETWORK, telling_failures
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS, counts, data_version, excerpt


@dg.multi_observable_source_asset(  # type: ignore[untyped-decorator]
    name="look_at_the_sites",
    partitions_def=authors_partitions,
    specs=[
        dg.AssetSpec(
            "author_sites",
            partitions_def=authors_partitions,
            group_name="sources",
            owners=OWNERS,
            kinds={"file"},
            description=(
                "The places where an author publishes, as the author file names them: folders, archives, repositories, "
                "sites, and imports.\n\n"
                "They lie outside the platform. A sensor and `twin build` observe them and record a hash of their "
                "content; when it changes, `raw_documents` is stale. What a site holds only collecting can tell: the "
                "schedule and every `twin build` collect it."
            ),
        )
    ],
)
def author_sites(
    context: dg.AssetExecutionContext, project: Project, warehouse: Warehouse, web: Web
) -> dg.ObserveResult:
    """Observe an author's sources, as the button of the Dagster UI asks for it."""
    author = load_author(project.authors_path, context.partition_key)
    with warehouse.session() as session:
        sources = SourceContext(project.authors_path, session.imported_documents, session, web)
        version = fingerprint_of(author, sources)
    return dg.ObserveResult(asset_key="author_sites", data_version=dg.DataVersion(version))


@dg.asset(
    partitions_def=authors_partitions,
    deps=[author_sites],
    group_name="collection",
    owners=OWNERS,
    kinds={"mongodb"},
    code_version="1",
    pool="crawl",
    retry_policy=ASKS_THE_NETWORK,
    automation_condition=follow_inputs(),
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(days=30), warn_window=timedelta(days=8)),
)
@telling_failures
def raw_documents(
    context: dg.AssetExecutionContext, project: Project, warehouse: Warehouse, web: Web
) -> dg.MaterializeResult[None]:
    """Every article, post and repository of the author, exactly as collected.

    Read from the sources in `authors/<slug>.yaml` and kept in the document warehouse under stable ids: an edit is a new
    content hash under the same id, a deletion leaves a tombstone. `cleaned_documents` reads it.

    Everything that a source names ends in exactly one state: new, changed, unchanged, gone, refused or failed. What
    cannot be reached today stays as it was. If a source as a whole cannot be read, nothing in the warehouse has
    changed, and the message names the file or record; if a write is refused half-way, what was written stays, and the
    next run writes the rest.
    """
    author = load_author(project.authors_path, context.partition_key)
    with warehouse.session() as session:
        sources = SourceContext(
            project.authors_path, session.imported_documents, session, web, session.documents_of_source
        )
        links = collect_links(author, sources)
        ledger = ledger_of(links, session.known_documents(author.slug))
        documents = documents_of(links)
        written = session.replace_documents(author.slug, documents)
        forget_unnamed(author, sources, links)
    context.log.info(f"{author.slug}: {len(documents)} documents, {written}")
    for notice in notices_of(ledger):
        context.log.warning(notice)
    words = sum(_words(document) for document in documents)
    states = Counter(line.state for line in ledger)
    return dg.MaterializeResult(
        data_version=data_version(sorted([document.document_id, document.content_hash] for document in documents)),
        metadata={
            "summary": f"{len(documents)} documents, {words:,} words: "
            + ", ".join(f"{states[state]} {state}" for state in LINK_STATES if states[state] or state in _ALWAYS_TOLD),
            "dagster/row_count": len(documents),
            "dagster/uri": warehouse.uri,
            "documents": len(documents),
            "words": words,
            "links": len(ledger),
            **{f"links_{state}": states[state] for state in LINK_STATES},
            "links_by_domain": _by_domain(ledger),
            "not_collected": _problems(ledger),
            **counts((document.category for document in documents), "documents"),
            **counts((document.platform for document in documents), "platform"),
            "consent": f"{author.consent.given_by}. {author.consent.note}".strip(),
            "sample": dg.MetadataValue.md(
                "\n".join(f"- *{document.category}*: {excerpt(_title(document), 90)}" for document in documents[:8])
            ),
        },
    )


_ALWAYS_TOLD = ("new", "changed", "gone")


def _by_domain(ledger: Sequence[LedgerLine]) -> dg.TableMetadataValue:
    domains = sorted({line.domain for line in ledger})
    ended = Counter((line.domain, line.state) for line in ledger)
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"domain": domain, **{state: ended[domain, state] for state in LINK_STATES}})
            for domain in domains
        ],
        schema=dg.TableSchema(
            [dg.TableColumn("domain", "string"), *(dg.TableColumn(state, "int") for state in LINK_STATES)]
        ),
    )


def _problems(ledger: Sequence[LedgerLine]) -> dg.TableMetadataValue:
    """Return every link that failed, the first of those that were refused for one reason, and why."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"link": line.address, "state": line.state, "why": line.reason})
            for line in shortened(ledger)
            if line.state in {"refused", "failed"}
        ],
        schema=dg.TableSchema(
            [dg.TableColumn("link", "string"), dg.TableColumn("state", "string"), dg.TableColumn("why", "string")]
        ),
    )


def _words(document: RawDocument) -> int:
    return sum(len(text.split()) for text in [document.text or "", *(document.files or {}).values()])


def _title(document: RawDocument) -> str:
    return document.title or document.text or document.document_id
