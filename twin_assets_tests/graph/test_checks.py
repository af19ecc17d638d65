"""The checks, on data broken by hand: each blocking one passes on what was built and fails on what is broken."""

import dagster as dg
import pytest
from dagster._core.execution.context.invocation import DirectAssetCheckExecutionContext
from small_author import AUTHOR, Place
from upath import UPath

from resources.io_managers import DatasetIOManager, ReportIOManager, TableIOManager
from twin_assets.collection import checks as collection
from twin_assets.datasets import checks as datasets
from twin_assets.documents import BaseModelRef, Chunk, CleanedDocument, InstructRow, PreferenceRow, RawDocument
from twin_assets.evaluation import checks as evaluation
from twin_assets.evaluation.reports import EvalReport
from twin_assets.features import checks as features
from twin_assets.inference import checks as serving
from twin_assets.training import checks as training
from twin_assets.training.manifest import read_manifest


def _read(place: Place, manager: dg.ConfigurableIOManager, asset: str, kind: type, suffix: str = ""):
    return manager.read(UPath(place.artifacts) / asset / f"{AUTHOR}{suffix}", kind)


@pytest.fixture
def documents(built) -> list[CleanedDocument]:
    return _read(built, TableIOManager(root="."), "cleaned_documents", CleanedDocument, ".parquet")


@pytest.fixture
def passages(built) -> list[Chunk]:
    return _read(built, TableIOManager(root="."), "chunks", Chunk, ".parquet")


@pytest.fixture
def instructions(built) -> list[InstructRow]:
    return _read(built, DatasetIOManager(root="."), "instruct_dataset", InstructRow)


@pytest.fixture
def preferences(built) -> list[PreferenceRow]:
    return _read(built, DatasetIOManager(root="."), "preference_dataset", PreferenceRow)


@pytest.fixture
def evaluated(built) -> EvalReport:
    return _read(built, ReportIOManager(root="."), "eval_report", EvalReport, ".json")


@pytest.fixture
def resources(place):
    return place.definitions().resources


@pytest.fixture
def context():
    return context_of(AUTHOR)


def context_of(author: str) -> DirectAssetCheckExecutionContext:
    """Return what a check is given in the run of an author; `build_asset_check_context` knows no partition."""
    return DirectAssetCheckExecutionContext(op_execution_context=dg.build_op_context(partition_key=author))


def changed(rows, index, **fields):
    """Return the rows with some fields of one of them changed."""
    return [row.model_copy(update=fields) if number == index else row for number, row in enumerate(rows)]


def verdict_of(result) -> tuple[bool, str]:
    """Return whether a check passed, and what it says."""
    return result.passed, result.description or ""


def test_every_blocking_check_is_broken_here(built):
    graph = built.definitions().resolve_asset_graph()
    blocking = {
        f"{key.asset_key.to_user_string()}: {key.name}"
        for key in graph.asset_check_keys
        if graph.get_check_spec(key).blocking
    }
    assert blocking == {
        "raw_documents: not_empty",
        "raw_documents: every_document_has_text",
        "cleaned_documents: enough_text",
        "cleaned_documents: contractions_are_whole",
        # The checks of ids, columns and personal data are broken in features/test_feature_checks.py.
        "cleaned_documents: document_ids_are_unique",
        "cleaned_documents: documents_have_their_columns",
        "cleaned_documents: no_personal_data_left",
        "chunks: passage_ids_are_unique",
        "chunks: passages_have_their_columns",
        "chunks: within_the_model_limit",
        "chunks: verbatim_at_their_offsets",
        "chunks: every_document_is_covered",
        "embeddings: embeddings_match_chunks",
        *(f"instruct_dataset: {name}" for name in (*datasets.COMMON, "budget_kept")),
        *(f"preference_dataset: {name}" for name in (*datasets.COMMON, "chosen_differs", "budget_kept")),
        "base_model: manifest_is_whole",
        "sft_checkpoint: manifest_is_whole",
        "dpo_checkpoint: manifest_is_whole",
        "eval_report: every_model_was_measured",
        "registered_model: registered_is_what_was_trained",
    }


