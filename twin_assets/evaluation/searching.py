"""Asking the vector store for sentences whose place is known: the answers that `retrieval_report` scores."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from twin_assets.documents import CATEGORIES, Category, Chunk, CleanedDocument
from twin_assets.evaluation.reports import Miss, RetrievalReport
from twin_assets.evaluation.retrieval import (
    CUTOFFS,
    RetrievalQuery,
    drop_half_of_the_words,
    rank_of,
    retrieval_scores,
)

if TYPE_CHECKING:
    import numpy as np

SHOWN_MISSES = 8


class Found(Protocol):
    """One passage that a search returned."""

    @property
    def chunk(self) -> Chunk:
        """The passage."""
        ...

    @property
    def score(self) -> float:
        """Similarity to the query."""
        ...


class Index(Protocol):
    """What is searched."""

    def search(self, category: Category, vectors: "np.ndarray[Any, Any]", *, limit: int) -> Sequence[Sequence[Found]]:
        """Return the nearest passages of a category for each vector."""
        ...


class QueryEncoder(Protocol):
    """What turns queries into vectors: the very model that embedded the passages."""

    @property
    def model_name(self) -> str:
        """Name of the model."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens that the model reads at most."""
        ...

    def encode(self, texts: list[str]) -> "np.ndarray[Any, Any]":
        """Return one vector per text."""
        ...


def measure_retrieval(
    index: Index,
    encoder: QueryEncoder,
    *,
    author: str,
    author_name: str,
    queries: Sequence[RetrievalQuery],
    documents: Sequence[CleanedDocument],
    chunks: Sequence[Chunk],
    seed: int,
) -> RetrievalReport:
    """Ask for each query as it stands and with half of its words dropped, and score the answers.

    Raises:
        ValueError: If there are no queries.
    """
    present = [category for category in CATEGORIES if any(chunk.category == category for chunk in chunks)]
    exact = _returned(index, encoder, [query.text for query in queries], present)
    halved = _returned(index, encoder, [drop_half_of_the_words(query.text, seed) for query in queries], present)
    titles = {document.document_id: document.title or document.document_id for document in documents}
    origins = [query.document_id for query in queries]
    ranks = [rank_of(query, found) for query, found in zip(queries, exact, strict=True)]
    return RetrievalReport(
        author=author,
        author_name=author_name,
        embedding_model=encoder.model_name,
        max_tokens=encoder.max_tokens,
        n_documents=len(documents),
        chunk_tokens=tuple(chunk.n_tokens for chunk in chunks),
        exact=retrieval_scores(ranks, document_ids=origins, seed=seed),
        half_dropped=retrieval_scores(
            [rank_of(query, found) for query, found in zip(queries, halved, strict=True)],
            document_ids=origins,
            seed=seed,
        ),
        misses=tuple(
            Miss(query=query.text, document=titles[query.document_id], returned=found[0].text)
            for query, found, rank in zip(queries, exact, ranks, strict=True)
            if rank is None and found
        )[:SHOWN_MISSES],
        provenance={"passages": f"{len(chunks):,}", "embedding model": encoder.model_name, "seed": str(seed)},
    )


def _returned(
    index: Index, encoder: QueryEncoder, texts: list[str], categories: Sequence[Category]
) -> list[list[Chunk]]:
    """Return the passages found for each text over all categories, the best first, as many as are scored."""
    vectors = encoder.encode(texts)
    found: list[list[Found]] = [[] for _ in texts]
    for category in categories:
        for hits, more in zip(found, index.search(category, vectors, limit=CUTOFFS[-1]), strict=True):
            hits.extend(more)
    return [[hit.chunk for hit in sorted(hits, key=lambda hit: -hit.score)[: CUTOFFS[-1]]] for hits in found]
