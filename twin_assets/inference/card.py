"""The model card of a registered version: a page of Markdown that leads to its data, its code, its run and its verdict.

It is made of the version's tags alone, so that it can be written anew whenever one of them changes.
"""

from resources.tracker import ModelVersion

PROMOTION = "promotion"
"""Tag of a version: the verdict on it, in words and numbers."""

DELETED = "deleted_documents"
"""Tag of a version: how many of the documents that it was trained on have been deleted since."""

STAGE_NAMES = {"sft": "Supervised fine-tuning", "dpo": "Preference optimisation (DPO)"}


def model_card(version: ModelVersion) -> str:
    """Return the card of a version, in Markdown."""
    tags = version.tags
    aliases = ", ".join(f"**{alias}**" for alias in version.aliases)
    stage = STAGE_NAMES.get(tags.get("stage", ""), tags.get("stage", "a model"))
    return "\n".join(
        [
            f"{stage} of {tags.get('base_model_name', 'its base model')} on the writings of {tags.get('author', '?')}"
            + (f"; {aliases}." if aliases else "."),
            "",
            *_flag(tags),
            "### Verdict",
            "",
            tags.get(PROMOTION, "The promotion gate has not judged this version: another one was the candidate."),
            "",
            "### What it is made of",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in _facts(version.tags) if value),
            "",
            "### How to load it",
            "",
            "```python",
            f'mlflow.transformers.load_model("models:/{version.name}/{version.version}")',
            "```",
        ]
    )


def _flag(tags: dict[str, str]) -> list[str]:
    if not int(tags.get(DELETED, 0)):
        return []
    return [f"> **{tags[DELETED]} of the documents that it was trained on have been deleted since.**", ""]


def _facts(tags: dict[str, str]) -> list[tuple[str, str | None]]:
    return [
        ("Instruct dataset", _link(tags.get("instruct_dataset"), tags.get("instruct_dataset_url"))),
        ("Preference dataset", _link(tags.get("preference_dataset"), tags.get("preference_dataset_url"))),
        ("Documents", tags.get("documents")),
        ("Rows", tags.get("rows")),
        ("Base model", f"{tags.get('base_model_name', '?')} ({tags.get('base_model', '?')[:12]})"),
        ("Its licence", tags.get("base_model_licence")),
        ("Perplexity", tags.get("perplexity")),
        ("Likeness (Delta)", tags.get("likeness")),
        ("Checks passed", tags.get("checks_passed")),
        ("Checks not passed", tags.get("checks_failed")),
        ("Checks that had not run", tags.get("checks_missing")),
        ("Checks with a warning", tags.get("checks_warned")),
        ("Code", _link(tags.get("git_commit"), tags.get("git_commit_url")) or f"version {tags.get('code_version')}"),
        ("Chat template", tags.get("chat_template", "")[:12]),
        ("Dagster run", _link(tags.get("dagster_run", "")[:8], tags.get("dagster_run_url"))),
        ("Evaluation", _link("eval_report", tags.get("eval_report_url"))),
        ("MLflow run", _link("metrics, parameters and plots", tags.get("mlflow_run_url"))),
    ]


def _link(text: str | None, url: str | None) -> str | None:
    if not text:
        return None
    return f"[{text}]({url})" if url else text
