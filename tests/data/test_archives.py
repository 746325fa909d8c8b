import errno
import io
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib

import pytest
from runs import write_program

from labkit.data.archives import SPARE, ArchiveError, unpack

FILES = {"set/one/a.avi": b"a" * 1000, "set/one/b.avi": b"", "set/two/ü c.avi": b"c"}


def zip_of(path, files, mode=0):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def tar_of(path, files, **attributes):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.addfile(info, io.BytesIO(content))
    return path


def rar_of(path, files, mode=stat.S_IFREG | 0o644):
    """A RAR archive, format 4, nothing compressed: blocks of a checksum, a kind, flags, their length, and more."""

    def block(kind, flags, rest):
        inner = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
        return struct.pack("<H", zlib.crc32(inner) & 0xFFFF) + inner

    data = b"Rar!\x1a\x07\x00" + block(0x73, 0, bytes(6))
    for name, content in files.items():
        encoded, size = name.encode(), len(content)
        numbers = struct.pack("<IIBIIBBHI", size, size, 3, zlib.crc32(content), 0x21, 20, 0x30, len(encoded), mode)
        data += block(0x74, 0x8000, numbers + encoded) + content
    path.write_bytes(data + block(0x7B, 0x4000, b""))
    return path


needs_bsdtar = pytest.mark.skipif(not shutil.which("bsdtar"), reason="no bsdtar: apt-get install libarchive-tools")
makers = pytest.mark.parametrize("make", [zip_of, tar_of, pytest.param(rar_of, marks=needs_bsdtar)])


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def new_folder(tmp_path):
    folder = tmp_path / "deep" / "new"
    folder.mkdir(parents=True)
    return folder


@makers
def test_archives_unpack_without_their_single_folder(make, tmp_path):
    files = FILES if make is not rar_of else {name.replace("ü", "u"): content for name, content in FILES.items()}
    folder = new_folder(tmp_path)
    unpack(make(tmp_path / "an.archive", files), folder)
    assert contents(folder) == {name.removeprefix("set/"): content for name, content in files.items()}


@makers
@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "/tmp/evil-labkit", "a\\..\\..\\evil", "C:evil"])
def test_names_that_lead_out_are_refused_unwritten(make, name, tmp_path):
    if make is rar_of and "\\" in name:
        pytest.skip("in a RAR the backslash separates")
    folder = new_folder(tmp_path)
    archive = make(tmp_path / "an.archive", {"good": b"1", name: b"2"})
    before = contents(tmp_path)
    with pytest.raises(ArchiveError, match=r"expected files and folders inside it; got .*not used"):
        unpack(archive, folder)
    assert contents(tmp_path) == before
    assert not os.path.exists("/tmp/evil-labkit")


@pytest.mark.parametrize(
    ("make", "attributes"),
    [
        (zip_of, {"mode": stat.S_IFLNK | 0o777}),
        (tar_of, {"type": tarfile.SYMTYPE, "linkname": "/tmp", "size": 0}),
        (tar_of, {"type": tarfile.SYMTYPE, "linkname": ".", "size": 0}),
        (tar_of, {"type": tarfile.LNKTYPE, "linkname": "../../secret", "size": 0}),
        (tar_of, {"type": tarfile.FIFOTYPE, "size": 0}),
        pytest.param(rar_of, {"mode": stat.S_IFLNK | 0o777}, marks=needs_bsdtar),
    ],
)
def test_links_and_devices_are_refused(make, attributes, tmp_path):
    folder = new_folder(tmp_path)
    with pytest.raises(ArchiveError, match=r"got 'set.*, a link or device.*: not used"):
        unpack(make(tmp_path / "an.archive", {"set": b"/tmp"}, **attributes), folder)
    assert contents(folder) == {}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_comes_twice_is_refused_and_a_folder_is_not(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar, zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        for name in ("set/", "set/", "set/a", "set/a"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            tar.addfile(info)
            zipped.writestr(name, "")
    for archive in ("a.tar", "a.zip"):
        folder = new_folder(tmp_path / archive.replace(".", "_"))
        with pytest.raises(ArchiveError, match="got 'set/a', twice: not used"):
            unpack(tmp_path / archive, folder)
        assert contents(folder) == {}
    with tarfile.open(tmp_path / "folders.tar", "w") as tar:
        for _ in range(2):
            info = tarfile.TarInfo("set")
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
    unpack(tmp_path / "folders.tar", new_folder(tmp_path / "folders"))


@pytest.mark.parametrize("make", [zip_of, tar_of])
@pytest.mark.parametrize("place", [3000, 9000])
def test_damage_is_found(make, place, tmp_path):
    path = make(tmp_path / "an.archive", {"a": os.urandom(5000), "b": os.urandom(5000)})
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"an.archive: expected a"):
        unpack(path, new_folder(tmp_path))


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_damage_of_every_kind_of_tar_names_the_file(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar", f"w:{kind}") as tar:
        for number in range(30):
            info = tarfile.TarInfo(f"{number}")
            info.size = 50_000
            tar.addfile(info, io.BytesIO(os.urandom(50_000)))
    data = bytearray((tmp_path / "a.tar").read_bytes())
    data[1_200_000] ^= 1
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"/a.tar: expected a whole archive; got .*: delete it, fetch it again"):
        unpack(tmp_path / "a.tar", new_folder(tmp_path))


def test_an_error_of_the_disk_is_no_damage(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tar_of(tmp_path / "a.tar", {"a": b"1"})
    monkeypatch.setattr(tarfile.TarFile, "extract", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        unpack(path, new_folder(tmp_path))
    assert caught.value.errno == errno.ENOSPC


@needs_bsdtar
def test_damage_in_the_header_of_a_rar_is_found(tmp_path):
    path = rar_of(tmp_path / "a.rar", {"a": b"1", "b": b"2"})
    path.write_bytes(path.read_bytes().replace(b"b", b"c"))
    with pytest.raises(ArchiveError, match=r"a.rar: expected a RAR archive that unpacks; got bsdtar: exit 1"):
        unpack(path, new_folder(tmp_path))


@makers
def test_a_cut_archive_is_found(make, tmp_path):
    path = make(tmp_path / "an.archive", {"a": os.urandom(5000), "b": os.urandom(5000)})
    path.write_bytes(path.read_bytes()[:7000])
    with pytest.raises(ArchiveError, match=r"an.archive: expected a"):
        unpack(path, new_folder(tmp_path))


def test_anything_else_is_not_an_archive(tmp_path):
    (tmp_path / "a.rar").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(ArchiveError, match=r"expected a zip, tar or RAR archive; got b'<!DOCTYP'...: fetch it again"):
        unpack(tmp_path / "a.rar", new_folder(tmp_path))


def test_a_bomb_meets_the_size_of_the_disk(tmp_path, monkeypatch):
    path = zip_of(tmp_path / "a.zip", {"a": bytes(10**6)})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, SPARE + 999_999))
    with pytest.raises(OSError, match=r"a.zip: expected 0.27 GB free"):
        unpack(path, new_folder(tmp_path))


def test_rar_without_a_tool_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArchiveError, match=r"got none of bsdtar, unrar, 7zz, 7z: install libarchive's bsdtar"):
        unpack(rar_of(tmp_path / "a.rar", {"a": b"1"}), new_folder(tmp_path))


