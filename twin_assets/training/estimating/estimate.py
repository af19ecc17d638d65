"""The estimate of one training on one device: what it takes and what it costs, before anything is started."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twin_assets.training.estimating.architecture import Architecture, architecture_of, architecture_of_pretraining
from twin_assets.training.estimating.compute import UTILISATION, Cost, cost_of, hours_of
from twin_assets.training.estimating.device import GIB, Device
from twin_assets.training.estimating.memory import Memory, host_bytes, memory_of
from twin_assets.training.estimating.plan import TrainingPlan, plan_for
from twin_assets.training.estimating.workload import Workload, steps_and_tokens, workload_of
from twin_assets.training.hyperparameters import Hyperparameters, PretrainHyperparameters
from twin_assets.training.sharing import share, together
from twin_assets.training.spec import Stage, TrainingSpec


@dataclass(frozen=True)
class Estimate:
    """What a training takes on a device."""

    settings: Hyperparameters
    plan: TrainingPlan
    workload: Workload
    device: Device
    instances: int
    memory: Memory
    host: int
    """Bytes of main memory beside the GPUs; nothing without a GPU, where `memory` is the main memory."""
    steps: int
    tokens: float
    hours: float | None
    cost: Cost | None

    @property
    def fits(self) -> bool:
        """Whether the memory of the device is enough, and the main memory beside it."""
        return self.memory.total <= self.device.memory and self.fits_host

    @property
    def fits_host(self) -> bool:
        """Whether the main memory beside the GPUs is enough, as far as it is known."""
        return self.device.host_memory is None or self.host <= self.device.host_memory

    def metadata(self) -> dict[str, Any]:
        """Return the figures to be kept beside what was measured afterwards."""
        return {
            "estimated_on": self.device.name,
            "estimated_memory_gib": round(self.memory.total / GIB, 3),
            "estimated_tokens": round(self.tokens),
            # Seconds, as what the training really took is told in.
            **({} if self.hours is None else {"estimated_seconds": round(self.hours * 3600, 1)}),
            **({} if self.cost is None else {"estimated_cost_usd": round(self.cost.on_demand, 2)}),
        }

    def figures(self) -> dict[str, Any]:
        """Return every figure by name, bytes as GiB."""
        return {
            "stage": self.plan.stage,
            "device": self.device.name,
            "fits": self.fits,
            "method": self.plan.method,
            "precision": self.plan.precision,
            "parameters": self.plan.architecture.parameters,
            "trained_parameters": self.plan.trainable,
            "longest_sequence": self.plan.max_length,
            "memory_gib": round(self.memory.total / GIB, 2),
            "device_gib": round(self.device.memory / GIB, 2),
            "host_memory_gib": round(self.host / GIB, 2),
            "device_host_gib": None if self.device.host_memory is None else round(self.device.host_memory / GIB, 2),
            **{f"{name}_gib": round(value / GIB, 3) for name, value in vars(self.memory).items()},
            "rows": self.workload.rows,
            "steps": self.steps,
            "tokens": round(self.tokens),
            "tokens_counted_by": self.workload.counted_by,
            "hours": None if self.hours is None else round(self.hours, 3),
            "cost_usd": None if self.cost is None else round(self.cost.on_demand, 2),
            "spot_at_best_usd": None if self.cost is None else round(self.cost.lowest, 2),
        }


def estimate_for(spec: TrainingSpec, device: Device, *, offline: bool = True) -> Estimate:
    """Return what a spec takes on a device.

    Args:
        spec: The training.
        device: Where it would run; its GPUs share each step.
        offline: Whether the configuration of a hub model may only be taken from the local cache.

    Raises:
        UserError: If the model's configuration or the dataset cannot be read.
    """
    if isinstance(spec.hyperparameters, PretrainHyperparameters):
        architecture, tokenizer = architecture_of_pretraining(spec.hyperparameters), None
    else:
        location = str(spec.base_model)
        architecture = architecture_of(location, spec.base_model_revision, offline=offline)
        tokenizer = tokenizer_of(location, spec.base_model_revision)
    workload = workload_of(spec.stage, spec.dataset_uri, tokenizer, spec.chat_template)
    settings, instances = together(spec.hyperparameters, spec.compute), spec.compute.nodes
    return estimate_of(spec.stage, settings, architecture, workload, device, instances=instances)


def estimate_of(
    stage: Stage,
    settings: Hyperparameters,
    architecture: Architecture,
    workload: Workload,
    device: Device,
    *,
    instances: int = 1,
) -> Estimate:
    """Return what a stage takes on a device, from what is known of its model and dataset.

    The settings are those for one process: the GPUs share the rows of a step. A sequence is as long as `max_length`
    allows, or as the longest row where the tokenizer counted each of them and none fills it; packed ones fill it.
    """
    gpu = device.kind == "gpu"
    of_each, compute = share(settings, device.count * instances)
    plan = plan_for(stage, of_each, architecture, gpu=gpu, processes=compute.processes)
    if stage != "pretrain" and not plan.packing and workload.longest:
        plan = replace(plan, max_length=min(plan.max_length, workload.longest))
    steps, tokens = steps_and_tokens(plan, settings, workload)
    everything = replace(device, count=device.count * instances)
    hours = hours_of(plan, everything, tokens=tokens)
    return Estimate(
        settings=settings,
        plan=plan,
        workload=workload,
        device=device,
        instances=instances,
        memory=memory_of(plan, gpu=gpu),
        host=host_bytes(plan, processes=max(1, plan.processes // instances)) if gpu else 0,
        steps=steps,
        tokens=tokens,
        hours=hours,
        cost=cost_of(hours, device, instances=instances),
    )


def tokenizer_of(location: str, revision: str | None) -> Path | None:
    """Return the tokenizer.json of a folder, or of a hub id from the local cache; none if it is not there."""
    path = Path(location) / "tokenizer.json"
    if path.is_file():
        return path
    if Path(location).is_dir() or location.startswith(("/", ".", "~")) or "://" in location:
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(location, "tokenizer.json", revision=revision)
    return Path(cached) if isinstance(cached, str) else None


def assumptions() -> str:
    """Return what the figures rest on, in a sentence or two."""
    return (
        f"Hours assume {UTILISATION:.0%} of the device's bf16 peak (GPU), and a rough figure per core (CPU). "
        "Cost is hours on demand, start included, without storage and traffic; spot is at best what the table names."
    )
