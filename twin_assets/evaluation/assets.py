"""Assets of evaluation: how the author writes, how near the models come, and how well retrieval finds."""

from collections.abc import Mapping

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.embedder import Embedder
from resources.io_managers import EVERY_AUTHOR
from resources.project import Project
from resources.tracker import CHAMPION, DatasetUsed, Tracker, registered_name
from resources.vector_store import VectorStore
from twin_assets.automation.conditions import follow_inputs
from twin_assets.collection.authors import author_names, load_author
from twin_assets.datasets.curation.splitting import split_documents
from twin_assets.documents import BaseModelRef, Chunk, CleanedDocument, InstructRow
from twin_assets.evaluation import pages, plots
from twin_assets.evaluation.leaderboard import leaderboard_rows
from twin_assets.evaluation.measurement import (
    EVALUATION_SETTINGS,
    attribution_of,
    compile_report,
    held_out_prompts,
    known_texts,
    measure,
    refuse_what_was_trained_on,
)
from twin_assets.evaluation.publishing import figures_of, publish
from twin_assets.evaluation.reports import BASE, EvalReport, Leaderboard, RetrievalReport
from twin_assets.evaluation.retrieval import sentence_queries
from twin_assets.evaluation.searching import measure_retrieval
from twin_assets.evaluation.stylometry import StyleProfile
from twin_assets.evaluation.stylometry import style_profile as profile_of
from twin_assets.inference.base import base_to_ask
from twin_assets.inference.generation import CausalModel
from twin_assets.observing.settings import SETTINGS
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS, data_version, picture, readable, rows_version
from twin_assets.tracking import columns_of
from twin_assets.training.chat_template import ChatTemplate
from twin_assets.training.manifest import read_manifest


class EvaluationConfig(dg.Config):
    """How much is measured."""

    prompts: int = 24
    """Held-out instructions that each model answers."""
    force: bool = False
    """Generate again what was generated before."""


class RetrievalConfig(dg.Config):
    """How much is asked."""

    queries_per_document: int = 8
    """Sentences looked for per document."""


@dg.asset(
    partitions_def=authors_partitions,
    deps=[SETTINGS],
    group_name="evaluation",
    owners=OWNERS,
    kinds={"json"},
    code_version="1",
    io_manager_key="reports",
    automation_condition=follow_inputs(),
)
def style_profile(
    context: dg.AssetExecutionContext,
    cleaned_documents: list[CleanedDocument],
    project: Project,
    artifacts: ArtifactStore,
) -> dg.MaterializeResult[StyleProfile]:
    """The author's stylometric fingerprint: function words for Burrows' Delta, and figures that a person can read.

    Made of the training side only, so that held-out text can be compared with it. `eval_report` of every author reads
    it.

    If it fails, the previous profile stays whole.
    """
    author = context.partition_key
    split = split_documents(cleaned_documents, project.split_rule)
    texts = [
        document.text
        for document in cleaned_documents
        if split[document.document_id] == "train" and document.duplicate_of is None
    ]
    profile = profile_of(author, texts)
    figures = profile.figures.model_dump()
    numbers = {name: value for name, value in figures.items() if isinstance(value, (int, float))}
    return dg.MaterializeResult(
        value=profile,
        data_version=data_version(profile.model_dump(mode="json")),
        metadata={
            "summary": f"{profile.n_words:,} words of prose; sentences of {profile.figures.sentence_words_mean:.0f} "
            "words on average",
            "dagster/uri": str(artifacts.path("style_profile", author, ".json")),
            "words": profile.n_words,
            "blocks": profile.n_blocks,
            **readable(numbers),
        },
    )


