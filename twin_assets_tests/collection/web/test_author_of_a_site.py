"""An author whose writings lie on a site: added at the command line, and collected by the asset."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from aiohttp import web
from served import page, put_feed, rss
from typer.testing import CliRunner

from twin_assets.cli import app
from twin_assets.collection.contract import SourceContext
from twin_assets.collection.links import LINK_STATES
from twin_assets.collection.sources import collect_links, forget_unnamed
from twin_assets.console.building import Builder
from twin_assets.console.instance import local_instance
from twin_assets.definitions import build_defs
from twin_assets.documents import SourceConfig
from twin_assets.errors import UserError
from twin_assets.settings import Settings


def add(*arguments):
    result = CliRunner().invoke(app, ["author", "add", *arguments, "--consent", "herself"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_writes_every_source_that_it_is_given(make_folder, tmp_path):
    folder = make_folder({"a.md": "A"})
    result = add(
        "ada-marsh", "--feed", "https://ada.example/feed", "--folder", str(folder), "--page", "https://ada.example/a",
        "--page", "https://ada.example/b", "--sitemap", "https://ada.example/sitemap.xml",
    )  # fmt: skip
    assert "Next: twin build ada-marsh" in result.output
    written = yaml.safe_load((tmp_path / "authors" / "ada-marsh.yaml").read_text())
    assert written["sources"] == [
        {"type": "folder", "path": str(folder)},
        {"type": "feed", "url": "https://ada.example/feed"},
        {"type": "sitemap", "url": "https://ada.example/sitemap.xml"},
        {"type": "web", "pages": ["https://ada.example/a", "https://ada.example/b"]},
    ]


def test_a_page_in_two_sources_of_an_author_is_one_document(site, author, store, limits):
    url = site.put("/one", page("One"))
    feed = site.put("/feed", rss(site, "one"), "application/rss+xml")
    sources = [{"type": "feed", "url": feed}, {"type": "web", "pages": [url]}]
    author = author.model_copy(update={"sources": [SourceConfig.model_validate(source) for source in sources]})
    context = SourceContext(Path(), lambda _: [], pages=store, web=limits)
    for _ in range(2):
        links = collect_links(author, context)
        assert [link.outcome for link in links] == ["found", "refused"]
        assert links[1].reason == f"it is the same page as {url}, which is collected already"


def test_of_a_page_in_two_sources_the_one_that_was_found_counts(site, author, store, limits):
    head = '<link rel="canonical" href="/one">'
    first, second = (site.put(path, page("One", head=head)) for path in ("/one", "/print"))
    put_feed(site, "one")
    sources = [{"type": "feed", "url": site.url("/feed")}, {"type": "web", "pages": [second]}]
    author = author.model_copy(update={"sources": [SourceConfig.model_validate(source) for source in sources]})
    context = SourceContext(Path(), lambda _: [], pages=store, web=limits)
    assert [link.address for link in collect_links(author, context) if link.document] == [first]
    site.put("/one", lambda _: web.Response(status=403))
    site.put("/print", page("One", "<p>An edit.</p>", head=head))
    old, new = collect_links(author, context)
    assert (old.outcome, old.document) == ("refused", None)
    assert "An edit." in new.document.text


def test_pages_that_no_source_names_any_more_are_forgotten(site, author, store, limits):
    for name in ("a", "b", "c", "d"):
        site.put(f"/{name}", page(name))
    put_feed(site, "d")
    context = SourceContext(Path(), lambda _: [], pages=store, web=limits)

    def remembered(*sources):
        named = author.model_copy(update={"sources": [SourceConfig.model_validate(source) for source in sources]})
        forget_unnamed(named, context, collect_links(named, context))
        return {name: sorted(store.pages("ann", name)) for name in store.sources_of_pages("ann")}

    feed = f"feed {site.url('/feed')}"
    lists = [{"type": "web", "pages": [site.url("/a"), site.url("/b")]}, {"type": "web", "pages": [site.url("/c")]}]
    known = remembered(*lists, {"type": "feed", "url": site.url("/feed")})
    assert known == {feed: [site.url("/d")], "web": [site.url("/a"), site.url("/b"), site.url("/c")]}
    lists[0]["pages"].pop()
    assert remembered(*lists) == {"web": [site.url("/a"), site.url("/c")]}


def test_a_build_collects_from_a_site_every_time_and_changes_only_what_changed(site, tmp_path):
    settings = Settings(
        home=tmp_path / "home",
        authors_dir=tmp_path / "authors",
        crawl_private_hosts=True,
        crawl_requests_per_second=1_000,
    )
    for name in ("one", "two"):
        site.put(f"/{name}", page(name))
    site.put("/feed", rss(site, "one", "two", "never"), "application/rss+xml")
    add("ann", "--feed", site.url("/feed"))
    with local_instance(settings) as instance:
        builder = Builder(build_defs(settings=settings), instance, settings)
        assert builder.build("ann", until="raw_documents").success
        site.put("/two", page("two", "<p>Edited.</p>"))
        assert builder.build("ann", until="raw_documents").success
        materialization = instance.get_latest_materialization_event(dg.AssetKey("raw_documents")).asset_materialization
    metadata = materialization.metadata
    assert {state: metadata[f"links_{state}"].value for state in LINK_STATES} == {
        "new": 0, "changed": 1, "unchanged": 1, "gone": 0, "refused": 0, "failed": 1,
    }  # fmt: skip
    [problem] = metadata["not_collected"].records
    assert problem.data["why"] == "the server answers 404: there is no such page"
    assert site.statuses("/one") == [200, 304]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say where the writings are: give --folder DIR, --feed URL, --sitemap URL or --page URL"),
        (["--feed", "ada.example/feed"], "'ada.example/feed' is no address of the web: write it as https://"),
        (["--folder", "/nowhere", "--feed", "https://ada.example/feed"], "/nowhere, a source of ada-marsh, is not"),
    ],
)
def test_what_cannot_be_collected_is_refused_and_no_file_written(tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        add("ada-marsh", *arguments)
    assert not (tmp_path / "authors" / "ada-marsh.yaml").exists()
