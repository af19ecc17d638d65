"""What Dagster's tables keep of an author when the runs are deleted.

That is the newest event of each asset, the results of checks, and what was reported without a run. All of it carries
metadata, samples of text among it, and Dagster has no way yet to wipe one partition of an asset. So this is the one
module that knows the tables of its event log.
"""

import dagster as dg
import sqlalchemy as db
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._serdes import deserialize_value

from twin_assets.errors import UserError
from twin_assets.removal.holdings import Holding


def records_held(instance: dg.DagsterInstance, author: str) -> Holding:
    """Return the rows of an author: events, results of checks, and assets whose newest event is the author's.

    Those of the author's runs are counted too: what a run leaves when it is deleted is known only then.

    Raises:
        UserError: If Dagster's events are not in a database of SQL.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise UserError(f"An author cannot be removed from {type(storage).__name__}: only from SQLite and PostgreSQL.")
    with storage.index_connection() as connection:
        count = sum(
            connection.execute(db.select(db.func.count()).where(table.c.partition == author)).scalar_one()
            for table in (SqlEventLogStorageTable, AssetCheckExecutionsTable)
        ) + len(_assets_last_built_for(connection, author))
    return Holding("rows of events and checks", "Dagster", count, 0, lambda: _remove(instance, storage, author))


def _remove(instance: dg.DagsterInstance, storage: SqlEventLogStorage, author: str) -> None:
    """Delete the rows; those of the index last, because they say in which runs the others are."""
    events, checks, tags = SqlEventLogStorageTable, AssetCheckExecutionsTable, AssetEventTagsTable
    theirs = events.c.partition == author
    with storage.index_connection() as connection:
        run_ids = {
            run_id or ""
            for table in (events, checks)
            for (run_id,) in connection.execute(db.select(table.c.run_id).where(table.c.partition == author).distinct())
        }
        # Before the events, by which they are found: PostgreSQL has one table where SQLite has a file for each run.
        connection.execute(tags.delete().where(tags.c.event_id.in_(db.select(events.c.id).where(theirs))))
    for run_id in sorted(run_ids):
        if run_id and instance.get_run_by_id(run_id) is None:
            # The result of a check that a person reported has the id of a run that never was, and its event no author.
            storage.delete_events(run_id)
        else:
            with storage.run_connection(run_id) as connection:
                connection.execute(events.delete().where(theirs))
    with storage.index_transaction() as connection:
        connection.execute(events.delete().where(theirs))
        connection.execute(checks.delete().where(checks.c.partition == author))
        for asset, newest in _assets_last_built_for(connection, author):
            # Dagster then reads the newest event that there still is.
            connection.execute(
                AssetKeyTable.update()
                .values(last_materialization=None)
                .where(AssetKeyTable.c.id == asset, AssetKeyTable.c.last_materialization == newest)
            )
        # It names the partitions that are built, and is made anew when it is asked for.
        connection.execute(AssetKeyTable.update().values(cached_status_data=None))


def _assets_last_built_for(connection: db.Connection, author: str) -> list[tuple[int, str]]:
    """Return the id, and the newest materialization, of each asset that was last built for an author."""
    wanted = db.select(AssetKeyTable.c.id, AssetKeyTable.c.last_materialization).where(
        AssetKeyTable.c.last_materialization.is_not(None)
    )
    return [
        (asset, newest)
        for asset, newest in connection.execute(wanted)
        if deserialize_value(newest, dg.EventLogRecord).partition_key == author
    ]
