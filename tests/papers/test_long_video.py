import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fakes import random_tensor
from lstms import array, lstm_by_hand, plain_copy, shaken
from torch import nn

from labkit import metrics, world
from labkit.backbones import card, load_weights, source_weights
from labkit.backbones.googlenet import GoogLeNet
from labkit.papers import long_video
from labkit.papers.long_video import (
    POOLING_RECIPE,
    TINY_LSTM_RECIPE,
    TINY_RECIPE,
    AveragePooling,
    ConvPooling,
    DeepLSTM,
    FrameMaps,
    FullyConnectedPooling,
    LatePooling,
    LocalMax,
    LocalPooling,
    MaxOverTime,
    SlowPooling,
    TimeConvolution,
    TimeDomainConvolution,
    VideoNet,
    alexnet_paper,
    alexnet_tiny,
    alexnet_trunk,
    combine,
    expand,
    frame_maps,
    gains,
    googlenet_paper,
    googlenet_tiny,
    googlenet_trunk,
    gradient_sparsity,
    halving,
    last_layers_only,
    loss,
    lstm_loss,
    lstm_recipe,
    random_examples,
    soft_targets,
    time_to_learn,
    timeline,
    towers,
    video_view,
    whole_video,
)
from labkit.training import Recipe, evaluate, fit, overfit_one_batch
from labkit.views import RGB

POOLINGS = (ConvPooling, LatePooling, SlowPooling, LocalPooling, TimeDomainConvolution)
OTHERS = (AveragePooling, FullyConnectedPooling)
MAPS = (3, 2, 2)  # small maps for values by hand


def built(head, maps=MAPS, classes=4, frames=30, **numbers):
    torch.manual_seed(0)
    numbers = ({"layers": 2, "cells": 5} if head is DeepLSTM else {"fc": (6, 5)}) | numbers
    return head(maps, classes, frames, **numbers).eval()


def layer(linear, values, relu=True):
    """A fully connected layer in NumPy."""
    given = values @ array(linear.weight).T + array(linear.bias)
    return np.maximum(given, 0) if relu else given


# Trunks


def test_alexnet_has_the_layers_of_the_text():
    trunk = alexnet_trunk().to("meta")
    sizes = [trunk[place].kernel_size for place in (0, 4, 8)]
    assert sizes == [(11, 11), (9, 9), (5, 5)]
    kinds = [type(part).__name__ for part in trunk]
    assert kinds == ["Conv2d", "ReLU", "MaxPool2d", "LocalResponseNorm"] * 3
    shapes, values = [], torch.empty(2, 3, 220, 220, device="meta")
    for part in trunk:
        values = part(values)
        if isinstance(part, nn.Conv2d | nn.MaxPool2d):
            shapes.append(tuple(values.shape[1:]))
    assert shapes == [(96, 53, 53), (96, 26, 26), (256, 26, 26), (256, 13, 13), (256, 13, 13), (256, 6, 6)]


def test_alexnet_at_paper_size_has_two_layers_of_4096_and_dropout_of_06():
    with torch.device("meta"):
        net = alexnet_paper(classes=487)
    assert [part.out_features for part in net.head.fc if isinstance(part, nn.Linear)] == [4096, 4096]
    assert [part.p for part in net.head.fc if isinstance(part, nn.Dropout)] == [0.6, 0.6]
    convolutions = 96 * (3 * 121 + 1) + 256 * (96 * 81 + 1) + 256 * (256 * 25 + 1)
    connected = 4096 * (256 * 36 + 1) + 4096 * 4097 + 487 * 4097
    assert sum(part.numel() for part in net.parameters()) == convolutions + connected


def test_googlenets_trunk_ends_behind_its_average_pooling():
    torch.manual_seed(0)
    net = GoogLeNet(7, width=0.25, conv1=(5, 1)).eval()
    trunk = googlenet_trunk(net)
    images = random_tensor(2, 3, 32, 32)
    maps = trunk(images)
    assert maps.shape == (2, 256, 1, 1)
    torch.testing.assert_close(net.fc(maps.flatten(1)), net(images))
    with torch.device("meta"):
        paper = googlenet_paper(ConvPooling)
        single = googlenet_paper(frames=1, fc=(), dropout=0.4)
    assert paper.trunk(torch.empty(1, 3, 220, 220, device="meta")).shape == (1, 1024, 1, 1)
    assert [part.in_features for part in paper.head.fc if isinstance(part, nn.Linear)] == [1024, 4096]
    assert single.head.classifier.in_features == 1024


# Pooling


