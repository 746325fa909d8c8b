"""Train the tiny networks of ActionFlowNet on optical flow, and keep the weights with the lab.

    python data_scripts/train_flow.py target             # two frames of the actions: about 25 minutes on one core
    python data_scripts/train_flow.py chairs --number 1  # two frames of flying things, another training: about 30
    python data_scripts/train_flow.py target_multi       # eight frames of the actions: about 25

No label is used. "target" learns from the clips of three worlds of the same kind as the one whose actions are to be
named: other actors, other scenes. "chairs" learns from things that fly about three times as fast as in FlyingChairs
made as small as the image: faster than people move, as in FlyingChairs. Networks of two frames see 240,000 pairs of
them, those of eight 112,000 clips: with as many fields as the others they know the puppets' motion less well. Each
``--number`` is a training of its own, in other worlds and from another start.

The files go to ``labkit/backbones/source``, rounded to eight bits, with a model card: data, seed, end-point error, how
it was trained, a hash. The error is that of the file on test clips the network has not seen, and that on the puppets of
the actions, which are a tenth of the pixels and most of the motion; a test of the lab measures both again. Killed or
interrupted, training continues where it was if ``--checkpoint`` names a file.
"""

import argparse
import math
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils.data import ConcatDataset

from labkit import world
from labkit.backbones import rounded_to_eight_bits, save_weights
from labkit.backbones.weights import SOURCE_FOLDER
from labkit.clips import Clips
from labkit.papers import action_flow_net as afn
from labkit.studies.flow_errors import (
    FlowErrors,
    flow_errors,
    frames_and_flow,
    frames_flow_and_mask,
    full_flow,
    no_motion,
    region_errors,
)
from labkit.training import Recipe, fit
from labkit.views import View

SEED = 1010  # of the worlds of number 0: seeds below 1000 judge claims, those from 1000 to 1009 shape the lab
WORLDS = 3  # that a network learns from
NUMBERS = 3
CROPS = {"crop_size": 48, "short_side": None}
SCALES = {"crop_scales": (64, 56, 48)}


class Net(NamedTuple):
    """A network of `labkit.backbones.source_weights`, how it sees clips, and how long it learns."""

    build: partial[afn.ActionFlowNet]
    weights: str
    source: str
    view: View
    steps: int


TWO, MULTI = (partial(build, 1, size="tiny") for build in (afn.two_frame_network, afn.multi_frame_network))
NETS = {
    "target": Net(TWO, "flownet", "target", afn.clip_view(2, **CROPS, **SCALES, **afn.FLOW), 15_000),
    "chairs": Net(TWO, "flownet", "chairs", afn.clip_view(**{**afn.CHAIRS, **CROPS}, crop_scales=(48,)), 15_000),
    "target_multi": Net(MULTI, "flownet_multi", "target", afn.clip_view(8, **CROPS, **SCALES, **afn.FLOW), 7_000),
}


def clips_of(net: str, seed: int) -> tuple[list[Clips], Clips]:
    """What a network learns from, and what it is tested on."""
    seeds = range(seed, seed + WORLDS)
    if net == "chairs":
        pairs = partial(world.FlowPairs, number=5000, speed=3.0)
        return [pairs(seed=seed, part="train") for seed in seeds], pairs(seed=seed, part="test")
    return [world.Actions(seed=seed, groups=30) for seed in seeds], puppets()


def puppets() -> Clips:
    """Test clips of the actions, of a world that no network learns from."""
    return world.Actions(seed=1000, part="test", groups=30, clips=1)


def rise_and_fall(step: int, steps: int) -> float:
    """What the learning rate is multiplied by: from 0 to 1 in a tenth of the steps, then along a cosine to 0."""
    rise = 0.1 * steps
    return min((step + 1) / rise, 0.5 + 0.5 * math.cos(math.pi * max(step - rise, 0) / (steps - rise)))


def recipe_of(steps: int, seed: int) -> Recipe:
    """How a network is trained: Adam as in `labkit.papers.action_flow_net`, with a rate that rises and falls."""
    schedule = partial(rise_and_fall, steps=steps)
    return Recipe(torch.optim.Adam, {"lr": 3e-3}, steps, batch=16, schedule=schedule, clip_norm=5.0, seed=seed)


def main(arguments: list[str] | None = None) -> None:
    """Train, save, measure what was saved."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", choices=NETS, help="which network, trained on what")
    parser.add_argument("--number", type=int, choices=range(NUMBERS), default=0, help="of the file (default 0)")
    parser.add_argument("--steps", type=int, help="default 15000, of many frames 7000")
    parser.add_argument("--precision", default="no", choices=["no", "bf16"], help="of training; default float32")
    parser.add_argument("--checkpoint", type=Path, help="file to save to, and to resume from")
    parser.add_argument("--out", type=Path, help="file to write; default the one that comes with the lab")
    given = parser.parse_args(arguments)

    net, seed = NETS[given.net], SEED + WORLDS * given.number
    train, test = clips_of(given.net, seed)
    for clips in (*train, test):
        clips.prepare()  # type: ignore[attr-defined]
    torch.manual_seed(seed)
    network = net.build()  # its classifier is not used
    recipe = recipe_of(given.steps or net.steps, seed)
    examples: ConcatDataset[Any] = ConcatDataset([clips.map(net.view.train) for clips in train])
    fit(network, recipe, examples, afn.flow_loss, checkpoint=given.checkpoint, precision=given.precision)

    out = given.out or SOURCE_FOLDER / f"{net.weights}.{net.source}.{given.number}.safetensors"
    out.parent.mkdir(exist_ok=True)
    network.cpu().load_state_dict(rounded_to_eight_bits(network.state_dict()))
    network.eval()
    errors, inside = errors_of(network, test, net.view), errors_on_puppets(network, net.view)
    card = {
        "data": ", ".join(f"labkit.world.{type(clips).__name__}(seed={seed + n})" for n, clips in enumerate(train)),
        "labels": "none",
        "world": world.VERSION,
        "seed": seed,
        "size": net.view.crop_size,
        "epe": round(float(errors.estimate.mean()), 4),
        "epe_zero": round(float(errors.zero.mean()), 4),
        "measured": f"{len(test)} test clips of 64 x 64 pixels; epe_zero if nothing moved",
        "puppet_epe": round(inside[0], 4),
        "puppet_epe_zero": round(inside[1], 4),
        "measured_puppets": f"puppets and their things in {len(puppets())} clips of the actions",
        "recipe": str(recipe) + ", in bfloat16" * (given.precision == "bf16"),
        "made_by": f"data_scripts/train_flow.py {given.net} --number {given.number}",
    }
    saved = save_weights(out, network, card, eight_bits=True)
    print(
        f"{out}: EPE {saved['epe']} pixels (zero: {saved['epe_zero']}), "
        f"on puppets {saved['puppet_epe']} ({saved['puppet_epe_zero']}), {out.stat().st_size / 1e6:.1f} MB"
    )


def errors_of(net: afn.ActionFlowNet, clips: Clips, view: View) -> FlowErrors:
    """End-point errors of each field, whole frames."""
    return flow_errors(partial(full_flow, net, multiple=16), clips.map(partial(frames_and_flow, view)))


def errors_on_puppets(net: afn.ActionFlowNet, view: View) -> tuple[float, float]:
    """End-point error of a network, and of the guess that nothing moves, on puppets and their things."""
    data = puppets().map(partial(frames_flow_and_mask, view))
    estimates = partial(full_flow, net, multiple=16), no_motion
    ours, zero = (float(region_errors(estimate, data)[0]) for estimate in estimates)
    return ours, zero


if __name__ == "__main__":
    main()
