"""The sensor that tells people of failed runs and of new champions.

It is a plain sensor and not one of Dagster's run-failure sensors: those move on when telling failed, and the news would
be lost. Its cursor holds what was told, and what has not arrived (`alerting.outbox`).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG

from resources.project import Project
from resources.tracker import CHAMPION
from twin_assets.alerting.channels import channels_of
from twin_assets.alerting.messages import Alert, failure_alert, promotion_alert, secrets_of
from twin_assets.alerting.outbox import Outbox
from twin_assets.failures import RETRY_CAN_HELP, trouble_of_record
from twin_assets.partitions import AUTHORS_PARTITION
from twin_assets.settings import Settings

REGISTERED_MODEL = dg.AssetKey("registered_model")

RUNS_AT_ONCE = 50
OVERLAP_SECONDS = 120.0
"""Runs are looked for so far back again, because one may be written after a later one was seen."""


def build_alerts(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor `alerts`, which tells through the channels that the settings name."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of failed runs and new champions in the log, by e-mail and to a webhook, each once.",
    )
    def alerts(context: dg.SensorEvaluationContext, project: Project) -> dg.SensorResult:
        now = time.time()
        if context.cursor:
            outbox = Outbox.model_validate_json(context.cursor)
        else:
            outbox = Outbox(
                began=now,
                runs_seen_until=now,
                registrations_seen_until=_newest_event(
                    context.instance.fetch_materializations(REGISTERED_MODEL, limit=1).records
                ),
                moves_seen_until=_newest_event(context.instance.fetch_observations(REGISTERED_MODEL, limit=1).records),
            )
        channels = channels_of(settings, context.log)
        secrets = secrets_of(settings)
        found = [
            *_failures(context.instance, outbox, project, secrets),
            *_promotions(context.instance, outbox, project, secrets),
        ]
        new = outbox.put(found, channels, now=now, repeat_seconds=settings.alert_repeat_hours * 3600)
        arrived = outbox.deliver(channels, now=now, complain=context.log.warning)
        told = f"{new} new alerts, {arrived} delivered, {len(outbox.waiting)} waiting"
        return dg.SensorResult(
            cursor=outbox.model_dump_json(), skip_reason=told if found or arrived else "Nothing to tell."
        )

    return alerts


def _failures(instance: dg.DagsterInstance, outbox: Outbox, project: Project, secrets: list[str]) -> Iterator[Alert]:
    """Yield an alert for each step of the runs that failed since the last tick."""
    after = datetime.fromtimestamp(outbox.runs_seen_until - OVERLAP_SECONDS, UTC)
    records = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=after),
        limit=RUNS_AT_ONCE + len(outbox.runs_seen),
        order_by="update_timestamp",
        ascending=True,
    )
    for record in records:
        run = record.dagster_run
        if run.run_id in outbox.runs_seen or (record.end_time or 0.0) < outbox.began:
            continue
        outbox.runs_seen.append(run.run_id)
        if run.tags.get(WILL_RETRY_TAG) != "true":
            yield from _alerts_of(instance, run, project.run_url(run.run_id), secrets)
    if records:
        outbox.runs_seen_until = max(outbox.runs_seen_until, records[-1].update_timestamp.timestamp())
    recent = {record.dagster_run.run_id for record in records}
    outbox.runs_seen = [run_id for run_id in outbox.runs_seen if run_id in recent]


def _alerts_of(instance: dg.DagsterInstance, run: dg.DagsterRun, link: str, secrets: list[str]) -> Iterator[Alert]:
    author = run.tags.get("author") or run.tags.get("dagster/partition")
    failed = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for entry in failed:
        event = entry.get_dagster_event()
        data = event.step_failure_data
        trouble = trouble_of_record(data.error)
        said = data.user_failure_data.metadata.get(RETRY_CAN_HELP) if data.user_failure_data else None
        yield failure_alert(
            author=author,
            step=str(event.step_key),
            sentence=trouble.sentence,
            retry_can_help=trouble.retry_can_help if said is None else bool(said.value),
            link=link,
            secrets=secrets,
        )
    if not failed:
        ended = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        message = ended[-1].get_dagster_event().message if ended else None
        yield failure_alert(
            author=author,
            step=run.job_name,
            sentence=message or "The run ended before a step began.",
            # No step said why: its process was killed, or the machine was switched off.
            retry_can_help=True,
            link=link,
            secrets=secrets,
        )


def _promotions(instance: dg.DagsterInstance, outbox: Outbox, project: Project, secrets: list[str]) -> Iterator[Alert]:
    """Yield a note for each registration, and each move of an alias, since the last tick that made another champion.

    A registration and the move of its alias tell the same news. Whoever was told last is no news, whoever was told
    before that is: the last note has to be true.
    """
    wanted = dg.AssetRecordsFilter(REGISTERED_MODEL, after_storage_id=outbox.registrations_seen_until)
    moves = dg.AssetRecordsFilter(REGISTERED_MODEL, after_storage_id=outbox.moves_seen_until)
    registered = instance.fetch_materializations(wanted, limit=RUNS_AT_ONCE, ascending=True).records
    moved = instance.fetch_observations(moves, limit=RUNS_AT_ONCE, ascending=True).records
    outbox.registrations_seen_until = max([outbox.registrations_seen_until, *(one.storage_id for one in registered)])
    outbox.moves_seen_until = max([outbox.moves_seen_until, *(one.storage_id for one in moved)])
    authors = instance.get_dynamic_partitions(AUTHORS_PARTITION)
    outbox.champions = {author: version for author, version in outbox.champions.items() if author in authors}
    for record in sorted([*moved, *registered], key=lambda record: record.storage_id):
        event = record.asset_materialization or record.asset_observation
        told = {name: value.value for name, value in event.metadata.items()} if event else {}
        version = _new_champion(told)
        if event is None or version in (None, "none") or outbox.champions.get(str(event.partition)) == str(version):
            continue
        outbox.champions[str(event.partition)] = str(version)
        yield promotion_alert(
            author=str(event.partition),
            version=str(version),
            reason=str(told.get("why") or told.get("reason") or "no reason was recorded."),
            link=str(told.get("registry") or project.run_url(record.run_id)),
            secrets=secrets,
        )


def _new_champion(told: Mapping[str, object]) -> object:
    """Return the version that an event says became champion; None if it says nothing of that."""
    if told.get("alias") == CHAMPION:
        return told.get("to")
    return told.get("champion") if told.get("promoted") else None


def _newest_event(records: Sequence[dg.EventLogRecord]) -> int:
    return records[0].storage_id if records else -1
