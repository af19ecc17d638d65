"""The dataset card: a README.md that says what a dataset holds, whose it is, and how it was made.

It begins with the YAML that the Hugging Face Hub reads (huggingface.co/docs/hub/datasets-cards). No text of a document
stands in it. It depends on its arguments alone: the same dataset has the same card, byte by byte.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Any
from urllib.parse import urlsplit

import yaml

from twin_assets.datasets.curation.contract import StageCount
from twin_assets.documents import (
    CATEGORIES,
    SPLITS,
    Author,
    CleanedDocument,
    InstructRow,
    PreferenceRow,
    SplitRule,
    content_hash,
)

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Upper bounds and names of the Hub's size categories; a larger one is "n>1M"."""


MADE = "How it was made"
"""Heading of the section that a card of the same rows in another form takes over."""


@dataclass(frozen=True)
class CardFacts:
    """What a card says beside what can be read off the rows.

    Attributes:
        author: The author file, with the consent.
        documents: The cleaned documents of the author.
        rule: How documents are drawn.
        data_version: Hash of the rows' content.
        stages: What each stage of curation kept and dropped, in order.
        prompts: Hash of each prompt file that was used, by its name and version.
        licence: Identifier of the licence as the Hub knows it; "other" where the author's consent is all there is.
        form: Name of the form of the records in the files; none for the tables as the platform builds them.
        made: The section on how it was made, taken over from another card in place of a new one; see `section_of`.
    """

    author: Author
    documents: Sequence[CleanedDocument]
    rule: SplitRule
    data_version: str = ""
    stages: Sequence[StageCount] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    licence: str = "other"
    form: str = ""
    made: str = ""


def dataset_card(rows: Sequence[InstructRow] | Sequence[PreferenceRow], facts: CardFacts) -> str:
    """Return the README.md of a dataset.

    Args:
        rows: Every row of the dataset, all of one kind.
        facts: What else there is to say.

    Raises:
        ValueError: If there are no rows.
    """
    if not rows:
        raise ValueError("There is no card of an empty dataset.")
    parts = [
        f"---\n{yaml.safe_dump(_front_matter(rows, facts), sort_keys=False, allow_unicode=True)}---",
        f"# {_title(rows, facts)}",
        _about(rows, facts),
        "## How many\n\n" + _counts(rows),
        "## Sources\n\n" + _sources(rows, facts),
        "## Licence and consent\n\n" + _consent(facts),
        f"## {MADE}\n\n" + (facts.made or _making(rows, facts)),
        "## How it is loaded\n\n" + _loading(rows, facts),
    ]
    return "\n\n".join(parts) + "\n"


def section_of(card: str, heading: str) -> str:
    """Return the text of a card's section, without its heading; an empty text if there is none."""
    _, _, after = card.partition(f"\n## {heading}\n")
    return after.partition("\n## ")[0].strip()


def version_of(card: str) -> str:
    """Return the data version that a card names; an empty text if it names none."""
    found = re.search(r"Data version: `([0-9a-f]+)`", card)
    return found[1] if found else ""


def _title(rows: Sequence[Any], facts: CardFacts) -> str:
    what = "Preference pairs" if isinstance(rows[0], PreferenceRow) else "Instructions and answers"
    return f"{what} in the words of {_line(facts.author.name)}"


def _front_matter(rows: Sequence[Any], facts: CardFacts) -> dict[str, Any]:
    suffix = "jsonl" if facts.form else "parquet"
    languages = sorted({document.language for document in facts.documents if document.language})
    matter: dict[str, Any] = {
        "pretty_name": _title(rows, facts),
        "license": facts.licence,
        **({"license_name": "consent-of-the-author"} if facts.licence == "other" else {}),
        **({"language": languages} if languages else {}),
        "size_categories": [next((name for bound, name in SIZES if len(rows) < bound), "n>1M")],
        "task_categories": ["text-generation"],
        "tags": ["llm-twin", "dpo" if isinstance(rows[0], PreferenceRow) else "instruction-tuning", "twin-assets"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{split}.{suffix}"} for split in _splits(rows)],
            }
        ],
    }
    return matter


def _about(rows: Sequence[Any], facts: CardFacts) -> str:
    if isinstance(rows[0], PreferenceRow):
        what = "A prompt with two answers: `chosen`, the author's own text, and `rejected`, what a model wrote."
    else:
        what = "Instructions with answers that are the author's own passages, or rest on one."
    version = f" Data version: `{facts.data_version}`." if facts.data_version else ""
    return f"{what} Made by twin_assets for the author `{facts.author.slug}`.{version}"


