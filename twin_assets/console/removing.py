"""What `twin author remove` does: everything of one author goes, or is shown before it does."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import typer

from resources.registry_cleaning import RegistryCleaner
from resources.tracker import Tracker
from twin_assets.collection.authors import load_author
from twin_assets.console.instance import local_instance
from twin_assets.console.runs import end_killed_runs
from twin_assets.console.saying import complain, say
from twin_assets.console.tables import print_rows
from twin_assets.definitions import build_defs
from twin_assets.documents import checked_slug
from twin_assets.errors import UserError
from twin_assets.removal.events import (
    PARTITION,
    events_held,
    partition_held,
    refuse_while_running,
    tell_of_the_removal,
)
from twin_assets.removal.free_pages import drop_free_pages
from twin_assets.removal.holdings import Holding, corpora_held, files_held, stores_held, write_whole
from twin_assets.removal.records import records_held
from twin_assets.settings import OFFLINE_BASE_MODEL, Settings, without_userinfo

COMPLETE, REMOVED = "archive-complete", "removed"
"""Names of the file that says how far a removal with an archive has come."""


def remove_author(author: str, *, archive: Path | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Remove an author from every store, after a look at what that is.

    Interrupted, it can be run again, and goes on with what is left.

    Raises:
        UserError: If nothing is known of the author, a run of the author's or of all has not ended, or nobody
            agreed.
    """
    settings = Settings.load()
    try:
        checked_slug(author)
    except ValueError as error:
        raise UserError(str(error)) from error
    with local_instance(settings) as instance:
        end_killed_runs(instance, complain)
        told = made_of_all(settings)
        refuse_while_running(instance, author, told)
        holdings = held(author, settings, instance)
        if not holdings:
            load_author(settings.authors_dir, author)
        rows = [_row(holding, archive) for holding in holdings]
        print_rows(rows, title=f"What is held of {author}", as_json=as_json)
        if dry_run:
            _say("Nothing was changed: this was a dry run.", as_json=as_json)
            return
        if not yes and not typer.confirm(f"Remove all this of {author} for good?", err=True):
            raise UserError("Nothing was removed.")
        # Somebody may have thought about it for long.
        refuse_while_running(instance, author, told)
        remove(author, holdings, archive, settings, instance)
    tell_of_what_mlflow_keeps(author, settings)
    _say(
        f"{author} is removed. What was made of all authors counts as not built now: {', '.join(told)}.",
        as_json=as_json,
    )
    if "base_model" in told:
        _say(
            f"Until base_model is built again, its files go on being made of {author}'s text, and so do the models of "
            "others that stand on it: run `twin build` for one of them, or switch automation_gpu on.",
            as_json=as_json,
        )


def held(author: str, settings: Settings, instance: dg.DagsterInstance) -> list[Holding]:
    """Return all that is held of an author, in the order in which it is removed."""
    graph = build_defs(settings=settings).resolve_asset_graph()
    assets = sorted(key.to_user_string() for key in graph.materializable_asset_keys)
    partition = partition_held(instance, author)
    found = [
        *files_held(author, settings, assets),
        *stores_held(author, settings),
        events_held(instance, author),
        records_held(instance, author),
        # Nobody is in them who has no partition.
        *([corpora_held(settings)] if partition.count else []),
        partition,
    ]
    return [holding for holding in found if holding.count]


def remove(
    author: str, holdings: Sequence[Holding], archive: Path | None, settings: Settings, instance: dg.DagsterInstance
) -> None:
    """Archive what can be, all of it, and only then take everything away, and let what was made of all be made anew.

    A removal that was interrupted is gone on with, and does not archive again: what is left by then may be a half.

    Raises:
        UserError: If the folder holds the archive of an earlier author of this name, a run of the author's or of all
            began meanwhile, or a database stays in use.
    """
    if archive:
        into = archive / author
        if (into / REMOVED).exists():
            raise UserError(f"{into} holds an earlier archive: name another folder.")
        if not (into / COMPLETE).exists():
            for holding in holdings:
                if holding.archive:
                    holding.archive(into)
            write_whole(into / COMPLETE, "All of it is here; the removal goes on.\n")
    content = [holding for holding in holdings if holding.what != PARTITION]
    for holding in content:
        holding.remove()
    told = made_of_all(settings)
    # One that began before the author file was gone would make anew, of this author's text too, what is wiped now.
    refuse_while_running(instance, author, told)
    tell_of_the_removal(instance, told)
    drop_free_pages(settings)
    # By the partition, an author who is half removed is still known.
    for holding in holdings:
        if holding not in content:
            holding.remove()
    if archive:
        (archive / author / COMPLETE).replace(archive / author / REMOVED)


def tell_of_what_mlflow_keeps(author: str, settings: Settings) -> None:
    """Say how what a server of MLflow marked as deleted is deleted: it keeps the files, and has no call for that."""
    tracker = Tracker.from_settings(settings)
    kept = [] if tracker.is_embedded else RegistryCleaner(tracker).deleted_experiments(author)
    if kept:
        complain(
            f"MLflow's server keeps the files of {author}'s runs and models until this is run where its database is: "
            f"MLFLOW_TRACKING_URI={without_userinfo(tracker.uri)} mlflow gc --backend-store-uri DATABASE "
            f"--experiment-ids {','.join(kept)}"
        )


def made_of_all(settings: Settings) -> list[str]:
    """Return the assets that are made of the writings of all authors; a model from a hub is made of none of them."""
    return ["leaderboard", *(["base_model"] if settings.base_model == OFFLINE_BASE_MODEL else [])]


def _row(holding: Holding, archive: Path | None) -> dict[str, object]:
    return {
        "what": holding.what,
        "where": holding.where,
        "count": holding.count,
        "bytes": holding.bytes,
        "then": "archived and deleted" if archive and holding.archive else "deleted",
    }


def _say(sentence: str, *, as_json: bool) -> None:
    if not as_json:
        say(sentence)
