"""What `twin dataset export` and `push` do: a dataset in the form of another tool, in a folder or on a hub."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from upath import UPath

from resources.artifacts import refusals_told, writing
from twin_assets.console.built_datasets import INSTRUCT, PREFERENCE, BuiltDatasets
from twin_assets.console.saying import say
from twin_assets.console.tables import print_rows
from twin_assets.datasets.card import MADE, CardFacts, dataset_card, section_of, version_of
from twin_assets.datasets.formats.writing import json_lines, writable
from twin_assets.documents import SPLITS, Split
from twin_assets.errors import UserError
from twin_assets.settings import Settings

CARD = "README.md"


def export_dataset(slug: str, *, form: str, split: Split | None, out: Path | None, force: bool, as_json: bool) -> None:
    """Write a dataset as JSON Lines with its card, and print what was written."""
    settings = Settings.load()
    files = _files(BuiltDatasets.of(slug, settings), form=form, split=split)
    folder = out or settings.home / "exports" / slug / form
    _write(folder, files, force=force)
    print_rows(_listing(files), title="Exported", as_json=as_json)
    if not as_json:
        say(f"They are in {folder}")


def push_dataset(slug: str, repo_id: str, *, form: str, private: bool, as_json: bool) -> None:
    """Put a dataset with its card on a hub, in one commit, and print its address.

    The hub and the token are those of `huggingface_hub`: HF_ENDPOINT, HF_TOKEN, or what `hf auth login` has saved.
    Files of sides that the dataset no longer has are removed there in the same commit.

    Raises:
        UserError: If the settings forbid it, or the hub cannot be asked or refuses.
    """
    settings = Settings.load()
    files = _files(BuiltDatasets.of(slug, settings), form=form, split=None)
    if settings.hub_offline:
        raise UserError("The settings forbid to ask a hub: set TWIN_HUB_OFFLINE=false to push to one.")
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), files, force=False)
        address = _upload(Path(folder), repo_id, private=private, message=f"Dataset of {slug}, in the form {form}")
    print_rows(_listing(files), title="Pushed", as_json=as_json)
    if not as_json:
        say(f"It is at {address}")


def _files(built: BuiltDatasets, *, form: str, split: Split | None) -> dict[str, str]:
    """Return the content of every file of an export, by its name."""
    dataset = PREFERENCE if writable(form).holds == "pairs" else INSTRUCT
    rows: Sequence[Any] = built.rows(dataset, split)
    card = built.folder(dataset) / CARD
    before = card.read_text(encoding="utf-8") if card.exists() else ""
    facts = CardFacts(
        author=built.author,
        documents=list(built.documents.values()),
        rule=built.rule,
        data_version=version_of(before),
        form=form,
        # The generators' share changes with the rows, and stands in that section.
        made=section_of(before, MADE) if split is None else "",
    )
    contents = {f"{side}.jsonl": text for side, text in json_lines(rows, form).items()}
    return {**contents, CARD: dataset_card(rows, facts)}


def _write(folder: Path, files: dict[str, str], *, force: bool) -> None:
    """Write the files of an export, and remove those of an earlier one that do not belong to it.

    Raises:
        UserError: If an export is there already and is not to be replaced, or the folder cannot be written.
    """
    ours = [folder / name for name in (*(f"{side}.jsonl" for side in SPLITS), CARD)]
    if (there := [path.name for path in ours if path.exists()]) and not force:
        raise UserError(f"{folder} holds {', '.join(there)} already: give another --out, or --force to replace them.")
    for name, text in files.items():
        target = UPath(folder / name)
        with writing(target) as partial, refusals_told(target):
            partial.write_text(text, encoding="utf-8")
    for path in ours:
        if path.name not in files:
            path.unlink(missing_ok=True)


def _upload(folder: Path, repo_id: str, *, private: bool, message: str) -> str:
    from httpx2 import HTTPError  # what `huggingface_hub` asks with, and lets through
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    hub = HfApi()
    try:
        hub.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repo_id,
            repo_type="dataset",
            folder_path=folder,
            commit_message=message,
            delete_patterns="*.jsonl",
        )
    except HFValidationError as error:
        raise UserError(f"{repo_id!r} cannot name a dataset: give one as OWNER/NAME.") from error
    except (LocalTokenNotFoundError, HfHubHTTPError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"The hub {hub.endpoint} refused {repo_id} ({reason}): set HF_TOKEN to a token that may write there."
        ) from error
    except (OSError, HTTPError) as error:
        raise UserError(
            f"The hub {hub.endpoint} cannot be reached ({error}): check the network and HF_ENDPOINT."
        ) from error
    return str(commit.repo_url)


def _listing(files: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"file": name, "rows": text.count("\n") if name != CARD else None, "bytes": len(text.encode())}
        for name, text in files.items()
    ]