def test_windows_of_ten_frames_with_stride_five():
    values = torch.arange(30.0)[None, :, None]  # (1, 30, 1), rising: the maximum of a window is its last
    assert LocalMax()(values).flatten().tolist() == [9, 14, 19, 24, 29]
    assert LocalMax()(-values).flatten().tolist() == [0, -5, -10, -15, -20]
    assert LocalMax().windows(30) == 5
    assert LocalMax().windows(120) == 23
    assert LocalMax()(torch.zeros(2, 120, 3, 2, 2)).shape == (2, 23, 3, 2, 2)
    assert LocalMax()(values[:, :14]).flatten().tolist() == [9]  # what fills no window is left out
    assert LocalMax()(values[:, :4]).flatten().tolist() == [3]  # fewer frames than a window: one


def test_the_maximum_sends_its_gradient_to_one_frame():
    values = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [3.0, 0.0]]], requires_grad=True)  # (1, 3, 2) with ties
    MaxOverTime()(values).sum().backward()
    assert (values.grad != 0).sum(1).tolist() == [[1, 1]]
    assert values.grad[0, 0, 0] == 0


def test_the_time_convolution_is_256_kernels_of_3x3_across_10_frames():
    with torch.device("meta"):
        head = TimeDomainConvolution((256, 6, 6), 487, 120)
    convolution = head.over_time.convolution
    assert convolution.weight.shape == (256, 256, 10, 3, 3)
    assert convolution.stride == (5, 1, 1)
    assert head.over_time(torch.empty(1, 30, 256, 6, 6, device="meta")).shape == (1, 5, 256, 6, 6)
    assert head.over_time(torch.empty(1, 120, 256, 6, 6, device="meta")).shape == (1, 23, 256, 6, 6)


def test_a_kernel_over_time_by_hand():
    torch.manual_seed(0)
    part = TimeConvolution(2, filters=3)
    maps = random_tensor(1, 20, 2, 3, 3)
    found = part(maps)
    weight, bias = array(part.convolution.weight), array(part.convolution.bias)
    middle = [array(maps)[0, start : start + 10].transpose(1, 0, 2, 3) for start in (0, 5, 10)]  # (2, 10, 3, 3)
    centre = [
        [max((kernel * window).sum() + b, 0) for kernel, b in zip(weight, bias, strict=True)] for window in middle
    ]
    np.testing.assert_allclose(array(found)[0, :, :, 1, 1], centre, rtol=1e-4)  # the middle place sees all of 3 x 3
    corner = (weight[:, :, :, 1:, 1:] * middle[0][None, :, :, :2, :2]).sum((1, 2, 3, 4)) + bias  # beyond it are zeros
    np.testing.assert_allclose(array(found)[0, 0, :, 0, 0], np.maximum(corner, 0), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="at least 10 frames, one window; got 9"):
        part(maps[:, :9])


def by_hand(head, maps):
    """What each head should give for one clip, in NumPy: maps (T, C, h, w)."""
    linear = [part for part in head.fc if isinstance(part, nn.Linear)]
    starts = range(0, len(maps) - 9, 5)
    if isinstance(head, ConvPooling):
        values = maps.max(0).reshape(-1)
    elif isinstance(head, AveragePooling):
        values = maps.mean(0).reshape(-1)
    elif isinstance(head, FullyConnectedPooling):
        values = np.tensordot(array(head.pool.weight), maps, 1).reshape(-1) + array(head.pool.bias)
    elif isinstance(head, LatePooling):
        each = [layer(linear[1], layer(linear[0], frame.reshape(-1))) for frame in maps]
        return layer(head.classifier, np.max(each, 0), relu=False)
    elif isinstance(head, SlowPooling):
        each = [layer(linear[0], maps[start : start + 10].max(0).reshape(-1)) for start in starts]
        return layer(head.classifier, np.max(each, 0), relu=False)
    elif isinstance(head, LocalPooling):
        each = [layer(linear[1], layer(linear[0], maps[start : start + 10].max(0).reshape(-1))) for start in starts]
        return layer(head.classifier, np.concatenate(each), relu=False)
    else:
        values = array(head.over_time(torch.from_numpy(maps).float()[None])).max(1).reshape(-1)
    return layer(head.classifier, layer(linear[1], layer(linear[0], values)), relu=False)


@pytest.mark.parametrize("kind", [*POOLINGS, *OTHERS])
@pytest.mark.parametrize("frames", [30, 120])
def test_every_pooling_is_what_its_text_says(kind, frames):
    head = built(kind, frames=frames)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.2 * random_tensor(*parameter.shape, seed=3))
    maps = random_tensor(2, frames, *MAPS)
    found = head(maps)
    assert found.shape == (2, 4)
    for number in range(2):
        np.testing.assert_allclose(array(found)[number], by_hand(head, array(maps)[number]), rtol=1e-4, atol=1e-5)


