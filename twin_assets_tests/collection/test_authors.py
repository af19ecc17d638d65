"""Author files: read, written, looked up, and refused in one sentence that says where the fault is."""

import pytest

from twin_assets.collection.authors import author_slugs, load_author, load_authors, parse_author, write_author
from twin_assets.documents import Author, Consent, SourceConfig
from twin_assets.errors import UserError

GOOD = """\
name: Ann Lee
consent:
  given_by: Ann Lee
sources:
  - type: folder
    path: writings
    category: posts
"""


@pytest.fixture
def authors_dir(make_folder):
    return make_folder({"ann-lee.yaml": GOOD, "bob.yaml": GOOD.replace("Ann Lee", "Bob")}, name="authors")


def refusal(content, make_folder):
    folder = make_folder({"ann.yaml": content}, name="authors")
    with pytest.raises(UserError) as caught:
        parse_author(folder / "ann.yaml")
    message = str(caught.value)
    assert str(folder / "ann.yaml") in message
    assert "\n" not in message
    return message


def test_an_author_is_read_with_the_options_of_its_sources(authors_dir):
    author = load_author(authors_dir, "ann-lee")
    assert (author.slug, author.name, author.consent.given_by) == ("ann-lee", "Ann Lee", "Ann Lee")
    assert author.sources[0].model_extra == {"path": "writings", "category": "posts"}


def test_all_authors_are_listed_by_slug_and_what_is_not_an_author_file_is_passed_over(authors_dir):
    (authors_dir / "README.md").write_text("notes")
    (authors_dir / ".#ann-lee.yaml").write_text("lock of an editor")
    (authors_dir / "cy.yaml.partial").write_text("name:")
    assert author_slugs(authors_dir) == ["ann-lee", "bob"]
    assert [author.name for author in load_authors(authors_dir)] == ["Ann Lee", "Bob"]


def test_a_missing_folder_holds_no_author(tmp_path):
    assert author_slugs(tmp_path / "nowhere") == []
    assert load_authors(tmp_path / "nowhere") == []
    with pytest.raises(UserError, match="twin author add"):
        load_author(tmp_path / "nowhere", "ann")


def test_an_unknown_author_gets_the_nearest_one_suggested(authors_dir):
    with pytest.raises(UserError, match=r"There is no author 'ann-le'\. Did you mean 'ann-lee'\?"):
        load_author(authors_dir, "ann-le")


def test_an_author_like_nobody_gets_the_known_ones_listed(authors_dir):
    with pytest.raises(UserError, match=r"There is no author 'zzz'\. Known are: ann-lee, bob\."):
        load_author(authors_dir, "zzz")


@pytest.mark.parametrize("slug", ["Ann", "../ann-lee", "ann lee", ""])
def test_an_invalid_slug_is_refused_before_any_file_is_looked_for(authors_dir, slug):
    with pytest.raises(UserError, match="not a valid author slug"):
        load_author(authors_dir, slug)


def test_malformed_yaml_is_refused_with_file_and_line(make_folder):
    assert "line 4: not valid YAML" in refusal("name: Ann\nconsent:\n  given_by: [Ann\nsources: []\n", make_folder)
    assert "line 2: not valid YAML" in refusal("name: Ann\nconsent: given_by: Ann\n", make_folder)


def test_a_tab_and_an_impossible_date_are_refused_as_well(make_folder):
    assert "line 2: not valid YAML" in refusal("consent:\n\tgiven_by: Ann\n", make_folder)
    assert "day is out of range for month: put a date in quotes" in refusal("name: 2026-02-30\n", make_folder)


def test_a_file_that_is_not_utf_8_is_refused_with_the_place(make_folder):
    assert "not UTF-8 (byte 8): save it as UTF-8" in refusal("name: Zoë\n".encode("latin-1"), make_folder)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "holds the keys name, sources and consent"),
        ("- name\n", "holds the keys name, sources and consent"),
        ("slug: bob\n" + GOOD, "its name is the slug"),
        (GOOD.replace("name: Ann Lee\n", ""), "name: Field required"),
        (GOOD.replace("consent:\n  given_by: Ann Lee\n", ""), "consent: Field required"),
        (GOOD.replace("given_by: Ann Lee", "given_by: ''"), "consent.given_by"),
        (GOOD.replace("type: folder", "kind: folder"), "sources.0.type: Field required"),
        (GOOD + "colour: red\n", "colour"),
    ],
)
def test_a_missing_or_unknown_field_is_named(make_folder, content, fault):
    assert fault in refusal(content, make_folder)


def test_a_file_whose_name_is_no_slug_is_refused_by_name(make_folder):
    folder = make_folder({"Ann Lee.yaml": GOOD}, name="authors")
    with pytest.raises(UserError, match="'Ann Lee' is not a valid author slug"):
        load_authors(folder)


def test_what_is_written_is_read_back(tmp_path):
    author = Author(
        slug="zoe",
        name="Zoë: 'quoted' & more",
        consent=Consent(given_by="Zoë", note="by letter"),
        sources=[SourceConfig.model_validate({"type": "folder", "path": "/writings"}), SourceConfig(type="import")],
    )
    path = write_author(tmp_path / "people", author)
    assert path == tmp_path / "people" / "zoe.yaml"
    assert load_author(tmp_path / "people", "zoe") == author
    assert [file.name for file in (tmp_path / "people").iterdir()] == ["zoe.yaml"]


def test_an_author_who_exists_is_not_overwritten(authors_dir):
    author = load_author(authors_dir, "bob").model_copy(update={"slug": "ann-lee"})
    with pytest.raises(UserError, match="ann-lee exists already"):
        write_author(authors_dir, author)
    assert (authors_dir / "ann-lee.yaml").read_text() == GOOD


def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(authors_dir):
    author = load_author(authors_dir, "bob").model_copy(update={"slug": "cy"})
    with pytest.raises(UserError, match=r"cy\.yaml cannot be written \(File exists\)"):
        write_author(authors_dir / "bob.yaml", author)
