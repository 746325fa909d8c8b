import functools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fakes import random_tensor
from lstms import array, lstm_by_hand, plain_copy, shaken
from overfit import overfit_one_batch
from torch import nn

from labkit import metrics
from labkit.losses import soft_targets
from labkit.papers import long_video
from labkit.papers.long_video import (
    AveragePooling,
    ConvPooling,
    DeepLSTM,
    FullyConnectedPooling,
    LatePooling,
    LocalPooling,
    SlowPooling,
    TimeDomainConvolution,
    alexnet,
    combine,
    expand,
    gains,
    googlenet,
    last_layers_only,
    loss,
    lstm_loss,
    lstm_recipe,
    max_within_spans,
    video_view,
)
from labkit.studies.feature_maps import timeline
from labkit.training import Recipe
from labkit.views import RGB, FlowImage

POOLINGS = (ConvPooling, LatePooling, SlowPooling, LocalPooling, TimeDomainConvolution)
OTHERS = (AveragePooling, FullyConnectedPooling)
SHAPE = (3, 2, 2)  # small feature maps for values by hand
SOFTMAX = ["head.classifier.weight", "head.classifier.bias"]
tiny_alexnet, tiny_googlenet = functools.partial(alexnet, size="tiny"), functools.partial(googlenet, size="tiny")


def built(head, frames=30, **kwargs):
    torch.manual_seed(0)
    small = {"num_layers": 2, "hidden_size": 5} if head is DeepLSTM else {"hidden": (6, 5), "dropout": 0.5}
    return head(SHAPE, 4, frames, **(small | kwargs)).eval()


def layer(linear, values, relu=True):
    """A fully connected layer in NumPy."""
    given = values @ array(linear.weight).T + array(linear.bias)
    return np.maximum(given, 0) if relu else given


# Pooling


def test_spans_of_ten_frames_with_stride_five():
    values = torch.arange(30.0)[None, :, None]  # (1, 30, 1), rising: the maximum of a span is its last
    assert max_within_spans(values).flatten().tolist() == [9, 14, 19, 24, 29]
    assert max_within_spans(-values).flatten().tolist() == [0, -5, -10, -15, -20]
    assert max_within_spans(torch.zeros(2, 120, 3, 2, 2)).shape == (2, 23, 3, 2, 2)
    assert max_within_spans(values[:, :14]).flatten().tolist() == [9]  # what fills no span is left out
    assert max_within_spans(values[:, :4]).flatten().tolist() == [3]  # fewer frames than a span: one


@pytest.mark.parametrize("kind", [ConvPooling, LatePooling])
def test_the_maximum_sends_its_gradient_to_one_frame(kind):
    maps = torch.ones(1, 30, *SHAPE, requires_grad=True)  # ties everywhere
    built(kind, hidden=()).forward(maps).sum().backward()
    assert (maps.grad != 0).sum(1).eq(1).all()


def test_the_time_convolution_is_256_kernels_of_3x3_across_10_frames():
    with torch.device("meta"):
        head = alexnet(487, TimeDomainConvolution, frames=120).head
    assert head.convolution.weight.shape == (256, 256, 10, 3, 3)
    assert head.convolution.stride == (5, 1, 1)
    assert head.convolution(torch.empty(1, 256, 120, 6, 6, device="meta")).shape == (1, 256, 23, 6, 6)


def time_convolution(head, maps):
    """Time-domain convolution and its maximum in NumPy: feature maps (T, C, h, w) to (filters, h, w)."""
    weight, bias = array(head.convolution.weight), array(head.convolution.bias)
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
    spans = [padded[start : start + 10].transpose(1, 0, 2, 3) for start in range(0, len(maps) - 9, 5)]  # (C, 10, ...)
    at = [
        [[(weight * span[:, :, y : y + 3, x : x + 3]).sum((1, 2, 3, 4)) for x in (0, 1)] for y in (0, 1)]
        for span in spans
    ]
    return np.maximum(np.array(at) + bias, 0).max(0).transpose(2, 0, 1)


