import http.server
import io
import re
import shutil
import subprocess
import threading
import zipfile
from hashlib import sha256

import pytest

from labkit.data.archives import ArchiveError, unpack
from labkit.data.download import DownloadError, download, install
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


def interrupt(server, path):
    """A first run that ends after 300,000 bytes."""
    server.cuts, server.statuses = [300_000], [None, 404]
    with pytest.raises(DownloadError, match=r"got HTTP 404 Not Found: try again, name another"):
        fetch(server, path)


# Downloading.


def test_a_file_arrives_and_its_hash_is_recorded_as_sha256sum_reads_it(server, tmp_path):
    path = tmp_path / "archives" / "a.bin"
    assert fetch(server, path) == HASH
    assert path.read_bytes() == BODY
    assert (tmp_path / "archives/a.bin.sha256").read_text() == f"{HASH}  a.bin\n"
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["a.bin", "a.bin.sha256"]
    assert subprocess.run(["sha256sum", "-c", "a.bin.sha256"], cwd=path.parent, capture_output=True).returncode == 0
    assert fetch(server, path, sha256=HASH.upper()) == HASH
    assert len(server.asked) == 1  # what is there is not fetched again


def test_an_interrupted_download_goes_on_where_it_was(server, tmp_path):
    server.cuts = [300_000, 500_000]
    assert fetch(server, tmp_path / "a.bin") == HASH
    assert server.asked == [(None, None), ("bytes=300000-", '"one"'), ("bytes=800000-", '"one"')]


def test_the_next_run_goes_on_as_well(server, tmp_path):
    interrupt(server, tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin.part").stat().st_size == 300_000
    (tmp_path / ".a.bin.part.lock").touch()  # as a killed process leaves it
    assert fetch(server, tmp_path / "a.bin") == HASH
    assert server.asked[-1] == ("bytes=300000-", '"one"')


def test_the_date_serves_where_the_etag_is_weak(server, tmp_path):
    server.etag, server.modified = 'W/"one"', "Tue, 01 Oct 2013 10:00:00 GMT"
    server.cuts = [300_000]
    assert fetch(server, tmp_path / "a.bin") == HASH
    assert server.asked[1] == ("bytes=300000-", "Tue, 01 Oct 2013 10:00:00 GMT")


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(server, tmp_path):
    interrupt(server, tmp_path / "a.bin")
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
    interrupt(server, tmp_path / "a.bin")
    assert download(server.url + "?mirror", tmp_path / "a.bin") == HASH
    assert server.asked[-1] == (None, None)


@pytest.mark.parametrize("content_range", ["bytes 0-1048575/1048576", "nonsense"])
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
    interrupt(server, tmp_path / "a.bin")
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


def test_an_empty_record_is_written_again(tmp_path):
    (tmp_path / "a.bin").write_bytes(BODY)
    (tmp_path / "a.bin.sha256").touch()
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


FILES = {"set/one/a.avi": b"a", "set/two.avi": b""}


def as_zip(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_installing_fetches_and_unpacks_once(server, tmp_path):
    server.body = as_zip(FILES)
    root = tmp_path / "root"
    for _ in range(2):
        install(root / "set", server.url, root / "archives/a.zip", None, unpack)
    assert sorted(path.name for path in (root / "set").rglob("*")) == ["a.avi", "one", "two.avi"]
    assert len(server.asked) == 1


def test_installing_what_does_not_unpack_leaves_only_the_archive(server, tmp_path):
    with pytest.raises(ArchiveError, match="expected a zip, tar or RAR archive"):
        install(tmp_path / "set", server.url, tmp_path / "archives/a.zip", None, unpack)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == ["archives", "archives/a.zip", "archives/a.zip.sha256"]
