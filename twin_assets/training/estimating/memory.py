"""The memory of a training: weights, gradients, optimizer states, activations, logits and what the framework takes.

Memory = parameters + gradients + optimizer states + activations (LLM Engineer's Handbook, 5.13). The counts are those
of this platform's payload: the Llama block of transformers with SDPA attention, TRL's tiled output layer, and PEFT's
float32 adapters.
"""

from dataclasses import dataclass, fields

from twin_assets.training.estimating.plan import TrainingPlan

NF4_BYTES = 4.127 / 8
"""Bytes of a weight in 4-bit NormalFloat with double quantisation: 4 bits, and 0.127 for the constants (Dettmers et al.
2023, QLoRA, section 3)."""

TRAINED_BYTES = 4
"""What is trained is in float32: PEFT keeps adapters in it whatever the base is in (`autocast_adapter_dtype`), and the
payload loads a model in it of which every weight is trained."""

TILE_TOKENS, TILE_VOCABULARY = 4096, 32768
"""The tiles in which TRL 1.x computes log-probabilities, so that the logits are never there as a whole."""

GPU_OVERHEAD = 1 * 2**30
"""CUDA context, kernels and cuBLAS workspaces: half to one GiB, by GPU and driver. An assumption."""

CPU_OVERHEAD = 3 * 2**28
"""A process with torch, transformers, TRL and datasets loaded, before there is a model: 0.75 GiB. An assumption, close
to what the payload takes on Linux."""

FRAGMENTATION = 0.05
"""Share of everything else that the allocator cannot use. An assumption; PyTorch gives none."""


