"""The promotion gate: whether a freshly trained model becomes the champion, as a pure function of what was measured.

It decides and says why, clause by clause; aliases are moved elsewhere. Differences count only outside the noise of a
95 % bootstrap interval, paired over what both models were given: held-out documents to read, prompts to answer. Why
each clause is as strict as it is stands in docs/decisions/0014-promotion-gate.md.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from twin_assets.documents import Entity
from twin_assets.evaluation.bootstrap import MIN_VALUES, Interval
from twin_assets.evaluation.faults import FLOORS, WORDS
from twin_assets.evaluation.likeness import Likeness
from twin_assets.evaluation.perplexity import bits_saved, shared_documents
from twin_assets.evaluation.reports import ModelScores, label_of
from twin_assets.evaluation.stylometry import MIN_BLOCK_WORDS

MIN_DOCUMENTS = MIN_VALUES
"""Fewest shared held-out documents to judge by; with fewer, no interval over documents is of 95 %."""

MIN_PROMPTS = 8
"""Fewest prompts to pair likeness over: an interval over fewer texts is too narrow to be believed (`likeness`)."""

DPO_MAY_COST = 0.05
"""How much held-out perplexity, relatively, DPO may give up for a likeness that is nearer outside the noise."""


class CheckState(Entity):
    """How a check of a checkpoint or of its evaluation stands."""

    name: str = Field(description="Asset and check")
    blocking: bool = Field(description="Whether it blocks what comes after its asset")
    state: Literal["passed", "warned", "failed", "missing"] = Field(
        description="On what its asset holds now; warned: failed, and is a warning only"
    )

    @property
    def is_green(self) -> bool:
        """Whether it stands in the way of no promotion: a blocking check has to have passed, another must not fail."""
        return self.state == "passed" or (not self.blocking and self.state != "failed")


class Clause(Entity):
    """One thing that the gate asks for."""

    name: Literal["perplexity", "likeness", "floors", "checks", "approval"] = Field(description="What is asked for")
    passed: bool = Field(description="Whether the candidate has it")
    words: str = Field(description="What was found, in words and numbers")


class Verdict(Entity):
    """The decision of the gate."""

    promote: bool = Field(description="Whether the candidate becomes the champion")
    reason: str = Field(description="Why, in words and numbers")
    clauses: tuple[Clause, ...] = Field(default=(), description="What was asked for, one by one")

    @property
    def waits_for_approval(self) -> bool:
        """Whether a person's approval is all that is missing."""
        return [clause.name for clause in self.clauses if not clause.passed] == ["approval"]


class Choice(Entity):
    """Which of the tuned models goes to the gate."""

    model: str = Field(description="sft or dpo")
    reason: str = Field(description="Why, in words and numbers")


def verdict(
    candidate: ModelScores,
    champion: ModelScores | None,
    *,
    base: ModelScores,
    checks: Sequence[CheckState],
    nearer_by: Interval | None = None,
    apart: tuple[Likeness, Likeness] | None = None,
    approve_with: str | None = None,
    min_documents: int = MIN_DOCUMENTS,
    seed: int = 0,
) -> Verdict:
    """Decide whether `candidate` is promoted.

    With a champion, the candidate has to be less surprised by the held-out documents and nearer to the author, both
    outside the noise. Without one, its rival is the base model, which serves nobody: it has to be less surprised, and
    not further from the author. Either way it must keep every floor, lose to the rival on nothing that has one, and
    every check of it must be green; and, where the author asks for it, a person has to approve.

    Args:
        candidate: Scores of the new model.
        champion: Scores of the present champion, None when there is none.
        base: Scores of the candidate's base model.
        checks: The checks of the candidate's checkpoint and of its evaluation.
        nearer_by: By how much the candidate's Delta is below the rival's, paired over prompts (`likeness_gain`).
        apart: Where they cannot be paired, the likeness of the candidate's texts and of the rival's, measured together
            (`likeness_of_sets`): what was measured on another day was measured against another pool of authors.
        approve_with: The command by which a person approves, where one has to.
        min_documents: Fewest shared documents to judge by.
        seed: Seed of the bootstrap.
    """
    rival = base if champion is None else champion
    name = f"the base model ({_short(base)})" if champion is None else f"the champion ({_short(champion)})"
    clauses = [
        _on_perplexity(candidate, rival, name, min_documents=min_documents, seed=seed),
        _on_likeness(nearer_by, apart, must_be_nearer=champion is not None),
        _on_floors(candidate, champion, seed=seed),
        _on_checks(checks),
    ]
    earned = all(clause.passed for clause in clauses)
    if approve_with:
        clauses.append(Clause(name="approval", passed=False, words=f"a person has to approve it: `{approve_with}`"))
    promote = earned and not approve_with
    first = "There is no champion yet. " if champion is None else ""
    return Verdict(
        promote=promote, reason=first + _told(candidate, name, clauses, earned=earned), clauses=tuple(clauses)
    )


def _told(candidate: ModelScores, rival: str, clauses: Sequence[Clause], *, earned: bool) -> str:
    """Return the verdict as a sentence or two: what speaks against the candidate first, then what speaks for it."""
    against = [clause.words for clause in clauses if not clause.passed]
    speaking_for = [clause.words for clause in clauses if clause.passed]
    who = f"{label_of(candidate.model)} ({_short(candidate)})"
    if earned and against:
        return f"{who} beats {rival}, and waits for approval: {against[0]}. {_sentence(speaking_for)}"
    if earned:
        return f"{who} beats {rival}. {_sentence(speaking_for)}"
    also = f" Otherwise: {'; '.join(speaking_for)}." if speaking_for else ""
    return f"{who} does not beat {rival}: {'; '.join(against)}.{also}"


