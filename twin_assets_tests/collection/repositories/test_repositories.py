"""The source of repositories, with real git: local ones, and some that a daemon on loopback serves."""

import socket
from datetime import UTC, datetime

import pytest

from twin_assets.collection.repositories import git, selection, source
from twin_assets.documents import document_id_for
from twin_assets.errors import UserError
from twin_assets_tests.collection.repositories.conftest import run_git

FILES = {"README.md": "# Tool\n\nIt helps.\n", "src/tool.py": "x = 1\r\n\ty = 'é'  \n", "LICENSE": "Free."}


def by_category(links):
    return {link.document.category: link.document for link in links if link.document}


def states(links):
    return [(link.address, link.outcome, link.reason) for link in links]


def test_code_and_readme_become_two_documents_byte_for_byte(make_repository, collect):
    folder = make_repository(FILES)
    documents = by_category(collect("served/tool"))
    code, readme = documents["repositories"], documents["articles"]
    assert code.files == {"LICENSE": "Free.", "src/tool.py": "x = 1\r\n\ty = 'é'  \n"}
    assert code.revision == run_git(folder, "rev-parse", "HEAD")
    assert code.updated_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert (code.title, code.platform, code.url) == ("tool", "git", None)
    assert (readme.text, readme.media_type, readme.revision) == (FILES["README.md"], "text/markdown", None)


def test_a_repository_elsewhere_is_known_by_its_address(make_repository, collect, daemon):
    make_repository(FILES)
    url = f"{daemon}/tool"
    documents = by_category(collect(url))
    assert documents["repositories"].document_id == document_id_for(url)
    assert documents["articles"].url == f"{url}#readme"
    assert documents["repositories"].files["src/tool.py"] == FILES["src/tool.py"]


def test_what_is_committed_counts_not_what_lies_in_the_folder(make_repository, collect):
    folder = make_repository(FILES)
    (folder / "draft.py").write_text("not committed")
    assert "draft.py" not in by_category(collect(folder))["repositories"].files


def test_only_a_new_commit_is_fetched(make_repository, collect, daemon, monkeypatch):
    make_repository({**FILES, "logo.png": b"\x89PNG\0"})
    url = f"{daemon}/tool"
    cloned = []
    real = git.clone
    monkeypatch.setattr(
        git, "clone", lambda location, *rest, **more: (cloned.append(location), real(location, *rest, **more))
    )
    first = collect(url)
    assert collect(url) == first
    assert len(cloned) == 1
    make_repository({"src/tool.py": "x = 2\n"})
    assert by_category(collect(url))["repositories"].files["src/tool.py"] == "x = 2\n"
    assert len(cloned) == 2
    assert "LICENSE" not in by_category(collect(url, exclude=["LICENSE"]))["repositories"].files


@pytest.mark.parametrize(
    ("module", "name"),
    [(selection, "MAX_FILE_BYTES"), (selection, "MAX_TOTAL_BYTES"), (source, "CODE_SUFFIXES")],
)
def test_a_repository_is_read_again_by_other_rules(make_repository, collect, monkeypatch, module, name):
    folder = make_repository(FILES)
    collect(folder)
    readings, real = [], source.read_repository
    monkeypatch.setattr(source, "read_repository", lambda *rest: (readings.append(rest), real(*rest))[1])
    collect(folder)
    assert readings == []
    old = getattr(module, name)
    monkeypatch.setattr(module, name, old + 1 if isinstance(old, int) else old | {".zig"})
    collect(folder)
    assert len(readings) == 1


def test_a_stop_between_the_two_documents_of_a_repository_loses_neither(make_repository, collect, warehouse):
    folder = make_repository(FILES)
    before = collect(folder)
    with warehouse.session() as session:
        session.forget_pages("ann", "github", [f"{folder}#readme"])
    assert collect(folder) == before


def test_a_commit_beside_the_readme_leaves_the_readme_as_it_was(make_repository, collect):
    folder = make_repository(FILES)
    before = by_category(collect(folder))
    make_repository({"src/tool.py": "x = 2\n"})
    after = by_category(collect(folder))
    assert after["articles"].content_hash == before["articles"].content_hash
    assert after["repositories"].content_hash != before["repositories"].content_hash


