"""Artefacts on the disk: names, damage, what a killed process leaves, disks that take nothing."""

import errno
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from labkit.studies import store as store_module
from labkit.studies.store import Artefact, Store, StoreError

NOTES = {"labkit": json.dumps({"seconds": 1.0, "notes": {}})}


def made(value=1.0):
    return Artefact({"a": torch.tensor([value])}, 2.5, {"curve": []})


def never():
    raise AssertionError("it is kept")


def test_made_once_then_read(tmp_path):
    store = Store(tmp_path / "new" / "folder")
    assert store.load_or_make("a.b", made)[1]
    artefact, now = Store(tmp_path / "new" / "folder").load_or_make("a.b", never)
    assert (artefact.tensors["a"].item(), artefact.seconds, artefact.notes, now) == (1.0, 2.5, {"curve": []}, False)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "../a", "a b", "a*", "a[0]", "ä\n", "x" * 201])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_name_that_is_no_name_of_a_file_is_an_error(tmp_path, name, in_memory):
    with pytest.raises(ValueError, match="name of an artefact must be 1 to 200 letters, digits and"):
        Store(None if in_memory else tmp_path).load_or_make(name, made)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b"something else"),
        lambda path: save_file(load_file(path), path),  # without the notes
        lambda path: save_file(load_file(path), path, {"labkit": "[]"}),
        lambda path: save_file(load_file(path), path, {"labkit": "{"}),
    ],
    ids=["empty", "truncated", "something else", "no notes", "a list", "no JSON"],
)
def test_a_damaged_artefact_says_in_one_line_what_to_do(tmp_path, damage):
    store = Store(tmp_path)
    store.load_or_make("a", made)
    damage(tmp_path / "a.safetensors")
    with pytest.raises(StoreError, match=r"a\.safetensors must be a kept artefact; .*: delete it") as caught:
        store.load_or_make("a", never)
    assert "\n" not in str(caught.value)


def test_what_a_killed_process_has_left_is_removed(tmp_path):
    left = [tmp_path / f".a.{kind}.0a1b2c3d.tmp" for kind in ("checkpoint", "safetensors")]
    of_another = tmp_path / ".a.b.checkpoint.0a1b2c3d.tmp"
    for path in (*left, of_another):
        path.write_bytes(b"half")
    Store(tmp_path).load_or_make("a", made)
    assert sorted(path.name for path in tmp_path.iterdir()) == [of_another.name, "a.safetensors"]


def test_what_is_kept_is_read_without_a_lock(tmp_path, monkeypatch):
    Store(tmp_path).load_or_make("a", made)

    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(store_module, "lock", read_only)
    assert not Store(tmp_path).load_or_make("a", never)[1]
    with pytest.raises(StoreError, match=r"cannot be written .*Read-only file system.*give another folder"):
        Store(tmp_path).load_or_make("b", made)


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/folder cannot be written .*Not a directory"):
        Store(tmp_path / "file" / "folder").load_or_make("a", made)


def test_in_memory_it_keeps_nothing_itself():
    store = Store(None)
    assert store.load_or_make("a", made)[1]
    assert store.load_or_make("a", made)[1]
