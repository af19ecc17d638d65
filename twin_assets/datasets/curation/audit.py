"""The audit of a dataset: one function per check, each of which returns what it found, in words and numbers.

It takes the rows as they are stored, whoever made them, and trusts nothing that the builders promise; the rows at fault
are found in `faults`. What a finding means for a run (block, warn) is decided where the checks are.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from twin_assets.datasets.curation.balance import MAX_SHARE_OF_DOCUMENT
from twin_assets.datasets.curation.contract import Finding, Row
from twin_assets.datasets.curation.decontamination import HeldOut
from twin_assets.datasets.curation.enough import MIN_TRAIN_ROWS, enough_rows
from twin_assets.datasets.curation.faults import (
    chosen_like_rejected,
    documents_in_both_splits,
    duplicate_rows,
    nearly_duplicate_rows,
    prompts_in_both_splits,
)
from twin_assets.datasets.curation.reward_hacking import shallow_cues
from twin_assets.datasets.curation.rows import (
    answer_of,
    is_general,
    is_signed,
    is_written,
    objection_to_source,
    prompt_of,
    texts_by_id,
    texts_of,
)
from twin_assets.datasets.curation.splitting import cluster_roots
from twin_assets.documents import SPLITS, CleanedDocument, InstructRow, PreferenceRow
from twin_assets.training.chat_template import holds_marker

MAX_CHOSEN_LONGER = 0.8
"""From this share of pairs with the longer text on one side, length alone is a good guess at what is preferred."""
MAX_CUE_AUC = 0.9
"""From here on a classifier that reads nothing but length, opening words and marks knows the chosen text."""

_EXAMPLES = 5

Check = Callable[[], Finding]


def audit_instruct(
    rows: Sequence[InstructRow],
    documents: Sequence[CleanedDocument],
    *,
    test_texts: Iterable[str] = (),
    n_parameters: int | None = None,
    seed: int = 0,
) -> list[Finding]:
    """Return what every check finds in an instruct dataset.

    Args:
        rows: The dataset, all sides.
        documents: The cleaned documents of the author.
        test_texts: What is held out besides the test rows.
        n_parameters: Parameters of the model to be trained, if known.
        seed: That of the curation: another one finds other near-duplicates, where an estimate decides.
    """
    findings = _audit(rows, documents, test_texts=list(test_texts), seed=seed)
    return [*findings, enough(rows, n_parameters=n_parameters)]


def audit_preference(
    rows: Sequence[PreferenceRow],
    documents: Sequence[CleanedDocument],
    *,
    test_texts: Iterable[str] = (),
    n_parameters: int | None = None,
    seed: int = 0,
) -> list[Finding]:
    """Return what every check finds in a preference dataset.

    Args:
        rows: The dataset, all sides.
        documents: The cleaned documents of the author.
        test_texts: What is held out besides the test pairs: the test rows of the instruct dataset.
        n_parameters: Parameters of the model to be trained, if known.
        seed: That of the curation; it also draws the folds of the classifier of shallow cues.
    """
    return [
        *_audit(rows, documents, test_texts=list(test_texts), seed=seed),
        chosen_differs(rows),
        length_bias(rows, seed=seed),
        enough(rows, n_parameters=n_parameters),
    ]


def _audit(
    rows: Sequence[Row], documents: Sequence[CleanedDocument], *, test_texts: list[str], seed: int
) -> list[Finding]:
    return [
        schema(rows),
        not_empty(rows),
        grounded(rows, documents),
        split_by_document(rows, documents),
        decontaminated(rows, documents, test_texts=test_texts),
        no_duplicates(rows, seed=seed),
        template_safe(rows),
        balanced(rows),
    ]


def schema(rows: Sequence[Row]) -> Finding:
    """Every row has the fields of its kind, with values that may be, and all rows are of one author."""
    authors = Counter(row.author for row in rows)
    main = min(authors, key=lambda author: (-authors[author], author), default="")
    wrong = [row for row in rows if row.author != main or _malformed(row)]
    return _finding("schema", wrong, len(rows), "rows are malformed or of another author", {"authors": len(authors)})


def not_empty(rows: Sequence[Row]) -> Finding:
    """There are rows, and none of their texts is blank."""
    blank = [row for row in rows if not all(text.strip() for text in texts_of(row))]
    if not rows:
        return Finding("not_empty", 1, 0, "The dataset has no row.")
    return _finding("not_empty", blank, len(rows), "rows have a blank text")


def grounded(rows: Sequence[Row], documents: Sequence[CleanedDocument]) -> Finding:
    """Every verbatim answer stands at its offsets; every written one has the support of its passage.

    Rows of a general set and corrections that the author signed are exempt, and counted.
    """
    texts = texts_by_id(documents)
    reasons = [(row, objection_to_source(row, texts)) for row in rows]
    wrong = [row for row, reason in reasons if reason]
    verbatim = sum(reason is None and bool(row.document_id) and not is_written(row) for row, reason in reasons)
    figures = {
        "verbatim": verbatim,
        "written": sum(reason is None and is_written(row) for row, reason in reasons),
        "general": sum(map(is_general, rows)),
        "signed": sum(map(is_signed, rows)),
        "reasons": dict(Counter(reason for _, reason in reasons if reason)),
    }
    finding = _finding("grounded", wrong, len(rows), "answers are not grounded in the author's documents", figures)
    return _said(finding, f"{verbatim:,} of {len(rows):,} answers are verbatim; {finding.sentence}")


def split_by_document(rows: Sequence[Row], documents: Sequence[CleanedDocument]) -> Finding:
    """No document, nor one that nearly repeats it, has rows on two sides, and what is held out names its document."""
    astray: list[str] = documents_in_both_splits([row for row in rows if row.document_id], documents)
    nameless: list[Row] = [row for row in rows if row.split != "train" and not row.document_id]
    names = {row.document_id for row in rows if row.document_id}
    return Finding(
        check="split_by_document",
        faults=len(astray) + len(nameless),
        of=len(names) + len(nameless),
        sentence=f"{len(astray):,} of {len(names):,} documents have rows on more than one side; "
        f"{len(nameless):,} held-out rows name no document.",
        examples=[*astray, *_names(nameless)][:_EXAMPLES],
        figures={"documents_astray": len(astray), "rows_without_document": len(nameless)},
    )


def decontaminated(
    rows: Sequence[Row], documents: Sequence[CleanedDocument] = (), *, test_texts: Iterable[str] = ()
) -> Finding:
    """No row of the training or validation side shares a text, most of one, or 13 words in a row with what is held out.

    Shared documents are another check's business. The whole text of the test side's documents is held out, too.
    """
    roots = cluster_roots(documents)
    tested = {roots.get(row.document_id, row.document_id) for row in rows if row.split == "test"}
    whole: list[str] = [document.text for document in documents if roots[document.document_id] in tested]
    held_out = HeldOut(rows, [*test_texts, *whole], compare_documents=False)
    compared = [row for row in rows if row.split != "test"]
    reasons = [(row, held_out.objection(row)) for row in compared]
    n_test = len(rows) - len(compared)
    prompts = len(prompts_in_both_splits(rows))
    finding = _finding(
        "decontaminated",
        [row for row, reason in reasons if reason],
        len(compared),
        "rows that are not of the test side share text with it",
        {
            "test_instructions_in_train": prompts,
            "test_rows": n_test,
            "reasons": dict(Counter(reason for _, reason in reasons if reason)),
        },
    )
    return _said(finding, f"{prompts:,} of {n_test:,} test instructions stand in train; {finding.sentence}")


def no_duplicates(rows: Sequence[Row], *, seed: int = 0) -> Finding:
    """No answer and no instruction occurs twice, nor nearly; no pair of a preference dataset does."""
    exact: list[Row] = duplicate_rows(rows)
    near: list[Row] = nearly_duplicate_rows(rows, seed=seed)
    figures = {"exact": len(exact), "near": len(near)}
    wrong = {id(row): row for row in (*exact, *near)}
    return _finding("no_duplicates", list(wrong.values()), len(rows), "rows repeat another one", figures)


def chosen_differs(rows: Sequence[PreferenceRow]) -> Finding:
    """No pair prefers a text to itself or to nearly itself, marks and capitals aside."""
    found = chosen_like_rejected(rows)
    reasons = Counter(reason for _, reason in found)
    equal = reasons["rejected equals chosen"]
    finding = _finding(
        "chosen_differs",
        [row for row, _ in found],
        len(rows),
        "pairs prefer a text to itself, to nearly itself, or to nothing",
        {"equal": equal, "reasons": dict(reasons)},
    )
    return _said(finding, f"{equal:,} of {len(rows):,} pairs are equal; {finding.sentence}")


def template_safe(rows: Sequence[Row]) -> Finding:
    """No text spells out a marker of the chat template."""
    wrong = [row for row in rows if any(map(holds_marker, texts_of(row)))]
    return _finding("template_safe", wrong, len(rows), "rows spell out a marker of the chat template")


def balanced(rows: Sequence[Row], *, largest: float = MAX_SHARE_OF_DOCUMENT) -> Finding:
    """No document has more than its share of the training rows; shares of categories and generators are told."""
    trained = [row for row in rows if row.split == "train"]
    by_document = Counter(row.document_id for row in trained if row.document_id)
    over = [name for name, count in by_document.most_common() if count > largest * len(trained)]
    top = max(by_document.values(), default=0) / max(1, len(trained))
    return Finding(
        check="balanced",
        faults=len(over),
        of=len(by_document),
        sentence=f"The largest share of one document in {len(trained):,} training rows is {top:.1%}; {largest:.0%} is "
        "the most there should be.",
        examples=over[:_EXAMPLES],
        figures={
            "largest_share_of_document": round(top, 4),
            "rows_by_category": dict(Counter(row.category for row in trained)),
            "rows_by_generator": dict(Counter(row.generator for row in trained)),
        },
    )


def length_bias(rows: Sequence[PreferenceRow], *, seed: int = 0) -> Finding:
    """Neither length nor another shallow cue tells chosen from rejected; a warning, since style has a length, too."""
    cues = shallow_cues(rows, seed=seed)
    one_sided = max(cues.chosen_longer, 1 - cues.chosen_longer) if rows else 0.0
    faults = int(one_sided > MAX_CHOSEN_LONGER) + int((cues.cue_auc or 0) > MAX_CUE_AUC)
    auc = "is not measured on so few" if cues.cue_auc is None else f"is {cues.cue_auc:.2f}"
    return Finding(
        check="length_bias",
        faults=faults,
        of=2,
        sentence=f"Chosen is the longer text in {cues.chosen_longer:.0%} of {cues.pairs:,} pairs (at most "
        f"{MAX_CHOSEN_LONGER:.0%} either way); the AUC of shallow cues {auc} (at most {MAX_CUE_AUC}).",
        figures=cues.figures(),
    )


def enough(rows: Sequence[Row], *, n_parameters: int | None = None) -> Finding:
    """There are rows to train on, and rows held out; too few for the size of the model is a warning in the sentence."""
    splits = Counter(row.split for row in rows)
    lacking = int(splits["train"] < MIN_TRAIN_ROWS) + int(splits["test"] == 0)
    sentence = (
        f"{splits['train']:,} rows in train (at least {MIN_TRAIN_ROWS}), {splits['test']:,} in test (at least 1)."
    )
    figures: dict[str, Any] = {f"rows_{side}": splits[side] for side in SPLITS}
    if splits["train"] >= MIN_TRAIN_ROWS:
        found = enough_rows(splits["train"], n_parameters=n_parameters)
        figures["recommended"] = found.recommended
        sentence = f"{sentence} {found.warning}" if found.warning else sentence
    return Finding("enough_rows", lacking, 2, sentence, figures=figures)


def _malformed(row: InstructRow | PreferenceRow) -> bool:
    try:
        type(row).model_validate(row.model_dump())
    except ValidationError:
        return True
    if not 0 <= row.start <= row.end or row.cost < 0:
        return True
    if isinstance(row, PreferenceRow):
        return False
    one_sided = (row.passage_start is None) != (row.passage_end is None)
    return one_sided or not 0 <= row.support <= 1 or row.quality not in (None, 1, 2, 3, 4)


def _finding(check: str, wrong: Sequence[Row], of: int, what: str, figures: dict[str, Any] | None = None) -> Finding:
    sentence = f"{len(wrong):,} of {of:,} {what}."
    return Finding(check, len(wrong), of, sentence, _names(wrong)[:_EXAMPLES], figures or {})


def _said(finding: Finding, sentence: str) -> Finding:
    return Finding(finding.check, finding.faults, finding.of, sentence, finding.examples, finding.figures)


def _names(rows: Iterable[InstructRow | PreferenceRow]) -> list[str]:
    return [f"{row.row_id}: {prompt_of(row)[:60]} / {answer_of(row)[:60]}" for row in rows]