def test_what_is_passed_over_is_counted_in_one_link(make_repository, collect, monkeypatch):
    monkeypatch.setattr(selection, "MAX_FILE_BYTES", 1000)
    folder = make_repository(
        {
            "a.py": "x = 1\n",
            "binary.py": b"\0\1\2",
            "latin.py": "x = 'é'".encode("latin-1"),
            "large.json": "1" * 1001,
            "logo.png": b"\x89PNG",
            "poetry.lock": "a",
            "node_modules/left/pad.js": "b",
            "web/app.min.js": "c",
            ".github/workflow.yml": "d",
            "notes/own.txt": "e",
        }
    )
    found, refused = collect(folder, exclude=["notes/"])
    assert list(found.document.files) == ["a.py"]
    assert refused.outcome == "refused"
    assert refused.reason == (
        "files: 5 excluded, 1 binary, 1 larger than 1,000 bytes, 1 not UTF-8, 1 not a kind of text that is read"
    )


@pytest.mark.parametrize("allowed", ["true", "false"])
def test_a_large_file_is_not_fetched_where_the_server_can_leave_it_out(
    make_repository, collect, daemon, monkeypatch, allowed
):
    folder = make_repository({"a.py": "x = 1\n", "large.json": "1" * 5000})
    run_git(folder, "config", "uploadpack.allowFilter", allowed)
    monkeypatch.setattr(selection, "MAX_FILE_BYTES", 1000)
    monkeypatch.setattr(source, "MAX_FILE_BYTES", 1000)
    left_out, real = [], git.missing_objects

    def missing_objects(clone):
        left_out.extend(real(clone))
        return set(left_out)

    monkeypatch.setattr(git, "missing_objects", missing_objects)
    found, refused = collect(f"{daemon}/tool")
    assert list(found.document.files) == ["a.py"]
    assert refused.reason == "files: 1 larger than 1,000 bytes"
    assert len(left_out) == (1 if allowed == "true" else 0)


def test_an_exclude_can_be_taken_back(make_repository, collect):
    folder = make_repository({"build/steps.py": "x = 1\n"})
    assert [link.outcome for link in collect(folder)] == ["failed"]
    assert list(by_category(collect(folder, exclude=["!build/"]))["repositories"].files) == ["build/steps.py"]


def test_files_beyond_the_limit_in_all_are_counted(make_repository, collect, monkeypatch):
    monkeypatch.setattr(selection, "MAX_TOTAL_BYTES", 10)
    found, refused = collect(make_repository({"a.py": "x = 123\n", "b.py": "y = 1\n", "c.py": "z\n"}))
    assert list(found.document.files) == ["a.py", "c.py"]
    assert refused.reason == "files: 1 beyond 10 bytes in all"


@pytest.mark.parametrize("place", ["local", "daemon"])
def test_a_symbolic_link_out_of_the_repository_is_never_followed(make_repository, collect, tmp_path, request, place):
    (tmp_path / "secret.py").write_text("PASSWORD = 'hunter2'")
    links = {"leak.py": str(tmp_path / "secret.py"), "etc": "/etc", "inside.py": "a.py"}
    folder = make_repository({"a.py": "x = 1\n"}, links=links)
    where = folder if place == "local" else f"{request.getfixturevalue('daemon')}/tool"
    found, refused = collect(where)
    assert found.document.files == {"a.py": "x = 1\n"}
    assert refused.reason == "files: 3 symbolic link"


def test_an_empty_repository_fails_and_does_not_hide_the_others(make_repository, collect, daemon):
    make_repository({}, name="empty")
    make_repository(FILES)
    urls = [f"{daemon}/{name}" for name in ("empty", "nowhere", "tool")]
    empty, nowhere, *whole = collect(*urls)
    assert (empty.outcome, empty.reason) == ("failed", "it is empty: nothing was committed to it yet.")
    assert (nowhere.outcome, nowhere.address) == ("failed", urls[1])
    assert "git could not read it" in nowhere.reason
    assert set(by_category(whole)) == {"repositories", "articles"}
    local, gone = collect("served/empty", "served/gone")
    assert local.reason == "it is empty: nothing was committed to it yet."
    assert gone.reason.endswith("is no git repository.")


@pytest.mark.parametrize("place", ["local", "daemon"])
def test_a_repository_that_cannot_be_reached_today_stays_as_it_was(make_repository, collect, request, served, place):
    make_repository(FILES)
    url = "served/tool" if place == "local" else f"{request.getfixturevalue('daemon')}/tool"
    before = by_category(collect(url))
    (served / "tool").rename(served / "away")
    links = collect(url)
    assert [link.outcome for link in links] == ["failed", "failed"]
    assert by_category(links) == before