@dg.asset(
    partitions_def=authors_partitions,
    deps=["sft_checkpoint", "dpo_checkpoint", SETTINGS],
    ins={"cleaned_documents": EVERY_AUTHOR, "style_profile": EVERY_AUTHOR},
    group_name="evaluation",
    # It generates with three models, on the GPU where there is one.
    pool="gpu",
    owners=OWNERS,
    kinds={"json", "html", "mlflow"},
    code_version="4",
    io_manager_key="reports",
    automation_condition=follow_inputs(),
)
def eval_report(
    context: dg.AssetExecutionContext,
    config: EvaluationConfig,
    cleaned_documents: dict[str, list[CleanedDocument]],
    style_profile: dict[str, StyleProfile],
    instruct_dataset: list[InstructRow],
    base_model: BaseModelRef,
    project: Project,
    artifacts: ArtifactStore,
    tracker: Tracker,
) -> dg.MaterializeResult[EvalReport]:
    """Base model, SFT and DPO on the author's held-out documents: perplexity, and likeness of what they write.

    Likeness is Burrows' Delta to the author and to every other one; the author's own held-out text is the ceiling. Each
    figure has a bootstrap interval over documents or texts. `registered_model` and `leaderboard` read it.

    If it fails, the previous report stays whole, and the champion stays champion.
    """
    author = context.partition_key
    own = cleaned_documents[author]
    split = split_documents(own, project.split_rule)
    held_out = [d for d in own if split[d.document_id] == "test" and d.duplicate_of is None]
    refuse_what_was_trained_on(held_out, instruct_dataset)
    rows = held_out_prompts(instruct_dataset, limit=config.prompts)
    previous = None if config.force else _previous_report(artifacts, author)
    measured = {}
    for model, (loaded, version) in _models(artifacts, author, base_model, project.template).items():
        context.log.info(f"Measuring {model} ({version}) on {len(held_out)} documents and {len(rows)} prompts")
        measured[model] = measure(
            loaded,
            version=version,
            documents=held_out,
            prompts=[row.instruction for row in rows],
            known=known_texts(previous, model, version),
        )
    report = compile_report(
        author=author,
        author_name=load_author(project.authors_path, author).name,
        measured=measured,
        rows=rows,
        held_out=held_out,
        profiles=style_profile,
        attribution=attribution_of(cleaned_documents, seed=project.seed),
        provenance={
            **{f"{model} model": answers.version for model, answers in measured.items()},
            "held-out documents": str(len(held_out)),
            "generation settings": EVALUATION_SETTINGS.fingerprint,
            "seed": str(project.seed),
        },
        seed=project.seed,
        training_texts=[document.text for document in own if split[document.document_id] == "train"],
    )
    names = author_names(project.authors_path, style_profile)
    style_path = artifacts.path("eval_report", author, ".style.html")
    artifacts.write_text(style_path, pages.style_page(style_profile[author], style_profile, names=names))
    published = publish(
        context,
        "eval_report",
        page=pages.eval_page(report, names=names),
        figures=figures_of(report),
        artifacts=artifacts,
        tracker=tracker,
        inputs=[
            DatasetUsed(
                name=f"held-out documents of {author}",
                version=str(rows_version(held_out).value),
                uri=str(artifacts.path("cleaned_documents", author, ".parquet")),
                context="evaluation",
                rows=len(held_out),
                columns=columns_of(CleanedDocument),
            )
        ],
    )
    bars = plots.perplexity_bars({scores.model: scores.perplexity.perplexity for scores in report.models})
    return dg.MaterializeResult(
        value=report,
        data_version=data_version(report.model_dump(mode="json")),
        metadata={
            "summary": report.headline(),
            **published,
            "style_page": dg.MetadataValue.path(str(style_path)),
            "chosen": f"{report.chosen}: {report.chosen_because}",
            "perplexity": picture(bars, "Held-out perplexity of each model"),
        },
    )


