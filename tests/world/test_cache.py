import errno
import os
import pickle
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from labkit.world import VERSION
from labkit.world.cache import Cache, CacheWarning, cache_folder, clear, stored

cache_module = sys.modules["labkit.world.cache"]
SETTINGS = {"seed": 0, "sides": [64, 64], "camera": {"pan": 0.5}}


class MadeError(Exception):
    """Raised by `not_again`: nothing was read."""


def not_again():
    raise MadeError


def small(number=0):
    """Three arrays, different for each number."""
    rng = np.random.default_rng(number)
    return {
        "frames": rng.integers(0, 256, (2, 3, 4, 5), dtype=np.uint8),
        "poses": np.append(rng.normal(size=5), (np.nan, -0.0)),
        "empty": np.zeros((0, 4), bool),
    }


def assert_same(left, right):
    assert sorted(left) == sorted(right)
    for name in left:
        assert (left[name].dtype, left[name].shape) == (right[name].dtype, right[name].shape)
        assert left[name].tobytes() == right[name].tobytes()


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    monkeypatch.setattr(cache_module, "_unwritable", set())
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "root"))
    return tmp_path / "root"


@pytest.fixture
def silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("silent")
def test_a_clip_is_made_once_and_read_by_everybody(root):
    cache = Cache("actions", SETTINGS)
    assert not root.exists()
    assert "wave" not in cache
    assert_same(cache.get("wave", small), small())
    assert "wave" in cache
    for reader in (cache, Cache("actions", dict(reversed(SETTINGS.items()))), pickle.loads(pickle.dumps(cache))):
        read = reader.get("wave", not_again)
        assert_same(read, small())
        read["frames"][:] = 0  # the caller's own
    assert_same(cache.get("clap", lambda: small(8)), small(8))
    assert sorted(path.name for path in cache.folder.iterdir()) == ["clap.clip", "wave.clip"]


def test_layouts_come_back_by_value():
    grid = np.arange(24).reshape(4, 6)
    made = {"fortran": np.asfortranarray(grid), "strided": grid[::2, ::-3], "number": np.array(3)}
    cache = Cache("actions", {})
    cache.get("grid", lambda: made)
    assert_same(cache.get("grid", not_again), made)


@pytest.mark.parametrize("other", [{**SETTINGS, "camera": {"pan": 0.5000000000000001}}, {}])
def test_other_settings_another_set_and_another_version_are_another_folder(monkeypatch, other):
    folders = {Cache("actions", SETTINGS).folder, Cache("actions", other).folder, Cache("stills", SETTINGS).folder}
    monkeypatch.setattr(cache_module, "VERSION", VERSION + 1)
    assert len(folders | {Cache("actions", SETTINGS).folder}) == 4


# Damage is noticed


def test_a_flipped_bit_in_every_byte_and_every_shorter_file_is_noticed():
    cache = Cache("actions", {"seed": 0})
    make = lambda: {"a": np.arange(6, dtype=np.uint8).reshape(2, 3)}  # noqa: E731
    cache.get("wave", make)
    path = cache.folder / "wave.clip"
    whole = path.read_bytes()
    flipped = [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(len(whole))]
    cut = [whole[:length] for length in range(len(whole))]
    for damaged in [*flipped, *cut, *(part + bytes(len(whole) - len(part)) for part in cut[4:-8])]:
        path.write_bytes(damaged)
        with pytest.warns(CacheWarning, match=r"wave\.clip is damaged and drawn again"), pytest.raises(MadeError):
            cache.get("wave", not_again)
    with pytest.warns(CacheWarning, match=r"wave\.clip is damaged and drawn again") as told:
        assert_same(cache.get("wave", make), make())
    assert (len(told), told[0].filename) == (1, __file__)
    assert path.read_bytes() == whole


# No disk to write to