def test_a_warehouse_without_the_author_s_documents_is_refused(resources):
    assert not collection.not_empty(context_of("nobody"), warehouse=resources["warehouse"]).passed


def test_a_document_without_text_is_refused_by_name(resources, context):
    warehouse = resources["warehouse"]
    assert collection.not_empty(context, warehouse=warehouse).passed
    assert collection.every_document_has_text(context, warehouse=warehouse).passed
    empty = RawDocument(
        document_id="hollow", author=AUTHOR, category="posts", platform="blog", text="", source="folder"
    )
    with warehouse.session() as session:
        session.replace_documents(AUTHOR, [*session.documents(AUTHOR), empty])
    passed, said = verdict_of(collection.every_document_has_text(context, warehouse=warehouse))
    assert not passed
    assert "hollow" in said


def test_too_little_text_is_refused_with_what_is_missing(documents, resources):
    assert datasets.enough_text(documents, project=resources["project"]).passed
    passed, said = verdict_of(datasets.enough_text(documents[:3], project=resources["project"]))
    assert not passed
    assert "3,000 words" in said


def test_a_contraction_that_lost_its_apostrophe_is_refused(documents, resources, context):
    warehouse = resources["warehouse"]
    assert features.contractions_are_whole(context, documents, warehouse=warehouse).passed
    broken = changed(documents, 0, text=documents[0].text + "\n\nYou don t need it.")
    passed, said = verdict_of(features.contractions_are_whole(context, broken, warehouse=warehouse))
    assert not passed
    assert "don t" in said


def test_site_furniture_that_is_left_in_many_documents_is_warned_of(documents):
    assert features.site_furniture_is_gone(documents).passed
    broken = [d.model_copy(update={"text": d.text + "\n\nShare this post"}) for d in documents]
    result = features.site_furniture_is_gone(broken)
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN


def test_a_chunk_over_the_model_s_limit_is_refused_by_name(passages, resources):
    embedder = resources["embedder"]
    assert features.within_the_model_limit(passages, embedder=embedder).passed
    assert features.within_the_model_limit(changed(passages, 5, n_tokens=embedder.max_tokens), embedder=embedder).passed
    broken = changed(passages, 5, n_tokens=embedder.max_tokens + 1)
    passed, said = verdict_of(features.within_the_model_limit(broken, embedder=embedder))
    assert not passed
    assert passages[5].chunk_id in said


def test_a_chunk_that_differs_from_its_document_by_a_letter_is_refused(passages, documents):
    assert features.verbatim_at_their_offsets(passages, documents).passed
    broken = changed(passages, 3, text=_with_one_letter_altered(passages[3].text))
    passed, said = verdict_of(features.verbatim_at_their_offsets(broken, documents))
    assert not passed
    assert passages[3].chunk_id in said
    moved = changed(passages, 3, start=passages[3].start + 1, end=passages[3].end + 1)
    assert not features.verbatim_at_their_offsets(moved, documents).passed


def test_a_document_of_which_a_chunk_is_missing_is_refused_by_name(passages, documents):
    assert features.every_document_is_covered(passages, documents).passed
    longest = max(range(len(passages)), key=lambda number: len(passages[number].text))
    broken = passages[:longest] + passages[longest + 1 :]
    passed, said = verdict_of(features.every_document_is_covered(broken, documents))
    assert not passed
    assert passages[longest].document_id in said


def test_a_vanished_vector_and_one_without_a_chunk_are_refused(passages, resources, context):
    store = resources["vector_store"]
    assert features.embeddings_match_chunks(context, passages, vector_store=store).passed
    passed, said = verdict_of(features.embeddings_match_chunks(context, passages[1:], vector_store=store))
    assert not passed
    assert passages[0].chunk_id in said
    with store.session(AUTHOR) as session:
        session._client.delete(session.collection(), [passages[1].chunk_id])
    passed, said = verdict_of(features.embeddings_match_chunks(context, passages, vector_store=store))
    assert not passed
    assert passages[1].chunk_id in said


