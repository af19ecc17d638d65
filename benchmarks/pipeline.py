"""The feature stage as the assets run it, and as one would write it down first."""

import uuid
from collections.abc import Sequence
from pathlib import Path

from resources.embedder import Embedder
from resources.vector_session import SyncCounts
from resources.vector_store import VectorStore
from twin_assets.documents import Chunk, CleanedDocument, RawDocument
from twin_assets.features.chunking import PassageSplitter, build_splitter, chunk_documents
from twin_assets.features.corpus import clean_corpus


def new_splitter() -> PassageSplitter:
    """Return what cuts text into passages, ready."""
    return build_splitter(Embedder().tokenizer_file)


def clean_and_chunk(raw: Sequence[RawDocument], splitter: PassageSplitter) -> tuple[list[CleanedDocument], list[Chunk]]:
    """Return clean documents and their passages, each author's cleaned together as the asset does."""
    documents = [
        document
        for author in sorted({document.author for document in raw})
        for document in clean_corpus([one for one in raw if one.author == author]).documents
    ]
    return documents, chunk_documents(documents, splitter)


def convert_the_model(home: Path) -> None:
    """Convert the embedding model, which happens once per model and machine."""
    Embedder(cache_folder=str(home / "models")).encode(["A first text."])


def embed_and_index(home: Path, chunks: Sequence[Chunk]) -> SyncCounts:
    """Bring the index in step with the passages of all authors, each step with an embedder of its own, as assets do."""
    embedder, store = Embedder(cache_folder=str(home / "models")), VectorStore(folder=str(home / "qdrant"))
    total = SyncCounts()
    for author in sorted({chunk.author for chunk in chunks}):
        with store.session(author) as session:
            synced = session.sync([chunk for chunk in chunks if chunk.author == author], embedder)
        total = SyncCounts(
            added=total.added + synced.added, kept=total.kept + synced.kept, deleted=total.deleted + synced.deleted
        )
    return total


class Baseline:
    """The straightforward way: torch in float32, batches of 10 as they come, 4 points a request, all from zero."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "baseline"

    def embed_and_index(self, chunks: Sequence[Chunk]) -> None:
        """Embed every passage and store it."""
        from qdrant_client import QdrantClient, models
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(Embedder().location)
        client = QdrantClient(path=str(self._folder))
        client.create_collection(
            "passages", vectors_config=models.VectorParams(size=384, distance=models.Distance.COSINE)
        )
        for begin in range(0, len(chunks), 10):
            batch = chunks[begin : begin + 10]
            vectors = self._model.encode([chunk.text for chunk in batch], batch_size=10, show_progress_bar=False)
            points = [
                models.PointStruct(
                    id=str(uuid.UUID(chunk.chunk_id)), vector=vector.tolist(), payload=chunk.model_dump()
                )
                for chunk, vector in zip(batch, vectors, strict=True)
            ]
            for first in range(0, len(points), 4):
                client.upsert("passages", points[first : first + 4])
        client.close()

    def answers(self, queries: Sequence[str], author: str, limit: int) -> list[list[Chunk]]:
        """Return the nearest passages of an author for each query."""
        from qdrant_client import QdrantClient, models

        own = models.Filter(must=[models.FieldCondition(key="author", match=models.MatchValue(value=author))])
        client = QdrantClient(path=str(self._folder))
        vectors = self._model.encode(list(queries), batch_size=10, show_progress_bar=False)
        responses = [
            client.query_points("passages", query=vector.tolist(), query_filter=own, limit=limit) for vector in vectors
        ]
        client.close()
        return [[Chunk.model_validate(point.payload) for point in response.points] for response in responses]
