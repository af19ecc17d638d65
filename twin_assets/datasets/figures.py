"""What is known of a dataset as a whole: the figures that `exploration` finds and `exploration_page` sets.

No row stands here but the few that are shown, and those without personal data.
"""

from typing import Literal

from pydantic import Field

from twin_assets.documents import Entity, Split


class Tally(Entity):
    """How many rows have one value, by split."""

    value: str
    rows: dict[Split, int]

    @property
    def total(self) -> int:
        """Rows in all splits."""
        return sum(self.rows.values())


class Stage(Entity):
    """What one stage of curation kept and dropped, and why."""

    stage: str
    kept: int
    dropped: dict[str, int]


class Topic(Entity):
    """What some of the rows are about."""

    name: str
    size: int
    held_out: int = Field(description="Test rows among them")
    examples: tuple[str, ...] = Field(description="What is asked in the most central rows")


class Place(Entity):
    """Where a row lies on the map of the dataset."""

    x: float
    y: float
    topic: int = Field(description="Number of its topic, from 0")
    held_out: bool


class Subjects(Entity):
    """The topics of a dataset, and its map: the first two principal components of the rows' vectors."""

    topics: tuple[Topic, ...]
    silhouette: float | None
    places: tuple[Place, ...]
    variance: tuple[float, float] = Field(description="Share of the variance that each component holds")


class ClosePair(Entity):
    """A test row and the training row nearest to it."""

    test_prompt: str
    test: str
    train_prompt: str
    train: str
    cosine: float
    shared: float = Field(description="Share of the test text's runs of five words that stand in the training text")


class Overlap(Entity):
    """How near the test rows come to the training rows; one number per test row, in the order of the rows."""

    cosines: tuple[float, ...] = Field(description="Cosine to the nearest training row")
    shared: tuple[float, ...] = Field(description="Share of its runs of five words that training texts hold")
    closest: tuple[ClosePair, ...]


class Sample(Entity):
    """One row beside the passage that it rests on."""

    row_id: str
    split: Split
    generator: str
    prompt: str
    answer: str
    verbatim: bool
    title: str | None = Field(description="Title of the document, if the document was given")
    before: str
    passage: str | None = Field(description="None if the document was not given")
    after: str


class PairSample(Entity):
    """One pair, side by side."""

    row_id: str
    split: Split
    prompt: str
    chosen: str
    rejected: str
    rejected_by: str


class Pairs(Entity):
    """What tells chosen from rejected without reading them."""

    chosen_longer: float = Field(description="Share of the pairs whose chosen text has more words")
    mean_log_ratio: float = Field(description="Mean of ln(words of chosen / words of rejected); 0 is no bias")
    cue_auc: float | None = Field(description="AUC of a classifier on shallow cues, 0.5 is chance; None if unmeasured")
    samples: tuple[PairSample, ...]


class Exploration(Entity):
    """Everything on the page of one dataset."""

    dataset: Literal["instruct", "preference"]
    documents: int
    words: int = Field(description="Words of the answers (chosen texts), split at white space")
    cost: float = Field(description="Price of the language model's calls behind the rows, in US dollars")
    splits: Tally
    breakdowns: dict[str, tuple[Tally, ...]] = Field(description="Rows by category, kind, ..., largest first")
    stages: tuple[Stage, ...]
    lengths: dict[str, dict[str, tuple[int, ...]]] = Field(description="Panel -> series -> words of each text")
    subjects: Subjects
    overlap: Overlap | None = Field(description="None if there are no test rows, or none to train on")
    openings: tuple[tuple[str, int], ...] = Field(description="First two words of what is asked, most frequent first")
    distinct_openings: int
    samples: tuple[Sample, ...] = ()
    pairs: Pairs | None = None