def _on_perplexity(candidate: ModelScores, rival: ModelScores, name: str, *, min_documents: int, seed: int) -> Clause:
    """Ask for fewer bits per byte on the documents that both read: neither more documents nor a tokenizer is a gain."""
    shared = len(shared_documents(candidate.perplexity, rival.perplexity))
    if shared == 0:
        return Clause(
            name="perplexity",
            passed=False,
            words=f"it and {name} were measured on no held-out document in common, so they cannot be compared",
        )
    if shared < min_documents:
        return Clause(
            name="perplexity",
            passed=False,
            words=f"it and {name} share {_documents(shared)}, and a judgement needs at least {min_documents}: "
            "add writings",
        )
    saved = bits_saved(candidate.perplexity, rival.perplexity, seed=seed)
    better = "it is less surprised" if saved.low > 0 else "it is not less surprised outside the noise"
    return Clause(
        name="perplexity",
        passed=saved.low > 0,
        words=f"{better}, {_bits(saved)} {_measured_on(candidate, rival, shared)}",
    )


def _on_likeness(
    nearer_by: Interval | None, apart: tuple[Likeness, Likeness] | None, *, must_be_nearer: bool
) -> Clause:
    """Ask for texts nearer to the author; of a first model, for texts no further away than the base model's."""
    if nearer_by is not None:
        side = 1 if nearer_by.low > 0 else -1 if nearer_by.high < 0 else 0
        numbers = f"Delta lower by {nearer_by.text()}, paired over {nearer_by.n} prompts"
    elif apart is not None:
        ours, theirs = (likeness.to_own for likeness in apart)
        side = -ours.side_of(theirs)
        numbers = f"Delta {ours.text()} against {theirs.text()}, not paired"
    else:
        return Clause(
            name="likeness",
            passed=not must_be_nearer,
            words=f"their likeness was not measured: that takes {MIN_VALUES} answers of each, with "
            f"{MIN_BLOCK_WORDS} words of prose in all",
        )
    words = {
        1: "what it writes is more like the author",
        0: "what it writes is as like the author within the noise",
        -1: "what it writes is less like the author",
    }[side]
    return Clause(name="likeness", passed=side > 0 or (side == 0 and not must_be_nearer), words=f"{words} ({numbers})")


def _on_floors(candidate: ModelScores, champion: ModelScores | None, *, seed: int) -> Clause:
    """Ask that every metric with a floor is above it, and none worse than the champion's outside the noise."""
    if candidate.faults is None:
        return Clause(name="floors", passed=False, words="the faults of its texts were not measured: build eval_report")
    found, wrong = [], []
    for metric, floor in FLOORS.items():
        mean = candidate.faults.mean(metric, seed=seed)
        gain = candidate.faults.gain(champion.faults, metric, seed=seed) if champion and champion.faults else None
        share = f"{mean.estimate:.0%} {WORDS[metric]}"
        if mean.estimate < floor:
            wrong.append(f"{share}, under the floor of {floor:.0%}")
        elif gain is not None and gain.high < 0:
            wrong.append(f"{share}, fewer than the champion's by {-gain.estimate:.1%} outside the noise")
        else:
            found.append(share)
    return Clause(
        name="floors", passed=not wrong, words="; ".join(wrong) if wrong else f"no floor is missed ({', '.join(found)})"
    )


def _on_checks(checks: Sequence[CheckState]) -> Clause:
    """Ask that every check is green; one that has not run is not."""
    red = [
        f"{check.name} {'has not run' if check.state == 'missing' else check.state}"
        for check in checks
        if not check.is_green
    ]
    if not any(check.blocking for check in checks):
        return Clause(name="checks", passed=False, words="there is no blocking check of it")
    if red:
        return Clause(name="checks", passed=False, words=f"{len(red)} of its checks are not green: {', '.join(red)}")
    warned = sum(check.state == "warned" for check in checks)
    return Clause(
        name="checks",
        passed=True,
        words=f"its {len(checks)} checks are green" + (f", {warned} with a warning" if warned else ""),
    )


def better_of(sft: ModelScores, dpo: ModelScores, *, seed: int = 0) -> Choice:
    """Choose between the two tuned models of one training, as one report measured them: the one that goes to the gate.

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
    side = candidate.to_own.side_of(champion.to_own)
    words = {
        1: "what it writes is less like the author",
        0: "what it writes is as like the author within the noise",
        -1: "what it writes is more like the author",
    }[side]
    return side > 0, f"{words} (Delta {candidate.to_own.text()} against {champion.to_own.text()})"


def _is_nearer(candidate: Likeness | None, rival: Likeness | None) -> bool:
    return candidate is not None and rival is not None and candidate.to_own.side_of(rival.to_own) < 0


def _sentence(words: Sequence[str]) -> str:
    text = "; ".join(words)
    return f"{text[:1].upper()}{text[1:]}."


def _short(scores: ModelScores) -> str:
    return scores.version[:12]


def _bits(saved: Interval) -> str:
    return f"{saved.text(3)} bits per byte saved"


def _documents(n: int) -> str:
    return f"{n} held-out document" + ("" if n == 1 else "s")


def _measured_on(candidate: ModelScores, rival: ModelScores, shared: int) -> str:
    read = len(candidate.perplexity.documents), len(rival.perplexity.documents)
    if read == (shared, shared):
        return f"on {_documents(shared)}"
    return f"on the {_documents(shared)} that both read (of {read[0]} and {read[1]})"
