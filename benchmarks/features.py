"""The feature stage on real writings: how fast and how well it finds, against the straightforward way."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.corpora import generated_documents, handbook_documents
from benchmarks.figures import Figures
from benchmarks.pipeline import Baseline, clean_and_chunk, convert_the_model, embed_and_index, new_splitter
from benchmarks.timing import seconds_of
from resources.embedder import Embedder
from resources.vector_store import VectorStore
from twin_assets.documents import Chunk, CleanedDocument, RawDocument
from twin_assets.evaluation.retrieval import RetrievalQuery, drop_half_of_the_words, rank_of, sentence_queries


def run(figures: Figures) -> None:
    """Measure clean + chunk + embed + index: from zero, against the baseline, and again with nothing changed."""
    raw = handbook_documents()
    if raw is None:
        figures.note("features", "the Handbook's dump is not in ../shared/data/handbook: generated documents instead")
        raw = generated_documents(300, sentences=60)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        _load_the_libraries(raw)
        converting = seconds_of(lambda: convert_the_model(home), runs=1)
        results: list[tuple[list[CleanedDocument], list[Chunk]]] = []
        prepared = seconds_of(lambda: results.append(clean_and_chunk(raw, new_splitter())), runs=1)
        [(documents, chunks)] = results
        tokens = sum(chunk.n_tokens for chunk in chunks)
        baseline = Baseline(home)
        straightforward = prepared + seconds_of(lambda: baseline.embed_and_index(chunks), runs=1)
        embedding = seconds_of(lambda: embed_and_index(home, chunks), runs=1)
        first = prepared + embedding
        figures.note("passages, tokens", f"{len(chunks):,}, {tokens:,}")
        figures.note("features, straightforward", f"{tokens / straightforward:,.0f} tokens/s")
        figures.note("features, this platform", f"{tokens / first:,.0f} tokens/s")
        figures.note("converting the model, once per model and machine: not in the above", f"{converting:.1f} s")
        figures.ratio("features: tokens per second, against straightforward", straightforward / first, at_least=3)
        _compare_recall(figures, baseline, home, documents)

        synced = [embed_and_index(home, chunks)]
        again = seconds_of(lambda: synced.append(embed_and_index(home, chunks)), runs=1)
        figures.ratio("unchanged: passages embedded", synced[-1].added, at_most=0)
        figures.ratio(
            "unchanged: time of embed and index, against the features' first run", again / first, at_most=0.05
        )


def _load_the_libraries(raw: Iterable[RawDocument]) -> None:
    """Import what either side needs, so that neither pays for it: a throughput is asked for, not a start."""
    import openvino  # noqa: F401
    import qdrant_client  # noqa: F401
    import sentence_transformers  # noqa: F401

    clean_and_chunk([next(iter(raw))], new_splitter())


def _compare_recall(figures: Figures, baseline: Baseline, home: Path, documents: Sequence[CleanedDocument]) -> None:
    embedder, store = Embedder(cache_folder=str(home / "models")), VectorStore(folder=str(home / "qdrant"))
    found: dict[str, list[bool]] = {}
    for author in sorted({document.author for document in documents}):
        queries = sentence_queries([document for document in documents if document.author == author], per_document=4)
        exact = [query.text for query in queries]
        halved = [drop_half_of_the_words(text) for text in exact]
        found.setdefault("straightforward", []).extend(_hits(queries, baseline.answers(exact, author, 5)))
        with store.session(author) as session:
            for name, texts, mode in (
                ("dense", exact, "dense"),
                ("hybrid", exact, "hybrid"),
                ("hybrid, half of the words dropped", halved, "hybrid"),
            ):
                hits = session.search(embedder.encode_queries(texts), limit=5, mode=mode)
                found.setdefault(name, []).extend(_hits(queries, [[hit.chunk for hit in some] for some in hits]))
    recall = {name: sum(hits) / len(hits) for name, hits in found.items()}
    figures.note("recall@5, straightforward", f"{recall['straightforward']:8.3f}")
    figures.ratio(
        "recall@5, dense: less than straightforward by", recall["straightforward"] - recall["dense"], at_most=0.005
    )
    figures.ratio("recall@5, dense", recall["dense"], at_least=0.70)
    figures.ratio("recall@5, hybrid", recall["hybrid"], at_least=recall["dense"])
    figures.ratio(
        "recall@5, hybrid, half of the words dropped", recall["hybrid, half of the words dropped"], at_least=0.45
    )


def _hits(queries: Sequence[RetrievalQuery], answers: Sequence[Sequence[Chunk]]) -> list[bool]:
    return [rank_of(query, found) is not None for query, found in zip(queries, answers, strict=True)]
