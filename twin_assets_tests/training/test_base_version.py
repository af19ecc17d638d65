import shutil

import pytest

from twin_assets.documents import BaseModelRef
from twin_assets.errors import UserError
from twin_assets.training.base import n_parameters_of, version_of
from twin_assets.training.checks import base_model_is_whole
from twin_assets.training.manifest import read_manifest


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(b"weights")
    return path


def test_other_weights_in_the_same_folder_are_another_version(folder):
    before = version_of(str(folder), "main")
    assert version_of(str(folder), "main") == before
    (folder / "model.safetensors").write_bytes(b"weightz")
    assert version_of(str(folder), "main") != before


def test_equal_files_at_another_place_are_the_same_version(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    assert version_of(str(tmp_path / "copy"), "main") == version_of(str(folder), "other")


def test_a_hub_id_is_told_by_its_revision():
    assert version_of("org/model", "main") == version_of("org/model", "main")
    assert version_of("org/model", "3f9a") != version_of("org/model", "main")


def test_a_path_where_no_model_is_gets_refused(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        version_of(str(tmp_path / "nothing"), None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="is an empty folder"):
        version_of(str(tmp_path / "empty"), None)


def test_the_parameters_of_a_model_are_counted_without_its_weights(base, tmp_path):
    shutil.copy(base / "config.json", tmp_path / "config.json")

    assert n_parameters_of(str(tmp_path), None, offline=True) == read_manifest(base).metrics["parameters"]


def test_a_model_whose_configuration_cannot_be_had_has_an_unknown_size(folder):
    assert n_parameters_of("nobody/has-this-model", "main", offline=True) is None
    assert n_parameters_of(str(folder), None, offline=True) is None


@pytest.mark.parametrize(("revision", "passes"), [("main", True), (None, False)])
def test_only_a_model_that_was_trained_here_is_held_against_its_manifest(revision, passes, folder):
    """Its number of parameters may be known by now, wherever it comes from."""
    reference = BaseModelRef(
        location=str(folder), revision=revision, licence="mit", version="1", n_parameters=8_030_261_248
    )

    assert base_model_is_whole(reference).passed is passes
