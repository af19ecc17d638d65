"""What a run of a dataset asset can be told, beside the settings that every run shares."""

import dagster as dg
from pydantic import Field


class InstructConfig(dg.Config):
    """How instruct rows are written and chosen."""

    answers_per_passage: int = Field(default=2, ge=0, description="teacher: answers written for each passage")
    evolved_share: float = Field(default=0.25, gt=0, le=1, description="evolve: share of the instructions deepened")
    min_quality: int = Field(default=3, ge=1, le=4, description="Least score of a row that the judge has scored")
    retry_failures: bool = Field(default=False, description="Ask again what the language model failed to answer")


class PreferenceConfig(dg.Config):
    """How much preference data is made."""

    max_rows: int = Field(default=240, ge=3, description="Most prompts that a model is asked to write for")
    max_length_ratio: float = Field(default=5.0, gt=1, description="How many times as long one text of a pair may be")
    force: bool = Field(default=False, description="Let the model write again what it wrote before")
    retry_failures: bool = Field(default=False, description="Ask again what the language model failed to answer")
