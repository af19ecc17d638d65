"""One author's vectors while the store is open: brought in step with the chunks, and searched."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from resources import vector_layout as layout
from resources.embedder import EncodedTexts
from resources.vector_connection import persistently
from resources.vector_requests import SearchMode, points_of, request_of
from twin_assets.documents import Category, Chunk, Entity
from twin_assets.errors import UserError

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

BATCH_SIZE = 256
"""Points per request: about 2 MB of 384-dimensional vectors as JSON, far under Qdrant's 32 MB limit."""

PAGE_SIZE = 10_000
"""Ids and fingerprints per request: about 1 MB."""

Item = TypeVar("Item")
Result = TypeVar("Result")

Prepare = Callable[["QdrantClient", str], None]


class PassageEncoder(Protocol):
    """What turns passages into vectors; it is asked only when there is something to embed."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What the vectors depend on."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a dense vector."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> EncodedTexts:
        """Return the vectors of the texts."""
        ...


class SyncCounts(Entity):
    """What bringing the store in step with the chunks did, in vectors."""

    added: int = 0
    kept: int = 0
    deleted: int = 0


class Hit(Entity):
    """One chunk that a search found."""

    chunk: Chunk
    score: float


class VectorSession:
    """The open vector store of one author."""

    def __init__(
        self, client: "QdrantClient", author: str, *, alone: bool = False, prepare: Prepare | None = None
    ) -> None:
        """Use an open client.

        Args:
            client: A client of the author's own store, or of one that authors share.
            author: Slug of the author.
            alone: The store holds nobody else's vectors. The embedded store looks at every point for a condition, so
                asking for the author as well would more than double the time of a search.
            prepare: Readies a collection that was just created, or is written to again.
        """
        self._client = client
        self._author = author
        self._alone = alone
        self._alias = layout.alias_name(author)
        self._prepare = prepare or layout.create_payload_indexes

    def sync(
        self,
        chunks: Sequence[Chunk],
        encoder: PassageEncoder,
        *,
        published: Mapping[str, datetime | None] = MappingProxyType({}),
    ) -> SyncCounts:
        """Bring the author's vectors in step with `chunks`.

        Only texts without a vector are embedded, the longest first, and each batch is stored while the next is
        computed. New vectors are written before vanished ones are deleted, and the payload of a kept vector is renewed
        when it has changed. What has vanished goes from the collections of other embedding functions too, which keep
        the rest: going back to such a function embeds only what is new.

        Args:
            chunks: All passages of the author.
            encoder: What makes their vectors.
            published: Publication time by document.
        """
        collection = self._ensure_collection(encoder)
        stored = self._fingerprints(collection)
        missing, moved = [], []
        for chunk in chunks:
            if chunk.chunk_id not in stored:
                missing.append(chunk)
            elif stored[chunk.chunk_id] != layout.fingerprint(chunk, published.get(chunk.document_id)):
                moved.append(chunk)
        missing.sort(key=lambda chunk: -chunk.n_tokens)
        batches = [missing[begin : begin + BATCH_SIZE] for begin in range(0, len(missing), BATCH_SIZE)]
        for batch, vectors in _one_ahead(lambda batch: encoder.encode_passages([one.text for one in batch]), batches):
            persistently(self._client.upsert, collection, points=points_of(batch, vectors, published))
        self._renew(collection, moved, published)
        ids = {chunk.chunk_id for chunk in chunks}
        vanished = stored.keys() - ids
        self._delete(collection, vanished)
        outdated = self._of_earlier_layouts()
        self._point_alias(collection)
        self._tidy(collection, ids, outdated)
        return SyncCounts(added=len(missing), kept=len(chunks) - len(missing), deleted=len(vanished))

    def collection(self) -> str | None:
        """Return the name of the collection that readers are shown; None before the first sync."""
        return self._aliases().get(self._alias)

    def chunk_ids(self) -> set[str]:
        """Return the ids of the author's vectors, as readers are shown them."""
        collection = self.collection()
        return set(self._fingerprints(collection)) if collection else set()

    def vectors(self, chunk_ids: Iterable[str]) -> dict[str, list[float]]:
        """Return the dense vectors of these passages by chunk id, as far as the index holds them."""
        collection = self.collection()
        if collection is None:
            return {}
        # Any, because the client's type names every form that a vector may have.
        vectors: dict[str, Any] = {}
        ordered = sorted(chunk_ids)
        for begin in range(0, len(ordered), BATCH_SIZE):
            points = persistently(
                self._client.retrieve,
                collection,
                ids=ordered[begin : begin + BATCH_SIZE],
                with_payload=False,
                with_vectors=[layout.DENSE],
            )
            vectors |= {str(point.id): point.vector for point in points}
        return {name: named[layout.DENSE] for name, named in vectors.items()}

    def search(
        self, queries: EncodedTexts, *, limit: int, mode: SearchMode = "hybrid", category: Category | None = None
    ) -> list[list[Hit]]:
        """Return the chunks of the author that answer each query, the best first.

        Args:
            queries: Queries, encoded by the function that made the index.
            limit: Hits per query.
            mode: Nearest by meaning (dense), by wording (sparse, BM25), or both rankings fused by reciprocal rank.
            category: Look in this category alone.

        Raises:
            UserError: If the author has no index, or the queries were encoded by another function.
        """
        collection = self._checked(queries.made_by)
        own = self._own(category)
        requests = [request_of(queries, place, mode=mode, own=own, limit=limit) for place in range(len(queries.sparse))]
        hits: list[list[Hit]] = []
        for begin in range(0, len(requests), BATCH_SIZE):
            responses = persistently(
                self._client.query_batch_points, collection, requests=requests[begin : begin + BATCH_SIZE]
            )
            hits += [
                [Hit(chunk=layout.chunk_of(point.payload or {}), score=point.score) for point in response.points]
                for response in responses
            ]
        return hits

    def forget(self) -> None:
        """Delete the author's vectors from every collection, and the author's aliases: readers first lose the way.

        A collection that is another application's is left alone.
        """
        from qdrant_client import models

        aliases = self._aliases()
        outdated = self._of_earlier_layouts()
        own = [name for name in (self._alias, *layout.earlier_aliases(self._author)) if name in aliases]
        if own:
            self._client.update_collection_aliases(
                change_aliases_operations=[
                    models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name)) for name in own
                ]
            )
        everything = models.FilterSelector(filter=layout.filter_on(self._author))
        for name in self._collections():
            if layout.is_of_this_layout(name) or name in outdated:
                persistently(self._client.delete, name, points_selector=everything)

    def _own(self, category: Category | None = None) -> "models.Filter | None":
        return None if self._alone and category is None else layout.filter_on(self._author, category)

    def _checked(self, made_by: Mapping[str, Any]) -> str:
        """Return the collection behind the alias if its vectors were made by this function."""
        collection = self.collection()
        if collection is None:
            raise UserError(f"There is no index of {self._author} yet: build `embeddings`.")
        indexed = layout.made_by(self._client, collection)
        if indexed != made_by:
            differing = sorted(key for key in {*indexed, *made_by} if indexed.get(key) != made_by.get(key))
            raise UserError(
                f"The index of {self._author} ({collection}) was made by another embedding function than the query "
                f"({', '.join(f'{key}: {indexed.get(key)} and {made_by.get(key)}' for key in differing)}): build "
                "`embeddings` again, or set TWIN_EMBEDDING_MODEL to the model of the index."
            )
        return collection

    def _ensure_collection(self, encoder: PassageEncoder) -> str:
        name = layout.collection_name(encoder.parameters)
        if not self._client.collection_exists(name):
            layout.create_collection(self._client, name, dimension=encoder.dimension, made_by=encoder.parameters)
        self._prepare(self._client, name)
        return name

    def _fingerprints(self, collection: str) -> dict[str, str]:
        points = self._scroll(collection, with_payload=[layout.FINGERPRINT], page=PAGE_SIZE)
        return {str(point.id): (point.payload or {}).get(layout.FINGERPRINT, "") for point in points}

    def _scroll(self, collection: str, *, page: int, **wanted: Any) -> "Iterable[models.Record]":
        offset: Any = None
        while True:
            points, offset = persistently(
                self._client.scroll,
                collection,
                scroll_filter=self._own(),
                limit=page,
                offset=offset,
                **{"with_payload": False, **wanted},
            )
            yield from points
            if offset is None:
                return

    def _renew(self, collection: str, chunks: Sequence[Chunk], published: Mapping[str, datetime | None]) -> None:
        from qdrant_client import models

        renewals = [
            models.OverwritePayloadOperation(
                overwrite_payload=models.SetPayload(
                    payload=layout.payload_of(chunk, published.get(chunk.document_id)), points=[chunk.chunk_id]
                )
            )
            for chunk in chunks
        ]
        for begin in range(0, len(renewals), BATCH_SIZE):
            persistently(
                self._client.batch_update_points, collection, update_operations=renewals[begin : begin + BATCH_SIZE]
            )

    def _delete(self, collection: str, ids: Iterable[str]) -> None:
        from qdrant_client import models

        ordered = sorted(ids)
        for begin in range(0, len(ordered), BATCH_SIZE):
            selected = models.PointIdsList(points=list(ordered[begin : begin + BATCH_SIZE]))
            persistently(self._client.delete, collection, points_selector=selected)

    def _aliases(self) -> dict[str, str]:
        return {alias.alias_name: alias.collection_name for alias in self._client.get_aliases().aliases}

    def _point_alias(self, collection: str) -> None:
        """Show readers this collection, and take away the author's aliases of earlier layouts, in one step."""
        from qdrant_client import models

        current = self._aliases()
        outdated = [name for name in layout.earlier_aliases(self._author) if name in current]
        if current.get(self._alias) == collection and not outdated:
            return
        if self._alias in current:
            outdated.append(self._alias)
        show = models.CreateAlias(collection_name=collection, alias_name=self._alias)
        self._client.update_collection_aliases(
            change_aliases_operations=[
                *(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name)) for name in outdated),
                models.CreateAliasOperation(create_alias=show),
            ]
        )

    def _of_earlier_layouts(self) -> set[str]:
        """Return the collections that earlier code wrote for the author.

        The first layout had names that a collection of another application may have as well: only one that the
        author's own alias leads to is taken for one of it.
        """
        aliases = self._aliases()
        named = {aliases[name] for name in layout.earlier_aliases(self._author) if name in aliases}
        return named | {name for name in self._collections() if layout.is_of_an_earlier_layout(name)}

    def _collections(self) -> list[str]:
        return [description.name for description in self._client.get_collections().collections]

    def _tidy(self, current: str, ids: set[str], outdated: set[str]) -> None:
        """Take what has vanished out of other functions' collections, and the author out of earlier layouts."""
        from qdrant_client import models

        in_use = set(self._aliases().values())
        for name in self._collections():
            if layout.is_of_this_layout(name) and name != current:
                self._delete(name, self._fingerprints(name).keys() - ids)
            elif name in outdated:
                everything = models.FilterSelector(filter=layout.filter_on(self._author))
                persistently(self._client.delete, name, points_selector=everything)
                # Other authors, who have not been built since, go on from what is theirs.
                if name not in in_use and not self._client.count(name, exact=True).count:
                    self._client.delete_collection(name)


def _one_ahead(compute: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result, while the result of the next one is computed in a thread."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting: tuple[Item, Future[Result]] | None = None
        for item in items:
            following = (item, thread.submit(compute, item))
            if waiting:
                yield waiting[0], waiting[1].result()
            waiting = following
        if waiting:
            yield waiting[0], waiting[1].result()
