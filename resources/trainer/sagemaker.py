"""The trainer that runs the payload as a SageMaker training job.

A job is found by the handle that Dagster keeps or, if its orchestrator was killed before it could write one, by its
name, which follows from the spec. So a retry, a crashed run worker, a restarted daemon and a new build wait for the job
that is under way, and none of them pays for a second one.
"""

import dagster as dg

from resources.trainer.aws import aws_client, error_code
from resources.trainer.contract import TrainingOutcome, outcome_of
from resources.trainer.interrupts import INTERRUPTIONS, capture_interrupts, pause
from resources.trainer.job_request import Machine, job_tags, training_job_request
from resources.trainer.job_run import Patience, refusals_told
from resources.trainer.launch import attempt_of, for_another_machine, job_name, launch_name
from resources.trainer.log_lines import JobLog, milliseconds_now
from resources.trainer.reattaching import launched_before, record_launch, record_reattachment
from resources.trainer.remote import RemoteTrainer
from resources.trainer.sagemaker_watch import JobWatch
from resources.trainer.training_jobs import LOG_GROUP, JobState, TrainingJobs
from twin_assets.settings import Settings
from twin_assets.training.estimating.prices import read_prices
from twin_assets.training.spec import TrainingSpec

CLIENT = "SageMakerTrainer"
UNDER_WAY = ("InProgress", "Stopping")


