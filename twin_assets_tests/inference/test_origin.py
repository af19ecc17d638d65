"""What a version was made from, when the base model has changed since, or what it stood on is not known."""

import pytest

from resources.registry import PACKAGING
from twin_assets.errors import UserError

NEITHER = "trained from a model that is neither registered nor the present base model"


def changed(base):
    """Return another base model than the one that was trained from."""
    return base.model_copy(update={"location": "hub/other", "version": "base-2", "licence": "apache-2.0"})


def test_a_checkpoint_of_an_earlier_base_model_is_not_registered_as_one_of_the_present(serving, make_report):
    serving.base_model = changed(serving.base_model)
    with pytest.raises(UserError, match=f"sft_checkpoint of {serving.author} was {NEITHER}: build sft_checkpoint"):
        serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    assert serving.tracker.versions(serving.name) == []


def test_a_dpo_checkpoint_whose_sft_was_never_registered_is_refused(serving, make_report):
    serving.train("dpo", "dpo weights", base="an SFT that was trained anew since")
    with pytest.raises(UserError, match=f"dpo_checkpoint of {serving.author} was {NEITHER}: build dpo_checkpoint"):
        serving.register(make_report("dpo", sft=3.2, dpo=3.0))


def test_a_version_has_the_base_model_of_the_version_below_it(serving, make_report):
    sft = serving.train("sft", "sft weights")
    serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    serving.train("dpo", "newer weights", trained_on=("d3",), base=sft.data_version)
    serving.base_model = changed(serving.base_model)
    assert serving.register(make_report("dpo", sft=3.2, dpo=2.5)).candidate == "3"
    tags = serving.tags("3")
    assert (tags["base_model"], tags["base_model_name"], tags["base_model_licence"]) == ("base-1", "base", "mit")
    newest = serving.tracker.versions(serving.name)[-1]
    assert serving.tracker.trained_on(newest) == {"d1", "d2", "d3"}


def test_what_stands_on_a_version_that_does_not_tell_its_documents_is_refused(serving, make_report, monkeypatch):
    sft = serving.train("sft", "sft weights")
    serving.register(make_report("dpo", sft=3.2, dpo=3.0))
    serving.train("dpo", "newer weights", base=sft.data_version)
    # A version that is older than packages has neither the tag nor the file.
    serving.tracker.remove_tag(serving.name, "1", PACKAGING)
    monkeypatch.setattr("resources.registry.TRAINED_ON", "not-there.json")
    with pytest.raises(UserError, match=r"Version 1 .* does not tell what it was trained on"):
        serving.register(make_report("dpo", sft=3.2, dpo=2.5))


def test_a_checkpoint_whose_manifest_does_not_tell_its_documents_is_refused(serving, make_report):
    serving.train("sft", "sft weights", trained_on=None)
    with pytest.raises(UserError, match="sft_checkpoint does not tell what it was trained on"):
        serving.register(make_report("dpo", sft=3.2, dpo=3.0))
