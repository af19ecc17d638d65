from collections.abc import Callable

import pytest
from pydantic import BaseModel

from twin_assets.asking import OUT_OF_BUDGET, Question
from twin_assets.datasets.extraction.passages import passages
from twin_assets.datasets.generation import evolve
from twin_assets.datasets.generation.contract import Generated, Material
from twin_assets.datasets.generation.evolve import MAX_ADDED_WORDS, METHODS, Answer, Evolution, Evolve
from twin_assets.documents import CleanedDocument, content_hash
from twin_assets_tests.datasets.scripted_model import PRICE, ScriptedModel, fenced_in

Make = Callable[..., CleanedDocument]


def rewrite(question: Question) -> BaseModel | str:
    """Evolve and answer as a careful model does: with what the material says, in words of one request each."""
    extract = fenced_in(question)
    if question.form is Answer:
        return Answer(answer=". ".join(extract.split(". ")[:2]).rstrip(".") + ".")
    name = content_hash(extract)[:6]
    said = f"{fenced_in(question, 'request').rstrip('.?')}, and why does {name} matter for it?"
    return Evolution(plan="Ask why.", rewritten=said, instruction=said, kind="explain")


def generate(documents: list[CleanedDocument], model: ScriptedModel, share: float = 1.0, seed: int = 0) -> Generated:
    material = Material(
        author="ada-bell",
        documents=documents,
        splits={document.document_id: "train" for document in documents},
        seed=seed,
        ask=lambda: model,
    )
    return Evolve(share).generate(material)


def test_an_evolved_row_is_answered_anew_from_its_passage_and_names_both_calls(library: list[CleanedDocument]) -> None:
    model = ScriptedModel(rewrite)
    result = generate(library, model)
    spans = {(p.document_id, p.start, p.end): p.text for document in library for p in passages(document)}

    assert len(result.rows) == len(spans)
    for row in result.rows:
        assert row.answer in spans[row.document_id, row.passage_start or 0, row.passage_end or 0]
        assert len(row.calls) == len(set(row.calls)) == 2
        assert row.cost == 2 * PRICE
        assert row.support == 1.0
        assert row.generator == "evolve@1"
        assert "matter for it" in row.instruction
    assert {key for row in result.rows for key in row.calls} == set(model.known)
    assert len({row.prompt_hash for row in result.rows}) == len(result.rows)


def test_the_answer_is_asked_for_with_the_evolved_instruction_and_the_whole_passage(make_document: Make) -> None:
    passage = "The salt goes in last, and never by eye. " + "I weigh it, and write it down in a notebook. " * 4
    model = ScriptedModel(rewrite)
    generate([make_document(f"# Bread\n\n## On salt\n\n{passage}")], model)
    first, second = model.questions

    assert fenced_in(first) == fenced_in(second) == passage.strip()
    assert "matter for it" in fenced_in(second, "request")
    assert any(method in first.user for method in METHODS.values())


def test_every_method_is_drawn_and_another_seed_draws_others(library: list[CleanedDocument]) -> None:
    def methods(seed: int) -> dict[str, str]:
        model = ScriptedModel(rewrite)
        generate(library, model, seed=seed)
        asked = [question for question in model.questions if question.form is Evolution]
        return {fenced_in(q): name for q in asked for name, words in METHODS.items() if words in q.user}

    assert set(methods(0).values()) == set(METHODS)
    assert methods(0) == methods(0) != methods(1)


def test_the_share_is_drawn_by_passage_so_that_others_do_not_move_it(library: list[CleanedDocument]) -> None:
    def evolved(documents: list[CleanedDocument], share: float) -> set[str]:
        model = ScriptedModel(rewrite)
        generate(documents, model, share)
        return {fenced_in(question) for question in model.questions if question.form is Evolution}

    everything, quarter = evolved(library, 1.0), evolved(library, 0.25)

    assert 0.1 < len(quarter) / len(everything) < 0.4
    assert quarter <= evolved(library, 0.5) <= everything
    assert evolved(library[:5], 0.25) == {text for text in quarter if any(text in d.text for d in library[:5])}


