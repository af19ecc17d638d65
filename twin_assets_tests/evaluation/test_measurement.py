"""Measuring models that answer from a list: what is asked, what is taken over, and what the report makes of it."""

import pytest

from twin_assets.documents import CleanedDocument, InstructRow, content_hash
from twin_assets.evaluation.measurement import (
    EVALUATION_SETTINGS,
    Measured,
    attribution_of,
    compile_report,
    generation_in_words,
    held_out_prompts,
    known_texts,
    measure,
)
from twin_assets.evaluation.perplexity import DocumentLoss
from twin_assets.evaluation.stylometry import style_profile
from twin_assets.inference.generation import TextScore

PROSE = "It is not that the tide was late, but that we had been so sure of it, and of the boat."


class Parrot:
    """A model that spends ten nats on a text, and answers each prompt with it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def token_nll(self, texts):
        return [TextScore(nll=10.0, n_tokens=len(text.split())) for text in texts]

    def generate(self, prompts, settings):
        assert settings == EVALUATION_SETTINGS
        self.asked += prompts
        return [f"On {prompt}" for prompt in prompts]


def document(name, text=PROSE, author="ada", **fields):
    values = {
        "document_id": name,
        "author": author,
        "category": "articles",
        "platform": "blog",
        "url": None,
        "title": None,
        "text": text,
        "language": "en",
        "published_at": None,
        "content_hash": content_hash(text),
        "duplicate_of": None,
        "n_words": len(text.split()),
    }
    return CleanedDocument(**(values | fields))


def row(instruction, document_id="one", split="test"):
    return InstructRow(
        instruction=instruction,
        answer="Because.",
        author="ada",
        category="articles",
        document_id=document_id,
        start=0,
        end=8,
        generator="test",
        prompt_hash="0",
        split=split,
    )


def measured(version, text=PROSE, nll=100.0):
    losses = tuple(
        DocumentLoss(document_id=f"document-{number}", nll=nll, tokens=100, n_bytes=400) for number in range(4)
    )
    return Measured(version=version, losses=losses, texts={"Why?": text})


def compiled(text, profiles):
    return compile_report(
        author="ada",
        author_name="Ada",
        measured={"sft": measured("s", text, 90.0), "base": measured("b", text), "dpo": measured("d", text, 95.0)},
        rows=[row("Why?")],
        held_out=[document("held-out", PROSE * 30)],
        profiles=profiles,
        attribution=None,
        provenance={"seed": "0"},
        seed=0,
    )


@pytest.fixture(scope="module")
def profiles():
    return {"ada": style_profile("ada", [PROSE * 60]), "bob": style_profile("bob", ["You will see what I see. " * 200])}


def test_held_out_prompts_take_turns_over_the_documents_and_leave_train_rows_out():
    rows = [row("a1", "a"), row("a2", "a"), row("a3", "a"), row("b1", "b"), row("t", "c", split="train")]
    assert [one.instruction for one in held_out_prompts(rows, limit=3)] == ["a1", "b1", "a2"]
    assert [one.instruction for one in held_out_prompts(rows, limit=9)] == ["a1", "b1", "a2", "a3"]


def test_only_prompts_without_a_known_answer_are_asked_and_losses_carry_bytes():
    model = Parrot()
    answers = measure(
        model,
        version="v",
        documents=[document("d", "It was a caf\u00e9.")],
        prompts=["Why?", "How?"],
        known={"Why?": "Known.", "Gone?": "Old."},
    )
    assert model.asked == ["How?"]
    assert answers.texts == {"Why?": "Known.", "How?": "On How?"}
    assert answers.losses == (DocumentLoss(document_id="d", nll=10.0, tokens=4, n_bytes=15),)


def test_a_text_is_known_only_of_the_same_version_and_settings(report):
    report = report.model_copy(update={"generation": generation_in_words()})
    prompt = "Why <b>engines</b>?"
    assert known_texts(report, "dpo", "dpo-1") == {prompt: "Because they weave algebra."}
    assert known_texts(report, "dpo", "dpo-2") == {}
    assert known_texts(report, "other", "dpo-1") == {}
    assert known_texts(report.model_copy(update={"generation": "Warmer."}), "dpo", "dpo-1") == {}
    assert known_texts(None, "dpo", "dpo-1") == {}


def test_a_report_lists_the_base_model_first_and_what_was_written_side_by_side(profiles):
    report = compiled(PROSE * 15, profiles)
    assert [scores.model for scores in report.models] == ["base", "sft", "dpo"]
    assert report.chosen == "sft"
    assert report.samples[0].author_text == "Because."
    assert set(report.samples[0].texts) == {"base", "sft", "dpo"}
    assert report.likeness_note is None
    assert report.human is not None
    assert all(scores.likeness is not None for scores in report.models)


def test_too_little_prose_is_said_in_the_report(profiles):
    report = compiled("Too short.", profiles)
    assert "needs at least 200 words" in (report.likeness_note or "")
    assert all(scores.likeness is None for scores in report.models)


def test_a_profile_that_is_missing_or_old_is_a_fault_and_not_a_note(profiles):
    with pytest.raises(ValueError, match="no style profile of 'ada'"):
        compiled(PROSE * 15, {"bob": profiles["bob"]})
    old = profiles["bob"].model_copy(update={"words": ("the",)})
    with pytest.raises(ValueError, match="other function words"):
        compiled(PROSE * 15, {**profiles, "bob": old})


def test_authors_who_cannot_be_told_apart_yet_have_no_attribution():
    assert attribution_of({"ada": [document("a", PROSE * 60)]}, seed=0) is None
    assert attribution_of({"ada": [document("a")], "bob": [document("b", author="bob")]}, seed=0) is None