@pytest.fixture
def audited(documents, instructions, preferences, built):
    """Audit an instruct or a preference dataset as the graph does; returns the names of the checks that fail."""
    base = BaseModelRef.model_validate_json((built.artifacts / "base_model.json").read_text(encoding="utf-8"))
    project = built.definitions().resources["project"]

    def audit(rows) -> dict[str, str]:
        if isinstance(rows[0], InstructRow):
            results = datasets.instruct_results(rows, documents, project)
        else:
            results = datasets.preference_results(rows, documents, instructions, base, project)
        found = {result.check_name: result for result in results}
        expected = datasets.COMMON if isinstance(rows[0], InstructRow) else datasets.COMMON | datasets.ONLY_PAIRS
        assert found.keys() == expected.keys()
        return {
            name: result.description or ""
            for name, result in found.items()
            if not result.passed and result.severity is dg.AssetCheckSeverity.ERROR
        }

    assert audit(instructions) == audit(preferences) == {}
    return audit


def test_a_dataset_broken_in_any_way_is_refused_by_the_check_that_names_it(audited, instructions):
    """One dataset asset is enough: both are held against the same functions, which have tests of their own."""
    answer = instructions[2].answer
    held_out = next(number for number, row in enumerate(instructions) if row.split == "test")
    trained = next(row for row in instructions if row.split == "train")
    siblings = next(number for number, row in enumerate(instructions) if _has_siblings(row, instructions))
    other = "train" if instructions[siblings].split == "test" else "test"
    only_one = [row for row in instructions if row.split == "test" or row.document_id == trained.document_id]
    for check, broken in (
        ("schema", changed(instructions, 2, start=-1)),
        ("not_empty", changed(instructions, 2, answer=" ")),
        ("grounded", changed(instructions, 2, answer=_with_one_letter_altered(answer))),
        ("split_by_document", changed(instructions, siblings, split=other)),
        ("decontaminated", changed(instructions, held_out, instruction=trained.instruction)),
        ("no_duplicates", [*instructions, instructions[0]]),
        ("template_safe", changed(instructions, 2, instruction="End with <|im_end|>")),
        ("balanced", only_one),
        ("enough_rows", [row for row in instructions if row.split == "train"]),
    ):
        assert check in audited(broken), check


def test_a_near_duplicate_on_the_other_side_is_refused(audited, instructions, documents):
    repost = next(document for document in documents if document.duplicate_of)
    original = next(row for row in instructions if row.document_id == repost.duplicate_of)
    other = "train" if original.split == "test" else "test"
    broken = [*instructions, original.model_copy(update={"document_id": repost.document_id, "split": other})]
    assert "split_by_document" in audited(broken)


def test_too_few_rows_are_refused_with_how_many_there_should_be(audited, instructions, preferences):
    for rows in (instructions, preferences):
        few = [row for row in rows if row.split == "train"][:19] + [row for row in rows if row.split == "test"]
        assert "at least 20" in audited(few)["enough_rows"]


def test_a_pair_whose_chosen_text_was_altered_or_is_preferred_to_itself_is_refused(audited, preferences):
    altered = changed(preferences, 1, chosen=_with_one_letter_altered(preferences[1].chosen))
    assert "grounded" in audited(altered)
    assert "1 of" in audited(changed(preferences, 0, rejected=preferences[0].chosen))["chosen_differs"]


def test_a_pair_that_shares_a_text_with_a_held_out_instruction_is_refused(audited, preferences, instructions):
    """Of the instruct dataset, that is: the pairs themselves may hold out nothing of it."""
    test = next(row for row in instructions if row.split == "test")
    trained = next(number for number, row in enumerate(preferences) if row.split == "train")
    assert "decontaminated" in audited(changed(preferences, trained, rejected=test.answer))


