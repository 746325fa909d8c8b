import errno
import importlib.metadata
import importlib.util
import io
import itertools
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from labkit.world.cache import Cache, CacheWarning, cache_folder, clear, stored

cache_module = sys.modules["labkit.world.cache"]
SETTINGS = {"seed": 0, "sides": [64, 64], "camera": {"pan": 0.5}}


class MadeError(Exception):
    """Raised by `not_again`: nothing was read."""


def not_again():
    raise MadeError


def small(number=0):
    """An entry of three arrays, different for each number."""
    rng = np.random.default_rng(number)
    return {
        "frames": rng.integers(0, 256, (2, 3, 4, 5), dtype=np.uint8),
        "flow": rng.normal(size=(3, 2)).astype(np.float32),
        "label": np.array(number),
    }


def assert_same(left, right):
    assert list(left) == list(right)
    for name in left:
        assert type(left[name]) is np.ndarray
        assert (left[name].dtype, left[name].shape) == (right[name].dtype, right[name].shape)
        assert left[name].tobytes() == right[name].tobytes()  # NaN and -0.0 too


def paths_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch):
    monkeypatch.setattr(cache_module, "_said", {})
    monkeypatch.setattr(cache_module, "_generator", lambda: cache_module._GENERATOR)  # edit the world as the tests run
    monkeypatch.delenv("LABKIT_CACHE", raising=False)


@pytest.fixture
def silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# Made once, read ever after


@pytest.mark.usefixtures("silent")
def test_an_entry_is_made_once_and_read_by_everybody(tmp_path):
    cache = Cache("actions", SETTINGS, tmp_path)
    assert not cache.folder.exists()
    assert 7 not in cache
    assert_same(cache.get(7, small), small())
    assert 7 in cache
    assert_same(cache.get(7, not_again), small())
    assert_same(cache.get("7", not_again), small())
    assert_same(Cache("actions", SETTINGS, tmp_path).get(np.int64(7), not_again), small())
    assert_same(cache.get(8, lambda: small(8)), small(8))
    assert paths_in(cache.folder) == ["7.npz", "8.npz", "CACHEDIR.TAG"]


numbers = st.one_of(
    arrays_of.boolean_dtypes(),
    arrays_of.integer_dtypes(),
    arrays_of.unsigned_integer_dtypes(),
    arrays_of.floating_dtypes(),
    arrays_of.complex_number_dtypes(),
)
shapes = arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.from_regex(r"[a-z_é]{1,3}", fullmatch=True), arrays_of.arrays(numbers, shapes), max_size=3))
def test_all_arrays_of_numbers_come_back_as_they_were(made):
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache("actions", {}, folder)
        cache.get("a", lambda: made)
        assert_same(cache.get("a", not_again), made)


def test_layouts_and_byte_orders_come_back_by_value(tmp_path):
    grid = np.arange(24, dtype=">i4").reshape(4, 6)
    made = {"fortran": np.asfortranarray(grid), "strided": grid[::2, ::-3], "file": grid, "allow_pickle": grid == 3}
    cache = Cache("actions", {}, tmp_path)
    cache.get(0, lambda: made)
    read = cache.get(0, not_again)
    assert read["fortran"].flags.f_contiguous
    assert read["fortran"].dtype == np.dtype(">i4")
    for name, array in made.items():
        np.testing.assert_array_equal(read[name], array)


def test_what_comes_back_is_the_callers_own(tmp_path):
    cache = Cache("actions", {}, tmp_path)
    for make in (small, not_again, not_again):
        read = cache.get(0, make)
        assert_same(read, small())
        read["frames"][:] = 0
        del read["flow"]


def test_numpy_opens_an_entry_and_the_file_says_what_it_is(tmp_path):
    cache = Cache("actions", SETTINGS, tmp_path)
    cache.get(7, small)
    with np.load(cache.folder / "7.npz") as entry:
        assert entry.files == ["entry.json", "frames", "flow", "label"]
        np.testing.assert_array_equal(entry["frames"], small()["frames"])
        said = json.loads(entry["entry.json"])
    assert {name: said[name] for name in ("set", "key", "settings")} == {
        "set": "actions",
        "key": "7",
        "settings": SETTINGS,
    }


