"""What writes the rows of a run: the generators and the general set that the settings name, ready for one author.

What each of them does stands in `generation` and `mixing`.
"""

from collections.abc import Callable, Mapping, Sequence

from resources.project import Project
from twin_assets.datasets.config import InstructConfig, PreferenceConfig
from twin_assets.datasets.generation.contract import InstructGenerator, Material
from twin_assets.datasets.generation.evolve import Evolve
from twin_assets.datasets.generation.extractive import Extractive
from twin_assets.datasets.generation.feedback import read_feedback
from twin_assets.datasets.generation.feedback_pairs import FromFeedback
from twin_assets.datasets.generation.imported import Import, ImportPairs
from twin_assets.datasets.generation.on_policy import OnPolicy
from twin_assets.datasets.generation.pair_contract import PairGenerator
from twin_assets.datasets.generation.registry import chosen
from twin_assets.datasets.generation.taught_pairs import Taught
from twin_assets.datasets.generation.teacher import FromTeacher
from twin_assets.datasets.mixing import GeneralRows, general_rows, load_general
from twin_assets.documents import Author, InstructRow


def instruct_generators(project: Project, config: InstructConfig, author: Author) -> dict[str, InstructGenerator]:
    """Return the generators of instruct rows that the settings name, by name.

    Raises:
        UserError: If the setting names none, or one that there is not.
    """
    makers: dict[str, Callable[[], InstructGenerator]] = {
        "extractive": Extractive,
        "teacher": lambda: FromTeacher(config.answers_per_passage),
        "evolve": lambda: Evolve(config.evolved_share),
        "import": lambda: Import(author, project.authors_path, project.split_rule),
    }
    return chosen(makers, project.instruct_generators, setting="TWIN_INSTRUCT_GENERATORS")


def pair_generators(
    project: Project, config: PreferenceConfig, author: Author, *, rejected_by: str, known: Mapping[str, str]
) -> dict[str, PairGenerator]:
    """Return the generators of preference pairs that the settings name, by name.

    Args:
        project: The settings.
        config: What the run was told.
        author: The author file.
        rejected_by: Model and generation settings of the generator `model`.
        known: What that model has written before.

    Raises:
        UserError: If the setting names none, or one that there is not; if the feedback file is malformed.
    """
    makers: dict[str, Callable[[], PairGenerator]] = {
        "model": lambda: OnPolicy(rejected_by, known, config.max_rows),
        "teacher": lambda: Taught(config.max_rows),
        "feedback": lambda: FromFeedback(read_feedback(project.feedback_file(author.slug))),
        "import": lambda: ImportPairs(author, project.authors_path, project.split_rule),
    }
    return chosen(makers, project.preference_generators, setting="TWIN_PREFERENCE_GENERATORS")


def mixed_in(rows: Sequence[InstructRow], project: Project, material: Material) -> GeneralRows:
    """Return the general rows that the settings want beside an author's rows, if they name a general set.

    Raises:
        UserError: If the set cannot be read.
    """
    if not project.general_dataset or not project.general_ratio:
        return GeneralRows([])
    general = load_general(project.general_dataset, base=project.authors_path.parent, offline=project.hub_offline)
    held_out = [one.text for one in material.documents if material.splits[one.document_id] != "train"]
    return general_rows(
        rows, general, author=material.author, ratio=project.general_ratio, seed=project.seed, held_out=held_out
    )
