"""Clips as codes: what the models of `labkit.studies.frame_rnn` read, and which of the world's classes they are of.

The codes are those of the paper's AlexNet; in the small profiles of the lab's own small network, which was trained on
stills of the world; or, as the network ``lite0``, those of an EfficientNet-Lite0 that has seen ImageNet
(`labkit.backbones.efficientnet_lite`). That one is not the paper's, but a real network, as the paper's is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from labkit import data, world
from labkit.backbones import card, efficientnet_lite, load_weights
from labkit.backbones.codes import Codes, FrameCoder, alexnet_coder, extract_codes, load_codes, save_codes
from labkit.clips import Clip, Clips
from labkit.papers import frame_rnn
from labkit.papers.two_stream import spatial_network
from labkit.studies.families import FAMILIES, labels_of
from labkit.studies.study import Study
from labkit.world.cache import cache_folder

LAYERS: Mapping[str, Mapping[str, str]] = {
    "paper": {"fc7": "classifier.4", "fc6": "classifier.1", "pool5": "features.12"},
    "tiny": {"fc7": "fc7", "fc6": "fc6", "pool5": "features.pool5"},
}
"""Whose outputs are codes: of torchvision's AlexNet, and of the tiny CNN-M."""

ORDERED: Mapping[str, int] = {"0": 0, "0.17": 2, "0.33": 4}
"""By the fraction of classes that differ from another one in the order of their frames alone: how many of twelve."""

