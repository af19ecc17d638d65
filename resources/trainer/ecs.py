"""The trainer that runs the payload as a task of an ECS cluster, through dagster-aws's Pipes client.

ECS forgets a task an hour after its end and has no names for them; a task is found again by the handle that Dagster
keeps, or by what it says it was started by, which follows from the spec. That is its client token, too: of two
orchestrators that start it at once, the second is told of the task of the first.
"""

import dagster as dg

from resources.trainer.aws import aws_client, error_code
from resources.trainer.contract import TrainingOutcome, outcome_of
from resources.trainer.ecs_client import NotPlacedError, ReattachingECSClient
from resources.trainer.ecs_tasks import EcsTasks, Place, TaskState, ecs_ending_of, run_task_request
from resources.trainer.ecs_watch import TaskWatch
from resources.trainer.interrupts import capture_interrupts
from resources.trainer.job_request import job_tags
from resources.trainer.job_run import refusals_told
from resources.trainer.launch import attempt_of, for_another_machine, job_name, last_attempt, launch_name
from resources.trainer.log_lines import milliseconds_now
from resources.trainer.reattaching import launched_before, record_launch, record_reattachment
from resources.trainer.remote import RemoteTrainer
from twin_assets.settings import Settings
from twin_assets.training.spec import TrainingSpec

CLIENT = "EcsTrainer"


class EcsTrainer(RemoteTrainer):
    """Trains in tasks of an ECS cluster. The settings of the same names say what the fields are."""

    cluster: str
    task_definition: str
    container: str = "trainer"
    capacity_provider: str | None = None
    launch_type: str = "EC2"

    @classmethod
    def from_settings(cls, settings: Settings) -> "EcsTrainer":
        """Configure the trainer that the settings name; `choosing` has made sure that they say enough."""
        return cls(
            **cls.common(settings),
            cluster=settings.ecs_cluster or "",
            task_definition=settings.ecs_task_definition or "",
            container=settings.ecs_container,
            capacity_provider=settings.ecs_capacity_provider,
            launch_type=settings.ecs_launch_type,
            gpus=settings.ecs_gpus,
        )

    def under_way(self, spec: TrainingSpec) -> TrainingSpec | None:
        """Return the spec that a task which trains the same thing right now was started with, if there is one."""
        launch = launch_name(spec)
        with refusals_told(launch):
            name = job_name(launch, self._last_attempt(launch))
            return self._folder(name).read_spec() if self._tasks().running(name) else None

    def train(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> TrainingOutcome:
        """Start a task for the spec, or take over the one that there is, and wait for its end.

        Raises:
            dg.Failure: If the task cannot be started, or fails; it says whether a retry can help.
        """
        from botocore.exceptions import ClientError

        launch = launch_name(spec)
        with refusals_told(launch), capture_interrupts():
            last = self._last_attempt(launch)
            name, arn = self._to_take_over(context, launch, last) or (job_name(launch, last + 1), None)
            try:
                return self._see_through(context, spec, name, arn)
            except ClientError as error:
                # Another run was quicker: ECS tells its task.
                arns = error.response.get("resourceIds")
                if error_code(error) != "ConflictException" or not arns:
                    raise
                return self._see_through(context, spec, name, arns[0])

    def _to_take_over(self, context: dg.AssetExecutionContext, launch: str, last: int) -> tuple[str, str] | None:
        """Return the name and the ARN of the task that this step is to wait for, None if it has to start one."""
        tasks = self._tasks()
        handle = launched_before(context, CLIENT)
        name = str(handle.extras.get("name")) if handle else ""
        if handle is not None and attempt_of(launch, name) is not None:
            task = tasks.describe(handle.external_run_id)
            if task is not None and (not task.ended or task.succeeded):
                return name, task.arn
        name = job_name(launch, last)
        task = tasks.running(name)
        return (name, task.arn) if task else None

    def _see_through(
        self, context: dg.AssetExecutionContext, spec: TrainingSpec, name: str, arn: str | None
    ) -> TrainingOutcome:
        """Start a task, or take over the one of an ARN, and wait for its end."""
        folder, tasks = self._folder(name), self._tasks()
        client = ReattachingECSClient(
            client=tasks.client,
            context_injector=self._context_injector(folder),
            message_reader=self._message_reader(folder),
            launched=lambda arn: record_launch(context, CLIENT, arn, url=tasks.url(arn), details={"name": name}),
            wait=lambda started: self._watch(context, started, since=milliseconds_now() if arn else 0).wait(),
        )
        if arn is None:
            folder.write_spec(for_another_machine(spec, context.log), self.output_kms_key)
        else:
            self._reattach(context, name, arn)
        try:
            if arn is None:
                invocation = client.run(
                    context=context.op_execution_context,
                    run_task_params=run_task_request(
                        self._place(),
                        name=name,
                        spec_uri=folder.spec_uri,
                        hub_offline=self.hub_offline,
                        tags=job_tags(spec, context.run_id),
                    ),
                )
            else:
                invocation = client.wait_for(context.op_execution_context, arn, self.cluster)
        except NotPlacedError as error:
            raise dg.Failure(description=str(error), metadata={"job": name}, allow_retries=True) from error
        except RuntimeError as error:
            # dagster-aws says that a container failed; which, and why, stands in the task.
            raise self._failure(name, client.last_seen, error) from error
        return outcome_of(spec, invocation.get_results(implicit_materializations=False), metadata={"job": name})

    def _failure(self, name: str, task: TaskState | None, error: Exception) -> dg.Failure:
        if task is None:
            return dg.Failure(description=f"The task failed: {error}", metadata={"job": name}, allow_retries=True)
        ending = ecs_ending_of(task, self.container)
        return dg.Failure(
            description=ending.description,
            metadata={
                "job": name,
                "task": task.arn,
                "reason": task.reason or "none given",
                "console": dg.MetadataValue.url(self._tasks().url(task.arn)),
            },
            allow_retries=ending.retry_helps,
        )

    def _reattach(self, context: dg.AssetExecutionContext, name: str, arn: str) -> None:
        handle = launched_before(context, CLIENT)
        if handle is not None and handle.external_run_id == arn:
            record_reattachment(context, handle)
        else:
            record_launch(context, CLIENT, arn, url=self._tasks().url(arn), details={"name": name})
        context.log.info(f"The task {arn} is there already: this run waits for it, and starts none.")

    def _watch(self, context: dg.AssetExecutionContext, arn: str, *, since: int) -> TaskWatch:
        tasks = self._tasks()
        return TaskWatch(
            context=context,
            name=arn,
            url=tasks.url(arn),
            patience=self._patience(context),
            poll_seconds=self.poll_seconds,
            tasks=tasks,
            container=self.container,
            since=since,
        )

    def _last_attempt(self, launch: str) -> int:
        return last_attempt(aws_client("s3", self.region), self.launches_uri, launch)

    def _tasks(self) -> EcsTasks:
        return EcsTasks(aws_client("ecs", self.region), self.cluster)

    def _place(self) -> Place:
        return Place(
            cluster=self.cluster,
            task_definition=self.task_definition,
            container=self.container,
            capacity_provider=self.capacity_provider,
            launch_type=self.launch_type,
            gpus=self.gpus,
            subnets=tuple(self.subnets),
            security_groups=tuple(self.security_groups),
            tags=self.tags,
        )
