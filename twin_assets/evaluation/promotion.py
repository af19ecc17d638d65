"""The promotion gate: whether a freshly trained model becomes the champion, as a pure function of two sets of scores.

It decides and says why; aliases are moved elsewhere. Differences count only outside the noise of a 95 % bootstrap
interval, paired over the held-out documents that both models read.
"""

from pydantic import Field

from twin_assets.documents import Entity
from twin_assets.evaluation.bootstrap import Interval
from twin_assets.evaluation.likeness import Likeness
from twin_assets.evaluation.perplexity import bits_saved, shared_documents
from twin_assets.evaluation.reports import ModelScores, label_of

MIN_DOCUMENTS = 3
"""Fewest shared held-out documents to judge by; with fewer, an interval over documents means nothing."""

BLOCK_TOLERANCE = 0.05
"""How far two block sizes may differ, relatively, for Deltas to compare: noise falls with the root of the words."""

DPO_MAY_COST = 0.05
"""How much held-out perplexity, relatively, DPO may give up for a likeness that is nearer outside the noise."""


class Verdict(Entity):
    """The decision of the gate."""

    promote: bool = Field(description="Whether the candidate becomes the champion")
    reason: str = Field(description="Why, in words and numbers")


class Choice(Entity):
    """Which of the tuned models goes to the gate."""

    model: str = Field(description="sft or dpo")
    reason: str = Field(description="Why, in words and numbers")


def verdict(
    candidate: ModelScores,
    champion: ModelScores | None,
    *,
    base: ModelScores,
    min_documents: int = MIN_DOCUMENTS,
    seed: int = 0,
) -> Verdict:
    """Decide whether `candidate` is promoted.

    Without a champion, it has to beat the base model on held-out perplexity outside the noise. With one, it has to
    beat the champion there, and its likeness to the author must not be worse outside the noise. Models compare on the
    held-out documents that both read, by bits per byte, so that an author who grew or a new tokenizer changes nothing.

    Args:
        candidate: Scores of the new model.
        champion: Scores of the present champion, None when there is none.
        base: Scores of the candidate's base model.
        min_documents: Fewest shared documents to judge by.
        seed: Seed of the bootstrap.
    """
    rival = base if champion is None else champion
    name = f"the base model ({base.version})" if champion is None else f"the champion ({champion.version})"
    shared = len(shared_documents(candidate.perplexity, rival.perplexity))
    if shared == 0:
        return _not_promoted(
            f"{_named(candidate)} and {name} were measured on no held-out document in common, so they cannot be "
            f"compared: evaluate {name} on the present held-out documents, or promote by hand."
        )
    if shared < min_documents:
        return _not_promoted(
            f"{_named(candidate)} and {name} share {_documents(shared)}, and a judgement needs at least "
            f"{min_documents}: add writings, or promote by hand."
        )
    saved = bits_saved(candidate.perplexity, rival.perplexity, seed=seed)
    on = _measured_on(candidate, rival, shared)
    if saved.low <= 0:
        return _not_promoted(f"{_named(candidate)} does not beat {name} outside the noise: {_bits(saved)} {on}.")
    if champion is None:
        return Verdict(
            promote=True,
            reason=f"There is no champion yet, and {_named(candidate)} beats {name}: {_bits(saved)} {on}.",
        )
    objection, compared = _objection(candidate.likeness, champion.likeness)
    if objection:
        return _not_promoted(f"{_named(candidate)} beats {name} ({_bits(saved)} {on}), but {compared}.")
    return Verdict(promote=True, reason=f"{_named(candidate)} beats {name}: {_bits(saved)} {on}, and {compared}.")


def better_of(sft: ModelScores, dpo: ModelScores, *, seed: int = 0) -> Choice:
    """Choose between the two tuned models of one training: the one that goes to the gate.

    DPO is chosen when its likeness is nearer outside the noise and costs no more than `DPO_MAY_COST` of perplexity, or
    when its perplexity is lower outside the noise and its likeness not worse. Otherwise SFT, which needed less.

    Raises:
        ValueError: If the two share no held-out document.
    """
    saved = bits_saved(dpo.perplexity, sft.perplexity, seed=seed)
    before, after = sft.perplexity.perplexity.estimate, dpo.perplexity.perplexity.estimate
    objection, compared = _objection(dpo.likeness, sft.likeness)
    numbers = f"perplexity {after:,.1f} against SFT's {before:,.1f} ({_bits(saved)}); {compared}"
    if _is_nearer(dpo.likeness, sft.likeness) and after <= before * (1 + DPO_MAY_COST):
        return Choice(model=dpo.model, reason=f"DPO is chosen, because it is nearer to the author: {numbers}.")
    if saved.low > 0 and not objection:
        return Choice(model=dpo.model, reason=f"DPO is chosen, because it is less surprised: {numbers}.")
    return Choice(model=sft.model, reason=f"SFT is chosen, because DPO adds nothing outside the noise: {numbers}.")


def _objection(candidate: Likeness | None, champion: Likeness | None) -> tuple[bool, str]:
    """Return whether likeness speaks against the candidate, and the comparison in words.

    What cannot be compared speaks against it: a gate that opens when the measurement is missing is no gate.
    """
    if candidate is None or champion is None:
        return True, "the likeness of one of them was not measured: evaluate it again with more generated text"
    if not _comparable(candidate, champion):
        return True, (
            f"their likeness does not compare, because it was measured on blocks of {candidate.block_words:,} and "
            f"{champion.block_words:,} words: evaluate the older one again"
        )
    side = candidate.to_own.side_of(champion.to_own)
    words = {
        1: "what it writes is less like the author",
        0: "what it writes is as like the author within the noise",
        -1: "what it writes is more like the author",
    }[side]
    return side > 0, f"{words} (Delta {candidate.to_own.text()} against {champion.to_own.text()})"


def _is_nearer(candidate: Likeness | None, rival: Likeness | None) -> bool:
    if candidate is None or rival is None or not _comparable(candidate, rival):
        return False
    return candidate.to_own.side_of(rival.to_own) < 0


def _comparable(a: Likeness, b: Likeness) -> bool:
    return abs(a.block_words - b.block_words) <= BLOCK_TOLERANCE * max(a.block_words, b.block_words)


def _not_promoted(reason: str) -> Verdict:
    return Verdict(promote=False, reason=reason[0].upper() + reason[1:])


def _named(scores: ModelScores) -> str:
    return f"{label_of(scores.model)} ({scores.version})"


def _bits(saved: Interval) -> str:
    return f"{saved.text(3)} bits per byte saved"


def _documents(n: int) -> str:
    return f"{n} held-out document" + ("" if n == 1 else "s")


def _measured_on(candidate: ModelScores, rival: ModelScores, shared: int) -> str:
    read = len(candidate.perplexity.documents), len(rival.perplexity.documents)
    if read == (shared, shared):
        return f"on {_documents(shared)}"
    return f"on the {_documents(shared)} that both read (of {read[0]} and {read[1]})"