def by_hand(head, maps):
    """What each head should give for one clip, in NumPy: feature maps (T, C, h, w)."""
    linear = [part for part in head.fc if isinstance(part, nn.Linear)]
    spans = [maps[start : start + 10].max(0).reshape(-1) for start in range(0, len(maps) - 9, 5)]
    if isinstance(head, LatePooling):
        each = [layer(linear[1], layer(linear[0], frame.reshape(-1))) for frame in maps]
        return layer(head.classifier, np.max(each, 0), relu=False)
    if isinstance(head, SlowPooling):
        return layer(head.classifier, np.max([layer(linear[0], span) for span in spans], 0), relu=False)
    if isinstance(head, LocalPooling):
        each = [layer(linear[1], layer(linear[0], span)) for span in spans]
        return layer(head.classifier, np.concatenate(each), relu=False)
    if isinstance(head, ConvPooling):
        values = maps.max(0)
    elif isinstance(head, AveragePooling):
        values = maps.mean(0)
    elif isinstance(head, FullyConnectedPooling):
        values = np.tensordot(array(head.weight), maps, 1) + array(head.bias)
    else:
        values = time_convolution(head, maps)
    return layer(head.classifier, layer(linear[1], layer(linear[0], values.reshape(-1))), relu=False)


@pytest.mark.parametrize("kind", [*POOLINGS, *OTHERS])
@pytest.mark.parametrize("frames", [30, 120])
def test_every_pooling_is_what_its_text_says(kind, frames):
    head = built(kind, frames)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.2 * random_tensor(*parameter.shape, seed=3))
    maps = random_tensor(2, frames, *SHAPE)
    logits = head(maps)
    assert logits.shape == (2, 4)
    for number in range(2):
        np.testing.assert_allclose(array(logits)[number], by_hand(head, array(maps)[number]), rtol=1e-4, atol=1e-5)


def test_the_softmax_of_local_pooling_is_as_large_as_there_are_towers():
    with torch.device("meta"):
        for frames, spans in ((30, 5), (120, 23)):
            assert alexnet(487, LocalPooling, frames=frames).head.classifier.in_features == spans * 4096
            assert alexnet(487, SlowPooling, frames=frames).head.classifier.in_features == 4096
    with pytest.raises(ValueError, match="as many frames as the softmax was built for"):
        built(LocalPooling)(torch.zeros(1, 35, *SHAPE))


# The LSTM


def test_five_layers_of_512_cells_and_a_softmax_at_every_frame():
    with torch.device("meta"):
        head = googlenet(487, DeepLSTM, frames=30).head
        assert head.steps(torch.empty(2, 30, 1024, 1, 1)).shape == (2, 30, 487)
        assert alexnet(487, DeepLSTM, frames=30).head.layers[0].weight_x.shape == (2048, 4096)
    assert [part.weight_x.shape[1] for part in head.layers] == [1024, 512, 512, 512, 512]
    assert not list(head.fc.parameters())


def test_deep_means_that_layers_read_each_other():
    head = built(DeepLSTM)
    for number, part in enumerate(head.layers):
        shaken(part, seed=10 * number)
    maps = random_tensor(1, 6, *SHAPE)
    values = array(maps)[0].reshape(6, -1)
    for part in head.layers:
        values = lstm_by_hand(part, values, np.zeros(5), np.zeros(5))[0]
    np.testing.assert_allclose(array(head.steps(maps))[0], layer(head.classifier, values, relu=False), atol=1e-5)
    torch.testing.assert_close(head(maps), combine(head.steps(maps)))


