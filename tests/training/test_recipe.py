import math

import pytest
import torch
from toy_training import ADAM, SGD, Blobs, cross_entropy, network, run

from labkit.training import Recipe
from labkit.training.recipe import build_optimizer


def test_a_recipe_prints_as_a_paper_would_say_it():
    assert str(SGD) == (
        "SGD(lr=0.1, momentum=0.9, weight_decay=0.0005), 12 steps of 5 samples, seed 3\n"
        "lr 0.01 from step 6, 0.001 from step 9\nlr of 0 x 0.5\ngradients clipped to norm 1"
    )
    assert "lr times halving" in str(ADAM)


def test_schedules():
    assert [SGD.factor(step) for step in (0, 5, 6, 8, 9, 11)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert [ADAM.factor(step) for step in (0, 2, 4, 8)] == pytest.approx([1, math.sqrt(0.5), 0.5, 0.25])


def rates(model, recipe):
    """Learning rate of each parameter, as the optimiser gets it."""
    optimizer = build_optimizer(recipe, model)
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {names[p]: group["lr"] for group in optimizer.param_groups for p in group["params"]}


def test_the_longest_name_that_fits_sets_the_rate():
    model = network()
    lrs = rates(model, Recipe(torch.optim.SGD, {"lr": 2.0}, 1, 4, groups={"0": 0.5, "0.bias": 3, "4": 0.25}))
    assert lrs == {"0.weight": 1, "0.bias": 6, "1.weight": 2, "1.bias": 2, "4.weight": 0.5, "4.bias": 0.5}
    assert rates(model, Recipe(torch.optim.Adam, {}, 1, 4, groups={"4": 10}))["4.bias"] == pytest.approx(1e-2)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"optimizer": "sgd"}, TypeError, "optimizer must be a callable such as torch.optim.SGD; got 'sgd'"),
        ({"steps": 0}, ValueError, "steps must be a whole number greater than 0; got 0"),
        ({"batch": 2.5}, ValueError, "batch must be a whole number"),
        ({"seed": -1}, ValueError, "seed must be a whole number, 0 or more"),
        ({"clip_norm": 0.0}, ValueError, "clip_norm must be a finite number greater than 0"),
        ({"schedule": {12: 0.1}}, ValueError, "milestones must lie within 1 to 11, the steps; got 12"),
        ({"schedule": {1: -1.0}}, ValueError, "rates of milestones must be finite, 0 or more; got -1.0"),
        ({"schedule": {1: float("nan")}}, ValueError, "rates of milestones must be finite, 0 or more; got nan"),
        ({"options": {}, "schedule": {3: 0.1}}, ValueError, r"options\['lr'\] must be"),
        ({"groups": {"0": 0}}, ValueError, r"the multiplier of '0' must .*requires_grad_\(False\)"),
    ],
)
def test_wrong_recipes_are_named(changes, error, message):
    given_ = {"optimizer": torch.optim.SGD, "options": {"lr": 0.1}, "steps": 12, "batch": 4}
    with pytest.raises(error, match=message):
        Recipe(**{**given_, **changes})


def test_nothing_to_learn_is_an_error():
    with pytest.raises(ValueError, match="model must have parameters to train"):
        run(network().requires_grad_(False), ADAM, Blobs(), cross_entropy)
