import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from overfit import overfit_one_batch
from torch import nn
from torch.utils.data import TensorDataset

from labkit.backbones.codes import FrameCoder
from labkit.papers.frame_rnn import (
    CLIP_NORM,
    CODE_STD,
    RECIPES,
    Average,
    CodeConvolution,
    Direction,
    DualStream,
    FineTuned,
    LSTMRecurrence,
    Models,
    ReLURecurrence,
    augment,
    average_probabilities,
    flow_image,
    frame_rnn_models,
    loss,
    sample_frames,
)
from labkit.training import Recipe, evaluate, fit

NAMES = Models._fields
RECURRENT = ("rnn", "lstm", "birnn", "birnn_lstm", "rnn2")


def tiny_models(input_size, num_classes, seed=0):
    return frame_rnn_models(num_classes, input_size, size="tiny", seed=seed)


def random_codes(*sizes, seed=0):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed)).relu()


def shaken(module, seed=0):
    """The module with all parameters random and of a size that matters: no identity, no zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return module


def array(tensor):
    return tensor.detach().double().numpy()


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def relu_loop(layer, inputs):
    """Eq. of h_t, one clip: inputs (T, D) -> states (T, H)."""
    w_ih, b_h, w_hh = array(layer.w_ih.weight), array(layer.w_ih.bias), array(layer.w_hh.weight)
    state, states = np.zeros(len(w_hh)), []
    for step in inputs:
        state = np.maximum(w_ih @ step + w_hh @ state + b_h, 0)
        states.append(state)
    return np.array(states)


def lstm_loop(layer, inputs):
    """The gates written out, one clip: inputs (T, D) -> states (T, H)."""
    w_ih, w_hh, b_ih, b_hh = (array(part) for part in layer.lstm.all_weights[0])
    width = w_hh.shape[1]
    state, cell, states = np.zeros(width), np.zeros(width), []
    for step in inputs:
        gates = w_ih @ step + b_ih + w_hh @ state + b_hh
        enters, keeps, shows = (1 / (1 + np.exp(-gates[k * width : (k + 1) * width])) for k in (0, 1, 3))
        cell = keeps * cell + enters * np.tanh(gates[2 * width : 3 * width])
        state = shows * np.tanh(cell)
        states.append(state)
    return np.array(states)


def outputs_by_hand(direction, inputs):
    """y_t of one direction: (T, D) -> (T, outputs)."""
    states = inputs[::-1] if direction.backward_in_time else inputs
    for layer in direction.layers:
        states = (relu_loop if isinstance(layer, ReLURecurrence) else lstm_loop)(layer, states)
    if direction.backward_in_time:
        states = states[::-1]
    return states @ array(direction.w_ho.weight).T + array(direction.w_ho.bias)


# Sampling


def clip(num_frames, fps, times=None):
    return SimpleNamespace(num_frames=num_frames, fps=fps, times=times)


def test_ten_frames_over_the_first_two_seconds():
    assert sample_frames(clip(100, 25.0)).tolist() == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45]
    assert sample_frames(clip(50, 25.0)).tolist() == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45]
    assert sample_frames(clip(300, 29.97)).tolist() == [0, 5, 11, 17, 23, 29, 35, 41, 47, 53]  # every 5.994


def test_a_clip_of_variable_rate_is_sampled_by_the_clock():
    times = tuple([t / 30 for t in range(30)] + [1 + t / 5 for t in range(20)])  # then 5 a second
    assert sample_frames(clip(50, 10.0, times)).tolist() == [0, 6, 12, 18, 24, 30, 31, 32, 33, 34]


def test_a_shorter_clip_is_sampled_over_all_of_it():
    assert sample_frames(clip(49, 25.0)).tolist() == [0, 4, 9, 14, 19, 24, 29, 34, 39, 44]  # every 4.9
    assert sample_frames(clip(16, 25.0)).tolist() == [0, 1, 3, 4, 6, 8, 9, 11, 12, 14]
    assert sample_frames(clip(10, 25.0)).tolist() == list(range(10))
    with pytest.raises(ValueError, match="n must be at most"):
        sample_frames(clip(9, 25.0))


# The prediction rule


def test_probabilities_are_averaged_and_not_scores_and_not_the_last_step_alone():
    steps = torch.tensor([[0.2, 0.8], [0.2, 0.8], [0.999, 0.001]]).log()
    assert steps.mean(dim=0).argmax() == 0  # what averaged scores would say
    assert steps[-1].argmax() == 0  # what the last step would say
    found = average_probabilities(steps)
    torch.testing.assert_close(found.exp(), torch.tensor([1.399 / 3, 1.601 / 3]))
    assert found.argmax() == 1


def test_the_average_of_scores_of_any_size_is_finite_and_sums_to_one():
    scores = torch.tensor([[1e4, 0.0, -1e4], [-1e4, 0.0, 1e4]])
    found = average_probabilities(scores)
    torch.testing.assert_close(found.exp(), torch.tensor([0.5, 0.0, 0.5]))
    assert torch.isfinite(found).all()
    shifted = average_probabilities(scores / 1e3 + torch.tensor([[3.0], [-7.0]]))  # a softmax does not see a constant
    torch.testing.assert_close(shifted, average_probabilities(scores / 1e3))
    torch.testing.assert_close(average_probabilities(torch.randn(4, 5, 6)).exp().sum(-1), torch.ones(4))


# Recurrent layers


def test_the_relu_layer_is_its_equation_and_pytorchs():
    layer = shaken(ReLURecurrence(5, 4))
    codes = random_codes(3, 10, 5)
    found = layer(codes)
    for number in range(3):
        np.testing.assert_allclose(array(found[number]), relu_loop(layer, array(codes[number])), rtol=1e-4, atol=1e-5)
    theirs = nn.RNN(5, 4, nonlinearity="relu", batch_first=True)
    state = {"weight_ih_l0": layer.w_ih.weight, "bias_ih_l0": layer.w_ih.bias, "weight_hh_l0": layer.w_hh.weight}
    theirs.load_state_dict({**state, "bias_hh_l0": torch.zeros(4)})
    torch.testing.assert_close(found, theirs(codes)[0])


def test_the_untrained_relu_layer_adds_up():
    layer = ReLURecurrence(2, 3)
    assert torch.equal(layer.w_hh.weight, torch.eye(3))
    codes = random_codes(1, 4, 2)
    with torch.no_grad():
        layer.w_ih.weight.abs_()
    torch.testing.assert_close(layer(codes), layer.w_ih(codes).cumsum(dim=1))
    rotated = ReLURecurrence(2, 6, init=nn.init.orthogonal_).w_hh.weight
    torch.testing.assert_close(rotated @ rotated.T, torch.eye(6), atol=1e-6, rtol=0)
    assert not torch.equal(rotated, torch.eye(6))


def test_the_lstm_layer_by_hand():
    layer = shaken(LSTMRecurrence(5, 4))
    codes = random_codes(2, 10, 5)
    found = layer(codes)
    for number in range(2):
        np.testing.assert_allclose(array(found[number]), lstm_loop(layer, array(codes[number])), rtol=1e-4, atol=1e-5)


def test_the_gates_are_those_of_pytorchs_layer():
    layer = shaken(LSTMRecurrence(5, 4))
    codes = random_codes(2, 10, 5)
    gates = layer.gates(codes)
    torch.testing.assert_close(gates.state, layer(codes))
    torch.testing.assert_close(gates.state, gates.output * gates.cell.tanh())
    torch.testing.assert_close(gates.cell[:, -1], layer.lstm(codes)[1][1][0])
    for gate in (gates.input, gates.forget, gates.output):
        assert gate.shape == (2, 10, 4)
        assert 0 < gate.min() < gate.max() < 1
    closed = LSTMRecurrence(5, 4)
    with torch.no_grad():
        closed.lstm.bias_ih_l0.copy_(torch.tensor([-99.0] * 4 + [99.0] * 4 + [0.0] * 8))  # input, forget, cell, output
    gates = closed.gates(codes)
    assert not gates.input.any()
    assert gates.forget.eq(1).all()
    assert not gates.cell.any()  # nothing enters


def test_the_untrained_lstm_layer_keeps_its_cells():
    torch.manual_seed(0)
    w_ih, w_hh, b_ih, b_hh = LSTMRecurrence(50, 8).lstm.all_weights[0]
    assert (b_ih + b_hh).tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16
    for gate in w_hh.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-6, rtol=0)
    assert w_ih.std().item() == pytest.approx(CODE_STD, rel=0.1)


# Models


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_models_by_hand(name):
    model = shaken(getattr(tiny_models(6, 5), name))
    codes = random_codes(2, 7, 6)
    steps, found = model.steps(codes), model(codes)
    assert steps.shape == (2, 7, 5)
    for number in range(2):
        outputs = sum(outputs_by_hand(direction, array(codes[number])) for direction in model.directions)
        probabilities = softmax(outputs @ array(model.w_s.weight).T + array(model.w_s.bias))
        np.testing.assert_allclose(array(steps[number].exp()), probabilities, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(array(found[number].exp()), probabilities.mean(axis=0), rtol=1e-3, atol=1e-5)


def test_what_the_models_are_made_of():
    def layers(model):
        return [[type(layer) for layer in direction.layers] for direction in model.directions]

    def order(model):
        return [direction.backward_in_time for direction in model.directions]

    models = tiny_models(6, 5)
    assert (layers(models.rnn), order(models.rnn)) == ([[ReLURecurrence]], [False])
    assert (layers(models.lstm), order(models.lstm)) == ([[LSTMRecurrence]], [False])
    assert (layers(models.birnn), order(models.birnn)) == ([[ReLURecurrence]] * 2, [False, True])
    assert (layers(models.birnn_lstm), order(models.birnn_lstm)) == ([[LSTMRecurrence]] * 2, [False, True])
    assert (layers(models.rnn2), order(models.rnn2)) == ([[ReLURecurrence] * 2], [False])


def test_a_backward_layer_knows_the_future_only():
    backward = shaken(Direction([ReLURecurrence(3, 8)], 8, backward=True))
    codes = random_codes(1, 6, 3).requires_grad_()
    (reach,) = torch.autograd.grad(backward(codes)[0, 2].sum(), codes)
    assert reach[0].any(dim=1).tolist() == [False, False, True, True, True, True]


def test_average_by_hand():
    model = shaken(Average(6, 4, 3)).eval()
    codes = random_codes(2, 10, 6)
    hidden = np.maximum(array(codes).mean(axis=1) @ array(model.first.weight).T + array(model.first.bias), 0)
    expected = softmax(hidden @ array(model.second.weight).T + array(model.second.bias))
    np.testing.assert_allclose(array(model(codes).exp()), expected, rtol=1e-4)
    assert not torch.equal(model.train()(codes), model(codes))  # dropout


def test_average_forgets_the_order_and_no_other_does():
    codes = random_codes(3, 10, 6)
    for name, model in tiny_models(6, 5)._asdict().items():
        model = shaken(model).eval()
        same = torch.allclose(model(codes), model(codes.flip(1)), atol=1e-5)
        assert same == (name == "average"), name


def test_convolution_by_hand():
    model = shaken(CodeConvolution(3, 4, 5, num_frames=7))
    codes = random_codes(1, 7, 3)
    kernels, bias = array(model.convolution.weight), array(model.convolution.bias)  # (4, 3, 3)
    windows = np.stack([array(codes)[0, start : start + 3].T for start in range(5)])  # (5, 3, 3): place, D, time
    found = np.maximum(np.einsum("kdt,pdt->kp", kernels, windows) + bias[:, None], 0)  # (4, 5)
    pooled = np.maximum(found[:, 0:4:2], found[:, 1:4:2])  # (4, 2): the fifth place has no partner
    expected = softmax(pooled.reshape(-1) @ array(model.classifier.weight).T + array(model.classifier.bias))
    np.testing.assert_allclose(array(model(codes)[0].exp()), expected, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_logarithms_of_probabilities(name):
    model = shaken(getattr(tiny_models(6, 5), name))
    scores = model(random_codes(4, 10, 6))
    torch.testing.assert_close(scores.exp().sum(dim=1), torch.ones(4))
    torch.testing.assert_close(scores.softmax(dim=1), scores.exp())


# Built by name


def test_the_same_seed_builds_the_same_models_and_draws_from_no_one_else():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (tiny_models(6, 5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    for name in NAMES:
        weights, same, different = (
            torch.cat([value.flatten() for value in getattr(models, name).state_dict().values()])
            for models in (first, again, other)
        )
        assert torch.equal(weights, same)
        assert not torch.equal(weights, different)


def test_initial_weights_of_layers_that_read_codes_are_small():
    models = tiny_models(500, 5)
    readers = [models.average.first.weight, models.conv1d.convolution.weight]
    for name in RECURRENT:
        for direction in getattr(models, name).directions:
            layer = direction.layers[0]
            readers.append(layer.w_ih.weight if isinstance(layer, ReLURecurrence) else layer.lstm.weight_ih_l0)
    for weight in readers:
        assert weight.std().item() == pytest.approx(CODE_STD, rel=0.03)
    second = models.rnn2.directions[0].layers[1].w_ih.weight  # reads states: uniform within sqrt(6 / (128 + 128))
    assert second.std().item() == pytest.approx(math.sqrt(2 / 256), rel=0.05)


READS, KEEPS, SHOWS, CLASSES = 4096 * 512 + 512, 512 * 512, 512 * 512 + 512, 512 * 101 + 101
GATES = 4 * (4096 * 512 + 512 * 512 + 2 * 512)  # PyTorch's LSTM has two biases
PARAMETERS = {
    "average": READS + CLASSES,
    "rnn": READS + KEEPS + SHOWS + CLASSES,
    "lstm": GATES + SHOWS + CLASSES,
    "birnn": 2 * (READS + KEEPS + SHOWS) + CLASSES,
    "conv1d": 3 * 4096 * 512 + 512 + 4 * 512 * 101 + 101,
    "birnn_lstm": 2 * (GATES + SHOWS) + CLASSES,
    "rnn2": READS + KEEPS + (512 * 512 + 512) + KEEPS + SHOWS + CLASSES,
}


@pytest.fixture(scope="module")
def paper():
    return frame_rnn_models(101)


def test_sizes_of_the_paper(paper):
    counts = {
        name: sum(parameter.numel() for parameter in model.parameters()) for name, model in paper._asdict().items()
    }
    assert counts == PARAMETERS
    assert counts["rnn"] == 2_674_277
    assert counts["lstm"] == 9_755_749


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_paper_sized_models_train_and_test(paper, name):
    model = getattr(paper, name)
    codes, labels = random_codes(3, 10, 4096), torch.tensor([0, 50, 100])
    before = [parameter.clone() for parameter in model.parameters()]
    recipe = Recipe(**{**RECIPES["paper"], "steps": 1, "batch": 3})
    (step,) = fit(model, recipe, TensorDataset(codes, labels), loss, device="cpu", progress=False)
    assert step.loss == pytest.approx(math.log(101), rel=0.25)
    assert all(not torch.equal(parameter, old) for parameter, old in zip(model.parameters(), before, strict=True))
    scores = evaluate(model, iter([(codes[:, None], labels)]), progress=False)
    assert scores.videos.shape == (3, 101)
    with torch.no_grad():
        torch.testing.assert_close(scores.videos, model.eval()(codes).exp())


@pytest.mark.parametrize("name", NAMES)
def test_every_model_memorises_one_batch(name):
    model = getattr(tiny_models(32, 4), name)
    codes = random_codes(4, 10, 32)
    codes = torch.cat([codes, codes.flip(1)]) if name != "average" else random_codes(8, 10, 32)  # backwards: new class
    labels = torch.tensor([0, 1, 2, 3, 1, 2, 3, 0])
    learned = overfit_one_batch(model, loss, (codes, labels))
    assert learned.shown["accuracy"] == 1.0


def test_recipes():
    paper, tiny = Recipe(**RECIPES["paper"], seed=3), Recipe(**RECIPES["tiny"])
    assert paper.clip_norm == tiny.clip_norm == CLIP_NORM
    assert paper.optimizer is tiny.optimizer is torch.optim.Adam
    assert (paper.options, tiny.options) == ({"lr": 1e-4}, {"lr": 1e-3})
    assert round(paper.steps * paper.batch / 7340) == 105  # epochs of UCF101, split 1, without validation clips
    assert round(tiny.steps * tiny.batch / 432) == 74


# What the paper names as next


@pytest.fixture
def coder():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 36, 7), nn.ReLU(), nn.Linear(7, 2)
    )
    return FrameCoder(net, "3", size=(8, 8))


def test_fine_tuning_starts_from_the_codes_and_reaches_the_cnn(coder):
    frames = torch.randint(0, 256, (4, 10, 3, 9, 12), dtype=torch.uint8)
    head = tiny_models(7, 4).rnn
    model = FineTuned(coder, head).eval()
    codes = coder(frames.flatten(0, 1)).unflatten(0, (4, 10))
    torch.testing.assert_close(model(frames), head(codes))
    learned = overfit_one_batch(model, loss, (frames, torch.arange(4)))
    assert learned.shown["accuracy"] == 1.0
    value, _ = loss(model, (frames, torch.arange(4)))
    value.backward()
    assert model.backbone[0].weight.grad.any()
    assert sum(parameter.numel() for parameter in model.parameters()) == sum(
        parameter.numel() for module in (coder.network, head) for parameter in module.parameters()
    )


def test_the_two_streams_are_averaged_as_probabilities():
    frames, flow = (shaken(tiny_models(6, 5).rnn, seed) for seed in (1, 2))
    codes = random_codes(3, 2, 10, 6)
    expected = (frames(codes[:, 0]).exp() + flow(codes[:, 1]).exp()) / 2
    torch.testing.assert_close(DualStream(frames, flow)(codes).exp(), expected)


def test_flow_as_a_picture_by_hand():
    flow = torch.tensor([[0.0, 20.0, -20.0, 3.0, 90.0], [0.0, 0.0, 0.0, -4.0, -90.0]]).unsqueeze(1)  # (2, 1, 5)
    image = flow_image(flow)
    assert image.dtype == torch.uint8
    # red: (dx + 20) * 255 / 40, green the same of dy, blue: speed * 255 / 20
    assert image[0, 0].tolist() == [128, 255, 0, 147, 255]
    assert image[1, 0].tolist() == [128, 128, 128, 102, 0]
    assert image[2, 0].tolist() == [0, 255, 255, 64, 255]
    assert flow_image(torch.zeros(4, 2, 5, 6)).shape == (4, 3, 5, 6)


def random_of(seed):
    return torch.rand(6, generator=torch.Generator().manual_seed(seed))


def augmented(frames, seed, **options):
    return augment(frames, torch.Generator().manual_seed(seed), **options).float()


def test_augmentation_treats_all_frames_of_a_clip_alike():
    slope = torch.arange(60).expand(3, 40, 60) + 100 * torch.eye(3)[0][:, None, None]  # red, brighter to the right
    frames = slope.to(torch.uint8).expand(5, -1, -1, -1)
    for seed in range(8):
        result = augmented(frames, seed)
        _, _, height, width = result.shape
        assert 32 <= height <= 40
        assert 48 <= width <= 60
        assert width / height == pytest.approx(1.5, abs=0.05)
        assert (result - result[:1]).mean(dim=(1, 2, 3)).abs().max() < 0.5  # but for the noise
        assert 4 < (result[1:] - result[:1]).std() < 6.5  # sqrt(2) * 4 levels of noise, some of it cut off at 0
        rises = result[..., -10:].mean() > result[..., :10].mean()
        assert rises == bool(random_of(seed)[3] >= 0.5)
        unflipped = augmented(frames, seed, flip=False)
        assert unflipped[..., -10:].mean() > unflipped[..., :10].mean()


def test_augmentation_crops_everywhere():
    frames = torch.full((1, 3, 20, 20), 100, dtype=torch.uint8)
    frames[..., [0, -1], :] = frames[..., :, [0, -1]] = 250  # a bright border
    corners = set()
    for seed in range(60):
        result = augmented(frames, seed, flip=False)[0].mean(dim=0)  # (h, w)
        if min(result.shape) < 20:
            inner = result[2:-2, 2:-2].mean()
            edges = (result[0], result[-1], result[:, 0], result[:, -1])
            corners.add(tuple(bool(edge.mean() > inner + 50) for edge in edges))  # top, bottom, left, right
    for edge in range(4):
        assert {corner[edge] for corner in corners} == {True, False}


def test_augmentation_is_another_one_each_time_and_the_same_for_a_seed():
    frames = torch.full((2, 3, 40, 40), 128, dtype=torch.uint8)
    assert torch.equal(augmented(frames, 1), augmented(frames, 1))
    assert len({tuple(augmented(frames, seed).shape) for seed in range(12)}) > 3
    coloured = frames.clone()
    coloured[:, 0] = 200
    results = [augmented(coloured, seed) for seed in range(12)]
    hues = {round((result[:, 1] - result[:, 2]).mean().item()) for result in results}
    assert min(hues) < -5 < 5 < max(hues)  # green and blue, equal before, part in both directions


def test_augmentation_changes_contrast_by_up_to_a_fifth():
    half = (
        torch.tensor([98, 158], dtype=torch.uint8).repeat_interleave(20).expand(2, 3, 40, 40)
    )  # grey, 60 levels apart
    ratios = []
    for seed in range(40):
        result = augmented(half, seed, flip=False)
        left, right = (result[..., columns].mean().item() for columns in (slice(0, 8), slice(-8, None)))
        ratios.append((right - left) / 60)
        assert ratios[-1] == pytest.approx(0.8 + 0.4 * random_of(seed)[5].item(), abs=0.04)
    assert min(ratios) < 0.85
    assert max(ratios) > 1.15


# Loss


def test_the_loss_is_that_of_the_averaged_probability():
    model = shaken(tiny_models(6, 5).rnn)
    codes, labels = random_codes(3, 10, 6), torch.tensor([4, 0, 2])
    value, shown = loss(model, (codes, labels))
    probabilities = model.steps(codes).exp().mean(dim=1)  # (3, 5)
    torch.testing.assert_close(value, -probabilities[torch.arange(3), labels].log().mean())
    assert shown["accuracy"] == (probabilities.argmax(1) == labels).double().mean()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tiny_models(6, 5).rnn(random_codes(10, 6)), r"codes must be \(B, T, D\); got \(10, 6\).*unsqueeze"),
        (lambda: tiny_models(6, 5).average(random_codes(10, 6)), r"codes must be \(B, T, D\)"),
        (lambda: CodeConvolution(6, 4, 3)(random_codes(2, 9, 6)), r"codes must be \(B, 10, D\); got \(2, 9, 6\)"),
        (lambda: DualStream(nn.Identity(), nn.Identity())(random_codes(2, 10, 6)), r"\(B, 2, T, D\).*torch.stack"),
        (
            lambda: FineTuned(FrameCoder(nn.Identity(), "0"), nn.Identity())(torch.zeros(2, 3, 4, 4)),
            r"frames must be \(B, T, 3, H, W\); got \(2, 3, 4, 4\).*unsqueeze",
        ),
        (lambda: flow_image(torch.zeros(3, 4, 4)), "flow must be"),
        (lambda: flow_image(torch.zeros(2, 4, 4), bound=0), "bound must be"),
        (lambda: augment(torch.zeros(3, 4, 4).byte(), torch.Generator()), "frames must be"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
