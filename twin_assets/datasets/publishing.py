"""What a dataset asset hands on besides its rows: a card, a page to explore, pictures, and what it cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.spending import Budget
from twin_assets.automation.new_rows import ROW_MARKS, row_marks
from twin_assets.datasets import plots
from twin_assets.datasets.card import CardFacts, dataset_card
from twin_assets.datasets.curation.contract import Embed, StageCount
from twin_assets.datasets.curation.reward_hacking import shallow_cues
from twin_assets.datasets.exploration import explore_instruct, explore_preference
from twin_assets.datasets.exploration_page import exploration_html
from twin_assets.datasets.figures import Exploration
from twin_assets.datasets.generation.prompts import prompt_hashes
from twin_assets.documents import (
    SPLITS,
    Author,
    CleanedDocument,
    InstructRow,
    PreferenceRow,
    SplitRule,
)
from twin_assets.errors import UserError
from twin_assets.reporting import count_table, counts, excerpt, picture, rows_version, table_result


@dataclass(frozen=True)
class Making:
    """How a dataset came about.

    Attributes:
        author: The author file.
        documents: The cleaned documents.
        rule: How they are drawn.
        stages: What each stage of curation did.
        unwritten: Pieces of the material that gave no row, by reason.
        budget: What was spent on language models in this run, and what may be.
    """

    author: Author
    documents: Sequence[CleanedDocument]
    rule: SplitRule
    stages: Sequence[StageCount]
    unwritten: Mapping[str, int]
    budget: Budget


def instruct_result(
    rows: list[InstructRow], making: Making, *, vectors: Embed, seed: int, artifacts: ArtifactStore
) -> dg.MaterializeResult[list[InstructRow]]:
    """Write card and page of an instruct dataset, and return it as the result of its asset.

    Raises:
        UserError: If there is no row.
    """
    _refuse_nothing(rows, making)
    answers = vectors([row.answer for row in rows])
    exploration = explore_instruct(
        rows, making.stages, answers, seed, documents=making.documents, language=_language(making.documents)
    )
    return _result(
        rows,
        making,
        exploration,
        asset="instruct_dataset",
        title="Instruction dataset",
        artifacts=artifacts,
        sample="\n\n".join(f"**{excerpt(row.instruction)}**\n\n> {excerpt(row.answer)}" for row in rows[:5]),
        metadata={
            "answer_words_mean": round(sum(len(row.answer.split()) for row in rows) / len(rows), 1),
            "support_mean": round(sum(row.support for row in rows) / len(rows), 3),
            **counts((row.generator for row in rows), "rows"),
            "kinds": picture(plots.rows_by(exploration.breakdowns["kind"]), "Rows by what is asked for"),
        },
        lineage={"answer": [("cleaned_documents", "text")], "document_id": [("cleaned_documents", "document_id")]},
    )


def preference_result(
    rows: list[PreferenceRow],
    making: Making,
    *,
    generated: int,
    reused: int,
    rejected_by: str,
    vectors: Embed,
    seed: int,
    artifacts: ArtifactStore,
) -> dg.MaterializeResult[list[PreferenceRow]]:
    """Write card and page of a preference dataset, and return it as the result of its asset.

    Raises:
        UserError: If there is no pair.
    """
    _refuse_nothing(rows, making)
    cues = shallow_cues(rows, seed=seed)
    exploration = explore_preference(
        rows,
        making.stages,
        vectors([row.chosen for row in rows]),
        seed,
        cue_auc=cues.cue_auc,
        language=_language(making.documents),
    )
    return _result(
        rows,
        making,
        exploration,
        asset="preference_dataset",
        title="Preference dataset",
        artifacts=artifacts,
        sample="\n\n".join(
            f"**{excerpt(row.prompt)}**\n\n> chosen: {excerpt(row.chosen)}\n\n> rejected: {excerpt(row.rejected)}"
            for row in rows[:5]
        ),
        metadata={
            "generated": generated,
            "generations_reused": reused,
            "rejected_by": rejected_by,
            **{name: value for name, value in cues.figures().items() if value is not None},
            **counts((row.generator for row in rows), "rows"),
        },
        lineage={
            "prompt": [("instruct_dataset", "instruction")],
            "chosen": [("instruct_dataset", "answer")],
            "document_id": [("instruct_dataset", "document_id")],
        },
    )


def _result(
    rows: list[Any],
    making: Making,
    exploration: Exploration,
    *,
    asset: str,
    title: str,
    artifacts: ArtifactStore,
    sample: str,
    metadata: Mapping[str, Any],
    lineage: Mapping[str, Sequence[tuple[str, str]]],
) -> dg.MaterializeResult[Any]:
    author, version = making.author, str(rows_version(rows).value)
    folder, page = artifacts.path(asset, author.slug), artifacts.path(asset, author.slug, ".html")
    facts = CardFacts(author, making.documents, making.rule, version, making.stages, prompt_hashes())
    artifacts.write_text(folder / "README.md", dataset_card(rows, facts))
    artifacts.write_text(
        page,
        exploration_html(
            exploration, author=author.name, title=title, generated_from={"data version": version, **_rule(making.rule)}
        ),
    )
    splits = Counter(row.split for row in rows)
    dropped = sum((stage.dropped for stage in making.stages), Counter[str]())
    spent, prices = making.budget.spent, making.budget.prices
    return table_result(
        rows,
        uri=str(folder),
        sample=sample,
        metadata={
            "summary": f"{len(rows):,} rows: {', '.join(f'{splits[s]:,} {s}' for s in SPLITS if splits[s])}; "
            f"{dropped.total():,} dropped",
            "rows": len(rows),
            **{f"rows_{split}": splits[split] for split in SPLITS},
            "rows_dropped": dropped.total(),
            "dropped_by_reason": count_table(dropped, key="reason", value="rows"),
            "not_written": count_table(making.unwritten, key="reason", value="pieces"),
            "stages": picture(plots.stages_funnel(making.stages), "Rows left after each stage of curation"),
            "lengths": picture(plots.text_lengths(exploration.lengths), "Lengths in words"),
            "page": dg.MetadataValue.path(str(page)),
            "card": dg.MetadataValue.path(str(folder / "README.md")),
            "cost": round(prices.cost(spent), 6),
            "cost_allowed": making.budget.max_cost,
            "tokens_asked_and_answered": spent.total,
            "tokens_allowed": making.budget.max_tokens,
            **counts((row.category for row in rows), "rows"),
            # A row that moved to another side of the split is another row to a training.
            ROW_MARKS: row_marks(f"{row.split} {row.row_id}" for row in rows),
            **metadata,
        },
        lineage=lineage,
    )


def _refuse_nothing(rows: Sequence[object], making: Making) -> None:
    if rows:
        return
    reasons = sum((stage.dropped for stage in making.stages), Counter(making.unwritten)).most_common(3)
    told = "; ".join(f"{reason} ({count:,})" for reason, count in reasons) or "nothing was written"
    raise UserError(
        f"{making.author.slug}: no row is left for the dataset: {told}. Add writings to the author's sources, or "
        "another generator."
    )


def _language(documents: Sequence[CleanedDocument]) -> str:
    words: Counter[str] = Counter()
    for document in documents:
        words[document.language or "en"] += document.n_words
    return words.most_common(1)[0][0] if words else "en"


def _rule(rule: SplitRule) -> dict[str, str]:
    held_out = f"since {rule.test_since}" if rule.test_since else f"{rule.test_fraction:.0%} of the documents"
    return {"held out": held_out, "for validation": f"{rule.validation_fraction:.0%}", "seed": str(rule.seed)}
