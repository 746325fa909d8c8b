import copy
import functools
import math
import os
import random
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, Dataset

from labkit import metrics
from labkit.training import (
    CheckpointError,
    ExponentialDecay,
    Recipe,
    Step,
    batches,
    evaluate,
    fit,
    overfit_one_batch,
    shared_batches,
    uniform_over_classes,
)


class Blobs(Dataset):
    """Points around one centre a class; augmented by all three random generators."""

    def __init__(self, count=22, classes=3, noise=0.3):
        generator = torch.Generator().manual_seed(0)
        self.labels = torch.arange(count) % classes
        centres = 2 * torch.randn(classes, 6, generator=generator)
        self.points = centres[self.labels] + 0.3 * torch.randn(count, 6, generator=generator)
        self.noise = noise

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        jitter = torch.randn(6) + np.random.rand() + random.random()  # noqa: NPY002
        return self.points[index] + self.noise * jitter, self.labels[index]


class Numbers(Dataset):
    """Sample i is i."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return index


def network(seed=0, classes=3):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, classes))


def cross_entropy(model, batch):
    points, labels = batch
    logits = model(points)
    return F.cross_entropy(logits, labels), {"accuracy": metrics.accuracy(logits, labels)}


SGD = Recipe(
    torch.optim.SGD,
    {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
    steps=12,
    batch=5,
    schedule={6: 0.01, 9: 0.001},
    groups={"0": 0.5},
    clip_norm=1.0,
    seed=3,
)
ADAM = Recipe(torch.optim.Adam, {"lr": 0.01}, steps=12, batch=8, schedule=ExponentialDecay(0.5, every=4), seed=4)
run = functools.partial(fit, device="cpu", progress=False)


def same(first, second):
    first, second = first.state_dict(), second.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first | second)


def stop_at(step):
    """The loss, which fails like a power cut when it is called for this step of this process."""
    calls = iter(range(step + 1))

    def cross_entropy_(model, batch):
        if next(calls) == step:
            raise KeyboardInterrupt
        return cross_entropy(model, batch)

    cross_entropy_.__name__ = "cross_entropy"  # it is the same run
    return cross_entropy_


# --- the loop ---------------------------------------------------------------------------------------------------------


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


def test_random_generators_are_given_back_as_they_were():
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    before = states()
    model = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5))
    torch.set_rng_state(torch.tensor(before[2], dtype=torch.uint8))
    run(model, ADAM, Blobs(), cross_entropy)
    evaluate(model, [(torch.randn(1, 6, generator=torch.Generator()), torch.tensor(0))], progress=False)
    overfit_one_batch(model, lambda model, batch: model(batch).square().mean(), torch.ones(2, 6), share=0.9)
    assert states() == before


def test_the_bar_shows_loss_rate_and_steps(capsys, monkeypatch):
    import labkit.training

    at_once = {"delay": 0, "mininterval": 0}
    bar = labkit.training.tqdm
    monkeypatch.setattr(labkit.training, "tqdm", lambda **options: bar(**{**options, **at_once}))
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


# --- data -------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(1, 9), st.integers(0, 12), st.integers(0, 2**32))
def test_any_step_can_be_the_first_and_epochs_are_complete(count, batch, start, seed):
    stream = batches(Numbers(count), batch, seed=seed)
    draws = [next(stream).tolist() for _ in range(start + 2 * count)]
    flat = [index for drawn in draws for index in drawn]
    for first in range(0, len(flat) - count + 1, count):
        assert sorted(flat[first : first + count]) == list(range(count))
    later = batches(Numbers(count), batch, seed=seed, start=start)
    assert [next(later).tolist() for _ in range(3)] == draws[start : start + 3] or len(draws) < start + 3


def test_processes_share_each_batch():
    whole = batches(Numbers(7), 6, seed=1)
    parts = [batches(Numbers(7), 6, seed=1, share=(process, 3)) for process in range(3)]
    for _ in range(4):
        drawn = next(whole).tolist()
        assert [next(part).tolist() for part in parts] == [drawn[0::3], drawn[1::3], drawn[2::3]]


def test_sets_share_each_batch_evenly_and_each_process_gets_its_part_of_every_set():
    sets, backwards = [Numbers(7), Numbers(5)], lambda generator: torch.arange(5).flip(0)
    shared = shared_batches(sets, 8, seed=3, orders=[None, backwards])
    first, second = batches(sets[0], 4, seed=3), batches(sets[1], 4, seed=4, order=backwards)
    whole, halves = shared(0, (0, 1)), [shared(0, (process, 2)) for process in (0, 1)]
    drawn = []
    for _ in range(4):
        drawn.append([part.tolist() for part in next(whole)])
        assert drawn[-1] == [next(first).tolist(), next(second).tolist()]
        assert [[part.tolist() for part in next(half)] for half in halves] == [
            [part[process::2] for part in drawn[-1]] for process in (0, 1)
        ]
    assert drawn[0][1] == [4, 3, 2, 1]
    assert [part.tolist() for part in next(shared(3, (0, 1)))] == drawn[3]
    with pytest.raises(ValueError, match="batch must be a multiple of the 2 sets that share it; got 7"):
        shared_batches(sets, 7, seed=0)
    with pytest.raises(ValueError, match="orders must be one for each of 2 sets; got 1"):
        shared_batches(sets, 8, seed=0, orders=[backwards])


def test_augmentation_differs_by_draw_and_not_by_worker():
    alone, helped = (batches(Blobs(count=4), 4, seed=0, workers=workers) for workers in (0, 2))
    drawn = [next(alone)[0] for _ in range(3)]
    assert all(torch.equal(points, next(helped)[0]) for points in drawn)
    assert len(torch.cat(drawn).unique(dim=0)) == 12


def test_classes_are_drawn_alike():
    labels = torch.tensor([0] * 96 + [1] * 3 + [2])
    stream = batches(Numbers(100), 100, seed=0, order=uniform_over_classes(labels))
    counts = torch.bincount(labels[torch.cat([next(stream) for _ in range(30)])])
    assert (counts - 1000).abs().max() < 4 * math.sqrt(3000 * 1 / 3 * 2 / 3)


# --- stop and resume --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [SGD, ADAM], ids=["sgd", "adam"])
def test_a_run_stopped_at_every_step_ends_with_the_same_bits(recipe, tmp_path):
    whole = network()
    history = run(whole, recipe, Blobs(), cross_entropy)
    for step in range(recipe.steps):
        path = tmp_path / f"{step}.pt"
        with pytest.raises(KeyboardInterrupt):
            run(network(), recipe, Blobs(), stop_at(step), checkpoint=path, every=5)
        resumed = network()
        assert run(resumed, recipe, Blobs(), cross_entropy, checkpoint=path, every=5) == history
        assert same(resumed, whole)


def test_a_finished_run_is_read_not_repeated(tmp_path):
    path = tmp_path / "run.pt"
    first, second = network(), network()
    history = run(first, ADAM, Blobs(), cross_entropy, checkpoint=path)
    assert run(second, ADAM, Blobs(), stop_at(0), checkpoint=path) == history
    assert same(first, second)
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
    import os, signal, sys
    import torch
    sys.path.insert(0, sys.argv[1])
    import test_training as t

    def train(kill, workers, in_save=False):
        def cross_entropy(model, batch):
            cross_entropy.calls += 1
            if cross_entropy.calls == kill:
                os.kill(os.getpid(), signal.SIGKILL)
            return t.cross_entropy(model, batch)
        cross_entropy.calls = 0
        if in_save:  # the second time that a checkpoint is about to be complete
            calls = iter(range(9))
            os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL) if next(calls) == 1 else None
        model = t.network()
        history = t.run(model, t.SGD, t.Blobs(), cross_entropy, checkpoint="run.pt", every=2, workers=workers)
        torch.save({"model": model.state_dict(), "losses": [step.loss for step in history]}, "end.pt")

    torch.set_num_threads(1)
    t.run(t.network(), t.ADAM, t.Blobs(), t.cross_entropy)  # what torch imports for the first optimiser
    for arguments in [(1, 0), (4, 0), (2, 2), (99, 0, True), (4, 2), (99, 0)]:
        child = os.fork()
        if child == 0:
            train(*arguments)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        assert os.WIFEXITED(status) == os.path.exists("end.pt"), status
        if not os.path.exists("end.pt"):
            assert os.WTERMSIG(status) == signal.SIGKILL
            print(len(torch.load("run.pt")["history"]) if os.path.exists("run.pt") else 0)
"""