def test_without_peepholes_it_is_torchs_lstm():
    ours, theirs = built(DeepLSTM), built(DeepLSTM)
    theirs.classifier = ours.classifier
    theirs.layers = nn.ModuleList(plain_copy(part) for part in ours.layers)
    maps = random_tensor(2, 6, *SHAPE)
    torch.testing.assert_close(theirs(maps), ours(maps))


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


# The whole network


def test_networks_of_the_paper_s_size():
    with torch.device("meta"):
        network, pooled, single = alexnet(487, frames=120), googlenet(487, frames=30), googlenet(487)
        assert network.maps(torch.empty(1, 12, 3, 220, 220)).shape == (1, 12, 256, 6, 6)
        assert pooled.maps(torch.empty(1, 12, 3, 220, 220)).shape == (1, 12, 1024, 1, 1)
    assert [part.out_features for part in network.head.fc if isinstance(part, nn.Linear)] == [4096, 4096]
    assert [part.p for part in network.head.fc if isinstance(part, nn.Dropout)] == [0.6, 0.6]
    connected = 4096 * (256 * 36 + 1) + 4096 * 4097 + 487 * 4097
    assert sum(part.numel() for part in network.head.parameters()) == connected
    assert [part.in_features for part in pooled.head.fc if isinstance(part, nn.Linear)] == [1024, 4096]
    assert single.head.classifier.in_features == 1024


def test_the_single_frame_googlenet_has_its_dropout_and_an_lstm_on_it_has_none():
    """Without fully connected layers there was none."""
    single = tiny_googlenet(4).train()
    assert [part.p for part in single.head.fc] == [0.4]
    maps = torch.ones(1, 1, 256, 1, 1)
    assert not torch.equal(single.head(maps), single.head(maps))
    assert not [part for part in tiny_googlenet(4, DeepLSTM).modules() if isinstance(part, nn.Dropout)]


@pytest.mark.parametrize("builder", [tiny_alexnet, tiny_googlenet])
def test_chunks_change_neither_values_nor_gradients(builder):
    torch.manual_seed(0)
    network = builder(4, frames=6, dropout=0.0).train()
    frames, hot = random_tensor(1, 6, 3, 56, 56), torch.tensor([[True, False, False, False]])
    measured = []
    for chunk_size in (None, 4):
        network.chunk_size = chunk_size
        network.zero_grad()
        value, _ = loss(network, (frames, hot))
        value.backward()
        measured.append((value.detach(), [p.grad.clone() for p in network.parameters()]))
    (whole, gradients), (parted, others) = measured
    torch.testing.assert_close(parted, whole)
    for ours, theirs in zip(gradients, others, strict=True):
        torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-4)


def test_the_backbone_sees_each_frame_once():
    network, batches = tiny_alexnet(4, frames=30), []
    network.backbone.register_forward_hook(lambda module, inputs, output: batches.append(len(inputs[0])))
    network.eval()(torch.zeros(2, 15, 3, 56, 56))
    assert batches == [30]


def test_statistics_of_batch_normalisation_stay():
    network = tiny_googlenet(4, frames=2).train()
    before = network.backbone.conv1.bn.running_mean.clone()
    network(random_tensor(1, 2, 3, 56, 56))
    assert torch.equal(network.backbone.conv1.bn.running_mean, before)
    assert network.head.fc.drop6.training


def test_images_are_clips_of_one_frame():
    network, images = tiny_alexnet(4).eval(), random_tensor(2, 3, 56, 56)
    torch.testing.assert_close(network(images), network(images[:, None]))
    with pytest.raises(ValueError, match="frames must be"):
        network(images[0])


