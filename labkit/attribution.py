"""Where does the network look? Heat maps over the image that divide a score among its locations.

A network that ends in a mean over all locations and one linear layer has a plain answer, its *class activation map*
(CAM): apply the linear layer to each location instead of to the mean, and every location has its own vote for a class.
The mean of the votes, plus the bias, is the score. The *pointing game* asks whether the map points at the right thing:
does its strongest location lie on it?

Where more than one linear layer follows the feature maps, *Grad-CAM* uses gradients in place of weights. It computes
how much each channel as a whole would change a score, weights the channels by that, and keeps what speaks for the
class. Where only a mean and one linear layer follow, it is CAM without its negative locations, and needs no gradient.

Any network can be tested by covering a part of what it sees: it has looked where a black square makes it lose
confidence. This is *occlusion sensitivity*; in a clip the square covers the same location in all frames.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import checks

_CHUNK = 32  # classes whose gradients are computed together
_ON_IT = 0.25  # fraction of a location's square that has to be on a thing


def class_activation_map(feature_maps: Tensor, weight: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """What each location of the last feature maps adds to the score of each class.

    Args:
        feature_maps: ``(..., C, h, w)``, of which the mean over all locations is taken.
        weight: ``(K, C)``, of the linear layer after the mean.
        size: height and width to enlarge the result to, bilinearly, such as those of the image; not enlarged if None.

    Returns:
        ``(..., K, h, w)``, or ``(..., K, *size)``. Before it is enlarged, its mean over all locations is the score
        less the bias.

    Source: Zhou et al., "Learning deep features for discriminative localization", CVPR 2016, section 2, eq. (2).
    """
    checks.require_shape(feature_maps, "... C h w", "feature_maps")
    checks.require_shape(weight, f"K {feature_maps.shape[-3]}", "weight", "of the linear layer after the mean")
    votes = (weight @ feature_maps.flatten(-2)).unflatten(-1, feature_maps.shape[-2:])  # (..., K, h, w), eq. (2)
    if size is None:
        return votes
    flat = votes.reshape(-1, 1, *votes.shape[-2:])  # (product of the leading dimensions * K, 1, h, w)
    large = F.interpolate(flat, size, mode="bilinear", align_corners=False)
    return large.reshape(*votes.shape[:-2], *size)  # (..., K, *size)


def grad_cam(scores: Tensor, feature_maps: Tensor, classes: Sequence[int] | None = None) -> Tensor:
    """Grad-CAM: what each location of feature maps does for the score of each class, as far as gradients tell.

    ``with tapping(network, ["layer4"], leaves=True) as taken: scores = network(images)`` gives both
    (`labkit.backbones.taps`); in-place ReLUs after the layer do no harm there. The network is in ``eval()`` mode: in
    training, batch normalisation would mix the gradients of samples. The gradients of all classes are one batch.

    The values are raw energies: nothing is scaled, so those of classes, frames and clips can be compared.

    Args:
        scores: ``(..., K)``, before the softmax, of the same pass; any leading dimensions, each sample with feature
            maps of its own: ``(B, K)``, or ``(B, T, K)`` of a network that scores every frame.
        feature_maps: ``(..., C, h, w)``, that the scores are computed from, sample by sample in the order of the
            scores. Where several make one score, as those of the frames of a clip, each gets its part of the gradient.
            Tokens ``(B, N, C)`` of a transformer, or feature maps with channels last, take this form by ``unflatten``
            and ``movedim``.
        classes: the k classes that are asked for; all K if None.

    Returns:
        ``(..., k, h, w)``, 0 or more, with the leading dimensions of the feature maps; on their device, without
        gradients.

    Raises:
        ValueError: scores that do not depend on the feature maps, or were computed without gradients; wrong shapes or
            classes. Channels that come last are recognised where the grid is square and they are over four times its
            side.

    Source: Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV
    2017, section 3, eqs. (1) and (2).
    """
    checks.require_shape(scores, "... K", "scores")
    checks.require_shape(feature_maps, "... C h w", "feature_maps")
    _require_feature_maps_of_each_sample(scores, feature_maps)
    if not feature_maps.requires_grad:
        raise ValueError(
            "feature_maps must have gradients; got some without: tap them with leaves=True, not within no_grad or "
            "inference_mode"
        )
    if not scores.requires_grad:
        raise ValueError(
            "scores must have gradients with respect to feature_maps; got some without: run the network not within "
            "no_grad or inference_mode, and do not detach its scores"
        )
    asked = list(range(scores.shape[-1])) if classes is None else list(classes)
    if not asked or not 0 <= min(asked) <= max(asked) < scores.shape[-1]:
        raise ValueError(f"classes must be numbers from 0 to {scores.shape[-1] - 1}; got {asked}")
    totals = scores.flatten(0, -2).sum(0) if scores.ndim > 1 else scores  # (K,): samples do not meet in them
    ones = torch.eye(len(totals), dtype=totals.dtype, device=totals.device)[asked]  # (k, K), a one for each class asked
    weights = []
    options = {"retain_graph": True, "is_grads_batched": True, "allow_unused": True, "materialize_grads": False}
    for chunk in ones.split(_CHUNK):
        (gradients,) = torch.autograd.grad(totals, feature_maps, chunk, **options)
        if gradients is None:
            raise ValueError("scores must depend on feature_maps; got others: take both from one forward pass")
        weights.append(gradients.flatten(-2).mean(-1))  # (chunk of k, ..., C), eq. (1)
    alpha = torch.cat(weights).movedim(0, -2)  # (..., k, C)
    return _weighted(feature_maps.detach(), alpha)


def linear_grad_cam(feature_maps: Tensor, weight: Tensor) -> Tensor:
    """`grad_cam` of a network that ends in a mean over all locations and one linear layer: no gradient is computed.

    The gradient of a score with respect to every location of a channel is the weight of the channel over the number of
    locations, so Grad-CAM is the positive part of the `class_activation_map`, over the number of locations.

    Args:
        feature_maps: ``(..., C, h, w)``, of which the mean is taken.
        weight: ``(K, C)``, of the linear layer after the mean; some of its rows for some classes.

    Returns:
        ``(..., K, h, w)``, 0 or more.

    Source: Selvaraju et al., ICCV 2017, section 3.1, "Grad-CAM generalizes CAM".
    """
    checks.require_shape(feature_maps, "... C h w", "feature_maps")
    channels, height, width = feature_maps.shape[-3:]
    checks.require_shape(weight, f"K {channels}", "weight", "of the linear layer after the mean")
    return _weighted(feature_maps, weight / (height * width))


def _weighted(feature_maps: Tensor, alpha: Tensor) -> Tensor:
    """ReLU of the sum of channels (..., C, h, w), weighted (..., K, C): (..., K, h, w)."""
    sums = alpha @ feature_maps.flatten(-2)  # (..., K, h * w)
    return sums.relu().unflatten(-1, feature_maps.shape[-2:])  # (..., K, h, w), eq. (2)


def _require_feature_maps_of_each_sample(scores: Tensor, feature_maps: Tensor) -> None:
    """Of tokens (B, N, C) or (B, h, w, C), samples or locations would be taken for channels, without any error."""
    shape = tuple(feature_maps.shape)
    samples, leading = scores.shape[:-1], feature_maps.shape[:-3]
    if (samples and not leading) or leading.numel() % max(samples.numel(), 1):
        raise ValueError(
            f"leading dimensions of feature_maps must be those of the scores, {tuple(samples)}, perhaps with more "
            f"after them; got feature_maps {shape}, which leave {tuple(leading)}: tokens? reshape to (B, C, h, w) first"
        )
    first, middle, last = shape[-3:]
    if first == middle and last > 4 * middle:  # no image is that wide
        raise ValueError(
            f"feature_maps must have their channels before their locations; got {shape}: channels last, as of a Swin "
            f"transformer? feature_maps.movedim(-1, -3) puts them first"
        )


def pointing_game(heat_maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Does the strongest location of a heat map lie on the thing?

    A location lies on it if at least a quarter of its square does: a limb across the square covers about as much.

    Args:
        heat_maps: ``(..., h, w)``, not enlarged; of equal locations the first one counts.
        masks: bool ``(..., H, W)``, where the thing is in the image.

    Returns:
        ``hits``: bool ``(...)``; ``chance``: float ``(...)``, 0 to 1, the fraction of all locations that lie on it.

    Source: after Zhang et al., "Top-down neural attention by excitation backprop", ECCV 2016, section 4.1, whose points
    may miss the thing by 15 pixels.
    """
    checks.require_dtype(masks, (torch.bool,), "masks", "compare first, e.g. speed > 1")
    shape = tuple(heat_maps.shape)
    if shape[:-2] != masks.shape[:-2]:
        raise ValueError(
            f"heat_maps and masks must have the same leading dimensions; got {shape} and {tuple(masks.shape)}"
        )
    flat = masks.reshape(-1, 1, *masks.shape[-2:]).double()  # (N, 1, H, W)
    covered = F.adaptive_avg_pool2d(flat, (shape[-2], shape[-1])).reshape(*shape[:-2], -1)  # (..., h * w)
    on_it = covered >= _ON_IT - 1e-9
    strongest = heat_maps.flatten(-2).argmax(-1, keepdim=True)  # (..., 1)
    return on_it.gather(-1, strongest).squeeze(-1), on_it.double().mean(-1)


