"""Train the tiny networks of ActionFlowNet on optical flow, and keep the weights with the lab.

    python data_scripts/train_flow.py target          # two frames of the actions, about ten minutes on two cores
    python data_scripts/train_flow.py chairs          # two frames of flying things, about ten
    python data_scripts/train_flow.py target_multi    # eight frames of the actions, about twenty

No label is used. "target" learns from the training clips of another world of the same kind as the one whose actions
are to be named: other actors, other scenes. The file goes to ``labkit/backbones/source/flownet_NAME.safetensors`` in
half precision, with a model card: data, seed, end-point error, how it was trained, a hash. The error is that of the
file on test clips the network has not seen; a test of the lab measures it again. Killed or interrupted, training
continues where it was if ``--checkpoint`` names a file.
"""

import argparse
from functools import partial
from pathlib import Path

import torch

from labkit import world
from labkit.backbones import save_weights, source_weights
from labkit.papers import action_flow_net as afn
from labkit.studies.flow_errors import FlowErrors, flow_errors, frames_and_flow, full_flow
from labkit.training import Recipe, fit
from labkit.views import View

SEED = 1000  # of the world: seeds below judge claims
CROPS = {"crop_size": 48, "short_side": None, "crop_scales": (64, 56, 48)}
TWO = afn.clip_view(2, **CROPS, **afn.FLOW)
NETS = {
    "target": (afn.two_frame_network, TWO, 3000, 32),
    "chairs": (afn.two_frame_network, afn.clip_view(**{**afn.CHAIRS, **CROPS}), 3000, 32),
    "target_multi": (afn.multi_frame_network, afn.clip_view(8, **CROPS, **afn.FLOW), 1000, 16),
}


def clips_of(net: str, seed: int) -> dict[str, world.PuppetClips]:
    """What a network learns from, and what it is tested on."""
    if net == "chairs":
        return {part: world.FlowPairs(seed=seed, part=part, number=5000) for part in ("train", "test")}
    return {part: world.Actions(seed=seed, part=part, groups=30) for part in ("train", "test")}


def recipe_of(steps: int, batch: int, seed: int) -> Recipe:
    """How a network is trained: as in `labkit.papers.action_flow_net`, the rate falling towards the end."""
    schedule = {round(steps * 0.6): 3e-4, round(steps * 0.85): 1e-4}
    return Recipe(
        **{**afn.RECIPES["tiny"]["two_frame"], "steps": steps, "batch": batch, "schedule": schedule, "seed": seed}
    )


def main(arguments: list[str] | None = None) -> None:
    """Train, save, measure what was saved."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", choices=NETS, help="which network, trained on what")
    parser.add_argument("--seed", type=int, default=SEED, help="of the clips and of the training (default %(default)s)")
    parser.add_argument("--steps", type=int, help="default 3000, of many frames 1000")
    parser.add_argument("--checkpoint", type=Path, help="file to save to, and to resume from")
    parser.add_argument("--out", type=Path, help="file to write; default the one that comes with the lab")
    given = parser.parse_args(arguments)

    build, view, steps, batch = NETS[given.net]
    clips = clips_of(given.net, given.seed)
    for some in clips.values():
        some.prepare()
    torch.manual_seed(given.seed)
    net = build(1, size="tiny")  # its classifier is not used
    recipe = recipe_of(given.steps or steps, batch, given.seed)
    fit(net, recipe, clips["train"].map(view.train), afn.flow_loss, checkpoint=given.checkpoint)

    out = given.out or source_weights(f"flownet_{given.net}")
    out.parent.mkdir(exist_ok=True)
    net = net.cpu().half()
    errors = errors_of(load_into(build(1, size="tiny"), net), clips["test"], view)
    card = {
        "data": f"labkit.world.{type(clips['test']).__name__}(seed={given.seed}), training part, without labels",
        "world": world.VERSION,
        "seed": given.seed,
        "size": view.crop_size,
        "epe": round(float(errors.estimate.mean()), 4),
        "epe_zero": round(float(errors.zero.mean()), 4),
        "measured": f"{len(clips['test'])} test clips of 64 x 64 pixels; epe_zero if nothing moved",
        "recipe": str(recipe),
        "made_by": f"data_scripts/train_flow.py {given.net}",
    }
    saved = save_weights(out, net, card)
    print(f"{out}: EPE {saved['epe']} pixels (zero: {saved['epe_zero']}), {out.stat().st_size / 1e6:.1f} MB")


def load_into(net: afn.ActionFlowNet, half: afn.ActionFlowNet) -> afn.ActionFlowNet:
    """A network with what will be in the file: rounded to half precision."""
    net.load_state_dict(half.state_dict())
    return net.eval()


def errors_of(net: afn.ActionFlowNet, clips: world.PuppetClips, view: View) -> FlowErrors:
    """End-point errors of each field, whole frames."""
    return flow_errors(partial(full_flow, net, multiple=16), clips.map(partial(frames_and_flow, view)))


if __name__ == "__main__":
    main()