def test_a_repository_that_the_author_file_no_longer_names_is_forgotten(make_repository, collect, daemon, warehouse):
    make_repository(FILES, name="one")
    make_repository(FILES, name="two")
    collect(f"{daemon}/one", f"{daemon}/two")
    collect(f"{daemon}/two")
    with warehouse.session() as session:
        assert set(session.pages("ann", "github")) == {f"{daemon}/two", f"{daemon}/two#readme"}


def test_a_private_host_is_refused_unless_the_setting_allows_it(collect):
    assert states(collect("https://127.0.0.1/ann/tool", private=False)) == [
        ("https://127.0.0.1/ann/tool", "refused", "an address of a private network")
    ]


def test_a_repository_on_a_host_that_may_not_be_asked_any_more_stays_as_it_was(make_repository, collect, monkeypatch):
    folder = make_repository(FILES)
    monkeypatch.setattr(git, "remote_head", lambda *_, **__: git.local_head(str(folder)))
    monkeypatch.setattr(git, "clone", lambda _, clone, **__: run_git(folder, "clone", "--bare", str(folder), clone))
    url = "https://127.0.0.1/ann/tool"
    before = by_category(collect(url))
    links = collect(url, private=False)
    assert [link.outcome for link in links] == ["refused", "refused"]
    assert by_category(links) == before


def test_a_server_that_hangs_fails_in_time():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(UserError, match=r"git did not answer within 0\.5 seconds"):
            git.remote_head(f"git://127.0.0.1:{silent.getsockname()[1]}/tool", protocols=["git"], timeout=0.5)


def test_git_asks_by_no_other_protocol_than_it_may(make_repository, daemon, tmp_path):
    make_repository(FILES)
    with pytest.raises(UserError, match="transport 'git' not allowed"):
        git.remote_head(f"{daemon}/tool", protocols=["https"], timeout=20)
    mark = tmp_path / "owned"
    with pytest.raises(UserError, match="transport 'ext' not allowed"):
        git.remote_head(f"ext::touch {mark}", protocols=["https", "ssh", "git"], timeout=20)
    assert not mark.exists()


def test_hooks_and_filters_of_a_repository_are_not_run(make_repository, collect, tmp_path):
    folder = make_repository({"a.py": "x = 1\n", ".gitattributes": "*.py filter=evil"})
    mark = tmp_path / "owned"
    run_git(folder, "config", "filter.evil.smudge", f"touch {mark}; cat")
    run_git(folder, "config", "core.fsmonitor", f"touch {mark}")
    for hook in ("post-checkout", "reference-transaction"):
        script = folder / ".git" / "hooks" / hook
        script.write_text(f"#!/bin/sh\ntouch {mark}\n")
        script.chmod(0o755)
    mark.unlink(missing_ok=True)
    assert by_category(collect(folder))["repositories"].files == {"a.py": "x = 1\n"}
    assert not mark.exists()


def test_a_signature_is_not_checked_by_a_program_of_the_repository(make_repository, collect, tmp_path):
    folder = make_repository({"a.py": "x = 1\n"})
    mark, program = tmp_path / "owned", tmp_path / "gpg.sh"
    program.write_text(f"#!/bin/sh\ntouch {mark}\ncat >/dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\necho signature\n")
    program.chmod(0o755)
    for key, value in (("gpg.program", str(program)), ("log.showSignature", "true")):
        run_git(folder, "config", key, value)
    run_git(folder, "commit", "--quiet", "--allow-empty", "--gpg-sign", "--message", "Signed")
    mark.unlink()
    assert by_category(collect(folder))["repositories"].files == {"a.py": "x = 1\n"}
    assert not mark.exists()


def test_the_fingerprint_follows_commits_and_options_of_local_repositories_alone(make_repository, fingerprint, daemon):
    folder = make_repository(FILES)
    first = fingerprint(folder)
    assert fingerprint(folder) == first
    excluded = fingerprint(folder, exclude=["LICENSE"])
    make_repository({"src/tool.py": "x = 2\n"})
    assert len({first, excluded, fingerprint(folder)}) == 3
    assert fingerprint(folder, f"{daemon}/tool") is None


def test_a_readme_alone_is_an_article_and_no_repository(make_repository, collect):
    (link,) = collect(make_repository({"README": "A tool."}))
    assert (link.document.category, link.document.media_type) == ("articles", "text/plain")


def test_an_unknown_option_is_refused_with_the_known_ones(collect):
    with pytest.raises(UserError, match="its options are: repositories, exclude"):
        collect("tool", branch="main")
