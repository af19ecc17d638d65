"""The merged model answers like the adapter it was made from: measured on the files, not on what the payload says."""

from pathlib import Path

import pytest

from twin_assets_tests.training.conftest import spec_for, train


@pytest.fixture(scope="module")
def sft(base, datasets, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("merging")
    train(spec_for("sft", datasets["sft"], folder / "sft", base=base), folder)
    return folder / "sft"


def logits(model):
    import torch

    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(3, 200).reshape(1, -1)).logits


def test_the_merged_model_answers_like_base_and_adapter_together(base, sft):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    plain = logits(AutoModelForCausalLM.from_pretrained(base))
    adapted = logits(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), sft / "adapter"))
    merged = logits(AutoModelForCausalLM.from_pretrained(sft))

    assert not torch.allclose(plain, adapted, atol=1e-4), "the adapter must have learnt something to be compared"
    assert torch.allclose(merged, adapted, atol=1e-4)


def test_a_merge_that_changes_the_answers_is_refused(base, datasets, sft, monkeypatch):
    from peft import LoraModel

    from twin_assets.training.payload import adapters
    from twin_assets.training.spec import TrainingError

    merge = LoraModel.merge_and_unload

    def lossy(model, *args, **kwargs):
        merged = merge(model, *args, **kwargs)
        merged.model.layers[0].mlp.up_proj.weight.data *= 1.5
        return merged

    monkeypatch.setattr(LoraModel, "merge_and_unload", lossy)

    with pytest.raises(TrainingError, match="differs from its adapter"):
        adapters.merge_adapter(
            spec_for("sft", datasets["sft"], sft, base=base), sft / "adapter", probe=[list(range(3, 60))]
        )
