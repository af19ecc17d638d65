"""What each `twin` command does: argument in, table or file out."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from resources.warehouse import Warehouse
from resources.web import Web
from twin_assets.automation.staleness import AssetState
from twin_assets.collection.authors import author_slugs, load_author, load_authors, write_author
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.dump import DumpUser, read_dump, write_dump
from twin_assets.collection.imported import IMPORT_SOURCE
from twin_assets.collection.sources import collect_documents, must_be_collected
from twin_assets.console.building import COLLECTED, Build, Builder
from twin_assets.console.instance import local_instance
from twin_assets.console.progress import RunProgress
from twin_assets.console.saying import complain, say
from twin_assets.console.tables import print_rows
from twin_assets.definitions import build_defs
from twin_assets.documents import Author, Consent, RawDocument, SourceConfig, checked_slug, document_id_for
from twin_assets.errors import UserError
from twin_assets.partitions import AUTHORS_PARTITION
from twin_assets.settings import Settings


def add_author(
    slug: str,
    *,
    folders: Sequence[Path],
    feeds: Sequence[str],
    sitemaps: Sequence[str],
    pages: Sequence[str],
    consent: str,
    name: str | None,
) -> None:
    """Write an author file, after making sure that the folders hold something to collect, and addresses are such."""
    settings = Settings.load()
    # Folders first, because they can be looked into at once.
    sources = [
        *({"type": "folder", "path": str(folder.resolve())} for folder in folders),
        *({"type": "feed", "url": url} for url in feeds),
        *({"type": "sitemap", "url": url} for url in sitemaps),
        *([{"type": "web", "pages": list(pages)}] if pages else []),
    ]
    if not sources:
        raise UserError("Say where the writings are: give --folder DIR, --feed URL, --sitemap URL or --page URL.")
    try:
        author = Author(
            slug=checked_slug(slug),
            name=name or slug.replace("-", " ").title(),
            consent=Consent(given_by=consent),
            sources=[SourceConfig.model_validate(source) for source in sources],
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    found = f"{len(_documents_now(author, settings))} documents to collect"
    if feeds or sitemaps or pages:
        found = "what there is to collect, the first build finds out"
    path = write_author(settings.authors_dir, author)
    say(f"Added {author.name} ({path.name}): {found}. Next: twin build {slug}")


def list_authors(*, as_json: bool) -> None:
    """Print all authors."""
    rows = [
        {
            "author": author.slug,
            "name": author.name,
            "sources": [source.type for source in author.sources],
            "consent": author.consent.given_by,
        }
        for author in load_authors(Settings.load().authors_dir)
    ]
    if not rows and not as_json:
        say('There is no author yet. Add one: twin author add SLUG --folder DIR --consent "who gave it"')
        return
    print_rows(rows, title="Authors", as_json=as_json)


def show_author(slug: str, *, as_json: bool) -> None:
    """Print one author file and what its sources hold now."""
    settings = Settings.load()
    author = load_author(settings.authors_dir, slug)
    documents = _documents_now(author, settings)
    categories = [document.category for document in documents]
    row = {
        "author": author.slug,
        "name": author.name,
        "consent": f"{author.consent.given_by} {author.consent.note}".strip(),
        "sources": [yaml.safe_dump(source.model_dump(), default_flow_style=True).strip() for source in author.sources],
        **{category: categories.count(category) for category in ("articles", "posts", "repositories")},
    }
    if as_json:
        print_rows([row], title=author.name, as_json=True)
        return
    print_rows([{"field": key, "value": value} for key, value in row.items()], title=author.name, as_json=False)


def import_documents(folder: Path, *, consent: str, as_json: bool) -> None:
    """Import a dump: into the warehouse, and an author file for each person who has none."""
    settings = Settings.load()
    dump = read_dump(folder)
    warehouse = Warehouse.from_settings(settings)
    rows = []
    with warehouse.session() as session:
        session.add_users(
            [{"_id": user.user_id, "first_name": user.first_name, "last_name": user.last_name} for user in dump.users]
        )
        for user in dump.users:
            counts = session.replace_documents(user.slug, dump.documents_of(user.slug), source=IMPORT_SOURCE)
            _ensure_author_file(settings, user, consent)
            documents = counts.new + counts.changed + counts.unchanged
            rows.append({"author": user.slug, "documents": documents, **counts.model_dump()})
    print_rows(rows, title=f"Imported from {folder}", as_json=as_json)
    if not as_json:
        say(f"Next: twin build {rows[0]['author']}")


def export_documents(folder: Path, *, authors: list[str] | None, as_json: bool) -> None:
    """Write the collected documents of some or all authors as a dump."""
    settings = Settings.load()
    with Warehouse.from_settings(settings).session() as session:
        known = session.authors()
        for author in authors or []:
            if author not in known:
                load_author(settings.authors_dir, author)
                raise UserError(f"Nothing was collected for {author}: run `twin build {author} --until raw_documents`.")
        wanted = authors or known
        documents = [document for author in wanted for document in session.documents(author)]
        users = _users_of(session.users(), wanted, settings)
    if not documents:
        raise UserError("Nothing was collected yet, so there is nothing to export: run `twin build AUTHOR` first.")
    counts = write_dump(folder, users, documents)
    print_rows(
        [{"file": name, "records": count} for name, count in counts.items()],
        title=f"Exported to {folder}",
        as_json=as_json,
    )


def build_author(author: str, *, until: str | None, force: bool, config: Path | None, as_json: bool) -> None:
    """Build an author and print what every asset holds now.

    Exits with status 1 if the build failed; a check that did not pass and blocks nothing is told, and no failure.
    """
    with _builder() as (builder, instance), RunProgress(quiet=as_json) as progress:
        outcome = builder.build(
            author,
            until=until,
            force=force,
            notice=progress.notice,
            progress=progress.event,
            run_config=run_config(config),
        )
        states = builder.states(author)
        rows = [_asset_row(instance, state, outcome) for state in states]
    if not as_json and set(outcome.built) <= {COLLECTED} and outcome.success:
        say(f"Everything of {author} is fresh: nothing was embedded, generated or trained.")
    print_rows(rows, title=f"The twin of {author}", as_json=as_json)
    for failure in outcome.failures:
        complain(failure)
    if outcome.success:
        for state in states:
            for check, complaint in zip(state.failed_checks, state.complaints, strict=True):
                complain(f"check not passed: {state.asset}: {check}: {complaint}")
    if not outcome.success:
        sys.exit(1)


def show_status(author: str | None, *, as_json: bool) -> None:
    """Print the state of every asset of one author or of all."""
    settings = Settings.load()
    if author:
        load_author(settings.authors_dir, author)
    with _builder() as (builder, instance):
        builder.register_authors(wanted=author, notice=complain)
        registered = instance.get_dynamic_partitions(AUTHORS_PARTITION)
        wanted = [author] if author else sorted(set(author_slugs(settings.authors_dir)) & set(registered))
        rows = [
            {
                "author": state.author or "all",
                "asset": state.asset,
                "state": state.state,
                "why": list(state.causes[:3]),
                "failed_checks": list(state.failed_checks),
            }
            for slug in wanted
            for state in builder.states(slug)
            if state.author or slug == wanted[0]
        ]
    print_rows(rows, title="Status", as_json=as_json)


@contextmanager
def _builder() -> Iterator[tuple[Builder, dg.DagsterInstance]]:
    settings = Settings.load()
    with local_instance(settings) as instance:
        yield Builder(build_defs(settings=settings), instance, settings), instance


def _documents_now(author: Author, settings: Settings) -> list[RawDocument]:
    """Return what the sources hold now; of sources that have to be asked over the network, what was last collected."""
    with Warehouse.from_settings(settings).session() as session:
        context = SourceContext(settings.authors_dir, session.imported_documents, session, Web.from_settings(settings))
        if must_be_collected(author, context):
            return session.documents(author.slug)
        return collect_documents(author, context)


def _ensure_author_file(settings: Settings, user: DumpUser, consent: str) -> None:
    if user.slug in author_slugs(settings.authors_dir):
        return
    write_author(
        settings.authors_dir,
        Author(
            slug=user.slug,
            name=user.name,
            consent=Consent(given_by=consent, note="Written by `twin import`: say here how consent was given."),
            sources=[SourceConfig(type="import")],
        ),
    )


def _users_of(records: list[dict[str, Any]], slugs: list[str], settings: Settings) -> list[DumpUser]:
    imported = [
        DumpUser(user_id=record["_id"], first_name=record["first_name"], last_name=record["last_name"])
        for record in records
    ]
    users = [user for user in imported if user.slug in slugs]
    for slug in sorted(set(slugs) - {user.slug for user in users}):
        first, _, last = load_author(settings.authors_dir, slug).name.partition(" ")
        users.append(DumpUser(user_id=document_id_for(f"author:{slug}"), first_name=first, last_name=last))
    return users


def run_config(path: Path | None) -> dict[str, Any]:
    """Read run configuration from a YAML file; none without one.

    Raises:
        UserError: If the file cannot be read, or is not run configuration.
    """
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: run configuration begins with `ops:`, as the launchpad of the UI writes it.")
    return content


def _asset_row(instance: dg.DagsterInstance, state: AssetState, outcome: Build) -> Mapping[str, Any]:
    record = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(state.asset), asset_partitions=[state.author] if state.author else None
        ),
        limit=1,
    ).records
    materialization = record[0].asset_materialization if record else None
    metadata = materialization.metadata if materialization else {}
    tags = materialization.tags or {} if materialization else {}
    reused = "reused" in metadata and bool(metadata["reused"].value)
    if state.blocked or state.asset in outcome.failed:
        shown = "failed"
    elif state.asset in outcome.built:
        shown = "reused" if reused else "built"
    else:
        shown = state.state
    return {
        "asset": state.asset,
        "state": shown,
        "what it holds": str(metadata["summary"].value) if "summary" in metadata else None,
        "data version": tags.get("dagster/data_version", "")[:12],
    }