def assert_goes_on_without(cache, match):
    """One warning; every clip made each time it is asked for."""
    with pytest.warns(CacheWarning, match=match) as told:
        assert_same(cache.get("wave", small), small())
    assert (len(told), told[0].filename) == (1, __file__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(3):
            assert_same(cache.get("wave", lambda n=number: small(n)), small(number))


def test_a_file_where_the_folder_should_be(root):
    root.write_text("mine")
    assert_goes_on_without(Cache("actions", {}), r"nothing more is cached in .*root.*Not a directory.*set LABKIT_CACHE")
    assert root.read_text() == "mine"


def test_a_full_disk_is_told_once_and_what_is_there_still_read(monkeypatch):
    cache, attempts = Cache("actions", {}), []
    cache.get("there", small)

    def full(_):
        attempts.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert_goes_on_without(cache, "No space left on device.*make room")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(cache.get("there", not_again), small())
        assert_same(Cache("stills", {}).get("wave", small), small())  # the same disk
    assert len(attempts) == 1
    assert [path.name for path in cache.folder.iterdir()] == ["there.clip"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of POSIX")
@pytest.mark.parametrize("rights", [0o555, 0o000])
def test_a_folder_without_rights_is_told_once_and_read_where_it_may_be(monkeypatch, rights):
    with tempfile.TemporaryDirectory() as root:
        monkeypatch.setenv("LABKIT_CACHE", root)
        cache, user = Cache("actions", {}), os.geteuid()
        cache.get("there", small)
        os.chmod(cache.folder, rights)
        os.chmod(root, 0o755)
        if user == 0:
            os.seteuid(65534)  # rights do not stop root
        try:
            if rights:
                assert_same(cache.get("there", not_again), small())
            assert "wave" not in cache
            assert_goes_on_without(cache, "Permission denied")
        finally:
            os.seteuid(user)
            os.chmod(cache.folder, 0o755)


@pytest.mark.usefixtures("silent")
def test_a_faster_writer_and_a_reader_who_holds_its_file(monkeypatch):
    def refused(source, target):  # Windows refuses to replace a file that is being read
        Path(target).write_bytes(Path(source).read_bytes())
        raise PermissionError(errno.EACCES, "Access is denied")

    monkeypatch.setattr(os, "replace", refused)
    cache = Cache("actions", {})
    for key in ("wave", "clap"):
        cache.get(key, small)
        assert_same(cache.get(key, not_again), small())


@pytest.mark.usefixtures("silent")
def test_a_folder_that_is_cleared_while_we_write_is_made_again(monkeypatch):
    cache, fsync = Cache("actions", {}), os.fsync
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: (fsync(file), clear()))
        assert_same(cache.get("wave", small), small())
    assert_same(cache.get("wave", small), small())
    assert_same(cache.get("wave", not_again), small())


# Where it is


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("value", ["OFF", "no"])
def test_the_cache_can_be_switched_off(monkeypatch, value):
    monkeypatch.setenv("LABKIT_CACHE", value)
    cache = Cache("actions", {})
    for number in range(2):
        assert_same(cache.get("wave", lambda n=number: small(n)), small(number))
    assert (cache_folder(), cache.folder, "wave" in cache, stored(), clear()) == (None, None, False, {}, {})


@pytest.mark.usefixtures("silent")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs knows")
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "HOME/.cache/labkit"),
        ({"XDG_CACHE_HOME": "/xdg", "LABKIT_CACHE": "/fast/disk"}, "/fast/disk"),
        ({"LABKIT_CACHE": "~/clips"}, "HOME/clips"),
        ({"LABKIT_CACHE": "here"}, "HOME/here"),
    ],
)
def test_where_the_cache_is(monkeypatch, tmp_path, environment, expected):
    for name in ("XDG_CACHE_HOME", "LABKIT_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(tmp_path), **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    expected = Path(expected.replace("HOME", str(tmp_path)))
    assert cache_folder() == expected
    assert Cache("actions", {}).folder.parents[1] == expected


def test_without_a_home_there_is_no_cache(monkeypatch):
    def nobody(path):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("LABKIT_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: nobody("~"))
    with pytest.warns(CacheWarning, match="no home folder.*set LABKIT_CACHE") as told:
        assert (cache_folder(), cache_folder(), Cache("actions", {}).folder) == (None, None, None)
    assert len(told) == 1


def test_stored_counts_and_clear_leaves_nothing_but_what_is_not_ours(root, monkeypatch):
    assert stored() == clear() == {}
    stills = Cache("stills", {})
    monkeypatch.setattr(cache_module, "VERSION", 99)
    actions = Cache("actions", {})
    for number in range(3):
        actions.get(f"wave{number}", lambda n=number: small(n))
    stills.get("wave", small)
    (root / "mine").mkdir()
    sizes = {cache.folder: sum(p.stat().st_size for p in cache.folder.iterdir()) for cache in (stills, actions)}
    assert stored() == sizes
    assert clear() == sizes
    assert [path.name for path in root.iterdir()] == ["mine"]
    assert_same(actions.get("wave0", lambda: small(5)), small(5))  # and on it goes
    assert_same(actions.get("wave0", not_again), small(5))


def test_a_stray_file_is_no_data_set(root):
    cache = Cache("stills", {})
    cache.get("wave", small)
    for folder in (root, cache.folder.parent):
        (folder / ".DS_Store").touch()
    (root / "labkit-world-notes").touch()
    assert list(stored()) == list(clear()) == [cache.folder]
    assert sorted(path.name for path in root.iterdir()) == [".DS_Store", "labkit-world-notes"]


# Several at work


ENDLESS = """
import itertools, numpy, sys, types
world = sys.modules["labkit.world"] = types.ModuleType("labkit.world")  # without torch, so that it starts quickly
world.__path__ = sys.argv[1:]
from labkit.world.cache import Cache
cache = Cache("killed", {})
for number in itertools.count():
    cache.get(str(number % 50), lambda: {"frames": numpy.full(600_000, number % 50 + 1, numpy.uint8)})
    if number == 0:
        print("started", flush=True)
"""


@pytest.mark.usefixtures("silent")
def test_processes_killed_while_they_write_leave_no_half_clip():
    cache = Cache("killed", {})
    for wait in (0.0, 0.02):
        command = [sys.executable, "-c", ENDLESS, str(Path(cache_module.__file__).parent)]
        writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        for writer in writers:
            writer.stdout.readline()
        time.sleep(wait)
        for writer in writers:
            writer.kill()
            writer.communicate()
        for path in cache.folder.glob("*.clip"):
            assert (cache.get(path.stem, not_again)["frames"] == int(path.stem) + 1).all()
            path.unlink()
