"""What the registry holds for an author, as data: versions, their scores, and the verdict of the promotion gate."""

from collections.abc import Mapping

from pydantic import Field

from twin_assets.documents import Entity
from twin_assets.evaluation.promotion import Verdict, verdict
from twin_assets.evaluation.reports import EvalReport, ModelScores

PROMOTED_BY, PROMOTED_OVER = "promoted_by", "promoted_over"
"""Tags of a version that became champion: by whom, and which was the newest version then."""
BY_A_PERSON, BY_THE_GATE = "person", "gate"


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


def judge(
    report: EvalReport,
    *,
    candidate: str,
    champion: str | None,
    known_scores: Mapping[str, ModelScores],
    chosen_over: str | None = None,
    seed: int,
) -> Verdict:
    """Let the promotion gate compare the report's chosen model with the present champion.

    Args:
        report: The evaluation that chose the candidate.
        candidate: Registry version of the chosen model.
        champion: Registry version that is champion now, None when there is none.
        known_scores: Scores by registry version, as measured when each was registered.
        chosen_over: The newest version there was when a person made the champion one; None when the gate did. The
            person knew all of these, so none of them takes its place by itself.
        seed: Seed of the bootstrap.
    """
    if candidate == champion:
        return Verdict(
            promote=False, reason=f"Version {candidate} is the champion already, and nothing newer was trained."
        )
    if champion is not None and chosen_over is not None and int(candidate) <= int(chosen_over):
        return Verdict(
            promote=False,
            reason=f"A person made version {champion} the champion when version {candidate} was there already: only a "
            f"version above {chosen_over} can take its place, or a person again.",
        )
    if champion is not None and champion not in known_scores:
        return Verdict(
            promote=False,
            reason=f"The champion, version {champion}, was never measured here, so it cannot be compared: "
            "promote the candidate by hand if it is better.",
        )
    return verdict(
        report.scores_of(str(report.chosen)),
        known_scores[champion] if champion is not None else None,
        base=report.base,
        seed=seed,
    )