def _counts(rows: Sequence[Any]) -> str:
    groups: dict[str, list[Any]] = {"all": list(rows)}
    for row in sorted(rows, key=lambda one: CATEGORIES.index(one.category)):
        groups.setdefault(f"category {row.category}", []).append(row)
    for row in sorted(rows, key=lambda one: one.generator):
        groups.setdefault(f"generator {row.generator or 'not named'}", []).append(row)
    splits = _splits(rows)
    table = [
        [name, f"{len(of):,}", *(f"{sum(row.split == split for row in of):,}" for split in splits)]
        for name, of in groups.items()
    ]
    return _table(["rows", "all", *splits], table)


def _sources(rows: Sequence[Any], facts: CardFacts) -> str:
    used = Counter(row.document_id for row in rows)
    platforms: dict[str, list[CleanedDocument]] = defaultdict(list)
    for document in facts.documents:
        platforms[document.platform].append(document)
    table = [
        [
            _line(platform),
            f"{len(documents):,}",
            f"{sum(document.url is not None for document in documents):,}",
            _line(", ".join(_hosts(documents))),
            f"{sum(used[document.document_id] for document in documents):,}",
        ]
        for platform, documents in sorted(platforms.items())
    ]
    known = {document.document_id for document in facts.documents}
    elsewhere = sum(count for document_id, count in used.items() if document_id not in known)
    if elsewhere:
        table.append(["from no document of the author", "", "", "", f"{elsewhere:,}"])
    return _table(["platform", "documents", "with an address", "hosts", "rows"], table)


def _consent(facts: CardFacts) -> str:
    consent = facts.author.consent
    note = f" {_line(consent.note)}" if consent.note else ""
    own = (
        "The texts belong to their author and bear no public licence: what the consent covers is all that is allowed."
        if facts.licence == "other"
        else f"Licence: {facts.licence}."
    )
    masked = (
        "E-mail addresses, phone numbers, IP addresses and secrets are replaced by placeholders."
        if facts.author.privacy.mask
        else "Personal data in the texts is not masked."
    )
    return f"{own}\n\nConsent was given by {_line(consent.given_by)}.{note}\n\n{masked}"


def _making(rows: Sequence[Any], facts: CardFacts) -> str:
    parts = [_generators(rows)]
    if facts.prompts:
        parts.append(
            _table(["prompt", "SHA-256"], [[name, f"`{facts.prompts[name]}`"] for name in sorted(facts.prompts)])
        )
    if facts.stages:
        parts.append(_table(["stage", "kept", "dropped", "why"], [_stage(stage) for stage in facts.stages]))
    rule = facts.rule
    if rule.test_since:
        drawn = f"What was first published since {rule.test_since.isoformat()} is the test side"
    else:
        drawn = f"{rule.test_fraction:.0%} of the documents are drawn for the test side"
    if rule.validation_fraction:
        drawn += f", {rule.validation_fraction:.0%} for validation where an author has enough"
    parts.append(
        f"The split is by document, with the seed {rule.seed}: a document and what nearly repeats it stand on one "
        f"side. {drawn}. A small author has a guaranteed minimum on either side."
    )
    return "\n\n".join(parts)


def _generators(rows: Sequence[Any]) -> str:
    made: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        made[row.generator or "not named"].append(row)
    table = []
    for name, of in sorted(made.items()):
        hashes = sorted({row.prompt_hash for row in of})
        calls = {key for row in of for key in row.calls}
        cost = fsum(row.cost for row in of)
        table.append(
            [
                name,
                f"{len(of):,}",
                f"{len(hashes):,}",
                f"`{content_hash(hashes)[:16]}`",
                f"{len(calls):,}",
                f"{cost:.4f}",
            ]
        )
    return _table(
        ["generator", "rows", "distinct prompts", "hash of the prompt hashes", "calls of a model", "US dollars"], table
    )


def _stage(stage: StageCount) -> list[str]:
    why = "; ".join(f"{reason}: {count:,}" for reason, count in sorted(stage.dropped.items()) if count)
    return [stage.stage, f"{stage.kept:,}", f"{sum(stage.dropped.values()):,}", _line(why)]


def _loading(rows: Sequence[Any], facts: CardFacts) -> str:
    form = f"\n\nThe records are in the form `{facts.form}`, with the row's id beside them." if facts.form else ""
    return (
        "```python\nfrom datasets import load_dataset\n\n"
        f'dataset = load_dataset("path/to/this/folder")  # {", ".join(_splits(rows))}\n```{form}'
    )


def _splits(rows: Sequence[Any]) -> list[str]:
    """Return the sides that have a file: those with rows."""
    return [split for split in SPLITS if any(row.split == split for row in rows)]


def _hosts(documents: Iterable[CleanedDocument]) -> list[str]:
    return sorted({host for document in documents if document.url and (host := urlsplit(document.url).hostname)})


def _line(text: str) -> str:
    """Return a text that stays in its cell of a table, and begins no markup of its own."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
