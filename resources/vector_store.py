"""The vector store: Qdrant, embedded as one folder per author or as a server.

There is one collection per category and embedding model, behind an alias named like the author and the category.
Readers use the alias; a change of the model fills a new collection first and moves the author's alias then, so that the
index is never empty, and the authors on one server move one by one.
"""

import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import dagster as dg
from pydantic import Field, SecretStr

from twin_assets.documents import Category, Chunk, Entity
from twin_assets.errors import UserError
from twin_assets.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from qdrant_client import QdrantClient

BATCH_SIZE = 256
"""Points per request: about 1.5 MB of 384-dimensional vectors as JSON, far under Qdrant's 32 MB limit."""


class TextEncoder(Protocol):
    """What turns texts into vectors; it is asked only when there is something to embed."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def encode(self, texts: list[str]) -> "np.ndarray[Any, Any]":
        """Return one vector per text, shape (len(texts), dimension)."""
        ...


class SyncCounts(Entity):
    """What bringing a collection in step with the chunks did, in vectors."""

    added: int = 0
    kept: int = 0
    deleted: int = 0


class Hit(Entity):
    """One chunk that a search found."""

    chunk: Chunk
    score: float


class VectorSession:
    """The open vector store of one author."""

    def __init__(self, client: "QdrantClient", author: str, model_name: str) -> None:
        self._client = client
        self._author = author
        self._model_name = model_name

    def collection(self, category: Category) -> str:
        """Return the name of the collection behind the category's alias."""
        return f"{category}--{re.sub(r'[^A-Za-z0-9._-]+', '-', self._model_name)}"

    def alias(self, category: Category) -> str:
        """Return the name that readers of the category use, whichever model is in use."""
        return f"{self._author}--{category}"

    def sync(self, category: Category, chunks: Sequence[Chunk], encoder: TextEncoder) -> SyncCounts:
        """Bring the author's vectors of a category in step with `chunks`.

        Only texts without a vector are embedded. New vectors are written before vanished ones are deleted, and the
        payload of a kept vector is renewed when its offsets or headings have moved. What has vanished goes from the
        collections of earlier models too, which keep the rest: going back to such a model embeds only what is new.
        """
        from qdrant_client import models

        collection = self._ensure_collection(category, encoder)
        stored = self._payloads(collection)
        missing = [chunk for chunk in chunks if chunk.chunk_id not in stored]
        moved = [chunk for chunk in chunks if chunk.chunk_id in stored and stored[chunk.chunk_id] != chunk.model_dump()]
        vanished = sorted(stored.keys() - {chunk.chunk_id for chunk in chunks})
        for begin in range(0, len(missing), BATCH_SIZE):
            batch = missing[begin : begin + BATCH_SIZE]
            vectors = encoder.encode([chunk.text for chunk in batch])
            self._client.upsert(
                collection,
                points=models.Batch(
                    ids=[chunk.chunk_id for chunk in batch],
                    vectors=vectors.tolist(),
                    payloads=[chunk.model_dump() for chunk in batch],
                ),
            )
        if moved:
            self._client.batch_update_points(
                collection,
                update_operations=[
                    models.OverwritePayloadOperation(
                        overwrite_payload=models.SetPayload(payload=chunk.model_dump(), points=[chunk.chunk_id])
                    )
                    for chunk in moved
                ],
            )
        self._delete(collection, vanished)
        self._point_alias(category, collection)
        for earlier in self._earlier_collections(category):
            self._delete(earlier, sorted(self._payloads(earlier).keys() - {chunk.chunk_id for chunk in chunks}))
        return SyncCounts(added=len(missing), kept=len(chunks) - len(missing), deleted=len(vanished))

    def chunk_ids(self, category: Category) -> set[str]:
        """Return the ids of the author's vectors in a category."""
        collection = self.collection(category)
        return set(self._payloads(collection)) if self._client.collection_exists(collection) else set()

    def search(self, category: Category, vectors: "np.ndarray[Any, Any]", *, limit: int) -> list[list[Hit]]:
        """Return the nearest chunks of the author for each vector, the best first.

        Args:
            category: The category to search, through the author's alias.
            vectors: Query vectors, shape (queries, dimension).
            limit: Hits per query.
        """
        from qdrant_client import models

        hits = []
        for begin in range(0, len(vectors), BATCH_SIZE):
            responses = self._client.query_batch_points(
                self.alias(category),
                requests=[
                    models.QueryRequest(query=vector.tolist(), filter=self._own(), limit=limit, with_payload=True)
                    for vector in vectors[begin : begin + BATCH_SIZE]
                ],
            )
            hits += [
                [Hit(chunk=Chunk.model_validate(point.payload), score=point.score) for point in response.points]
                for response in responses
            ]
        return hits

    def _own(self) -> Any:
        from qdrant_client import models

        return models.Filter(must=[models.FieldCondition(key="author", match=models.MatchValue(value=self._author))])

    def _ensure_collection(self, category: Category, encoder: TextEncoder) -> str:
        from qdrant_client import models

        collection = self.collection(category)
        if not self._client.collection_exists(collection):
            self._client.create_collection(
                collection, vectors_config=models.VectorParams(size=encoder.dimension, distance=models.Distance.COSINE)
            )
        return collection

    def _payloads(self, collection: str) -> dict[str, dict[str, Any]]:
        payloads: dict[str, dict[str, Any]] = {}
        offset: Any = None
        while True:
            points, offset = self._client.scroll(
                collection, scroll_filter=self._own(), limit=BATCH_SIZE * 4, offset=offset, with_payload=True
            )
            payloads |= {str(point.id): point.payload or {} for point in points}
            if offset is None:
                return payloads

    def _earlier_collections(self, category: Category) -> list[str]:
        names = (description.name for description in self._client.get_collections().collections)
        return [name for name in names if name.startswith(f"{category}--") and name != self.collection(category)]

    def _delete(self, collection: str, ids: list[str]) -> None:
        from qdrant_client import models

        for begin in range(0, len(ids), BATCH_SIZE):
            self._client.delete(
                collection, points_selector=models.PointIdsList(points=list(ids[begin : begin + BATCH_SIZE]))
            )

    def _point_alias(self, category: Category, collection: str) -> None:
        from qdrant_client import models

        name = self.alias(category)
        current = {alias.alias_name: alias.collection_name for alias in self._client.get_aliases().aliases}
        if current.get(name) == collection:
            return
        moves: list[Any] = []
        if name in current:
            moves.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name)))
        moves.append(
            models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=name))
        )
        self._client.update_collection_aliases(change_aliases_operations=moves)


