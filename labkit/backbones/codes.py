"""CNN codes: what a layer of a frozen network gives for each frame, computed once and kept on disk.

A `FrameCoder` is a network, one of its layers and how an image gets into it; it turns frames into vectors. A video is
large and its codes are small, so they are extracted once, for a whole set of clips (`extract_codes`), saved with the
names, the labels and the identity of the network (`save_codes`, `load_codes`), and whatever is trained on top trains in
seconds. `storage_table` tells how much smaller they are.
"""

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models import AlexNet_Weights, alexnet  # type: ignore[import-untyped]
from torchvision.transforms.v2 import functional as pictures  # type: ignore[import-untyped]
from tqdm.auto import tqdm

from labkit import checks
from labkit.backbones.taps import tap
from labkit.backbones.weights import content_hash, torchvision_weights
from labkit.clips import Clip, Clips, Indices
from labkit.files import written_whole

ALEXNET_FC6 = "classifier.1"
ALEXNET_FC7 = "classifier.4"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_FORMAT = "labkit codes 1"
_TENSORS = {"codes": torch.float32, "labels": torch.int64, "groups": torch.int64, "indices": torch.int64}


class CodesError(ValueError):
    """A file of codes cannot be read or written, or is another network's; the message says which, and what to do."""


@dataclass(frozen=True, eq=False)
class FrameCoder:
    """A frozen network as a function from frames to codes.

    Attributes:
        network: takes float32 images ``(N, 3, *size)``. It is used in ``eval()`` mode, without gradients, where it is.
        layer: the submodule whose output is the code, flattened: of a fully connected layer, or of a lower one, whose
            code keeps the locations, C x H x W of them.
        size: height and width the network sees. The whole frame is warped to it, bilinear and smoothed, in whole
            levels.
        mean: of red, green and blue on the scale 0 to 1, subtracted.
        std: the divisor after that. Mean and std are those the network was trained with; ImageNet's by default.
        rectify: whether a ReLU comes last, as the next layer of the network would see the code. A layer ``nn.Linear``
            and True is "fc7 after ReLU".
    """

    network: nn.Module
    layer: str
    size: tuple[int, int] = (224, 224)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    rectify: bool = True

    def __call__(self, frames: Tensor, batch: int = 32) -> Tensor:
        """Codes of frames.

        Args:
            frames: ``(N, 3, H, W)`` of any size, at least one, else ``ValueError``; uint8, else ``TypeError``.
            batch: frames in one pass; bounds the memory. Its influence on the codes is a matter of rounding.

        Returns:
            ``(N, D)``, float32, on the CPU.
        """
        checks.require_positive(batch, "batch")
        with _evaluated(self.network), torch.no_grad():
            return torch.cat([self.differentiable(part).cpu() for part in self._checked(frames).split(batch)])  # (N, D)

    def differentiable(self, frames: Tensor) -> Tensor:
        """Codes ``(N, D)`` of uint8 frames ``(N, 3, H, W)``, with gradients, in the network's present mode."""
        device = next((parameter.device for parameter in self.network.parameters()), torch.device("cpu"))
        images = self.resize(frames).to(device).float() / 255  # (N, 3, *size)
        mean, std = (images.new_tensor(values)[:, None, None] for values in (self.mean, self.std))  # (3, 1, 1) each
        images = ((images - mean) / std).contiguous(memory_format=torch.channels_last)  # half the time on a CPU
        codes = tap(self.network, images, [self.layer])[self.layer].flatten(1)  # (N, D)
        return codes.relu() if self.rectify else codes

    def resize(self, frames: Tensor) -> Tensor:
        """Warp uint8 frames ``(N, 3, H, W)`` to the size the network sees, ``(N, 3, *size)``, still uint8."""
        return pictures.resize(self._checked(frames), list(self.size), antialias=True)

    def source(self) -> dict[str, Any]:
        """What tells these codes from others: the network and a hash of its weights, the layer, the preparation."""
        weights = {name: value.detach().cpu() for name, value in self.network.state_dict().items()}
        prepared = {"size": list(self.size), "mean": list(self.mean), "std": list(self.std), "rectify": self.rectify}
        return {"net": type(self.network).__name__, "hash": content_hash(weights), "layer": self.layer, **prepared}

    @staticmethod
    def _checked(frames: Tensor) -> Tensor:
        checks.require_shape(frames, "N 3 H W", "frames", "flatten clips first: clips.flatten(0, 1)")
        checks.require_dtype(frames, (torch.uint8,), "frames", "pass them as they are decoded, 0 to 255")
        if frames.numel() == 0:
            raise ValueError(f"frames must hold at least one frame; got {tuple(frames.shape)}")
        return frames


def alexnet_coder(weights: str | os.PathLike[str] | None = None) -> FrameCoder:
    """AlexNet as torchvision has it, trained on ImageNet, as a coder of frames: the 4096 values of fc7.

    Args:
        weights: a file with its weights; None for torchvision's, where torch.hub keeps them. ``FileNotFoundError`` if
            they are not there, ``WeightsError`` if they are damaged, or of another network.
    """
    return FrameCoder(torchvision_weights(alexnet, AlexNet_Weights.IMAGENET1K_V1, file=weights), ALEXNET_FC7)


