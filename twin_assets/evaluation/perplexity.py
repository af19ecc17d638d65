"""Perplexity of a corpus from the losses of its documents, and two models compared on the same documents.

The losses are computed where the model is (`training`); here they become numbers with intervals. Perplexities compare
only under one tokenizer; bits per byte compare under any (Gao et al. 2020, The Pile, section 3.1).
"""

import math
from collections.abc import Sequence

from pydantic import Field

from twin_assets.documents import Entity
from twin_assets.evaluation.bootstrap import Interval, ratio_interval


class DocumentLoss(Entity):
    """What one document cost a model."""

    document_id: str = Field(description="Document that was read")
    nll: float = Field(ge=0, allow_inf_nan=False, description="Negative log-likelihood, summed over tokens, in nats")
    tokens: int = Field(gt=0, description="Tokens predicted")
    n_bytes: int = Field(gt=0, description="UTF-8 bytes of the text that was read")

    @property
    def perplexity(self) -> float:
        """Perplexity of this document alone."""
        return math.exp(self.nll / self.tokens)


class PerplexityScore(Entity):
    """How surprised a model is by held-out text: lower is better."""

    perplexity: Interval = Field(description="exp(sum of nll / sum of tokens), interval over documents")
    bits_per_byte: Interval = Field(description="sum of nll / ln 2 / sum of bytes: comparable between tokenizers")
    n_tokens: int = Field(description="Tokens predicted in all documents")
    documents: tuple[DocumentLoss, ...] = Field(description="What each document cost")


def perplexity_score(documents: Sequence[DocumentLoss], *, seed: int = 0) -> PerplexityScore:
    """Return the corpus perplexity and bits per byte of documents, with bootstrap intervals over documents.

    Raises:
        ValueError: If there is no document, or one stands there twice.
    """
    if len({document.document_id for document in documents}) != len(documents):
        raise ValueError("A document was scored twice: give each document's loss once.")
    nll = [document.nll for document in documents]
    nats_per_token = ratio_interval(nll, [document.tokens for document in documents], seed=seed)
    nats_per_byte = ratio_interval(nll, [document.n_bytes for document in documents], seed=seed)
    return PerplexityScore(
        perplexity=nats_per_token.transformed(math.exp),
        bits_per_byte=nats_per_byte.transformed(_bits),
        n_tokens=sum(document.tokens for document in documents),
        documents=tuple(documents),
    )


def shared_documents(a: PerplexityScore, b: PerplexityScore) -> list[tuple[DocumentLoss, DocumentLoss]]:
    """Return the pairs of losses of documents that both scores read, in the order of `a`.

    A document that changed its length in between was edited, and is not the same text.
    """
    of_b = {document.document_id: document for document in b.documents}
    return [
        (document, other)
        for document in a.documents
        if (other := of_b.get(document.document_id)) and other.n_bytes == document.n_bytes
    ]


def bits_saved(candidate: PerplexityScore, reference: PerplexityScore, *, seed: int = 0) -> Interval:
    """Return the bits per byte that `candidate` saves against `reference`, paired over the documents both read.

    Above zero the candidate is less surprised. Under one tokenizer the sign is that of the perplexities' difference.

    Raises:
        ValueError: If they share no document.
    """
    pairs = shared_documents(candidate, reference)
    if not pairs:
        raise ValueError("The two models were measured on no document in common: evaluate them on the same documents.")
    saved = [theirs.nll - ours.nll for ours, theirs in pairs]
    return ratio_interval(saved, [ours.n_bytes for ours, _ in pairs], seed=seed).transformed(_bits)


def improvement_percent(candidate: PerplexityScore, reference: PerplexityScore, *, seed: int = 0) -> Interval:
    """Return by how many per cent `candidate`'s perplexity is lower, paired over the documents both read.

    Raises:
        ValueError: If they share no document, or split one into different tokens, where only bits per byte compare.
    """
    pairs = shared_documents(candidate, reference)
    if not pairs:
        raise ValueError("The two models were measured on no document in common: evaluate them on the same documents.")
    if any(ours.tokens != theirs.tokens for ours, theirs in pairs):
        raise ValueError("The two models read different tokens: compare their bits per byte instead.")
    log_ratio = ratio_interval(
        [ours.nll - theirs.nll for ours, theirs in pairs],
        [ours.tokens for ours, _ in pairs],
        seed=seed,
    )
    return log_ratio.transformed(lambda log: 100 * (1 - math.exp(log)))


def _bits(nats: float) -> float:
    return nats / math.log(2)
