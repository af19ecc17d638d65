"""Assets of training: the base model, and what SFT and DPO make of it.

An asset here says what is to be trained (a `TrainingSpec`). How that is done, and what is reported of it, stands in
`launching`; the checkpoint goes straight to the store.
"""

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.estimator import Estimator
from resources.io_managers import EVERY_AUTHOR, write_rows
from resources.project import Project
from resources.tracker import Tracker
from resources.trainer import Trainer
from twin_assets.automation.conditions import retrain_on_new_data
from twin_assets.collection.authors import author_slugs
from twin_assets.documents import BaseModelRef, CleanedDocument
from twin_assets.errors import UserError
from twin_assets.failures import ASKS_THE_NETWORK, telling_failures
from twin_assets.observing.settings import SETTINGS
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS, data_version, rows_version
from twin_assets.settings import OFFLINE_BASE_MODEL
from twin_assets.training.author_settings import TRAINING_SETTINGS, resolved_settings
from twin_assets.training.base import n_parameters_of, version_of
from twin_assets.training.config import DPOConfig, PretrainConfig, SFTConfig, hyperparameters_of, set_in
from twin_assets.training.corpus import CORPUS, training_side
from twin_assets.training.hyperparameters import DPOHyperparameters, PretrainHyperparameters, SFTHyperparameters
from twin_assets.training.launching import fine_tuned, train_or_reuse, training_metadata
from twin_assets.training.spec import TrainingSpec
from twin_assets.training.storage import remove_folder

PAYLOAD_VERSION = "3"
"""Raised when the payload's code changes what a spec is trained to."""

OFFLINE_LICENCE = "the licence of the writings it was trained on"


@dg.asset(
    ins={"cleaned_documents": EVERY_AUTHOR},
    deps=[SETTINGS],
    group_name="training",
    owners=OWNERS,
    kinds={"pytorch", "huggingface"},
    code_version=PAYLOAD_VERSION,
    io_manager_key="reports",
    pool="gpu",
    retry_policy=ASKS_THE_NETWORK,
    automation_condition=retrain_on_new_data(),
)
@telling_failures
def base_model(
    context: dg.AssetExecutionContext,
    config: PretrainConfig,
    cleaned_documents: dict[str, list[CleanedDocument]],
    project: Project,
    artifacts: ArtifactStore,
    trainer: Trainer,
    estimator: Estimator,
    tracker: Tracker,
) -> dg.MaterializeResult[BaseModelRef]:
    """The model that is fine-tuned: a hub id or path by setting, or a small one trained here, without a download.

    The version of a local folder is a hash of its files; that of a hub id, of its revision: pin a commit, because what
    `main` names changes without a new version.

    The small one is a byte-level BPE tokenizer and a Llama-architecture model, trained on the training side of every
    author's documents, never on what is held out for any of them, and on no author whose file is gone.
    `preference_dataset`, both checkpoints and `eval_report` read it.

    If training fails, the previous model stays whole.
    """
    if project.base_model != OFFLINE_BASE_MODEL:
        return _pointer(project)
    selected = training_side(
        cleaned_documents,
        authors=author_slugs(project.authors_path),
        rule=project.split_rule,
    )
    corpus = selected.documents
    address, version = artifacts.address("base_model"), str(rows_version(corpus).value)
    # Named by its content: a run that takes over what a killed one began finds the same corpus at the same place.
    corpus_name = f"{CORPUS}{version[:12]}"
    dataset = artifacts.path(corpus_name)
    dataset.mkdir(parents=True, exist_ok=True)
    write_rows(dataset / "train.parquet", corpus)
    spec = TrainingSpec(
        stage="pretrain",
        author=None,
        base_model=None,
        base_model_version=None,
        dataset_uri=artifacts.address(corpus_name),
        dataset_version=version,
        output_uri=address,
        hyperparameters=hyperparameters_of(config, PretrainHyperparameters),
        seed=project.seed,
        chat_template=project.template.name,
        chat_template_hash=project.template.hash,
        code_version=PAYLOAD_VERSION,
    )
    outcome, run_id = train_or_reuse(context, spec, trainer, estimator, tracker, force=config.force)
    # Not after a failure: a job that goes on without this run, or is waited for by the next, still has to read it.
    remove_folder(artifacts.address(corpus_name))
    metrics = outcome.manifest.metrics
    authors = {document.author for document in corpus}
    reference = BaseModelRef(
        location=address,
        revision=None,
        licence=OFFLINE_LICENCE,
        version=outcome.manifest.data_version,
        n_parameters=int(metrics["parameters"]),
    )
    return dg.MaterializeResult(
        value=reference,
        data_version=data_version(reference.version),
        metadata={
            "summary": f"{reference.n_parameters:,} parameters, trained here on {len(corpus)} documents of "
            f"{len(authors)} authors; loss {metrics['train_loss']:.2f}",
            "licence": OFFLINE_LICENCE,
            "authors": len(authors),
            "authors_left_out": len(cleaned_documents) - len(authors),
            "authors_without_file": len(selected.without_file),
            "documents": len(corpus),
            "documents_held_out_elsewhere": len(selected.held_out_elsewhere),
            **training_metadata(address, outcome, run_id, tracker),
        },
    )