def test_killed_five_times_and_resumed_to_the_same_bits(tmp_path):
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), os.path.dirname(__file__)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["0", "2", "2", "4", "6"]  # steps kept after each kill
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole = network()
    history = run(whole, SGD, Blobs(), cross_entropy)
    torch.set_num_threads(threads)
    end = torch.load(tmp_path / "end.pt", weights_only=True)
    assert end["losses"] == [step.loss for step in history]
    assert all(torch.equal(value, end["model"][name]) for name, value in whole.state_dict().items())


def model_bytes(path):
    return torch.load(path, weights_only=True)["model"]["0.weight"].numpy().tobytes()


def test_a_damaged_checkpoint_is_one_clear_error(tmp_path):
    path = tmp_path / "run.pt"
    run(network(), ADAM, Blobs(), cross_entropy, checkpoint=path)
    good, model, before = path.read_bytes(), network(), network()
    damaged = [good[:size] for size in (0, 10, len(good) // 2, len(good) - 1)]
    weight = good.index(model_bytes(path))
    for place in (200, weight, weight + 100):  # the structure, a weight, another
        damaged.append(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"must be a complete checkpoint of fit; it is damaged .* delete it"):
            run(model, ADAM, Blobs(), cross_entropy, checkpoint=path)
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="must be a complete checkpoint of fit"):
        run(model, ADAM, Blobs(), cross_entropy, checkpoint=path)
    assert same(model, before)


class Surprise:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_a_checkpoint_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": Surprise()}, "run.pt")
    with pytest.raises(CheckpointError, match="damaged or something else"):
        run(network(), ADAM, Blobs(), cross_entropy, checkpoint="run.pt")
    assert not os.path.exists("ran")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": network(classes=4)}, "another model and weights at the start and parameter groups|another model"),
        ({"model": network(seed=1)}, "another weights at the start .* with the same seed"),
        ({"recipe": SGD}, "another optimizer and parameter groups and schedule"),
        ({"steps": 13}, r"another schedule and steps"),
        ({"batch": 9}, r"another batch \(batch there: 8, here: 9\)"),
        ({"seed": 9}, r"another seed"),
        ({"data": Blobs(count=20)}, "another size of the data"),
        ({"loss": lambda model, batch: cross_entropy(model, batch)[0]}, "another loss"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(change, named, tmp_path):
    path = tmp_path / "run.pt"
    run(network(), ADAM, Blobs(), cross_entropy, checkpoint=path)
    kept = path.read_bytes()
    recipe = change.get("recipe") or Recipe(
        torch.optim.Adam,
        {"lr": 0.01},
        steps=change.get("steps", 12),
        batch=change.get("batch", 8),
        schedule=ADAM.schedule,
        seed=change.get("seed", 4),
    )
    model, data = copy.deepcopy(change.get("model", network())), change.get("data", Blobs())
    with pytest.raises(CheckpointError, match=f"must belong to this run; it is of one with {named}"):
        run(model, recipe, data, change.get("loss", cross_entropy), checkpoint=path)
    assert path.read_bytes() == kept


def test_a_missing_folder_is_said_before_training(tmp_path):
    with pytest.raises(CheckpointError, match="the folder of a checkpoint must exist"):
        run(network(), ADAM, Blobs(), stop_at(0), checkpoint=tmp_path / "no/run.pt")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_at_its_step(bad, tmp_path):
    def spoil(model, batch):
        loss, shown = cross_entropy(model, batch)
        return loss * (bad if len(losses) == 7 else 1.0), (losses.append(loss) or shown)

    losses, path, model = [], tmp_path / "run.pt", network()
    with pytest.raises(FloatingPointError, match=rf"loss of step 7 is {bad} \(of 12\).* holds the first 6 steps"):
        run(model, ADAM, Blobs(), spoil, checkpoint=path, every=3)
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
        run(network(), ADAM, Blobs(), poison, checkpoint=path, every=2)
    assert len(torch.load(path, weights_only=True)["history"]) == 4


# --- recipes ----------------------------------------------------------------------------------------------------------


def test_a_recipe_prints_as_a_paper_would_say_it():
    assert str(SGD) == (
        "SGD(lr=0.1, momentum=0.9, weight_decay=0.0005), 12 steps of 5 samples, seed 3\n"
        "lr 0.01 from step 6, 0.001 from step 9\nlr of 0 x 0.5\ngradients clipped to norm 1"
    )
    assert "lr times ExponentialDecay(rate=0.5, every=4)" in str(ADAM)


def test_schedules():
    assert [SGD.factor(step) for step in (0, 5, 6, 8, 9, 11)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert [ADAM.factor(step) for step in (0, 2, 4, 8)] == pytest.approx([1, math.sqrt(0.5), 0.5, 0.25])


def rates(model, recipe):
    """Learning rate of each parameter, as the optimiser gets it."""
    optimizers = []

    def spy(groups, **options):
        optimizers.append(recipe.optimizer(groups, **options))
        return optimizers[0]

    run(model, Recipe(spy, recipe.options, 1, 4, groups=recipe.groups), Blobs(), cross_entropy)
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {names[p]: group["lr"] for group in optimizers[0].param_groups for p in group["params"]}


def test_the_longest_name_that_fits_sets_the_rate():
    model = network()
    found = rates(model, Recipe(torch.optim.SGD, {"lr": 2.0}, 1, 4, groups={"0": 0.5, "0.bias": 3, "4": 0.25}))
    assert found == {"0.weight": 1, "0.bias": 6, "1.weight": 2, "1.bias": 2, "4.weight": 0.5, "4.bias": 0.5}
    assert rates(model, Recipe(torch.optim.Adam, {}, 1, 4, groups={"4": 10}))["4.bias"] == pytest.approx(1e-2)


def test_groups_of_any_kind():
    def biases_fast_without_decay(model):
        biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
        others = [p for name, p in model.named_parameters() if not name.endswith("bias")]
        return [{"params": others}, {"params": biases, "lr": 4.0, "weight_decay": 0.0}]

    found = rates(network(), Recipe(torch.optim.SGD, {"lr": 2.0}, 1, 4, groups=biases_fast_without_decay))
    assert {name: lr for name, lr in found.items() if lr == 4} == {"0.bias": 4, "1.bias": 4, "4.bias": 4}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"optimizer": "sgd"}, TypeError, "optimizer must be a callable such as torch.optim.SGD; got 'sgd'"),
        ({"steps": 0}, ValueError, "steps must be a whole number greater than 0; got 0"),
        ({"batch": 2.5}, ValueError, "batch must be a whole number"),
        ({"seed": -1}, ValueError, "seed must be a whole number, 0 or more"),
        ({"clip_norm": 0.0}, ValueError, "clip_norm must be a finite number greater than 0"),
        ({"schedule": {12: 0.1}}, ValueError, "milestones must lie within 1 to 11, the steps; got 12"),
        ({"options": {}, "schedule": {3: 0.1}}, ValueError, r"options\['lr'\] must be"),
        ({"groups": {"0": 0}}, ValueError, r"the multiplier of '0' must .*requires_grad_\(False\)"),
    ],
)
def test_wrong_recipes_are_named(changes, error, message):
    given_ = {"optimizer": torch.optim.SGD, "options": {"lr": 0.1}, "steps": 12, "batch": 4}
    with pytest.raises(error, match=message):
        Recipe(**{**given_, **changes})


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
        ({"groups": lambda m: [{"params": m[0].parameters()}]}, Blobs(), cross_entropy, {}, "got 1.weight, .* in none"),
        ({"schedule": lambda step: -1.0}, Blobs(), cross_entropy, {}, "finite factors, 0 or more; got -1.0 at step 0"),
        ({}, Blobs(count=0), cross_entropy, {}, "dataset must have at least one sample"),
        ({}, lambda start, share: [], cross_entropy, {}, "data must last for 5 steps; they ended before step 0"),
        ({}, lambda start, share: [], cross_entropy, {"workers": 1}, "of a loader factory belong into it"),
        ({}, Blobs(), lambda m, b: m(b[0]), {}, r"loss must return a tensor without dimensions.* got \(4, 3\)"),
        ({}, Blobs(), cross_entropy, {"device": "mps"}, "device must be there; got 'mps'"),
        ({}, Blobs(), cross_entropy, {"every": 0}, "every must be"),
        ({}, Blobs(), cross_entropy, {"order": lambda g: torch.zeros(3)}, r"order must give 22 indices.* got \(3,\)"),
    ],
)
def test_wrong_arguments_of_fit_are_named(recipe, data, loss, extra, message):
    with pytest.raises(ValueError, match=message):
        run(network(), Recipe(torch.optim.SGD, {"lr": 0.1}, 5, 4, **recipe), data, loss, **extra)


