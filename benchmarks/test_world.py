"""How many clips of the puppet world a second: drawn, read from the disk, kept in memory.

One clip of each of the 18 classes a round, in one process; drawing is timed on the processor's own clock, so whatever
else the machine does counts little. NumPy on small arrays bounds it: about half of the time paints, a third asks what
hides what, the rest builds parts and textures. Flow is not in it: it follows from parts and poses whenever it is asked
for. A set is drawn once, so a training waits for memory only.
"""

import sys
import time

import pytest

from labkit.world import Actions, sets

painter = sys.modules["labkit.world.render"]
CLIPS = range(0, 18 * 48, 48)  # the first of each class


@pytest.fixture(params=[64, 112])
def clips(request, benchmark, tmp_path, monkeypatch) -> Actions:
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    job = "read" if "read" in request.node.name else "draw"
    if job == "draw":
        benchmark._timer = time.process_time
    benchmark.group = f"{job} {len(CLIPS)} clips of the world, {request.param} px x 16 frames"
    return Actions(size=request.param)


def measure(benchmark, job, rounds: int = 5, **settings) -> None:
    benchmark.pedantic(job, rounds=rounds, **settings)
    benchmark.extra_info["clips a second"] = len(CLIPS) / benchmark.stats.stats.median


def scenes(clips: Actions, monkeypatch) -> list[tuple]:
    """What `draw` hands to `render`: parts, camera, height and width."""
    handed = []
    with monkeypatch.context() as patch:
        patch.setattr(sets, "render", lambda *scene: handed.append(scene) or painter.render(*scene))
        for index in CLIPS:
            clips.draw(index)
    return handed


def test_labkit(benchmark, clips):
    measure(benchmark, lambda: [clips.draw(index) for index in CLIPS], warmup_rounds=1)


def steps(clips: Actions, monkeypatch, name: str) -> list[tuple]:
    """With what arguments `render` calls one of its steps."""
    called, step = [], getattr(painter, name)
    with monkeypatch.context() as patch:
        patch.setattr(painter, name, lambda *arguments: called.append(arguments) or step(*arguments))
        for scene in scenes(clips, monkeypatch):
            painter.render(*scene)
    return called[-len(CLIPS) :]


def test_of_which_painting(benchmark, clips, monkeypatch):
    calls = steps(clips, monkeypatch, "_paint")
    measure(benchmark, lambda: [painter._paint(*call) for call in calls])


def test_of_which_occlusion(benchmark, clips, monkeypatch):
    calls = steps(clips, monkeypatch, "_occluded")
    measure(benchmark, lambda: [painter._occluded(*call) for call in calls])


def test_of_which_parts_and_textures(benchmark, clips, monkeypatch):
    ready = iter([painter.render(*scene) for scene in scenes(clips, monkeypatch)] * 5)
    monkeypatch.setattr(sets, "render", lambda *scene: next(ready))
    measure(benchmark, lambda: [clips.draw(index) for index in CLIPS])


def test_and_flow_of_all_frames(benchmark, clips):
    drawn = [clips.draw(index) for index in CLIPS]
    measure(benchmark, lambda: [clip.forward for clip in drawn], warmup_rounds=1)


def test_labkit_read_from_disk(benchmark, clips):
    for index in CLIPS:
        clips[index]
    size = clips.size

    def read():
        again = Actions(size=size)
        return [again[index] for index in CLIPS]

    measure(benchmark, read, warmup_rounds=1)
    stored = sum(path.stat().st_size for path in clips._cache.folder.glob("*.clip"))
    benchmark.extra_info["MB a clip"] = stored / len(CLIPS) / 1e6


def test_read_from_memory(benchmark, clips):
    for index in CLIPS:
        clips[index]
    measure(benchmark, lambda: [clips[index].frames(range(16)) for index in CLIPS], rounds=9, warmup_rounds=1)
