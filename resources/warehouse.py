"""The document warehouse: MongoDB, or neosqlite, which speaks the same API on one SQLite file.

Here it is configured and opened; `warehouse_session` reads and writes documents, `record_store` the records that they
are, and `records` knows their form.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, SecretStr
from pymongo.errors import ConnectionFailure, PyMongoError

from resources.record_store import BATCH_SIZE, refusals
from resources.warehouse_session import WarehouseSession, WriteCounts, utc_now
from twin_assets.documents import RawDocument
from twin_assets.errors import UserError
from twin_assets.settings import Settings

__all__ = ["BATCH_SIZE", "Warehouse", "WarehouseSession", "WriteCounts"]

SERVER_TIMEOUT_MS = 5_000
"""How long a server may take to answer, before it counts as absent."""
WRITE_TIMEOUT_MS = 60_000
"""How long a server may take for one batch, before it counts as hanging."""


class Warehouse(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The document warehouse, opened for one step at a time."""

    path: str = Field(description="SQLite file of the embedded warehouse")
    # Not a field of the configuration, because the Dagster UI shows those, and the address may hold a password.
    url: dg.ResourceDependency[SecretStr | None] = None  # type: ignore[assignment]
    database: str = Field(default="twin", description="Database on the MongoDB server")

    @classmethod
    def from_settings(cls, settings: Settings) -> "Warehouse":
        """Configure the warehouse that the settings name."""
        return cls(
            path=str(settings.home / "warehouse.db"), url=settings.mongodb_url, database=settings.mongodb_database
        )

    @property
    def uri(self) -> str:
        """Where the documents lie, without the password of a server."""
        return f"mongodb database {self.database}" if self.url else self.path

    @contextmanager
    def session(self, now: Callable[[], datetime] = utc_now) -> Iterator[WarehouseSession]:
        """Open the warehouse for the length of a `with` block.

        Args:
            now: The clock by which changes are dated.

        Raises:
            UserError: If the server does not answer, or the warehouse cannot be read or written.
        """
        try:
            connection, database = self._connect()
            try:
                yield WarehouseSession(database, now)
            finally:
                connection.close()
        except ConnectionFailure as error:
            raise UserError("MongoDB stopped answering: start it, then run this again.") from error
        except refusals() as error:
            raise UserError(f"The warehouse ({self.uri}) cannot be used: {error}.") from error

    def imported_documents(self, author: str) -> list[RawDocument]:
        """Return the documents of an author that came by `twin import`, in a session of its own."""
        with self.session() as session:
            return session.imported_documents(author)

    def _connect(self) -> tuple[Any, Any]:
        if not self.url:
            from neosqlite import Connection

            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            connection = Connection(self.path)
            return connection, connection

        from pymongo import MongoClient

        try:
            client: Any = MongoClient(
                self.url.get_secret_value(),
                serverSelectionTimeoutMS=SERVER_TIMEOUT_MS,
                socketTimeoutMS=WRITE_TIMEOUT_MS,
            )
        except PyMongoError as error:
            raise UserError("MONGODB_URL is not an address of MongoDB: write mongodb://host:27017.") from error
        try:
            client.admin.command("ping")
        except PyMongoError as error:
            client.close()
            raise UserError("MongoDB does not answer at MONGODB_URL: start it, or unset MONGODB_URL.") from error
        return client, client[self.database]
