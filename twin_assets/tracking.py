"""Stages of a build as runs of the tracker: which run they stand in, and how they are closed whatever happens.

Every asset that logs to MLflow opens its run here. How MLflow is asked is `resources.tracker`'s business.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dagster as dg

from resources.tracker import DatasetUsed, Tracker
from twin_assets.documents import Entity

_TYPES = {"str": "string", "int": "long", "float": "double", "bool": "boolean"}


def open_stage(
    context: dg.AssetExecutionContext,
    tracker: Tracker,
    stage: str,
    *,
    author: str | None,
    tags: Mapping[str, str] | None = None,
    inputs: Sequence[DatasetUsed] = (),
) -> str:
    """Open the MLflow run of a stage within that of its build, the Dagster run, and return its id.

    Runs that a killed build left open are closed first.

    Args:
        context: The step.
        tracker: MLflow.
        stage: Name of the stage.
        author: Whose experiment the run stands in; none for what is made of all authors' writings.
        tags: What is told of it.
        inputs: Datasets that it reads.
    """
    build_of = author or _author_of_the_run(context)
    if build_of:
        tracker.end_abandoned(build_of, has_ended=lambda run_id: _has_ended(context.instance, run_id))
    return tracker.start_stage(
        stage, author=author, build_of=build_of, dagster_run=context.run_id, tags=tags, inputs=inputs
    )


def open_or_resume_stage(
    context: dg.AssetExecutionContext,
    tracker: Tracker,
    stage: str,
    *,
    author: str | None,
    spec_hash: str,
    tags: Mapping[str, str],
    inputs: Sequence[DatasetUsed],
) -> str:
    """Open the run of a training, or go on in the one that an interrupted training of the same spec began.

    A job in the cloud outlives whoever launched it, and logs to the run that it was given.
    """
    began = tracker.interrupted_run(author, tag="spec_hash", value=spec_hash)
    if began is None:
        return open_stage(context, tracker, stage, author=author, tags={**tags, "spec_hash": spec_hash}, inputs=inputs)
    resume_stage(context, tracker, began, author=author)
    return began


def resume_stage(context: dg.AssetExecutionContext, tracker: Tracker, run_id: str, *, author: str | None) -> None:
    """Make an MLflow run that another build began a stage of this one."""
    tracker.resume_stage(run_id, build_of=author or _author_of_the_run(context), dagster_run=context.run_id)


@contextmanager
def stage_run(
    context: dg.AssetExecutionContext,
    tracker: Tracker,
    stage: str,
    *,
    author: str,
    inputs: Sequence[DatasetUsed] = (),
) -> Iterator[str]:
    """Open the run of a stage for a `with` block; it is closed as failed if the block is left by an error.

    Whoever ends the block well has called `tracker.finish_run`.
    """
    run_id = open_stage(context, tracker, stage, author=author, inputs=inputs)
    try:
        yield run_id
    except BaseException:
        tracker.finish_run(run_id, failed=True)
        raise


def columns_of(entity: type[Entity]) -> dict[str, str]:
    """Return the columns of a table of entities with MLflow's names of their types; what has none there is text."""
    return {
        name: _TYPES.get(getattr(field.annotation, "__name__", ""), "string")
        for name, field in entity.model_fields.items()
    }


def _author_of_the_run(context: dg.AssetExecutionContext) -> str | None:
    """Return the author whose build this is, of an asset that is everybody's."""
    return context.run.tags.get("dagster/partition")


def _has_ended(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Return whether a run ended; one that this instance does not know may be going on in another."""
    run = instance.get_run_by_id(run_id)
    return run is not None and run.is_finished
