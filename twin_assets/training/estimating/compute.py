"""The operations of a training, its hours and its cost.

How many tokens it reads stands in `workload`.
"""

from dataclasses import dataclass

from twin_assets.training.estimating.device import Device
from twin_assets.training.estimating.plan import TrainingPlan

UTILISATION = 0.3
"""Assumed share of the peak that a training reaches. Large pretraining runs report 0.46 (PaLM, Chowdhery et al. 2022)
and 0.38 to 0.43 (Llama 3, Dubey et al. 2024, table 4); fine-tuning with small batches on one GPU gets less."""

START_HOURS = {"local": 0.0, "sagemaker": 0.1, "ecs": 0.15}
"""Assumed hours that are paid before and after the training: container, model download, saving the checkpoint."""


@dataclass(frozen=True)
class Cost:
    """What a training costs on a device, in US dollars."""

    on_demand: float
    lowest: float
    """With the whole spot discount, which nobody promises."""


def operations_per_token(plan: TrainingPlan) -> float:
    """Return the floating-point operations of a training per token of one sequence.

    A product with N weights takes 2N in the forward pass and 4N in the backward pass, half of them for the gradient of
    the weights (Kaplan et al. 2020, section 2.1), which frozen weights do not need. Attention adds 4 x layers x width x
    length in the forward pass, and twice that in the backward pass (Chowdhery et al. 2022, PaLM, appendix B).
    Checkpointing does the blocks' forward pass again. DPO does a forward pass of the reference besides, KTO two
    more, of model and reference, for its divergence (TRL's KTOTrainer, `_compute_loss`).
    """
    model = plan.architecture
    weights = model.matmul_parameters
    attention = 4.0 * model.layers * model.heads * model.head_size * plan.max_length
    forward = 2.0 * weights + attention
    backward = (4.0 if plan.method == "full" else 2.0) * weights + 2 * attention
    adapters = 0.0 if plan.method == "full" else 6.0 * plan.trainable
    again = 2.0 * model.linear_parameters + attention if plan.gradient_checkpointing else 0.0
    reference = forward if plan.has_reference else 0.0
    divergence = 2 * forward if plan.loss == "kto" else 0.0
    return forward + backward + adapters + again + reference + divergence


def hours_of(plan: TrainingPlan, device: Device, *, tokens: float) -> float | None:
    """Return the hours on a device, start included; none if its peak is not known.

    QLoRA takes about 30 % longer than LoRA (LLM Engineer's Handbook, 5.13): its weights are restored for every product.

    Args:
        plan: The training.
        device: Where it runs; all of its GPUs that have a process work together.
        tokens: Tokens that are trained on, over all steps; both sequences of a pair count.
    """
    if device.peak_flops is None:
        return None
    slower = 1.3 if plan.method == "qlora" else 1.0
    speed = device.peak_flops * min(plan.processes, device.count) * UTILISATION
    return tokens * operations_per_token(plan) * slower / speed / 3600 + START_HOURS[device.service]


def cost_of(hours: float | None, device: Device, *, instances: int = 1) -> Cost | None:
    """Return what so many hours cost; none if the price or the hours are not known."""
    if hours is None or device.usd_per_hour is None:
        return None
    on_demand = hours * device.usd_per_hour * instances
    return Cost(on_demand=on_demand, lowest=on_demand * (1 - device.spot_discount_up_to))
