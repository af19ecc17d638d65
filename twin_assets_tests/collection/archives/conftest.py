"""Export archives in their real structure, of texts that nobody published."""

import zipfile

import pytest

from twin_assets.collection.archives.source import ArchiveSource
from twin_assets.collection.contract import SourceContext
from twin_assets.documents import Author, Consent, SourceConfig


@pytest.fixture
def make_zip(tmp_path):
    """Zip members: `make_zip({"posts.csv": "text"}, name="export.zip")`."""

    def write(members, *, name="export.zip"):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for member, content in members.items():
                packed.writestr(member, content)
        return path

    return write


@pytest.fixture
def source_of(tmp_path):
    """The source that an author file names: `source_of("x", path, replies=True)`."""

    def make(kind, path, **options):
        config = SourceConfig.model_validate({"type": kind, "path": str(path), **options})
        author = Author(slug="ann", name="Ann", consent=Consent(given_by="Ann"), sources=[config])
        return ArchiveSource.from_config(author, config, SourceContext(tmp_path, list, pages=None, web=None))

    return make


@pytest.fixture
def collect(make_zip, source_of):
    """The links of an archive with these members."""

    def links(kind, members, **options):
        return list(source_of(kind, make_zip(members), **options).collect())

    return links
