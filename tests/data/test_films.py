"""The filmed clips that come with the lab."""

from pathlib import Path

import pytest

from labkit.data import read_video, scan
from labkit.data.films import FILMS


@pytest.mark.parametrize("name", FILMS)
def test_a_clip_is_48_frames_in_colour_and_small(name):
    info = scan(FILMS[name])
    assert (info.num_frames, info.fps, info.height, info.width) == (48, 25, 120, 214)
    frames = read_video(FILMS[name]).frames.float()
    assert frames.std() > 20
    assert (frames[1:] - frames[:-1]).abs().mean() > 0.5


def test_what_they_show_and_whose_they_are_is_written_beside_them():
    folder = Path(FILMS["city"]).parent
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in folder.glob("*.mp4")) == sorted(f"{name}.mp4" for name in FILMS)
    assert all(f"`{name}.mp4`" in text for name in FILMS)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 150_000