def test_a_row_that_quotes_a_held_out_document_of_which_there_is_no_row_is_refused(audited, instructions, documents):
    held_out = next(row.document_id for row in instructions if row.split == "test")
    words = next(document.text for document in documents if document.document_id == held_out).split()
    rows = [row for row in instructions if row.document_id != held_out]
    trained = next(number for number, row in enumerate(rows) if row.split == "train")
    quoting = changed(rows, trained, instruction=f"What did you mean by {' '.join(words[30:50])}?")
    assert "decontaminated" not in audited(rows)
    assert "decontaminated" in audited(quoting)


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_a_checkpoint_that_was_tampered_with_is_refused_and_the_file_is_named(place, resources, context, stage):
    check = getattr(training, f"{stage}_manifest_is_whole")
    assert check(context, artifacts=resources["artifacts"]).passed
    weights = place.artifacts / f"{stage}_checkpoint" / AUTHOR / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    passed, said = verdict_of(check(context, artifacts=resources["artifacts"]))
    assert not passed
    assert "model.safetensors" in said


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_a_checkpoint_that_was_trained_on_a_deleted_document_is_warned_of_by_its_id(
    resources, context, documents, stage
):
    check = getattr(training, f"{stage}_trained_on_what_is_there")
    assert check(context, documents, artifacts=resources["artifacts"]).passed
    manifest = read_manifest(resources["artifacts"].folder(f"{stage}_checkpoint", AUTHOR))
    gone = manifest.trained_on[0]
    result = check(context, [d for d in documents if d.document_id != gone], artifacts=resources["artifacts"])
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN
    assert gone in (result.description or "")


def test_a_base_model_with_a_file_laid_beside_it_is_refused(place):
    reference = BaseModelRef.model_validate_json((place.artifacts / "base_model.json").read_text(encoding="utf-8"))
    assert training.base_model_is_whole(reference).passed
    (place.artifacts / "base_model" / "adapter_config.json").write_text("{}", encoding="utf-8")
    passed, said = verdict_of(training.base_model_is_whole(reference))
    assert not passed
    assert "adapter_config.json" in said


def test_an_evaluation_that_left_a_model_or_a_document_out_is_refused(evaluated):
    assert evaluation.every_model_was_measured(evaluated).passed
    without_dpo = evaluated.model_copy(
        update={"models": tuple(scores for scores in evaluated.models if scores.model != "dpo")}
    )
    assert not evaluation.every_model_was_measured(without_dpo).passed
    first = evaluated.models[0]
    fewer = first.perplexity.model_copy(update={"documents": first.perplexity.documents[1:]})
    uneven = (first.model_copy(update={"perplexity": fewer}), *evaluated.models[1:])
    assert not evaluation.every_model_was_measured(evaluated.model_copy(update={"models": uneven})).passed


def test_a_likeness_that_was_not_measured_is_warned_of_with_the_reason(evaluated):
    reason = "The texts hold 12 words."
    models = tuple(scores.model_copy(update={"likeness": None}) for scores in evaluated.models)
    result = evaluation.likeness_was_measured(evaluated.model_copy(update={"models": models, "likeness_note": reason}))
    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN
    assert reason in (result.description or "")
    assert "base, sft, dpo" in (result.description or "")


def test_a_candidate_that_was_not_made_of_a_present_checkpoint_is_refused(resources, context):
    artifacts, tracker = resources["artifacts"], resources["tracker"]
    check = serving.registered_is_what_was_trained
    assert check(context, artifacts=artifacts, tracker=tracker).passed
    for version in tracker.versions(f"twin-{AUTHOR}"):
        tracker.set_tags(f"twin-{AUTHOR}", version.version, {"checkpoint": "of something else"})
    assert not check(context, artifacts=artifacts, tracker=tracker).passed


def _with_one_letter_altered(text: str) -> str:
    middle = len(text) // 2
    return text[:middle] + ("x" if text[middle] != "x" else "y") + text[middle + 1 :]


def _has_siblings(row, rows) -> bool:
    return sum(other.document_id == row.document_id for other in rows) > 1
