"""How a dataset is made, from the material to card and page: generators, curation, a general set beside them.

The assets do not use it yet: they make their rows with the extractive generator and the base model alone.
"""

from collections.abc import Callable

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.embedder import Embedder
from resources.language_model import Teacher
from resources.project import Project
from twin_assets.collection.authors import load_author
from twin_assets.datasets import publishing
from twin_assets.datasets.config import InstructConfig, PreferenceConfig
from twin_assets.datasets.curation.options import CurationOptions
from twin_assets.datasets.curation.pipeline import curate_instruct, curate_preference
from twin_assets.datasets.curation.rows import texts_of
from twin_assets.datasets.curation.splitting import split_documents
from twin_assets.datasets.curation.vectors import RememberedVectors
from twin_assets.datasets.generation.contract import InstructGenerator, Material
from twin_assets.datasets.generation.evolve import Evolve
from twin_assets.datasets.generation.extractive import Extractive
from twin_assets.datasets.generation.feedback import read_feedback
from twin_assets.datasets.generation.feedback_pairs import FromFeedback
from twin_assets.datasets.generation.imported import Import, ImportPairs
from twin_assets.datasets.generation.on_policy import OnPolicy, known_texts, rejected_by_name, to_keep
from twin_assets.datasets.generation.pair_contract import PairGenerator, PairMaterial
from twin_assets.datasets.generation.registry import chosen, write_instruct, write_pairs
from twin_assets.datasets.generation.taught_pairs import Taught
from twin_assets.datasets.generation.teacher import Teacher as TeacherRows
from twin_assets.datasets.mixing import general_rows, load_general
from twin_assets.datasets.rejections import keep_rejections, kept_rejections
from twin_assets.datasets.sampling import REJECTION_SETTINGS, rejecting_model
from twin_assets.documents import BaseModelRef, CleanedDocument, InstructRow, PreferenceRow


def make_instruct_dataset(
    context: dg.AssetExecutionContext,
    config: InstructConfig,
    cleaned_documents: list[CleanedDocument],
    project: Project,
    artifacts: ArtifactStore,
    embedder: Embedder,
    teacher: Teacher,
) -> dg.MaterializeResult[list[InstructRow]]:
    """Instructions with answers that are the author's own passages, or rest on them, split by document.

    By default no language model is asked: an answer is a passage, verbatim, and its instruction is derived from title,
    headings, keyphrases and the text above it. `TWIN_INSTRUCT_GENERATORS` names others: a teacher, evolved
    instructions, files that the author file names. All rows pass the same curation, whose stages are drawn below. A
    document and its near-duplicates stand on one side of the split. `sft_checkpoint`, `preference_dataset` and
    `eval_report` read it.

    If it fails, the previous dataset stays whole. What a language model has answered is logged and not paid for again;
    where the budget ends, the dataset holds what is done, and the next run goes on from there.
    """
    author = load_author(project.authors_path, context.partition_key)
    budget, rule, weights = teacher.budget(), project.split_rule, project.instruct_generators
    material = Material(
        author=author.slug,
        documents=cleaned_documents,
        splits=split_documents(cleaned_documents, rule),
        seed=project.seed,
        ask=lambda: teacher.teacher(budget=budget, retry_failures=config.retry_failures),
        report=context.log.info,
    )
    makers: dict[str, Callable[[], InstructGenerator]] = {
        "extractive": Extractive,
        "teacher": lambda: TeacherRows(config.answers_per_passage),
        "evolve": lambda: Evolve(config.evolved_share),
        "import": lambda: Import(author, project.authors_path, rule),
    }
    written = write_instruct(material, chosen(makers, weights, setting="TWIN_INSTRUCT_GENERATORS"), weights)
    vectors = RememberedVectors(embedder.encode)
    curated = curate_instruct(
        written.rows,
        cleaned_documents,
        options=CurationOptions(min_quality=config.min_quality),
        seed=project.seed,
        embed=vectors,
        judge=teacher.judge(budget=budget, retry_failures=config.retry_failures) if project.judge_model else None,
        report=context.log.info,
    )
    rows = curated.rows
    if project.general_dataset and project.general_ratio:
        general = load_general(project.general_dataset, base=project.authors_path.parent, offline=project.hub_offline)
        held_out = [one.text for one in cleaned_documents if material.splits[one.document_id] != "train"]
        rows = [
            *rows,
            *general_rows(
                rows, general, author=author.slug, ratio=project.general_ratio, seed=project.seed, held_out=held_out
            ).rows,
        ]
    return publishing.instruct_result(
        rows,
        publishing.Making(author, cleaned_documents, rule, curated.stages, written.dropped, budget),
        vectors=vectors,
        seed=project.seed,
        artifacts=artifacts,
    )


def make_preference_dataset(
    context: dg.AssetExecutionContext,
    config: PreferenceConfig,
    instruct_dataset: list[InstructRow],
    cleaned_documents: list[CleanedDocument],
    base_model: BaseModelRef,
    project: Project,
    artifacts: ArtifactStore,
    embedder: Embedder,
    teacher: Teacher,
) -> dg.MaterializeResult[list[PreferenceRow]]:
    """Pairs of what the author wrote (chosen, verbatim) and what a model writes for the same prompt (rejected).

    By default `base_model` writes the rejected texts, or the SFT checkpoint (`TWIN_REJECTED_FROM=sft`);
    `TWIN_PREFERENCE_GENERATORS` names others: a teacher, readers' feedback, files that the author file names. A text
    that the same model wrote for the same prompt before is taken over, not generated again. `dpo_checkpoint` reads it.

    If it fails, the previous dataset stays whole.
    """
    author = load_author(project.authors_path, context.partition_key)
    budget, rule, weights = teacher.budget(), project.split_rule, project.preference_generators
    splits = split_documents(cleaned_documents, rule)
    model, version = rejecting_model(project.rejected_from, base_model, artifacts, author.slug)
    rejected_by = rejected_by_name(version, REJECTION_SETTINGS.fingerprint)
    kept = kept_rejections(artifacts, author.slug)

    def material(rows: list[InstructRow]) -> PairMaterial:
        return PairMaterial(
            author=author.slug,
            rows=rows,
            documents=cleaned_documents,
            splits=splits,
            seed=project.seed,
            ask=lambda: teacher.teacher(budget=budget, retry_failures=config.retry_failures),
            sample=lambda prompts: model.generate(prompts, REJECTION_SETTINGS),
            report=context.log.info,
        )

    makers: dict[str, Callable[[], PairGenerator]] = {
        "model": lambda: OnPolicy(rejected_by, {} if config.force else known_texts(kept, rejected_by), config.max_rows),
        "teacher": lambda: Taught(config.max_rows),
        "feedback": lambda: FromFeedback(read_feedback(project.feedback_file(author.slug))),
        "import": lambda: ImportPairs(author, project.authors_path, rule),
    }
    generators = chosen(makers, weights, setting="TWIN_PREFERENCE_GENERATORS")
    written = write_pairs(material, generators, instruct_dataset, weights, project.seed)
    keep_rejections(artifacts, author.slug, to_keep(kept, written.rejections, instruct_dataset))
    vectors = RememberedVectors(embedder.encode)
    curated = curate_preference(
        written.rows,
        cleaned_documents,
        options=CurationOptions(max_length_ratio=config.max_length_ratio),
        seed=project.seed,
        embed=vectors,
        report=context.log.info,
        test_texts=[text for row in instruct_dataset if row.split == "test" for text in texts_of(row)],
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
