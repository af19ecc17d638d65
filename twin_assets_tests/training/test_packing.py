"""Packed rows do not see each other: shown on the logits and on the loss, and refused for a model that lets them."""

import pytest

from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets.training.spec import TrainingError
from twin_assets_tests.training.conftest import row_of, spec_for
from twin_assets_tests.training.in_process import Listener

ROWS = [row_of("sft", number, "train") for number in range(6)]


def packing_trainer(base, datasets, folder, **changes):
    from twin_assets.training.payload.reporting import ReportingCallback
    from twin_assets.training.payload.runtime import load_tokenizer
    from twin_assets.training.payload.sft import sft_trainer

    settings = SFTHyperparameters(max_steps=4, lora_rank=4, **{"packing": True, "max_length": 512, **changes})
    spec = spec_for("sft", datasets["sft"], folder / "sft", base=base, hyperparameters=settings)
    return sft_trainer(
        spec,
        ROWS,
        [],
        tokenizer=load_tokenizer(spec),
        work=folder / "work",
        callback=ReportingCallback(Listener(), None),
    )


def logits_of_batch(model, batch):
    import torch

    inputs = {name: value for name, value in batch.items() if name != "labels"}
    with torch.no_grad():
        return model.eval()(**inputs, use_cache=False).logits[0]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_packed_row_is_answered_as_if_it_were_alone(attention, base, datasets, tmp_path):
    import torch

    trainer = packing_trainer(base, datasets, tmp_path, attention=attention)
    packs = [trainer.train_dataset[number] for number in range(len(trainer.train_dataset))]
    lengths = [length for pack in packs for length in pack["seq_lengths"]]
    assert max(len(pack["seq_lengths"]) for pack in packs) > 1, "nothing was packed"
    batch = trainer.data_collator(packs)
    together = logits_of_batch(trainer.model, batch)

    for ids, logits in zip(batch["input_ids"][0].split(lengths), together.split(lengths), strict=True):
        with torch.no_grad():
            alone = trainer.model(input_ids=ids[None], use_cache=False).logits[0]
        assert torch.allclose(logits, alone, atol=1e-4)


def test_the_loss_of_packed_rows_is_that_of_the_same_rows_padded(base, datasets, tmp_path):
    import torch

    losses = []
    for packing in (True, False):
        trainer = packing_trainer(base, datasets, tmp_path, packing=packing)
        rows = [trainer.train_dataset[number] for number in range(len(trainer.train_dataset))]
        trainer.model.eval()
        with torch.no_grad():
            losses.append(trainer.compute_loss(trainer.model, dict(trainer.data_collator(rows))).item())

    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_model_whose_attention_ignores_the_positions_is_not_trained_packed(base, datasets, tmp_path, monkeypatch):
    from transformers import masking_utils

    monkeypatch.setattr(masking_utils, "find_packed_sequence_indices", lambda position_ids: None)

    with pytest.raises(TrainingError, match=r"Packed rows would see each other in .* set packing to false"):
        packing_trainer(base, datasets, tmp_path)


def test_a_row_that_the_prompt_fills_is_not_counted(base, datasets, tmp_path):
    from twin_assets.training.payload.sft import rows_within

    trainer = packing_trainer(base, datasets, tmp_path, max_length=16)

    assert len(rows_within(trainer.train_dataset)) < len(ROWS)
