"""Compute optical flow of videos once, and keep it: a file a video, a fraction of a pixel from what was computed.

    python data_scripts/extract_flow.py /data/ucf101 --processes 8              # a folder of data_scripts/ucf101.py
    python data_scripts/extract_flow.py /data/ucf101 --backward --processes 8   # the flow back in time, beside it
    python data_scripts/extract_flow.py my_videos --estimator dis               # any folder of videos

For ``Punch/clip.avi`` this writes ``flow/Punch/clip.avi.flow`` or ``clip.avi.backward.flow``, which
`labkit.flow.load_flow` reads and the data sets of `labkit.data` find. ``forward.jsonl`` and ``backward.jsonl`` list
every file with its SHA-256 and that of its video. Interrupted, killed, or with new videos: run it again, and only what
is missing is computed. A video that fails stops nothing; the failures are listed at the end, and the exit code is 1.

Frames stream through; the flow of one video stays in memory until it is written: 0.6 MB for each frame of 320 x 240,
twice that while it is checked. Each process needs as much. UCF101 has 2.5 million frames: on one core about 170 hours
with tvl1 and 16 with dis, and about 40 GB of flow. With --device cuda tvl1 runs on the GPU, in batches.

The two-stream paper took the method of Brox et al. from OpenCV's GPU module, which OpenCV no longer has; TV-L1, our
default, is what its successors (TSN and after) took instead.
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from labkit.data import VideoError, iter_frames, scan
from labkit.data.download import exit_code
from labkit.data.jobs import Record, run_jobs
from labkit.data.videos import describe, find_videos, flow_path
from labkit.flow import dis, farneback, save_flow, tvl1, tvl1_opencv

ESTIMATORS = {function.__name__: function for function in (tvl1, tvl1_opencv, dis, farneback)}
VIDEO_FOLDERS = ("UCF-101", "hmdb51_org", "videos")  # where a root of UCF101, HMDB51, or a set that you bring has them


def extract(
    video: Path, out: Path, estimator: Callable[[Tensor, Tensor], Tensor], backward: bool, batch: int, device: str
) -> Record:
    """Compute the flow of a video and save it; the job of `run_jobs`."""
    record = describe(scan(video))
    count = record["frames"] - 1
    if count < 1:
        raise VideoError(f"{video}: expected two frames or more; got one: there is no flow")
    flow = torch.empty(count, 2, record["height"], record["width"])  # (T - 1, 2, H, W)
    done = 0
    for frames in overlapping(iter_frames(video), batch):  # (batch + 1 or fewer, 3, H, W)
        earlier, later = frames[:-1].to(device), frames[1:].to(device)
        fields = estimator(later, earlier) if backward else estimator(earlier, later)
        flow[done : done + len(fields)] = fields.cpu()
        done += len(fields)
    if done < count:
        raise VideoError(f"{video}: expected flow of {count} frames; got that of {done}: run again")
    path = flow_path(out).with_suffix(".backward.flow") if backward else flow_path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_flow(path, flow)
    return {**record, "files": [path]}


def overlapping(frames: Iterator[Tensor], batch: int) -> Iterator[Tensor]:
    """Runs of ``batch + 1`` frames, or what is left, each beginning with the last frame of the one before."""
    run = [next(frames)]
    while new := list(itertools.islice(frames, batch)):
        run = [run[-1], *new]
        yield torch.stack(run)  # (len(run), 3, H, W)


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="a data set, or any folder of videos")
    places = ", ".join(VIDEO_FOLDERS)
    parser.add_argument("--videos", help=f"folder of the videos in it (default: {places}, or root itself)")
    parser.add_argument("--flow", default="flow", help="folder of the flow in it (default: flow)")
    parser.add_argument("--estimator", default="tvl1", choices=ESTIMATORS, help="default: tvl1")
    parser.add_argument("--backward", action="store_true", help="from each frame to the one before it")
    parser.add_argument("--processes", type=int, default=1, help="videos at a time, one thread each (default: 1)")
    parser.add_argument("--batch", type=int, default=1, help="frame pairs at a time; more pays on a GPU (default: 1)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; only tvl1 gains from cuda (default: cpu)")
    parser.add_argument("--verify", action="store_true", help="compare hashes, not only sizes, of all files")
    options = parser.parse_args(arguments)
    folder = options.videos or next((name for name in VIDEO_FOLDERS if (options.root / name).is_dir()), ".")
    videos = options.root / folder
    direction = "backward" if options.backward else "forward"
    settings = {"estimator": options.estimator, "direction": direction, "format": "labkit flow 1"}
    job = partial(
        extract,
        estimator=ESTIMATORS[options.estimator],
        backward=options.backward,
        batch=options.batch,
        device=options.device,
    )
    manifest = options.root / options.flow / f"{direction}.jsonl"

    def compute() -> dict[str, str]:
        if options.batch < 1:
            raise ValueError(f"batch must be 1 or more; got {options.batch}")
        names = find_videos(videos)
        if not names:
            raise ValueError(f"{videos}: expected videos; got none: check the path")
        return run_jobs(job, names, videos, manifest, settings, processes=options.processes, verify=options.verify)

    return exit_code(compute)


if __name__ == "__main__":
    sys.exit(main())
