"""An author's own training settings: they make the checkpoints stale, reach the payload, and are shown."""

import yaml
from small_author import AUTHOR, TINY, Place

from twin_assets.training.manifest import read_manifest

CHECKPOINTS = ("sft_checkpoint", "dpo_checkpoint")


def set_training(place: Place, **training: object) -> None:
    file = place.root / "authors" / f"{AUTHOR}.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    file.write_text(yaml.safe_dump({**content, "training": training}), encoding="utf-8")


def settings_shown(place: Place, asset: str) -> dict[str, tuple[str, str]]:
    records = place.metadata(asset)["settings"].records
    return {record.data["setting"]: (record.data["value"], record.data["from"]) for record in records}


def test_the_settings_of_a_checkpoint_are_shown_with_who_decided_them(built):
    shown = settings_shown(built, "sft_checkpoint")

    assert shown["lora_rank"] == ("4", "run configuration")
    assert shown["method"] == ("lora", "default")


def test_an_author_whose_every_weight_is_to_be_trained_gets_a_twin_without_an_adapter(place):
    set_training(place, sft={"method": "full", "learning_rate": 1e-3}, dpo={"method": "full", "loss": "orpo"})
    before = {asset: place.materialization(asset).tags["dagster/data_version"] for asset in CHECKPOINTS}
    build = place.build(run_config=TINY)

    assert build.success, build.failures
    for asset in CHECKPOINTS:
        folder = place.artifacts / asset / AUTHOR
        assert place.materialization(asset).tags["dagster/data_version"] != before[asset]
        assert not (folder / "adapter").exists()
        assert settings_shown(place, asset)["method"] == ("full", "author file")
    assert read_manifest(place.artifacts / "dpo_checkpoint" / AUTHOR).spec.hyperparameters.loss == "orpo"
    assert place.metadata("registered_model")["summary"].value
    with place.states() as reader:
        assert {state.state for state in reader.states(AUTHOR)} == {"fresh"}


def test_a_setting_that_does_not_exist_ends_the_build_with_the_field_of_the_author_file(place):
    set_training(place, sft={"learning_rat": 1e-3})
    build = place.build(run_config=TINY, until="sft_checkpoint")

    assert not build.success
    sentence = "training.sft.learning_rat is not a setting: did you mean learning_rate?"
    assert any(sentence in str(failure) for failure in build.failures)