@dataclass(frozen=True, eq=False)
class Codes(Dataset[tuple[Tensor, Tensor]]):
    """The codes of a set of clips: a data set of ``(codes (T, D), label)``, ready for training.

    For `labkit.training.evaluate`, which takes several views a video, it is one batch with one view each:
    ``iter([(codes.codes[:, None], codes.labels)])``.

    Attributes:
        codes: ``(N, T, D)``, float32, of T frames of each clip.
        labels: ``(N,)``, int64.
        groups: ``(N,)``, int64, as in `labkit.clips.Clips`.
        indices: ``(N, T)``, int64, which frames of the clip were looked at.
        names: of the clips.
        classes: names of the classes, in the order of their labels.
        source: `FrameCoder.source` of the coder.

    Raises:
        ValueError: the parts do not fit together; ``TypeError`` for a wrong dtype.
    """

    codes: Tensor
    labels: Tensor
    groups: Tensor
    indices: Tensor
    names: tuple[str, ...]
    classes: tuple[str, ...]
    source: dict[str, Any]

    def __post_init__(self) -> None:
        checks.require_shape(self.codes, "N T D", "codes")
        count, steps, _ = self.codes.shape
        for name, dtype in _TENSORS.items():
            checks.require_dtype(getattr(self, name), (dtype,), name)
        checks.require_shape(self.indices, f"{count} {steps}", "indices", "one index a code")
        for name in ("labels", "groups"):
            checks.require_shape(getattr(self, name), f"{count}", name, "one a clip")
        if len(self.names) != count:
            raise ValueError(f"names must be {count}, one a clip; got {len(self.names)}")

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Codes ``(T, D)`` and label of one clip."""
        return self.codes[index], self.labels[index]

    def subset(self, indices: Indices) -> "Codes":
        """The codes of some clips, in the order asked."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        parts = {name: getattr(self, name)[chosen] for name in _TENSORS}
        return replace(self, **parts, names=tuple(self.names[index] for index in chosen.tolist()))

    def named(self, names: Sequence[str]) -> "Codes":
        """The codes of some clips by their names, in the order asked.

        Raises:
            CodesError: a clip is not among them.
        """
        index = {name: number for number, name in enumerate(self.names)}
        if lacking := [name for name in names if name not in index]:
            raise CodesError(
                f"codes must be of {len(names)} clips; {len(lacking)} are not among them, {lacking[0]} the first: "
                "extract them again"
            )
        return self.subset([index[name] for name in names])

    @staticmethod
    def concatenate(parts: Sequence["Codes"]) -> "Codes":
        """Several sets of codes of the same classes as one, in this order; the source is that of the first."""
        tensors: dict[str, Any] = {name: torch.cat([getattr(part, name) for part in parts]) for name in _TENSORS}
        return replace(parts[0], **tensors, names=tuple(name for part in parts for name in part.names))


def extract_codes(
    clips: Clips,
    coder: FrameCoder,
    indices: Callable[[Clip], Tensor],
    *,
    read: Callable[[Clip, Tensor], Tensor] | None = None,
    workers: int = 0,
    progress: bool = True,
) -> Codes:
    """Codes of all clips of a set.

    Args:
        clips: any set of videos.
        coder: the network and its layer.
        indices: which frames of a clip to look at, ``(T,)`` int64; the same number for each clip.
        read: ``(clip, indices) -> (T, 3, H, W)`` uint8; ``clip.frames(indices)`` if None. Augments, or paints flow.
        workers: processes that read clips.
        progress: whether to show a bar.

    Returns:
        Codes in the order of the clips.

    Raises:
        ValueError: no clips, or clips with different numbers of frames to look at.
    """
    if len(clips) == 0:
        raise ValueError("clips must hold at least one clip; got none: check the folder and the split")
    loader: DataLoader[Any] = DataLoader(
        clips.map(functools.partial(_look, coder.resize, indices, read)),
        batch_size=8,
        num_workers=workers,
        collate_fn=list,
        generator=torch.Generator(),  # its own: it would draw from the global one otherwise
    )
    codes, looked, names = [], [], []
    with tqdm(total=len(clips), unit="clip", disable=not progress, delay=1) as bar:
        for part in loader:
            for name, seen, frames in part:
                names.append(name)
                looked.append(seen)
                if not len(frames) == len(seen) == len(looked[0]):
                    raise ValueError(
                        f"clips must have as many frames read as asked for, and all as many; got {len(frames)} for "
                        f"{len(seen)} indices in {name}, {len(looked[0])} in {names[0]}: see indices and read"
                    )
            frames = torch.cat([frames for _, _, frames in part])  # (clips * T, 3, *size)
            codes.append(coder(frames, batch=len(frames)).unflatten(0, (len(part), -1)))  # (clips, T, D)
            bar.update(len(part))
    return Codes(
        codes=torch.cat(codes),
        labels=clips.labels.clone(),
        groups=clips.groups.clone(),
        indices=torch.stack(looked),
        names=tuple(names),
        classes=tuple(clips.classes),
        source=coder.source(),
    )


