"""dagster-aws's ECS client, with what it lacks: it tells of a task before it waits, and can wait for one it finds."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
from dagster import PipesClientCompletedInvocation, PipesContextInjector, PipesMessageReader
from dagster_aws.pipes import PipesECSClient

from resources.trainer.ecs_tasks import TaskState
from resources.trainer.interrupts import INTERRUPTIONS


class NotPlacedError(Exception):
    """A task for which the cluster had no place."""


class ReattachingECSClient(PipesECSClient):
    """Runs a task, or waits for one that is running."""

    def __init__(
        self,
        *,
        client: Any,
        context_injector: PipesContextInjector,
        message_reader: PipesMessageReader,
        launched: Callable[[str], None],
        wait: Callable[[str], TaskState],
    ) -> None:
        """Call `launched` with the ARN of a task as soon as it is there, and `wait` to wait for its end."""
        super().__init__(client=client, context_injector=context_injector, message_reader=message_reader)
        self._launched = launched
        self._until_ended = wait
        self._failures: list[Mapping[str, Any]] = []
        self.last_seen: TaskState | None = None
        client.meta.events.register("after-call.ecs.RunTask", self._note_failures)

    def run(self, **arguments: Any) -> PipesClientCompletedInvocation:
        """Run a task.

        Raises:
            NotPlacedError: If the cluster has no place for it.
            RuntimeError: If it does not start, or a container of it fails.
        """
        try:
            invocation = super().run(**arguments)
        except IndexError as error:
            reasons = ", ".join(str(failure.get("reason")) for failure in self._failures) or "no reason given"
            raise NotPlacedError(
                f"ECS placed no task ({reasons}): wait for capacity, or raise that of the cluster."
            ) from error
        self._refuse_failure()
        return invocation

    def wait_for(self, context: dg.OpExecutionContext, arn: str, cluster: str) -> PipesClientCompletedInvocation:
        """Wait for the end of a task that another run started, and hear its messages from the first.

        Raises:
            RuntimeError: If a container of it failed.
        """
        response: Any = {"tasks": [{"taskArn": arn}]}
        with dg.open_pipes_session(
            context=context, context_injector=self._context_injector, message_reader=self._message_reader
        ) as session:
            try:
                ended = self._wait(response)
            except INTERRUPTIONS:
                self._terminate(context=context, wait_response=response, cluster=cluster)
                raise
        self._refuse_failure()
        return PipesClientCompletedInvocation(session, metadata=self._extract_dagster_metadata(ended))

    def _refuse_failure(self) -> None:
        # dagster-aws takes a container that never ran, and has no exit code, for one that ended well.
        if self.last_seen is None or not self.last_seen.succeeded:
            raise RuntimeError("A container of the task failed.")

    def _wait_for_completion(self, start_response: Any, cluster: str | None = None, waiter_config: Any = None) -> Any:
        self._launched(start_response["tasks"][0]["taskArn"])
        return self._wait(start_response)

    def _wait(self, start_response: Any) -> Any:
        self.last_seen = self._until_ended(start_response["tasks"][0]["taskArn"])
        return {"tasks": [self.last_seen.description]}

    def _note_failures(self, parsed: Mapping[str, Any], **_: Any) -> None:
        self._failures = list(parsed.get("failures") or ())