def test_nothing_to_learn_is_an_error():
    with pytest.raises(ValueError, match="model must have parameters to learn"):
        run(network().requires_grad_(False), ADAM, Blobs(), cross_entropy)


# --- evaluation -------------------------------------------------------------------------------------------------------


class Videos(Dataset):
    """Five videos of four views."""

    def __init__(self, views=4):
        self.views = torch.randn(5, views, 6, generator=torch.Generator().manual_seed(1))

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return self.views[index], index % 3


def test_views_are_scored_alone_and_averaged_after_softmax():
    model, data = network(), Videos()
    before = [module.training for module in model.modules()]
    scores = evaluate(model, data, batch=2, at_once=3, progress=False)
    assert [module.training for module in model.modules()] == before
    model.eval()
    for video in range(5):
        each = model(data.views[video]).softmax(dim=1)  # (4, 3)
        torch.testing.assert_close(scores.videos[video], each.mean(dim=0))
        torch.testing.assert_close(scores.clips[scores.video_of_clip == video], each)
    assert scores.labels.tolist() == [0, 1, 2, 0, 1]
    assert scores.clip_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [0] * 4 + [1] * 4
    assert not scores.videos.requires_grad


@pytest.mark.parametrize(("batch", "at_once", "workers"), [(1, 1, 0), (5, 1000, 0), (3, 7, 2)])
def test_how_views_are_packed_does_not_matter(batch, at_once, workers):
    scores = evaluate(network(), Videos(), batch=batch, at_once=at_once, workers=workers, progress=False)
    expected = evaluate(network(), Videos(), progress=False)
    torch.testing.assert_close(scores.videos, expected.videos)
    torch.testing.assert_close(scores.clips, expected.clips)