@pytest.mark.parametrize("kind", [ConvPooling, LatePooling, AveragePooling, LocalPooling])
@pytest.mark.parametrize("builder", [tiny_alexnet, functools.partial(tiny_googlenet, hidden=(8, 8))])
def test_expansion_agrees_with_the_small_network_where_nothing_changes(kind, builder):
    torch.manual_seed(0)
    single = builder(4).eval()
    nn.init.normal_(single.head.classifier.weight)
    image = random_tensor(2, 3, 56, 56)
    small = single
    for frames in (30, 120):
        large = builder(4, kind, frames=frames).eval()
        assert expand(large, small) == []
        maps = single.maps(image[:, None]).expand(-1, frames, -1, -1, -1)  # a clip of equal frames
        torch.testing.assert_close(large.head(maps), single(image), atol=1e-4, rtol=1e-4)
        for there, here in zip(large.backbone.parameters(), single.backbone.parameters(), strict=True):
            assert torch.equal(there, here)
        small = large


def test_what_other_heads_take_over():
    torch.manual_seed(0)
    single = tiny_alexnet(4)
    slow, over_time = tiny_alexnet(4, SlowPooling, frames=30), tiny_alexnet(4, TimeDomainConvolution, frames=30)
    assert expand(slow, single) == SOFTMAX  # it reads the first layer, not the second
    assert torch.equal(slow.head.fc.fc6.weight, single.head.fc.fc6.weight)
    convolution = [f"head.convolution.{part}" for part in ("weight", "bias")]
    assert expand(over_time, single) == ["head.fc.fc6.weight", *convolution]  # 64 kernels, 128 channels
    assert torch.equal(over_time.head.fc.fc7.weight, single.head.fc.fc7.weight)
    lstm = tiny_alexnet(4, DeepLSTM)
    assert all(name.startswith(("head.layers", "head.classifier")) for name in expand(lstm, single))
    assert torch.equal(lstm.head.fc.fc7.weight, single.head.fc.fc7.weight)
    assert expand(tiny_googlenet(4, frames=30), tiny_googlenet(4))[-2:] == SOFTMAX  # as large, but above other layers
    connected = tiny_alexnet(4, FullyConnectedPooling, frames=30)
    assert expand(connected, single) == ["head.weight", "head.bias"]
    assert connected.head.weight.tolist() == pytest.approx([1 / 30] * 30)
    other = tiny_alexnet(4)
    before = other.head.classifier.weight.clone()
    assert expand(other, single, skip=("head.classifier",)) == SOFTMAX
    assert torch.equal(other.head.classifier.weight, before)


def test_local_pooling_expands_by_the_fraction_of_the_clip():
    torch.manual_seed(0)
    few, many = tiny_alexnet(4, LocalPooling, frames=15), tiny_alexnet(4, LocalPooling, frames=25)
    assert expand(many, few) == []
    two = few.head.classifier.weight.unflatten(1, (2, -1))
    four = many.head.classifier.weight.unflatten(1, (4, -1))
    torch.testing.assert_close(four, two[:, [0, 0, 1, 1]] / 2)


def test_last_layers_only():
    for network in (tiny_googlenet(4, DeepLSTM), tiny_alexnet(4, DeepLSTM)):
        trained = [name for name, p in last_layers_only(network).named_parameters() if p.requires_grad]
        assert trained
        assert all(name.startswith(("head.layers", "head.classifier")) for name in trained)
    pooled = last_layers_only(tiny_alexnet(4))
    assert pooled.head.fc.fc6.weight.requires_grad
    assert not pooled.backbone.conv1.weight.requires_grad


@pytest.mark.parametrize("kind", [*POOLINGS, *OTHERS])
def test_every_head_can_memorise_a_batch(kind):
    head = built(kind, 15, hidden=(32, 32))
    overfit_one_batch(head, loss, (random_tensor(4, 15, *SHAPE), torch.eye(4, dtype=torch.bool)))


@pytest.mark.parametrize("gain", ["linear", "last"])
def test_the_lstm_can_memorise_a_batch(gain):
    batch = random_tensor(4, 8, *SHAPE), torch.eye(4, dtype=torch.bool)
    optimizer = functools.partial(torch.optim.Adam, lr=1e-2)
    overfit_one_batch(
        built(DeepLSTM, hidden_size=32), functools.partial(lstm_loss, gain=gain), batch, optimizer=optimizer
    )


