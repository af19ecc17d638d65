"""The training policy of each author as the instance knows it: an external asset whose observations hold the numbers.

An automation condition is evaluated on every tick, for every author, and reads no author file: the sensor
`author_files` does, and records the policy when it changes. Nothing depends on the asset, because another policy makes
no model stale; it only decides how long newer data waits.
"""

from collections.abc import Collection

import dagster as dg

from resources.project import Project
from twin_assets.collection.authors import load_author
from twin_assets.documents import Author, TrainingPolicy
from twin_assets.observing.newest_events import newest_observations
from twin_assets.observing.recording import LastObserved, observation_if_changed
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS, data_version

TRAINING_POLICY = "training_policy"

_RECORDED = {"min_new_samples", "min_hours_between"}
"""What decides when to train. The rest of the policy is asked for where it counts, in the author file."""


@dg.multi_observable_source_asset(  # type: ignore[untyped-decorator]
    name="look_at_the_training_policies",
    partitions_def=authors_partitions,
    specs=[
        dg.AssetSpec(
            TRAINING_POLICY,
            partitions_def=authors_partitions,
            group_name="sources",
            owners=OWNERS,
            kinds={"file"},
            description=(
                "How long new data waits for a training, as the author file says under `training`: the least number of "
                "changed rows and the hours since the last training.\n\n"
                "A sensor records it when it changes. `sft_checkpoint`, `dpo_checkpoint` and `base_model` are held "
                "back by it, and only when they are trained by themselves."
            ),
        )
    ],
)
def training_policy(context: dg.AssetExecutionContext, project: Project) -> dg.ObserveResult:
    """Observe an author's training policy, as the button of the Dagster UI asks for it."""
    values = _values(load_author(project.authors_path, context.partition_key))
    return dg.ObserveResult(asset_key=TRAINING_POLICY, data_version=data_version(values), metadata=values)


def observe_policy(observed: LastObserved, author: Author) -> dg.AssetObservation | None:
    """Return an observation of an author's training policy if it differs from the last one."""
    values = _values(author)
    return observation_if_changed(
        observed,
        TRAINING_POLICY,
        str(data_version(values).value),
        partition=author.slug,
        metadata=values,
        description=f"The author file of {author.name} says otherwise when to train.",
    )


def recorded_policies(instance: dg.DagsterInstance, authors: Collection[str]) -> dict[str, TrainingPolicy]:
    """Return the policy of each author that was recorded last; the defaults where none was."""
    recorded = newest_observations(instance, dg.AssetKey(TRAINING_POLICY), authors)
    return {author: _policy_of(recorded.get(author)) for author in authors}


def _policy_of(record: dg.EventLogRecord | None) -> TrainingPolicy:
    observation = record.asset_observation if record else None
    metadata = observation.metadata if observation else {}
    return TrainingPolicy.model_validate({name: metadata[name].value for name in _RECORDED if name in metadata})


def _values(author: Author) -> dict[str, int | float]:
    return author.training.model_dump(include=_RECORDED)
