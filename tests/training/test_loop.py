import copy
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from toy_training import ADAM, SGD, Blobs, cross_entropy, network, run, same

from labkit import metrics
from labkit.training import Recipe, batches, evaluate, fit, loop, shared_batches


def test_one_step_by_hand():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 3.0)
    recipe = Recipe(torch.optim.SGD, {"lr": 0.25}, steps=2, batch=1)
    history = run(model, recipe, [torch.ones(1)], lambda model, batch: model(batch).square().mean())
    # w <- w - 1/4 * 2 w = w / 2, from 3
    assert model.weight.item() == 0.75
    assert [(step.step, step.loss, step.lr) for step in history] == [(0, 9.0, 0.25), (1, 2.25, 0.25)]


@pytest.mark.parametrize("recipe", [SGD, ADAM], ids=["sgd", "adam"])
def test_agrees_with_a_bare_loop(recipe):
    class Still(Blobs):
        def __getitem__(self, index):
            return self.points[index], self.labels[index]

    trained, expected = network(), network()
    trained[3].p = expected[3].p = 0.0  # nothing random but the order
    history = run(trained, recipe, Still(), cross_entropy)

    order = batches(Still(), recipe.batch, seed=recipe.seed)
    slow, fast = list(expected[0].parameters()), [p for layer in expected[1:] for p in layer.parameters()]
    multiplier = 0.5 if recipe is SGD else 1.0
    lr = recipe.options["lr"]
    optimizer = recipe.optimizer([{"params": slow}, {"params": fast}], **recipe.options)
    for step in range(recipe.steps):
        now = (
            (lr, lr, 0.01, 0.001)[(step >= 3) + (step >= 6) + (step >= 9)] if recipe is SGD else lr * 0.5 ** (step / 4)
        )
        optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = now * multiplier, now
        loss, shown = cross_entropy(expected, next(order))
        optimizer.zero_grad()
        loss.backward()
        if recipe.clip_norm:
            nn.utils.clip_grad_norm_(expected.parameters(), recipe.clip_norm)
        optimizer.step()
        assert history[step].loss == pytest.approx(loss.item(), rel=1e-6)
        assert history[step].lr == pytest.approx(now)
        assert history[step].shown == shown
    for ours, theirs in zip(trained.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_it_learns_and_the_same_seed_gives_the_same_bits():
    recipe = Recipe(torch.optim.Adam, {"lr": 0.01}, steps=80, batch=11, seed=0)
    first, second, other = network(), network(), network()
    history = run(first, recipe, Blobs(), cross_entropy)
    assert np.mean([step.loss for step in history[-10:]]) < 0.5 * np.mean([step.loss for step in history[:10]])
    still = list(zip(Blobs().points[:, None], Blobs().labels, strict=True))  # one view each
    scores = evaluate(first, still, progress=False)
    assert metrics.accuracy(scores.videos, scores.labels) == 1.0
    random.seed(5)
    torch.manual_seed(5)  # what was random before makes no difference
    assert run(second, recipe, Blobs(), cross_entropy, workers=2) == history  # nor does the number of workers
    assert same(first, second)
    run(other, Recipe(torch.optim.Adam, {"lr": 0.01}, steps=80, batch=11, seed=1), Blobs(), cross_entropy)
    assert not same(first, other)


def test_gradients_that_a_model_comes_with_do_not_count():
    fresh, used = network(), network()
    used[4].weight.grad = torch.ones_like(used[4].weight)
    assert run(used, SGD, Blobs(), cross_entropy) == run(fresh, SGD, Blobs(), cross_entropy)
    assert same(used, fresh)


def test_frozen_parts_and_partial_batch_norm_stay_as_they_are():
    class Partial(nn.Sequential):
        def train(self, mode=True):
            super().train(mode)
            self[1].eval()
            return self

    model = Partial(*network())
    model[0].requires_grad_(False)
    before = copy.deepcopy(model)
    modes = [module.training for module in model.eval().modules()]
    run(model, ADAM, Blobs(), cross_entropy)
    assert same(model[0], before[0])
    assert torch.equal(model[1].running_mean, before[1].running_mean)
    assert not torch.equal(model[1].weight, before[1].weight)  # its statistics are kept, its parameters learn
    assert not torch.equal(model[4].weight, before[4].weight)
    assert [module.training for module in model.modules()] == modes


def test_heads_with_data_of_their_own():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.trunk, self.heads = nn.Linear(6, 8), nn.ModuleList([nn.Linear(8, 3), nn.Linear(8, 2)])

        def forward(self, points, head):
            return self.heads[head](self.trunk(points).relu())

    def multi_task(model, batch):
        return sum(F.cross_entropy(model(points, head), labels) for head, (points, labels) in enumerate(batch))

    data = shared_batches([Blobs(), Blobs(classes=2)], 10, seed=0)
    model = TwoHeads()
    recipe = Recipe(torch.optim.Adam, {"lr": 0.02}, steps=60, batch=10)
    history = run(model, recipe, data, multi_task)
    assert history[-1].loss < 0.5 * history[0].loss


def test_watching_sees_the_model_before_the_update_in_eval_mode_and_changes_nothing():
    models = []

    def watch(model):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
        models.append(copy.deepcopy(model))
        random.random(), np.random.rand(), torch.rand(3)  # noqa: NPY002
        return {"held-out": model(torch.ones(2, 6)).mean()}

    watched, plain = network(), network()
    history = run(watched, ADAM, Blobs(), cross_entropy, watch=watch, every=5)
    expected = run(plain, ADAM, Blobs(), cross_entropy)
    assert same(watched, plain)
    assert [step.loss for step in history] == [step.loss for step in expected]
    assert [step.step for step in history if "held-out" in step.shown] == [0, 5, 10]
    assert same(models[0], network())
    shorter = network()
    run(shorter, replace(ADAM, steps=5), Blobs(), cross_entropy)
    assert same(models[1], shorter)
    assert history[5].shown == {
        "accuracy": expected[5].shown["accuracy"],
        "held-out": shorter.eval()(torch.ones(2, 6)).mean().item(),
    }
    assert all(module.training for module in watched.modules())


def test_watching_every_step_is_the_default():
    history = run(network(), ADAM, Blobs(), cross_entropy, watch=lambda model: {"bias": model[4].bias[0]})
    assert history[0].shown["bias"] == network()[4].bias[0].item()
    assert all("bias" in step.shown for step in history)


def test_the_bar_shows_loss_rate_and_steps(capsys, monkeypatch):
    immediately = {"delay": 0, "mininterval": 0}
    bar = loop.tqdm
    monkeypatch.setattr(loop, "tqdm", lambda **options: bar(**{**options, **immediately}))
    fit(network(), Recipe(torch.optim.SGD, {"lr": 0.5}, 20, 2), Blobs(), cross_entropy, device="cpu")
    shown = capsys.readouterr().err
    assert "/20 [" in shown
    assert "loss=" in shown
    assert "lr=0.5" in shown
    assert "step/s" in shown


@pytest.mark.parametrize("precision", ["bf16", "no"])  # one after the other in one process
def test_mixed_precision(precision):
    seen = []

    def loss(model, batch):
        logits = model(batch[0])
        seen.append(logits.dtype)
        return F.cross_entropy(logits.float(), batch[1])

    model = network()
    run(model, ADAM, Blobs(), loss, precision=precision)
    assert set(seen) == {torch.bfloat16 if precision == "bf16" else torch.float32}
    assert model[0].weight.dtype == torch.float32
    assert model(torch.zeros(2, 6)).dtype == torch.float32  # nothing of it stays in the model


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_at_its_step(bad, tmp_path):
    def spoil(model, batch):
        loss, shown = cross_entropy(model, batch)
        return loss * (bad if len(losses) == 7 else 1.0), (losses.append(loss) or shown)

    losses, path, model = [], tmp_path / "run.pt", network()
    with pytest.raises(FloatingPointError, match=rf"loss of step 7 is {bad} \(of 12\).* holds the first 6 steps"):
        run(model, ADAM, Blobs(), spoil, checkpoint=path, save_every=3)
    assert all(torch.isfinite(p).all() for p in model.parameters())  # the step was not taken
    saved = torch.load(path, weights_only=True)
    assert len(saved["history"]) == 6
    assert all(torch.isfinite(value).all() for value in saved["model"].values())


def test_an_error_within_the_loss_names_the_step():
    def fragile(model, batch):
        steps.append(0)
        return cross_entropy(model, (batch[0] * (math.nan if len(steps) == 5 else 1), batch[1]))

    steps = []
    with pytest.raises(ValueError, match=r"scores must be finite") as caught:  # of the accuracy
        run(network(), ADAM, Blobs(), fragile)
    assert caught.value.__notes__ == ["(at step 4 of the training)"]


def test_parameters_that_are_not_finite_are_never_saved(tmp_path):
    def poison(model, batch):  # finite itself, its gradient is not
        steps.append(0)
        return (model[0].weight * 0).sum().sqrt() if len(steps) == 6 else cross_entropy(model, batch)

    steps, path = [], tmp_path / "run.pt"
    with pytest.raises(FloatingPointError, match=r"parameters are not finite after step 5 .*first 4 steps"):
        run(network(), ADAM, Blobs(), poison, checkpoint=path, save_every=2)
    assert len(torch.load(path, weights_only=True)["history"]) == 4


@pytest.mark.parametrize(
    ("recipe", "data", "loss", "extra", "message"),
    [
        (
            {"groups": {"fc": 0.1}},
            Blobs(),
            cross_entropy,
            {},
            "groups must name parts .*'fc'.* parts are 0, 1, 2, 3, 4",
        ),
        ({"schedule": lambda step: -1.0}, Blobs(), cross_entropy, {}, "finite factors, 0 or more; got -1.0 at step 0"),
        ({}, Blobs(count=0), cross_entropy, {}, "dataset must have at least one sample"),
        ({}, lambda start, share: [], cross_entropy, {}, "data must last for 5 steps; they ended before step 0"),
        ({}, lambda start, share: [], cross_entropy, {"workers": 1}, "of a loader factory belong into it"),
        ({}, Blobs(), lambda m, b: m(b[0]), {}, r"loss must return a tensor without dimensions.* got \(4, 3\)"),
        ({}, Blobs(), cross_entropy, {"device": "mps"}, "device must be available; got 'mps'"),
        ({}, Blobs(), cross_entropy, {"every": 0}, "^every must be"),
        ({}, Blobs(), cross_entropy, {"save_every": 0}, "save_every must be"),
        ({}, Blobs(), cross_entropy, {"watch": lambda m: {"accuracy": 1}}, "use different names; both have 'accuracy'"),
        ({}, Blobs(), cross_entropy, {"order": lambda g: torch.zeros(3)}, r"order must give 22 indices.* got \(3,\)"),
    ],
)
def test_wrong_arguments_of_fit_are_named(recipe, data, loss, extra, message):
    with pytest.raises(ValueError, match=message):
        run(network(), Recipe(torch.optim.SGD, {"lr": 0.1}, 5, 4, **recipe), data, loss, **extra)
