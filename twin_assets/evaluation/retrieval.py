"""How well retrieval finds what it should: known-item queries from the documents, ranks, recall and MRR.

A query is a sentence the author wrote; what should come back is a passage that holds it. The same sentences with half
of their words dropped show what is left when the wording is only remembered roughly. No vector store is asked here.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from twin_assets.documents import Chunk, CleanedDocument, Entity, text_hash
from twin_assets.evaluation.bootstrap import Interval, ratio_interval
from twin_assets.evaluation.prose import passages, sentence_spans

CUTOFFS = (1, 3, 5, 10)
"""How many passages are looked at: recall is reported at each of them, MRR at the last."""

# A sentence with a link, code, emphasis or a line of a quotation in it is not prose alone.
_MARKUP = re.compile(r"[`*_\[\]<>|#\\~^=]|https?:|www\.|\n\s*[-+>]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_WHOLE_SENTENCE = re.compile(r"[\"'\u2018\u201c(]?[^\W_].*[.!?…][\"'\u2019\u201d)]?", re.DOTALL)


class RetrievalQuery(Entity):
    """A sentence to look for, and where it stands."""

    document_id: str = Field(description="Document the sentence stands in")
    text: str = Field(description="The sentence, verbatim: cleaned text from start to end")
    start: int = Field(description="Offset of the first character in the cleaned text")
    end: int = Field(description="Offset after the last character in the cleaned text")


class RetrievalScores(Entity):
    """Recall and mean reciprocal rank over a set of queries."""

    recall: dict[int, Interval] = Field(description="Share of queries answered among the first k passages, by k")
    mrr: Interval = Field(
        description="Mean of 1 / rank of the first right passage, 0 when it is not among the first 10"
    )
    n_queries: int = Field(description="Queries asked")
    ranks: tuple[int | None, ...] = Field(description="Rank of the first right passage by query, None if not returned")


def sentence_queries(
    documents: Sequence[CleanedDocument],
    *,
    per_document: int = 8,
    min_words: int = 8,
    max_words: int = 40,
    seed: int = 0,
) -> list[RetrievalQuery]:
    """Draw up to `per_document` prose sentences from each document, in order of their place.

    Taken are whole sentences of plain prose in paragraphs that stand once in the document: none from code, tables,
    headings, lists or quotations, none with markup or an address in it. Documents that nearly repeat another one are
    left out. What is drawn from a document depends on it and the seed alone, so a new document moves no old query.

    Args:
        documents: Cleaned documents of one author.
        per_document: Most sentences to take from one.
        min_words: Fewest words of a sentence; very short ones stand anywhere.
        max_words: Most words of a sentence; very long ones would span passages.
        seed: Seed of the draw.
    """
    queries = []
    for document in documents:
        if document.duplicate_of is not None:
            continue
        candidates = [
            (start, end)
            for start, end in _plain_sentences(document.text)
            if min_words <= len(document.text[start:end].split()) <= max_words
        ]
        generator = np.random.default_rng([seed, int(text_hash(document.document_id)[:16], 16)])
        drawn = generator.permutation(len(candidates))[:per_document]
        queries += [
            RetrievalQuery(document_id=document.document_id, text=document.text[start:end], start=start, end=end)
            for start, end in sorted(candidates[i] for i in drawn)
        ]
    return queries


def drop_half_of_the_words(query: str, seed: int = 0) -> str:
    """Return every word of a query with even chance, half of them (rounded up) in all, in their order.

    The draw depends on the query and the seed alone.
    """
    words = query.split()
    generator = np.random.default_rng([seed, int(text_hash(query)[:16], 16)])
    kept = sorted(generator.permutation(len(words))[: (len(words) + 1) // 2])
    return " ".join(words[i] for i in kept)


def rank_of(query: RetrievalQuery, returned: Sequence[Chunk]) -> int | None:
    """Return the rank, from 1, of the first returned passage that holds the query's sentence; None if none does.

    A passage holds it if it covers the sentence's span, or contains its text: the same sentence in a near-duplicate of
    the document answers the query as well. White space does not count.
    """
    sentence = _squeezed(query.text)
    for rank, chunk in enumerate(returned, start=1):
        covers = chunk.document_id == query.document_id and chunk.start <= query.start and query.end <= chunk.end
        if covers or sentence in _squeezed(chunk.text):
            return rank
    return None


def retrieval_scores(
    ranks: Sequence[int | None], *, document_ids: Sequence[str] | None = None, seed: int = 0
) -> RetrievalScores:
    """Return recall at each of `CUTOFFS` and MRR at the last, with bootstrap intervals.

    Args:
        ranks: Rank of the first right passage of each query, from 1; None when none was returned.
        document_ids: Document of each query. Queries from one document succeed and fail together, so with this the
            intervals are resampled over documents, and are honest about how few those are; without, over queries.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: If there is no query, a rank is under 1, or `document_ids` has another length.
    """
    if not ranks:
        raise ValueError("Retrieval was asked nothing: there are no queries to score.")
    if any(rank is not None and rank < 1 for rank in ranks):
        raise ValueError("Ranks count from 1.")
    groups = list(document_ids) if document_ids is not None else [str(i) for i in range(len(ranks))]
    if len(groups) != len(ranks):
        raise ValueError(f"Each rank needs its document: got {len(ranks)} ranks and {len(groups)} documents.")

    last = CUTOFFS[-1]
    return RetrievalScores(
        recall={k: _grouped_mean([float(r is not None and r <= k) for r in ranks], groups, seed) for k in CUTOFFS},
        mrr=_grouped_mean([1 / r if r is not None and r <= last else 0.0 for r in ranks], groups, seed),
        n_queries=len(ranks),
        ranks=tuple(ranks),
    )


def _grouped_mean(values: Sequence[float], groups: Sequence[str], seed: int) -> Interval:
    sums: dict[str, float] = defaultdict(float)
    for group, value in zip(groups, values, strict=True):
        sums[group] += value
    counts = Counter(groups)
    return ratio_interval([sums[group] for group in counts], list(counts.values()), seed=seed)


def _plain_sentences(markdown: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each whole sentence of plain prose that stands once in a document."""
    offsets = [0, *(line_end.end() for line_end in _LINE_END.finditer(markdown)), len(markdown)]
    for passage in passages(markdown):
        if passage.kind != "paragraph":
            continue
        begin, finish = offsets[passage.source[0]], offsets[passage.source[1]]
        for start, end in sentence_spans(markdown[begin:finish]):
            sentence = markdown[begin + start : begin + end]
            plain = _WHOLE_SENTENCE.fullmatch(sentence) and not _MARKUP.search(sentence)
            if plain and markdown.count(sentence) == 1:
                yield begin + start, begin + end


def _squeezed(text: str) -> str:
    return " ".join(text.split())
