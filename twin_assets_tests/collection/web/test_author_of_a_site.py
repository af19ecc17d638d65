"""An author whose writings lie on a site: added at the command line, and collected by the asset."""

import pytest
import yaml
from typer.testing import CliRunner

from twin_assets.cli import app
from twin_assets.errors import UserError


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
