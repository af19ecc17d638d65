"""From an entity to the schema of its table: for Parquet, and for the Dagster UI.

The entity is the only definition; both schemas follow from its fields and their descriptions.
"""

import types
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin

import dagster as dg
import pyarrow as pa

from twin_assets.documents import Entity

_ARROW_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}


def arrow_schema(entity: type[Entity]) -> pa.Schema:
    """Return the Parquet schema of an entity: one column per field, in order.

    Raises:
        TypeError: If a field has a type that no column can hold.
    """
    return pa.schema([_arrow_field(name, field.annotation) for name, field in entity.model_fields.items()])


def column_schema(entity: type[Entity]) -> dg.TableSchema:
    """Return the column schema of an entity, with each field's description, as the Dagster UI shows it."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type),
                description=entity.model_fields[column.name].description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in arrow_schema(entity)
        ]
    )


def _arrow_field(name: str, annotation: Any) -> pa.Field:
    members = get_args(annotation) if get_origin(annotation) in {Union, types.UnionType} else (annotation,)
    present = [member for member in members if member is not type(None)]
    if len(present) != 1:
        raise TypeError(f"{name}: no column holds {annotation}.")
    return pa.field(name, _arrow_type(name, present[0]), nullable=type(None) in members)


def _arrow_type(name: str, annotation: Any) -> pa.DataType:
    if get_origin(annotation) is Literal:
        return pa.string()
    if get_origin(annotation) is list:
        return pa.list_(_arrow_type(name, get_args(annotation)[0]))
    if annotation not in _ARROW_TYPES:
        raise TypeError(f"{name}: no column holds {annotation}.")
    return _ARROW_TYPES[annotation]