@torch.no_grad()
def occluded_confidences(
    classify: Callable[[Tensor], Tensor],
    inputs: Tensor,
    *,
    side: int,
    stride: int,
    black: Tensor | float,
    batch: int = 64,
) -> tuple[Tensor, Tensor]:
    """What a network predicts when a black square covers a part of what it sees, for all positions and classes.

    How much of its confidence in a label it loses is (p - p covered) / p, *occlusion sensitivity*: 1 is all of it, 0
    nothing; below 0 the network is surer without what is covered (as in Ng's thesis, 2018, section 4.4.3.1).

    Squares start every ``stride`` pixels from the top left corner; the last ones of a row and of a column end where the
    image does, although they are then nearer to the ones before: see `square_corners`.

    Args:
        classify: images or clips to logits ``(N, K)``: a network in evaluation mode.
        inputs: ``(B, ..., H, W)``, images ``(B, C, H, W)`` or clips ``(B, T, C, H, W)``, as the network sees them.
        side: of the square in pixels, at most H and W.
        stride: from one square to the next, at least 1.
        black: what a black pixel is to the network: a number, or one for each channel ``(C,)``.
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
    corners = [(top, left) for top in tops for left in lefts]
    colour = torch.as_tensor(black).to(inputs).reshape(-1, 1, 1)  # (C, 1, 1) or (1, 1, 1)
    uncovered = torch.cat([classify(sample[None]) for sample in inputs]).softmax(dim=1)  # (B, K)
    confidences = []
    for sample in inputs:
        for first in range(0, len(corners), batch):
            chunk = corners[first : first + batch]
            covered = sample.repeat(len(chunk), *[1] * sample.ndim)  # (N, ..., C, H, W)
            for number, (top, left) in enumerate(chunk):
                covered[number, ..., top : top + side, left : left + side] = colour
            confidences.append(classify(covered).softmax(dim=1))  # (N, K)
    return uncovered, torch.cat(confidences).reshape(len(inputs), len(tops), len(lefts), -1)  # (B, h, w, K)


def occlusion_map(drops: Tensor, size: tuple[int, int], *, side: int, stride: int) -> Tensor:
    """Spread what each square costs over the image: each pixel has the mean of its squares.

    Args:
        drops: ``(..., h, w)``, one number for each square.
        size: height and width of the image.
        side: of the squares.
        stride: between them; with one above ``side``, what no square covers is NaN.

    Returns:
        ``(..., H, W)``.
    """
    tops, lefts = (square_corners(length, side, stride) for length in size)
    checks.require_shape(drops, f"... {len(tops)} {len(lefts)}", "drops", "pass size, side and stride as they were")
    down, across = (
        torch.tensor([[float(start <= pixel < start + side) for start in starts] for pixel in range(length)]).to(drops)
        for starts, length in ((tops, size[0]), (lefts, size[1]))
    )  # (H, h) and (W, w): 1 where a square covers a pixel
    return (down @ drops @ across.mT) / (down.sum(1)[:, None] * across.sum(1))  # (..., H, W)


def square_corners(length: int, side: int, stride: int) -> list[int]:
    """Where squares start along an axis: every ``stride`` pixels, and one that ends where the image does."""
    return [*range(0, length - side, stride), length - side]