def test_the_softmax_of_local_pooling_is_as_large_as_there_are_towers():
    with torch.device("meta"):
        for frames, windows in ((30, 5), (120, 23)):
            local = LocalPooling((256, 6, 6), 487, frames)
            assert local.classifier.in_features == windows * 4096
            assert SlowPooling((256, 6, 6), 487, frames).classifier.in_features == 4096
            assert LatePooling((256, 6, 6), 487, frames).classifier.in_features == 4096
    with pytest.raises(ValueError, match="30 frames, as the softmax was built for; got 35"):
        built(LocalPooling)(torch.zeros(1, 35, *MAPS))


@pytest.mark.parametrize("kind", POOLINGS)
def test_layers_are_shared_over_time(kind):
    """As many fully connected layers for 120 frames as for 30, and each with one matrix."""
    few, many = built(kind, frames=30), built(kind, frames=120)
    assert [tuple(p.shape) for p in few.fc.parameters()] == [tuple(p.shape) for p in many.fc.parameters()]
    assert len([part for part in few.fc if isinstance(part, nn.Linear)]) == (1 if kind is SlowPooling else 2)


@pytest.mark.parametrize("kind", [ConvPooling, LatePooling, SlowPooling, AveragePooling])
def test_order_within_reach_of_a_maximum_does_not_matter(kind):
    head, maps = built(kind), random_tensor(1, 30, *MAPS)
    turned = head(maps.flip(1))  # windows of 10 with stride 5 map onto each other
    torch.testing.assert_close(turned, head(maps))


def test_who_won():
    head = built(ConvPooling)
    maps = torch.zeros(1, 4, *MAPS)
    maps[0, 2, 1, 0, 1] = 5
    won = head.winners(maps)
    assert won.shape == (1, *MAPS)
    assert won[0, 1, 0, 1] == 2
    assert won.sum() == 2  # the first of equal ones elsewhere


def test_wrong_maps_are_named():
    with pytest.raises(ValueError, match=r"maps must be \(B, T, 3, 2, 2\); got \(1, 30, 3, 3, 3\)"):
        built(ConvPooling)(torch.zeros(1, 30, 3, 3, 3))


@pytest.mark.parametrize("kind", [ConvPooling, LatePooling, SlowPooling, TimeDomainConvolution, DeepLSTM])
@pytest.mark.parametrize("pieces", [(30,), (7, 7, 7, 9), (1, 29), (10, 10, 10), (13, 17)])
def test_a_video_may_come_in_pieces(kind, pieces):
    head, maps = built(kind), random_tensor(2, 30, *MAPS)
    net = VideoNet(nn.Identity(), head)
    net.maps = lambda frames: frames  # the maps themselves
    torch.testing.assert_close(net.stream(maps.split(pieces, 1)), head(maps))


@pytest.mark.parametrize("kind", [ConvPooling, SlowPooling, TimeDomainConvolution, DeepLSTM])
def test_what_is_kept_of_a_video_does_not_grow(kind):
    head = built(kind)

    def size(state):
        if isinstance(state, torch.Tensor):
            return state.numel()
        return sum(map(size, state)) if isinstance(state, list | tuple) else 0

    state, sizes = None, []
    for _ in range(30):  # 300 frames
        state = head.advance(random_tensor(1, 10, *MAPS), state)
        sizes.append(size(state))
    assert len(set(sizes)) == 1
    assert torch.isfinite(head.conclude(state)).all()


@pytest.mark.parametrize("kind", [LocalPooling, AveragePooling, FullyConnectedPooling])
def test_heads_without_a_running_maximum_say_so(kind):
    with pytest.raises(TypeError, match=f"{kind.__name__} must see its frames at once"):
        built(kind).advance(torch.zeros(1, 10, *MAPS))


def test_a_video_shorter_than_a_window_is_not_judged():
    head = built(SlowPooling)
    with pytest.raises(ValueError, match="at least 10 frames before it is judged"):
        head.conclude(head.advance(torch.zeros(1, 4, *MAPS)))


def test_updates_through_a_maximum_are_sparse():
    maps, hot = random_tensor(3, 30, *MAPS), torch.eye(4, dtype=torch.bool)[:3]
    assert gradient_sparsity(built(ConvPooling), maps, hot) == pytest.approx(29 / 30)  # one frame in 30 for each value
    assert gradient_sparsity(built(AveragePooling), maps, hot) == 0
    assert gradient_sparsity(built(FullyConnectedPooling), maps, hot) == 0


