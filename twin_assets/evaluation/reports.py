"""The reports of the evaluation room as data: what was measured, of what, with which versions.

Each is stored as JSON and is all that a page, a plot or the promotion gate needs. How they look is `pages.py`'s
business; nothing in here reads a clock, so equal measurements are equal reports.
"""

from typing import Literal

from pydantic import Field, model_validator

from twin_assets.documents import Entity
from twin_assets.evaluation.bootstrap import Interval
from twin_assets.evaluation.faults import TextFaults
from twin_assets.evaluation.likeness import Attribution, Likeness
from twin_assets.evaluation.perplexity import PerplexityScore, improvement_percent
from twin_assets.evaluation.retrieval import RetrievalScores

BASE = "base"
"""Name of the model that was fine-tuned, in every report."""

MODEL_LABELS = {"base": "Base model", "sft": "SFT", "dpo": "DPO", "human": "The author"}


def label_of(model: str) -> str:
    """Return the name of a model as a reader knows it."""
    return MODEL_LABELS.get(model, model)


class ModelScores(Entity):
    """One model measured on the held-out documents of one author."""

    model: str = Field(description="base, sft or dpo")
    version: str = Field(description="Data version or registry version of the model")
    perplexity: PerplexityScore = Field(description="Surprise at the held-out documents")
    likeness: Likeness | None = Field(description="Likeness of its generated texts; None when it was not measurable")
    faults: TextFaults | None = Field(
        default=None, description="How free of faults its generated texts are; None in a report older than this"
    )


class Sample(Entity):
    """One prompt, with what the author wrote and what each model wrote."""

    document_id: str = Field(description="Held-out document the prompt and the author's text are from")
    prompt: str = Field(description="What every model was asked")
    author_text: str = Field(description="The author's own text, verbatim")
    texts: dict[str, str] = Field(description="Generated text by model")


class EvalReport(Entity):
    """Base model, SFT and DPO on the held-out documents of one author."""

    author: str = Field(description="Slug of the author")
    author_name: str = Field(description="Name as a reader knows it")
    models: tuple[ModelScores, ...] = Field(min_length=1, description="Scores by model, the base model first")
    human: Likeness | None = Field(description="The ceiling: likeness of the author's own held-out text")
    attribution: Attribution | None = Field(description="How well the authors' own texts can be told apart")
    likeness_note: str | None = Field(default=None, description="Why likeness was not measured, in a sentence")
    samples: tuple[Sample, ...] = Field(description="Generated texts side by side")
    chosen: str | None = Field(description="The tuned model that goes to the promotion gate; None without one")
    chosen_because: str = Field(description="Why that one, in words and numbers")
    generation: str = Field(default="", description="How texts were generated, in words")
    provenance: dict[str, str] = Field(description="What went in, by name: models, datasets, profiles, code versions")

    @model_validator(mode="after")
    def _models_are_base_first_and_named_once(self) -> "EvalReport":
        names = [scores.model for scores in self.models]
        if names[0] != BASE or len(set(names)) != len(names):
            raise ValueError(f"A report lists the base model first and each model once, not {', '.join(names)}.")
        if self.chosen is not None and self.chosen not in names[1:]:
            raise ValueError(f"The chosen model {self.chosen!r} is not among the tuned models of this report.")
        return self

    @property
    def base(self) -> ModelScores:
        """Scores of the base model."""
        return self.models[0]

    def scores_of(self, model: str) -> ModelScores:
        """Return the scores of one model.

        Raises:
            KeyError: If the model was not measured.
        """
        for scores in self.models:
            if scores.model == model:
                return scores
        raise KeyError(f"{model!r} was not measured in the report on {self.author!r}.")

    def answers_of(self, model: str) -> dict[str, str]:
        """Return what a model wrote, by prompt."""
        return {sample.prompt: sample.texts[model] for sample in self.samples if model in sample.texts}

    def improvement(self, model: str) -> Interval:
        """Return by how many per cent a model's held-out perplexity is below the base model's, paired by document."""
        return improvement_percent(self.scores_of(model).perplexity, self.base.perplexity)

    def headline(self) -> str:
        """Return what the report says in one or two sentences."""
        if self.chosen is None:
            return (
                f"Only the base model was measured: its perplexity on {self.author_name}'s unseen writing is "
                f"{self.base.perplexity.perplexity.text(1)}."
            )
        twin = self.scores_of(self.chosen)
        gain = self.improvement(self.chosen)
        before, after = self.base.perplexity.perplexity.estimate, twin.perplexity.perplexity.estimate
        if gain.low > 0:
            reads = f"with {gain.estimate:.0f} % less perplexity than"
        elif gain.high < 0:
            reads = "with more perplexity than"
        else:
            reads = "with measurably no less perplexity than"
        twin_name = f"The {label_of(self.chosen)} twin of {self.author_name}"
        first = f"{twin_name} reads unseen writing {reads} the base model ({after:,.1f} against {before:,.1f})"
        return f"{first}{_in_likeness(twin.likeness, self.base.likeness, self.author_name)}."


