"""How an author's models are to be trained: an external asset, versioned by the author file, and what follows from it.

Who wins against whom stands in `defaults.py`; the file itself is read by `collection.authors`.
"""

import dagster as dg

from resources.project import Project
from twin_assets.collection.authors import load_author
from twin_assets.documents import Author, content_hash
from twin_assets.observing.recording import LastObserved, observation_if_changed
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS
from twin_assets.training.defaults import Kind, Resolved, Values, resolve
from twin_assets.training.hyperparameters import SFTHyperparameters

TRAINING_SETTINGS = "training_settings"


@dg.multi_observable_source_asset(  # type: ignore[untyped-decorator]
    name="look_at_the_training_settings",
    partitions_def=authors_partitions,
    specs=[
        dg.AssetSpec(
            TRAINING_SETTINGS,
            partitions_def=authors_partitions,
            group_name="sources",
            owners=OWNERS,
            kinds={"file"},
            description=(
                "What the author file sets under `training.sft` and `training.dpo`.\n\n"
                "A sensor and `twin build` observe it and record a hash; when a setting changes, this author's "
                "checkpoints are stale, and nobody else's."
            ),
        )
    ],
)
def training_settings(context: dg.AssetExecutionContext, project: Project) -> dg.ObserveResult:
    """Observe an author's training settings, as the button of the Dagster UI asks for it."""
    author = load_author(project.authors_path, context.partition_key)
    return dg.ObserveResult(asset_key=TRAINING_SETTINGS, data_version=dg.DataVersion(_version(author)))


def observe_training_settings(observed: LastObserved, author: Author) -> dg.AssetObservation | None:
    """Return an observation of an author's training settings if they are others than when last observed."""
    return observation_if_changed(
        observed,
        TRAINING_SETTINGS,
        _version(author),
        partition=author.slug,
        metadata={"sft": author.training.sft, "dpo": author.training.dpo},
        description=f"The training settings of {author.name} are others.",
    )


def resolved_settings(
    project: Project, author: str, kind: type[Kind], *, run: Values, n_parameters: int | None
) -> Resolved[Kind]:
    """Return the settings of a fine-tuning: of the run, of the author, of the size of the model, in this order.

    Args:
        project: Where the author files lie.
        author: Slug of the author.
        kind: Settings of the stage.
        run: What the run sets; None stands for what it leaves open.
        n_parameters: Parameters of the model that training starts from; None if that is not known.

    Raises:
        UserError: If a setting is not usable; who set it is named.
    """
    policy = load_author(project.authors_path, author).training
    is_sft = issubclass(kind, SFTHyperparameters)
    return resolve(
        kind,
        run=run,
        author=policy.sft if is_sft else policy.dpo,
        author_file=project.authors_path / f"{author}.yaml",
        field="training.sft" if is_sft else "training.dpo",
        n_parameters=n_parameters,
    )


def _version(author: Author) -> str:
    return content_hash({"sft": author.training.sft, "dpo": author.training.dpo})