def test_other_heads_inputs_scores_labels_and_loaders():
    model = network()
    loader = [
        ({"rgb": torch.randn(2, 3, 6), "flow": torch.randn(2, 3, 6)}, torch.ones(2, 3, dtype=torch.bool)),
        ({"rgb": torch.randn(1, 5, 6), "flow": torch.randn(1, 5, 6)}, torch.ones(1, 3, dtype=torch.bool)),
    ]
    scores = evaluate(
        model,
        iter(loader),
        forward=lambda model, views: model(views["rgb"]) - model(views["flow"]),
        to_scores=nn.Identity(),
        progress=False,
    )
    assert scores.clips.shape == (2 * 3 + 5, 3)
    assert scores.video_of_clip.tolist() == [0] * 3 + [1] * 3 + [2] * 5
    model.eval()
    expected = model(loader[1][0]["rgb"][0]) - model(loader[1][0]["flow"][0])
    torch.testing.assert_close(scores.videos[2], expected.mean(dim=0))
    assert metrics.hit_at_k(scores.videos, scores.labels, 1) == 1.0
    again = evaluate(model, DataLoader(Videos(), batch_size=2), progress=False)
    torch.testing.assert_close(again.videos, evaluate(model, Videos(), progress=False).videos)


def test_random_views_are_the_same_each_time():
    class Jittered(Videos):
        def __getitem__(self, index):
            return self.views[index] + torch.randn(4, 6) + random.random(), index % 3

    one, two = (evaluate(network(), Jittered(), batch=batch, progress=False) for batch in (1, 5))
    torch.testing.assert_close(one.videos, two.videos)
    assert not torch.allclose(one.videos, evaluate(network(), Jittered(), seed=1, progress=False).videos)


