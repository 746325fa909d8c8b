import http.server
import io
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
import zlib
from hashlib import sha256

import pytest
from runs import write_program

from labkit.data import download as module
from labkit.data.download import ArchiveError, DownloadError, download, install, unpack, whole_folder
from labkit.data.jobs import JobsError, locked

BODY = bytes(range(256)) * 4096  # 1 MiB
HASH = sha256(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """A server of one file, which can be told to misbehave; it notes what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.etag, self.modified = BODY, '"one"', None
        self.ranges = True  # whether it knows ranges
        self.length = "length"  # how the end of the body is told: "length", "chunked" or "close"
        self.content_type = "application/octet-stream"
        self.cuts, self.statuses = [], []  # for each coming request: bytes to send at most; a status instead
        self.content_range = None  # a false one
        self.asked = []  # the Range and If-Range of each request

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/a.bin"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        wanted, condition = self.headers["Range"], self.headers["If-Range"]
        server.asked.append((wanted, condition))
        if server.statuses and (status := server.statuses.pop(0)):
            return self.send_error(status)
        start = 0
        if wanted and server.ranges and condition in (server.etag, server.modified):
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        if start >= len(server.body):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", server.content_type)
        for name, value in (("ETag", server.etag), ("Last-Modified", server.modified)):
            if value:
                self.send_header(name, value)
        if start:
            honest = f"bytes {start}-{len(server.body) - 1}/{len(server.body)}"
            self.send_header("Content-Range", server.content_range or honest)
        body = server.body[start:]
        cut = server.cuts.pop(0) if server.cuts else None
        if server.length == "length":
            self.send_header("Content-Length", len(body))
        elif server.length == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        self.end_headers()
        self.wfile.write(body[:cut])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def fetch(server, path, **options):
    return download(server.url, path, pause=0.001, **options)


# Downloading.


def test_a_file_arrives_and_its_hash_is_recorded_as_sha256sum_reads_it(server, tmp_path):
    path = tmp_path / "archives" / "a.bin"
    assert fetch(server, path) == HASH
    assert path.read_bytes() == BODY
    assert (tmp_path / "archives/a.bin.sha256").read_text() == f"{HASH}  a.bin\n"
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["a.bin", "a.bin.sha256"]
    assert subprocess.run(["sha256sum", "-c", "a.bin.sha256"], cwd=path.parent, capture_output=True).returncode == 0


def test_a_file_that_is_there_is_not_fetched_again(server, tmp_path):
    path = tmp_path / "a.bin"
    fetch(server, path)
    assert fetch(server, path, sha256=HASH.upper()) == HASH
    assert len(server.asked) == 1


def test_an_interrupted_download_goes_on_where_it_was(server, tmp_path):
    server.cuts = [300_000, 500_000]
    assert fetch(server, tmp_path / "a.bin") == HASH
    assert server.asked == [(None, None), ("bytes=300000-", '"one"'), ("bytes=800000-", '"one"')]


def test_the_next_run_goes_on_as_well(server, tmp_path):
    server.cuts, server.statuses = [300_000], [None, 404]
    with pytest.raises(
        DownloadError, match=r"expected the file a.bin; got HTTP 404 Not Found: try again, name another"
    ):
        fetch(server, tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin.part").stat().st_size == 300_000
    assert fetch(server, tmp_path / "a.bin") == HASH
    assert server.asked[-1] == ("bytes=300000-", '"one"')


def test_a_killed_process_loses_nothing_that_arrived(server, tmp_path):
    server.cuts, hang = [700_000], threading.Event()
    code = "import sys; from pathlib import Path; from labkit.data.download import download; "
    code += "download(sys.argv[1], Path('a.bin'))"
    original = Handler.send_error
    Handler.send_error = lambda self, *_: hang.wait(60)  # the second request gets no answer
    server.statuses = [None, 500]
    process = subprocess.Popen([sys.executable, "-c", code, server.url], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        while len(server.asked) < 2:
            time.sleep(0.02)
            assert process.poll() is None
        process.kill()
        process.wait()
    finally:
        Handler.send_error = original
        hang.set()
    assert (tmp_path / "a.bin.part").stat().st_size == 700_000
    assert fetch(server, tmp_path / "a.bin") == HASH
    assert server.asked[2:] == [("bytes=700000-", '"one"')]


def test_the_date_serves_where_the_etag_is_weak(server, tmp_path):
    server.etag, server.modified = 'W/"one"', "Tue, 01 Oct 2013 10:00:00 GMT"
    server.cuts = [300_000]
    assert fetch(server, tmp_path / "a.bin") == HASH
    assert server.asked[1] == ("bytes=300000-", "Tue, 01 Oct 2013 10:00:00 GMT")


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(server, tmp_path):
    server.cuts, server.statuses = [300_000], [None, 404]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path / "a.bin")
    server.body, server.etag = BODY[::-1], '"two"'
    assert fetch(server, tmp_path / "a.bin") == sha256(BODY[::-1]).hexdigest()


@pytest.mark.parametrize("lacks", ["ranges", "etag"])
def test_without_ranges_or_validator_it_starts_again(server, tmp_path, lacks):
    setattr(server, lacks, None)
    server.cuts = [300_000, 900_000]
    assert fetch(server, tmp_path / "a.bin") == HASH
    assert len(server.asked) == 3
    assert (server.asked[1][0] is None) == (lacks == "etag")


def test_bytes_of_another_source_are_not_mixed_in(server, tmp_path):
    server.cuts, server.statuses = [300_000], [None, 404]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path / "a.bin")
    assert download(server.url + "?mirror", tmp_path / "a.bin") == HASH
    assert server.asked[-1] == (None, None)


@pytest.mark.parametrize("content_range", ["bytes 0-1048575/1048576", "bytes 300000-1048575/1048577", "nonsense"])
def test_another_range_than_asked_is_not_taken(server, tmp_path, content_range):
    server.content_range, server.cuts = content_range, [300_000]
    assert fetch(server, tmp_path / "a.bin") == HASH
    assert server.asked[2] == (None, None)


def test_a_range_that_nobody_asked_for_is_not_taken(server, tmp_path, monkeypatch):
    answers = iter([206])
    monkeypatch.setattr(Handler, "send_response", lambda self, status: original(self, next(answers, status)))
    original = http.server.BaseHTTPRequestHandler.send_response
    assert fetch(server, tmp_path / "a.bin") == HASH
    assert len(server.asked) == 2


def test_a_part_longer_than_the_file_is_dropped(server, tmp_path):
    server.cuts, server.statuses = [300_000], [None, 404]
    with pytest.raises(DownloadError):
        fetch(server, tmp_path / "a.bin")
    (tmp_path / "a.bin.part").write_bytes(bytes(2_000_000))
    assert fetch(server, tmp_path / "a.bin") == HASH  # the server answers 416


def test_servers_that_are_busy_are_asked_again(server, tmp_path):
    server.statuses = [503, 500, 429]
    assert fetch(server, tmp_path / "a.bin") == HASH


def test_patience_ends_only_where_nothing_arrives(server, tmp_path):
    server.cuts = [100_000] * 8
    assert fetch(server, tmp_path / "a.bin", patience=2) == HASH  # each attempt brings something
    server.cuts = [0] * 9
    with pytest.raises(DownloadError, match=r"ended after 0 of 1048576 bytes, 2 times in a row; 0 bytes are kept in"):
        fetch(server, tmp_path / "b.bin", patience=2)


def test_no_server_is_an_error_in_the_end(tmp_path):
    with pytest.raises(DownloadError, match=r"ConnectionRefusedError.*2 times in a row"):
        download("http://127.0.0.1:9/a.bin", tmp_path / "a.bin", patience=2, pause=0.001)


def test_a_wrong_hash_is_told_and_nothing_is_lost(server, tmp_path):
    path = tmp_path / "a.bin"
    with pytest.raises(
        DownloadError, match=rf"expected SHA-256 {'0' * 64}; got {HASH}: correct the hash and run again"
    ):
        fetch(server, path, sha256="0" * 64)
    assert not path.exists()
    assert fetch(server, path, sha256=HASH) == HASH
    assert len(server.asked) == 1


@pytest.mark.parametrize("given", [None, HASH])
def test_a_file_damaged_later_is_found(server, tmp_path, given):
    path = tmp_path / "a.bin"
    fetch(server, path)
    path.write_bytes(BODY[:-1] + b"x")
    with pytest.raises(DownloadError, match=rf"a.bin: expected SHA-256 {HASH}; got .* delete it"):
        fetch(server, path, sha256=given)


def test_a_file_brought_by_hand_is_taken_and_recorded(tmp_path):
    (tmp_path / "a.bin").write_bytes(BODY)
    assert download("http://no.such.server/", tmp_path / "a.bin") == HASH
    assert HASH in (tmp_path / "a.bin.sha256").read_text()


def test_an_unknown_length_needs_a_hash(server, tmp_path):
    server.length = "close"
    with pytest.raises(DownloadError, match="unknown length, so that a cut would go unnoticed; pass its SHA-256"):
        fetch(server, tmp_path / "a.bin")
    assert fetch(server, tmp_path / "a.bin", sha256=HASH) == HASH


def test_chunks_tell_their_end(server, tmp_path):
    server.length, server.cuts = "chunked", [300_000]
    assert fetch(server, tmp_path / "a.bin") == HASH


def test_a_web_page_is_not_an_archive(server, tmp_path):
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match="got a web page"):
        fetch(server, tmp_path / "a.bin")


def test_only_the_web_is_a_source(tmp_path):
    with pytest.raises(DownloadError, match=r"url must start with http:// or https://; got 'file:///etc/passwd'"):
        download("file:///etc/passwd", tmp_path / "a.bin")


def test_a_full_disk_is_told_before_the_first_byte(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 0))
    with pytest.raises(OSError, match=r"a.bin: expected 0.27 GB free on the disk of .*; got 0.00 GB: make room"):
        fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin.part").stat().st_size == 0


def test_two_downloads_of_one_file_do_not_mix(server, tmp_path):
    (tmp_path / "a.bin.part").touch()
    with locked(tmp_path / "a.bin.part"), pytest.raises(JobsError, match="expected no other run"):
        fetch(server, tmp_path / "a.bin")


# Archives.

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
def test_several_entries_stay_side_by_side(make, tmp_path):
    folder = new_folder(tmp_path)
    unpack(make(tmp_path / "an.archive", {"a": b"1", "b/c": b"2"}), folder)
    assert contents(folder) == {"a": b"1", "b/c": b"2"}


@makers
@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "/tmp/evil-labkit", "a\\..\\..\\evil", "C:evil"])
def test_names_that_lead_out_are_refused_unwritten(make, name, tmp_path):
    if make is rar_of and "\\" in name:
        pytest.skip("in a RAR the backslash separates")
    folder = new_folder(tmp_path)
    archive = make(tmp_path / "an.archive", {"good": b"1", name: b"2"})
    before = contents(tmp_path)
    with pytest.raises(ArchiveError, match=r"expected files and folders inside it; got .*nothing was unpacked"):
        unpack(archive, folder)
    assert contents(tmp_path) == before
    assert not os.path.exists("/tmp/evil-labkit")


@pytest.mark.parametrize(
    ("make", "attributes"),
    [
        (zip_of, {"mode": stat.S_IFLNK | 0o777}),
        (tar_of, {"type": tarfile.SYMTYPE, "linkname": "/tmp", "size": 0}),
        (tar_of, {"type": tarfile.LNKTYPE, "linkname": "../../secret", "size": 0}),
        (tar_of, {"type": tarfile.FIFOTYPE, "size": 0}),
        (tar_of, {"type": tarfile.CHRTYPE, "size": 0}),
        pytest.param(rar_of, {"mode": stat.S_IFLNK | 0o777}, marks=needs_bsdtar),
    ],
)
def test_links_and_devices_are_refused(make, attributes, tmp_path):
    folder = new_folder(tmp_path)
    with pytest.raises(ArchiveError, match=r"got 'set.*, a link or device: nothing was unpacked"):
        unpack(make(tmp_path / "an.archive", {"set": b"/tmp"}, **attributes), folder)
    assert contents(folder) == {}


def test_a_name_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", "2")
    with pytest.raises(ArchiveError, match="got 'a', twice"):
        unpack(tmp_path / "a.zip", new_folder(tmp_path))


@pytest.mark.parametrize("make", [zip_of, tar_of])
@pytest.mark.parametrize("place", [3000, 9000])
def test_damage_is_found(make, place, tmp_path):
    path = make(tmp_path / "an.archive", {"a": os.urandom(5000), "b": os.urandom(5000)})
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"an.archive: expected a"):
        unpack(path, new_folder(tmp_path))


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
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, module.SPARE + 999_999))
    with pytest.raises(OSError, match=r"a.zip: expected 0.27 GB free"):
        unpack(path, new_folder(tmp_path))


def test_rar_without_a_tool_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArchiveError, match=r"got none of bsdtar, unrar, 7zz, 7z: install libarchive's bsdtar"):
        unpack(rar_of(tmp_path / "a.rar", {"a": b"1"}), new_folder(tmp_path))


UNRAR = """
Archive: a.rar
Details: RAR 4

        Name: set
        Type: Directory
       mtime: 2013-10-01 10:00:00,000000000

        Name: set/a - b.avi
        Type: File
        Size: 5
 Packed size: 5

"""
SEVEN = """Path = set
Folder = +
Size = 0
Attributes = D drwxr-xr-x

Path = set/a - b.avi
Folder = -
Size = 5
Attributes = A -rw-r--r--

"""


def fake_tool(folder, name, listing, extraction):
    """A program that prints a list and runs Python to extract; its last argument, or -oFOLDER, is the folder."""
    code = f"""
import sys
from pathlib import Path
if sys.argv[2] in ("lt", "l"):
    print({listing!r})
else:
    target = next((Path(a[2:]) for a in sys.argv if a.startswith("-o/")), Path(sys.argv[-1]))
    {extraction}
"""
    write_program(folder / name, code)


GOOD = "(target / 'set').mkdir(); (target / 'set/a - b.avi').write_bytes(b'12345')"


@pytest.mark.parametrize(("name", "listing"), [("unrar", UNRAR), ("7zz", SEVEN), ("7z", SEVEN)])
class TestOtherTools:
    """What the commands and lists of unrar and 7-Zip look like; the programs are stand-ins."""

    def unpack(self, tmp_path, monkeypatch, name, listing, extraction=GOOD):
        tools = tmp_path / "tools"
        tools.mkdir()
        fake_tool(tools, name, listing, extraction)
        monkeypatch.setenv("PATH", str(tools))
        folder = new_folder(tmp_path)
        unpack(rar_of(tmp_path / "a.rar", {"a": b"1"}), folder)
        return contents(folder)

    def test_they_are_used(self, tmp_path, monkeypatch, name, listing):
        assert self.unpack(tmp_path, monkeypatch, name, listing) == {"a - b.avi": b"12345"}

    def test_names_that_lead_out_are_refused(self, tmp_path, monkeypatch, name, listing):
        bad = listing.replace("set/a - b.avi", "../a - b.avi")
        with pytest.raises(ArchiveError, match=r"got '../a - b.avi', a name that leads out: nothing was unpacked"):
            self.unpack(tmp_path, monkeypatch, name, bad, "raise SystemExit('must not run')")

    def test_links_are_refused(self, tmp_path, monkeypatch, name, listing):
        bad = listing.replace("Type: File", "Type: Unix symbolic link").replace("-rw-r--r--", "lrwxrwxrwx")
        with pytest.raises(ArchiveError, match=r"got 'set/a - b.avi', a link or device: nothing was unpacked"):
            self.unpack(tmp_path, monkeypatch, name, bad, "raise SystemExit('must not run')")

    def test_a_link_that_no_list_told_is_not_used(self, tmp_path, monkeypatch, name, listing):
        with pytest.raises(ArchiveError, match="a link or device: not used"):
            self.unpack(tmp_path, monkeypatch, name, listing, "(target / 'set').symlink_to('/tmp')")

    def test_a_failing_tool_is_named(self, tmp_path, monkeypatch, name, listing):
        with pytest.raises(ArchiveError, match=rf"got {name}: exit 1, no way: install another of bsdtar, unrar and 7z"):
            self.unpack(tmp_path, monkeypatch, name, listing, "raise SystemExit('no way')")

    def test_a_list_that_reads_otherwise_is_not_taken_for_an_empty_one(self, tmp_path, monkeypatch, name, listing):
        with pytest.raises(ArchiveError, match=rf"got {name}: lists nothing"):
            self.unpack(tmp_path, monkeypatch, name, "set/a - b.avi 5 30-11-79", "raise SystemExit('must not run')")

    def test_missing_bytes_are_noticed(self, tmp_path, monkeypatch, name, listing):
        with pytest.raises(ArchiveError, match=rf"got {name}: unpacked 0 of 5 bytes"):
            self.unpack(tmp_path, monkeypatch, name, listing, "pass")


def test_what_one_tool_cannot_read_the_next_may(tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    fake_tool(tools, "unrar", UNRAR, "(target / 'half').write_bytes(b'1'); raise SystemExit(3)")
    fake_tool(tools, "7z", SEVEN, GOOD)
    monkeypatch.setenv("PATH", str(tools))
    folder = new_folder(tmp_path)
    unpack(rar_of(tmp_path / "a.rar", {"a": b"1"}), folder)
    assert contents(folder) == {"a - b.avi": b"12345"}


# Whole folders.


def test_a_folder_appears_when_it_is_complete(tmp_path):
    with whole_folder(tmp_path / "set") as new:
        (new / "a").write_text("1")
        assert not (tmp_path / "set").exists()
    assert contents(tmp_path) == {"set/a": b"1"}


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "set") as new:
        (new / "nowhere" / "a").write_text("1")
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_is_removed(tmp_path):
    (tmp_path / ".set.0123abcd.tmp").mkdir()
    (tmp_path / ".settings.0123abcd.tmp").mkdir()
    with whole_folder(tmp_path / "set"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".settings.0123abcd.tmp", "set"]


def test_installing_fetches_and_unpacks_once(server, tmp_path):
    server.body = zip_of(tmp_path / "a.zip", FILES).read_bytes()
    root = tmp_path / "root"
    for _ in range(2):
        install(root / "set", server.url, root / "archives/a.zip", None, unpack)
    assert contents(root / "set") == {name.removeprefix("set/"): content for name, content in FILES.items()}
    assert len(server.asked) == 1


def test_installing_what_does_not_unpack_leaves_only_the_archive(server, tmp_path):
    with pytest.raises(ArchiveError):
        install(tmp_path / "set", server.url, tmp_path / "archives/a.zip", None, unpack)
    assert sorted(contents(tmp_path)) == ["archives/a.zip", "archives/a.zip.sha256"]
