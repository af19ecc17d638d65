"""Measuring models on an author's held-out documents: the numbers that `eval_report` holds.

Models are asked here and nowhere else in this room; what their answers mean is computed in `perplexity`, `likeness` and
`promotion`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from twin_assets.documents import CleanedDocument, InstructRow
from twin_assets.errors import UserError
from twin_assets.evaluation.faults import Recitals, text_faults
from twin_assets.evaluation.likeness import (
    Attribution,
    Likeness,
    TooLittleProseError,
    leave_one_document_out,
    likeness_of_sets,
)
from twin_assets.evaluation.perplexity import DocumentLoss, PerplexityScore, perplexity_score
from twin_assets.evaluation.promotion import better_of
from twin_assets.evaluation.reports import BASE, EvalReport, ModelScores, Sample
from twin_assets.evaluation.stylometry import StyleProfile
from twin_assets.inference.generation import GenerationSettings, TextScore

EVALUATION_SETTINGS = GenerationSettings(max_new_tokens=128, temperature=0.8, top_p=0.95, seed=0)
"""How evaluated texts are sampled: the same for each model, so that only the model differs."""

HUMAN = "human"


class LanguageModel(Protocol):
    """What can be measured."""

    def token_nll(self, texts: Sequence[str]) -> list[TextScore]:
        """Return the negative log-likelihood of each text."""
        ...

    def generate(self, prompts: Sequence[str], settings: GenerationSettings) -> list[str]:
        """Return an answer to each prompt."""
        ...


@dataclass(frozen=True)
class Measured:
    """One model's answers: losses on held-out documents, and texts by prompt."""

    version: str
    losses: tuple[DocumentLoss, ...]
    texts: Mapping[str, str]


def measure(
    model: LanguageModel,
    *,
    version: str,
    documents: Sequence[CleanedDocument],
    prompts: Sequence[str],
    known: Mapping[str, str],
) -> Measured:
    """Read the held-out documents with a model, and let it answer the prompts whose answer is not `known`."""
    scores = model.token_nll([document.text for document in documents])
    missing = [prompt for prompt in prompts if prompt not in known]
    answers = model.generate(missing, EVALUATION_SETTINGS) if missing else []
    texts = {**known, **dict(zip(missing, answers, strict=True))}
    return Measured(
        version=version,
        losses=tuple(
            DocumentLoss(
                document_id=document.document_id,
                nll=score.nll,
                tokens=score.n_tokens,
                n_bytes=len(document.text.encode()),
            )
            for document, score in zip(documents, scores, strict=True)
        ),
        texts={prompt: texts[prompt] for prompt in prompts},
    )


def refuse_what_was_trained_on(held_out: Iterable[CleanedDocument], rows: Iterable[InstructRow]) -> None:
    """Make sure that nothing that is to be measured on was trained on.

    Raises:
        UserError: If a document that the present split holds out stands on the train side of the dataset.
    """
    trained_on = {row.document_id for row in rows if row.split == "train"}
    leaked = [document for document in held_out if document.document_id in trained_on]
    if leaked:
        raise UserError(
            f"{leaked[0].author}: {len(leaked)} held-out documents were trained on, {leaked[0].title!r} for one: "
            "the split has changed since instruct_dataset was built (TWIN_SEED, TWIN_TEST_FRACTION); build that and "
            "what is below it again."
        )


def held_out_prompts(rows: Sequence[InstructRow], *, limit: int) -> list[InstructRow]:
    """Return up to `limit` held-out rows, spread over documents: the first of each, then the second, and so on."""
    by_document: dict[str, list[InstructRow]] = {}
    for row in rows:
        if row.split == "test":
            by_document.setdefault(row.document_id, []).append(row)
    ranked = [(place, row) for of_document in by_document.values() for place, row in enumerate(of_document)]
    return [row for _, row in sorted(ranked, key=lambda item: item[0])[:limit]]


