"""Compute CNN codes of videos once: what a network trained on ImageNet says about ten frames of each.

    python data_scripts/extract_features.py /data/ucf101 --processes 8             # fc7 of AlexNet, split 1
    python data_scripts/extract_features.py /data/ucf101 --split 2 --layer fc6
    python data_scripts/extract_features.py my_videos --net resnet18 --layer avgpool

For UCF101 and HMDB51 this writes ``codes_fc7/split1_train.safetensors`` and ``split1_test.safetensors``, for any other
folder ``codes_fc7/videos.safetensors`` with its folders as classes; `labkit.backbones.codes.load_codes` reads them.
Beside them lies a file a video, and ``codes.jsonl`` lists each with its SHA-256 and that of its video. Interrupted,
killed, or with new videos: run it again, and only what is missing is computed. A video that fails stops nothing; it is
not among the codes, the failures are listed at the end, and the exit code is 1.

The weights are torchvision's, if they are on this machine already; --download fetches them, --weights names a file.
Ten codes of 4096 numbers take 160 kB a video, 2 GB for UCF101, and as much again joined for each split.

Which frames, and what a shorter video does, is `labkit.papers.frame_rnn.sample_frames`: Giel and Diaz take 10 over the
first 2 seconds.
"""

import argparse
import functools
import sys
from collections.abc import Collection
from pathlib import Path

import safetensors.torch
import torch
from torchvision.models import get_model, get_model_builder, get_model_weights

from labkit.backbones import load_weights, torchvision_weights
from labkit.backbones.codes import ALEXNET_FC6, ALEXNET_FC7, Codes, FrameCoder, save_codes
from labkit.data import HMDB51, UCF101
from labkit.data.download import exit_code
from labkit.data.jobs import Record, run_jobs
from labkit.data.videos import Listed, VideoClip, VideoClips, describe, find_videos
from labkit.files import written_whole
from labkit.papers.frame_rnn import sample_frames

LAYERS = {"fc6": ALEXNET_FC6, "fc7": ALEXNET_FC7}


@functools.cache  # once a process
def coder(net: str, layer: str, weights: Path | None, device: str) -> FrameCoder:
    """The network, frozen, with weights from a file or from torchvision's cache."""
    if weights is None:
        module = torchvision_weights(get_model_builder(net), get_model_weights(net).DEFAULT)
    else:
        module = get_model(net, weights=None)
        load_weights(module, weights)
    return FrameCoder(module.to(device), LAYERS.get(layer, layer))


def extract(
    video: Path, out: Path, net: str, layer: str, weights: Path | None, device: str, frames: int, seconds: float
) -> Record:
    """Compute the codes of a video and save them; the job of `run_jobs`."""
    clip = VideoClip(Listed(video.name, 0, 0), video, flow_path=video, flow_command="", known={})
    indices = sample_frames(clip, frames, seconds)
    codes = coder(net, layer, weights, device)(clip.frames(indices))  # (T, D)
    path = code_path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.write(safetensors.torch.save({"codes": codes, "indices": indices}))
    return {**describe(clip.info), "files": [path]}


def code_path(out: Path) -> Path:
    """Where the codes of a video lie."""
    return out.with_name(f"{out.name}.safetensors")


def join(clips: VideoClips, folder: Path, source: dict, failed: Collection[str]) -> Codes:
    """The codes of a set of clips, without those that failed."""
    places = [index for index, path in enumerate(clips.paths) if path not in failed]
    paths = [code_path(folder / clips.paths[index]) for index in places]  # which load_file takes in UTF-8 only
    found = [safetensors.torch.load(path.read_bytes()) for path in paths]
    return Codes(
        codes=torch.stack([part["codes"] for part in found]),  # (N, T, D)
        labels=clips.labels[places],
        groups=clips.groups[places],
        indices=torch.stack([part["indices"] for part in found]),  # (N, T)
        names=tuple(clips.listed[index].name for index in places),
        classes=clips.classes,
        source=source,
    )


def sets(options: argparse.Namespace) -> dict[str, VideoClips]:
    """The parts of a split, or all videos of a folder, by the name of their file of codes."""
    for clips, videos in ((UCF101, "UCF-101"), (HMDB51, "hmdb51_org")):
        if (options.root / videos).is_dir():
            return {
                f"split{options.split}_{part}": clips(options.root, options.split, part, missing=options.missing)
                for part in ("train", "test")
            }
    paths = find_videos(options.root)
    if not paths:
        raise ValueError(f"{options.root}: expected videos; got none: check the path")
    classes = sorted({Path(path).parent.as_posix() for path in paths})
    listed = [Listed(path, classes.index(Path(path).parent.as_posix()), group) for group, path in enumerate(paths)]
    by_name = {path.lower(): path for path in paths}
    return {
        "videos": VideoClips(
            str(options.root), classes, listed, by_name, options.root, ".", "flow", "error", fetch_command=""
        )
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="a data set, or any folder of videos")
    parser.add_argument("--split", type=int, default=1, choices=(1, 2, 3), help="of the data set (default: 1)")
    parser.add_argument("--missing", default="error", choices=("error", "skip"), help="videos of it that are not there")
    parser.add_argument("--net", default="alexnet", help="a network of torchvision (default: alexnet)")
    parser.add_argument("--layer", default="fc7", help="fc7, fc6 or the name of a submodule (default: fc7)")
    parser.add_argument("--weights", type=Path, help="its weights, .safetensors or .pth (default: torchvision's)")
    parser.add_argument("--download", action="store_true", help="fetch torchvision's weights if they are not there")
    parser.add_argument("--codes", help="folder of the codes in root (default: codes_ and the layer)")
    parser.add_argument("--frames", type=int, default=10, help="of each video (default: 10)")
    parser.add_argument("--seconds", type=float, default=2.0, help="over which they lie (default: 2)")
    parser.add_argument("--processes", type=int, default=1, help="videos at a time, one thread each (default: 1)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--verify", action="store_true", help="compare hashes, not only sizes, of all files")
    options = parser.parse_args(arguments)
    folder = options.root / (options.codes or f"codes_{options.layer}")

    def compute() -> dict[str, str]:
        if options.download:
            torchvision_weights(get_model_builder(options.net), get_model_weights(options.net).DEFAULT, download=True)
        network = {name: getattr(options, name) for name in ("net", "layer", "weights", "device")}
        coder(**network)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))  # a layer that is not there shows now
        source = coder(**network).source()
        parts = sets(options)
        job = functools.partial(extract, **network, frames=options.frames, seconds=options.seconds)
        videos = next(iter(parts.values())).folder
        names = sorted({path for clips in parts.values() for path in clips.paths})
        settings = {**source, "frames": options.frames, "seconds": options.seconds}
        manifest = folder / "codes.jsonl"
        errors = run_jobs(job, names, videos, manifest, settings, processes=options.processes, verify=options.verify)
        for name, clips in parts.items():
            path = folder / f"{name}.safetensors"
            if errors.keys() >= set(clips.paths):
                print(f"{path}: not written, all of its {len(clips)} videos failed", file=sys.stderr)
                continue
            codes = join(clips, folder, source, errors)
            save_codes(path, codes)
            print(f"{path}: codes {tuple(codes.codes.shape)} of {len(clips)} videos")
        return errors

    return exit_code(compute)


if __name__ == "__main__":
    sys.exit(main())
