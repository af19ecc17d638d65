"""Building one author's twin from the command line: what is missing or stale, as one run in the local instance.

The plan follows the same states that the Dagster UI shows. How an asset is made, and how the result is printed, do not
belong here.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg

from jobs.authors import look_at_authors
from jobs.jobs import TWIN_JOB
from resources.project import Project
from resources.warehouse import Warehouse
from resources.web import Web
from twin_assets.automation.staleness import AssetState, StateReader
from twin_assets.collection.authors import load_author
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.sources import must_be_collected
from twin_assets.console.runs import end_killed_runs, give_places_back, process_tags
from twin_assets.console.watching import KEPT, Notice, Progress, RunWatch
from twin_assets.errors import UserError
from twin_assets.partitions import AUTHORS_PARTITION
from twin_assets.settings import Settings

COLLECTED = "raw_documents"
"""The asset that is built on every build if a source is a site: only asking it tells whether it has changed."""

READ_OF_EVERY_AUTHOR = ("raw_documents", "cleaned_documents", "style_profile")
"""What `base_model` and `eval_report` read of every author, and not only of the one that is built."""

REUSES_BY_CONTENT = ("base_model", "preference_dataset", "sft_checkpoint", "dpo_checkpoint", "eval_report")
"""The assets that look up what they trained or generated before, unless their configuration says `force`."""

QUIET_LOG = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Build:
    """What a build did."""

    author: str
    run_id: str | None
    """The run that the UI shows; None if everything was fresh."""
    built: tuple[str, ...]
    success: bool
    failed: tuple[str, ...] = field(default=())
    """The assets whose step failed."""
    failures: tuple[str, ...] = field(default=())
    """Why, a sentence per failed step."""
    interrupted: bool = False
    """Whether somebody ended it."""


class Builder:
    """Plans and runs builds on one instance."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance, settings: Settings) -> None:
        self._definitions = definitions
        self._instance = instance
        self._settings = settings
        self._warehouse = Warehouse.from_settings(settings)
        self._project = Project.from_settings(settings)
        self._web = Web.from_settings(settings)

    def reader(self) -> StateReader:
        """Return a reader of the states as they are now."""
        return StateReader(self._definitions, self._instance)

    def register_authors(self, *, wanted: str | None = None, notice: Notice = lambda _: None) -> list[str]:
        """Add a partition for every author who has something to collect; record what sources hold and settings are.

        Raises:
            UserError: If the `wanted` author cannot be used; the others are passed over with a notice.
        """
        with self._sources() as context:
            look = look_at_authors(self._instance, self._project, context)
        for observation in look.observations:
            self._instance.report_runless_asset_event(observation)
        for slug, error in look.refused.items():
            if slug == wanted:
                raise error
            notice(f"{slug} is passed over: {error}")
        self._instance.add_dynamic_partitions(AUTHORS_PARTITION, look.usable)
        return list(look.usable)

    def build(
        self,
        author: str,
        *,
        until: str | None = None,
        force: bool = False,
        notice: Notice = lambda _: None,
        progress: Progress = lambda _: None,
        run_config: Mapping[str, Any] | None = None,
    ) -> Build:
        """Build what is missing or stale for one author.

        Args:
            author: Slug of the author.
            until: Stop at this asset; everything above it is built, nothing else.
            force: Build also what is fresh, and train and generate again.
            notice: Is told in a sentence what a user should know on the way.
            progress: Is told every event of the run.
            run_config: Run configuration of the assets.

        Raises:
            UserError: If the author, the asset or a field of the configuration is unknown, or the author's sources
                cannot be used.
        """
        load_author(self._settings.authors_dir, author)
        self._check_config(run_config or {})
        targets = self._targets(until)
        registered = self.register_authors(wanted=author, notice=notice)
        for other in registered:
            if other != author:
                self._build_shared_inputs(other, targets, notice)
        collected = Build(author=author, run_id=None, built=(), success=True)
        if COLLECTED in targets and not force and self._only_collecting_tells(author):
            collected = self._run(author, [COLLECTED], stage="collection", notice=notice, progress=progress)
        selection = self._selection(author, targets, force=force) if collected.success else []
        if idle := [op for op in (run_config or {}).get("ops", {}) if op not in selection]:
            notice(
                f"The configuration of {', '.join(idle)} is not used: this build does not run it (--force builds all)."
            )
        if not selection:
            return collected
        config = merged(run_config or {}, _force(selection)) if force else run_config
        build = self._run(author, selection, stage=until or "all", notice=notice, progress=progress, config=config)
        return replace(build, built=collected.built + build.built)

    def _targets(self, until: str | None) -> list[str]:
        reader = self.reader()
        order = reader.build_order()
        if until is None:
            return order
        if until not in order:
            raise UserError(f"There is no asset {until!r}; the assets are: {', '.join(order)}.")
        above = reader.upstream(until)
        return [asset for asset in order if asset in above]

    def _check_config(self, run_config: Mapping[str, Any]) -> None:
        """Make sure that the configuration is one of the whole job.

        Raises:
            UserError: If a field is unknown, or its value is of the wrong type; the first such field is named.
        """
        try:
            dg.validate_run_config(self._definitions.resolve_job_def(TWIN_JOB), {**QUIET_LOG, **run_config})
        except dg.DagsterInvalidConfigError as error:
            # What Dagster expects in its place is the whole schema: some thousand characters.
            problem = error.errors[0].message.partition(" Expected")[0].replace("root:", "").rstrip(".")
            raise UserError(
                f"The run configuration is not usable: {problem}. The launchpad of the UI shows every field."
            ) from error

    def _only_collecting_tells(self, author: str) -> bool:
        """Return whether a source of the author has to be asked, as a site has, to know if anything is new there."""
        with self._sources() as context:
            return must_be_collected(load_author(self._settings.authors_dir, author), context)

    @contextmanager
    def _sources(self) -> Iterator[SourceContext]:
        with self._warehouse.session() as session:
            yield SourceContext(self._settings.authors_dir, session.imported_documents, session, self._web)

    def _selection(self, author: str, targets: Sequence[str], *, force: bool) -> list[str]:
        if force:
            return list(targets)
        reader = self.reader()
        stale = [asset for asset in targets if reader.state(asset, author).needs_building]
        below = reader.downstream(stale)
        return [asset for asset in targets if asset in below]

    def _build_shared_inputs(self, other: str, targets: Sequence[str], notice: Notice) -> None:
        """Bring up to date what assets of this build read of another author.

        Raises:
            UserError: If somebody interrupts it: who presses Ctrl-C means the whole build.
        """
        if not {"base_model", "eval_report"} & set(targets):
            return
        selection = self._selection(other, [asset for asset in READ_OF_EVERY_AUTHOR if asset in targets], force=False)
        if not selection:
            return
        notice(f"Reading the writings of {other}, which the base model and the comparison of styles need.")
        build = self._run(other, selection, stage="shared inputs", notice=notice)
        if build.interrupted:
            raise UserError(f"The build was interrupted while it read the writings of {other}; {KEPT}")
        for failure in build.failures:
            notice(f"{other} is passed over: {failure}")

    def _run(
        self,
        author: str,
        selection: Sequence[str],
        *,
        stage: str,
        notice: Notice,
        progress: Progress = lambda _: None,
        config: Mapping[str, Any] | None = None,
    ) -> Build:
        end_killed_runs(self._instance, notice)
        run_id = str(uuid.uuid4())
        watch = RunWatch(self._instance, run_id, progress, notice)
        self._instance.add_event_listener(run_id, watch.hear)
        result = self._definitions.resolve_job_def(TWIN_JOB).execute_in_process(
            run_id=run_id,
            partition_key=author,
            asset_selection=[dg.AssetKey(asset) for asset in selection],
            instance=self._instance,
            tags={"author": author, "stage": stage, **process_tags()},
            run_config={**QUIET_LOG, **(config or {})},
            raise_on_error=False,
        )
        give_places_back(self._instance, run_id)
        return Build(
            author, run_id, watch.built, result.success, watch.failed, tuple(watch.failures()), watch.interrupted
        )

    def states(self, author: str) -> list[AssetState]:
        """Return the states of all assets for one author."""
        return self.reader().states(author)


def merged(config: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return two run configurations as one; where both hold a value, the second counts."""
    both = {**config, **more}
    for key in config.keys() & more.keys():
        if isinstance(config[key], Mapping) and isinstance(more[key], Mapping):
            both[key] = merged(config[key], more[key])
    return both


def _force(selection: Sequence[str]) -> dict[str, Any]:
    return {"ops": {asset: {"config": {"force": True}} for asset in REUSES_BY_CONTENT if asset in selection}}
