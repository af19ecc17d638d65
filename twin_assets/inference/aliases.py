"""Moving the aliases of an author's model, and what is told of each move.

Whoever moves an alias, the gate or a person, does it here: so that `previous` is always the champion before, and no
champion is without a reason. Whether one deserves it is decided in `evaluation.promotion`. Callers tell of the moves
first and write the model cards last, because a card may fail, and a repeated step finds no move to tell of.
"""

import dagster as dg

from resources.tracker import CANDIDATE, CHAMPION, PREVIOUS, ModelVersion, Tracker
from twin_assets.documents import Entity
from twin_assets.errors import UserError
from twin_assets.inference.card import PROMOTION, model_card

PROMOTED_BY, PROMOTED_OVER = "promoted_by", "promoted_over"
"""Tags of a version that became champion: by whom, and which was the newest version then."""
BY_A_PERSON, BY_THE_GATE = "person", "gate"

CHAMPION_BEFORE, ROLLED_BACK = "champion_before", "rolled_back"
"""Tags of a version that became champion: which was it before; and why it is one no longer, if it was rolled back."""


class AliasMove(Entity):
    """An alias that points to another version than before."""

    name: str
    alias: str
    before: str | None
    """Version that it pointed to; None if there was none."""
    now: str | None
    """Version that it points to; None if to none."""
    who: str
    why: str

    def observation(self, author: str, *, address: str) -> dg.AssetObservation:
        """Return the event that tells of the move on the page of `registered_model`.

        Args:
            author: Slug of the author.
            address: Where a person can look at the version.
        """
        return dg.AssetObservation(
            "registered_model",
            partition=author,
            description=f"The alias {self.alias} of {self.name} moved from {self.before or 'nowhere'} to "
            f"{self.now or 'nowhere'}.",
            metadata={
                "alias": self.alias,
                "from": self.before or "none",
                "to": self.now or "none",
                "who": self.who,
                "why": self.why,
                "registry": dg.MetadataValue.url(address),
            },
        )


def make_candidate(tracker: Tracker, name: str, version: str, *, who: str, why: str) -> list[AliasMove]:
    """Let `candidate` point to a version."""
    return _moved(tracker, name, CANDIDATE, version, who=who, why=why)


def make_champion(tracker: Tracker, name: str, version: str, *, who: str, why: str, by: str) -> list[AliasMove]:
    """Let `champion` point to a version, and `previous` to the champion before; write down by whom, and why.

    Args:
        tracker: The registry.
        name: Name of the registered model.
        version: The new champion.
        who: Who decided, in words.
        why: The reason, in words and numbers.
        by: `BY_THE_GATE` or `BY_A_PERSON`.

    Returns:
        The aliases that moved; none if the version is the champion already.
    """
    versions = tracker.versions(name)
    before = _pointed_to(versions, CHAMPION)
    tags = {PROMOTION: why, PROMOTED_BY: by}
    if by == BY_A_PERSON:
        # The gate reads what a person knew then: what was there already is not promoted over their choice.
        tags[PROMOTED_OVER] = max((item.version for item in versions), key=int)
    if before == version:
        tracker.set_tags(name, version, tags)
        return []
    if ROLLED_BACK in _of(versions, version).tags:
        tracker.remove_tag(name, version, ROLLED_BACK)
    tracker.set_tags(name, version, {**tags, CHAMPION_BEFORE: before or ""})
    moves = _moved(tracker, name, PREVIOUS, before, who=who, why=f"version {version} took its place") if before else []
    return moves + _moved(tracker, name, CHAMPION, version, who=who, why=why)


def roll_back(tracker: Tracker, name: str, *, who: str, why: str) -> list[AliasMove]:
    """Make the champion before the champion again, and keep the gate from undoing it.

    Returns:
        The aliases that moved. `champion` is not among them where both aliases pointed to one version: a move that was
        interrupted left them so, and nobody can tell who meant which version. Then that move is finished, and no more.

    Raises:
        UserError: If there is no champion, or none was before it.
    """
    versions = tracker.versions(name)
    champion, previous = _pointed_to(versions, CHAMPION), _pointed_to(versions, PREVIOUS)
    if champion is None:
        raise UserError(f"{name} has no champion, so there is nothing to roll back.")
    if previous is None:
        raise UserError(
            f"{name} had no champion before version {champion}: choose a version with `twin promote` instead."
        )
    if previous == champion:
        further = _champion_before(versions, champion)
        return _moved(tracker, name, PREVIOUS, further, who=who, why="an interrupted move was finished")
    tracker.set_tags(name, champion, {ROLLED_BACK: why})
    tracker.set_tags(
        name,
        previous,
        {
            PROMOTION: f"rolled back to from version {champion}: {why}",
            PROMOTED_BY: BY_A_PERSON,
            PROMOTED_OVER: max((item.version for item in versions), key=int),
        },
    )
    moves = _moved(tracker, name, CHAMPION, previous, who=who, why=why)
    further = _champion_before(tracker.versions(name), previous)
    return moves + _moved(tracker, name, PREVIOUS, further, who=who, why=f"version {previous} is the champion again")


def describe(tracker: Tracker, name: str) -> None:
    """Write the model card of every version anew, once its aliases have moved and the moves are told."""
    for version in tracker.versions(name):
        tracker.describe(name, version.version, model_card(version))


def _champion_before(versions: list[ModelVersion], champion: str) -> str | None:
    """Return the last champion before a version that was not rolled back, as far as the tags tell."""
    seen = {champion}
    before = _of(versions, champion).tags.get(CHAMPION_BEFORE)
    while before and before not in seen and any(item.version == before for item in versions):
        seen.add(before)
        if ROLLED_BACK not in _of(versions, before).tags:
            return before
        before = _of(versions, before).tags.get(CHAMPION_BEFORE)
    return None


def _moved(tracker: Tracker, name: str, alias: str, version: str | None, *, who: str, why: str) -> list[AliasMove]:
    before = _pointed_to(tracker.versions(name), alias)
    if before == version:
        return []
    if version is None:
        tracker.remove_alias(name, alias)
    else:
        tracker.set_alias(name, alias, version)
    return [AliasMove(name=name, alias=alias, before=before, now=version, who=who, why=why)]


def _pointed_to(versions: list[ModelVersion], alias: str) -> str | None:
    return next((item.version for item in versions if alias in item.aliases), None)


def _of(versions: list[ModelVersion], version: str) -> ModelVersion:
    return next(item for item in versions if item.version == version)