GOOD = "(target / 'set').mkdir(); (target / 'set/a - b.avi').write_bytes(b'12345')"
NEVER = "raise SystemExit('must not run')"


def fake_tool(folder, name, names, extraction=GOOD):
    """A stand-in for a program: lists names as it does, or runs Python to extract."""
    listing = "".join(f"Path = {path}\nSize = 5\n\n" for path in names) if name[0] == "7" else "\n".join(names)
    code = f"""
import sys
from pathlib import Path
if sys.argv[2] in ("-tf", "lb", "l"):
    print({listing!r})
else:
    target = next((Path(a[2:]) for a in sys.argv if a.startswith("-o/")), Path(sys.argv[-1]))
    print("unpacking")
    {extraction}
"""
    folder.mkdir(exist_ok=True)
    write_program(folder / name, code)


@pytest.mark.parametrize("name", ["bsdtar", "unrar", "7zz", "7z"])
def test_each_program_is_used(tmp_path, monkeypatch, name):
    fake_tool(tmp_path / "tools", name, ["set", "set/a - b.avi"])
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    folder = new_folder(tmp_path)
    unpack(rar_of(tmp_path / "a file.rar", {"a": b"1"}), folder)
    assert contents(folder) == {"a - b.avi": b"12345"}


@pytest.mark.parametrize(
    ("name", "names", "extraction", "message"),
    [
        ("bsdtar", ["set", "set/a", "set/a"], NEVER, "got 'set/a', twice: not used"),
        ("unrar", ["set", "../a - b.avi"], NEVER, "got '../a - b.avi', a name that leads out: not used"),
        ("7z", ["set", "../a - b.avi"], NEVER, "got '../a - b.avi', a name that leads out: not used"),
        ("bsdtar", ["set"], "(target / 'set').symlink_to('/tmp')", "got 'set', a link or device: not used"),
        ("unrar", ["set"], "raise SystemExit('no way')", "got unrar: exit 1, unpacking no way: install another of bsd"),
        ("7zz", [], NEVER, "got 7zz: lists nothing"),
        ("7z", ["set", "set/a - b.avi"], "pass", "got 7z: unpacked 0 of 2 files and folders"),
    ],
)
def test_each_program_is_watched(tmp_path, monkeypatch, name, names, extraction, message):
    fake_tool(tmp_path / "tools", name, names, extraction)
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    with pytest.raises(ArchiveError, match=message):
        unpack(rar_of(tmp_path / "a file.rar", {"a": b"1"}), new_folder(tmp_path))


def test_what_one_program_cannot_read_the_next_may(tmp_path, monkeypatch):
    fake_tool(tmp_path / "tools", "unrar", ["set"], "(target / 'half').write_bytes(b'1'); raise SystemExit(3)")
    fake_tool(tmp_path / "tools", "7z", ["set", "set/a - b.avi"])
    monkeypatch.setenv("PATH", str(tmp_path / "tools"))
    folder = new_folder(tmp_path)
    unpack(rar_of(tmp_path / "a.rar", {"a": b"1"}), folder)
    assert contents(folder) == {"a - b.avi": b"12345"}
