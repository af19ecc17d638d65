"""What is sent to Qdrant: passages as points, and searches of each kind."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from resources import vector_layout as layout
from resources.embedder import EncodedTexts
from twin_assets.documents import Chunk

if TYPE_CHECKING:
    from qdrant_client import models

FUSED = 40
"""Hits of each kind of search that are fused."""

RRF_K = 60
"""Constant of reciprocal rank fusion (Cormack, Clarke and Buettcher 2009)."""

SearchMode = Literal["hybrid", "dense", "sparse"]


def points_of(
    chunks: Sequence[Chunk], vectors: EncodedTexts, published: Mapping[str, datetime | None]
) -> "list[models.PointStruct]":
    """Return passages as points: vectors, and what is stored beside them."""
    from qdrant_client import models

    return [
        models.PointStruct(
            id=chunk.chunk_id,
            vector={
                layout.DENSE: dense,
                layout.SPARSE: models.SparseVector(indices=sparse.indices, values=sparse.values),
            },
            payload=layout.payload_of(chunk, published.get(chunk.document_id)),
        )
        for chunk, dense, sparse in zip(chunks, vectors.dense.tolist(), vectors.sparse, strict=True)
    ]


def request_of(
    queries: EncodedTexts, place: int, *, mode: SearchMode, own: "models.Filter | None", limit: int
) -> "models.QueryRequest":
    """Return the request for one of the encoded queries."""
    from qdrant_client import models

    dense = queries.dense[place].tolist()
    sparse = models.SparseVector(indices=queries.sparse[place].indices, values=queries.sparse[place].values)
    if mode == "dense":
        return models.QueryRequest(query=dense, using=layout.DENSE, filter=own, limit=limit, with_payload=True)
    if mode == "sparse":
        return models.QueryRequest(query=sparse, using=layout.SPARSE, filter=own, limit=limit, with_payload=True)
    return models.QueryRequest(
        prefetch=[
            models.Prefetch(query=dense, using=layout.DENSE, filter=own, limit=max(FUSED, limit)),
            models.Prefetch(query=sparse, using=layout.SPARSE, filter=own, limit=max(FUSED, limit)),
        ],
        query=models.RrfQuery(rrf=models.Rrf(k=RRF_K)),
        limit=limit,
        with_payload=True,
    )
