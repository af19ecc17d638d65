import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml
from upath import UPath

from resources.io_managers import DatasetIOManager
from twin_assets.datasets.card import MADE, CardFacts, dataset_card, section_of, version_of
from twin_assets.datasets.curation.contract import StageCount
from twin_assets.documents import Author, CleanedDocument, InstructRow, PreferenceRow, SplitRule

ROOT = Path(__file__).parents[2]


@pytest.fixture
def rows(make_row: Callable[..., InstructRow]) -> list[InstructRow]:
    taught = {"generator": "teacher@1", "calls": ["k1"], "cost": 0.01, "category": "posts"}
    return [
        *(make_row(f"Answer {number}.", document_id="a") for number in range(4)),
        make_row("Taught.", document_id="b", split="test", **taught),
        make_row("Mixed in.", document_id="", generator="general@1"),
    ]


@pytest.fixture
def facts(make_document: Callable[..., CleanedDocument]) -> CardFacts:
    author = Author.model_validate(
        {
            "slug": "ada-bell",
            "name": "Ada Bell",
            "sources": [{"type": "folder"}],
            "consent": {"given_by": "Ada Bell", "note": "By letter | in March"},
        }
    )
    documents = [
        make_document("The secret text.", "x", document_id="a", url="https://ada.example/one"),
        make_document("Another.", "y", document_id="b", platform="notes", language="de"),
    ]
    stages = [StageCount("rule filters", 9, Counter({"too short": 2, "refusal": 1})), StageCount("split", 9)]
    prompts = {"instruct@1": "ab" * 32}
    return CardFacts(author, documents, SplitRule(seed=7), data_version="0123abcd", stages=stages, prompts=prompts)


def front_matter(card: str) -> dict[str, object]:
    content = yaml.safe_load(card.split("---\n")[1])
    assert isinstance(content, dict)
    return content


def test_a_card_counts_what_the_rows_hold(rows: list[InstructRow], facts: CardFacts) -> None:
    card = dataset_card(rows, facts)
    for line in (
        "| rows | all | train | test |",
        "| all | 6 | 5 | 1 |",
        "| category articles | 5 | 5 | 0 |",
        "| category posts | 1 | 0 | 1 |",
        "| generator extractive@1 | 4 | 4 | 0 |",
        "| generator general@1 | 1 | 1 | 0 |",
        "| blog | 1 | 1 | ada.example | 4 |",
        "| notes | 1 | 0 |  | 1 |",
        "| from no document of the author |  |  |  | 1 |",
        "| rule filters | 9 | 3 | refusal: 1; too short: 2 |",
        f"| instruct@1 | `{'ab' * 32}` |",
        "Consent was given by Ada Bell. By letter \\| in March",
    ):
        assert line in card
    assert "| teacher@1 | 1 | 1 | `" in card
    assert "` | 1 | 0.0100 |" in card
    assert "seed 7" in card
    assert "15% of the documents" in card
    assert version_of(card) == "0123abcd"
    assert version_of("no card") == ""
    assert "secret text" not in card


def test_the_front_matter_is_what_the_hub_reads(rows: list[InstructRow], facts: CardFacts) -> None:
    matter = front_matter(dataset_card(rows, facts))
    assert matter["license"] == "other"
    assert matter["language"] == ["de", "en"]
    assert matter["size_categories"] == ["n<1K"]
    assert matter["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "train.parquet"},
                {"split": "test", "path": "test.parquet"},
            ],
        }
    ]
    many = front_matter(dataset_card(rows * 2_000, replace(facts, licence="cc-by-4.0")))
    assert (many["size_categories"], many["license"]) == (["10K<n<100K"], "cc-by-4.0")
    assert "license_name" not in many


def test_the_same_dataset_has_the_same_card_whatever_the_order(rows: list[InstructRow], facts: CardFacts) -> None:
    card = dataset_card(rows, facts)
    reordered = replace(facts, documents=facts.documents[::-1])
    assert dataset_card(rows[::-1], reordered) == card
    assert dataset_card(rows[1:], facts) != card


def test_a_card_tells_pairs_a_day_and_that_nothing_is_masked(facts: CardFacts) -> None:
    pair = PreferenceRow(
        prompt="Q",
        chosen="a",
        rejected="b",
        author="ada-bell",
        category="articles",
        document_id="a",
        start=0,
        end=1,
        rejected_by="m",
        prompt_hash="00",
        split="train",
    )
    author = facts.author.model_copy(update={"privacy": facts.author.privacy.model_copy(update={"mask": False})})
    rule = SplitRule(test_since=date(2024, 5, 1), validation_fraction=0.1)
    card = dataset_card([pair], replace(facts, author=author, rule=rule))
    assert "Preference pairs in the words of Ada Bell" in card
    assert "since 2024-05-01 is the test side, 10% for validation" in card
    assert "is not masked" in card
    assert "generator not named" in card
    with pytest.raises(ValueError, match="empty dataset"):
        dataset_card([], facts)


def test_a_section_is_taken_over_into_another_card(rows: list[InstructRow], facts: CardFacts) -> None:
    made = section_of(dataset_card(rows, facts), MADE)
    assert made.startswith("| generator |")
    assert made.endswith("minimum on either side.")
    exported = dataset_card(rows, CardFacts(facts.author, facts.documents, facts.rule, form="alpaca", made=made))
    assert section_of(exported, MADE) == made
    assert "train.jsonl" in exported
    assert section_of(exported, "Not there") == ""


def test_the_folder_of_a_built_dataset_is_still_loaded_with_its_card(
    rows: list[InstructRow], facts: CardFacts, tmp_path: Path
) -> None:
    folder = tmp_path / "built"
    DatasetIOManager(root=str(tmp_path)).write(UPath(folder), rows)
    (folder / "README.md").write_text(dataset_card(rows, facts), encoding="utf-8")
    assert loaded(folder, tmp_path) == {"train": 5, "test": 1}


def loaded(folder: Path, home: Path) -> dict[str, int]:
    """Return the rows per split, as another program loads them: nothing of this process's cache takes part."""
    code = (
        "import json, sys, datasets\n"
        "found = datasets.load_dataset(sys.argv[1])\n"
        "print(json.dumps({name: len(rows) for name, rows in found.items()}))"
    )
    environment = {**os.environ, "HF_HOME": str(home / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)
    return counts
