"""The vector store: Qdrant, embedded as one folder per author or as a server.

There is one collection per embedding function, behind an alias per author. Readers use the alias; another function, a
new model for instance, fills a new collection first and moves the author's alias then, so that the index is never
empty, and the authors on one server move one by one.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field, SecretStr

from resources.vector_connection import open_folder, open_server, refusals, write_ahead
from resources.vector_session import VectorSession
from twin_assets.errors import UserError
from twin_assets.settings import Settings

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


class VectorStore(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Qdrant, opened for one step at a time: the embedded form lets only one process in."""

    folder: str = Field(description="Folder that holds one embedded store per author")
    url: str | None = Field(default=None, description="Qdrant server; the embedded store without it")
    # Not a field of the configuration, because the Dagster UI shows those.
    api_key: dg.ResourceDependency[SecretStr | None] = None  # type: ignore[assignment]
    lock_timeout_seconds: float = Field(default=60.0, description="How long to wait for a store that is in use")
    timeout_seconds: float = Field(default=30.0, description="How long to wait for an answer of a server")

    @classmethod
    def from_settings(cls, settings: Settings) -> "VectorStore":
        """Configure the store that the settings name."""
        return cls(
            folder=str(settings.home / "qdrant"),
            url=settings.qdrant_url,
            api_key=settings.qdrant_api_key,
            lock_timeout_seconds=settings.lock_timeout_seconds,
        )

    @contextmanager
    def session(self, author: str) -> Iterator[VectorSession]:
        """Open the author's store for the length of a `with` block.

        Raises:
            UserError: If another process holds the embedded store for longer than the timeout, or the store refuses
                what it is asked, or does not answer.
        """
        try:
            if self.url:
                key = self.api_key.get_secret_value() if self.api_key else None
                client = open_server(self.url, api_key=key, timeout_seconds=self.timeout_seconds)
                session = VectorSession(client, author)
            else:
                path = Path(self.folder) / author
                client = open_folder(path, lock_timeout_seconds=self.lock_timeout_seconds)
                session = VectorSession(client, author, alone=True, prepare=partial(_prepare_folder, path))
            try:
                yield session
            finally:
                client.close()
        except refusals() as error:
            raise UserError(
                f"The vector store {self.uri(author)} cannot be used: {str(error)[:200]}. What is stored there stays; "
                "mend that and run again, and only the rest is embedded."
            ) from error

    def count(self, author: str) -> int:
        """Return how many vectors readers are shown of an author; looking creates no store."""
        if not self.url and not (Path(self.folder) / author).is_dir():
            return 0
        with self.session(author) as session:
            return len(session.chunk_ids())

    def forget(self, author: str) -> None:
        """Delete all vectors of an author; of the embedded form, the author's whole store.

        Raises:
            UserError: As `session` does.
        """
        path = Path(self.folder) / author
        if self.url or path.is_dir():
            # The embedded store as well: who holds it open is waited for, and refused what follows.
            with self.session(author) as session:
                session.forget()
        if not self.url and path.is_dir():
            shutil.rmtree(path)

    def uri(self, author: str) -> str:
        """Return where the author's vectors lie."""
        return self.url or str(Path(self.folder) / author)


def _prepare_folder(path: Path, _client: "QdrantClient", collection: str) -> None:
    # The embedded store has no payload indexes: it looks at every point.
    write_ahead(path, collection)
