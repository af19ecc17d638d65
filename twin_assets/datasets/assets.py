"""Assets of the dataset stage: what the models learn from, every row led back to the author's own text."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.embedder import Embedder
from resources.language_model import Teacher
from resources.project import Project
from twin_assets.automation.conditions import follow_inputs
from twin_assets.collection.authors import load_author
from twin_assets.datasets import publishing
from twin_assets.datasets.config import InstructConfig, PreferenceConfig
from twin_assets.datasets.curation.options import CurationOptions
from twin_assets.datasets.curation.pipeline import curate_instruct, curate_preference
from twin_assets.datasets.curation.rows import held_out_texts
from twin_assets.datasets.curation.splitting import split_documents
from twin_assets.datasets.curation.vectors import RememberedVectors
from twin_assets.datasets.generation.contract import Material
from twin_assets.datasets.generation.on_policy import RejectedFrom, known_texts, rejected_by_name, to_keep
from twin_assets.datasets.generation.pair_contract import PairMaterial
from twin_assets.datasets.generation.registry import write_instruct, write_pairs
from twin_assets.datasets.generators import instruct_generators, mixed_in, pair_generators
from twin_assets.datasets.rejections import keep_rejections, kept_rejections
from twin_assets.datasets.sampling import REJECTION_SETTINGS, rejecting_model, sampled
from twin_assets.datasets.sources import ROWS_FROM_ELSEWHERE, judge_model, teacher_model
from twin_assets.documents import BaseModelRef, CleanedDocument, InstructRow
from twin_assets.failures import ASKS_THE_NETWORK, telling_failures
from twin_assets.observing.settings import SETTINGS
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS


def _dataset(
    *, code_version: str, deps: Sequence[Any], name: str | None = None
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Return the decorator of a dataset, which reads the settings and rows from elsewhere beside its own `deps`."""
    asset = dg.asset(
        name=name,
        partitions_def=authors_partitions,
        deps=[SETTINGS, ROWS_FROM_ELSEWHERE, teacher_model, *deps],
        group_name="datasets",
        owners=OWNERS,
        kinds={"parquet", "huggingface", "html"},
        code_version=code_version,
        io_manager_key="datasets",
        pool="llm",
        retry_policy=ASKS_THE_NETWORK,
        automation_condition=follow_inputs(),
    )
    return lambda function: asset(telling_failures(function))


@_dataset(code_version="3", deps=[judge_model])
def instruct_dataset(  # type: ignore[no-untyped-def]  # a type of the rows would be asked of the check's output, too
    context: dg.AssetExecutionContext,
    config: InstructConfig,
    cleaned_documents: list[CleanedDocument],
    project: Project,
    artifacts: ArtifactStore,
    embedder: Embedder,
    teacher: Teacher,
):
    """Instructions with answers that are the author's own passages, or rest on them, split by document.

    By default no language model is asked: an answer is a passage, verbatim, and its instruction is derived from title,
    headings, keyphrases and the text above it. `TWIN_INSTRUCT_GENERATORS` names others: a teacher, evolved
    instructions, files that the author file names. Their rows pass the same curation, whose stages are drawn below. A
    document and its near-duplicates stand on one side of the split. `sft_checkpoint`, `preference_dataset` and
    `eval_report` read it.

    If it fails, the previous dataset stays whole. What a language model has answered is logged and not paid for again;
    where the budget ends, the dataset holds what is done, and the next materialization goes on from there.
    """
    author = load_author(project.authors_path, context.partition_key)
    budget, rule = teacher.budget(), project.split_rule
    material = Material(
        author=author.slug,
        documents=cleaned_documents,
        splits=split_documents(cleaned_documents, rule),
        seed=project.seed,
        ask=lambda: teacher.teacher(author.slug, budget=budget, retry_failures=config.retry_failures),
        report=context.log.info,
    )
    generators = instruct_generators(project, config, author)
    written = write_instruct(material, generators, project.instruct_generators)
    vectors = RememberedVectors(embedder.encode)
    curated = curate_instruct(
        written.rows,
        cleaned_documents,
        options=CurationOptions(min_quality=config.min_quality, split_rule=rule),
        seed=project.seed,
        embed=vectors,
        judge=teacher.judge(author.slug, budget=budget, retry_failures=config.retry_failures)
        if project.judge_model
        else None,
        report=context.log.info,
    )
    general = mixed_in(curated.rows, project, material)
    return publishing.instruct_result(
        [*curated.rows, *general.rows],
        publishing.Making(author, cleaned_documents, rule, curated.stages, written.dropped + general.dropped, budget),
        vectors=vectors,
        seed=project.seed,
        artifacts=artifacts,
    )