# What a network sees


class CountingClip:
    """A clip whose frames carry their number, and whose flow is (number, -number) / 10."""

    name, label, labels, group, times = "a", 1, (1, 3), 0, None

    def __init__(self, num_frames, fps=2.0):
        self.num_frames, self.fps = num_frames, fps

    def frames(self, indices):
        return torch.as_tensor(indices).to(torch.uint8)[:, None, None, None].expand(-1, 3, 12, 16)

    def flow(self, indices, *, backward=False):
        values = torch.as_tensor(indices).float() / 10
        return torch.stack([values, -values], 1)[..., None, None].expand(-1, -1, 12, 16)


def small_view(num_frames=4, **settings):
    return video_view(5, num_frames, **({"short_side": None, "crop_size": 8, "min_frames": 1} | settings))


def test_the_paper_sees_one_frame_a_second_over_the_first_five_minutes():
    paper = video_view(487)
    assert timeline(paper, CountingClip(20_000, fps=30.0)).tolist() == list(range(0, 9000, 30))
    assert len(timeline(paper, CountingClip(250, fps=25.0))) == 300  # it starts over
    assert (paper.crop_size, paper.short_side, paper.keep_aspect, paper.sample.length) == (220, 256, False, 120)
    assert paper.flip
    flow = small_view(rate=None, modality=FlowImage())
    assert timeline(flow, CountingClip(6)).tolist() == list(range(5))  # the last has none


def test_examples_are_random_stretches_with_all_labels():
    view, clip = small_view(), CountingClip(20)  # ten seconds of two frames each
    generator, firsts = torch.Generator().manual_seed(0), set()
    for _ in range(100):
        frames, hot = view.train(clip, generator)
        numbers = RGB().to_image(frames)[:, 0, 0, 0].tolist()
        firsts.add(numbers[0])
        assert numbers == list(range(numbers[0], numbers[0] + 8, 2))
    assert firsts == {0, 2, 4, 6, 8, 10, 12}
    assert hot.tolist() == [False, True, False, True, False]


def test_flow_images_at_the_input():
    view, clip, signs = small_view(3, modality=FlowImage(bound=1.0), rate=None), CountingClip(4), set()
    for seed in range(20):
        frames, _ = view.train(clip, torch.Generator().manual_seed(seed))
        levels = (torch.tensor([[128.0, 140, 153], [128, 115, 102]]) - 127.5) / 57  # 0, 0.1, 0.2 pixels of 1, and less
        sign = int(frames[1, 0, 0, 0] < 0)
        torch.testing.assert_close(frames[:, 0, 0, 0], levels[sign])  # flipped, things move the other way
        torch.testing.assert_close(frames[:, 1, 0, 0], levels[1])  # upwards in any case
        assert not frames[:, 2].any()
        signs.add(sign)
    assert signs == {0, 1}
    wider = small_view(3, modality=FlowImage(bound=1.0, std=127.5), rate=None).at(clip, [0, 1])
    torch.testing.assert_close(wider[1, 0, 0, 0], torch.tensor((140 - 127.5) / 127.5))


# Recipes


def test_recipes_are_those_of_the_text():
    assert long_video.RECIPES["paper"]["options"] == {"lr": 1e-5, "momentum": 0.9, "weight_decay": 5e-4}
    assert lstm_recipe(30)["options"]["lr"] == pytest.approx(3e-4)
    assert lstm_recipe(120)["options"] == {"lr": pytest.approx(1.2e-3), "momentum": 0.9, "weight_decay": 5e-4}
    for recipe in (*long_video.RECIPES.values(), lstm_recipe(120), lstm_recipe(8, "tiny")):
        assert Recipe(**recipe).factor(0) == 1
    assert Recipe(**long_video.RECIPES["tiny"]).factor(100) == 0.5