def known_texts(previous: EvalReport | None, model: str, version: str) -> dict[str, str]:
    """Return what this very version of a model wrote for the previous report, by prompt."""
    if previous is None or previous.generation != generation_in_words():
        return {}
    try:
        same = previous.scores_of(model).version == version
    except KeyError:
        return {}
    return {sample.prompt: sample.texts[model] for sample in previous.samples if model in sample.texts} if same else {}


def generation_in_words() -> str:
    """Return how texts were sampled, for the report's reader."""
    settings = EVALUATION_SETTINGS
    return (
        f"At most {settings.max_new_tokens} tokens, temperature {settings.temperature}, top-p {settings.top_p}, "
        f"seed {settings.seed}; settings {settings.fingerprint[:12]}."
    )


def compile_report(
    *,
    author: str,
    author_name: str,
    measured: Mapping[str, Measured],
    rows: Sequence[InstructRow],
    held_out: Sequence[CleanedDocument],
    profiles: Mapping[str, StyleProfile],
    attribution: Attribution | None,
    provenance: Mapping[str, str],
    seed: int,
    training_texts: Sequence[str] = (),
) -> EvalReport:
    """Turn the answers of the models into a report.

    Args:
        author: Slug of the author.
        author_name: Name as a reader knows it.
        measured: Answers by model, the base model among them.
        rows: The held-out rows whose instructions were the prompts.
        held_out: The held-out documents: the author's own text, as the ceiling of likeness.
        profiles: Style profile by author, made of the training side only.
        attribution: How well the authors can be told apart, where that could be measured.
        provenance: What went in, by name.
        seed: Seed of the bootstrap.
        training_texts: The documents that the tuned models learnt from, which none should recite.
    """
    recitals = Recitals(training_texts)
    sets = {model: list(answers.texts.values()) for model, answers in measured.items()}
    likeness, note = _likeness(
        {**sets, HUMAN: [document.text for document in held_out]}, profiles, own=author, seed=seed
    )
    models = tuple(
        ModelScores(
            model=model,
            version=answers.version,
            perplexity=_perplexity(answers, seed),
            likeness=likeness.get(model),
            faults=text_faults(answers.texts, recitals),
        )
        for model, answers in sorted(measured.items(), key=lambda item: item[0] != BASE)
    )
    by_name = {scores.model: scores for scores in models}
    choice = better_of(by_name["sft"], by_name["dpo"], seed=seed)
    return EvalReport(
        author=author,
        author_name=author_name,
        models=models,
        human=likeness.get(HUMAN),
        attribution=attribution,
        likeness_note=note,
        samples=tuple(
            Sample(
                document_id=row.document_id,
                prompt=row.instruction,
                author_text=row.answer,
                texts={model: answers.texts[row.instruction] for model, answers in measured.items()},
            )
            for row in rows
        ),
        chosen=choice.model,
        chosen_because=choice.reason,
        generation=generation_in_words(),
        provenance=dict(provenance),
    )


def attribution_of(documents: Mapping[str, Sequence[CleanedDocument]], *, seed: int) -> Attribution | None:
    """Return how well the authors can be told apart by their own texts; None where there is too little to say."""
    texts = {
        author: [document.text for document in own if document.duplicate_of is None]
        for author, own in documents.items()
    }
    try:
        return leave_one_document_out(texts, seed=seed)
    except TooLittleProseError:
        # One author alone, or one with short texts only: there is nothing to tell apart, which is not a failure.
        return None


def _likeness(
    sets: Mapping[str, Sequence[str]], profiles: Mapping[str, StyleProfile], *, own: str, seed: int
) -> tuple[dict[str, Likeness], str | None]:
    """Return likeness by set, or a sentence that says why it could not be measured."""
    try:
        return dict(likeness_of_sets(sets, profiles, own, seed=seed)), None
    except TooLittleProseError as error:
        # Too little generated prose is a finding about the models, and the report says it; it is not a failure of it.
        return {}, str(error)


def _perplexity(answers: Measured, seed: int) -> PerplexityScore:
    return perplexity_score(answers.losses, seed=seed)
