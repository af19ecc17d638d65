"""The merged model answers like the adapter it was made from: measured on the files, not on what the payload says."""

from pathlib import Path

import pytest

from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets_tests.training.conftest import spec_for, train
from twin_assets_tests.training.in_process import train_here


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


def held_by(model) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in (*model.parameters(), *model.buffers()))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_training_took_is_given_back_before_another_model_is_loaded(method, base, datasets, tmp_path, monkeypatch):
    from twin_assets.training.payload import adapters

    trained, held = [], []

    def train_and_remember(trainer, spec, callback):
        train_resumably(trainer, spec, callback)
        trained.append(trainer)
        assert trainer.optimizer.state

    def load(load_it):
        def loaded(*args, **kwargs):
            held.extend((held_by(trainer.model), len(trainer.optimizer.state)) for trainer in trained)
            return load_it(*args, **kwargs)

        return loaded

    train_resumably = adapters.train_resumably
    monkeypatch.setattr(adapters, "train_resumably", train_and_remember)
    monkeypatch.setattr(adapters, "load_model", load(adapters.load_model))
    monkeypatch.setattr(
        adapters.AutoModelForCausalLM, "from_pretrained", load(adapters.AutoModelForCausalLM.from_pretrained)
    )
    settings = SFTHyperparameters(max_steps=1, lora_rank=4, method=method)
    train_here(spec_for("sft", datasets["sft"], tmp_path / "out", base=base, hyperparameters=settings))

    models, states = zip(*held, strict=True)
    assert not any(states)
    # The weights that are trained themselves are written, and held against what was written.
    assert (models[0] == 0) == (method == "lora")


def test_4_bits_are_given_back_before_they_are_written_out(base, datasets, sft, monkeypatch):
    from twin_assets.training.payload import adapters

    loaded, held = [], []

    def load(spec, dtype, *, in_4_bits):
        """Stand in for bitsandbytes, which needs a GPU: only the order is looked at."""
        assert in_4_bits
        held.append(sum(held_by(model) for model in loaded))
        model = load_model(spec, dtype)
        model.dequantize = lambda: model
        loaded.append(model)
        return model

    load_model = adapters.load_model
    monkeypatch.setattr(adapters, "load_model", load)
    settings = SFTHyperparameters(lora_rank=4, lora_alpha=8, method="qlora", precision="bf16")
    spec = spec_for("sft", datasets["sft"], sft, base=base, hyperparameters=settings)
    adapters.merge_adapter(spec, sft / "adapter", probe=[list(range(3, 60))])

    assert held == [0, 0]


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
