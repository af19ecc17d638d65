"""The connection to MLflow: where its server or its database is, and a client for it.

What is logged there belongs to `tracker`, what is registered there to `registry`.
"""

import logging
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from filelock import FileLock
from pydantic import Field, SecretStr

if TYPE_CHECKING:
    from mlflow import MlflowClient


class MlflowConnection(dg.ConfigurableResource):  # type: ignore[type-arg]
    """An MLflow server, or MLflow on SQLite and a local folder."""

    # Not a field of the configuration, because the Dagster UI shows those, and the address may hold a password.
    server: dg.ResourceDependency[SecretStr | None] = None  # type: ignore[assignment]
    folder: str = Field(description="Folder of the embedded MLflow database and artifacts")
    ui_url: str = Field(default="http://127.0.0.1:5000", description="Where the MLflow UI is served, for links")
    dagster_ui_url: str = Field(
        default="http://127.0.0.1:3000", description="Where the Dagster UI is served, for links"
    )

    @property
    def uri(self) -> str:
        """Tracking URI, the password of a server included: it is for clients, and not to be shown."""
        return self.server.get_secret_value() if self.server else f"sqlite:///{Path(self.folder) / 'mlflow.db'}"

    @property
    def is_embedded(self) -> bool:
        """Whether MLflow is a database file of this machine."""
        return self.uri.startswith("sqlite:")

    @property
    def is_reachable_from_elsewhere(self) -> bool:
        """Whether a training on another machine can log to it while it runs.

        Where it cannot, its metrics are logged afterwards, from the log that it leaves beside the model.
        """
        return self.uri.startswith(("http://", "https://"))

    def dagster_run_url(self, run_id: str) -> str:
        """Return the address of a run in the Dagster UI."""
        return f"{self.dagster_ui_url}/runs/{run_id}"

    def dagster_asset_url(self, asset: str, author: str | None = None) -> str:
        """Return the address of an asset in the Dagster UI, of an author's partition if one is given."""
        partition = f"?view=partitions&partition={author}" if author else ""
        return f"{self.dagster_ui_url}/assets/{asset}{partition}"

    @property
    def client(self) -> "MlflowClient":
        """The one client of this connection, for those who ask for what no method here does."""
        return self._client

    @cached_property
    def _client(self) -> "MlflowClient":
        from mlflow import MlflowClient
        from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR

        # A bar for every small file tells a person nothing.
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)  # type: ignore[no-untyped-call]
        # What it says while it creates its tables is of no use to anyone.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        if not self.is_embedded:
            return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        # MLflow creates its tables at the first connection. Two runs that do so at once break each other's migration.
        with FileLock(Path(self.folder) / "mlflow.db.lock"):
            client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            client.search_experiments(max_results=1)
        return client