# The LSTM


def test_five_layers_of_512_cells_and_a_softmax_at_every_frame():
    with torch.device("meta"):
        net = googlenet_paper(DeepLSTM)
        steps = net.head.steps(torch.empty(2, 30, 1024, 1, 1))
    assert steps.shape == (2, 30, 487)
    assert [(part.weight_x.shape[1], part.cells) for part in net.head.layers] == [(1024, 512), *[(512, 512)] * 4]
    one = 2048 * (512 + 1) + 3 * 512
    assert sum(p.numel() for p in net.head.layers.parameters()) == 5 * one + 2048 * (1024 + 4 * 512)
    with torch.device("meta"):
        alexnet = alexnet_paper(DeepLSTM, frames=30, fc=(4096, 4096))
    assert alexnet.head.layers[0].weight_x.shape[1] == 4096


def test_deep_means_that_layers_read_each_other():
    head = built(DeepLSTM)
    for number, part in enumerate(head.layers):
        shaken(part, seed=10 * number)
    maps = random_tensor(1, 6, *MAPS)
    values = array(maps)[0].reshape(6, -1)
    for part in head.layers:
        values = lstm_by_hand(part, values, np.zeros(5), np.zeros(5))[0]
    wanted = layer(head.classifier, values, relu=False)
    np.testing.assert_allclose(array(head.steps(maps))[0], wanted, atol=1e-5)
    probabilities, traces = head.trace(maps)
    torch.testing.assert_close(probabilities, head.steps(maps).softmax(-1))
    assert [tuple(trace.cells.shape) for trace in traces] == [(1, 6, 5)] * 2
    torch.testing.assert_close(head(maps), combine(head.steps(maps)))


def test_torchs_lstm_is_the_fast_option():
    ours, fast = built(DeepLSTM), built(DeepLSTM, peepholes=False)
    fast.classifier = ours.classifier
    fast.layers = nn.ModuleList(plain_copy(part) for part in ours.layers)
    maps = random_tensor(2, 6, *MAPS)
    torch.testing.assert_close(fast(maps), ours(maps))
    with pytest.raises(TypeError, match="peepholes=True"):
        fast.trace(maps)


# Gains and rules


def test_gains():
    assert gains(5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert gains(3, "ones").tolist() == [1, 1, 1]
    assert gains(3, "last").tolist() == [0, 0, 1]
    assert gains(1).tolist() == gains(1, "last").tolist() == [1]
    with pytest.raises(ValueError, match="quadratic"):
        gains(3, "quadratic")


def test_the_four_rules_by_hand():
    steps = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]]).log()
    for rule, wanted in {
        "last": [0.2, 0.8],
        "max": [0.9 / 1.7, 0.8 / 1.7],
        "sum": [1.6 / 3, 1.4 / 3],
        "weighted": [0.65 / 1.5, 0.85 / 1.5],  # gains 0, 1/2, 1
    }.items():
        torch.testing.assert_close(combine(steps + 7, rule).exp(), torch.tensor(wanted))  # a softmax sees no constant
    with pytest.raises(ValueError, match="mean"):
        combine(steps, "mean")


@pytest.mark.parametrize("gain", ["linear", "ones", "last"])
def test_the_gain_scales_the_gradient_of_each_frame(gain):
    steps = random_tensor(2, 5, 4).requires_grad_()
    hot = torch.tensor([[True, False, False, False], [False, True, True, False]])
    value, _ = lstm_loss(SimpleNamespace(steps=lambda _: steps), (None, hot), gain)
    value.backward()
    weights = gains(5, gain)
    wanted = (steps.detach().softmax(-1) - soft_targets(hot)[:, None]) * weights[:, None] / weights.sum() / 2
    torch.testing.assert_close(steps.grad, wanted)


def test_several_labels_share_the_target():
    hot = torch.tensor([[True, False, True], [False, True, False]])
    assert soft_targets(hot).tolist() == [[0.5, 0, 0.5], [0, 1, 0]]
    logits = random_tensor(2, 3)
    value, shown = loss(nn.Identity(), (logits, hot))
    logs = logits.log_softmax(1)
    torch.testing.assert_close(value, -((logs[0, 0] + logs[0, 2]) / 2 + logs[1, 1]) / 2)
    assert shown["Hit@1"] == metrics.hit_at_k(logits, hot, 1)


def test_either_label_is_a_hit():
    hot = torch.tensor([[True, False, True], [False, True, False]])
    scores = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.2, 0.3]])
    assert metrics.hit_at_k(scores, hot, 1) == 0.5
    assert metrics.hit_at_k(scores, hot, 3) == 1


