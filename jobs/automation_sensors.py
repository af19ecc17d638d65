"""The three sensors that evaluate automation conditions, each pausable alone."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorType


@dataclass(frozen=True)
class AutomationSensor:
    """One of the three.

    Attributes:
        name: Name of the sensor.
        groups: Groups of the assets it evaluates.
        by_code: Whether it is evaluated in the code location: a condition of our own is not known to the daemon.
        description: What it does.
    """

    name: str
    groups: tuple[str, ...]
    by_code: bool
    description: str


AUTOMATION_SENSORS = (
    AutomationSensor(
        "automation_cpu",
        ("collection", "features", "evaluation", "serving"),
        by_code=False,
        description="Keeps collection, features, evaluation and the registry in step with their inputs.",
    ),
    AutomationSensor(
        "automation_llm",
        ("datasets",),
        by_code=False,
        description="Rebuilds datasets when cleaned documents change; pause it to spend nothing on a language model.",
    ),
    AutomationSensor(
        "automation_gpu",
        ("training",),
        by_code=True,
        description="Retrains when a dataset really changed, enough is new and every blocking check passed; pause it "
        "to spend no GPU time.",
    ),
)


def automation_sensors() -> Iterator[dg.AutomationConditionSensorDefinition]:
    """Yield the three sensors."""
    for sensor in AUTOMATION_SENSORS:
        yield dg.AutomationConditionSensorDefinition(
            sensor.name,
            target=dg.AssetSelection.groups(*sensor.groups),
            default_status=dg.DefaultSensorStatus.STOPPED,
            minimum_interval_seconds=60,
            use_user_code_server=sensor.by_code,
            run_tags={"launched_by": sensor.name},
            description=sensor.description,
        )


def automated_groups(instance: dg.DagsterInstance) -> Collection[str]:
    """Return the groups whose automation sensor is switched on."""
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    running = {state.instigator_name for state in states if state.is_running}
    return {group for sensor in AUTOMATION_SENSORS if sensor.name in running for group in sensor.groups}
