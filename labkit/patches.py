"""Patches that stand for local features: what does a layer of a network take for alike?

A location of a feature map of n x n locations stands for a square of the image, 1/n as wide, around the centre of its
receptive field. Figures 2.3 and 2.4 of Ng's thesis (section 2.4.3) replace features by these patches: each patch of an
image gives way to the mean of those whose features are nearest, or stands at the left of a row of its neighbours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import checks

_CHUNK_SIZE = 8192  # features compared at a time; bounds the memory


@dataclass(frozen=True, eq=False)
class Patches:
    """All local features of some images at one layer, and the patches that stand for them.

    Patch number ``(image * n + row) * n + column`` belongs to that location of the feature map.

    Attributes:
        features: ``(N * n * n, d)``, of length 1.
        images: ``(N, 3, S, S)`` uint8, as the network sees them, or finer.
        starts: ``(n,)`` int64, the first row, or column, of each patch; below 0 where it reaches over the border.
        side: of a patch in pixels.
    """

    features: Tensor
    images: Tensor
    starts: Tensor
    side: int

    def __getitem__(self, numbers: Tensor) -> Tensor:
        """Patches by number, int64 ``(...)``: uint8 ``(..., 3, side, side)``; beyond the border it repeats."""
        n = len(self.starts)
        pixels = (self.starts[:, None] + torch.arange(self.side)).clamp(0, self.images.shape[-1] - 1)  # (n, side)
        flat = numbers.flatten()
        image, rows, columns = flat // n**2, pixels[flat // n % n], pixels[flat % n]
        cut = self.images[image[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # (M, side, side, 3)
        return cut.movedim(3, 1).unflatten(0, numbers.shape)  # (..., 3, side, side)

    @property
    def centres(self) -> Tensor:
        """The middle of the patches of each column, and of each row, ``(n,)``, in pixels counted from 0."""
        return self.starts + (self.side - 1) / 2

    def of_image(self, image: int) -> Tensor:
        """Numbers of the patches of an image, ``(n * n,)``."""
        count = len(self.starts) ** 2
        return torch.arange(image * count, (image + 1) * count)

    def nearest(self, queries: Tensor, k: int, skip: int | None = None) -> tuple[Tensor, Tensor]:
        """The k patches whose features are nearest to given ones, nearest first; of equally near ones the first.

        Args:
            queries: features ``(Q, d)``, of length 1.
            k: how many.
            skip: an image to leave out: that of the queries, if it is among these images.

        Returns:
            L2 distances ``(Q, k)`` float32 and numbers of the patches ``(Q, k)`` int64.

        Raises:
            ValueError: fewer than k patches, or features of another layer.
        """
        checks.require_shape(queries, f"Q {self.features.shape[1]}", "queries", "features of the same layer")
        numbers = torch.arange(len(self.features))
        numbers = numbers if skip is None else numbers[numbers // len(self.starts) ** 2 != skip]
        if not 1 <= k <= len(numbers):
            raise ValueError(f"k must be 1 to the number of patches, {len(numbers)}; got {k}")
        best, which = torch.full((len(queries), 0), torch.inf), torch.zeros(len(queries), 0, dtype=torch.int64)
        for part in numbers.split(_CHUNK_SIZE):
            distances = torch.cdist(queries, self.features[part])  # (Q, _CHUNK_SIZE)
            best = torch.cat([best, distances], dim=1)  # (Q, up to k + _CHUNK_SIZE), equal ones in order of numbers
            which = torch.cat([which, part.expand(len(queries), -1)], dim=1)
            best, order = best.sort(dim=1, stable=True)
            best, which = best[:, :k], which.gather(1, order[:, :k])
        return best, which

    def neighbours(self, image: int, k: int) -> tuple[Tensor, Tensor]:
        """What is nearest in the *other* images to each patch of an image: distances and numbers, ``(n * n, k)``."""
        return self.nearest(self.features[self.of_image(image)], k, skip=image)

    def rebuilt(self, image: int, k: int = 1) -> Tensor:
        """An image, each of its patches replaced by the mean of its k nearest ones of other images (Figure 2.3).

        Args:
            image: its number.
            k: 1 and 5 in the thesis.

        Returns:
            uint8 ``(3, S, S)``; white at a margin that no patch covers.
        """
        numbers = self.neighbours(image, k)[1]  # (n * n, k)
        return self.laid_out(self[numbers].double().mean(dim=1).round().to(torch.uint8))

    def laid_out(self, patches: Tensor) -> Tensor:
        """An image of n * n patches ``(n * n, 3, side, side)``, each at its place; white where there is none."""
        size = self.images.shape[-1]
        canvas = torch.full_like(self.images[0], 255)
        for location, patch in enumerate(patches):
            top, left = (int(self.starts[index]) for index in divmod(location, len(self.starts)))
            above, before = max(-top, 0), max(-left, 0)  # what reaches over the border
            bottom, right = min(top + self.side, size), min(left + self.side, size)
            canvas[:, top + above : bottom, left + before : right] = patch[
                :, above : bottom - top, before : right - left
            ]
        return canvas

    def contrasting(self, count: int, seed: int = 0) -> Tensor:
        """Numbers ``(count,)`` of patches that show something: every second of the most contrasting of 100 random ones.

        Ours: the thesis does not say how its reference patches are chosen, and most patches of a photo are sky or wall.
        Contrast is the standard deviation over the pixels, of each colour channel by itself: a blue sky has none.
        """
        sample = torch.randint(len(self.features), (100,), generator=torch.Generator().manual_seed(seed))
        contrast = self[sample].float().flatten(2).std(2).mean(1)  # (100,)
        return sample[contrast.topk(2 * count).indices[::2]]

    def clusters(self, references: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Reference patches and what is nearest to them in other images, a row each (Figure 2.4).

        Args:
            references: numbers of patches ``(R,)``, int64.
            k: neighbours of each.

        Returns:
            uint8 ``(R, 1 + k, 3, side, side)``, the reference at the left, and distances ``(R, k)``.
        """
        rows, distances = [], []
        for number in references.tolist():
            own = torch.tensor([number])
            row, nearest = self.nearest(self.features[own], k, skip=number // len(self.starts) ** 2)
            rows.append(self[torch.cat([own, nearest[0]])])
            distances.append(row[0])
        return torch.stack(rows), torch.stack(distances)

    def repetition(self) -> Tensor:
        """How repetitive each image becomes when it is rebuilt: ``(N,)``, 0 to 1.

        The fraction of pairs of patches side by side, or one below the other, that have the *same* nearest patch in the
        other images: what Figure 2.3 shows as a repetitive pattern.
        """
        count = len(self.images)
        nearest = torch.stack([self.neighbours(image, 1)[1].flatten() for image in range(count)])  # (N, n * n)
        return adjacent(nearest.unflatten(1, (len(self.starts), -1)), torch.eq).double().mean(dim=1)


def neighbour_similarity(features: Tensor, distance: int = 1) -> Tensor:
    """How alike local features are that lie beside or below each other: the mean of their cosines for each image.

    Ours, to put a number to "local features spatially close to each other are highly similar" (section 2.4.3).

    Args:
        features: ``(B, n * n, d)``, row by row.
        distance: locations from one to the other; at twice the scale two of them are as far apart in the photo as one
            at the first.

    Returns:
        ``(B,)`` float64, -1 to 1.

    Raises:
        ValueError: a feature map of ``distance`` locations or less, or no square.
    """
    side = round(features.shape[1] ** 0.5)
    if side <= distance or side**2 != features.shape[1]:
        raise ValueError(
            f"features must be those of a square map of {distance + 1} x {distance + 1} locations or more; got "
            f"{tuple(features.shape)}"
        )
    maps = F.normalize(features.double(), dim=2).unflatten(1, (side, side))  # (B, n, n, d)
    return adjacent(maps, lambda first, second: (first * second).sum(-1), distance).mean(dim=1)


def adjacent(grids: Tensor, compare: Callable[[Tensor, Tensor], Tensor], distance: int = 1) -> Tensor:
    """What ``compare`` gives for all pairs below or beside each other in ``grids`` (B, n, n, ...): ``(B, pairs)``."""
    below = compare(grids[:, distance:], grids[:, :-distance])  # (B, n - distance, n)
    beside = compare(grids[:, :, distance:], grids[:, :, :-distance])  # (B, n, n - distance)
    return torch.cat([below.flatten(1), beside.flatten(1)], dim=1)


def thinned(features: Tensor, side: int) -> Tensor:
    """Evenly spaced features, as many as a smaller map has: ``(B, n * n, d)`` to ``(B, side * side, d)``.

    Raises:
        ValueError: no square map, or fewer than ``side`` x ``side`` features.
    """
    n = round(features.shape[1] ** 0.5)
    if n < side or n**2 != features.shape[1]:
        raise ValueError(f"features must be those of {side} x {side} locations or more; got {tuple(features.shape)}")
    step = n // side
    kept = features.unflatten(1, (n, n))[:, step // 2 :: step, step // 2 :: step]  # (B, side or more, side or more, d)
    return kept[:, :side, :side].flatten(1, 2)  # (B, side * side, d)