SUBSETS: Mapping[str, Sequence[str]] = {
    "app6": FAMILIES["appearance"],
    **{
        f"ordered{count}": [
            *FAMILIES["appearance"][: 6 - count // 2],
            *FAMILIES["motion"][: 6 - count // 2],
            *FAMILIES["reversed"][:count],
        ]
        for count in ORDERED.values()
    },
}
"""Some of the world's classes, by the kind of their codes: appearance alone; or twelve, among them 0, 1 or 2 of the
reversed pairs, and of the two other families equal numbers."""


Setting = tuple[float, float]
"""Factor on the recipe's learning rate, and weight decay."""


class Scale(NamedTuple):
    """What a profile changes.

    Attributes:
        groups: of the world's clips; a third of them is the test part.
        clips: of each class in each group.
        steps: to train a model on codes; None: those of its recipe.
        settings: among which the validation clips choose.
        starts: trainings with the chosen setting, from different initial weights.
        tuning_steps: to fine-tune the CNN.
        tuning_batch: clips in each of these.
        enlarged: height and width, in pixels, to which frames are enlarged for EfficientNet-Lite0.
        test_groups: of the clips, further ones that test.
    """

    groups: int
    clips: int
    steps: int | None
    settings: tuple[Setting, ...]
    starts: int
    tuning_steps: int
    tuning_batch: int
    enlarged: int = 128
    test_groups: int = 0


class Parts(NamedTuple):
    """The three parts of a data set, as clips or as codes."""

    train: Any
    validation: Any
    test: Any


class FrameCodes(Study):
    """Clips and their codes.

    Attributes:
        own: the kind of the codes that its models read, unless another one is asked for.
    """

    networks = ("alexnet", "lite0")
    usual_source = "postures"  # codes of things alone do not tell what a body does, so nothing could be read in order
    scale: Scale

    @property
    def own(self) -> str:
        """``"lite0"`` if that is the network to be studied, else ``"fc7"``."""
        return "lite0" if self.network.startswith("lite0") else "fc7"

    @cached_property
    def clips(self) -> Parts:
        """Clips to train on, to choose by, and to test on."""
        train, test = (self._official(part) for part in ("train", "test"))
        return Parts(*train.hold_out_groups(1 / 4), test)

    def _official(self, part: str) -> Clips:
        if self.dataset == "ucf101":
            root, missing = Path(self.data_root, "ucf101"), self.missing
            return data.UCF101(root, self.split, part, missing=missing)  # type: ignore[arg-type]
        size: dict[str, Any] = {"groups": self.scale.groups, "test_groups": self.scale.test_groups}
        size |= {"clips": self.scale.clips, "frames": 24}  # two seconds
        return self.prepared(world.Actions(seed=self.seed, split=self.split, part=part, **size))

    @property
    def coder(self) -> FrameCoder:
        """The frozen network that is studied."""
        return self.lite0 if self.own == "lite0" else self.alexnet

    @cached_property
    def alexnet(self) -> FrameCoder:
        """AlexNet, or, if tiny, a small CNN-M that was trained on stills of the world."""
        if self.size == "paper":
            weights = Path(self.data_root, "alexnet_imagenet.pth")  # else those that torchvision has downloaded
            coder = alexnet_coder(weights=weights if self.data_root and weights.exists() else None)
        else:
            weights = self.source_weights("cnn_m")
            coder = FrameCoder(spatial_network(len(card(weights)["classes"]), size="tiny"), "fc7", size=(56, 56))
            load_weights(coder.network, weights)
        coder.network.to(self.torch_device).eval()
        return coder

    @cached_property
    def lite0(self) -> FrameCoder:
        """EfficientNet-Lite0, trained on ImageNet: the means of its last 1,280 feature maps, before the classes.

        Raises:
            FileNotFoundError: the package that brings its weights is not installed.
        """
        network = efficientnet_lite.efficientnet_lite0().to(self.torch_device)
        side, colours = self.scale.enlarged, {"mean": efficientnet_lite.MEAN, "std": efficientnet_lite.STD}
        return FrameCoder(network, "flatten", size=(side, side), rectify=False, **colours)

    def codes(self, kind: str = "") -> Parts:
        """Codes of the clips.

        Args:
            kind: a layer of AlexNet, ``"fc7"``, ``"fc6"`` or ``"pool5"``; ``"lite0"``; a variant of fc7:
                ``"augmented"`` with four more versions of each training clip, ``"flow"`` of images of optical flow; one
                of the `SUBSETS` of the studied network's codes; or that network's codes of all clips if empty.
        """
        kind = kind or self.own
        if kind not in self._codes:
            self._codes[kind] = Parts(*(self._codes_of(kind, part) for part in Parts._fields))
        return self._codes[kind]

    @cached_property
    def _codes(self) -> dict[str, Parts]:
        return {}

    def _codes_of(self, kind: str, part: str) -> Codes:
        if kind in SUBSETS:
            return self._of_classes(getattr(self.codes(), part), SUBSETS[kind])
        if kind == "augmented":
            return self._augmented() if part == "train" else getattr(self.codes("fc7"), part)
        if kind == "lite0":
            return self._of_lite0(part)
        coder, clips = self.alexnet_for(kind), getattr(self.clips, part)
        read = self.flow_images if kind == "flow" else None
        path = self._extracted(kind, part)
        if self.size == "paper" and path.exists():
            return load_codes(path, coder.source()).named([clip.name for clip in clips])
        return self._extract(f"codes.{kind}.{part}", clips, coder, read=read, workers=self.workers)

    def alexnet_for(self, kind: str) -> FrameCoder:
        """AlexNet as it makes a kind of codes."""
        return replace(self.alexnet, layer=LAYERS[self.size].get(kind, self.alexnet.layer))

    def _of_lite0(self, part: str) -> Codes:
        """Codes that take a minute to compute: a profile that keeps nothing has them beside the world's clips."""
        clips, cache = getattr(self.clips, part), cache_folder()
        if self.store.folder or self.dataset != "world" or cache is None:
            return self._extract(f"codes.lite0.{part}", clips, self.lite0, workers=self.workers)
        name = f"{'-'.join(self._address().parts[:2])}-split{self.split}-seed{self.seed}.{part}.safetensors"
        path = cache / f"labkit-world-{world.VERSION}" / "codes-lite0" / name
        if not path.exists():
            codes = self._extract(f"codes.lite0.{part}", clips, self.lite0, workers=self.workers)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_codes(path, codes)
        return load_codes(path, self.lite0.source()).named([clip.name for clip in clips])

    def _extracted(self, kind: str, part: str) -> Path:
        """Where ``data_scripts/extract_features.py`` puts codes of AlexNet."""
        name = f"split{self.split}_{'test' if part == 'test' else 'train'}.safetensors"
        return Path(self.data_root, self.dataset, f"codes_{kind}", name)

    def _extract(self, name: str, clips: Clips, coder: FrameCoder, **options: Any) -> Codes:
        """Codes of clips, computed once under a name."""

        def extract() -> dict[str, Tensor]:
            codes = extract_codes(clips, coder, frame_rnn.sample_frames, progress=self.progress, **options)
            return {"codes": codes.codes, "indices": codes.indices}

        tensors = self.compute(name, extract)
        return Codes(
            codes=tensors["codes"],
            labels=clips.labels,
            groups=clips.groups,
            indices=tensors["indices"],
            names=tuple(clip.name for clip in clips),
            classes=tuple(clips.classes),
            source=coder.source(),
        )

    def _augmented(self) -> Codes:
        """Codes of all training clips, then of four augmented versions of them, one after the other."""
        random = torch.Generator().manual_seed(self.seed)  # shared by all clips: they are read in order, by no workers
        flip = self.dataset != "world"  # where walking to the left is not walking to the right

        def read(clip: Clip, indices: Tensor) -> Tensor:
            return frame_rnn.augment(clip.frames(indices), random, flip=flip)

        clips = self.clips.train.subset(4 * list(range(len(self.clips.train))))
        return Codes.concatenate(
            [self.codes("fc7").train, self._extract("codes.augmented.train", clips, self.alexnet, read=read)]
        )

    @staticmethod
    def _of_classes(codes: Codes, names: Sequence[str]) -> Codes:
        """The codes of some classes, whose labels count these alone."""
        wanted = torch.tensor([codes.classes.index(name) for name in names])
        codes = codes.subset(torch.isin(codes.labels, wanted).nonzero().flatten())
        labels = (codes.labels[:, None] == wanted).int().argmax(dim=1)  # (N,)
        return replace(codes, labels=labels, classes=tuple(names))

    def flow_images(self, clip: Clip, indices: Tensor) -> Tensor:
        """Optical flow as images ``(T, 3, H, W)``: up to 4 pixels a frame in the small world, 20 in videos."""
        return frame_rnn.flow_image(clip.flow(indices), bound=4.0 if self.dataset == "world" else 20.0)

    def labels_of(self, family: str) -> Tensor:
        """Labels ``(6,)`` of the classes of a family of the world."""
        return labels_of(family, self.clips.test.classes)

    def rows_of(self, clips: Clips | Codes, family: str) -> Tensor:
        """Indices ``(n,)`` of the clips whose classes are of a family."""
        return torch.isin(clips.labels, self.labels_of(family)).nonzero().flatten()
