"""The platform writes into an author file, and a person finds the file as it was left."""

import pytest

from twin_assets.collection.author_edits import set_training
from twin_assets.collection.authors import load_author
from twin_assets.errors import UserError

FILE = """\
# Ann wrote to us in May.
consent: {given_by: 'the author'}   # in writing
name: "Ann Reed"

sources:
  # her blog, as she exported it
  - type: folder
    path: ../writings
training:
  approval: true  # she wants to see each model
  sft:
    epochs: 2  # more was too much
    learning_rate: 0.01
"""


@pytest.fixture
def authors(tmp_path):
    folder = tmp_path / "authors"
    folder.mkdir()
    (folder / "ann.yaml").write_text(FILE)
    return folder


def test_one_value_changes_and_no_other_byte(authors):
    path = set_training(authors, "ann", "sft", {"learning_rate": 0.0003})

    assert path.read_text() == FILE.replace("0.01", "0.0003")
    assert {file.name for file in authors.iterdir()} == {"ann.yaml"}


def test_settings_that_were_not_there_come_below_what_was(authors):
    set_training(authors, "ann", "dpo", {"beta": 0.2, "max_steps": 30})

    assert (authors / "ann.yaml").read_text() == FILE + "  dpo:\n    beta: 0.2\n    max_steps: 30\n"


def test_an_author_file_that_says_nothing_of_training_gets_a_section(authors):
    silent = FILE.partition("training:")[0]
    (authors / "ann.yaml").write_text(silent)
    set_training(authors, "ann", "sft", {"lora_rank": 8})

    assert (authors / "ann.yaml").read_text() == silent + "training:\n  sft:\n    lora_rank: 8\n"


@pytest.mark.parametrize("value", [1e-05, 2.5e-07, 1e-3, 4, True, "lora"])
def test_a_value_is_read_back_as_it_was_written(authors, value):
    set_training(authors, "ann", "sft", {"tried": value})

    held = load_author(authors, "ann").training.sft["tried"]
    assert held == value
    assert type(held) is type(value)


def test_a_file_that_is_not_valid_is_left_alone(authors):
    (authors / "ann.yaml").write_text("name: Ann\n")

    with pytest.raises(UserError, match=r"ann\.yaml"):
        set_training(authors, "ann", "sft", {"epochs": 2})
    assert (authors / "ann.yaml").read_text() == "name: Ann\n"
