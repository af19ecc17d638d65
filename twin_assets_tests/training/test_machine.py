"""What this machine cannot do is refused before any model is loaded, with what to set instead."""

import pytest

from twin_assets.training.hyperparameters import DPOHyperparameters, SFTHyperparameters
from twin_assets.training.spec import TrainingError
from twin_assets_tests.training.conftest import spec_for, start
from twin_assets_tests.training.in_process import train_here

torch = pytest.importorskip("torch")
HAS_GPU = torch.cuda.is_available()
without_gpu = pytest.mark.skipif(HAS_GPU, reason="shows what happens where no GPU is")

ASKED = [
    ({"method": "qlora"}, "method qlora needs a CUDA GPU and bitsandbytes.* set method to lora"),
    ({"optimizer": "adamw_8bit"}, "optimizer adamw_8bit needs a CUDA GPU.* set optimizer to adamw_torch"),
    ({"optimizer": "paged_adamw_8bit"}, "optimizer paged_adamw_8bit needs .* set optimizer to adamw_torch"),
    ({"attention": "flash_attention_2"}, "flash_attention_2 needs a CUDA GPU and flash-attn.* set attention to sdpa"),
    ({"liger": True}, "liger needs a CUDA GPU and liger-kernel.* set liger to false"),
]


@without_gpu
@pytest.mark.parametrize(("settings", "sentence"), ASKED)
@pytest.mark.parametrize("kind", [SFTHyperparameters, DPOHyperparameters])
def test_what_needs_a_gpu_is_refused_with_what_to_set_instead(kind, settings, sentence):
    from twin_assets.training.payload.machine import refuse_what_cannot_run

    with pytest.raises(TrainingError, match=sentence):
        refuse_what_cannot_run(kind(**settings))


@without_gpu
def test_the_refusal_comes_before_the_model_is_looked_for(datasets, base, tmp_path):
    spec = spec_for(
        "sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=SFTHyperparameters(method="qlora")
    )

    with pytest.raises(TrainingError, match="method qlora"):
        train_here(spec.model_copy(update={"base_model": "/nowhere/at/all"}))


@without_gpu
def test_the_program_ends_with_one_sentence(datasets, base, tmp_path):
    spec = spec_for(
        "sft", datasets["sft"], tmp_path / "sft", base=base, hyperparameters=SFTHyperparameters(method="qlora")
    )
    process = start(spec, tmp_path)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 2
    assert errors.splitlines()[-1].startswith("error: method qlora needs a CUDA GPU and bitsandbytes")
    assert "Traceback" not in errors


def test_a_library_that_is_missing_beside_a_gpu_is_named(monkeypatch):
    import sys

    from twin_assets.training.payload import machine

    monkeypatch.setattr(machine.torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)

    with pytest.raises(TrainingError, match="needs bitsandbytes, which cannot be imported here"):
        machine.refuse_what_cannot_run(SFTHyperparameters(optimizer="adamw_8bit"))


@pytest.mark.parametrize("kind", [SFTHyperparameters, DPOHyperparameters])
def test_the_defaults_run_everywhere(kind):
    from twin_assets.training.payload.machine import refuse_what_cannot_run

    refuse_what_cannot_run(kind())


@pytest.mark.skipif(not HAS_GPU, reason="QLoRA needs a CUDA GPU with bitsandbytes")
@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_qlora_trains_where_a_gpu_is(stage, base, datasets, tmp_path):
    pytest.importorskip("bitsandbytes")
    kind = SFTHyperparameters if stage == "sft" else DPOHyperparameters
    settings = kind(method="qlora", max_steps=4, lora_rank=4, optimizer="paged_adamw_8bit")
    manifest = train_here(spec_for(stage, datasets[stage], tmp_path / stage, base=base, hyperparameters=settings))

    assert (tmp_path / stage / "adapter").is_dir()
    assert 0 <= manifest.metrics["merge_difference"] < 5e-2
    assert manifest.metrics["parameters"] > 0
