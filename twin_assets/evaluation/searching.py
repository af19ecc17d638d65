"""Asking the vector store for sentences whose place is known: the answers that `retrieval_report` scores."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from twin_assets.documents import Chunk, CleanedDocument
from twin_assets.evaluation.reports import Miss, RetrievalReport, SearchScores
from twin_assets.evaluation.retrieval import (
    CUTOFFS,
    RetrievalQuery,
    drop_half_of_the_words,
    rank_of,
    retrieval_scores,
)

if TYPE_CHECKING:
    from resources.embedder import EncodedTexts
    from resources.vector_requests import SearchMode

MODES: tuple["SearchMode", ...] = ("hybrid", "dense", "sparse")
"""The kinds of search that are compared; the first is what readers of the index use, and what the report is about."""

SHOWN_MISSES = 8


class Found(Protocol):
    """One passage that a search returned."""

    @property
    def chunk(self) -> Chunk:
        """The passage."""
        ...


class Index(Protocol):
    """What is searched."""

    def search(self, queries: "EncodedTexts", *, limit: int, mode: "SearchMode") -> Sequence[Sequence[Found]]:
        """Return the passages that answer each query, the best first."""
        ...


class QueryEncoder(Protocol):
    """What turns queries into vectors: the very function that made the vectors of the passages."""

    @property
    def model_name(self) -> str:
        """Name of the model."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens that the model reads at most."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> "EncodedTexts":
        """Return the vectors of the queries."""
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
    """Ask for each query as it stands and with half of its words dropped, in each kind of search; score the answers.

    Raises:
        ValueError: If there are no queries.
    """
    exact = encoder.encode_queries([query.text for query in queries])
    halved = encoder.encode_queries([drop_half_of_the_words(query.text, seed) for query in queries])
    titles = {document.document_id: document.title or document.document_id for document in documents}
    origins = [query.document_id for query in queries]
    answers = {mode: (_returned(index, exact, mode), _returned(index, halved, mode)) for mode in MODES}
    scores = [
        SearchScores(
            mode=mode,
            exact=retrieval_scores(_ranks(queries, whole), document_ids=origins, seed=seed),
            half_dropped=retrieval_scores(_ranks(queries, half), document_ids=origins, seed=seed),
        )
        for mode, (whole, half) in answers.items()
    ]
    return RetrievalReport(
        author=author,
        author_name=author_name,
        embedding_model=encoder.model_name,
        max_tokens=encoder.max_tokens,
        n_documents=len(documents),
        chunk_tokens=tuple(chunk.n_tokens for chunk in chunks),
        exact=scores[0].exact,
        half_dropped=scores[0].half_dropped,
        modes=tuple(scores),
        misses=tuple(
            Miss(query=query.text, document=titles[query.document_id], returned=found[0].text)
            for query, found, rank in zip(queries, answers[MODES[0]][0], scores[0].exact.ranks, strict=True)
            if rank is None and found
        )[:SHOWN_MISSES],
        provenance={"passages": f"{len(chunks):,}", "embedding model": encoder.model_name, "seed": str(seed)},
    )


def _returned(index: Index, queries: "EncodedTexts", mode: "SearchMode") -> list[list[Chunk]]:
    return [[hit.chunk for hit in hits] for hits in index.search(queries, limit=CUTOFFS[-1], mode=mode)]


def _ranks(queries: Sequence[RetrievalQuery], returned: Sequence[Sequence[Chunk]]) -> list[int | None]:
    return [rank_of(query, found) for query, found in zip(queries, returned, strict=True)]