def test_a_new_document_changes_no_question_about_the_others_even_where_headings_are_alike(
    library: list[CleanedDocument],
) -> None:
    twin = library[0].model_copy(
        update={"document_id": "0-first", "text": library[0].text.replace("the", "her").replace("The", "A")}
    )
    model = ScriptedModel(rewrite)
    generate(library, model)
    before = len(model.questions)
    generate([*library, twin], model)

    assert len(model.questions) > before
    assert all(fenced_in(question) in twin.text for question in model.questions[before:])


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (lambda before: before, "instruction not evolved"),
        (lambda before: before.upper() + "!", "instruction not evolved"),
        (lambda before: before + " so" * (MAX_ADDED_WORDS + 1), "evolved instruction too long"),
        (lambda before: f"The rewritten request: {before}", "evolved instruction speaks of the rewriting"),
        (lambda before: f"{before} Name what the extract says.", "instruction speaks of its source"),
    ],
)
def test_an_instruction_that_has_not_evolved_well_is_dropped_before_its_answer_is_paid_for(
    library: list[CleanedDocument], after: Callable[[str], str], reason: str
) -> None:
    def bad(question: Question) -> BaseModel:
        said = after(fenced_in(question, "request"))
        return Evolution(plan="None.", rewritten=said, instruction=said, kind="explain")

    model = ScriptedModel(bad)
    result = generate(library[:1], model)

    assert result.rows == []
    assert result.dropped == {reason: len(model.questions)}
    assert {question.form for question in model.questions} == {Evolution}


def test_the_longest_instruction_allowed_is_kept(library: list[CleanedDocument]) -> None:
    def longest(question: Question) -> BaseModel | str:
        if question.form is Answer:
            return rewrite(question)
        name = content_hash(fenced_in(question))[:6]
        said = fenced_in(question, "request") + f" {name}" + " so" * (MAX_ADDED_WORDS - 1)
        return Evolution(plan="Add.", rewritten=said, instruction=said, kind="explain")

    assert generate(library[:1], ScriptedModel(longest)).rows


def test_a_refused_answer_loses_one_row(library: list[CleanedDocument]) -> None:
    (first, *_), refused = passages(library[0]), "the model refused"

    def answer(question: Question) -> BaseModel | str:
        return refused if question.form is Answer and fenced_in(question) == first.text else rewrite(question)

    result = generate(library, ScriptedModel(answer))
    whole = generate(library, ScriptedModel(rewrite))

    assert result.dropped == {refused: 1}
    assert result.rows == [row for row in whole.rows if row.answer not in first.text]


def test_a_budget_that_ends_leaves_few_evolved_instructions_without_an_answer(
    library: list[CleanedDocument], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evolve, "BLOCK", 8)
    model = ScriptedModel(rewrite, budget=40)
    part = generate(library, model)
    model.budget = None
    whole = generate(library, model)

    assert 40 / 2 - 8 <= len(part.rows) <= 40 / 2
    assert part.dropped[OUT_OF_BUDGET] == len(whole.rows) - len(part.rows)
    assert [row for row in whole.rows if row.row_id in {one.row_id for one in part.rows}] == part.rows
    assert len(model.questions) == 2 * len(whole.rows)


def test_code_and_an_empty_corpus_ask_nothing(make_document: Make) -> None:
    code = "# bread\n\n## oven.py\n\n```python\ndef bake(dough):\n    heat()\n    return crust(dough)\n```\n"
    for documents in ([], [make_document(code, category="repositories")]):
        model = ScriptedModel(rewrite)

        assert generate(documents, model).rows == []
        assert model.questions == []


def test_the_teacher_is_fetched_once_because_its_budget_is_one(
    library: list[CleanedDocument], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evolve, "BLOCK", 8)
    fetched: list[ScriptedModel] = []

    def ask() -> ScriptedModel:
        fetched.append(ScriptedModel(rewrite))
        return fetched[-1]

    Evolve(1.0).generate(Material("ada-bell", library, {d.document_id: "train" for d in library}, 0, ask=ask))

    assert len(fetched) == 1


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="choose a share"):
        Evolve(share)
