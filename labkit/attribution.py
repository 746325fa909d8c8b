"""Where did the network look? Maps over the picture that share a score out among its places.

A network that ends in a mean over all places and one linear layer has a plain answer, its *class activation map* (CAM):
apply the linear layer to each place instead of to the mean, and every place has its own vote for a class. The mean of
the votes, plus the bias, is the score. Whether the map points at the right thing is asked by the *pointing game*: does
its strongest cell lie on it?

Where more than one linear layer lies behind the maps, their gradients stand in for its weights: *Grad-CAM*. It asks how
much each channel, taken as a whole, would change a score, weighs the channels by that, and keeps what speaks for the
class. Where a mean and one linear layer are all there is, Grad-CAM is CAM without its negative places, and needs no
gradient at all.

Any network at all can be asked by covering a part of what it sees: where a black square makes it lose confidence, there
it looked. This is *occlusion sensitivity*; of a clip the square covers the same place in all frames.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import checks

_AT_ONCE = 32  # classes whose gradients are worked out together


def class_activation_map(maps: Tensor, weight: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """What each place of the last maps adds to the score of each class.

    Args:
        maps: ``(..., C, h, w)``, what the mean over all places is taken of.
        weight: ``(K, C)``, of the linear layer behind the mean.
        size: height and width to enlarge the maps to, bilinearly, such as those of the picture; as they are if None.

    Returns:
        ``(..., K, h, w)``, or ``(..., K, *size)``. As they are, their mean over all places is the score less the bias.

    Raises:
        ValueError: shapes that do not fit.

    Source: Zhou et al., "Learning deep features for discriminative localization", CVPR 2016, section 2, eq. (2).
    """
    checks.require_shape(maps, "... C h w", "maps")
    checks.require_shape(weight, f"K {maps.shape[-3]}", "weight", "of the linear layer behind the mean over all places")
    votes = (weight @ maps.flatten(-2)).unflatten(-1, maps.shape[-2:])  # (..., K, h, w), eq. (2)
    if size is None:
        return votes
    flat = votes.reshape(-1, 1, *votes.shape[-2:])  # (product of the leading dimensions * K, 1, h, w)
    large = F.interpolate(flat, size, mode="bilinear", align_corners=False)
    return large.reshape(*votes.shape[:-2], *size)  # (..., K, *size)


def grad_cam(scores: Tensor, maps: Tensor, classes: Sequence[int] | None = None, *, dims: int = 2) -> Tensor:
    """What each place of some maps does for the score of each class, as far as gradients tell: Grad-CAM, all at once.

    ``with tapping(net, ["layer4"], leaves=True) as taken: scores = net(images)`` gives both (`labkit.backbones.taps`);
    in-place ReLUs behind the layer do no harm there. The net is in ``eval()`` mode: in training, batch normalisation
    would mix the gradients of samples. Gradients of all classes are worked out together, in a batch of their own.

    Maps are raw energies: nothing is scaled, so those of classes, frames and clips can be compared.

    Args:
        scores: ``(..., K)``, before the softmax, of the same pass; any leading dimensions, each sample with maps of its
            own: ``(B, K)``, or ``(B, T, K)`` of a net that scores every frame.
        maps: ``(..., C, h, w)``, or ``(..., C, t, h, w)`` with ``dims=3``, that the scores are computed from, sample by
            sample in the order of the scores. Where several maps make one score, as those of the frames of a clip, each
            gets its share of the gradient. Tokens ``(B, N, C)`` of a transformer, or maps with channels last, become
            maps by ``unflatten`` and ``movedim``.
        classes: the k of them that are asked; all K if None.
        dims: how many dimensions of maps are places: 2 for pictures, 3 for clips.

    Returns:
        ``(..., k, h, w)`` or ``(..., k, t, h, w)``, 0 or more, with the leading dimensions of maps; on their device,
        without gradients.

    Raises:
        ValueError: scores that do not depend on maps, or were computed without gradients; wrong shapes or classes.
            Channels that come last are recognised where the grid is square and they are over four times its side.

    Source: Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV
    2017, section 3, eqs. (1) and (2).
    """
    checks.require_shape(scores, "... K", "scores")
    _require_places(maps, dims)
    _require_a_map_for_each_sample(scores, maps, dims)
    if not maps.requires_grad:
        raise ValueError(
            "maps must have gradients; got some without: tap them with leaves=True, not within no_grad or "
            "inference_mode"
        )
    if not scores.requires_grad:
        raise ValueError(
            "scores must have gradients with respect to maps; got some without: run the net not within no_grad or "
            "inference_mode, and do not detach its scores"
        )
    asked = list(range(scores.shape[-1])) if classes is None else list(classes)
    if not asked or not 0 <= min(asked) <= max(asked) < scores.shape[-1]:
        raise ValueError(f"classes must be numbers from 0 to {scores.shape[-1] - 1}; got {asked}")
    totals = scores.flatten(0, -2).sum(0) if scores.ndim > 1 else scores  # (K,): samples do not meet in them
    ones = torch.eye(len(totals), dtype=totals.dtype, device=totals.device)[asked]  # (k, K), a one for each class asked
    weights = []
    for some in ones.split(_AT_ONCE):
        found = torch.autograd.grad(
            totals, maps, some, retain_graph=True, is_grads_batched=True, allow_unused=True, materialize_grads=False
        )[0]
        if found is None:
            raise ValueError("scores must depend on maps; got others: take both from one pass of the net")
        weights.append(found.flatten(-dims).mean(-1))  # (some of k, ..., C), eq. (1)
    alpha = torch.cat(weights).movedim(0, -2)  # (..., k, C)
    return _weighted(maps.detach(), alpha, dims)


def linear_grad_cam(maps: Tensor, weight: Tensor, *, dims: int = 2) -> Tensor:
    """`grad_cam` of a network that ends in a mean over all places and one linear layer: no gradient is computed.

    The gradient of a score with respect to every place of a channel is the weight of the channel over the number of
    places, so Grad-CAM is the `class_activation_map`, less what is negative, over the number of places.

    Args:
        maps: ``(..., C, h, w)``, or ``(..., C, t, h, w)`` with ``dims=3``, what the mean is taken of.
        weight: ``(K, C)``, of the linear layer behind the mean; some rows of it for some classes.
        dims: how many dimensions of maps are places: 2 for pictures, 3 for clips.

    Returns:
        ``(..., K, h, w)`` or ``(..., K, t, h, w)``, 0 or more.

    Raises:
        ValueError: shapes that do not fit.

    Source: Selvaraju et al., ICCV 2017, section 3.1, "Grad-CAM generalizes CAM".
    """
    _require_places(maps, dims)
    channels, places = maps.shape[-dims - 1], maps.shape[-dims:].numel()
    checks.require_shape(weight, f"K {channels}", "weight", "of the linear layer behind the mean over all places")
    return _weighted(maps, weight / places, dims)


def _weighted(maps: Tensor, alpha: Tensor, dims: int) -> Tensor:
    """ReLU of the sum of channels (..., C, h, w), weighed (..., K, C): (..., K, h, w)."""
    return (alpha @ maps.flatten(-dims)).relu().unflatten(-1, maps.shape[-dims:])  # (..., K, h, w), eq. (2)


def _require_places(maps: Tensor, dims: int) -> None:
    if dims not in (2, 3):
        raise ValueError(f"dims must be 2, places of pictures, or 3, places of clips; got {dims}")
    checks.require_shape(maps, "... C h w" if dims == 2 else "... C t h w", "maps")


def _require_a_map_for_each_sample(scores: Tensor, maps: Tensor, dims: int) -> None:
    """Of tokens (B, N, C) or maps (B, h, w, C), samples or places would be taken for channels, without any error."""
    samples, leading = scores.shape[:-1], maps.shape[: -dims - 1]
    if (samples and not leading) or leading.numel() % max(samples.numel(), 1):
        raise ValueError(
            f"leading dimensions of maps must be those of the scores, {tuple(samples)}, perhaps with more behind them; "
            f"got maps {tuple(maps.shape)}, which leave {tuple(leading)}: tokens? reshape to (B, C, h, w) first"
        )
    first, middle, last = maps.shape[-3:]
    if first == middle and last > 4 * middle:  # no picture is that wide
        raise ValueError(
            f"maps must have their channels before their places; got {tuple(maps.shape)}: channels last, as of a Swin "
            f"transformer? maps.movedim(-1, {-dims - 1}) puts them first"
        )


def pointing_game(maps: Tensor, masks: Tensor, least: float = 0.25) -> tuple[Tensor, Tensor]:
    """Does the strongest cell of a map lie on the thing?

    A cell lies on it if at least a quarter of its square does: a limb across a cell covers about as much.

    Args:
        maps: ``(..., h, w)``, not enlarged; of equal cells the first one counts.
        masks: bool ``(..., H, W)``, where the thing is in the picture.
        least: the share of the cell's square that has to be on it, above 0, at most 1.

    Returns:
        ``hits``: bool ``(...)``; ``chance``: float ``(...)``, 0 to 1, the share of all cells that lie on it.

    Raises:
        ValueError: leading dimensions that differ, or a share out of range.
        TypeError: masks that are not bool.

    Source: after Zhang et al., "Top-down neural attention by excitation backprop", ECCV 2016, section 4.1, whose points
    may miss the thing by 15 pixels.
    """
    checks.require_dtype(masks, (torch.bool,), "masks", "compare first, e.g. speed > 1")
    if maps.shape[:-2] != masks.shape[:-2]:
        raise ValueError(
            f"maps and masks must have the same leading dimensions; got {tuple(maps.shape)} and {tuple(masks.shape)}"
        )
    if not 0 < least <= 1:
        raise ValueError(f"least must be a share above 0, at most 1; got {least}")
    flat = masks.reshape(-1, 1, *masks.shape[-2:]).double()  # (N, 1, H, W)
    height, width = maps.shape[-2:]
    covered = F.adaptive_avg_pool2d(flat, (height, width)).reshape(*maps.shape[:-2], -1)  # (..., h * w)
    on_it = covered >= least - 1e-9
    strongest = maps.flatten(-2).argmax(-1, keepdim=True)  # (..., 1)
    return on_it.gather(-1, strongest).squeeze(-1), on_it.double().mean(-1)


@torch.no_grad()
def occluded_confidences(
    classify: Callable[[Tensor], Tensor],
    inputs: Tensor,
    *,
    side: int,
    stride: int,
    black: Tensor | float = 0.0,
    batch: int = 64,
) -> tuple[Tensor, Tensor]:
    """What a network says when a black square covers a place, for all places and classes.

    Squares start every ``stride`` pixels from the top left corner on; the last ones of a row and of a column end where
    the picture does, though they be nearer to those before: see `square_corners`.

    Args:
        classify: images or clips to logits ``(N, K)``: a network in evaluation mode.
        inputs: ``(B, ..., H, W)``, images ``(B, C, H, W)`` or clips ``(B, T, C, H, W)``, as the network sees them.
        side: of the square in pixels, at most H and W.
        stride: from one square to the next, at least 1.
        black: what a black pixel is to the network: a number, or one for each channel ``(C,)``; 0 for pictures that
            were not normalised.
        batch: how many covered inputs the network sees at a time.

    Returns:
        The softmax of each input as it is, ``(B, K)``, and covered, ``(B, h, w, K)``, with
        h = ceil((H - side) / stride) + 1.

    Raises:
        ValueError: a square that does not fit, or wrong shapes.

    Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.
    """
    checks.require_shape(inputs, "... C H W", "inputs")
    height, width = inputs.shape[-2:]
    if inputs.ndim < 4:
        raise ValueError(f"inputs must be (B, ..., C, H, W); got {tuple(inputs.shape)}: a single one needs a B of 1")
    if not (1 <= side <= min(height, width) and stride >= 1 and batch >= 1):
        raise ValueError(
            f"side must be 1 to {min(height, width)}, stride and batch at least 1; got {side}, {stride} and {batch}"
        )
    tops, lefts = (square_corners(length, side, stride) for length in (height, width))
    places = [(top, left) for top in tops for left in lefts]
    colour = torch.as_tensor(black).to(inputs).reshape(-1, 1, 1)  # (C, 1, 1) or (1, 1, 1)
    bare = torch.cat([classify(one[None]) for one in inputs]).softmax(dim=1)  # (B, K)
    found = []
    for one in inputs:
        for first in range(0, len(places), batch):
            some = places[first : first + batch]
            covered = one.repeat(len(some), *[1] * one.ndim)  # (N, ..., C, H, W)
            for number, (top, left) in enumerate(some):
                covered[number, ..., top : top + side, left : left + side] = colour
            found.append(classify(covered).softmax(dim=1))  # (N, K)
    return bare, torch.cat(found).reshape(len(inputs), len(tops), len(lefts), -1)  # (B, h, w, K)


def occlusion_sensitivity(
    classify: Callable[[Tensor], Tensor],
    inputs: Tensor,
    labels: Tensor,
    *,
    side: int,
    stride: int,
    black: Tensor | float = 0.0,
    batch: int = 64,
) -> Tensor:
    """How much of its confidence a network loses when a black square covers a place.

    Args:
        classify: images or clips to logits ``(N, K)``: a network in evaluation mode.
        inputs: ``(B, ..., H, W)``, as the network sees them.
        labels: ``(B,)`` int64, the class of each whose confidence is asked.
        side: of the square in pixels; this one and the following as of `occluded_confidences`.
        stride: from one square to the next.
        black: what a black pixel is to the network.
        batch: how many covered inputs the network sees at a time.

    Returns:
        ``(B, h, w)``: (p - p covered) / p, where p is the softmax of the label. 1 is all of the confidence, 0 nothing;
        below 0 the network is surer without what is covered.

    Raises:
        ValueError: a square that does not fit, or wrong shapes.

    Source: Zeiler and Fergus, ECCV 2014, section 4.2; as a share of the confidence in Ng's thesis, 2018, section
    4.4.3.1.
    """
    if labels.shape != inputs.shape[:1]:
        raise ValueError(
            f"inputs must be (B, ..., C, H, W) and labels (B,); got {tuple(inputs.shape)} and {tuple(labels.shape)}"
        )
    bare, covered = occluded_confidences(classify, inputs, side=side, stride=stride, black=black, batch=batch)
    chosen = labels.to(covered.device)
    before = bare.gather(1, chosen[:, None])[:, :, None]  # (B, 1, 1)
    after = covered.gather(3, chosen[:, None, None, None].expand(-1, *covered.shape[1:3], 1)).squeeze(3)  # (B, h, w)
    return (before - after) / before


def occlusion_map(drops: Tensor, size: tuple[int, int], *, side: int, stride: int) -> Tensor:
    """Spread the answers of `occlusion_sensitivity` over the picture: each pixel has the mean of its squares.

    Args:
        drops: ``(..., h, w)``, one number for each square.
        size: height and width of the picture.
        side: of the squares.
        stride: between them; with one above ``side``, what no square covers is NaN.

    Returns:
        ``(..., H, W)``.

    Raises:
        ValueError: another number of squares than fit.
    """
    tops, lefts = (square_corners(length, side, stride) for length in size)
    checks.require_shape(drops, f"... {len(tops)} {len(lefts)}", "drops", "pass size, side and stride as they were")
    down, across = (
        torch.tensor([[float(start <= pixel < start + side) for start in starts] for pixel in range(length)]).to(drops)
        for starts, length in ((tops, size[0]), (lefts, size[1]))
    )  # (H, h) and (W, w): 1 where a square covers a pixel
    return (down @ drops @ across.mT) / (down.sum(1)[:, None] * across.sum(1))  # (..., H, W)


def square_corners(length: int, side: int, stride: int) -> list[int]:
    """Where squares start along an axis: every ``stride`` pixels, and one that ends where the picture does."""
    return [*range(0, length - side, stride), length - side]
