"""A champion as whoever serves it loads it: by `mlflow.transformers` and by `mlflow.pyfunc`, and it writes."""

import json

import pytest

QUESTION = [{"role": "user", "content": "When does the tide turn?"}]


@pytest.fixture
def champion(serving, make_report, monkeypatch):
    """The address of a champion with real weights, and a registry that MLflow asks by default."""
    import mlflow

    serving.train("sft", None)
    serving.register(make_report("sft", sft=3.0, dpo=3.2))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", serving.tracker.uri)
    monkeypatch.setattr(mlflow.tracking._model_registry.utils, "_registry_uri", None, raising=False)
    mlflow.set_tracking_uri(serving.tracker.uri)
    mlflow.set_registry_uri(serving.tracker.uri)
    yield f"models:/{serving.name}@champion"
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def test_transformers_loads_the_champion_and_it_answers(champion):
    import mlflow

    answered = mlflow.transformers.load_model(champion)(QUESTION, max_new_tokens=6, do_sample=False)
    message = answered[0]["generated_text"][-1]
    assert message["role"] == "assistant"
    assert message["content"]


def test_pyfunc_loads_the_champion_and_it_answers_a_conversation(champion):
    import mlflow

    [answer] = mlflow.pyfunc.load_model(champion).predict({"messages": QUESTION, "max_tokens": 6})
    assert answer["usage"]["completion_tokens"] == 6
    assert answer["choices"][0]["message"]["role"] == "assistant"


def test_what_was_registered_is_the_trained_model_logit_by_logit(champion, serving):
    import mlflow
    import torch
    from transformers import AutoModelForCausalLM

    loaded = mlflow.transformers.load_model(champion, return_type="components")["model"]
    trained = AutoModelForCausalLM.from_pretrained(serving.artifacts.folder("sft_checkpoint", serving.author))
    ids = torch.arange(5)[None]
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, trained(ids).logits)


def test_loading_leaves_what_the_registry_keeps_as_it_was(champion, serving, tmp_path):
    import mlflow

    from resources.model_package import packaging_hash

    [version] = [item for item in serving.tracker.versions(serving.name) if "champion" in item.aliases]
    mlflow.pyfunc.load_model(champion)
    package = serving.tracker.download(serving.name, version.version, tmp_path / "copy")
    assert packaging_hash(package) == version.tags["packaging"]


def test_a_version_says_what_it_was_made_of(champion, serving):
    tags = serving.tags("1")
    assert tags["instruct_dataset"] == "sft-rows-1"
    assert (tags["documents"], tags["rows"]) == ("2", "7")
    assert (tags["base_model"], tags["base_model_licence"]) == ("base-1", "mit")
    assert "sft_checkpoint: manifest_is_whole" in tags["checks_passed"]
    assert tags["dagster_run_url"].endswith(tags["dagster_run"])
    card = serving.tracker._client.get_model_version(serving.name, "1").description
    assert tags["promotion"] in card
    assert f"]({tags['dagster_run_url']})" in card
    assert f"]({tags['instruct_dataset_url']})" in card
    assert "**champion**" in card


def test_the_packaging_names_no_folder_of_the_machine_but_where_the_registry_lies(champion, serving, tmp_path):
    package = serving.tracker.download(serving.name, "1", tmp_path / "copy")
    described = (package / "MLmodel").read_text()
    assert str(serving.artifacts.root) not in described
    assert json.loads((package / "trained_on.json").read_text()) == {"sft": ["d1", "d2"]}