class SageMakerTrainer(RemoteTrainer):
    """Trains in SageMaker training jobs. The settings of the same names say what the fields are."""

    image: str
    role: str
    instance_type: str
    volume_gb: int = 100
    max_hours: float = 24.0
    spot: bool = False
    max_wait_hours: float = 48.0
    volume_kms_key: str | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> "SageMakerTrainer":
        """Configure the trainer that the settings name; `choosing` has made sure that they say enough."""
        return cls(
            **cls.common(settings),
            image=settings.trainer_image or "",
            role=settings.trainer_role or "",
            instance_type=settings.trainer_instance_type,
            gpus=read_prices(settings.training_prices).device(settings.trainer_instance_type).count,
            volume_gb=settings.trainer_volume_gb,
            max_hours=settings.trainer_max_hours,
            spot=settings.trainer_spot,
            max_wait_hours=settings.trainer_max_wait_hours,
            volume_kms_key=settings.trainer_volume_kms_key,
        )

    def under_way(self, spec: TrainingSpec) -> TrainingSpec | None:
        """Return the spec that a job which trains the same thing right now was started with, if there is one."""
        with refusals_told(launch_name(spec)):
            _, state = self._jobs().latest(launch_name(spec))
            if state is None or state.status not in UNDER_WAY:
                return None
            return self._folder(state.name).read_spec()

    def train(self, context: dg.AssetExecutionContext, spec: TrainingSpec) -> TrainingOutcome:
        """Start a job for the spec, or take over the one that there is, and wait for its end.

        Raises:
            dg.Failure: If the job cannot be started, or fails; it says whether a retry can help.
        """
        patience = self._patience(context)
        launch = launch_name(spec)
        with refusals_told(launch), capture_interrupts():
            number, last = patience.ask(lambda: self._settled(launch))
            taken = self._to_take_over(context, launch, last)
            return self._see_through(context, spec, job_name(launch, number + 1), taken, last, patience)

    def _settled(self, launch: str) -> tuple[int, JobState | None]:
        """Return the last job of a launch, once it is not on its way to being stopped."""
        jobs = self._jobs()
        number, state = jobs.latest(launch)
        while state is not None and state.status == "Stopping":
            pause(self.poll_seconds)
            state = jobs.describe(state.name)
        return number, state

    def _to_take_over(self, context: dg.AssetExecutionContext, launch: str, last: JobState | None) -> JobState | None:
        """Return the job that this step is to wait for, None if it has to start one.

        What ended badly is tried again. What ended well is taken over if this run, or the one it retries, launched it
        or was there to see its end: who starts a new run for a finished training wants a new training.
        """
        handle = launched_before(context, CLIENT)
        own = handle is not None and attempt_of(launch, handle.external_run_id) is not None
        job = self._jobs().describe(handle.external_run_id) if handle is not None and own else last
        if job is None or job.status in {"Failed", "Stopped"}:
            job = last
        if job is None:
            return None
        if job.status == "Completed" and (own or _ended_during(context, job)):
            return job
        return job if job.status == "InProgress" else None

    def _see_through(
        self,
        context: dg.AssetExecutionContext,
        spec: TrainingSpec,
        new_name: str,
        taken: JobState | None,
        last: JobState | None,
        patience: Patience,
    ) -> TrainingOutcome:
        jobs = self._jobs()
        name = taken.name if taken else new_name
        folder = self._folder(name)
        log = JobLog(aws_client("logs", self.region), LOG_GROUP, f"{name}/", since=milliseconds_now() if taken else 0)
        watch = JobWatch(
            context=context,
            name=name,
            url=jobs.url(name),
            patience=patience,
            poll_seconds=self.poll_seconds,
            log=log,
            jobs=jobs,
        )
        with dg.open_pipes_session(
            context=context.op_execution_context,
            context_injector=self._context_injector(folder),
            message_reader=self._message_reader(folder),
        ) as session:
            try:
                if taken is None:
                    patience.ask(lambda: folder.write_spec(for_another_machine(spec, context.log), self.output_kms_key))
                    hyperparameters = {
                        "spec": folder.spec_uri,
                        "region": self.region,
                        "hub_offline": str(int(self.hub_offline)),
                        **session.get_bootstrap_env_vars(),
                    }
                    self._create(context, spec, name, hyperparameters, last, patience)
                else:
                    self._reattach(context, taken)
                state = watch.wait()
            except INTERRUPTIONS:
                watch.stop()
                raise
        if state.status != "Completed":
            raise watch.failure(state)
        return outcome_of(
            spec,
            session.get_results(implicit_materializations=False),
            metadata={"job": name, "console": dg.MetadataValue.url(jobs.url(name))},
        )

    def _create(
        self,
        context: dg.AssetExecutionContext,
        spec: TrainingSpec,
        name: str,
        hyperparameters: dict[str, str],
        last: JobState | None,
        patience: Patience,
    ) -> None:
        """Create a job and write down that it is there; one of that name that is there already is as good."""
        from botocore.exceptions import ClientError

        root = self.launches_uri.rstrip("/")
        # A training that broke off goes on from its checkpoints; one that is to be done anew does not.
        broke_off = last is not None and last.status in {"Failed", "Stopped"}
        checkpoints = last.checkpoints_uri if last is not None and broke_off else None
        request = training_job_request(
            self._machine(),
            name=name,
            hyperparameters=hyperparameters,
            output_uri=f"{root}/{name}/output",
            checkpoints_uri=checkpoints or f"{root}/{name}/checkpoints",
            tags=job_tags(spec, context.run_id),
        )
        jobs = self._jobs()
        try:
            patience.ask(lambda: jobs.client.create_training_job(**request))
        except ClientError as error:
            # Another run was quicker, or an answer was lost after the job had been created.
            if error_code(error) != "ResourceInUse":
                raise
        record_launch(context, CLIENT, name, url=jobs.url(name), details={"spec": hyperparameters["spec"]})
        context.log.info(f"Training job {name}: {jobs.url(name)}")

    def _reattach(self, context: dg.AssetExecutionContext, job: JobState) -> None:
        handle = launched_before(context, CLIENT)
        if handle is not None and handle.external_run_id == job.name:
            record_reattachment(context, handle)
        else:
            record_launch(context, CLIENT, job.name, url=self._jobs().url(job.name), details={"found_by": "name"})
        context.log.info(f"Training job {job.name} is {job.status} already: this run waits for it, and starts none.")

    def _jobs(self) -> TrainingJobs:
        return TrainingJobs(aws_client("sagemaker", self.region))

    def _machine(self) -> Machine:
        return Machine(
            image=self.image,
            role=self.role,
            instance_type=self.instance_type,
            volume_gb=self.volume_gb,
            max_hours=self.max_hours,
            spot=self.spot,
            max_wait_hours=self.max_wait_hours,
            subnets=tuple(self.subnets),
            security_groups=tuple(self.security_groups),
            volume_kms_key=self.volume_kms_key,
            output_kms_key=self.output_kms_key,
            tags=self.tags,
        )


def _ended_during(context: dg.AssetExecutionContext, job: JobState) -> bool:
    """Return whether a job ended after this run began."""
    record = context.instance.get_run_record_by_id(context.run_id)
    began = record.start_time if record else None
    return began is not None and job.ended_at is not None and job.ended_at.timestamp() >= began
