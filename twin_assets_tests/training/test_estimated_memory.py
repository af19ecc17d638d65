"""The estimate of memory against published figures, and against the tensors of a real training step."""

from dataclasses import replace
from pathlib import Path

import pytest

from twin_assets.training.estimating.architecture import architecture_from_config
from twin_assets.training.estimating.memory import (
    activation_bytes,
    gradient_bytes,
    host_bytes,
    memory_of,
    merging_bytes,
    optimizer_bytes,
    reference_bytes,
    weight_bytes,
)
from twin_assets.training.estimating.plan import TrainingPlan, plan_for
from twin_assets.training.hyperparameters import SFTHyperparameters
from twin_assets_tests.training.conftest import spec_for

GB = 1e9
LLAMA_3_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
LLAMA_2_7B = {**LLAMA_3_8B, "num_key_value_heads": 32, "intermediate_size": 11008, "vocab_size": 32000}
SMALL = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 160,
    "vocab_size": 300,
    "tie_word_embeddings": True,
}


def plan(config: dict, **changes: object) -> TrainingPlan:
    return replace(
        TrainingPlan(
            stage="sft",
            architecture=architecture_from_config(config),
            method="lora",
            precision="bf16",
            batch_size=1,
            gradient_accumulation=1,
            max_length=2048,
            gradient_checkpointing=True,
            lora_rank=16,
        ),
        **changes,
    )


@pytest.mark.parametrize(("rank", "parameters"), [(16, 41_943_040), (32, 83_886_080), (64, 167_772_160)])
def test_lora_on_llama_3_8b_trains_as_many_parameters_as_is_known(rank, parameters):
    assert architecture_from_config(LLAMA_3_8B).lora_parameters(rank) == parameters


def test_lora_on_queries_and_values_alone_trains_only_those():
    model = architecture_from_config(LLAMA_3_8B)

    assert model.lora_parameters(8, frozenset({"q_proj", "v_proj"})) == 32 * 8 * ((4096 + 4096) + (4096 + 1024))


def test_llama_3_8b_has_as_many_parameters_as_is_known():
    assert architecture_from_config(LLAMA_3_8B).parameters == 8_030_261_248


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_full_training_takes_sixteen_bytes_per_parameter_before_activations(precision):
    full = plan(LLAMA_2_7B, method="full", precision=precision)

    state = weight_bytes(full) + gradient_bytes(full) + optimizer_bytes(full)

    assert state == 16 * full.architecture.parameters
    assert state / full.architecture.parameters * 7e9 == 112 * GB


def test_lora_of_a_7b_model_takes_what_the_handbook_says():
    assert 14 * GB < memory_of(plan(LLAMA_2_7B), gpu=True).total < 18 * GB


def test_qlora_of_a_7b_model_takes_less_than_lora_and_no_more_than_the_handbook_measured():
    both = [memory_of(plan(LLAMA_2_7B, method=method), gpu=True) for method in ("lora", "qlora")]
    # While it trains: the handbook says nothing of the merge.
    lora, qlora = (memory.total - memory.merging for memory in both)

    assert 0.75 * 9.1 * GB < qlora < 9.3 * GB
    # "Up to 75 % lower": the weights alone shrink to a quarter, the rest does not.
    assert 0.25 * lora < qlora < 0.6 * lora


def test_a_merge_takes_the_whole_model_when_what_was_trained_is_gone():
    lora, qlora = (plan(LLAMA_3_8B, method=method) for method in ("lora", "qlora"))
    memory = memory_of(qlora, gpu=True)

    # Written out from 4 bits, on the GPU.
    assert memory.total - memory.overhead == merging_bytes(qlora) > 2 * qlora.architecture.parameters
    assert memory_of(lora, gpu=True).merging == memory_of(lora, gpu=False).merging == 0


def test_main_memory_beside_a_gpu_holds_what_is_loaded_merged_and_written():
    lora, qlora = (plan(LLAMA_3_8B, method=method) for method in ("lora", "qlora"))
    full = plan(LLAMA_3_8B, method="full", stage="dpo")
    copy = 2 * lora.architecture.parameters

    assert copy < host_bytes(lora, processes=1) < 1.2 * copy
    assert copy < host_bytes(qlora, processes=8) < 1.5 * copy
    assert 8 * copy < host_bytes(lora, processes=8)
    # In float32, with its reference.
    assert 4 * copy < host_bytes(full, processes=1) < 4.5 * copy


@pytest.mark.parametrize(
    ("optimizer", "states"), [("adamw_torch", 8), ("adamw_8bit", 2), ("paged_adamw_8bit", 2)], ids=str
)
def test_every_optimizer_that_can_be_set_is_counted(optimizer, states):
    settings = SFTHyperparameters(optimizer=optimizer, method="full")
    asked_for = plan_for("sft", settings, architecture_from_config(SMALL), gpu=True)

    assert optimizer_bytes(asked_for) == states * asked_for.architecture.parameters


