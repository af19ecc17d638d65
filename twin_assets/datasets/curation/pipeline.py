"""From rows to a dataset: the stages of curation in their order, each with what it kept and what it dropped, and why.

What a stage does is decided in its own module. The order is from the cheap to the dear: a judge is asked about no row
that a rule drops, and the split comes before what is compared across it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Generic

from twin_assets.asking import LanguageModel
from twin_assets.datasets.curation.balance import cap_shares, in_drawn_order
from twin_assets.datasets.curation.contract import Curated, Embed, Row, StageCount
from twin_assets.datasets.curation.decontamination import decontaminate
from twin_assets.datasets.curation.duplicates import drop_exact, drop_near, drop_semantic
from twin_assets.datasets.curation.faults import chosen_like_rejected
from twin_assets.datasets.curation.filters import CountTokens, apply_filters, corpus_of
from twin_assets.datasets.curation.options import CurationOptions
from twin_assets.datasets.curation.quality import drop_below, score_rows
from twin_assets.datasets.curation.reward_hacking import drop_unequal_lengths
from twin_assets.datasets.curation.rows import is_general, objection_to_source, texts_by_id
from twin_assets.datasets.curation.splitting import cluster_roots, documents_held_out, split_documents
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow

Report = Callable[[str], None]
Outcome = tuple[list[Row], Counter[str]]


def curate_instruct(
    rows: Sequence[InstructRow],
    documents: Sequence[CleanedDocument],
    *,
    options: CurationOptions,
    seed: int,
    embed: Embed | None = None,
    judge: LanguageModel | None = None,
    report: Report = lambda sentence: None,
    test_texts: Sequence[str] = (),
    count_tokens: CountTokens | None = None,
) -> Curated[InstructRow]:
    """Return the rows worth learning from, and what each stage did.

    Args:
        rows: Rows of all generators, each with its side.
        documents: All cleaned documents of the author, near-duplicates marked.
        options: Bounds and thresholds.
        seed: Draws what is left to chance.
        embed: Makes vectors for semantic duplicates; without it that stage looks at nothing.
        judge: Scores rows; without it only rows that bring a score are held against the minimum.
        report: Takes sentences about progress.
        test_texts: What is held out besides test rows and their documents, such as prompts of an evaluation.
        count_tokens: Counts tokens for the bounds of length; words without it.
    """
    stages = _Stages[InstructRow](_with_sides(rows, documents, options), report)
    corpus = corpus_of(documents, options, count_tokens)
    stages.run("rule filters", lambda rows: apply_filters(rows, corpus))
    _drop_what_is_not_distinct(stages, documents, options, seed=seed, embed=embed, report=report)
    stages.run("quality score", lambda rows: _of_quality(rows, judge, options.min_quality, report))
    _split_and_order(stages, documents, options, seed=seed, test_texts=test_texts, kind_of=lambda row: row.kind)
    return stages.done()


def curate_preference(
    rows: Sequence[PreferenceRow],
    documents: Sequence[CleanedDocument],
    *,
    options: CurationOptions,
    seed: int,
    embed: Embed | None = None,
    report: Report = lambda sentence: None,
    test_texts: Sequence[str] = (),
    count_tokens: CountTokens | None = None,
) -> Curated[PreferenceRow]:
    """Return the pairs worth learning from, and what each stage did.

    Args:
        rows: Pairs of all generators, each with the side of its document.
        documents: All cleaned documents of the author, near-duplicates marked.
        options: Bounds and thresholds.
        seed: Draws what is left to chance.
        embed: Makes vectors for semantic duplicates; without it that stage looks at nothing.
        report: Takes sentences about progress.
        test_texts: What is held out besides test pairs and their documents: give the test rows of the instruct dataset.
        count_tokens: Counts tokens for the bounds of length; words without it.
    """
    stages = _Stages[PreferenceRow](_with_sides(rows, documents, options), report)
    corpus = corpus_of(documents, options, count_tokens)
    stages.run("rule filters", lambda rows: apply_filters(rows, corpus))
    stages.run("chosen differs", _differing)
    stages.run("length ratio", lambda rows: drop_unequal_lengths(rows, max_ratio=options.max_length_ratio))
    _drop_what_is_not_distinct(stages, documents, options, seed=seed, embed=embed, report=report)
    _split_and_order(stages, documents, options, seed=seed, test_texts=test_texts, kind_of=lambda row: row.generator)
    return stages.done()


class _Stages(Generic[Row]):
    """Rows on their way through the stages."""

    def __init__(self, rows: Sequence[Row], report: Report) -> None:
        self._rows: list[Row] = list(rows)
        self._counts: list[StageCount] = []
        self._report = report

    def run(self, name: str, stage: Callable[[list[Row]], Outcome[Row]]) -> None:
        """Put the rows through one stage, and count."""
        self._rows, dropped = stage(self._rows)
        self._counts.append(StageCount(name, len(self._rows), +dropped))
        self._report(f"Curation, {name}: {len(self._rows):,} rows kept, {dropped.total():,} dropped")

    def done(self) -> Curated[Row]:
        """Return what is left."""
        return Curated(self._rows, self._counts)


def _drop_what_is_not_distinct(
    stages: _Stages[Row],
    documents: Sequence[CleanedDocument],
    options: CurationOptions,
    *,
    seed: int,
    embed: Embed | None,
    report: Report,
) -> None:
    texts = texts_by_id(documents)
    stages.run("groundedness", lambda rows: _grounded(rows, texts, options.min_support))
    stages.run("exact duplicates", drop_exact)
    stages.run("near duplicates", lambda rows: drop_near(rows, near=options.near, seed=seed))
    stages.run(
        "semantic duplicates",
        lambda rows: (
            drop_semantic(rows, embed, threshold=options.semantic, report=report) if embed else (rows, Counter())
        ),
    )


def _split_and_order(
    stages: _Stages[Row],
    documents: Sequence[CleanedDocument],
    options: CurationOptions,
    *,
    seed: int,
    test_texts: Sequence[str],
    kind_of: Callable[[Row], str],
) -> None:
    roots = cluster_roots(documents)
    stages.run("split", _without_held_out_general_rows)
    stages.run(
        "decontamination",
        lambda rows: decontaminate(
            rows, [*test_texts, *_held_out(rows, documents, options)], roots=roots, near=options.near
        ),
    )
    stages.run("balance", lambda rows: _balanced(rows, options, kind_of, seed=seed))
    stages.run("final order", lambda rows: (in_drawn_order(rows, seed=seed), Counter()))


def _grounded(rows: Iterable[Row], texts: dict[str, str], min_support: float) -> Outcome[Row]:
    dropped: Counter[str] = Counter()
    kept = []
    for row in rows:
        reason = objection_to_source(row, texts, min_support=min_support)
        if reason is None:
            kept.append(row)
        else:
            dropped[reason] += 1
    return kept, dropped


def _differing(rows: Sequence[PreferenceRow]) -> Outcome[PreferenceRow]:
    alike = {id(row): objection for row, objection in chosen_like_rejected(rows)}
    return [row for row in rows if id(row) not in alike], Counter(alike.values())


def _of_quality(
    rows: list[InstructRow], judge: LanguageModel | None, minimum: int, report: Report
) -> Outcome[InstructRow]:
    """Drop the rows scored below the minimum; one that the judge could not score stays, and is told."""
    if judge is not None:
        unscored = [row for row in rows if row.quality is None]
        result = score_rows(unscored, judge, lambda done, of: report(f"Scored {done:,} of {of:,} rows"))
        replaced = {id(row): new for row, new in zip(unscored, result.rows, strict=True)}
        rows = [replaced.get(id(row), row) for row in rows]
        for failure, count in sorted(result.failures.items()):
            report(f"{count:,} rows are unscored: {failure}")
    return drop_below(rows, minimum)


def _with_sides(rows: Sequence[Row], documents: Sequence[CleanedDocument], options: CurationOptions) -> Sequence[Row]:
    """Return the rows with the side of their document, if there is a rule.

    That is done before anything else, because of two rows that are alike the one held out is kept.
    """
    if options.split_rule is None:
        return rows
    sides = split_documents(documents, options.split_rule)
    return [row.model_copy(update={"split": sides.get(row.document_id, row.split)}) for row in rows]


def _without_held_out_general_rows(rows: Sequence[Row]) -> Outcome[Row]:
    """Drop what is held out without being the author's: a twin is measured on the author's own writing."""
    kept = [row for row in rows if not is_general(row) or row.split == "train"]
    return kept, Counter({"general row held out": len(rows) - len(kept)})


def _held_out(rows: Iterable[Row], documents: Sequence[CleanedDocument], options: CurationOptions) -> list[str]:
    """Return the texts of the documents of the test side."""
    if not options.compare_with_held_out_documents:
        return []
    roots = cluster_roots(documents)
    if options.split_rule:
        return documents_held_out(documents, options.split_rule)
    tested = {roots.get(row.document_id, row.document_id) for row in rows if row.split == "test"}
    return [document.text for document in documents if roots[document.document_id] in tested]


def _balanced(rows: list[Row], options: CurationOptions, kind_of: Callable[[Row], str], *, seed: int) -> Outcome[Row]:
    dropped: Counter[str] = Counter()
    caps: tuple[tuple[str, Callable[[Row], str], float], ...] = (
        ("too many of one document", lambda row: row.document_id, options.max_share_of_document),
        ("too many of one kind", kind_of, options.max_share_of_kind),
        ("too many of one category", lambda row: row.category, options.max_share_of_category),
    )
    for reason, group_of, largest in caps:
        rows, surplus = cap_shares(rows, group_of, largest=largest, seed=seed)
        dropped[reason] += surplus
    return rows, dropped
