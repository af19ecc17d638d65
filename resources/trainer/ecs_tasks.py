"""ECS tasks: what one is asked for with, what state it is in, and what its end means. No Dagster here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resources.trainer.training_jobs import Ending, passes
from twin_assets.training.payload.exit_codes import REFUSED


@dataclass(frozen=True)
class Place:
    """Where tasks run."""

    cluster: str
    task_definition: str
    container: str
    capacity_provider: str | None
    launch_type: str
    gpus: int
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class TaskState:
    """A task, as ECS describes it."""

    arn: str
    status: str
    stop_code: str
    reason: str
    exit_codes: Mapping[str, int | None]
    description: Mapping[str, Any]

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status == "STOPPED"

    @property
    def succeeded(self) -> bool:
        """Whether every container ended well."""
        return self.ended and bool(self.exit_codes) and all(code == 0 for code in self.exit_codes.values())

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> "TaskState":
        """Read an entry of what DescribeTasks answered."""
        containers = description.get("containers") or []
        reasons = [description.get("stoppedReason"), *(container.get("reason") for container in containers)]
        return cls(
            arn=str(description["taskArn"]),
            status=str(description.get("lastStatus", "")),
            stop_code=str(description.get("stopCode") or ""),
            reason="; ".join(str(reason) for reason in reasons if reason),
            exit_codes={str(container["name"]): container.get("exitCode") for container in containers},
            description=description,
        )


def run_task_request(
    place: Place, *, name: str, spec_uri: str, hub_offline: bool, tags: Mapping[str, str]
) -> dict[str, Any]:
    """Return the request for a task, without what Pipes adds to it. Nothing in it is a secret.

    Args:
        place: Where to run.
        name: What the task says it was started by. Two requests with one name start one task, for 24 hours at most
            (ECS API reference, "Ensuring idempotency").
        spec_uri: Address of the spec, the payload's argument.
        hub_offline: Whether the payload may download nothing from a model hub.
        tags: Tags of the task beside those of the settings.
    """
    container: dict[str, Any] = {
        "name": place.container,
        "command": [spec_uri],
        "environment": [{"name": "HF_HUB_OFFLINE", "value": str(int(hub_offline))}],
    }
    if place.gpus:
        container["resourceRequirements"] = [{"type": "GPU", "value": str(place.gpus)}]
    request: dict[str, Any] = {
        "cluster": place.cluster,
        "taskDefinition": place.task_definition,
        "count": 1,
        "startedBy": name,
        "clientToken": name,
        "overrides": {"containerOverrides": [container]},
        "tags": [{"key": key, "value": value} for key, value in {**place.tags, **tags}.items()],
    }
    if place.capacity_provider:
        request["capacityProviderStrategy"] = [{"capacityProvider": place.capacity_provider, "weight": 1}]
    else:
        request["launchType"] = place.launch_type
    if place.subnets:
        request["networkConfiguration"] = {
            "awsvpcConfiguration": {"subnets": list(place.subnets), "securityGroups": list(place.security_groups)}
        }
    return request


def ecs_ending_of(task: TaskState, container: str) -> Ending:
    """Return what an unsuccessful end means, and whether trying again can help."""
    code = task.exit_codes.get(container)
    if task.stop_code == "UserInitiated":
        return Ending("Somebody stopped the task. Start the build again if that was not meant.", retry_helps=False)
    if task.stop_code == "SpotInterruption":
        return Ending("The spot capacity was taken away: a retry starts the task again.", retry_helps=True)
    if "OutOfMemory" in task.reason:
        return Ending(
            f"The container ran out of memory ({task.reason}): lower batch_size or max_length, or give the task "
            "definition more.",
            retry_helps=False,
        )
    if code == REFUSED:
        return Ending("The payload refused to train; its reason stands in the log of the run.", retry_helps=False)
    return Ending(
        f"The task failed (exit code {code}; {task.reason or 'no reason given'}).",
        # Without an exit code the container never ran.
        retry_helps=code is None or passes(code),
    )


@dataclass(frozen=True)
class EcsTasks:
    """The tasks of a cluster."""

    client: Any
    cluster: str

    def running(self, name: str) -> TaskState | None:
        """Return the task that was started by `name` and goes on, None if there is none."""
        arns = self.client.list_tasks(cluster=self.cluster, startedBy=name, desiredStatus="RUNNING")["taskArns"]
        return self.describe(arns[0]) if arns else None

    def describe(self, arn: str) -> TaskState | None:
        """Return the state of a task, None if ECS has forgotten it."""
        tasks = self.client.describe_tasks(cluster=self.cluster, tasks=[arn])["tasks"]
        return TaskState.of(tasks[0]) if tasks else None

    def log_place(self, task: TaskState, container: str) -> tuple[str, str] | None:
        """Return the CloudWatch group and stream of a task's container, None if its log goes elsewhere.

        The stream's name is put together as the driver `awslogs` does it: prefix, container, task.
        """
        definition = self.client.describe_task_definition(taskDefinition=task.description["taskDefinitionArn"])
        for known in definition["taskDefinition"]["containerDefinitions"]:
            log = known.get("logConfiguration") or {}
            options = log.get("options") or {}
            if known["name"] == container and log.get("logDriver") == "awslogs" and "awslogs-stream-prefix" in options:
                stream = f"{options['awslogs-stream-prefix']}/{container}/{task.arn.rpartition('/')[2]}"
                return options["awslogs-group"], stream
        return None

    def url(self, arn: str) -> str:
        """Return the address of a task in the AWS console."""
        region, task = self.client.meta.region_name, arn.rpartition("/")[2]
        cluster = self.cluster.rpartition("/")[2]
        return f"https://{region}.console.aws.amazon.com/ecs/v2/clusters/{cluster}/tasks/{task}"
