"""What `twin dataset show`, `trace` and `check` do: a row beside its source, led back, and a file judged."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from twin_assets.console.built_datasets import INSTRUCT, PREFERENCE, BuiltDatasets, Row, Source, sample_of, source_of
from twin_assets.console.tables import WIDE, print_rows
from twin_assets.datasets.curation.contract import Finding
from twin_assets.datasets.curation.splitting import split_documents
from twin_assets.datasets.formats.contract import Reading
from twin_assets.datasets.formats.reading import read_examples
from twin_assets.datasets.generation.imported import Placing, instruct_row, preference_row
from twin_assets.documents import CleanedDocument, InstructRow, PreferenceRow, Split
from twin_assets.errors import UserError
from twin_assets.settings import Settings

SIDE_BY_SIDE = 100
"""Columns from which a row and its source stand beside each other."""
AROUND_SHOWN = 160
AROUND_TRACED = 400
"""Characters of the document that are shown before and after a passage."""
LONGEST_SHOWN = 700
"""Characters of a text that `show` prints; `trace` and JSON have all of it."""
EXAMPLES = 20
"""Rows at fault that JSON names for each check; a table names one."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def show_rows(slug: str, *, preference: bool, count: int, split: Split | None, as_json: bool) -> None:
    """Print some rows of a dataset, each beside the passage that it comes from."""
    built = BuiltDatasets.of(slug, Settings.load())
    dataset = PREFERENCE if preference else INSTRUCT
    all_rows = built.rows(dataset, split)
    rows = sample_of(all_rows, count)
    sources = [source_of(row, built.documents, around=AROUND_SHOWN) for row in rows]
    if as_json:
        shown = [_row_facts(row) | {"source": _source_facts(one)} for row, one in zip(rows, sources, strict=True)]
        print_rows(shown, title=dataset, as_json=True)
        return
    console = _console()
    for row, one in zip(rows, sources, strict=True):
        texts = _row_text(row, longest=LONGEST_SHOWN), _source_text(one, longest=LONGEST_SHOWN)
        console.print(_beside(*texts, title=_row_title(row), width=console.width))
    console.print(Text(f"{len(rows):,} of {len(all_rows):,} rows. Lead one back: twin dataset trace {slug} ROW_ID"))


def trace_row(slug: str, row_id: str, *, as_json: bool) -> None:
    """Print where one row comes from: document, passage, generator, calls of a model, cost, and the checks on it."""
    built = BuiltDatasets.of(slug, Settings.load())
    dataset, row = built.find(row_id)
    source = source_of(row, built.documents, around=AROUND_TRACED)
    calls = [_logged_call(built, key) for key in row.calls]
    checks = [
        {"check": spec.name, "blocking": spec.blocking, "what": _first_line(spec.description or "")}
        for spec in _checks_of(dataset)
    ]
    if as_json:
        traced = {
            "dataset": dataset,
            "row": _row_facts(row),
            "source": _source_facts(source),
            "calls": calls,
            "checks": checks,
        }
        print_rows([traced], title=row_id, as_json=True)
        return
    console = _console()
    console.print(Panel(_row_text(row), title=_row_title(row), title_align="left"))
    console.print(Panel(_source_text(source), title="where it comes from", title_align="left"))
    console.print(Panel(_making_text(row, calls), title="how it was made", title_align="left"))
    print_rows(checks, title=f"Checks of {dataset}", as_json=False)


def check_file(slug: str, path: Path, *, form: str | None, as_json: bool) -> None:
    """Judge a file of rows by the checks that guard the author's datasets; exit with status 1 if one is not passed.

    Each answer is looked for in the author's documents. A row keeps the side that the file gives it; without one it
    takes that of its document, or is drawn.
    """
    built = BuiltDatasets.of(slug, Settings.load())
    documents = list(built.documents.values())
    reading = read_examples(path, form=form, on_fault="drop")
    findings = [_readable(reading), *_audit(reading, documents, built)]
    rows = [
        {
            "check": finding.check,
            "state": "passed" if finding.passed else "failed",
            "faults": finding.faults,
            "of": finding.of,
            "found": finding.sentence,
            "for example": finding.examples[: EXAMPLES if as_json else 1],
        }
        for finding in findings
    ]
    title = f"{path.name}, {len(reading.examples):,} records in the form {reading.form}, against {slug}"
    print_rows(rows, title=title, as_json=as_json)
    if not all(finding.passed for finding in findings):
        sys.exit(1)


def _readable(reading: Reading) -> Finding:
    faults, of = len(reading.faults), len(reading.examples) + len(reading.faults)
    notes = "".join(f"; {note}: {count:,}" for note, count in sorted(reading.notes.items()))
    return Finding("readable", faults, of, f"{faults:,} of {of:,} records cannot be understood{notes}.", reading.faults)


