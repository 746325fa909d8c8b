"""Train the small source weights that come with the lab, on stills that the world draws.

    python data_scripts/train_source.py resnet                      # things, number 0: about six minutes on one core
    python data_scripts/train_source.py resnet --number 2           # another world, another start
    python data_scripts/train_source.py resnet --source postures    # things and postures

They stand where the papers have ImageNet. A network that has learned *things* knows props, buildings, scenes and
shapes; people only pass by. One that has learned *postures* knows what is done as well, from stills alone: the control.
Each ``--number`` is a training of its own, in another world and from another start, so that no claim has to rest on one
of them. The files go to ``labkit/backbones/source``, rounded to eight bits, with a model card: data, seed, size of the
crops, accuracy, how it was trained, strides, a hash. The accuracy is that of the file, on test stills which the network
has not seen; a test of the lab measures it again. Killed or interrupted, training continues where it was if
``--checkpoint`` names a file.
"""

import argparse
from functools import partial
from pathlib import Path

import torch

from labkit import losses, metrics, world
from labkit.backbones import rounded_to_eight_bits, save_weights
from labkit.backbones.googlenet import googlenet_tiny
from labkit.backbones.resnet import resnet_tiny
from labkit.backbones.weights import SOURCE_FOLDER
from labkit.papers import long_video, two_stream
from labkit.training import Recipe, evaluate, fit

GROUPS = {"things": 180, "postures": 180}  # stills of each class
SETS = {"things": world.Things, "postures": world.Source}
SEED = 1000  # of number 0: seeds below judge claims
NUMBERS = 3
NETS = {
    "cnn_m": partial(two_stream.spatial_network, size="tiny"),
    "googlenet": googlenet_tiny,
    "resnet": resnet_tiny,
    "alexnet": partial(long_video.alexnet, size="tiny"),
}
# at first; batch normalisation stands ten times as much
RATES = {"cnn_m": 1e-2, "googlenet": 1e-1, "resnet": 1e-1, "alexnet": 2e-2}
STEPS = {"cnn_m": 3600, "googlenet": 2400, "resnet": 1600, "alexnet": 2400}
PRECISIONS = {"googlenet": "no"}  # bfloat16 makes the others faster, but not this one
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
    parser.add_argument("--source", choices=SETS, default="things", help="what it learns (default things)")
    parser.add_argument("--number", type=int, choices=range(NUMBERS), default=0, help="of the file (default 0)")
    parser.add_argument("--steps", type=int, help=f"default {STEPS}")
    parser.add_argument("--checkpoint", type=Path, help="file to save to, and to resume from")
    parser.add_argument("--out", type=Path, help="file to write; default the one that comes with the lab")
    given = parser.parse_args(arguments)

    seed, groups = SEED + given.number, GROUPS[given.source]
    train, test = (SETS[given.source](seed=seed, part=part, groups=groups) for part in ("train", "test"))
    train.prepare()
    test = test.prepare().subset(range(0, len(test), 3))
    torch.manual_seed(seed)
    net = NETS[given.net](len(train.classes))
    recipe = recipe_of(given.net, given.steps or STEPS[given.net], seed)
    options = {"checkpoint": given.checkpoint, "precision": PRECISIONS.get(given.net, "bf16")}
    fit(net, recipe, train.map(VIEW.train), losses.classification_loss, **options)

    net.load_state_dict(rounded_to_eight_bits(net.cpu().state_dict()))
    scores = evaluate(net, test.map(lambda clip: VIEW.test(clip, 1)))
    card = {
        "data": f"labkit.world.{SETS[given.source].__name__}(seed={seed}, groups={groups}), split 1",
        "world": world.VERSION,
        "seed": seed,
        "size": VIEW.crop_size,
        "classes": list(train.classes),
        "accuracy": round(metrics.accuracy(scores.videos, scores.labels), 4),
        "measured": f"ten crops of {len(test)} stills, every third of the test groups",
        "recipe": str(recipe),
        "made_by": f"data_scripts/train_source.py {given.net} --source {given.source} --number {given.number}",
    }
    out = given.out or SOURCE_FOLDER / f"{given.net}.{given.source}.{given.number}.safetensors"
    out.parent.mkdir(exist_ok=True)
    saved = save_weights(out, net, card, eight_bits=True)
    print(
        f"{out}: accuracy {100 * saved['accuracy']:.1f} %, {out.stat().st_size / 1e6:.1f} MB, hash {saved['hash'][:12]}"
    )


if __name__ == "__main__":
    main()