@dg.asset(
    partitions_def=authors_partitions,
    deps=["embeddings", SETTINGS],
    group_name="evaluation",
    owners=OWNERS,
    kinds={"json", "html", "mlflow"},
    code_version="3",
    io_manager_key="reports",
    automation_condition=follow_inputs(),
)
def retrieval_report(
    context: dg.AssetExecutionContext,
    config: RetrievalConfig,
    cleaned_documents: list[CleanedDocument],
    chunks: list[Chunk],
    project: Project,
    embedder: Embedder,
    vector_store: VectorStore,
    artifacts: ArtifactStore,
    tracker: Tracker,
) -> dg.MaterializeResult[RetrievalReport]:
    """How well the vector store finds the author's own sentences: recall at 1, 3, 5 and 10, and mean reciprocal rank.

    Each query is a sentence from the corpus, asked as it stands and with half of its words dropped, in hybrid, dense
    and sparse search; an answer is a passage that holds the sentence. `leaderboard` reads it.

    If it fails, the previous report stays whole.
    """
    author = context.partition_key
    queries = sentence_queries(cleaned_documents, per_document=config.queries_per_document, seed=project.seed)
    with vector_store.session(author) as session:
        report = measure_retrieval(
            session,
            embedder,
            author=author,
            author_name=load_author(project.authors_path, author).name,
            queries=queries,
            documents=cleaned_documents,
            chunks=chunks,
            seed=project.seed,
        )
    figures = {
        **{f"recall_at_{k}": interval.estimate for k, interval in report.exact.recall.items()},
        **{f"recall_at_{k}_half_dropped": interval.estimate for k, interval in report.half_dropped.recall.items()},
        "mrr": report.exact.mrr.estimate,
        "mrr_half_dropped": report.half_dropped.mrr.estimate,
        **{f"recall_at_5_{scores.mode}": scores.exact.recall[5].estimate for scores in report.modes},
        **{
            f"recall_at_5_{scores.mode}_half_dropped": scores.half_dropped.recall[5].estimate for scores in report.modes
        },
    }
    published = publish(
        context,
        "retrieval_report",
        page=pages.retrieval_page(report),
        figures=figures,
        artifacts=artifacts,
        tracker=tracker,
    )
    return dg.MaterializeResult(
        value=report,
        data_version=data_version(report.model_dump(mode="json")),
        metadata={
            "summary": f"{len(queries)} sentences: recall@5 {figures['recall_at_5']:.2f}, with half of the words "
            f"dropped {figures['recall_at_5_half_dropped']:.2f}",
            **published,
            "queries": len(queries),
            "recall": picture(plots.recall_curve(report.exact, report.half_dropped), "Recall by number of passages"),
        },
    )


@dg.asset(
    deps=["registered_model"],
    ins={"cleaned_documents": EVERY_AUTHOR, "eval_report": EVERY_AUTHOR, "retrieval_report": EVERY_AUTHOR},
    group_name="evaluation",
    owners=OWNERS,
    kinds={"json", "html"},
    code_version="1",
    io_manager_key="reports",
    automation_condition=follow_inputs(every_author=False),
)
def leaderboard(
    cleaned_documents: dict[str, list[CleanedDocument]],
    eval_report: dict[str, EvalReport],
    retrieval_report: dict[str, RetrievalReport],
    project: Project,
    artifacts: ArtifactStore,
    tracker: Tracker,
) -> dg.MaterializeResult[Leaderboard]:
    """All authors, one row each: how far their twin improves on the base model, and how well retrieval finds.

    An author who has not been evaluated yet has a row that says so.
    """
    rows = leaderboard_rows(
        author_names(project.authors_path, cleaned_documents),
        documents={author: len(documents) for author, documents in cleaned_documents.items()},
        evaluations=eval_report,
        retrievals=retrieval_report,
        champions=_champions(tracker, cleaned_documents),
    )
    board = Leaderboard(rows=tuple(rows))
    page_path = artifacts.path("leaderboard", suffix=".html")
    artifacts.write_text(page_path, pages.leaderboard_page(rows))
    evaluated = [row for row in rows if row.improvement is not None]
    return dg.MaterializeResult(
        value=board,
        data_version=data_version(board.model_dump(mode="json")),
        metadata={
            "summary": f"{len(evaluated)} of {len(rows)} authors evaluated",
            "dagster/uri": str(artifacts.path("leaderboard", suffix=".json")),
            "page": dg.MetadataValue.path(str(page_path)),
            "authors": len(rows),
            "authors_evaluated": len(evaluated),
            "improvement": picture(plots.leaderboard_bars(rows), "Improvement on the base model by author"),
        },
    )


def _models(
    artifacts: ArtifactStore, author: str, base_model: BaseModelRef, template: ChatTemplate
) -> dict[str, tuple[CausalModel, str]]:
    """Return each model and its version, the base model first."""
    models = {BASE: base_to_ask(base_model, template, artifacts)}
    for stage in ("sft", "dpo"):
        folder = artifacts.folder(f"{stage}_checkpoint", author)
        models[stage] = (CausalModel(str(folder)), read_manifest(folder).data_version)
    return models


def _previous_report(artifacts: ArtifactStore, author: str) -> EvalReport | None:
    path = artifacts.path("eval_report", author, ".json")
    return EvalReport.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None


def _champions(tracker: Tracker, authors: Mapping[str, object]) -> dict[str, str]:
    champions = {}
    for author in authors:
        for version in tracker.versions(registered_name(author)):
            if CHAMPION in version.aliases:
                champions[author] = version.version
    return champions