def test_the_same_entry_is_the_same_bytes(tmp_path):
    contents = set()
    for name, order in (("a", 1), ("b", -1)):
        cache = Cache("actions", dict(list(SETTINGS.items())[::order]), tmp_path / name)
        cache.get(7, small)
        contents.add((cache.folder.name, (cache.folder / "7.npz").read_bytes()))
    assert len(contents) == 1


def test_nothing_is_kept_of_a_make_that_fails(tmp_path):
    cache = Cache("actions", SETTINGS, tmp_path)
    with pytest.raises(MadeError):
        cache.get(7, not_again)
    assert paths_in(tmp_path) == []


@pytest.mark.parametrize(
    "other",
    [
        {**SETTINGS, "seed": 1},
        {**SETTINGS, "seed": 0.0},
        {**SETTINGS, "seed": False},
        {**SETTINGS, "camera": {"pan": 0.5000000000000001}},
        {"seed": 0},
        {},
    ],
)
def test_other_settings_are_another_folder(tmp_path, other):
    folders = {Cache("actions", content, tmp_path).folder for content in (SETTINGS, other)}
    assert len(folders) == 2


def test_settings_changed_later_do_not_count(tmp_path):
    content = {"sides": [64]}
    cache = Cache("actions", content, tmp_path)
    cache.get(0, small)
    content["sides"].append(1)
    assert_same(cache.get(0, not_again), small())
    assert_same(pickle.loads(pickle.dumps(cache)).get(0, not_again), small())


@pytest.mark.parametrize("key", ["", "A", "a/b", "..", ".a", "a b", "é", "a\n", True, None, 1.0, "x" * 101])
@pytest.mark.parametrize("enabled", [True, False])
def test_a_key_that_names_no_file_is_refused(tmp_path, key, enabled):
    with pytest.raises(ValueError, match="key must be a whole number, or up to 100"):
        Cache("actions", {}, tmp_path, enabled).get(key, small)


@pytest.mark.parametrize("key", [0, -3, 2**70, "clip_3.left", "x" * 100])
def test_other_keys_are_fine(tmp_path, key):
    cache = Cache("actions", {}, tmp_path)
    cache.get(key, small)
    assert_same(cache.get(key, not_again), small())


@pytest.mark.parametrize("name", ["", "Actions", "../actions", "a/b", "-a", "x" * 51])
def test_a_name_that_names_no_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="name must be 1 to 50 of a-z"):
        Cache(name, {}, tmp_path)


@pytest.mark.parametrize("value", [np.float32(1), object(), float("nan"), {1, 2}, b"a", np.arange(2)])
def test_settings_json_cannot_hold_are_refused(tmp_path, value):
    with pytest.raises(TypeError, match="settings must be what JSON can hold"):
        Cache("actions", {"a": value}, tmp_path)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"a": [1, 2]}, "a must be a numpy array of numbers or bool; got list"),
        ({"a": np.float64(1)}, "got float64"),
        ({"a": np.array([{}])}, "got ndarray object"),
        ({"a": np.zeros(2, [("x", float)])}, "got ndarray"),
        ({"a": np.array(["word"])}, "got ndarray <U4"),
        ({"a": np.ma.masked_array([1], [True])}, "got MaskedArray"),
        ({"a/b": np.zeros(1)}, "names like Python's; got 'a/b'"),
        ({3: np.zeros(1)}, "names like Python's; got 3"),
    ],
)
@pytest.mark.parametrize("enabled", [True, False])
def test_anything_but_arrays_of_numbers_is_refused(tmp_path, made, message, enabled):
    with pytest.raises(TypeError, match=message):
        Cache("actions", {}, tmp_path, enabled).get(0, lambda: made)
    assert paths_in(tmp_path) == []


# A changed generator never meets old data