def save_codes(path: str | os.PathLike[str], codes: Codes) -> None:
    """Save codes with all that belongs to them in one safetensors file, whole or not at all.

    Args:
        path: the file to write, ``*.safetensors``; its folder must exist; an older file is replaced.
        codes: 4 bytes a number, 160 kB a clip with 10 codes of 4096 numbers. Twice as much memory while it is written.

    Raises:
        ValueError: the path has another ending.
        CodesError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"path must end in .safetensors; got {path.name}")
    tensors = {name: getattr(codes, name).detach().cpu().contiguous() for name in _TENSORS}
    facts = json.dumps({"names": codes.names, "classes": codes.classes, "source": codes.source}, allow_nan=False)
    metadata = {"format": _FORMAT, "facts": facts, "hash": _hash(facts, tensors)}
    data = safetensors.torch.save(tensors, metadata=metadata)
    try:
        with written_whole(path) as file:
            file.write(data)
    except OSError as error:
        raise CodesError(f"{path} cannot be written ({error}): does the folder exist, is there space?") from error


def load_codes(path: str | os.PathLike[str], source: dict[str, Any] | None = None) -> Codes:
    """Load what `save_codes` wrote; every number and every name is checked against the hash in the file.

    Args:
        path: a file of `save_codes`.
        source: what the codes must come from, `FrameCoder.source` of today's coder; None for whatever it was.

    Raises:
        FileNotFoundError: no such file.
        CodesError: damaged, something else, or the codes of another network, layer or preparation.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"codes must be a file; got {path}, and there is none: extract them first")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        if metadata.get("format") != _FORMAT:
            raise ValueError(f"format {metadata.get('format')!r} instead of {_FORMAT!r}")
        if metadata["hash"] != (found := _hash(metadata["facts"], tensors)):
            raise ValueError(f"hash {found[:16]}... instead of {metadata['hash'][:16]}...")
        facts = json.loads(metadata["facts"])
        names, classes = tuple(facts["names"]), tuple(facts["classes"])
        codes = Codes(**tensors, names=names, classes=classes, source=facts["source"])
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CodesError(
            f"{path} must be a whole file of save_codes; it is damaged or something else ({error}): extract them again"
        ) from error
    if source is not None and codes.source != source:
        differing = [name for name in {**source, **codes.source} if source.get(name) != codes.source.get(name)]
        first = differing[0]
        raise CodesError(
            f"{path} must hold codes from the same source; it differs in {', '.join(differing)} ({first} there: "
            f"{codes.source.get(first)}, here: {source.get(first)}): extract them again, or into another file"
        )
    return codes


@dataclass(frozen=True)
class Storage:
    """What one stage of a video takes: its name, its dimensions and its bytes as 32-bit floats."""

    name: str
    dimensions: tuple[int, ...]
    bytes: int

    @property
    def megabytes(self) -> float:
        """In units of 10^6 bytes."""
        return self.bytes / 1e6


def storage_table(clip: Clip, indices: Tensor, codes: Tensor) -> tuple[Storage, Storage, Storage]:
    """How a clip shrinks: all of its frames, those looked at, their codes.

    Args:
        clip: a video.
        indices: ``(T,)``, which of its frames are looked at.
        codes: ``(T, D)``, float32, what came of them.

    Returns:
        Three stages, frames as ``(frames, 3, H, W)``.

    Raises:
        ValueError: not one code for each index.

    Source: Giel and Diaz, "Data Processing", the table without a number; its sizes are those of 32-bit floats.
    """
    checks.require_shape(codes, f"{len(indices)} D", "codes", "one code for each frame looked at")
    frames = clip.frames(indices).float()  # (T, 3, H, W)
    return (
        Storage("Original frames", (clip.num_frames, *frames.shape[1:]), clip.num_frames * frames[0].nbytes),
        Storage("Sampled frames", tuple(frames.shape), frames.nbytes),
        Storage("CNN codes", tuple(codes.shape), codes.nbytes),
    )


def _look(
    resize: Callable[[Tensor], Tensor],
    indices: Callable[[Clip], Tensor],
    read: Callable[[Clip, Tensor], Tensor] | None,
    clip: Clip,
) -> tuple[str, Tensor, Tensor]:
    """Name of a clip, the indices ``(T,)`` looked at, and the frames ``(T, 3, *size)``, resized here: they are many."""
    seen = indices(clip)
    return clip.name, seen, resize(clip.frames(seen) if read is None else read(clip, seen))


def _hash(facts: str, tensors: dict[str, Tensor]) -> str:
    return hashlib.sha256(f"{content_hash(tensors)} {facts}".encode()).hexdigest()


@contextlib.contextmanager
def _evaluated(network: nn.Module) -> Iterator[None]:
    """Put all of a network into ``eval()`` mode, and back into the modes it had."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
