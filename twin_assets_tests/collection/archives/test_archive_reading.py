"""Reading archives: what is hostile or broken is refused as a whole, in one sentence, and nothing is unpacked."""

import errno
import zipfile

import pytest

from twin_assets.collection.archives import reading
from twin_assets.collection.archives.reading import open_archive, text_of
from twin_assets.errors import UserError


def content_of(path):
    with open_archive(path) as archive:
        return {name: archive.read(name) for name in archive.names()}


def refusal(path):
    with pytest.raises(UserError) as caught:
        content_of(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def zip_with(path, name, *, attributes=0, content=b"text"):
    member = zipfile.ZipInfo(name)
    member.external_attr = attributes
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(member, content)
    return path


def test_a_zip_file_and_the_folder_it_was_unpacked_to_hold_the_same(make_zip, make_folder):
    members = {"posts.csv": "a", "posts/1.html": "é"}
    expected = {name: text.encode() for name, text in members.items()}
    assert content_of(make_zip(members)) == content_of(make_folder(members)) == expected


@pytest.mark.parametrize(
    "name", ["../outside.txt", "posts/../../outside.txt", "/etc/passwd", "C:/outside.txt", "posts\\..\\outside.txt"]
)
def test_a_member_that_leads_out_of_the_archive_is_refused(tmp_path, name):
    path = zip_with(tmp_path / "export.zip", name)
    assert f"export.zip: the member {name!r} leads out of the archive" in refusal(path)
    assert [file.name for file in tmp_path.iterdir()] == ["export.zip"]


def test_a_symbolic_link_is_refused_zipped_or_not(tmp_path, make_folder):
    path = zip_with(tmp_path / "export.zip", "posts.csv", attributes=0o120777 << 16, content=b"/etc/passwd")
    assert "'posts.csv' is a symbolic link" in refusal(path)
    folder = make_folder({"posts.csv": "a"})
    (folder / "secret.html").symlink_to("/etc/passwd")
    assert "secret.html is a symbolic link" in refusal(folder)


def test_an_encrypted_member_is_refused(make_zip):
    path = make_zip({"posts.csv": "a"})
    packed = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(signature) + flags] |= 1
    path.write_bytes(packed)
    assert "'posts.csv' is encrypted" in refusal(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_cannot_be_measured_while_unpacking_is_refused(tmp_path, compression):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", compression) as packed:
        packed.writestr("posts.csv", "a" * 10_000_000)
    assert "packed in a way that no export uses" in refusal(path)


def test_two_members_of_one_name_are_refused(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("posts.csv", "a")
        with pytest.warns(UserWarning, match="Duplicate"):
            packed.writestr("posts.csv", "b")
    assert "two members named 'posts.csv'" in refusal(path)


def test_a_zip_bomb_is_refused_after_a_little_of_it(make_zip):
    path = make_zip({"posts.csv": b"\0" * 50_000_000})
    assert path.stat().st_size < 100_000
    with open_archive(path) as archive:
        with pytest.raises(UserError, match=r"posts\.csv unpacks to more than 100 times its size"):
            archive.read("posts.csv")
        assert archive._total < 10_000_000


def test_a_zip_bomb_that_lies_about_its_size_is_refused_all_the_same(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("posts.csv", b"\0" * 50_000_000)
        packed.fp.write(b"padding." * 250_000)
        packed.start_dir = packed.fp.tell()
        # The directory counts the padding as a part of the member, so that its stated ratio is 25.
        packed.getinfo("posts.csv").compress_size += 2_000_000
    with zipfile.ZipFile(path) as stated:
        assert stated.getinfo("posts.csv").file_size / stated.getinfo("posts.csv").compress_size < 25
    assert "unpacks to more than 100 times its size" in refusal(path)


def test_repetitive_text_of_the_usual_kind_is_no_bomb(make_zip):
    text = "".join(f'{{"id": {n}, "text": "The same words again and again, number {n}."}}\n' for n in range(20_000))
    assert content_of(make_zip({"outbox.json": text})) == {"outbox.json": text.encode()}


def test_limits_count_for_one_member_for_all_and_for_their_number(make_zip, make_folder, monkeypatch):
    members = {"a.csv": "abcdef", "b.csv": "ghijkl"}
    for path in (make_zip(members), make_folder(members)):
        monkeypatch.setattr(reading, "MAX_MEMBER_BYTES", 5)
        assert "a.csv is longer than 5 bytes" in refusal(path)
        monkeypatch.setattr(reading, "MAX_MEMBER_BYTES", 6)
        monkeypatch.setattr(reading, "MAX_TOTAL_BYTES", 11)
        assert "more than 11 bytes of text" in refusal(path)
        monkeypatch.setattr(reading, "MAX_TOTAL_BYTES", 12)
        assert len(content_of(path)) == 2
        monkeypatch.setattr(reading, "MAX_MEMBERS", 1)
        assert "more than 1 members" in refusal(path)
        monkeypatch.setattr(reading, "MAX_MEMBERS", 2)


def test_a_truncated_zip_and_a_file_that_is_none_are_refused(make_zip, tmp_path):
    path = make_zip({"posts.csv": "a,b\n" * 1000})
    path.write_bytes(path.read_bytes()[:-30])
    assert "is no zip file, or is damaged (File is not a zip file): download the export again" in refusal(path)
    (tmp_path / "note.zip").write_text("Dear diary")
    assert "is no zip file" in refusal(tmp_path / "note.zip")
    (tmp_path / "export.tar.gz").write_bytes(b"\x1f\x8b\x08rest")
    assert "is a tar.gz file: unpack it, and let `path` name the folder" in refusal(tmp_path / "export.tar.gz")
    assert "nowhere.zip is missing" in refusal(tmp_path / "nowhere.zip")


def test_a_damaged_member_is_refused(tmp_path):
    path = zip_with(tmp_path / "export.zip", "posts.csv", content=b"Every word counts.")
    path.write_bytes(path.read_bytes().replace(b"Every word", b"Every cord"))
    assert "is damaged (Bad CRC-32 for file 'posts.csv')" in refusal(path)


def test_a_zip_that_lost_a_piece_and_one_with_a_damaged_name_are_refused(make_zip):
    path = make_zip({"posts é.csv": "a,b\n", "notes.csv": "c,d\n"})
    whole, name = path.read_bytes(), "é".encode()
    # By what the directory says, the first member now begins before the file does.
    path.write_bytes(whole[:30] + whole[40:])
    assert "is damaged ([Errno 22] Invalid argument): download the export again" in refusal(path)
    for place in (whole.index(name), whole.rindex(name)):
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        assert "is damaged ('utf-8' codec can't decode byte 0xff" in refusal(path)


def test_a_disk_that_fails_is_not_called_a_damaged_export(make_zip, monkeypatch):
    def fail(file, size=None):
        raise OSError(errno.EIO, "Input/output error")

    path = make_zip({"posts.csv": "a,b\n"})
    monkeypatch.setattr(reading._CountingFile, "read", fail)
    assert refusal(path) == f"{path} cannot be read (Input/output error): mend that first."


def test_a_member_that_is_not_utf_8_is_refused_with_the_place(make_zip):
    path = make_zip({"a.csv": "Zoë".encode("latin-1")})
    with open_archive(path) as archive, pytest.raises(UserError, match=r"a\.csv is not UTF-8 \(byte 2\)"):
        text_of(archive, "a.csv")
