"""What the commands about registered models do: an author's versions, and which of them is the champion."""

import getpass
from typing import Any

from resources.artifacts import ArtifactStore
from resources.tracker import CHAMPION, PREVIOUS, ModelVersion, Tracker, registered_name
from twin_assets.collection.authors import load_author
from twin_assets.console.instance import local_instance
from twin_assets.console.saying import complain, say
from twin_assets.console.tables import print_rows
from twin_assets.errors import UserError
from twin_assets.inference.aliases import BY_A_PERSON, AliasMove, describe, make_champion, roll_back
from twin_assets.inference.card import PROMOTION
from twin_assets.inference.deletions import deleted_of, deletions_verdict, documents_there
from twin_assets.inference.promoting import DELETIONS_CHECK, record_promotion, report_check
from twin_assets.inference.registering import checks_against
from twin_assets.settings import Settings

VERDICT = "verdict"
SHOWN_OF_VERSION = 12
BY_HAND = "promoted by hand with `twin promote`"


def promote_version(author: str, version: str, *, reason: str | None = None, force: bool = False) -> None:
    """Make a registered version the champion by hand: in the registry, in the registration, and for what reads it.

    Raises:
        UserError: If there is no such version; or if something is known against it, and nobody insists.
    """
    settings, tracker, name = _registry(author)
    versions = {item.version: item for item in tracker.versions(name)}
    if version not in versions:
        raise UserError(f"{name} has no version {version!r}; it has: {', '.join(versions) or 'none yet'}.")
    _demand_insisting(versions[version], author, tracker, settings, force=force)
    why = f"{BY_HAND}: {reason}" if reason else BY_HAND
    moves = make_champion(tracker, name, version, who=f"{_user()}, with `twin promote`", why=why, by=BY_A_PERSON)
    _record(settings, tracker, author, version, moves, why)
    say(f"Version {version} of {name} is the champion now: {tracker.version_url(name, version)}")


def roll_back_champion(author: str, *, reason: str, force: bool = False) -> None:
    """Make the champion before the champion again, and write down why.

    Raises:
        UserError: If there was none before; or if something is known against it, and nobody insists.
    """
    settings, tracker, name = _registry(author)
    versions = tracker.versions(name)
    if target := next((item for item in versions if PREVIOUS in item.aliases and CHAMPION not in item.aliases), None):
        _demand_insisting(target, author, tracker, settings, force=force)
    moves = roll_back(tracker, name, who=f"{_user()}, with `twin rollback`", why=reason)
    champion = next(item for item in tracker.versions(name) if CHAMPION in item.aliases)
    version, address = champion.version, tracker.version_url(name, champion.version)
    before = next((move.before for move in moves if move.alias == CHAMPION), None)
    if before is None:
        _record(settings, tracker, author, version, moves, champion.tags.get(PROMOTION, reason))
        say(
            f"An earlier move of {name} was interrupted, and is finished now: version {version} is the champion. Run "
            f"this again to go one further back: {address}"
        )
        return
    _record(settings, tracker, author, version, moves, f"rolled back from version {before}: {reason}")
    say(f"Version {version} of {name} is the champion again, and not {before}: {address}")


def show_models(author: str, *, as_json: bool) -> None:
    """Print the versions of an author's model: what each was trained on, how it scores, and what was decided."""
    settings, tracker, name = _registry(author)
    there = documents_there(ArtifactStore.from_settings(settings))
    rows = [_row(version, tracker, there) for version in tracker.versions(name)]
    if not rows and not as_json:
        say(f"{name} has no version yet: `twin build {author}` registers the first ones.")
        return
    if as_json:
        print_rows(rows, title="", as_json=True)
        return
    # A verdict is sentences: in a column of a table it would be a word wide.
    print_rows([_in_short(row) for row in rows], title=f"{name}, by version", as_json=False)
    for row in rows:
        say(f"\nVersion {row['version']}: {row[VERDICT]}")


def _in_short(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for people: without its verdict, and with as much of a data version as other tables show."""
    shown = {key: value for key, value in row.items() if key != VERDICT}
    return shown | {key: (row[key] or "")[:SHOWN_OF_VERSION] for key in ("instruct dataset", "preference dataset")}


def _row(version: ModelVersion, tracker: Tracker, there: frozenset[str]) -> dict[str, Any]:
    tags = version.tags
    deleted = deleted_of(version, tracker, there)
    return {
        "version": version.version,
        "stage": tags.get("stage"),
        "aliases": version.aliases,
        "instruct dataset": tags.get("instruct_dataset"),
        "preference dataset": tags.get("preference_dataset"),
        "documents": tags.get("documents"),
        "rows": tags.get("rows"),
        "base model": tags.get("base_model_name"),
        "perplexity": tags.get("perplexity"),
        "likeness": tags.get("likeness"),
        "deleted since": "not known" if deleted is None else len(deleted),
        VERDICT: tags.get(PROMOTION, "not the candidate"),
    }


def _demand_insisting(version: ModelVersion, author: str, tracker: Tracker, settings: Settings, *, force: bool) -> None:
    """Tell what is known against a version that is to become the champion.

    Raises:
        UserError: If there is something, and nobody insists.
    """
    if not (against := _known_against(version, author, tracker, settings)):
        return
    told = f"Against version {version.version} of {version.name}: {'; '.join(against)}."
    if not force:
        raise UserError(f"{told} Use --force to make it the champion all the same.")
    complain(told)


def _known_against(version: ModelVersion, author: str, tracker: Tracker, settings: Settings) -> list[str]:
    """Return what a person should know before they make a version the champion."""
    artifacts = ArtifactStore.from_settings(settings)
    with local_instance(settings) as instance:
        checks = checks_against(version, author, instance, artifacts)
    deleted = deleted_of(version, tracker, documents_there(artifacts))
    return [
        *([checks] if checks else []),
        *([f"{len(deleted)} of the documents that it was trained on have been deleted since"] if deleted else []),
    ]


def _record(settings: Settings, tracker: Tracker, author: str, version: str, moves: list[AliasMove], why: str) -> None:
    name, artifacts = registered_name(author), ArtifactStore.from_settings(settings)
    with local_instance(settings) as instance:
        address = tracker.version_url(name, version)
        record_promotion(instance, artifacts, author, version, moves=moves, reason=why, address=address)
        # Nothing runs the checks of a materialization that no run made, and how bad a deleted document is depends on
        # which version is the champion.
        deletions = deletions_verdict(name, tracker, documents_there(artifacts))
        report_check(
            instance,
            DELETIONS_CHECK,
            author,
            passed=deletions.passed,
            blocking=False,
            severity=deletions.severity,
            description=deletions.description,
        )
    describe(tracker, name)


def _registry(author: str) -> tuple[Settings, Tracker, str]:
    settings = Settings.load()
    load_author(settings.authors_dir, author)
    return settings, Tracker.from_settings(settings), registered_name(author)


def _user() -> str:
    """Return who is at the command line, as the machine knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that has no name.
        return "a person"