# The whole net


@pytest.mark.parametrize("builder", [alexnet_tiny, googlenet_tiny])
def test_chunks_change_neither_values_nor_gradients(builder):
    torch.manual_seed(0)
    net = builder(4, frames=6, dropout=0.0).train()
    frames, hot = random_tensor(1, 6, 3, 56, 56), torch.tensor([[True, False, False, False]])
    found = []
    for chunk in (None, 4):
        net.chunk = chunk
        net.zero_grad()
        value, _ = loss(net, (frames, hot))
        value.backward()
        found.append((value.detach(), [p.grad.clone() for p in net.parameters()]))
    (whole, gradients), (parted, others) = found
    torch.testing.assert_close(parted, whole)
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(other, one, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(net.eval()(frames), net.stream(frames.split(2, 1)))


def test_the_trunk_sees_each_frame_once():
    net = alexnet_tiny(4, frames=30)
    seen = []
    net.trunk.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    net.eval()(torch.zeros(2, 15, 3, 56, 56))
    assert seen == [30]


def test_statistics_of_batch_normalisation_stay():
    net = googlenet_tiny(4, frames=2).train()
    before = net.trunk.conv1.bn.running_mean.clone()
    net(random_tensor(1, 2, 3, 56, 56))
    assert torch.equal(net.trunk.conv1.bn.running_mean, before)
    assert net.head.fc.drop6.training


def test_images_are_clips_of_one_frame():
    net, images = alexnet_tiny(4).eval(), random_tensor(2, 3, 56, 56)
    torch.testing.assert_close(net(images), net(images[:, None]))
    with pytest.raises(ValueError, match="frames must be"):
        net(images[0])


@pytest.mark.parametrize("name", ["conv", "late", "average", "local"])
@pytest.mark.parametrize("builder", [alexnet_tiny, googlenet_tiny])
def test_expansion_agrees_with_the_small_net_where_nothing_changes(name, builder):
    kind = {"conv": ConvPooling, "late": LatePooling, "average": AveragePooling, "local": LocalPooling}[name]
    torch.manual_seed(0)
    single = builder(4).eval()
    nn.init.normal_(single.head.classifier.weight)
    image = random_tensor(2, 3, 56, 56)
    small = single
    for frames in (30, 120):
        large = builder(4, kind, frames=frames).eval()
        assert expand(large, small) == []
        maps = single.maps(image[:, None]).expand(-1, frames, -1, -1, -1)  # a clip that stands still
        torch.testing.assert_close(large.head(maps), single(image), atol=1e-4, rtol=1e-4)
        for there, here in zip(large.trunk.parameters(), single.trunk.parameters(), strict=True):
            assert torch.equal(there, here)
        small = large


def test_what_other_heads_take_over():
    torch.manual_seed(0)
    single = alexnet_tiny(4)
    slow, over_time = alexnet_tiny(4, SlowPooling, frames=30), alexnet_tiny(4, TimeDomainConvolution, frames=30)
    softmax = ["head.classifier.weight", "head.classifier.bias"]
    assert expand(slow, single) == softmax  # it reads the first layer, not the second
    assert torch.equal(slow.head.fc.fc6.weight, single.head.fc.fc6.weight)
    fresh = expand(over_time, single)
    convolution = [f"head.over_time.convolution.{part}" for part in ("weight", "bias")]
    assert sorted(fresh) == sorted(["head.fc.fc6.weight", *convolution])  # 256 kernels, 128 channels
    assert torch.equal(over_time.head.fc.fc7.weight, single.head.fc.fc7.weight)
    lstm = alexnet_tiny(4, DeepLSTM, fc=(256, 256))
    assert all(name.startswith(("head.layers", "head.classifier")) for name in expand(lstm, single))
    assert torch.equal(lstm.head.fc.fc7.weight, single.head.fc.fc7.weight)
    plain, pooled = googlenet_tiny(4, fc=()), googlenet_tiny(4, frames=30)
    assert expand(pooled, plain)[-2:] == softmax  # as large, but above other layers
    connected = alexnet_tiny(4, FullyConnectedPooling, frames=30)
    assert expand(connected, single) == ["head.pool.weight", "head.pool.bias"]
    assert connected.head.pool.weight.tolist() == pytest.approx([1 / 30] * 30)


def test_what_is_skipped_begins_anew():
    torch.manual_seed(0)
    single, other = alexnet_tiny(4), alexnet_tiny(4)
    before = other.head.classifier.weight.clone()
    assert expand(other, single, skip=("head.classifier",)) == ["head.classifier.weight", "head.classifier.bias"]
    assert torch.equal(other.head.classifier.weight, before)
    assert torch.equal(other.head.fc.fc6.weight, single.head.fc.fc6.weight)


def test_local_pooling_grows_by_share_of_the_clip():
    torch.manual_seed(0)
    few, many = alexnet_tiny(4, LocalPooling, frames=15), alexnet_tiny(4, LocalPooling, frames=25)
    assert expand(many, few) == []
    two = few.head.classifier.weight.unflatten(1, (2, -1))
    four = many.head.classifier.weight.unflatten(1, (4, -1))
    torch.testing.assert_close(four, two[:, [0, 0, 1, 1]] / 2)


def test_fc_only():
    net = last_layers_only(googlenet_tiny(4, DeepLSTM))
    learned = {name.split(".")[1] for name, p in net.named_parameters() if p.requires_grad}
    assert learned == {"layers", "classifier"}
    learned = [
        name for name, p in last_layers_only(alexnet_tiny(4, DeepLSTM, fc=(8,))).named_parameters() if p.requires_grad
    ]
    assert all(name.startswith(("head.layers", "head.classifier")) for name in learned)
    pooled = last_layers_only(alexnet_tiny(4))
    assert pooled.head.fc.fc6.weight.requires_grad
    assert not pooled.trunk.conv1.weight.requires_grad


# Drawings


def test_drawings_come_from_the_modules():
    def drawn(kind, frames, **numbers):
        return [(row.kind, row.boxes) for row in towers(built(kind, frames=frames, **numbers), frames)]

    full, wide, end = "fully connected", "max-pooling", ("softmax", 1)
    assert drawn(ConvPooling, 30) == [("C", 30), (wide, 1), (full, 1), (full, 1), end]
    assert drawn(LatePooling, 30) == [("C", 30), (full, 30), (full, 30), (wide, 1), end]
    assert drawn(SlowPooling, 30) == [("C", 30), (wide, 5), (full, 5), (wide, 1), end]
    assert drawn(LocalPooling, 120) == [("C", 120), (wide, 23), (full, 23), (full, 23), end]
    over_time = [("C", 30), ("time-domain convolution", 5), (wide, 1), (full, 1), (full, 1), end]
    assert drawn(TimeDomainConvolution, 30) == over_time
    assert drawn(DeepLSTM, 30, layers=5) == [("C", 30), *[("LSTM", 30)] * 5, ("softmax", 30)]
    head = built(ConvPooling).train()
    assert towers(head, 30)[0].shape == MAPS
    assert head.training
    assert not any(module._forward_hooks for module in head.modules())


# What a net sees


class CountingClip:
    """A clip whose frames carry their number, and whose flow is (number, -number) / 10."""

    name, label, labels, group = "a", 1, (1, 3), 0

    def __init__(self, num_frames, fps=2.0, size=(12, 16), times=None):
        self.num_frames, self.fps, self.times, self.size, self.read = num_frames, fps, times, size, []

    def frames(self, indices):
        self.read.append(list(map(int, indices)))
        return torch.as_tensor(indices).to(torch.uint8)[:, None, None, None].expand(-1, 3, *self.size)

    def flow(self, indices, *, backward=False):
        values = torch.as_tensor(indices).float() / 10
        return torch.stack([values, -values], 1)[..., None, None].expand(-1, -1, *self.size)


def small_view(num_frames=4, **settings):
    return video_view(5, num_frames, **({"short_side": None, "crop_size": 8, "min_frames": 1} | settings))


def numbers(frames):
    """Which frames of a counting clip they are."""
    return RGB().to_image(frames)[..., 0, 0, 0].tolist()


def test_the_paper_sees_one_frame_a_second_over_the_first_five_minutes():
    paper = video_view(487)
    frames = timeline(paper, CountingClip(20_000, fps=30.0))
    assert frames.tolist() == list(range(0, 9000, 30))
    assert len(timeline(paper, CountingClip(250, fps=25.0))) == 300  # it starts over
    assert (paper.crop_size, paper.short_side, paper.keep_aspect, paper.sample.length) == (220, 256, False, 120)
    assert timeline(small_view(rate=None, flow=True), CountingClip(6)).tolist() == list(range(5))  # the last has none


def test_examples_are_random_stretches_with_all_labels():
    view, clip = small_view(), CountingClip(20)  # ten seconds of two frames each
    generator, firsts = torch.Generator().manual_seed(0), set()
    for _ in range(100):
        frames, hot = view.train(clip, generator)
        first = numbers(frames)[0]
        firsts.add(first)
        assert numbers(frames) == list(range(first, first + 8, 2))
    assert firsts == {0, 2, 4, 6, 8, 10, 12}
    assert hot.tolist() == [False, True, False, True, False]


def test_one_crop_and_one_flip_for_all_frames():
    image = torch.arange(12 * 16).reshape(12, 16).to(torch.uint8).expand(3, -1, -1)
    clip = CountingClip(9)
    clip.frames = lambda indices: image.expand(len(indices), -1, -1, -1)
    generator, directions = torch.Generator().manual_seed(0), set()
    for _ in range(50):
        frames, _ = small_view().train(clip, generator)
        assert frames.shape == (4, 3, 8, 8)
        assert all(torch.equal(frame, frames[0]) for frame in frames)
        directions.add((frames[0, 0, 0, 0] < frames[0, 0, 0, -1]).item())
    assert directions == {True, False}


def test_flow_images_at_the_input():
    view, clip, signs = small_view(3, flow=True, bound=1.0, rate=None), CountingClip(4), set()
    for seed in range(20):
        frames, _ = view.train(clip, torch.Generator().manual_seed(seed))
        levels = (torch.tensor([[128.0, 140, 153], [128, 115, 102]]) - 127.5) / 57  # 0, 0.1, 0.2 pixels of 1, and less
        sign = int(frames[1, 0, 0, 0] < 0)
        torch.testing.assert_close(frames[:, 0, 0, 0], levels[sign])  # flipped, things move the other way
        torch.testing.assert_close(frames[:, 1, 0, 0], levels[1])  # upwards in any case
        assert not frames[:, 2].any()
        signs.add(sign)
    assert signs == {0, 1}


def test_a_frame_that_comes_twice_is_read_once():
    clip = CountingClip(3)
    frames, _ = small_view(8, rate=None).train(clip)
    assert numbers(frames) == [0, 1, 2, 0, 1, 2, 0, 1]
    assert clip.read == [[0, 1, 2]]


def test_many_random_examples_the_same_each_time():
    view, clip = small_view(rate=None), CountingClip(30)
    views, hot = random_examples(view, clip, 9)
    assert views.shape == (9, 4, 3, 8, 8)
    assert hot.tolist() == [False, True, False, True, False]
    assert torch.equal(views, random_examples(view, clip, 9)[0])
    assert len({first.item() for first in views[:, 0, 0, 0, 0]}) > 3


def test_a_single_pass_sees_every_frame_once():
    views, hot = whole_video(small_view(rate=None), CountingClip(30))
    assert views.shape == (1, 30, 3, 8, 8)
    assert numbers(views) == [list(range(30))]
    assert hot.tolist() == [False, True, False, True, False]


# Maps, computed once


@pytest.fixture(scope="module")
def clips():
    return world.LongClips(
        seed=1000, groups=3, clips=1, part="test", frames=20, segment=8, size=32, classes=["wave", "clap", "jump"]
    )


def test_maps_are_those_of_the_net(clips):
    view = video_view(3, 4, rate=3.0, min_frames=1, short_side=None, crop_size=28, flip=False)
    trunk = nn.Conv2d(3, 2, 28)
    found = frame_maps(trunk, clips, view, windows=2, progress=False)
    assert found.maps.shape == (len(clips), 2, 5, 2, 1, 1)  # 20 frames of 12 a second, 3 of these
    assert torch.equal(found.hot, clips.multi_hot)
    with torch.no_grad():
        wanted = trunk(whole_video(view, clips[1])[0][0])
    torch.testing.assert_close(found.maps[1, 0].float(), wanted, atol=2e-3, rtol=2e-3)
    assert not torch.equal(found.maps[1, 1], found.maps[1, 0])
    again = frame_maps(trunk, clips, view, windows=2, progress=False)
    assert torch.equal(again.maps, found.maps)


def test_shorter_videos_start_over_until_all_are_as_long():
    clips = [CountingClip(5), CountingClip(3)]
    several = type("Several", (), {"__iter__": lambda self: iter(clips), "multi_hot": torch.eye(2, dtype=torch.bool)})()
    maps = frame_maps(nn.Identity(), several, small_view(1, rate=None), progress=False).maps
    assert numbers(maps[:, 0].float()) == [[0, 1, 2, 3, 4], [0, 1, 2, 0, 1]]


def numbered(frames, **settings):
    """Maps that carry the number of video, window and frame: 100 v + 500 w + l."""
    video, window, time = torch.meshgrid(torch.arange(2), torch.arange(3), torch.arange(10), indexing="ij")
    maps = (100 * video + 500 * window + time).half()[..., None, None, None]
    return FrameMaps(maps, torch.eye(2, dtype=torch.bool), frames, **settings)


def test_examples_out_of_maps():
    generator, starts, windows = torch.Generator().manual_seed(0), set(), set()
    for _ in range(200):
        numbers = numbered(4).example(1, generator).flatten().int()
        windows.add(int(numbers[0]) // 500)
        starts.add(int(numbers[0]) % 100)
        assert numbers.diff().tolist() == [1, 1, 1]
        assert (numbers % 500 // 100 == 1).all()
    assert windows == {0, 1, 2}
    assert starts == set(range(7))
    slow = numbered(4, every=3)  # frames 0, 3, 6, 9
    assert slow.example(0)[:, 0, 0, 0].int().remainder(100).tolist() == [0, 3, 6, 9]
    assert numbered(6, every=3).timeline().tolist() == [0, 3, 6, 9, 0, 3]
    assert len(numbered(4, least=25).timeline()) == 25


def test_views_for_evaluation():
    found = [views for views, _ in numbered(4).views(3)]
    assert [views.shape for views in found] == [(1, 3, 4, 1, 1, 1)] * 2
    assert found[1][0, :, 0].flatten().tolist() == [100, 103, 106]  # equally spaced, first window
    drawn = [views for views, _ in numbered(4).views(5, seed=1)]
    assert torch.equal(drawn[0], next(iter(numbered(4).views(5, seed=1)))[0])
    assert len(drawn[0][0, :, 0].unique()) > 1


def test_a_head_learns_on_maps_and_is_scored_at_both_levels():
    torch.manual_seed(0)
    maps = torch.randn(6, 1, 12, 3, 2, 2)
    hot = torch.eye(3, dtype=torch.bool).repeat(2, 1)
    maps[torch.arange(6), 0, 5, hot.int().argmax(1)] += 6  # one frame tells
    data = FrameMaps(maps.half(), hot, frames=8)
    head = ConvPooling((3, 2, 2), 3, 8, fc=(16,), dropout=0.0)
    recipe = Recipe(**{**TINY_RECIPE, "steps": 60, "batch": 6})
    fit(head, recipe, data, loss, device="cpu", progress=False)
    scores = evaluate(head, data.views(5), progress=False)
    assert scores.clips.shape == (30, 3)
    assert metrics.hit_at_k(scores.videos, scores.labels, 1) == 1
    assert metrics.hit_at_k(scores.clips, scores.clip_labels, 1) == 1


@pytest.mark.parametrize("kind", [*POOLINGS, *OTHERS])
def test_every_head_can_learn_a_batch_by_heart(kind):
    head = built(kind, frames=15, fc=(32, 32))
    overfit_one_batch(head, loss, (random_tensor(4, 15, *MAPS), torch.eye(4, dtype=torch.bool)))


def test_the_lstm_can_learn_a_batch_by_heart():
    head = built(DeepLSTM, cells=32)
    batch = random_tensor(4, 8, *MAPS), torch.eye(4, dtype=torch.bool)
    for gain in ("linear", "last"):
        optimizer = functools.partial(torch.optim.Adam, lr=1e-2)
        overfit_one_batch(head, functools.partial(lstm_loss, gain=gain), batch, optimizer=optimizer)


# Recipes and small things


def test_recipes_are_those_of_the_text():
    assert POOLING_RECIPE["options"] == {"lr": 1e-5, "momentum": 0.9, "weight_decay": 5e-4}
    assert lstm_recipe(30)["options"]["lr"] == pytest.approx(3e-4)
    assert lstm_recipe(30)["options"]["momentum"] == 0.9
    for recipe in (POOLING_RECIPE, lstm_recipe(120), TINY_RECIPE, TINY_LSTM_RECIPE):
        assert Recipe(**recipe).factor(0) == 1
    assert halving(100, every=50) == 0.25
    assert Recipe(**TINY_RECIPE).factor(100) == 0.5


def test_time_to_learn():
    curve = [(0, 0.1), (10, 0.5), (20, 0.4), (30, 0.9)]
    assert time_to_learn(curve, 0.45, steps=40) == 25
    assert time_to_learn(curve, 0.8, steps=40) == 75
    assert time_to_learn(curve, 0.95, steps=40) == 100


def test_the_world_can_be_begun_with_what_the_source_task_taught():
    facts = card(source_weights("alexnet"))
    net = alexnet_tiny(len(facts["classes"]))
    load_weights(net, source_weights("alexnet"))
    other = alexnet_tiny(5, LatePooling, frames=8)
    fresh = expand(other, net)
    assert fresh == ["head.classifier.weight", "head.classifier.bias"]
    assert long_video.VERSION >= 1
