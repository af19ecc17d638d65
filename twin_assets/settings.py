"""The one place where the environment is read: what the platform runs on, and where it keeps things.

A profile (`TWIN_PROFILE`) is only a set of defaults; every value can be set alone, in the environment or in `.env`.
Nothing else in the project looks at environment variables. Secrets are `SecretStr`, so that no repr shows them.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from twin_assets.errors import UserError
from twin_assets.trainer_settings import TrainerSettings
from twin_assets.training.chat_template import CHATML, ChatTemplateName

PROJECT_ROOT = Path(__file__).resolve().parents[1]
"""The checkout: `.twin`, `authors` and `.env` lie here unless a setting says otherwise."""

Profile = Literal["offline", "laptop", "cloud"]

EmbeddingBackend = Literal["auto", "torch", "torch-bf16", "openvino", "openvino-bf16"]

Weights = Annotated[dict[str, float], NoDecode]
"""Weight by name, written as `extractive=2,teacher=1`; a name alone weighs 1."""

OFFLINE_BASE_MODEL = "offline"
"""The value of `base_model` that means: train the small model of this platform, here."""

PROFILES: dict[str, dict[str, Any]] = {
    # Nothing is downloaded: every model is installed as a package or trained on the spot.
    "offline": {"base_model": OFFLINE_BASE_MODEL, "hub_offline": True},
    # A model that one CPU or one small GPU can fine-tune.
    "laptop": {
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "base_model_licence": "apache-2.0",
        "hub_offline": False,
    },
    "cloud": {
        "base_model": "meta-llama/Llama-3.1-8B",
        "base_model_licence": "llama3.1",
        "hub_offline": False,
    },
}


class ProfileDefaults(PydanticBaseSettingsSource):
    """The settings source of lowest rank: the values that the chosen profile implies."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the profile's value of one field, as pydantic-settings asks for it."""
        profile = self.current_state.get("profile", "offline")
        return PROFILES.get(profile, {}).get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return every value that the profile implies."""
        return dict(PROFILES.get(self.current_state.get("profile", "offline"), {}))


class Settings(TrainerSettings):
    """Everything that can be set, with its default and the name of its environment variable.

    Each field is read from `TWIN_<FIELD>`; addresses of servers also from the name that their own tools use.
    """

    model_config = SettingsConfigDict(
        env_prefix="TWIN_",
        env_file=PROJECT_ROOT / ".env",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        frozen=True,
    )

    profile: Profile = Field(default="offline", description="offline, laptop or cloud")
    home: Path = Field(default=PROJECT_ROOT / ".twin", description="Folder of everything that a run writes")
    authors_dir: Path = Field(default=PROJECT_ROOT / "authors", description="Folder of the author files")

    mongodb_url: SecretStr | None = Field(
        default=None, validation_alias="MONGODB_URL", description="MongoDB server; embedded neosqlite without it"
    )
    mongodb_database: str = Field(default="twin", description="Database name on the MongoDB server")
    qdrant_url: str | None = Field(
        default=None, validation_alias="QDRANT_URL", description="Qdrant server; a folder per author without it"
    )
    qdrant_api_key: SecretStr | None = Field(default=None, validation_alias="QDRANT_API_KEY")
    mlflow_tracking_uri: SecretStr | None = Field(
        default=None, validation_alias="MLFLOW_TRACKING_URI", description="MLflow server; SQLite in home without it"
    )
    mlflow_ui_url: str = Field(default="http://127.0.0.1:5000", description="Where `make ui` serves MLflow, for links")
    dagster_ui_url: str = Field(
        default="http://127.0.0.1:3000", description="Where `make ui` serves Dagster, for links"
    )
    artifacts_uri: str | None = Field(
        default=None,
        description="Where tables, datasets and reports lie: a folder or s3://...; home/artifacts without it",
    )

    embedding_model: str = Field(
        default="all-MiniLM-L6-v2",
        description="Embedding model: the packaged all-MiniLM-L6-v2, or any sentence-transformers id or path",
    )
    embedding_backend: EmbeddingBackend = Field(
        default="auto", description="What computes the vectors: auto takes the fastest that this machine has"
    )
    base_model: str = Field(
        default=OFFLINE_BASE_MODEL, description="'offline' (trained here), or a hub id or path to fine-tune"
    )
    base_model_revision: str = Field(
        default="main", description="Revision of the hub model: pin a commit for production"
    )
    base_model_licence: str = Field(default="unknown", description="Licence of the hub model, kept with every version")
    chat_template: ChatTemplateName = Field(
        default=CHATML, description="How a conversation is written as text: alpaca, chatml, llama3, gemma or phi"
    )
    hub_offline: bool = Field(default=True, description="Forbid downloads from a model hub")

    teacher_url: str = Field(
        default="https://api.openai.com/v1",
        validation_alias=AliasChoices("TWIN_TEACHER_URL", "OPENAI_BASE_URL"),
        description="OpenAI-compatible endpoint of the teacher and the judge",
    )
    teacher_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("TWIN_TEACHER_KEY", "OPENAI_API_KEY"), description="Its key"
    )
    teacher_model: str | None = Field(
        default=None, description="Model that writes instructions and answers; none asked"
    )
    judge_model: str | None = Field(default=None, description="Model that scores rows from 1 to 4; none asked")
    teacher_input_price: float = Field(default=0.0, ge=0, description="US dollars per million tokens of questions")
    teacher_output_price: float = Field(default=0.0, ge=0, description="US dollars per million tokens of answers")
    teacher_concurrency: int = Field(default=4, ge=1, description="Questions asked at once, at most")
    teacher_timeout_seconds: float = Field(default=60.0, gt=0, description="How long one answer may take")
    teacher_max_cost: float = Field(default=1.0, ge=0, description="US dollars that one run may spend")
    teacher_max_tokens: int = Field(default=2_000_000, ge=0, description="Tokens that one run may spend")

    instruct_generators: Weights = Field(
        default={"extractive": 1.0},
        description="Who writes instruct rows, as in extractive=2,teacher=1: extractive, teacher, evolve, import",
    )
    preference_generators: Weights = Field(
        default={"model": 1.0},
        description="Who writes preference pairs, as in model=1,feedback=1: model, teacher, feedback, import",
    )
    rejected_from: Literal["base", "sft"] = Field(
        default="base", description="Which model the generator `model` samples: the base model, or the SFT checkpoint"
    )
    general_dataset: str | None = Field(
        default=None, description="General instruction set to mix in: a JSONL or Parquet path, or a hub id"
    )
    general_ratio: float = Field(
        default=0.0, ge=0, le=10, description="Rows of the general set for each training row of the author's"
    )

    crawl_user_agent: str = Field(
        default="twin_assets/0.1 (+https://twin-assets.example)", description="Who we say we are when we ask a site"
    )
    crawl_private_hosts: bool = Field(default=False, description="Whether hosts of a private network may be asked")
    crawl_requests_per_second: float = Field(default=1.0, gt=0, description="Requests to one host per second, at most")
    crawl_timeout_seconds: float = Field(default=30.0, gt=0, description="How long one answer of a site may take")
    crawl_max_page_bytes: int = Field(default=10_000_000, ge=1, description="Longest page that is read, unpacked")
    chromium: str = Field(default="/usr/bin/chromium", description="Browser for pages that need JavaScript")

    training_max_cost: float = Field(
        default=25.0, ge=0, description="US dollars that one training may cost by its estimate, on demand"
    )
    training_prices: Path | None = Field(
        default=None, description="Price table of your own, a YAML file like twin_assets/training/prices.yaml"
    )
    training_instance: str | None = Field(
        default=None, description="Instance type of the price table that trainings are estimated on, for ecs"
    )

    seed: int = Field(default=0, description="Seed of the split, of sampling and of training")
    test_fraction: float = Field(
        default=0.15, gt=0, lt=0.5, description="Share of documents held out from training, for evaluation"
    )
    validation_fraction: float = Field(
        default=0.1, ge=0, lt=0.5, description="Share of documents kept for validation, of authors with 50 or more"
    )
    test_since: date | None = Field(
        default=None, description="Hold out what was published since this day (YYYY-MM-DD), in place of a share"
    )
    lock_timeout_seconds: float = Field(
        default=60.0, ge=0, description="How long a step waits for an embedded store that another process holds"
    )

    alert_email_to: str | None = Field(
        default=None, description="Who is told by e-mail of failed runs and promotions: addresses, with commas between"
    )
    alert_email_from: str = Field(default="twin-assets@localhost", description="Sender of these e-mails")
    smtp_host: str | None = Field(default=None, description="Server that sends them")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port")
    smtp_user: str | None = Field(default=None, description="Who signs in there; nobody without it")
    smtp_password: SecretStr | None = Field(default=None, description="Its password")
    smtp_starttls: bool = Field(default=True, description="Whether to ask for encryption before signing in")
    # Whoever knows the address of a chat's webhook may write there.
    alert_webhook_url: SecretStr | None = Field(
        default=None,
        description="Address that is sent each alert as JSON with a `text`, as Slack and Mattermost read it",
    )
    alert_repeat_hours: float = Field(
        default=6.0, ge=0, description="Hours for which the same failure of an author's step is told once"
    )

    @field_validator("instruct_generators", "preference_generators", mode="before")
    @classmethod
    def _weights(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.strip().partition("=") for part in value.split(",") if part.strip()]
        return {name.strip(): weight.strip() if sign else 1 for name, sign, weight in parts}

    @field_validator("home", "authors_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path if path.is_absolute() else (PROJECT_ROOT / path).resolve()

    @classmethod
    def load(cls) -> "Settings":
        """Read the settings from environment and `.env`.

        Raises:
            UserError: If a value is not of the right form; the setting is named.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            variable = f"TWIN_{str(first['loc'][0]).upper()}"
            raise UserError(f"The setting {name} ({variable}) is not usable: {first['msg']}.") from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Rank the sources: arguments, environment, `.env`, and the profile's defaults last."""
        return init_settings, env_settings, dotenv_settings, file_secret_settings, ProfileDefaults(settings_cls)

    @property
    def artifacts_root(self) -> str:
        """Root of tables, datasets, checkpoints and reports."""
        return self.artifacts_uri or str(self.home / "artifacts")

    @property
    def launches_root(self) -> str:
        """Folder of what lies beside the jobs of a remote trainer."""
        return self.launches_uri or f"{self.artifacts_root.rstrip('/')}/launches"

    @property
    def tracking_uri(self) -> str:
        """Address that MLflow clients use: it may hold a password, so show it `without_userinfo` only."""
        if self.mlflow_tracking_uri:
            return self.mlflow_tracking_uri.get_secret_value()
        return f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"


def without_userinfo(address: str) -> str:
    """Return an address without the user name and the password that may stand in it."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
