"""The arithmetic of model FLOPs, against what torch counts while a model really trains."""

import pytest

from benchmarks.model_flops import LLAMA_1B, LLAMA_8B, LlamaShape, full_flops_per_token, lora_flops_per_token, peak_of

SHAPE = LlamaShape(vocab=320, hidden=64, layers=3, heads=4, kv_heads=2, intermediate=160)
LENGTH, ROWS, RANK = 24, 2, 4


def counted(*, rank: int | None) -> int:
    """Return the operations of one training step, as torch counts them."""
    import torch
    from peft import LoraConfig, get_peft_model
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=SHAPE.vocab,
        hidden_size=SHAPE.hidden,
        num_hidden_layers=SHAPE.layers,
        num_attention_heads=SHAPE.heads,
        num_key_value_heads=SHAPE.kv_heads,
        intermediate_size=SHAPE.intermediate,
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config)
    if rank:
        # Without this no gradient goes into the first block's q, k and v, which is too little to have a formula for.
        model.enable_input_require_grads()
        model = get_peft_model(model, LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    tokens = torch.randint(SHAPE.vocab, (ROWS, LENGTH))
    with FlopCounterMode(display=False) as counter:
        model(input_ids=tokens, labels=tokens).loss.backward()
    return counter.get_total_flops()


def test_full_training_takes_what_torch_counts():
    assert full_flops_per_token(SHAPE, LENGTH) * ROWS * LENGTH == pytest.approx(counted(rank=None), rel=0.001)


def test_an_adapter_takes_what_torch_counts():
    assert lora_flops_per_token(SHAPE, LENGTH, rank=RANK) * ROWS * LENGTH == pytest.approx(
        counted(rank=RANK), rel=0.001
    )


def test_the_two_llamas_have_as_many_weights_as_their_names_say():
    # The embeddings of the 1B are its output layer, too; those of the 8B are weights of their own, and looked up.
    assert LLAMA_1B.multiplied == pytest.approx(1.236e9, rel=0.001)
    assert LLAMA_8B.multiplied + LLAMA_8B.vocab * LLAMA_8B.hidden == pytest.approx(8.030e9, rel=0.001)


def test_the_peak_of_a_device_is_known_by_its_name_or_not_at_all():
    assert peak_of("NVIDIA H100 80GB HBM3") == 989e12
    assert peak_of("NVIDIA A100-SXM4-80GB") == 312e12
    assert peak_of("NVIDIA L4") == 121e12
    assert peak_of("Some other card") is None