def test_partial_modes_come_back_also_after_an_error():
    model = network()
    model[1].eval()
    model[4].weight.data.fill_(math.nan)
    with pytest.raises(ValueError, match="logits must be finite"):
        evaluate(model, Videos(), progress=False)
    assert [module.training for module in model.modules()] == [True, True, False, True, True, True]


@pytest.mark.parametrize(
    ("data", "extra", "error", "message"),
    [
        ([], {}, ValueError, "data must hold at least one video"),
        (iter([(torch.zeros(3), torch.zeros(3))]), {}, ValueError, r"views must be \(B, V, \.\.\.\)"),
        (iter([([torch.zeros(2, 3, 6), torch.zeros(2, 4, 6)], 0)]), {}, ValueError, "the same B and V in all parts"),
        (iter([("video", 0)]), {}, TypeError, "views must be a tensor, or a tuple, list or dict of them; got str"),
        (Videos(), {"forward": lambda m, v: m(v)[0]}, ValueError, r"logits must be \(M, K\); got \(3,\)"),
    ],
)
def test_wrong_arguments_of_evaluate_are_named(data, extra, error, message):
    with pytest.raises(error, match=message):
        evaluate(network(), data, progress=False, **extra)


# --- one batch --------------------------------------------------------------------------------------------------------


