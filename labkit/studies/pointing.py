"""The pointing game of a TDN: do the class activation maps of its subnetworks point at what moves?"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor

from labkit.attribution import class_activation_map, pointing_game
from labkit.clips import Clips
from labkit.papers.temporal_difference import TDN, Features
from labkit.studies.moving import moving_pixels
from labkit.views import SegmentSnippets, View
from labkit.views.crops import centre_crop
from labkit.views.sampling import tsn_segments
from labkit.world import PuppetClip

LEAST_SPEED, LEAST_FRACTION = 1.5, 0.01  # pixels between two frames, and fraction of the image, that count as motion


def activation_maps(model: TDN, features: Features) -> tuple[Tensor, Tensor]:
    """Where each subnetwork finds which class.

    Args:
        model: of the features.
        features: of ``B`` clips.

    Returns:
        ``(B, s, K, h, w)`` of the image subnetwork, to be laid over each frame, and ``(B, s - 1, K, h, w)`` of the
        difference subnetwork, to be laid over the mean of both frames of a pair.

    Source: Ng's thesis, section 5.4.5.
    """
    pairs = ((features.image, model.image), (features.difference, model.difference))
    image, difference = (class_activation_map(maps, network.fc.weight) for maps, network in pairs)
    return image, difference


def moving_parts(clip: PuppetClip, start: int, end: int, size: int) -> Tensor:
    """Pixels ``(size, size)``, bool, of puppets and their things that have moved between two frames, seen in either.

    Args:
        clip: of the world.
        start: index of a frame.
        end: index of another one.
        size: side of the centre crop.
    """
    moving = moving_pixels(clip, start, end, LEAST_SPEED) | moving_pixels(clip, end, start, LEAST_SPEED)
    return centre_crop(moving, size)


def point(model: TDN, view: View, clips: Clips) -> Mapping[str, Tensor]:
    """The pointing game on the pairs of middle frames of all clips of the world in which something moves.

    A map hits if the moving parts fill a quarter of the square that its highest value stands for.

    Args:
        model: reads frames.
        view: of the model.
        clips: of the world.

    Returns:
        For each of P pairs, ``(P,)``: ``image``, the mean of the hits of the image subnetwork on both frames;
        ``difference``, the hit of the difference subnetwork; ``chance``, the fraction of squares that are hits;
        ``label``, of the clip.
    """
    assert isinstance(view.sample, SegmentSnippets)
    model, device = model.eval(), model.image.conv1.weight.device
    rows = []
    for clip in clips:
        times = tsn_segments(clip.num_frames, view.sample.num_segments).flatten().tolist()
        with torch.no_grad():
            maps = activation_maps(model, model.features(view.at(clip, times)[None].to(device)))
        image, difference = (each[0, :, clip.label].cpu() for each in maps)  # (s, h, w) and (s - 1, h, w)
        for number, (start, end) in enumerate(pairwise(times)):
            moving = moving_parts(clip, start, end, view.crop_size)  # type: ignore[arg-type]
            if moving.float().mean() < LEAST_FRACTION:
                continue
            on_frames = [float(pointing_game(image[number + later], moving)[0]) for later in (0, 1)]
            hit, chance = pointing_game(difference[number], moving)
            rows.append((sum(on_frames) / 2, float(hit), float(chance), clip.label))
    columns = torch.tensor(rows, dtype=torch.float64).reshape(-1, 4).T  # (4, P)
    return dict(zip(("image", "difference", "chance", "label"), columns, strict=True))
