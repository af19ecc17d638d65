"""The estimator: what a training will take on the machine that the settings name, and whether it may start.

The formulas stand in `twin_assets.training.estimating`. Here is only what the settings add: which machine, which price
table, and how much one training may cost.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from twin_assets.settings import Settings
from twin_assets.training.estimating.device import Device, this_machine
from twin_assets.training.estimating.estimate import Estimate, estimate_for
from twin_assets.training.estimating.fitting import check_fits
from twin_assets.training.estimating.prices import PriceTable, read_prices
from twin_assets.training.spec import TrainingSpec


class Estimator(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Estimates a training before it is launched, and refuses one that does not fit."""

    mode: str = Field(default="local", description="Where trainings run: local, sagemaker or ecs")
    instance: str | None = Field(default=None, description="Instance type of the price table")
    gpus: int | None = Field(default=None, description="GPUs of the instance that train; all of them without it")
    max_cost: float = Field(default=25.0, description="US dollars that one training may cost")
    prices_file: str | None = Field(default=None, description="Price table of the user's own; the shipped one without")
    hub_offline: bool = Field(default=True, description="Forbid downloads from a model hub")

    @classmethod
    def from_settings(cls, settings: Settings) -> "Estimator":
        """Take over what the settings say about the trainer and its cost."""
        sagemaker = settings.trainer_mode == "sagemaker"
        return cls(
            mode=settings.trainer_mode,
            instance=settings.trainer_instance_type if sagemaker else settings.training_instance,
            gpus=settings.ecs_gpus if settings.trainer_mode == "ecs" else None,
            max_cost=settings.training_max_cost,
            prices_file=str(settings.training_prices) if settings.training_prices else None,
            hub_offline=settings.hub_offline,
        )

    def prices(self) -> PriceTable:
        """Return the price table.

        Raises:
            UserError: If it cannot be read.
        """
        return read_prices(Path(self.prices_file) if self.prices_file else None)

    def device(self) -> Device | None:
        """Return the machine that trainings run on; none if the settings do not say which one it is.

        Raises:
            UserError: If the instance type is not in the price table.
        """
        if self.mode == "local":
            return this_machine()
        device = self.prices().device(self.instance) if self.instance else None
        return replace(device, count=min(device.count, self.gpus)) if device and self.gpus else device

    def others(self) -> list[Device]:
        """Return the instances that a training could go to instead, the cheapest hour first."""
        return self.prices().devices("ecs" if self.mode == "ecs" else "sagemaker")

    def estimate(self, spec: TrainingSpec, device: Device) -> Estimate:
        """Return what a training takes on a device.

        Raises:
            UserError: If the model's configuration or the dataset cannot be read.
        """
        return estimate_for(spec, device, offline=self.hub_offline)

    def check(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> dict[str, Any]:
        """Refuse a training that does not fit, and return the estimate as metadata.

        Raises:
            UserError: If its device cannot hold it, or it costs more than it may; the settings that would fit are
                named.
        """
        device = self.device()
        if device is None:
            context.log.warning(
                "Memory and cost of this training are not estimated: set TWIN_TRAINING_INSTANCE to the instance type "
                "of the cluster."
            )
            return {}
        estimate = self.estimate(spec, device)
        check_fits(estimate, max_cost=self.max_cost, others=self.others())
        figures = estimate.metadata()
        context.log.info("Estimate: " + ", ".join(f"{name} {value}" for name, value in figures.items()))
        return figures
