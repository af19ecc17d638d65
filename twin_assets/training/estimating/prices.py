"""The table of instances and their prices: a YAML file that ships with the package, or one of the user's own.

Which instance carries a training is decided in `fitting`.
"""

from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twin_assets.errors import UserError
from twin_assets.training.estimating.device import GIB, Device

SHIPPED = Path(__file__).parents[1] / "prices.yaml"
"""The table of this package; its date stands in it."""

USABLE = 0.96
"""Share of an instance's main memory that is left to a container; system, driver and agent take the rest. Observed by
torchx (`MEM_TAX` in torchx/specs/named_resources_aws.py)."""


class Instance(BaseModel):
    """One instance type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    service: Literal["sagemaker", "ecs"]
    gpus: int = Field(ge=1)
    gpu: str
    memory_gib: float = Field(gt=0, description="Memory of one GPU that a program can use")
    host_memory_gib: float = Field(gt=0, description="Main memory of the instance")
    bf16_tflops: float = Field(gt=0, description="Peak of one GPU in bf16, dense")
    usd_per_hour: float = Field(ge=0, description="On demand")
    uncertain: bool = Field(default=False, description="Whether the price rests on one source only")

    def device(self, spot_discount_up_to: float) -> Device:
        """Return the instance as a device that a training can be sent to."""
        return Device(
            name=self.name,
            service=self.service,
            kind="gpu",
            count=self.gpus,
            memory=int(self.memory_gib * GIB),
            peak_flops=self.bf16_tflops * 1e12,
            host_memory=int(self.host_memory_gib * USABLE * GIB),
            usd_per_hour=self.usd_per_hour,
            spot_discount_up_to=spot_discount_up_to,
        )


class PriceTable(BaseModel):
    """Every instance of a table, with where and when its prices hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    region: str
    date: date
    spot_discount_up_to: float = Field(ge=0, lt=1)
    instances: tuple[Instance, ...]

    def device(self, name: str) -> Device:
        """Return an instance type as a device.

        Raises:
            UserError: If it is not in the table.
        """
        for instance in self.instances:
            if instance.name == name:
                return instance.device(self.spot_discount_up_to)
        known = ", ".join(sorted(instance.name for instance in self.instances))
        raise UserError(
            f"{name} is not in the price table, which has {known}: add it to a table of your own and set "
            "TWIN_TRAINING_PRICES to its path."
        )

    def devices(self, service: str | None = None) -> list[Device]:
        """Return every device of a service, or of all, the cheapest hour first."""
        chosen = [one for one in self.instances if service in (None, one.service)]
        return [one.device(self.spot_discount_up_to) for one in sorted(chosen, key=lambda one: one.usd_per_hour)]


def read_prices(path: Path | None = None) -> PriceTable:
    """Read a price table; the shipped one without a path.

    Raises:
        UserError: If the file is missing, or is not a price table; the first fault is named.
    """
    path = path or SHIPPED
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"The price table {path} cannot be read: set TWIN_TRAINING_PRICES ({reason}).") from error
    try:
        return PriceTable.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(f"{path} is not a price table: {where}: {first['msg']}.") from error
