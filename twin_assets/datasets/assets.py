"""Assets of the dataset stage: what the models learn from, every row grounded in the author's own text."""

from collections import Counter
from typing import NoReturn

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.project import Project
from twin_assets.automation import follow_inputs
from twin_assets.datasets.curation.splitting import split_documents
from twin_assets.datasets.generation.contract import Material
from twin_assets.datasets.generation.extractive import Extractive
from twin_assets.datasets.generation.preferences import (
    build_preference_rows,
    preference_prompt_hash,
    preference_prompts,
    reusable_rejections,
)
from twin_assets.documents import SPLITS, BaseModelRef, CleanedDocument, InstructRow, PreferenceRow
from twin_assets.errors import UserError
from twin_assets.inference.generation import CausalModel, GenerationSettings
from twin_assets.observed_settings import SETTINGS
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS, count_table, counts, excerpt, table_result

REJECTION_SETTINGS = GenerationSettings(max_new_tokens=96, temperature=0.9, top_p=0.95, seed=0)
"""How rejected answers are sampled: long enough to show a style, warm enough not to repeat itself."""


class PreferenceConfig(dg.Config):
    """How much preference data is made."""

    max_rows: int = 240
    """Most rows made for one author; each costs one generation."""
    force: bool = False
    """Generate again what was generated before."""


@dg.asset(
    partitions_def=authors_partitions,
    deps=[SETTINGS],
    group_name="datasets",
    owners=OWNERS,
    kinds={"parquet", "huggingface"},
    code_version="2",
    io_manager_key="datasets",
    pool="llm",
    automation_condition=follow_inputs(),
)
def instruct_dataset(
    context: dg.AssetExecutionContext,
    cleaned_documents: list[CleanedDocument],
    project: Project,
    artifacts: ArtifactStore,
) -> dg.MaterializeResult[list[InstructRow]]:
    """Instructions with answers that are the author's own passages, verbatim, split by document.

    Without a language model: the instruction is derived from title, headings and keyphrases. A document and its
    near-duplicates stand on one side of the split. `sft_checkpoint`, `preference_dataset` and `eval_report` read it.

    If it fails, the previous dataset stays whole.
    """
    material = Material(
        author=context.partition_key,
        documents=cleaned_documents,
        splits=split_documents(cleaned_documents, project.split_rule),
        seed=project.seed,
        ask=_no_teacher,
        report=context.log.info,
    )
    result = Extractive().generate(material)
    splits = Counter(row.split for row in result.rows)
    return table_result(
        result.rows,
        uri=str(artifacts.path("instruct_dataset", context.partition_key)),
        sample="\n\n".join(f"**{row.instruction}**\n\n> {excerpt(row.answer)}" for row in result.rows[:5]),
        metadata={
            "summary": f"{len(result.rows):,} rows: {splits['train']:,} train, {splits['test']:,} test",
            "rows": len(result.rows),
            "rows_train": splits["train"],
            "rows_validation": splits["validation"],
            "rows_test": splits["test"],
            "rows_dropped": sum(result.dropped.values()),
            "dropped_by_reason": count_table(result.dropped, key="reason", value="passages"),
            "answer_words_mean": round(sum(len(row.answer.split()) for row in result.rows) / len(result.rows), 1),
            **counts((row.category for row in result.rows), "rows"),
        },
        lineage={"answer": [("cleaned_documents", "text")], "document_id": [("cleaned_documents", "document_id")]},
    )


@dg.asset(
    partitions_def=authors_partitions,
    deps=[SETTINGS],
    group_name="datasets",
    owners=OWNERS,
    kinds={"parquet", "huggingface"},
    code_version="2",
    io_manager_key="datasets",
    pool="llm",
    automation_condition=follow_inputs(),
)
def preference_dataset(
    context: dg.AssetExecutionContext,
    config: PreferenceConfig,
    instruct_dataset: list[InstructRow],
    base_model: BaseModelRef,
    project: Project,
    artifacts: ArtifactStore,
) -> dg.MaterializeResult[list[PreferenceRow]]:
    """Pairs of what the author wrote (chosen, verbatim) and what `base_model` writes for the same prompt (rejected).

    A text that the same model wrote for the same prompt before is taken over, not generated again. `dpo_checkpoint`
    reads it.

    If it fails, the previous dataset stays whole.
    """
    author = context.partition_key
    rejected_by = f"{base_model.version}@{REJECTION_SETTINGS.fingerprint}"
    prompts = preference_prompts(instruct_dataset, limit=config.max_rows, seed=project.seed)
    known = {} if config.force else reusable_rejections(_previous_rows(artifacts, author), rejected_by)
    keys = {row.prompt_hash: preference_prompt_hash(row.instruction, rejected_by) for row in prompts}
    missing = [row for row in prompts if keys[row.prompt_hash] not in known]
    if missing:
        context.log.info(f"Generating {len(missing)} texts with {base_model.location}")
        model = CausalModel(base_model.location, revision=base_model.revision)
        texts = model.generate([row.instruction for row in missing], REJECTION_SETTINGS)
        known |= {keys[row.prompt_hash]: text for row, text in zip(missing, texts, strict=True)}
    result = build_preference_rows(prompts, known, rejected_by)
    splits = Counter(row.split for row in result.rows)
    return table_result(
        result.rows,
        uri=str(artifacts.path("preference_dataset", author)),
        sample="\n\n".join(
            f"**{row.prompt}**\n\n> chosen: {excerpt(row.chosen)}\n\n> rejected: {excerpt(row.rejected)}"
            for row in result.rows[:4]
        ),
        metadata={
            "summary": f"{len(result.rows):,} pairs: {splits['train']:,} train, {splits['test']:,} test; "
            f"{len(missing):,} texts generated",
            "rows": len(result.rows),
            "rows_train": splits["train"],
            "rows_validation": splits["validation"],
            "rows_test": splits["test"],
            "generated": len(missing),
            "generations_reused": len(prompts) - len(missing),
            "rows_dropped": sum(result.dropped.values()),
            "dropped_by_reason": count_table(result.dropped, key="reason", value="pairs"),
            "rejected_by": rejected_by,
            **counts((row.category for row in result.rows), "rows"),
        },
        lineage={
            "prompt": [("instruct_dataset", "instruction")],
            "chosen": [("instruct_dataset", "answer")],
            "document_id": [("instruct_dataset", "document_id")],
        },
    )


def _previous_rows(artifacts: ArtifactStore, author: str) -> list[PreferenceRow]:
    """Return the rows that the last materialization left, if there was one: they are what is looked up."""
    from resources.io_managers import read_rows

    folder = artifacts.path("preference_dataset", author)
    files = [folder / f"{split}.parquet" for split in SPLITS]
    return [row for file in files if file.exists() for row in read_rows(file, PreferenceRow)]


def _no_teacher() -> NoReturn:
    raise UserError("no teacher")
