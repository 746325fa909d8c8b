import os

import pytest

from labkit.files import written_whole


def write(path, then):
    with written_whole(path) as file:
        file.write(b"new")
        then()


def test_the_file_appears_whole_and_alone(tmp_path):
    path = tmp_path / "a.txt"
    with written_whole(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["inside", "fsync", "replace"])
def test_whatever_fails_leaves_the_older_file_and_nothing_else(tmp_path, monkeypatch, step, error):
    def fail(*_):
        raise error

    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    if step != "inside":
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        write(path, fail if step == "inside" else list)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), written_whole(tmp_path / "nowhere" / "a"):
        pass
