"""What every materialization carries: a content data version, a schema, numbers worth plotting, and a sample.

The keys are stable, so that the Dagster UI can plot a number over time and over authors. What an asset computes does
not belong here.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import dagster as dg

from resources.schemas import column_schema
from twin_assets.documents import Entity, content_hash
from twin_assets.features.masking import without_personal_data

OWNERS = ["team:twin"]

SAMPLE_CHARACTERS = 240

_MASKED_CHARACTERS = 8_000
"""How far a text is searched for personal data before it is cut: a private key of 4,096 bits has 3,200 characters."""

Row = TypeVar("Row", bound=Entity)


def data_version(value: object) -> dg.DataVersion:
    """Return the data version of a JSON value: a hash of its content, so that equal content has equal versions."""
    return dg.DataVersion(content_hash(value)[:16])


def rows_version(rows: Iterable[Entity]) -> dg.DataVersion:
    """Return the data version of a table: a hash over its rows, in order."""
    return data_version([json.loads(row.model_dump_json()) for row in rows])


def table_result(
    rows: list[Row],
    *,
    sample: str,
    metadata: Mapping[str, Any],
    uri: str,
    lineage: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> dg.MaterializeResult[list[Row]]:
    """Return rows as the result of an asset.

    Args:
        rows: The table, not empty.
        sample: Markdown that shows a little of what is in it; personal data in it is masked, whatever the author's
            setting is.
        metadata: Numbers and tables of this asset, by stable keys.
        uri: Where the table is stored.
        lineage: For each column, the (asset, column) pairs it was made from.
    """
    return dg.MaterializeResult(
        value=rows,
        data_version=rows_version(rows),
        metadata={
            "dagster/row_count": len(rows),
            "dagster/column_schema": column_schema(type(rows[0])),
            **({"dagster/column_lineage": column_lineage(lineage)} if lineage else {}),
            "dagster/uri": uri,
            **metadata,
            "sample": dg.MetadataValue.md(without_personal_data(sample)),
        },
    )


def column_lineage(columns: Mapping[str, Sequence[tuple[str, str]]]) -> dg.TableColumnLineage:
    """Return column lineage for the UI from (asset, column) pairs."""
    return dg.TableColumnLineage(
        deps_by_column={
            column: [dg.TableColumnDep(asset_key=dg.AssetKey(asset), column_name=name) for asset, name in sources]
            for column, sources in columns.items()
        }
    )


def counts(values: Iterable[str], prefix: str) -> dict[str, int]:
    """Return `{prefix}_{value}: how often`, one plottable number per value."""
    return {f"{prefix}_{value}": count for value, count in sorted(Counter(values).items())}


def readable(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return numbers with at most five significant digits: what a person reads, and what a plot can show."""
    return {name: value if isinstance(value, int) else float(f"{value:.5g}") for name, value in numbers.items()}


def count_table(values: Mapping[str, int | float], *, key: str, value: str) -> dg.TableMetadataValue:
    """Return a small table for the UI, largest first."""
    rows = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return dg.MetadataValue.table(
        records=[dg.TableRecord({key: name, value: number}) for name, number in rows],
        schema=dg.TableSchema([dg.TableColumn(key, "string"), dg.TableColumn(value, "number")]),
    )


def excerpt(text: str, limit: int = SAMPLE_CHARACTERS) -> str:
    """Return the beginning of a text on one line, for a sample, without personal data."""
    line = " ".join(without_personal_data(text[:_MASKED_CHARACTERS]).split())
    return line if len(line) <= limit else f"{line[:limit].rstrip()} ..."


def quoted(text: str, limit: int = SAMPLE_CHARACTERS) -> str:
    """Return the beginning of a text as a Markdown quotation, its own markup made harmless."""
    return "> " + excerpt(text, limit).replace("`", "'").replace("#", "\\#").replace("|", "\\|")


def picture(png: bytes, alt: str) -> dg.MarkdownMetadataValue:
    """Return a PNG as an inline picture for the UI."""
    import base64

    return dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})")
