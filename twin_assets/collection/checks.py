"""Checks of collection: the warehouse holds what was collected."""

import dagster as dg

from resources.warehouse import Warehouse
from twin_assets.checks import SHOWN, none_of, recorded_metadata, verdict
from twin_assets.collection.assets import raw_documents
from twin_assets.partitions import authors_partitions

MAX_DOCUMENT_CHARACTERS = 20_000_000
"""Longest document that later stages promise to process in bounded memory."""


@dg.asset_check(asset=raw_documents, partitions_def=authors_partitions, blocking=True)
def not_empty(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> dg.AssetCheckResult:
    """The warehouse holds at least one document of the author."""
    with warehouse.session() as session:
        found = len(session.documents(context.partition_key))
    return verdict(passed=found > 0, expected="at least 1 document", actual=f"{found} documents")


@dg.asset_check(asset=raw_documents, partitions_def=authors_partitions, blocking=True)
def every_document_has_text(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> dg.AssetCheckResult:
    """Each document holds text, and none is too long to process."""
    with warehouse.session() as session:
        documents = session.documents(context.partition_key)
    sizes = {
        document.document_id: sum(len(text) for text in [document.text or "", *(document.files or {}).values()])
        for document in documents
    }
    return none_of(
        [f"{name} ({size} characters)" for name, size in sizes.items() if not 0 < size <= MAX_DOCUMENT_CHARACTERS],
        what=f"document that is empty or longer than {MAX_DOCUMENT_CHARACTERS:,} characters",
    )


@dg.asset_check(asset=raw_documents, partitions_def=authors_partitions)
def every_link_was_reached(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Every link of the sources could be looked at; what could not is named, and stays as it was."""
    recorded = recorded_metadata(context, "raw_documents")
    failed = [record.data for record in recorded["not_collected"].records if record.data["state"] == "failed"]
    shown = "; ".join(f"{line['link']}: {line['why']}" for line in failed[:SHOWN])
    return verdict(
        passed=not failed,
        expected="no link that failed",
        actual=f"{len(failed)} of {recorded['links']}: {shown}" if failed else "none",
        severity=dg.AssetCheckSeverity.WARN,
    )