def one_batch(count=8):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 6, generator=generator), torch.arange(count) % 3


def test_a_sound_model_learns_one_batch_by_heart_and_stays_as_it_was():
    model = network()
    found = overfit_one_batch(model, cross_entropy, one_batch(), steps=400)
    assert found.last <= 0.1 * found.first
    assert 0 < found.steps <= 400
    assert found.shown == {"accuracy": 1.0}
    assert same(model, network())
    assert model.training


def test_a_model_that_cannot_learn_says_why():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(6, 4), nn.Linear(4, 3)

        def forward(self, points):
            return self.head(self.body(points).detach() * 0)

    with pytest.raises(
        RuntimeError, match=r"learned by heart: .* no gradient ever reached body.weight, body.bias, head."
    ):
        overfit_one_batch(Cut(), cross_entropy, one_batch(), steps=20)
    points = torch.ones(8, 6)  # the same sample with different labels
    with pytest.raises(RuntimeError, match=r"it went from 1\.\d+ to 1\.\d+ in 30.*: check that the labels"):
        overfit_one_batch(network(), cross_entropy, (points, torch.arange(8) % 3), steps=30)
    with pytest.raises(RuntimeError, match="to nan in 0"):
        overfit_one_batch(network(), lambda model, points: model(points).mean(), points * math.nan)
    with pytest.raises(RuntimeError, match="must have parameters to learn"):
        overfit_one_batch(network().requires_grad_(False), cross_entropy, one_batch())


def test_steps_compare_without_their_time():
    assert Step(0, 1.0, 0.1, 5.0) == Step(0, 1.0, 0.1, 7.0) != Step(0, 1.5, 0.1, 5.0)
