"""What datasets read besides the author's documents, as external assets: language models, files of rows, feedback."""

from hashlib import sha256
from pathlib import Path

import dagster as dg

from resources.project import Project
from twin_assets.collection.authors import load_author
from twin_assets.datasets.generation.imported import import_fingerprint
from twin_assets.documents import Author, content_hash
from twin_assets.errors import UserError
from twin_assets.observing.recording import LastObserved, observation_if_changed
from twin_assets.partitions import authors_partitions
from twin_assets.reporting import OWNERS

ROWS_FROM_ELSEWHERE = "rows_from_elsewhere"

teacher_model = dg.AssetSpec(
    "teacher_model",
    group_name="sources",
    owners=OWNERS,
    kinds={"openai"},
    description=(
        "An OpenAI-compatible model that writes instructions, answers in the author's voice, and rejected texts.\n\n"
        "None is needed: without one, instructions are derived from the author's own titles, headings and keyphrases. "
        "`TWIN_TEACHER_MODEL` names one, and `TWIN_INSTRUCT_GENERATORS` or `TWIN_PREFERENCE_GENERATORS` ask it."
    ),
)

judge_model = dg.AssetSpec(
    "judge_model",
    group_name="sources",
    owners=OWNERS,
    kinds={"openai"},
    description=(
        "An OpenAI-compatible model that scores the rows of `instruct_dataset` from 1 to 4.\n\n"
        "None is needed: without one, rows are held against rules only. `TWIN_JUDGE_MODEL` names one. Evaluation asks "
        "none: perplexity and Burrows' Delta give the same figure every time."
    ),
)


@dg.multi_observable_source_asset(  # type: ignore[untyped-decorator]
    name="look_at_rows_from_elsewhere",
    partitions_def=authors_partitions,
    specs=[
        dg.AssetSpec(
            ROWS_FROM_ELSEWHERE,
            partitions_def=authors_partitions,
            group_name="sources",
            owners=OWNERS,
            kinds={"file"},
            description=(
                "Rows that were made elsewhere: the files that the author file names under `datasets`, what readers "
                "thought of the twin's answers, and the general set.\n\n"
                "A sensor and `twin build` observe them; when one changes, the datasets are stale. They are read if "
                "`TWIN_INSTRUCT_GENERATORS` or `TWIN_PREFERENCE_GENERATORS` names `import` or `feedback`, and "
                "`TWIN_GENERAL_DATASET` a general set."
            ),
        )
    ],
)
def rows_from_elsewhere(context: dg.AssetExecutionContext, project: Project) -> dg.ObserveResult:
    """Observe an author's files of rows, as the button of the Dagster UI asks for it."""
    author = load_author(project.authors_path, context.partition_key)
    return dg.ObserveResult(asset_key=ROWS_FROM_ELSEWHERE, data_version=dg.DataVersion(_version(author, project)))


def observe_rows_from_elsewhere(observed: LastObserved, author: Author, project: Project) -> dg.AssetObservation | None:
    """Return an observation of an author's files of rows if they hold something else than when last observed.

    Raises:
        UserError: If a file that the author file names cannot be read.
    """
    return observation_if_changed(
        observed,
        ROWS_FROM_ELSEWHERE,
        _version(author, project),
        partition=author.slug,
        metadata={"files": ", ".join(config.path for config in author.datasets) or "none"},
        description=f"Rows for {author.name} that were made elsewhere have changed.",
    )


def _version(author: Author, project: Project) -> str:
    """Return a hash over what the generators that are switched on, and the general set, hold."""
    switched_on = {name for name, weight in _weights(project) if weight}
    held = {
        "import": import_fingerprint(author, project.authors_path) if "import" in switched_on else "",
        "feedback": _hash_of(project.feedback_file(author.slug)) if "feedback" in switched_on else "",
        # A set on a hub is named by its id, which is among the settings.
        "general": _hash_of(project.authors_path.parent / project.general_dataset) if project.general_dataset else "",
    }
    return content_hash(held)


def _weights(project: Project) -> list[tuple[str, float]]:
    return [*project.instruct_generators.items(), *project.preference_generators.items()]


def _hash_of(path: Path) -> str:
    """Return the hash of a file, or of the files of a folder; empty if there is nothing."""
    try:
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        return content_hash([[one.name, sha256(one.read_bytes()).hexdigest()] for one in files])
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): mend it, or change the settings.") from error
