"""Train the small source weights that come with the lab, on the stills of the world's source task.

    python data_scripts/train_source.py cnn_m        # about five minutes on two cores
    python data_scripts/train_source.py googlenet    # about ten
    python data_scripts/train_source.py resnet       # about three
    python data_scripts/train_source.py alexnet      # about five

They stand where the papers have ImageNet: a network that has seen things and postures, but never a video. The file goes
to ``labkit/backbones/source/NAME.safetensors`` with a model card: data, seed, size of the crops, accuracy, how it was
trained, strides, a hash. The accuracy is that on the test groups of the source task, whose actors and scenes the
network has not seen; a test of the lab measures it again. Killed or interrupted, training continues where it was if
``--checkpoint`` names a file.
"""

import argparse
from functools import partial
from pathlib import Path

import torch

from labkit import losses, metrics, world
from labkit.backbones import save_weights, source_weights
from labkit.backbones.googlenet import googlenet_tiny
from labkit.backbones.resnet import resnet_tiny
from labkit.papers import long_video, two_stream
from labkit.training import Recipe, evaluate, fit

GROUPS = 180
NETS = {
    "cnn_m": partial(two_stream.spatial_network, size="tiny"),
    "googlenet": googlenet_tiny,
    "resnet": resnet_tiny,
    "alexnet": partial(long_video.alexnet, size="tiny"),
}
# at first; batch normalisation stands ten times as much
RATES = {"cnn_m": 1e-2, "googlenet": 1e-1, "resnet": 1e-1, "alexnet": 2e-2}
STEPS = {"cnn_m": 2400, "googlenet": 1200, "resnet": 900, "alexnet": 1200}
VIEW = two_stream.spatial_view(crop_size=56, short_side=None)


def recipe_of(net: str, steps: int, seed: int) -> Recipe:
    """How a network is trained."""
    rate = RATES[net]
    options = {"lr": rate, "momentum": 0.9, "weight_decay": 5e-4}
    schedule = {round(steps * 0.6): rate / 10, round(steps * 0.85): rate / 100}
    return Recipe(torch.optim.SGD, options, steps, batch=64, schedule=schedule, seed=seed)


def main(arguments: list[str] | None = None) -> None:
    """Train, evaluate, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", choices=NETS, help="which network")
    parser.add_argument("--seed", type=int, default=0, help="of the source task and of the training (default 0)")
    parser.add_argument("--steps", type=int, help=f"default {STEPS}")
    parser.add_argument("--checkpoint", type=Path, help="file to save to, and to resume from")
    parser.add_argument("--out", type=Path, help="file to write; default the one that comes with the lab")
    given = parser.parse_args(arguments)

    train, test = (world.Source(seed=given.seed, part=part, groups=GROUPS) for part in ("train", "test"))
    train.prepare()
    test.prepare()
    torch.manual_seed(given.seed)
    net = NETS[given.net](len(train.classes))
    recipe = recipe_of(given.net, given.steps or STEPS[given.net], given.seed)
    fit(net, recipe, train.map(VIEW.train), losses.classification_loss, checkpoint=given.checkpoint)

    net.cpu()
    scores = evaluate(net, test.map(lambda clip: VIEW.test(clip, 1)))
    card = {
        "data": f"labkit.world.Source(seed={given.seed}, groups={GROUPS}), split 1",
        "world": world.VERSION,
        "seed": given.seed,
        "size": VIEW.crop_size,
        "classes": list(train.classes),
        "accuracy": round(metrics.accuracy(scores.videos, scores.labels), 4),
        "measured": f"ten crops of each of {len(test)} stills of the test groups",
        "recipe": str(recipe),
        "made_by": f"data_scripts/train_source.py {given.net}",
    }
    out = given.out or source_weights(given.net)
    out.parent.mkdir(exist_ok=True)
    saved = save_weights(out, net, card)
    print(
        f"{out}: accuracy {100 * saved['accuracy']:.1f} %, {out.stat().st_size / 1e6:.1f} MB, hash {saved['hash'][:12]}"
    )


if __name__ == "__main__":
    main()