def test_only_full_dpo_holds_a_second_model():
    lora, full = (plan(LLAMA_2_7B, stage="dpo", method=method) for method in ("lora", "full"))

    assert reference_bytes(lora) == 0
    # In float32, and its copy in bfloat16, which autocast makes of all but the embeddings and the norms.
    assert 5.8 * full.architecture.parameters < reference_bytes(full) < 6 * full.architecture.parameters
    assert reference_bytes(replace(full, precision="fp32")) == 4 * full.architecture.parameters
    assert reference_bytes(replace(full, loss="orpo")) == 0


def test_a_pair_of_dpo_takes_the_activations_of_two_rows():
    assert activation_bytes(plan(SMALL, stage="dpo")) == activation_bytes(plan(SMALL, batch_size=2))


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "llama"},
        {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
        {"model_type": "mistral", "head_dim": 32},
        {"model_type": "qwen2"},
        {"model_type": "gemma", "head_dim": 32},
        {"model_type": "qwen3"},
        {"model_type": "phi3", "pad_token_id": 0},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_parameters_are_counted_as_the_model_has_them(changes):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    config = {**SMALL, **changes}
    settings = AutoConfig.for_model(config["model_type"], **{k: v for k, v in config.items() if k != "model_type"})
    model = AutoModelForCausalLM.from_config(settings)

    counted = architecture_from_config(config)

    assert counted.parameters == model.num_parameters()
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))
    assert counted.lora_parameters(4) == adapted.get_nb_trainable_parameters()[0]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """The small model's folder, with numbers in it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("small")
    LlamaForCausalLM(LlamaConfig(**{k: v for k, v in SMALL.items() if k != "model_type"})).save_pretrained(folder)
    return folder


class Measured:
    """A real training step of the model as the payload holds it: its tensors, in bytes."""

    def __init__(self, folder: Path, method: str, precision: str, *, checkpointing: bool, rows: int):
        import torch
        from peft import get_peft_model

        from twin_assets.training.payload.adapters import lora_config
        from twin_assets.training.payload.runtime import model_to_train

        torch.manual_seed(0)
        settings = SFTHyperparameters(method=method, precision=precision, lora_rank=8)
        named = {"base_model": str(folder), "base_model_version": "1"}
        model = model_to_train(spec_for("sft", folder, folder, hyperparameters=settings, **named))
        body = model.model
        if method == "lora":
            model = get_peft_model(model, lora_config(settings, model))
            model.enable_input_require_grads()
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
        ids = torch.randint(0, 300, (rows, 192))
        mask = torch.ones_like(ids)
        # Of several rows one is shorter, as in any dataset.
        mask[1:2, 150:] = 0
        held = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
        saved: dict[int, torch.Tensor] = {}

        def keep(tensor):
            if tensor.untyped_storage().data_ptr() not in held:
                saved[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                hidden = body(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
            loss = model.get_output_embeddings()(hidden).float().logsumexp(-1).mean()
        self.activations = sum(tensor.untyped_storage().nbytes() for tensor in saved.values())
        loss.backward()
        optimizer.step()
        self.weights = sum(parameter.nbytes for parameter in model.parameters())
        self.gradients = sum(parameter.grad.nbytes for parameter in trained)
        self.optimizer = sum(
            value.nbytes for state in optimizer.state.values() for value in state.values() if value.numel() > 1
        )


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("rows", [1, 4])
def test_a_real_step_takes_what_is_estimated(method, precision, rows, small):
    real = Measured(small, method, precision, checkpointing=False, rows=rows)
    estimated = plan(
        SMALL,
        method=method,
        precision=precision,
        lora_rank=8,
        batch_size=rows,
        max_length=192,
        gradient_checkpointing=False,
    )

    assert weight_bytes(estimated) == real.weights
    assert gradient_bytes(estimated) == real.gradients
    assert optimizer_bytes(estimated) == real.optimizer
    assert activation_bytes(estimated) == pytest.approx(real.activations, rel=0.05)


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_with_checkpointing_a_real_step_keeps_the_inputs_of_the_blocks_alone(method, precision, small):
    real = Measured(small, method, precision, checkpointing=True, rows=4)
    estimated = plan(SMALL, method=method, precision=precision, lora_rank=8, batch_size=4, max_length=192)
    one_block_less = replace(estimated, architecture=replace(estimated.architecture, layers=0))

    # What the estimate adds is one block that is computed again, and the final norm.
    kept = activation_bytes(estimated) - activation_bytes(one_block_less)

    inputs = 3 * 4 * 192 * 64 * (4 if precision == "fp32" or method == "full" else 2)
    assert kept == inputs
    assert inputs <= real.activations < 3 * inputs