@dataclass(frozen=True)
class Memory:
    """Bytes on one device, at the worst moment of a step or of the merge."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    reference: int
    merging: int
    """What merging the adapter takes beyond all that training takes, which is given back before."""
    overhead: int

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(int(getattr(self, field.name)) for field in fields(self))


def memory_of(plan: TrainingPlan, *, gpu: bool) -> Memory:
    """Return what one process of a training takes.

    Args:
        plan: The training.
        gpu: Whether it runs on a GPU.
    """
    weights, gradients, optimizer = weight_bytes(plan), gradient_bytes(plan), optimizer_bytes(plan)
    activations, logits = activation_bytes(plan), logit_bytes(plan, gpu=gpu)
    reference = reference_bytes(plan)
    training = weights + gradients + optimizer + activations + logits + reference
    merging = max(0, merging_bytes(plan) - training)
    parts = training + merging
    overhead = (GPU_OVERHEAD if gpu else CPU_OVERHEAD) + int(FRAGMENTATION * parts)
    return Memory(weights, gradients, optimizer, activations, logits, reference, merging, overhead)


def weight_bytes(plan: TrainingPlan) -> int:
    """Return the bytes of the weights: 4 in fp32 or 2 in bf16 each, a little over half a byte in QLoRA.

    Weights that are trained themselves are in fp32 even where bf16 is computed with. QLoRA quantises the linear layers
    of the blocks alone; embeddings, output layer and norms stay as they are. An adapter comes on top.
    """
    model = plan.architecture
    if plan.method == "qlora":
        unquantised = model.parameters - model.linear_parameters
        total = model.linear_parameters * NF4_BYTES + unquantised * plan.compute_bytes
    else:
        total = float(model.parameters * plan.stored_bytes)
    if plan.method != "full":
        total += plan.trainable * TRAINED_BYTES
    return int(total)


def gradient_bytes(plan: TrainingPlan) -> int:
    """Return the bytes of the gradients: one float32 number per trained parameter."""
    return plan.trainable * TRAINED_BYTES


def optimizer_bytes(plan: TrainingPlan) -> int:
    """Return the bytes of the optimizer's states.

    AdamW keeps two float32 numbers per trained parameter, 8 bytes, so that full training takes 16 bytes per parameter
    (LLM Engineer's Handbook, 5.13). 8-bit AdamW keeps two bytes (Dettmers et al. 2022).
    """
    return plan.trainable * (2 * TRAINED_BYTES if plan.optimizer == "adamw_torch" else 2)


def activation_bytes(plan: TrainingPlan) -> int:
    """Return the bytes that the forward pass keeps for the backward pass.

    Counted tensor by tensor, as Korthikanti et al. (2022, Reducing Activation Recomputation, section 4.1) do for GPT,
    here for the Llama block. SDPA keeps queries, keys, values, output and one number per head, not the scores; but in a
    batch of several sequences each block keeps its mask, in the square of the length, and keys and values are repeated
    for every head. With gradient checkpointing only the input of each block is kept (2sbh in section 5), and one block
    is computed again. Weights in float32 that are computed with in bfloat16 are copied for it, all of them.
    """
    model, s = plan.architecture, plan.stored_bytes
    block = _block_bytes_per_token(plan)
    # Final norm: its input in float32, and its output, which the output layer takes.
    rest = model.hidden_size * (4 + s)
    if plan.gradient_checkpointing:
        per_token = model.layers * model.hidden_size * s + block + rest
    else:
        per_token = model.layers * block + rest
    return plan.tokens * per_token + plan.copied_weights * plan.compute_bytes


def _block_bytes_per_token(plan: TrainingPlan) -> int:
    model, c = plan.architecture, plan.compute_bytes
    h, i = model.hidden_size, model.intermediate_size
    q, kv = model.heads * model.head_size, model.kv_heads * model.head_size
    # RMSNorm computes in float32; each of the two keeps its input in it.
    norms = 2 * 4 * h
    # q, k, v after their rotation, the output, and a float32 logsumexp per head; with a mask k and v are as wide as q.
    masked = plan.sequences > 1 or plan.packing
    attention = c * (4 * q + plan.max_length if masked else 2 * q + 2 * kv) + 4 * model.heads
    # SiLU keeps its input, the product both of its factors.
    gated = c * 3 * i
    if plan.method == "full":
        # The normalised values for the norms' own weights; then one input each for q, k, v together, for gate and up
        # together, and for down. The input of o is the output of the attention, kept already. Autocast casts what comes
        # out of a norm anew for each of the five.
        shared = 5 if plan.copied_weights else 2
        inputs = plan.stored_bytes * 2 * h + c * (shared * h + i)
    elif plan.precision == "fp32":
        # The adapters' A share the inputs of their layers; B keeps what A gives.
        inputs = c * (h + h + i) + c * 7 * plan.lora_rank
    else:
        # PEFT casts the input to the adapter's float32 and autocast back: every adapter keeps a copy of its own.
        inputs = c * (3 * h + q + 2 * h + i) + c * 7 * plan.lora_rank
    return norms + attention + gated + inputs


def logit_bytes(plan: TrainingPlan, *, gpu: bool) -> int:
    """Return the bytes of the output layer's work.

    SFT and DPO: one tile of TRL's, the float32 gradient of the hidden states and, in full training, of the layer;
    without a Triton kernel, on a CPU, a tile is also held in float32 about four times over. Pretraining, by the plain
    trainer: logits, their float32 copy, its log-softmax and its gradient.
    """
    model, c = plan.architecture, plan.compute_bytes
    if plan.stage == "pretrain":
        return plan.tokens * model.vocabulary * (c + 8 + (4 if c < 4 else 0))
    tile = min(plan.tokens, TILE_TOKENS)
    kernel = tile * TILE_VOCABULARY * c + (0 if gpu else tile * min(model.vocabulary, TILE_VOCABULARY) * 16)
    hidden = plan.tokens * model.hidden_size * 4
    layer = model.vocabulary * model.hidden_size * 4 if plan.method == "full" else 0
    return kernel + hidden + layer


def reference_bytes(plan: TrainingPlan) -> int:
    """Return the bytes of DPO's reference model: a second model in full training, nothing with an adapter.

    With an adapter the reference is the model with its adapter off. Its pass keeps no activations, but its weights are
    copied for it as those of the model are, whose copies are still there.
    """
    if not plan.has_reference or plan.method != "full":
        return 0
    return plan.architecture.parameters * plan.stored_bytes + plan.copied_weights * plan.compute_bytes


def merging_bytes(plan: TrainingPlan) -> int:
    """Return the bytes of the whole base model with the adapter that is merged into it, when training is over.

    On a GPU QLoRA's 4 bits are written out there. LoRA merges in main memory, and takes no more than training took.
    """
    if plan.method == "full":
        return 0
    return plan.architecture.parameters * plan.compute_bytes + plan.trainable * TRAINED_BYTES


def host_bytes(plan: TrainingPlan, *, processes: int) -> int:
    """Return the bytes of main memory that a machine with GPUs must have.

    Before training each process loads its model there, and in full DPO the reference; 4 bits go straight to the GPU.
    Afterwards one process merges LoRA there, or writes from there what the GPU holds, and reads the result back.

    Args:
        plan: The training.
        processes: Processes on the machine.
    """
    models = 2 if reference_bytes(plan) else 1
    loaded = 0 if plan.method == "qlora" else processes * models * plan.architecture.parameters * plan.stored_bytes
    written = plan.architecture.parameters * plan.compute_bytes
    return int((1 + FRAGMENTATION) * max(loaded, written, merging_bytes(plan))) + processes * CPU_OVERHEAD
