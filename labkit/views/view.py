"""A view: what a network gets of a clip, one random view to train and several fixed ones to test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from labkit.clips import Clip
from labkit.views.crops import Resize, centre_crop, corner_crop, random_crop, random_flip, rescale, ten_crop
from labkit.views.modality import Modality
from labkit.views.samplers import Sampler


@dataclass(frozen=True, kw_only=True)
class View:
    """How a network sees a clip: ``clips.map(view.train)`` to train it, ``clips.map(view.test)`` to test it.

    Attributes:
        sample: which frames, see `labkit.views.samplers`.
        modality: colours or motion, see `labkit.views.modality`.
        test_modality: another one to test, where training views hold what the network has to learn as well.
        short_side: frames are resized until their shorter side has so many pixels; they stay as they are if None.
        keep_aspect: if not, both sides get so many pixels.
        crop_size: side of the square that the network sees, in pixels.
        crop_scales: training crops are corners of these heights and widths, see `labkit.views.crops.corner_crop`; if
            none are given, squares of ``crop_size`` from anywhere.
        centre: training crops come from the central square of this side only; from the whole frame if None. If it is
            ``crop_size``, the network sees the centre crop alone, in tests as well.
        flip: whether horizontal flips count as views. Not where left and right are different classes.
        transform: changes a training video as a whole before it is cropped.
        jitter: changes the colours of a training view, e.g. `labkit.views.crops.rgb_jitter`; None for flow.
        num_classes: K, where a clip may have several labels: they become ``(K,)`` bool. If None, its first one counts.
    """

    sample: Sampler
    modality: Modality
    test_modality: Modality | None = None
    short_side: int | None = None
    keep_aspect: bool = True
    crop_size: int = 224
    crop_scales: tuple[int, ...] = ()
    centre: int | None = None
    flip: bool = True
    transform: Callable[..., Tensor] | None = None
    jitter: Callable[..., Tensor] | None = None
    num_classes: int | None = None

    def train(self, clip: Clip, generator: Generator | None = None, indices: Tensor | None = None) -> tuple[Any, ...]:
        """A random crop of random frames, perhaps flipped, in other colours: for ``clips.map``.

        Args:
            clip: its frames, after resizing, at least as large as the crop, else ``ValueError``.
            generator: source of all randomness; torch's global one if None, which `labkit.training` seeds for each
                sample.
            indices: of given frames; sampled if None.

        Returns:
            The view, ``(..., C, crop_size, crop_size)`` float32; what is to be learned beside it, if the modality has
            it; and the label.
        """
        if indices is None:
            indices = self.sample.train(clip, self.modality.count(clip), generator)
        video = self.modality.read(clip, indices, self.rescale)  # (..., C, H, W)
        if self.transform is not None:
            video = self.transform(video, generator=generator)
        if self.centre is not None:
            video = centre_crop(video, self.centre)
        if self.crop_scales:
            video = corner_crop(video, self.crop_size, self.crop_scales, self.modality.resize, generator)
        elif self.centre != self.crop_size:
            video = random_crop(video, self.crop_size, generator)
        if self.flip:
            video = random_flip(video, self.modality.flip, generator)
        inputs, *targets = self.modality.split(video)
        if self.jitter is not None:
            inputs = self.jitter(inputs.float(), generator=generator)
        return self.modality.normalise(inputs), *targets, self.label(clip)

    def test(
        self, clip: Clip, num_samples: int = 25, centre_only: bool = False, generator: Generator | None = None
    ) -> tuple[Tensor, Any]:
        """Several samples of a clip, ten crops of each: for ``clips.map``.

        Args:
            clip: as to train.
            num_samples: how often the clip is sampled. 25 samples of 16 frames of 224 pixels, ten crops each, take 2.4
                GB: evaluate one video at a time.
            centre_only: the centre crop alone, not flipped: a tenth of the work.
            generator: for samplers that test at random; torch's global one if None.

        Returns:
            Views ``(V, ..., C, crop_size, crop_size)`` float32, V = ``num_samples`` times 10 (5 if flips do not count,
            1 if ``centre_only``), sample by sample; and the label.
        """
        modality = self.test_modality or self.modality
        indices = self.sample.test(clip, modality.count(clip), num_samples, generator)  # (num_samples, ...)
        video = modality.read(clip, indices, self.rescale)  # (num_samples, ..., C, H, W)
        if centre_only or self.centre == self.crop_size:
            crops = centre_crop(video, self.crop_size)  # (V, ..., C, crop_size, crop_size)
        else:
            crops = ten_crop(video, self.crop_size, modality.flip if self.flip else None)  # (num_samples, ..., 10, ...)
            crops = crops.movedim(-4, 1).flatten(0, 1)  # (V, ..., C, crop_size, crop_size)
        return modality.normalise(modality.split(crops)[0]), self.label(clip)

    def at(self, clip: Clip, indices: Sequence[int] | Tensor, *, whole: bool = False) -> Tensor:
        """Given frames as a test shows them, ``(..., C, crop_size, crop_size)``: the centre crop, or whole frames."""
        modality = self.test_modality or self.modality
        return modality.normalise(modality.split(self.pixels(clip, indices, whole=whole))[0])

    def pixels(self, clip: Clip, indices: Sequence[int] | Tensor, *, whole: bool = False) -> Tensor:
        """The same before they are normalised, such as uint8 images to look at."""
        modality = self.test_modality or self.modality
        video = modality.read(clip, torch.as_tensor(indices), self.rescale)  # (..., C, H, W)
        return video if whole else centre_crop(video, self.crop_size)

    def label(self, clip: Clip) -> Any:
        """The label of a clip, int; or all its labels, ``(num_classes,)`` bool."""
        if self.num_classes is None:
            return clip.label
        multi_hot = torch.zeros(self.num_classes, dtype=torch.bool)
        multi_hot[list(clip.labels)] = True
        return multi_hot

    def rescale(self, video: Tensor, resize: Resize) -> Tensor:
        """Whole frames, or flow, in the size from which crops are taken, by the function that resizes them."""
        return rescale(video, self.short_side, resize, keep_aspect=self.keep_aspect)