class Miss(Entity):
    """A query that no returned passage answered, with what came back first."""

    query: str = Field(description="The sentence that was looked for")
    document: str = Field(description="Title or id of the document it stands in")
    returned: str = Field(description="The passage that came back first")


class SearchScores(Entity):
    """One kind of search measured."""

    mode: Literal["hybrid", "dense", "sparse"] = Field(description="By meaning and wording, by meaning, by wording")
    exact: RetrievalScores = Field(description="Queries as the author wrote them")
    half_dropped: RetrievalScores = Field(description="The same queries with half of their words dropped")


class RetrievalReport(Entity):
    """How well the vector store finds the author's own sentences."""

    author: str = Field(description="Slug of the author")
    author_name: str = Field(description="Name as a reader knows it")
    embedding_model: str = Field(description="Model that embedded passages and queries")
    max_tokens: int = Field(description="Tokens the embedding model reads at most")
    n_documents: int = Field(description="Documents the passages are from")
    chunk_tokens: tuple[int, ...] = Field(description="Length of every passage, in the embedding model's tokens")
    exact: RetrievalScores = Field(description="Queries as the author wrote them, in hybrid search")
    half_dropped: RetrievalScores = Field(description="The same queries with half of their words dropped")
    modes: tuple[SearchScores, ...] = Field(default=(), description="The same for each kind of search, hybrid first")
    misses: tuple[Miss, ...] = Field(default=(), description="Some exact queries that were not answered")
    provenance: dict[str, str] = Field(description="What went in, by name: chunks, embeddings, code versions")

    def headline(self) -> str:
        """Return what the report says in one sentence."""
        found = 100 * self.exact.recall[5].estimate
        half = 100 * self.half_dropped.recall[5].estimate
        return (
            f"Asked for one of {self.author_name}'s own sentences, retrieval returns a passage that holds it among the "
            f"first five {found:.0f} times in 100, and {half:.0f} times when half of the words are dropped."
        )


class LeaderboardRow(Entity):
    """One author on the leaderboard; what has not been measured is None."""

    author: str = Field(description="Slug of the author")
    author_name: str = Field(description="Name as a reader knows it")
    state: Literal["champion", "evaluated", "not built yet"] = Field(description="How far the twin has come")
    documents: int | None = Field(default=None, description="Cleaned documents")
    champion: str | None = Field(default=None, description="Registry version with the champion alias")
    perplexity: dict[str, Interval] = Field(default_factory=dict, description="Held-out perplexity by model")
    chosen: str | None = Field(default=None, description="The tuned model that counts: sft or dpo")
    improvement: Interval | None = Field(default=None, description="Per cent below the base model's perplexity")
    likeness_own: Interval | None = Field(default=None, description="Delta of the twin's texts to its author")
    likeness_other: Interval | None = Field(default=None, description="Delta of them to the nearest other author")
    nearest_other: str | None = Field(default=None, description="Slug of that other author")
    ceiling: Interval | None = Field(default=None, description="Delta of the author's held-out text to the author")
    recall_at_5: Interval | None = Field(default=None, description="Recall@5 on the author's own sentences")


class Leaderboard(Entity):
    """All authors, the greatest improvement over the base model first."""

    rows: tuple[LeaderboardRow, ...] = Field(description="One row per author")


def _in_likeness(twin: Likeness | None, base: Likeness | None, author_name: str) -> str:
    if twin is None or base is None:
        return ""
    side = twin.to_own.side_of(base.to_own)
    link = "but" if side >= 0 else "and"
    nearer = {-1: "nearer to", 0: "measurably no nearer to", 1: "further from"}[side]
    numbers = f"Delta {twin.to_own.estimate:.2f} against {base.to_own.estimate:.2f}"
    return f", {link} what it writes is {nearer} {author_name} than what the base model writes ({numbers})"
