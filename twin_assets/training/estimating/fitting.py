"""Refusing what does not fit a device or a budget, and finding the smallest change with which it would.

The estimates come from `estimate`; who asks, and where a refusal goes, is not decided here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from pydantic import ValidationError

from twin_assets.errors import UserError
from twin_assets.training.estimating.compute import START_HOURS
from twin_assets.training.estimating.device import GIB, Device
from twin_assets.training.estimating.estimate import Estimate, estimate_of
from twin_assets.training.hyperparameters import FineTuning

SHORTEST = 256
"""Tokens below which a shorter max_length is not proposed: answers would lose their ends."""

SHOWN = 3
"""Proposals in a refusal."""

WEIGHT: dict[str, float] = {
    "gradient_checkpointing": 1.0,  # Costs time, changes nothing.
    "batch_size": 1.1,  # With the accumulation kept in step, changes next to nothing.
    "instance": 2.0,  # Costs money.
    "method": 3.0,  # Another training, of like quality (LLM Engineer's Handbook, 5.13).
    "max_length": 4.0,  # Cuts off text.
    "max_steps": 5.0,  # Trains less.
    "elsewhere": 6.0,  # From this machine to the cloud.
}
"""How large a change is: the proposals with the smallest sum come first."""


@dataclass(frozen=True)
class Proposal:
    """Changes with which a training would fit, and the estimate with them."""

    changes: Mapping[str, Any]
    """Settings of the stage, by name."""
    environment: Mapping[str, str]
    """Settings of the platform, by variable: another instance type, or the cloud in place of this machine."""
    estimate: Estimate

    def lines(self) -> str:
        """Return the change as lines of a run configuration, and the setting of another instance."""
        said = []
        if self.changes:
            settings = "\n".join(f"      {name}: {_yaml(value)}" for name, value in self.changes.items())
            said.append(f"ops:\n  {asset_of(self.estimate)}:\n    config:\n{settings}")
        said += [f"{name}={value}" for name, value in self.environment.items()]
        return "\n".join(said)

    def summary(self) -> str:
        """Return what the change would take."""
        cost = f", {self.estimate.cost.on_demand:.2f} USD" if self.estimate.cost else ""
        gib = self.estimate.memory.total / GIB
        return f"{gib:.1f} GiB of {self.estimate.device.memory / GIB:.1f} on {self.estimate.device.name}{cost}"


def check_fits(estimate: Estimate, *, max_cost: float, others: Sequence[Device] = ()) -> None:
    """Refuse a training that its device cannot hold, or that costs more than it may.

    Args:
        estimate: The training on the device that it would run on.
        max_cost: US dollars that it may cost on demand.
        others: Devices that it could run on instead.

    Raises:
        UserError: If it does not fit; the settings that would fit are named, the smallest change first.
    """
    reason = refusal(estimate, max_cost=max_cost)
    if reason is None:
        return
    found = proposals(estimate, max_cost=max_cost, others=others)
    if not found:
        raise UserError(
            f"{reason}, and no smaller setting or other instance of the price table fits: take a smaller base model, "
            "or raise TWIN_TRAINING_MAX_COST."
        )
    shown = "\n\n".join(f"{found.lines()}\n# {found.summary()}" for found in found[:SHOWN])
    raise UserError(f"{reason}. Nothing was started. Any one of these would fit:\n\n{shown}")


def refusal(estimate: Estimate, *, max_cost: float) -> str | None:
    """Return why a training is refused; nothing if it fits."""
    stage, device = asset_of(estimate), estimate.device
    if estimate.memory.total > device.memory:
        free = "free memory" if device.kind == "cpu" else "memory of a GPU"
        return (
            f"{stage} needs about {estimate.memory.total / GIB:.1f} GiB, and the {free} of {device.name} is "
            f"{device.memory / GIB:.1f} GiB"
        )
    if device.host_memory is not None and not estimate.fits_host:
        return (
            f"{stage} needs about {estimate.host / GIB:.1f} GiB of main memory beside the GPU, to load the model and "
            f"to write it, and {device.name} has {device.host_memory / GIB:.1f} GiB"
        )
    if estimate.cost and estimate.cost.on_demand > max_cost:
        return (
            f"{stage} would cost about {estimate.cost.on_demand:.2f} USD on {device.name}, and TWIN_TRAINING_MAX_COST "
            f"allows {max_cost:.2f} USD"
        )
    return None


def proposals(estimate: Estimate, *, max_cost: float, others: Sequence[Device] = ()) -> list[Proposal]:
    """Return the changes with which a training fits, the smallest first; of equal ones the cheapest.

    A change that contains a smaller one that fits as well is left out.
    """
    devices = [estimate.device, *(device for device in others if device.name != estimate.device.name)]
    fitting: list[tuple[float, float, Proposal]] = []
    for device, changes in product(devices, _changes(estimate)):
        proposal = _tried(estimate, changes, device, max_cost=max_cost)
        if proposal:
            cost = proposal.estimate.cost
            weight = sum(WEIGHT[kind] for kind in _kinds(proposal)) + _halvings(estimate, changes) / 100
            fitting.append((weight, cost.on_demand if cost else 0.0, proposal))
    fitting.sort(key=lambda item: item[:2])
    kept: list[Proposal] = []
    for _, _, proposal in fitting:
        kinds = _kinds(proposal)
        if not any(_kinds(one) <= kinds for one in kept):
            kept.append(proposal)
    return kept


def asset_of(estimate: Estimate) -> str:
    """Return the asset that a stage makes."""
    return "base_model" if estimate.plan.stage == "pretrain" else f"{estimate.plan.stage}_checkpoint"


def _tried(estimate: Estimate, changes: Mapping[str, Any], device: Device, *, max_cost: float) -> Proposal | None:
    """Return a change if the training fits with it, with fewer steps if that is all that is missing."""
    if changes.get("method") == "qlora" and device.kind == "cpu":
        return None
    try:
        settings = type(estimate.settings).model_validate({**estimate.settings.model_dump(), **changes})
    except ValidationError:  # The stage does not allow this combination: it is no proposal.
        return None
    plan = estimate.plan
    instances = estimate.instances if device is estimate.device else 1
    changed = estimate_of(plan.stage, settings, plan.architecture, estimate.workload, device, instances=instances)
    if refusal(changed, max_cost=max_cost) is None:
        return Proposal(changes=changes, environment=_environment(estimate.device, device), estimate=changed)
    if not changed.fits or changed.cost is None or "max_steps" not in type(settings).model_fields:
        return None
    # The start is paid whatever comes after it.
    start = START_HOURS[device.service] * (device.usd_per_hour or 0.0) * instances
    steps = int(changed.steps * (max_cost - start) / (changed.cost.on_demand - start))
    if "max_steps" in changes or steps < 1:
        return None
    return _tried(estimate, {**changes, "max_steps": steps}, device, max_cost=max_cost)


def _environment(before: Device, device: Device) -> dict[str, str]:
    if device is before:
        return {}
    mode = {} if device.service == before.service else {"TWIN_TRAINER_MODE": device.service}
    variable = "TWIN_TRAINER_INSTANCE_TYPE" if device.service == "sagemaker" else "TWIN_TRAINING_INSTANCE"
    return {**mode, variable: device.name}


def _changes(estimate: Estimate) -> Iterator[dict[str, Any]]:
    """Yield every combination of changes; a setting that the stage does not have is not among them."""
    settings, plan = estimate.settings, estimate.plan
    known = set(type(settings).model_fields)
    checkpointing: list[dict[str, Any]] = [{}]
    if not plan.gradient_checkpointing:
        checkpointing.append({"gradient_checkpointing": True})
    batches: list[dict[str, Any]] = [{}]
    lengths: list[dict[str, Any]] = [{}]
    methods: list[dict[str, Any]] = [{}]
    if isinstance(settings, FineTuning):
        # As they are written, for one GPU: those of the plan are the share of each.
        size = settings.batch_size
        while size > 1 and size % 2 == 0:
            size //= 2
            accumulation = settings.gradient_accumulation * (settings.batch_size // size)
            batches.append({"batch_size": size, "gradient_accumulation": accumulation})
    if "method" in known:
        smaller = {"full": ("lora", "qlora"), "lora": ("qlora",)}.get(plan.method, ())
        methods += [{"method": method} for method in smaller]
    if "max_length" in known:
        length = plan.max_length // 2
        while length >= SHORTEST:
            lengths.append({"max_length": length})
            length //= 2
    for parts in product(checkpointing, batches, methods, lengths):
        yield {name: value for part in parts for name, value in part.items()}


def _halvings(estimate: Estimate, changes: Mapping[str, Any]) -> float:
    batch = getattr(estimate.settings, "batch_size", 1)
    smaller = batch / int(changes.get("batch_size", batch))
    shorter = estimate.plan.max_length / int(changes.get("max_length", estimate.plan.max_length))
    return smaller + shorter


def _kinds(proposal: Proposal) -> frozenset[str]:
    """Return what a proposal changes; the accumulation goes with the batch size."""
    kinds = set(proposal.changes) - {"gradient_accumulation"}
    if proposal.environment:
        kinds.add("elsewhere" if "TWIN_TRAINER_MODE" in proposal.environment else "instance")
    return frozenset(kinds)


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