def _audit(reading: Reading, documents: Sequence[CleanedDocument], built: BuiltDatasets) -> Iterator[Finding]:
    from twin_assets.datasets.curation.audit import audit_instruct, audit_preference

    placing = Placing(documents, split_documents(documents, built.rule), built.rule, declared=True)
    author = built.author.slug
    answers = [one for one in reading.examples if one.exchange.rejected is None]
    pairs = [one for one in reading.examples if one.exchange.rejected is not None]
    if answers:
        yield from audit_instruct([instruct_row(one, author, placing) for one in answers], documents)
    if pairs:
        yield from audit_preference([preference_row(one, author, placing) for one in pairs], documents)


def _checks_of(dataset: str) -> list[dg.AssetCheckSpec]:
    from twin_assets.datasets import checks

    found = (spec for made in dg.load_asset_checks_from_modules([checks]) for spec in made.check_specs)
    return sorted((spec for spec in found if spec.asset_key == dg.AssetKey(dataset)), key=lambda spec: spec.name)


def _logged_call(built: BuiltDatasets, key: str) -> dict[str, Any]:
    """Return what the call log keeps of a call; the key and a remark if it has lost it."""
    path = built.artifacts.path("llm_calls") / key[:2] / f"{key}.json"
    if not path.exists():
        return {"key": key, "remark": f"The call is not in the log ({path})."}
    try:
        logged = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}): remove it, and build the dataset again.") from error
    if not isinstance(logged, dict):
        raise UserError(f"{path} is no logged call: remove it, and build the dataset again.")
    return {"key": key, **logged}


def _row_facts(row: Row) -> dict[str, Any]:
    return {"row_id": row.row_id, **row.model_dump(mode="json")}


def _source_facts(source: Source) -> dict[str, Any]:
    document = source.document
    return {
        "document_id": document.document_id if document else None,
        "title": document.title if document else None,
        "url": document.url if document else None,
        "platform": document.platform if document else None,
        "start": source.start,
        "end": source.end,
        "before": source.before,
        "passage": source.passage,
        "after": source.after,
        "remark": source.remark,
    }


def _row_title(row: Row) -> Text:
    return Text(f"{row.row_id}  {row.split}  {row.category}  {row.generator}".strip())


def _row_text(row: Row, *, longest: int | None = None) -> Text:
    if isinstance(row, PreferenceRow):
        parts = [
            ("prompt", row.prompt, "bold"),
            ("chosen", row.chosen, "green"),
            (f"rejected (by {row.rejected_by})", row.rejected, "red"),
        ]
    else:
        parts = [("instruction", row.instruction, "bold"), ("answer", row.answer, "green")]
    pieces: list[str | tuple[str, str]] = []
    for name, text, style in parts:
        pieces += [("\n\n" if pieces else "", ""), (f"{name}\n", "dim"), (_shown(text, longest), style)]
    return Text.assemble(*pieces)


def _source_text(source: Source, *, longest: int | None = None) -> Text:
    document = source.document
    if document is None:
        return Text(source.remark, style="yellow")
    head = " · ".join(part for part in (document.title or "untitled", document.platform, document.url) if part)
    return Text.assemble(
        (f"{_shown(head)}\n", "bold"),
        (f"document {document.document_id}, characters {source.start:,} to {source.end:,}\n", "dim"),
        (f"{source.remark}\n\n", "dim"),
        ("…" if source.start > len(source.before) else "", "dim"),
        (_shown(source.before), "dim"),
        (_shown(source.passage, longest), "green"),
        (_shown(source.after), "dim"),
        ("…" if source.end + len(source.after) < len(document.text) else "", "dim"),
    )


def _making_text(row: Row, calls: Sequence[dict[str, Any]]) -> Text:
    text = Text(f"generator: {row.generator or 'not named'}\nprompt hash: {row.prompt_hash}\n")
    if isinstance(row, InstructRow):
        judged = "" if row.quality is None else f"; judged {row.quality} of 4: {row.quality_reason or ''}"
        text.append(_shown(f"support: {row.support:.2f}{judged}\n"))
    if not calls:
        text.append("No language model was called for it.")
    for call in calls:
        text.append(f"\ncall {call['key']}\n", style="bold")
        if "remark" in call:
            text.append(call["remark"], style="yellow")
            continue
        tokens = f"{call.get('prompt_tokens')} + {call.get('completion_tokens')} tokens, {call.get('cost')} US dollars"
        text.append(f"{call.get('model')}, prompt {call.get('prompt')}, {tokens}\n", style="dim")
        for part in ("system", "user", "answer", "failure"):
            if (said := call.get(part)) is None:
                continue
            shown = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, indent=2)
            text.append(f"{part}:\n", style="dim").append(f"{_shown(shown)}\n")
    return text.append(f"\nprice of the row: {row.cost:.4f} US dollars") if calls else text


def _beside(left: Text, right: Text, *, title: Text, width: int) -> RenderableType:
    if width < SIDE_BY_SIDE:
        return Panel(Group(left, Text(""), right), title=title, title_align="left")
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(left, right)
    return Panel(grid, title=title, title_align="left")


def _shown(text: str, longest: int | None = None) -> str:
    """Return a text, cut, without the characters that would steer the terminal."""
    cut = text if longest is None or len(text) <= longest else f"{text[:longest]}…"
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", cut)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(width=WIDE, highlight=False)