@pytest.fixture
def imported(tmp_path):
    """Imports cache.py from a package with another module in it, as a new process would."""
    package = tmp_path / "package"
    package.mkdir()
    shutil.copy(cache_module.__file__, package)
    (package / "render.py").write_text("one")

    def load():
        spec = importlib.util.spec_from_file_location("package_cache", package / "cache.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    load.package, load.root = package, tmp_path / "root"
    return load


def change(package, what):
    match what:
        case "a byte":
            (package / "render.py").write_text("two")
        case "a name":
            (package / "render.py").rename(package / "draw.py")
        case "a file":
            (package / "empty.py").touch()
        case "a subpackage":
            (package / "scenes").mkdir()
            (package / "scenes" / "beach.py").write_text("sand")
        case "the border of two files":
            (package / "render.py").write_text("on")
            (package / "render2.py").write_text("e")
        case "the cache itself":
            (package / "cache.py").write_text((package / "cache.py").read_text() + "# new\n")
        case "no source":
            (package / "notes.txt").write_text("rendering")
            (package / "__pycache__").mkdir(exist_ok=True)
            (package / "__pycache__" / "render.pyc").write_text("rendering")
            (package / ".#render.py").symlink_to("nobody@nowhere:1")  # as emacs locks
            (package / ".ipynb_checkpoints").mkdir()
            (package / ".ipynb_checkpoints" / "render-checkpoint.py").write_text("old")


CHANGES = ["a byte", "a name", "a file", "a subpackage", "the border of two files", "the cache itself"]


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_generator_starts_anew(imported, what):
    before = imported().Cache("actions", {}, imported.root)
    before.get(0, small)
    change(imported.package, what)
    module = imported()
    after = module.Cache("actions", {}, imported.root)
    assert_same(after.get(0, lambda: small(1)), small(1))
    assert_same(before.get(0, not_again), small())  # a process that runs the old one reads on
    assert [item.outdated for item in module.stored(imported.root)].count(True) == 1
    assert [item.folder for item in module.clear(imported.root, outdated_only=True)] == [before.folder]
    assert_same(after.get(0, not_again), small(1))
    assert_same(before.get(0, lambda: small(2)), small(2))
    assert_same(before.get(0, not_again), small(2))


@pytest.mark.parametrize("library", ["numpy", "torch", "opencv-contrib-python-headless"])
def test_another_version_of_a_library_is_another_generator(imported, monkeypatch, library):
    before = imported().Cache("actions", {}, imported.root).folder
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99" if name == library else version(name))
    assert imported().Cache("actions", {}, imported.root).folder != before


def test_what_is_no_source_does_not_count(imported):
    module = imported()
    before = module.Cache("actions", {}, imported.root)
    change(imported.package, "no source")
    assert module.Cache("actions", {}, imported.root).folder == before.folder
    assert imported().Cache("actions", {}, imported.root).folder == before.folder


@pytest.mark.parametrize("what", [*CHANGES, "unreadable"])
def test_sources_that_change_under_a_running_process_stop_its_caching(imported, what):
    module = imported()
    old = module.Cache("actions", {}, imported.root)
    if what == "unreadable":
        (imported.package / "broken.py").symlink_to("nowhere")
    else:
        change(imported.package, what)
    with pytest.warns(module.CacheWarning, match="may not be those that run here.*restart Python"):
        new = module.Cache("actions", {}, imported.root)
    assert new.folder is None
    assert_same(new.get(0, small), small())
    assert_same(new.get(0, lambda: small(1)), small(1))
    assert not imported.root.exists()
    assert_same(old.get(0, small), small())
    assert_same(old.get(0, not_again), small())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert module.Cache("stills", {}, imported.root).folder is None  # told once


def test_a_copy_in_another_process_has_that_ones_generator(imported, monkeypatch):
    monkeypatch.setitem(sys.modules, "package_cache", imported())
    cache = sys.modules["package_cache"].Cache("actions", SETTINGS, imported.root)
    frozen = pickle.dumps(cache)
    assert pickle.loads(frozen).folder == cache.folder
    change(imported.package, "a byte")
    monkeypatch.setitem(sys.modules, "package_cache", imported())
    thawed = pickle.loads(frozen)
    assert thawed.folder not in (None, cache.folder)
    assert thawed.folder.parent == imported.root


# Damage is noticed


def small_file(tmp_path):
    cache = Cache("actions", {"seed": 0}, tmp_path)
    made = {"a": np.arange(6, dtype=np.uint8).reshape(2, 3), "b": np.array([1.5, -2.0])}
    cache.get(0, lambda: made)
    return cache, made, cache.folder / "0.npz"


def notices(cache, path, made, data):
    """Whether a file with these bytes is refused; if not, it must read as it was made."""
    path.write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            read = cache.get(0, not_again)
        except MadeError:
            assert [(w.category, str(path) in str(w.message)) for w in caught] == [(CacheWarning, True)]
            return True
    assert caught == []
    assert_same(read, made)
    return False


def test_every_flipped_bit_is_noticed_or_harmless(tmp_path):
    cache, made, path = small_file(tmp_path)
    whole = path.read_bytes()
    noticed = np.zeros(8 * len(whole), bool)
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        noticed[bit] = notices(cache, path, made, data)
    path.write_bytes(whole)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    assert len(members) == 3
    for member in members:  # what is harmless are dates, rights and the like
        start = whole.index(b"\x93NUMPY" if member.filename != "entry.json" else b"{", member.header_offset)
        assert noticed[8 * start : 8 * (start + member.file_size)].all()


def test_every_shorter_file_is_noticed(tmp_path):
    cache, made, path = small_file(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        assert notices(cache, path, made, whole[:length])
        assert notices(cache, path, made, whole[:length] + bytes(len(whole) - length)) or set(whole[length:]) == {0}


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_larger_damage_is_noticed_or_harmless(data):
    with tempfile.TemporaryDirectory() as folder:
        cache, made, path = small_file(Path(folder))
        whole = path.read_bytes()
        positions = st.integers(0, len(whole))
        start, stop, source = data.draw(positions), data.draw(positions), data.draw(positions)
        patch = data.draw(st.sampled_from([whole[source : source + abs(stop - start)], b"", os.urandom(16)]))
        notices(cache, path, made, whole[:start] + patch + whole[stop:])


def test_a_header_that_promises_less_is_noticed(tmp_path):
    # numpy alone stops reading after the promised rows, and so never gets to compare the checksum
    cache, made, path = Cache("actions", {}, tmp_path), {"a": np.arange(90_000).reshape(9000, 10)}, None
    cache.get(0, lambda: made)
    path = cache.folder / "0.npz"
    assert notices(cache, path, made, path.read_bytes().replace(b"(9000, 10)", b"(1000, 10)"))


def test_a_missing_array_is_noticed(tmp_path):
    cache, made, path = small_file(tmp_path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(buffer, "w") as part:
        for name in ("entry.json", "a.npy"):
            part.writestr(name, whole.read(name))
    assert notices(cache, path, made, buffer.getvalue())


@pytest.mark.parametrize("evil", [np.array([MadeError()], object), np.zeros(3, "f8,O"), np.array(["word"])])
def test_anything_but_numbers_is_never_read(tmp_path, evil):
    cache, made, path = small_file(tmp_path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(buffer, "w") as forged:
        forged.writestr("entry.json", whole.read("entry.json"))
        for name in ("a", "b"):
            with forged.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, evil, version=(1, 0), allow_pickle=True)
    assert notices(cache, path, made, buffer.getvalue())


@pytest.mark.parametrize("damage", [b"", b"not an archive", None])
def test_a_damaged_entry_is_named_then_made_and_stored_again(tmp_path, damage):
    cache = Cache("actions", SETTINGS, tmp_path)
    cache.get(7, small)
    path = cache.folder / "7.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] if damage is None else damage)
    with pytest.warns(CacheWarning, match=r"7\.npz is damaged and made again") as told:
        assert_same(cache.get(7, small), small())
    assert (len(told), told[0].filename) == (1, __file__)
    assert path.read_bytes() == whole
    assert paths_in(cache.folder) == ["7.npz", "CACHEDIR.TAG"]


@pytest.mark.parametrize("what", ["key", "settings", "set", "generator"])
def test_the_entry_of_another_is_noticed(tmp_path, monkeypatch, what):
    cache = Cache("actions", {"seed": 0}, tmp_path)
    other, key = cache, 0
    if what == "key":
        key = 1
    if what == "settings":
        other = Cache("actions", {"seed": 1}, tmp_path)
    if what == "set":
        other = Cache("stills", {"seed": 0}, tmp_path)
    if what == "generator":
        with monkeypatch.context() as patch:
            patch.setattr(cache_module, "_GENERATOR", "0" * 64)
            patch.setattr(cache_module, "_generator", lambda: "0" * 64)
            other = Cache("actions", {"seed": 0}, tmp_path)
    other.get(key, lambda: small(1))
    cache.folder.mkdir(exist_ok=True)
    shutil.copy(other.folder / f"{key}.npz", cache.folder / "0.npz")
    with pytest.warns(CacheWarning, match="expected the entry"):
        assert_same(cache.get(0, small), small())
    assert_same(cache.get(0, not_again), small())


# No disk to write to


def assert_goes_on_without(cache, match):
    """One warning; every entry made each time it is asked for."""
    with pytest.warns(CacheWarning, match=match) as told:
        assert_same(cache.get(0, small), small())
    assert (len(told), told[0].filename) == (1, __file__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in (0, 1, 1):
            assert_same(cache.get(number, lambda n=number: small(n + 5)), small(number + 5))


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("mine")
    cache = Cache("actions", {}, tmp_path / "file")
    assert_goes_on_without(cache, r"nothing more is cached in .*file.*Not a directory.*set LABKIT_CACHE to another")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_where_the_entry_should_be(tmp_path):
    cache = Cache("actions", {}, tmp_path)
    (cache.folder / "0.npz" / "mine").mkdir(parents=True)
    with pytest.warns(CacheWarning) as told:
        assert_same(cache.get(0, small), small())
    assert ["damaged" in str(warning.message) for warning in told] == [True, False]
    assert clear(tmp_path) != []
    assert paths_in(cache.folder) == ["0.npz", "0.npz/mine", "CACHEDIR.TAG"]


def test_a_full_disk_is_told_once_and_what_is_there_still_read(tmp_path, monkeypatch):
    cache = Cache("actions", {}, tmp_path)
    cache.get("there", small)
    attempts = []

    def full(_):
        attempts.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert_goes_on_without(cache, "No space left on device.*make room")
    assert_same(cache.get("there", not_again), small())
    other = Cache("stills", {}, tmp_path)  # the same folder: the same disk
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(other.get(0, small), small())
    assert len(attempts) == 1
    assert paths_in(tmp_path) == [
        cache.folder.name,
        *(f"{cache.folder.name}/{n}" for n in ("CACHEDIR.TAG", "there.npz")),
    ]


@pytest.mark.parametrize("times", [1, 2, 99])
def test_a_folder_that_vanishes_while_we_write_is_made_again(tmp_path, monkeypatch, times):
    cache, fsync, vanished = Cache("actions", {}, tmp_path), os.fsync, []

    def vanish(file):
        fsync(file)
        if [*cache.folder.glob(".0.npz.*.tmp")] and len(vanished) < times:
            shutil.rmtree(cache.folder)
            vanished.append(1)

    monkeypatch.setattr(os, "fsync", vanish)
    if times == 99:
        return assert_goes_on_without(cache, "No such file")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.get(0, small)
    assert len(vanished) == times
    return assert_same(cache.get(0, not_again), small())


def test_many_threads_are_told_once(tmp_path):
    (tmp_path / "file").touch()
    cache, barrier = Cache("actions", {}, tmp_path / "file"), threading.Barrier(8)

    def make():
        barrier.wait()
        return small()

    with pytest.warns(CacheWarning) as told, ThreadPoolExecutor(8) as pool:
        assert len([*pool.map(lambda key: cache.get(key, make), range(8))]) == 8
    assert len(told) == 1


def test_a_faster_writer_and_a_reader_who_holds_its_file(tmp_path, monkeypatch, silent):
    # Windows refuses to replace a file that is being read
    cache = Cache("actions", {}, tmp_path)
    replace = os.replace

    def refused(source, target):
        if target.suffix == ".npz":
            shutil.copy(source, target)
            raise PermissionError(errno.EACCES, "Access is denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refused)
    for key in range(2):
        cache.get(key, small)
        assert_same(cache.get(key, not_again), small())


@pytest.mark.parametrize("value", ["off", "OFF", "0", "no", "false"])
def test_the_cache_can_be_switched_off(monkeypatch, tmp_path, silent, value):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABKIT_CACHE", value)
    assert cache_folder() is None
    cache = Cache("actions", {})
    assert cache.folder is None
    for number in range(2):
        assert_same(cache.get(0, lambda n=number: small(n)), small(number))
    assert (stored(), clear()) == ([], [])
    assert paths_in(tmp_path) == []


def test_one_cache_can_be_switched_off(tmp_path, silent):
    cache = Cache("actions", {}, tmp_path, enabled=False)
    assert_same(cache.get(0, small), small())
    assert_same(pickle.loads(pickle.dumps(cache)).get(0, lambda: small(1)), small(1))
    assert 0 not in cache
    assert paths_in(tmp_path) == []


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "HOME/.cache/labkit"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/labkit"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "HOME/.cache/labkit"),
        ("linux", {"XDG_CACHE_HOME": "/xdg", "LABKIT_CACHE": "/fast/disk"}, "/fast/disk"),
        ("linux", {"LABKIT_CACHE": ""}, "HOME/.cache/labkit"),
        ("linux", {"LABKIT_CACHE": "~/pictures"}, "HOME/pictures"),
        ("linux", {"LABKIT_CACHE": "here"}, "HERE/here"),
        ("darwin", {}, "HOME/Library/Caches/labkit"),
        ("win32", {}, "HOME/AppData/Local/labkit"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/labkit"),
    ],
)
def test_where_the_cache_is(monkeypatch, tmp_path, silent, platform, environment, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(tmp_path / "home"), **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    expected = Path(expected.replace("HOME", str(tmp_path / "home")).replace("HERE", str(tmp_path)))
    assert cache_folder() == expected
    assert Cache("actions", {}).folder.parent == expected


def test_without_a_home_there_is_no_cache(monkeypatch):
    def nobody(_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", classmethod(nobody))
    with pytest.warns(CacheWarning, match="no home folder.*set LABKIT_CACHE") as told:
        assert (cache_folder(), cache_folder(), Cache("actions", {}).folder) == (None, None, None)
    assert len(told) == 1


# What is there, and clearing it


def test_stored_counts_and_clear_leaves_nothing(tmp_path):
    assert stored(tmp_path / "nowhere") == clear(tmp_path / "nowhere") == []
    actions, stills = Cache("actions", {}, tmp_path), Cache("stills", {}, tmp_path)
    for number in range(3):
        actions.get(number, lambda n=number: small(n))
    stills.get(0, small)
    sizes = [sum(path.stat().st_size for path in cache.folder.iterdir()) for cache in (actions, stills)]
    found = stored(tmp_path)
    assert [(item.folder, item.entries, item.bytes, item.outdated) for item in found] == [
        (actions.folder, 3, sizes[0], False),
        (stills.folder, 1, sizes[1], False),
    ]
    assert str(found[0]) == f"{actions.folder}: 3 entries, 0.0 MB"
    assert clear(tmp_path, outdated_only=True) == []
    assert clear(tmp_path) == found
    assert paths_in(tmp_path) == []
    assert_same(actions.get(0, lambda: small(5)), small(5))  # and on it goes
    assert_same(actions.get(0, not_again), small(5))


def test_clear_touches_nothing_of_anybody_else(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    cache = Cache("actions", {}, root)
    cache.get(0, small)
    shutil.copytree(cache.folder, outside)
    for name in ("mine.txt", "sub/0.npz", "0.npz.bak", ".hidden.tmp"):
        (cache.folder / name).parent.mkdir(exist_ok=True)
        (cache.folder / name).write_text("mine")
    (cache.folder / "1.npz").symlink_to(outside / "0.npz")
    untagged = root / "photos-0123456789ab-0123456789ab"
    untagged.mkdir()
    (untagged / "0.npz").write_text("mine")
    (root / "linked-0123456789ab-0123456789ab").symlink_to(outside)
    shutil.copytree(outside, root / "actions")
    before = paths_in(tmp_path)
    assert [item.folder for item in clear(root)] == [cache.folder]
    assert set(before) - set(paths_in(tmp_path)) == {f"root/{cache.folder.name}/0.npz"}
    assert [item.entries for item in clear(root)] == [0]  # still ours, still there
    assert paths_in(outside) == ["0.npz", "CACHEDIR.TAG"]


@pytest.mark.parametrize("state", ["no tag yet", "a temporary tag", "no entry yet", "the tag of another version"])
def test_folders_of_killed_processes_and_other_versions_are_cleared(tmp_path, state):
    folder = tmp_path / "stills-0123456789ab-0123456789ab"
    folder.mkdir()
    tag = folder / (".CACHEDIR.TAG.0123abcd.tmp" if state == "a temporary tag" else "CACHEDIR.TAG")
    if state != "no tag yet":
        tag.write_text("Signature: 8a477f597d28d172789f06886806bc55\n# and other words")
        os.utime(tag, (0, 0))
    if state == "the tag of another version":
        (folder / "0.npz").touch()
    assert [(item.folder, item.outdated) for item in stored(tmp_path)] == [(folder, True)]
    clear(tmp_path, outdated_only=True)
    assert paths_in(tmp_path) == []


def test_leftovers_go_when_they_are_old(tmp_path):
    Cache("actions", {}, tmp_path).get(0, small)
    cache = Cache("actions", {}, tmp_path)
    leftovers = [cache.folder / f".{name}.0123abcd.tmp" for name in ("1.npz", "a.b.npz", "CACHEDIR.TAG")]
    fresh, stranger = cache.folder / ".2.npz.89abcdef.tmp", cache.folder / ".mine.tmp"
    for path in (*leftovers, fresh, stranger):
        path.write_text("half")
    for path in (*leftovers, stranger):
        os.utime(path, (time.time() - 3600,) * 2)
    cache.get(0, not_again)
    assert all(path.exists() for path in leftovers)  # reading is only reading
    cache.get(3, small)
    assert paths_in(cache.folder) == [".2.npz.89abcdef.tmp", ".mine.tmp", "0.npz", "3.npz", "CACHEDIR.TAG"]
    stranger.unlink()
    clear(tmp_path)
    assert paths_in(cache.folder) == [".2.npz.89abcdef.tmp", "CACHEDIR.TAG"]  # somebody may be writing it
    os.utime(fresh, (0, 0))
    clear(tmp_path)
    assert paths_in(tmp_path) == []


# Many processes, and processes that die. Each of these runs in a process of its own that has loaded this file and
# cache.py, but not torch: such a process forks fast and safely.

in_processes = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9")


def in_light_process(task, *arguments):
    code = f"""
import importlib.util, sys
for name, path in [("labkit.world.cache", {cache_module.__file__!r}), ("cache_tasks", {__file__!r})]:
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
assert "torch" not in sys.modules
cache = sys.modules["labkit.world.cache"]
cache._generator = lambda: cache._GENERATOR
module.{task.__name__}(*sys.argv[1:])
"""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def forked(function):
    """Run a function in a fork of this process; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        function()
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def exit_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def large(number):
    return {"frames": np.full((600, 1000), number % 251, np.uint8), "label": np.array(number)}


def whole_entries(cache, made):
    """How many entries lie under their final name; each must read, without a word."""
    names = [path.stem for path in cache.folder.glob("[!.]*.npz")] if cache.folder.is_dir() else []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in names:
            assert_same(cache.get(name, not_again), made(int(name)))
    return len(names)


def killed_at_every_line(root, damaged):
    cache = Cache("actions", SETTINGS, root)
    states = []

    def get_until(step):
        lines = itertools.count()

        def trace(frame, event, _):
            if frame.f_code.co_filename in (cache_module.__file__, sys.modules["labkit.files"].__file__):
                if event == "line" and next(lines) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return trace
            return None

        warnings.simplefilter("ignore")
        sys.settrace(trace)
        cache.get(3, lambda: small(3))

    for step in itertools.count():
        shutil.rmtree(cache.folder, ignore_errors=True)
        if damaged == "damaged":
            cache_module._make_folder(cache.folder)
            (cache.folder / "3.npz").write_bytes(b"half")
        status = exit_of(forked(lambda step=step: get_until(step)))
        left = paths_in(cache.folder) if cache.folder.is_dir() else []
        temporary = [name for name in left if name.endswith(".tmp")]
        if damaged == "damaged" and (cache.folder / "3.npz").read_bytes() == b"half":
            (cache.folder / "3.npz").unlink()
        states.append((whole_entries(cache, small), len(temporary)))
        for name in temporary:
            os.utime(cache.folder / name, (0, 0))
        assert [item.folder for item in stored(root)] == [cache.folder] * cache.folder.is_dir()
        assert_same(cache.get(3, lambda: small(3)), small(3))  # the next one mends it
        cache._swept = False
        cache.get(4, lambda: small(4))
        assert paths_in(cache.folder) == ["3.npz", "4.npz", "CACHEDIR.TAG"]
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert {(0, 0), (0, 1), (1, 0)} <= set(states)
    print(len(states))


@in_processes
@pytest.mark.parametrize("damaged", ["damaged", "empty"])
def test_kill_at_every_line_leaves_no_half_entry(tmp_path, damaged):
    assert int(in_light_process(killed_at_every_line, tmp_path, damaged)) > 50


def killed_at_random(root, trials):
    rng = random.Random(0)
    fsync = os.fsync
    entries = left = 0

    def write_on(cache):
        for number in itertools.count():
            cache.get(number, lambda n=number: large(n))

    for trial in range(int(trials)):
        os.fsync = (
            fsync if trial % 2 else lambda _: None
        )  # with it, nearly every kill would find us waiting for the disk
        cache = Cache("actions", {"trial": trial}, root)
        writers = [forked(lambda cache=cache: write_on(cache)) for _ in range(2)]
        time.sleep(rng.uniform(0, 0.04))
        for pid in writers:
            os.kill(pid, signal.SIGKILL)
        assert [exit_of(pid) for pid in writers] == [-signal.SIGKILL] * 2
        entries += whole_entries(cache, large)
        left += len([*cache.folder.glob(".*.npz.*.tmp")])
    assert entries > 0
    print(left)


@in_processes
def test_kill_at_random_moments_leaves_no_half_entry(tmp_path):
    assert int(in_light_process(killed_at_random, tmp_path, 40)) > 5  # killed in the middle indeed
    clear(tmp_path)


def many_at_once(root, clearing):
    warnings.simplefilter("error")
    cache = Cache("actions", SETTINGS, root)
    end = time.monotonic() + 2

    def ask(seed):
        rng = random.Random(seed)
        while time.monotonic() < end:
            number = rng.randrange(20)
            assert_same(cache.get(number, lambda n=number: small(n)), small(number))

    def ask_in_threads(seed):
        with ThreadPoolExecutor(3) as pool:
            assert [*pool.map(ask, range(3 * seed, 3 * seed + 3))] == [None] * 3

    def clear_on():
        while time.monotonic() < end:
            clear(root)
            time.sleep(0.01)

    askers = [forked(lambda seed=seed: ask_in_threads(seed)) for seed in range(3)]
    clearers = [forked(clear_on) for _ in range(2 * int(clearing))]
    assert [exit_of(pid) for pid in askers + clearers] == [0] * len(askers + clearers)
    assert [path for path in paths_in(cache.folder) if path.endswith(".tmp")] == []
    if clearing == "0":
        assert whole_entries(cache, small) == 20


@in_processes
@pytest.mark.parametrize("clearing", [0, 1])
def test_many_threads_and_processes_share_a_folder(tmp_path, clearing):
    in_light_process(many_at_once, tmp_path, clearing)
    clear(tmp_path)
    assert paths_in(tmp_path) == []


def told_in_fork(function):
    """What a fork of this process warns of; it must not fail."""
    with tempfile.TemporaryFile("w+") as told:

        def listen():
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                function()
            told.write("\n".join(str(warning.message) for warning in caught))
            told.flush()

        assert exit_of(forked(listen)) == 0
        told.seek(0)
        return told.read().splitlines()


def no_room():
    import resource  # not on Windows

    with tempfile.TemporaryDirectory() as root:
        cache = Cache("actions", {}, root)

        def write():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            for number in (1, 2, 1):
                assert_same(cache.get(number, lambda n=number: large(n)), large(number))

        told = told_in_fork(write)
        assert len(told) == 1
        assert "File too large" in told[0]
        assert paths_in(cache.folder) == ["CACHEDIR.TAG"]


@in_processes
def test_a_file_that_cannot_grow_is_told_once():
    in_light_process(no_room)


def forbidden(rights):
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        cache = Cache("actions", {}, root)
        for make in (small, not_again):  # Python loads what it needs to read, as long as it may
            cache.get(0, make)
        for folder in (root, cache.folder):
            os.chmod(folder, int(rights, 8))

        def use():
            if os.geteuid() == 0:
                os.setuid(65534)  # rights do not stop root
            assert_same(cache.get(0, not_again if rights == "555" else small), small())
            for number in (1, 2, 1):
                assert_same(cache.get(number, lambda n=number: small(n)), small(number))

        told = told_in_fork(use)
        assert len(told) == 1
        assert "Permission denied" in told[0]
        os.chmod(root, 0o755)
        os.chmod(cache.folder, 0o755)
        assert paths_in(cache.folder) == ["0.npz", "CACHEDIR.TAG"]


@in_processes
@pytest.mark.parametrize("rights", ["555", "000"])
def test_a_folder_without_rights_is_told_once_and_read_if_it_may_be(rights):
    in_light_process(forbidden, rights)