@dg.asset(
    partitions_def=authors_partitions,
    deps=["instruct_dataset", SETTINGS, TRAINING_SETTINGS],
    group_name="training",
    owners=OWNERS,
    kinds={"pytorch", "huggingface", "mlflow"},
    code_version=PAYLOAD_VERSION,
    pool="gpu",
    retry_policy=ASKS_THE_NETWORK,
    automation_condition=retrain_on_new_data(),
)
@telling_failures
def sft_checkpoint(
    context: dg.AssetExecutionContext,
    config: SFTConfig,
    base_model: BaseModelRef,
    project: Project,
    artifacts: ArtifactStore,
    trainer: Trainer,
    estimator: Estimator,
    tracker: Tracker,
) -> dg.MaterializeResult[None]:
    """The base model after supervised fine-tuning on the author's instruct dataset.

    Trained with TRL and PEFT in the payload, through Dagster Pipes: with LoRA, QLoRA or every weight. The merged model
    and the adapter, where there is one, are both kept, with a manifest that names every file's hash. What the run
    configuration leaves empty is as the author file says under `training.sft`, and else as a model of this size is
    usually trained. A checkpoint that already answers the same spec is not trained again.
    `dpo_checkpoint`, `eval_report` and `registered_model` read it.

    If training fails or is cancelled, the previous checkpoint stays whole, and the next run starts clean.
    """
    resolved = resolved_settings(
        project,
        context.partition_key,
        SFTHyperparameters,
        run=set_in(config, SFTHyperparameters),
        n_parameters=base_model.n_parameters,
    )
    spec = TrainingSpec(
        stage="sft",
        author=context.partition_key,
        base_model=base_model.location,
        base_model_version=base_model.version,
        base_model_revision=base_model.revision,
        dataset_uri=artifacts.address("instruct_dataset", context.partition_key),
        dataset_version=_input_version(context, "instruct_dataset"),
        output_uri=artifacts.address("sft_checkpoint", context.partition_key),
        hyperparameters=resolved.settings,
        seed=project.seed,
        chat_template=project.template.name,
        chat_template_hash=project.template.hash,
        code_version=PAYLOAD_VERSION,
    )
    return fine_tuned(context, spec, resolved, trainer, estimator, tracker, force=config.force)


@dg.asset(
    partitions_def=authors_partitions,
    deps=["preference_dataset", sft_checkpoint, SETTINGS, TRAINING_SETTINGS],
    group_name="training",
    owners=OWNERS,
    kinds={"pytorch", "huggingface", "mlflow"},
    code_version=PAYLOAD_VERSION,
    pool="gpu",
    retry_policy=ASKS_THE_NETWORK,
    automation_condition=retrain_on_new_data(),
)
@telling_failures
def dpo_checkpoint(
    context: dg.AssetExecutionContext,
    config: DPOConfig,
    project: Project,
    artifacts: ArtifactStore,
    trainer: Trainer,
    estimator: Estimator,
    tracker: Tracker,
) -> dg.MaterializeResult[None]:
    """The SFT model after preference optimisation (DPO; ORPO or KTO if set) on the author's preference dataset.

    Chosen is the author's own passage, rejected what the base model wrote; the SFT model is the reference. What the run
    configuration leaves empty is as the author file says under `training.dpo`, and else as a model of this size is
    usually trained. `eval_report` and `registered_model` read it.

    If training fails or is cancelled, the previous checkpoint stays whole, and the next run starts clean.
    """
    start = artifacts.manifest("sft_checkpoint", context.partition_key)
    resolved = resolved_settings(
        project,
        context.partition_key,
        DPOHyperparameters,
        run=set_in(config, DPOHyperparameters),
        n_parameters=int(start.metrics["parameters"]),
    )
    spec = TrainingSpec(
        stage="dpo",
        author=context.partition_key,
        base_model=artifacts.address("sft_checkpoint", context.partition_key),
        base_model_version=start.data_version,
        dataset_uri=artifacts.address("preference_dataset", context.partition_key),
        dataset_version=_input_version(context, "preference_dataset"),
        output_uri=artifacts.address("dpo_checkpoint", context.partition_key),
        hyperparameters=resolved.settings,
        seed=project.seed,
        chat_template=project.template.name,
        chat_template_hash=project.template.hash,
        code_version=PAYLOAD_VERSION,
    )
    return fine_tuned(context, spec, resolved, trainer, estimator, tracker, force=config.force)


def _pointer(project: Project) -> dg.MaterializeResult[BaseModelRef]:
    reference = BaseModelRef(
        location=project.base_model,
        revision=project.base_model_revision,
        licence=project.base_model_licence,
        version=version_of(project.base_model, project.base_model_revision),
        n_parameters=n_parameters_of(project.base_model, project.base_model_revision, offline=project.hub_offline),
    )
    size = f"{reference.n_parameters:,} parameters" if reference.n_parameters else "number of parameters unknown"
    return dg.MaterializeResult(
        value=reference,
        data_version=data_version(reference.version),
        metadata={
            "summary": f"{reference.location} at {reference.revision}, {size}",
            "location": reference.location,
            "revision": str(reference.revision),
            "licence": reference.licence,
        },
    )


def _input_version(context: dg.AssetExecutionContext, asset: str) -> str:
    """Return the data version of the dataset that this step trains on.

    Raises:
        UserError: If the dataset was never built.
    """
    event = context.instance.get_latest_data_version_record(
        dg.AssetKey(asset), is_source=False, partition_key=context.partition_key
    )
    materialization = event.asset_materialization if event else None
    if materialization is None or not materialization.tags:
        raise UserError(f"{asset} of {context.partition_key} was never built: materialize it first.")
    return str(materialization.tags["dagster/data_version"])