def build_preference_dataset(*, rejected_from: RejectedFrom) -> dg.AssetsDefinition:
    """Return the asset `preference_dataset`; which model writes the rejected texts decides what has to be there first.

    Args:
        rejected_from: `base` for the base model, `sft` for the author's SFT checkpoint.
    """
    deps = ["sft_checkpoint"] if rejected_from == "sft" else []
    return _dataset(name="preference_dataset", code_version="3", deps=deps)(_preference_dataset)


def _preference_dataset(  # type: ignore[no-untyped-def]  # as above
    context: dg.AssetExecutionContext,
    config: PreferenceConfig,
    instruct_dataset: list[InstructRow],
    cleaned_documents: list[CleanedDocument],
    base_model: BaseModelRef,
    project: Project,
    artifacts: ArtifactStore,
    embedder: Embedder,
    teacher: Teacher,
):
    """Pairs of what the author wrote (chosen, verbatim) and what a model writes for the same prompt (rejected).

    By default `base_model` writes the rejected texts, or the SFT checkpoint (`TWIN_REJECTED_FROM=sft`);
    `TWIN_PREFERENCE_GENERATORS` names others: a teacher, readers' feedback, files that the author file names. A text
    that the same model wrote for the same prompt before is taken over, not generated again. `dpo_checkpoint` reads it.

    If it fails, the previous dataset stays whole.
    """
    author = load_author(project.authors_path, context.partition_key)
    budget, rule = teacher.budget(), project.split_rule
    splits = split_documents(cleaned_documents, rule)
    model, version = rejecting_model(
        project.rejected_from, base_model, artifacts, author.slug, template=project.template
    )
    rejected_by = rejected_by_name(version, REJECTION_SETTINGS.fingerprint)
    kept = kept_rejections(artifacts, author.slug)

    def material(rows: list[InstructRow]) -> PairMaterial:
        return PairMaterial(
            author=author.slug,
            rows=rows,
            documents=cleaned_documents,
            splits=splits,
            seed=project.seed,
            ask=lambda: teacher.teacher(author.slug, budget=budget, retry_failures=config.retry_failures),
            sample=lambda prompts: sampled(model, prompts),
            report=context.log.info,
        )

    known = {} if config.force else known_texts(kept, rejected_by)
    generators = pair_generators(project, config, author, rejected_by=rejected_by, known=known)
    written = write_pairs(material, generators, instruct_dataset, project.preference_generators, project.seed)
    keep_rejections(artifacts, author.slug, to_keep(kept, written.rejections, instruct_dataset))
    vectors = RememberedVectors(embedder.encode)
    curated = curate_preference(
        written.rows,
        cleaned_documents,
        options=CurationOptions(max_length_ratio=config.max_length_ratio, split_rule=rule),
        seed=project.seed,
        embed=vectors,
        report=context.log.info,
        test_texts=held_out_texts(instruct_dataset),
    )
    return publishing.preference_result(
        curated.rows,
        publishing.Making(author, cleaned_documents, rule, curated.stages, written.dropped, budget),
        generated=written.generated,
        reused=written.reused,
        rejected_by=rejected_by,
        vectors=vectors,
        seed=project.seed,
        artifacts=artifacts,
    )
