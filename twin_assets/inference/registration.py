"""What the registry holds for an author, as data: versions, their scores, and the verdict of the promotion gate."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from resources.tracker import ModelVersion
from twin_assets.documents import Entity
from twin_assets.evaluation.bootstrap import MIN_VALUES, Interval
from twin_assets.evaluation.likeness import Likeness, TooLittleProseError, likeness_gain, likeness_of_sets
from twin_assets.evaluation.promotion import MIN_PROMPTS, CheckState, Verdict, verdict
from twin_assets.evaluation.reports import BASE, EvalReport, ModelScores
from twin_assets.evaluation.stylometry import StyleProfile
from twin_assets.inference.aliases import BY_A_PERSON, PROMOTED_BY, PROMOTED_OVER, ROLLED_BACK

ANSWERS_KEPT = 20
"""Versions whose answers are kept, besides those with an alias: what a candidate may have to be compared with."""


class PastVerdict(Entity):
    """What the promotion gate, or a person, once decided about a version."""

    version: str = Field(description="The version that was judged")
    promote: bool = Field(description="Whether it became the champion")
    reason: str = Field(description="Why, in words and numbers")


class Registration(Entity):
    """The state of an author's model in the registry after a build."""

    author: str = Field(description="Slug of the author")
    name: str = Field(description="Name of the registered model")
    versions: dict[str, str] = Field(description="Version by stage, sft and dpo, of the present checkpoints")
    candidate: str = Field(description="Version with the alias candidate")
    champion: str | None = Field(description="Version with the alias champion, if one earned it")
    verdict: Verdict = Field(description="What the promotion gate decided, and why")
    scores: dict[str, ModelScores] = Field(
        description="Scores of every version as it was measured, so that a later candidate can be compared with it"
    )
    answers: dict[str, dict[str, str]] = Field(
        default={}, description="What a version answered when it was measured, by version and prompt"
    )
    history: tuple[PastVerdict, ...] = Field(default=(), description="Every decision there was, the oldest first")

    @property
    def identity(self) -> list[object]:
        """What the data version is a hash of.

        The verdict reads otherwise when it is asked again about what is champion by now; what is registered does not.
        """
        return [self.versions, self.candidate, self.champion]

    def summary(self) -> str:
        """Return what is registered, in a line."""
        stage = next((stage for stage, version in self.versions.items() if version == self.candidate), "not present")
        return f"{self.name}: candidate version {self.candidate} ({stage}), champion {self.champion or 'none'}"


def chosen_over(tags: Mapping[str, str]) -> str | None:
    """Return which version was the newest when a person made a version the champion; None if the tags tell of none."""
    return tags.get(PROMOTED_OVER) if tags.get(PROMOTED_BY) == BY_A_PERSON else None


def remembered(history: tuple[PastVerdict, ...], version: str, decision: Verdict) -> tuple[PastVerdict, ...]:
    """Return the history with one more decision; the same decision, made again, is not told twice."""
    latest = next((past for past in reversed(history) if past.version == version), None)
    made = PastVerdict(version=version, promote=decision.promote, reason=decision.reason)
    return history if latest == made else (*history, made)


def kept(answers: Mapping[str, dict[str, str]], *, with_alias: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the answers of the newest versions and of those that an alias points to."""
    newest = sorted(answers, key=int)[-ANSWERS_KEPT:]
    return {version: answers[version] for version in answers if version in {*newest, *with_alias}}


def judge(
    report: EvalReport,
    *,
    candidate: ModelVersion,
    champion: ModelVersion | None,
    known: Registration | None,
    profiles: Mapping[str, StyleProfile],
    checks: Sequence[CheckState],
    approve_with: str | None = None,
    seed: int,
) -> Verdict:
    """Let the promotion gate compare the report's chosen model with the present champion.

    What a person decided comes first: a version that was rolled back, or that was there already when a person chose the
    champion, is not promoted by the gate.

    Args:
        report: The evaluation that chose the candidate.
        candidate: Registry version of the chosen model.
        champion: Registry version that is champion now, None when there is none.
        known: The registration before: scores and answers of every version, as measured when each was registered.
        profiles: Style profile by author.
        checks: The checks of the candidate's checkpoint and of its evaluation.
        approve_with: The command by which a person approves, where the author asks for that.
        seed: Seed of the bootstrap.
    """
    if objection := _settled(candidate, champion, known):
        return Verdict(promote=False, reason=objection)
    chosen = str(report.chosen)
    answers, rival = report.answers_of(chosen), report.answers_of(BASE)
    if champion is not None and known is not None:
        rival = known.answers.get(champion.version, {})
    nearer_by = _nearer_by(answers, rival, profiles, report.author, seed=seed)
    return verdict(
        report.scores_of(chosen),
        known.scores[champion.version] if champion is not None and known is not None else None,
        base=report.base,
        nearer_by=nearer_by,
        apart=_apart(answers, rival, profiles, report.author, seed=seed) if nearer_by is None else None,
        checks=checks,
        approve_with=approve_with,
        seed=seed,
    )


def _settled(candidate: ModelVersion, champion: ModelVersion | None, known: Registration | None) -> str | None:
    """Return why there is nothing to compare, None if there is."""
    if champion is not None and candidate.version == champion.version:
        return f"Version {candidate.version} is the champion already, and nothing newer was trained."
    if ROLLED_BACK in candidate.tags:
        return (
            f"Version {candidate.version} was champion and was rolled back ({candidate.tags[ROLLED_BACK]}): only a "
            "person makes it the champion again."
        )
    newest_then = chosen_over(champion.tags) if champion is not None else None
    if champion is not None and newest_then is not None and int(candidate.version) <= int(newest_then):
        return (
            f"A person made version {champion.version} the champion when version {candidate.version} was there "
            f"already: only a version above {newest_then} can take its place, or a person again."
        )
    if champion is not None and (known is None or champion.version not in known.scores):
        return (
            f"The champion, version {champion.version}, was never measured here, so it cannot be compared: "
            "promote the candidate by hand if it is better."
        )
    return None


def _nearer_by(
    candidate: Mapping[str, str],
    rival: Mapping[str, str],
    profiles: Mapping[str, StyleProfile],
    author: str,
    *,
    seed: int,
) -> Interval | None:
    """Return the gain in likeness, None where too few prompts were put to both."""
    try:
        gain = likeness_gain(candidate, rival, profiles, author, seed=seed)
    except TooLittleProseError:
        # The champion was asked other prompts: the gate then compares what it can.
        return None
    return gain if gain.n >= MIN_PROMPTS else None


def _apart(
    candidate: Mapping[str, str],
    rival: Mapping[str, str],
    profiles: Mapping[str, StyleProfile],
    author: str,
    *,
    seed: int,
) -> tuple[Likeness, Likeness] | None:
    """Return the likeness of both, whatever they were asked; None where one of them wrote too little to tell."""
    sets = {"candidate": list(candidate.values()), "rival": list(rival.values())}
    try:
        measured = likeness_of_sets(sets, profiles, author, seed=seed)
    except TooLittleProseError:
        # The gate says that it was not measured.
        return None
    ours, theirs = measured["candidate"], measured["rival"]
    return (ours, theirs) if min(ours.n_texts, theirs.n_texts) >= MIN_VALUES else None
