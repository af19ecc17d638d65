"""Checks of the dataset stage: grounded, split by document, nothing twice. All of them block but two that warn.

What each of them looks for stands in `curation.audit`; a file can be held against the same with `twin dataset check`.
The first is one of `cleaned_documents`, which it stops where they cannot be split; it stands here because only datasets
split them.
"""

from collections.abc import Iterable, Iterator

import dagster as dg

from resources.project import Project
from twin_assets.checks import recorded_metadata, verdict
from twin_assets.datasets.curation.audit import audit_instruct, audit_preference
from twin_assets.datasets.curation.contract import Finding
from twin_assets.datasets.curation.rows import held_out_texts
from twin_assets.datasets.curation.splitting import documents_held_out, split_documents
from twin_assets.documents import BaseModelRef, CleanedDocument, InstructRow, PreferenceRow
from twin_assets.errors import UserError
from twin_assets.features.assets import cleaned_documents
from twin_assets.partitions import authors_partitions

COMMON = {
    "schema": "Every row has the fields of the contract, with values that belong there.",
    "not_empty": "There are rows to train on, and rows held out.",
    "grounded": "An answer stands verbatim at its offsets in the author's cleaned document, or rests on its passage.",
    "split_by_document": "No document, and no near-duplicate of one, has rows on two sides.",
    "decontaminated": "No row shares a text, a near-duplicate or a run of 13 words with what is held out.",
    "no_duplicates": "No answer and no instruction occurs twice, in other marks or capitals either.",
    "template_safe": "No text spells out a marker of the chat template, which would end or begin a turn inside it.",
    "balanced": "No single document makes up most of the training rows.",
    "enough_rows": "There are rows enough to train on; a larger model would want more, which the description tells.",
}
ONLY_PAIRS = {
    "chosen_differs": "No pair prefers a text to itself, or to nearly itself.",
    "length_bias": "Neither length nor another shallow cue gives away which text is preferred.",
}
OF_THE_RUN = {
    "budget_kept": "The language models of the run cost no more, in US dollars and tokens, than the settings allow.",
}
WARNINGS = frozenset({"length_bias"})


@dg.asset_check(asset=cleaned_documents, partitions_def=authors_partitions, blocking=True)
def enough_text(cleaned_documents: list[CleanedDocument], project: Project) -> dg.AssetCheckResult:
    """There are documents and words enough to hold some back for evaluation."""
    try:
        split = split_documents(cleaned_documents, project.split_rule)
    except UserError as error:
        return dg.AssetCheckResult(passed=False, description=str(error))
    held_out = sum(side != "train" for side in split.values())
    return verdict(
        passed=True,
        expected="documents on both sides",
        actual=f"{len(split) - held_out} to train on, {held_out} held out",
    )


def _specs(asset: str, checks: dict[str, str], needs: Iterable[str]) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            name,
            asset=asset,
            description=description,
            partitions_def=authors_partitions,
            blocking=name not in WARNINGS,
            additional_deps=list(needs),
        )
        for name, description in checks.items()
    ]


def _results(asset: str, findings: Iterable[Finding]) -> Iterator[dg.AssetCheckResult]:
    for finding in findings:
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=finding.check,
            passed=finding.passed,
            severity=dg.AssetCheckSeverity.WARN if finding.check in WARNINGS else dg.AssetCheckSeverity.ERROR,
            description=finding.sentence,
            metadata={
                "rows_at_fault": finding.faults,
                "rows_looked_at": finding.of,
                **finding.figures,
                **(
                    {"examples": dg.MetadataValue.md("\n".join(f"- {one}" for one in finding.examples))}
                    if finding.examples
                    else {}
                ),
            },
        )


# One step for all checks of a dataset: each step is a process, and they read the same rows.
@dg.multi_asset_check(
    specs=_specs("instruct_dataset", COMMON | OF_THE_RUN, ["cleaned_documents"]),
    ins={name: dg.AssetIn(name) for name in ("instruct_dataset", "cleaned_documents")},
)
def instruct_dataset_audit(
    context: dg.AssetCheckExecutionContext,
    instruct_dataset: list[InstructRow],
    cleaned_documents: list[CleanedDocument],
    project: Project,
) -> Iterator[dg.AssetCheckResult]:
    """Hold the instruct dataset against everything that may be wrong with one."""
    yield from instruct_results(instruct_dataset, cleaned_documents, project)
    yield _budget_kept(context, "instruct_dataset")


@dg.multi_asset_check(
    specs=_specs(
        "preference_dataset", COMMON | ONLY_PAIRS | OF_THE_RUN, ["cleaned_documents", "instruct_dataset", "base_model"]
    ),
    ins={
        name: dg.AssetIn(name) for name in ("preference_dataset", "cleaned_documents", "instruct_dataset", "base_model")
    },
)
def preference_dataset_audit(
    context: dg.AssetCheckExecutionContext,
    preference_dataset: list[PreferenceRow],
    cleaned_documents: list[CleanedDocument],
    instruct_dataset: list[InstructRow],
    base_model: BaseModelRef,
    project: Project,
) -> Iterator[dg.AssetCheckResult]:
    """Hold the preference dataset against everything that may be wrong with one."""
    yield from preference_results(preference_dataset, cleaned_documents, instruct_dataset, base_model, project)
    yield _budget_kept(context, "preference_dataset")


def instruct_results(
    rows: list[InstructRow], documents: list[CleanedDocument], project: Project
) -> Iterator[dg.AssetCheckResult]:
    """Return what the audit says of the rows of an instruct dataset."""
    held_out = documents_held_out(documents, project.split_rule)
    findings = audit_instruct(rows, documents, test_texts=held_out, seed=project.seed)
    return _results("instruct_dataset", findings)


def preference_results(
    pairs: list[PreferenceRow],
    documents: list[CleanedDocument],
    instructions: list[InstructRow],
    base_model: BaseModelRef,
    project: Project,
) -> Iterator[dg.AssetCheckResult]:
    """Return what the audit says of the pairs of a preference dataset."""
    held_out = documents_held_out(documents, project.split_rule) + held_out_texts(instructions)
    findings = audit_preference(
        pairs, documents, test_texts=held_out, n_parameters=base_model.n_parameters, seed=project.seed
    )
    return _results("preference_dataset", findings)


def _budget_kept(context: dg.AssetCheckExecutionContext, asset: str) -> dg.AssetCheckResult:
    """Return whether the run that made a dataset spent no more than it was allowed to, as it recorded."""
    recorded = recorded_metadata(context, asset)
    cost, tokens = recorded["cost"], recorded["tokens_asked_and_answered"]
    most, most_tokens = recorded["cost_allowed"], recorded["tokens_allowed"]
    return verdict(
        passed=cost <= most and tokens <= most_tokens,
        expected=f"at most {most:,.2f} US dollars and {most_tokens:,} tokens",
        actual=f"{cost:,.4f} US dollars and {tokens:,} tokens",
    )._replace(asset_key=dg.AssetKey(asset), check_name="budget_kept")