class VectorStore(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Qdrant, opened for one step at a time: the embedded form lets only one process in."""

    folder: str = Field(description="Folder that holds one embedded store per author")
    model_name: str = Field(description="Embedding model; a part of the collections' names")
    url: str | None = Field(default=None, description="Qdrant server; the embedded store without it")
    # Not a field of the configuration, because the Dagster UI shows those.
    api_key: dg.ResourceDependency[SecretStr | None] = None  # type: ignore[assignment]
    lock_timeout_seconds: float = Field(default=60.0, description="How long to wait for a store that is in use")

    @classmethod
    def from_settings(cls, settings: Settings) -> "VectorStore":
        """Configure the store that the settings name."""
        return cls(
            folder=str(settings.home / "qdrant"),
            model_name=settings.embedding_model,
            url=settings.qdrant_url,
            api_key=settings.qdrant_api_key,
            lock_timeout_seconds=settings.lock_timeout_seconds,
        )

    @contextmanager
    def session(self, author: str) -> Iterator[VectorSession]:
        """Open the author's store for the length of a `with` block.

        Raises:
            UserError: If another process holds the embedded store for longer than the timeout, or the store refuses
                what it is asked.
        """
        try:
            client = self._client(author)
            try:
                yield VectorSession(client, author, self.model_name)
            finally:
                client.close()
        except _refusals() as error:
            raise UserError(f"The vector store {self.uri(author)} cannot be used: {str(error)[:200]}.") from error

    def uri(self, author: str) -> str:
        """Return where the author's vectors lie."""
        return self.url or str(Path(self.folder) / author)

    def _client(self, author: str) -> "QdrantClient":
        from qdrant_client import QdrantClient

        if self.url:
            return QdrantClient(url=self.url, api_key=self.api_key.get_secret_value() if self.api_key else None)
        path = Path(self.folder) / author
        path.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + self.lock_timeout_seconds
        while True:
            try:
                return QdrantClient(path=str(path))
            except RuntimeError as error:
                if "already accessed" not in str(error):
                    raise
                if time.monotonic() >= deadline:
                    raise UserError(
                        f"The vector store {path} is in use by another process, and stayed so for "
                        f"{self.lock_timeout_seconds:.0f} s: let that run end, or use a server (QDRANT_URL)."
                    ) from error
                time.sleep(0.2)


def _refusals() -> tuple[type[Exception], ...]:
    """Return what a server, and the embedded store, raise when they cannot do what they are asked."""
    from qdrant_client.http.exceptions import ApiException

    return ApiException, sqlite3.Error
