"""Options of the feature assets, as run configuration."""

import dagster as dg
from pydantic import Field

from twin_assets.features.chunking import MAX_OVERLAP_TOKENS


class ChunkingConfig(dg.Config):
    """How documents are cut into passages."""

    overlap_tokens: int = Field(
        default=0,
        ge=0,
        le=MAX_OVERLAP_TOKENS,
        description="Tokens at most that a passage repeats from the end of the one before it in the same section",
    )
