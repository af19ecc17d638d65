"""How vectors lie in Qdrant: names, vectors and payload of the collections, and what made them.

A collection belongs to one layout and one embedding function; both are a part of its name, and the function's
parameters are kept with it. Points carry two named vectors, a dense one and BM25 term weights, which Qdrant multiplies
with the terms' IDF when it is asked.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from twin_assets.documents import CATEGORIES, Chunk, content_hash, text_hash

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

LAYOUT = 2
"""Raise it when a point's vectors or payload change: what older code wrote is then left alone and replaced."""

DENSE = "dense"
SPARSE = "bm25"

FINGERPRINT = "fingerprint"
"""Payload key: a hash of the rest of the payload, so that a comparison need not fetch the texts."""

_BESIDE_THE_CHUNK = {"published_at", FINGERPRINT}
_PREFIX = "passages--"
_VERSION = re.compile(rf"{_PREFIX}v(\d+)--")
_MODEL = re.compile(r"[^A-Za-z0-9._-]+")


def collection_name(made_by: Mapping[str, Any]) -> str:
    """Return the name of the collection for vectors that an embedding function with these parameters makes."""
    return f"{_PREFIX}v{LAYOUT}--{_MODEL.sub('-', str(made_by['model']))}--{content_hash(dict(made_by))[:8]}"


def is_of_this_layout(collection: str) -> bool:
    """Tell whether a collection's points can be read by this code."""
    return collection.startswith(f"{_PREFIX}v{LAYOUT}--")


def is_of_an_earlier_layout(collection: str) -> bool:
    """Tell whether a collection's name says that earlier code of this platform wrote it; the first layout says none."""
    version = _VERSION.match(collection)
    return version is not None and int(version.group(1)) < LAYOUT


def alias_name(author: str) -> str:
    """Return the name that readers use, whichever collection is behind it."""
    return f"{author}--passages"


def earlier_aliases(author: str) -> set[str]:
    """Return the names that readers of the first layout used."""
    return {f"{author}--{category}" for category in CATEGORIES}


def create_collection(client: "QdrantClient", name: str, *, dimension: int, made_by: Mapping[str, Any]) -> None:
    """Create an empty collection that knows what makes its vectors."""
    from qdrant_client import models

    client.create_collection(
        name,
        vectors_config={DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)},
        sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        metadata={"made_by": dict(made_by)},
    )


def create_payload_indexes(client: "QdrantClient", name: str) -> None:
    """Index what searches filter by; an index that is there already stays as it is."""
    from qdrant_client import models

    schemas: dict[str, Any] = {
        "author": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
        "category": models.PayloadSchemaType.KEYWORD,
        "published_at": models.PayloadSchemaType.DATETIME,
    }
    for field, schema in schemas.items():
        client.create_payload_index(name, field_name=field, field_schema=schema)


def made_by(client: "QdrantClient", collection: str) -> dict[str, Any]:
    """Return the parameters of the function that made the vectors of a collection, or of an alias."""
    metadata = client.get_collection(collection).config.metadata or {}
    return dict(metadata.get("made_by") or {})


def payload_of(chunk: Chunk, published_at: datetime | None) -> dict[str, Any]:
    """Return what is stored beside the vectors of a chunk."""
    return {
        **chunk.model_dump(mode="json"),
        "published_at": published_at.isoformat() if published_at else None,
        FINGERPRINT: fingerprint(chunk, published_at),
    }


def fingerprint(chunk: Chunk, published_at: datetime | None) -> str:
    """Return a hash of all else in a chunk's payload."""
    return text_hash(f"{chunk.model_dump_json()} {published_at and published_at.isoformat()}")[:16]


def chunk_of(payload: Mapping[str, Any]) -> Chunk:
    """Return the chunk in a payload."""
    return Chunk.model_validate({key: value for key, value in payload.items() if key not in _BESIDE_THE_CHUNK})


def filter_on(author: str, category: str | None = None) -> "models.Filter":
    """Return the condition that a point is of this author, and of this category if one is given."""
    from qdrant_client import models

    wanted = {"author": author, **({"category": category} if category else {})}
    return models.Filter(
        must=[models.FieldCondition(key=key, match=models.MatchValue(value=value)) for key, value in wanted.items()]
    )
