from functools import partial

import fakes
import pytest
import torch
import torch.nn.functional as F
import torchvision
from overfit import overfit_one_batch
from torch import nn

from labkit import flow
from labkit.backbones.resnet import resnet_tiny
from labkit.papers import temporal_difference as td
from labkit.training import Recipe, fit

REGULARISED = td.SETTINGS["tiny"]._replace(partial_bn=True, dropout=0.5)
FakeClip = partial(fakes.FakeClip, height=20, width=24)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(**options):
    torch.manual_seed(0)
    return td.tdn(4, size="tiny", **options)


def snippets(batch=2, segments=3, size=32, channels=3, seed=0):
    return torch.randn(batch, segments, channels, size, size, generator=seeded(seed))


# --- views ------------------------------------------------------------------------------------------------------------


def test_snippets_are_frames_or_stacks_of_five_fields_of_each_segment():
    clip, crops = FakeClip(), {"crop_size": 16, "crop_scales": (20, 16, 12), "flip": False}
    rgb, fields = td.rgb_view(**crops), td.flow_view(**crops, num_segments=2)
    assert rgb.train(clip, seeded())[0].shape == (3, 3, 16, 16)
    assert fields.train(clip, seeded())[0].shape == (2, 10, 16, 16)
    assert rgb.test(clip, 4)[0].shape == (20, 3, 3, 16, 16)
    stacks = flow.optical_flow_stacking(torch.stack([clip.ahead[3:5], clip.ahead[8:10]]))  # of two fields each
    assert torch.equal(fields.at(clip, [[3, 4], [8, 9]]), stacks[..., 2:18, 4:20])


def test_all_snippets_of_a_clip_are_cropped_flipped_and_coloured_alike():
    clip = FakeClip()
    clip.all_frames[:] = clip.all_frames[0]  # nothing moves
    view, sums = td.rgb_view(crop_size=12, crop_scales=(20, 16, 12)), set()
    for seed in range(20):
        snippets, _ = view.train(clip, seeded(seed))
        assert not td.eulerian_motion(snippets[None]).any()
        sums.add(round(snippets.sum().item(), 3))
    assert len(sums) == 20  # another crop or colour each time


def test_jitter_changes_contrast_and_saturation():
    clip = FakeClip(height=16, width=16)
    crops = {"num_segments": 1, "crop_size": 16, "flip": False}
    for seed in range(20):
        jittered, plain = (td.rgb_view(**crops, jitter=jitter).train(clip, seeded(seed))[0] for jitter in (0.4, 0.0))
        assert (jittered - plain).flatten(2).std(dim=2).min() > 0.02  # not the same colour added to every pixel


@pytest.mark.parametrize("name", ["hmdb51", "act", "fcvid"])
def test_settings_are_those_of_section_5_4_2(name):
    segments, *rest = td.SETTINGS[name]
    assert segments == {"hmdb51": 2, "act": 3, "fcvid": 3}[name]
    small = name != "fcvid"
    assert rest[:2] == [0.8 if small else 0.0, small]
    view = td.rgb_view(num_segments=segments, **rest[2])
    assert (view.crop_size, view.flip) == (224, True)
    assert (view.crop_scales, view.short_side) == (((256, 224, 192, 168), 256) if small else ((), None))
    clip = FakeClip(num_frames=20, height=256, width=256)
    assert view.train(clip)[0].shape == (segments, 3, 224, 224)
    assert view.test(clip, 1)[0].shape == (10, segments, 3, 224, 224)


# --- blocks -----------------------------------------------------------------------------------------------------------


def test_differences_by_hand():
    features = torch.tensor([[1.0, 5.0, 2.0], [0.0, 0.0, 7.0]])[:, :, None]  # (2, 3, 1)
    assert td.eulerian_motion(features).squeeze(2).tolist() == [[4, -3], [0, 7]]


def test_consensus_by_hand():
    scores = torch.tensor([[[1.0, 0.0], [3.0, 2.0]], [[0.0, 0.0], [5.0, -1.0]]])  # (2, 2, 2)
    assert td.segmental_consensus(scores).tolist() == [[2, 1], [2.5, -0.5]]


@pytest.mark.parametrize("mixing", [td.Added, td.Convolved, td.Gated])
def test_a_mixing_starts_as_a_sum_or_at_random(mixing):
    below, motion = torch.randn(2, 2, 6, 4, 4, generator=seeded())
    torch.testing.assert_close(mixing(6)(below, motion), below + motion)
    if mixing is not td.Added:
        assert not torch.allclose(mixing(6, random=True)(below, motion), below + motion, atol=0.1)


def test_mixing_by_hand():
    below, motion = torch.tensor([2.0, -1.0])[None, :, None, None], torch.tensor([4.0, 6.0])[None, :, None, None]
    convolved = td.Convolved(2)
    convolved.convolution.weight.data = torch.tensor([[0.0, 1.0], [0.5, 0.0]])[:, :, None, None]
    convolved.convolution.bias.data = torch.tensor([1.0, 0.0])
    assert convolved(below, motion).flatten().tolist() == [2 + 6 + 1, -1 + 2]
    gated = td.Gated(2)
    gated.gate.weight.data[0] = torch.tensor([1.0, 2.0, 0.5, 0.0])[:, None, None]  # 2 - 2 + 2 = 2
    g = 1 / (1 + torch.exp(torch.tensor(-2.0)))
    expected = torch.tensor([2 * (g * 2 + (1 - g) * 4), 5.0])
    torch.testing.assert_close(gated(below, motion).flatten(), expected)


# --- the network ------------------------------------------------------------------------------------------------------


def by_hand(model, pair):
    """A TDN for two snippets, written out from torchvision's layers: both scores, and the differences by level."""
    image, net = model.image, model.difference
    seen = []
    for one in pair.unbind(1):
        maps = {"input": one, "conv1": image.maxpool(F.relu(image.bn1(image.conv1(one))))}
        maps["res2"] = image.layer1(maps["conv1"])
        maps["res3"] = image.layer2(maps["res2"])
        maps["res4"] = image.layer3(maps["res3"])
        maps["res5"] = image.layer4(maps["res4"])
        seen.append(maps)
    v = {level: seen[1][level] - seen[0][level] for level in td.LEVELS}
    scores = [image.fc(maps["res5"].mean((2, 3))) for maps in seen]
    on = {level: float(level in model.levels) for level in td.LEVELS}
    x = net.maxpool(F.relu(net.bn1(net.conv1(v["input"])))) + on["conv1"] * v["conv1"]
    x = net.layer1(x) + on["res2"] * v["res2"]
    x = net.layer2(x) + on["res3"] * v["res3"]
    x = net.layer3(x) + on["res4"] * v["res4"]
    x = net.layer4(x)
    return (scores[0] + scores[1]) / 2, net.fc(x.mean((2, 3))), v


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_differences_enter_at_each_level(count):
    """Each row of Table 5.4, beside the network written out."""
    model = tiny(levels=td.LEVELS[:count]).eval()
    pair = snippets(segments=2)
    with torch.no_grad():
        image, difference, v = by_hand(model, pair)
        features, logits = model.features(pair), model(pair)
    assert tuple(features.motion) == td.LEVELS[:count]
    for level in features.motion:
        torch.testing.assert_close(features.motion[level][:, 0], v[level], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits[:, 0], image, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits[:, 1], difference, atol=1e-5, rtol=1e-4)


def test_three_snippets_are_two_pairs_and_consensus_is_their_mean():
    """Figure 5.2: three image subnetworks, two difference subnetworks."""
    model, three = tiny().eval(), snippets(segments=3)
    with torch.no_grad():
        first, second = by_hand(model, three[:, :2]), by_hand(model, three[:, 1:])
        logits = model(three)
        singles = torch.stack([model.image(one) for one in three.unbind(1)]).mean(0)
    torch.testing.assert_close(logits[:, 0], singles, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits[:, 1], (first[1] + second[1]) / 2, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(td.final_prediction(model, three), logits.mean(1))


def test_a_static_clip_has_no_differences():
    model = tiny().eval()
    still = snippets(segments=1).expand(-1, 3, -1, -1, -1)
    with torch.no_grad():
        features = model.features(still)
        answer = model(still)[:, 1]
    assert tuple(features.motion) == td.LEVELS
    assert all(not motion.any() for motion in features.motion.values())
    assert torch.equal(answer[0], answer[1])  # whatever is there, the difference subnetwork predicts the same
    assert not torch.equal(*model(still)[:, 0].detach())


def test_played_backwards_differences_change_their_sign():
    model, clip = tiny().eval(), snippets(segments=2)
    with torch.no_grad():
        ahead, back = model.features(clip), model.features(clip.flip(1))
        forward, backward = model(clip), model(clip.flip(1))
    for level in td.LEVELS:
        torch.testing.assert_close(back.motion[level], -ahead.motion[level])
    torch.testing.assert_close(forward[:, 0], backward[:, 0])  # the mean of frames has no order
    assert not torch.allclose(forward[:, 1], backward[:, 1])


def test_the_backbone_sees_each_snippet_once():
    model, seen = tiny(), []
    model.image.conv1.register_forward_hook(lambda layer, inputs, output: seen.append(len(inputs[0])))
    model(snippets(batch=2, segments=4))
    assert seen == [8]


def test_tsn_is_the_mean_of_single_frames():
    torch.manual_seed(0)
    model, three = td.tsn(4, size="tiny").eval(), snippets()
    with torch.no_grad():
        expected = torch.stack([model.image(one) for one in three.unbind(1)]).mean(0)
        assert model(three).shape == (2, 1, 4)
        torch.testing.assert_close(td.final_prediction(model, three), expected, atol=1e-5, rtol=1e-4)


# --- training ---------------------------------------------------------------------------------------------------------


def statistics(net):
    return [layer.running_mean.clone() for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]


def changed(net, before):
    return [not torch.equal(*pair) for pair in zip(statistics(net), before, strict=True)]


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("partial_bn", [False, True])
def test_which_statistics_follow_the_batches(partial_bn, frozen):
    model = tiny(setting=REGULARISED._replace(partial_bn=partial_bn))
    if frozen:
        td.freeze_image_backbone(model)
    before = statistics(model.image), statistics(model.difference)
    count = len(before[0])
    model.eval()(snippets())
    assert not any(changed(model.image, before[0]) + changed(model.difference, before[1]))
    model.train()(snippets())
    rest = [not partial_bn] * (count - 1)
    assert changed(model.difference, before[1]) == [True, *rest]
    assert changed(model.image, before[0]) == ([False] * count if frozen else [True, *rest])
    model.train(False)
    assert not any(layer.training for layer in model.modules())


def test_partial_bn_of_a_tsn():
    torch.manual_seed(0)
    model = td.tsn(4, size="tiny", setting=REGULARISED).train()
    modes = [layer.training for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert modes == [True] + [False] * (len(modes) - 1)
    assert model.image.dropout.training


def test_partial_bn_leaves_scale_and_shift_their_gradients():
    model = tiny(setting=REGULARISED).train()
    td.loss(model, (snippets(), torch.tensor([0, 3])))[0].backward()
    for net in (model.image, model.difference):
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.weight.grad.any()
                assert layer.bias.grad.any()


def learned(model):
    model.zero_grad()
    td.loss(model, (snippets(), torch.tensor([0, 3])))[0].backward()
    return {name for name, parameter in model.named_parameters() if parameter.grad is not None and parameter.grad.any()}


def test_which_parameters_get_gradients_in_each_phase():
    model = td.freeze_image_backbone(tiny(mixing=td.Convolved)).train()
    everything = {name for name, _ in model.named_parameters()}
    backbone = {name for name in everything if name.startswith("image.") and not name.startswith("image.fc.")}
    assert model.frozen
    assert len(backbone) > 20
    assert learned(model) == everything - backbone
    td.train_jointly(model).train()
    assert not model.frozen
    assert learned(model) == everything


def test_the_difference_loss_reaches_the_image_subnetwork_in_the_second_phase_only():
    model, clip = tiny().train(), snippets()
    for frozen in (False, True):
        if frozen:
            td.freeze_image_backbone(model).train()
        model.zero_grad()
        F.cross_entropy(model(clip)[:, 1], torch.tensor([0, 3])).backward()
        reached = model.image.conv1.weight.grad is not None and bool(model.image.conv1.weight.grad.any())
        assert reached is not frozen
        assert model.difference.conv1.weight.grad.any()


def test_the_loss_is_one_cross_entropy_for_each_subnetwork():
    model, labels = tiny().eval(), torch.tensor([1, 2])
    logits = model(snippets())
    total, shown = td.loss(model, (snippets(), labels))
    torch.testing.assert_close(total, F.cross_entropy(logits[:, 0], labels) + F.cross_entropy(logits[:, 1], labels))
    assert shown["accuracy"] == (logits.mean(1).argmax(1) == labels).double().mean().item()


def test_several_labels_have_equal_parts_of_the_target():
    """As videos of FCVID may have them: two labels cost the mean of what each would."""
    model = tiny().eval()
    labels = torch.tensor([[False, True, False, True], [False, False, True, False]])
    each = [td.loss(model, (snippets(), torch.tensor([label, 2])))[0] for label in (1, 3)]
    total, shown = td.loss(model, (snippets(), labels))
    torch.testing.assert_close(total, sum(each) / 2)
    best = model(snippets()).mean(dim=1).argmax(dim=1)
    assert shown["accuracy"] == labels[torch.arange(2), best].double().mean().item()


@pytest.mark.parametrize("mixing", [td.Added, td.Convolved, td.Gated])
def test_it_can_learn(mixing):
    batch = snippets(batch=6, size=24), torch.arange(6) % 4
    assert overfit_one_batch(tiny(mixing=mixing), td.loss, batch, steps=60).step > 1
    model = td.freeze_image_backbone(tiny(mixing=mixing))
    backbone = model.image.layer3[0].conv1.weight.clone()
    recipe = Recipe(**{**td.RECIPES["tiny"]["rgb"], "steps": 3, "batch": 2, "schedule": None})
    fit(model, recipe, [(snippets()[0], 1), (snippets()[1], 2)], td.loss, progress=False)
    assert torch.equal(model.image.layer3[0].conv1.weight, backbone)


def test_it_learns_the_direction_of_time_which_a_tsn_cannot():
    """Two classes that are each other backwards, one clip of each."""
    clip = snippets(batch=1, size=24)
    batch = torch.cat([clip, clip.flip(1)]), torch.tensor([0, 1])
    found = overfit_one_batch(tiny(), lambda m, b: F.cross_entropy(m(b[0])[:, 1], b[1]), batch, steps=60)
    assert found.loss < 0.1
    torch.manual_seed(0)
    tsn = td.tsn(4, size="tiny").eval()
    torch.testing.assert_close(*tsn(batch[0]).unbind(0))


# --- fusion, builders, errors -----------------------------------------------------------------------------------------


def test_fusion_by_hand():
    rgb, motion = torch.tensor([[3.0, -1.0]]), torch.tensor([[0.0, 5.0]])
    torch.testing.assert_close(td.weighted_fusion(rgb, motion), torch.tensor([[0.75, -0.25 + 1.5]]))
    torch.testing.assert_close(td.weighted_fusion(rgb, motion, (2, 1)), torch.tensor([[1.5, 0.5]]))


@pytest.mark.parametrize(("channels", "segments"), [(3, 2), (10, 3)])
def test_the_papers_size(channels, segments):
    """Both subnetworks are ResNet-50, differences have the resolutions of section 5.3.2: 224, 56, 28 and 14 pixels."""
    with torch.device("meta"):
        model = td.tdn(51, in_channels=channels).eval()
        features = model.features(torch.zeros(1, segments, channels, 224, 224))
    sizes = {level: (motion.shape[2], motion.shape[-1]) for level, motion in features.motion.items()}
    expected = {"input": (channels, 224), "conv1": (64, 56), "res2": (256, 56), "res3": (512, 28), "res4": (1024, 14)}
    assert sizes == expected
    assert features.image.shape == (1, segments, 2048, 7, 7)
    assert features.difference.shape == (1, segments - 1, 2048, 7, 7)
    with torch.device("meta"):
        small = td.tdn(51, size="tiny", in_channels=channels).features(torch.zeros(1, segments, channels, 56, 56))
        theirs = torchvision.models.resnet50(num_classes=51)
    assert [motion.shape[-1] for motion in small.motion.values()] == [56, 28, 28, 14, 7]
    one = sum(parameter.numel() for parameter in theirs.parameters()) + (channels - 3) * 64 * 49
    assert sum(parameter.numel() for parameter in model.parameters()) == 2 * one
    assert model.image.dropout.p == model.difference.dropout.p == 0.8
    assert model.partial_bn
    with torch.device("meta"):
        tsn = td.tsn(51)
    assert (tsn.image.dropout.p, tsn.partial_bn, len(tsn.image.layer3)) == (0.8, True, 6)


def test_recipes_are_the_papers():
    assert td.RECIPES["act"] == td.RECIPES["hmdb51"]  # ACT has the settings of UCF101, which are the same
    assert td.RECIPES["fcvid"].keys() == {"rgb"}
    for name, modality, rate, decay, steps, falls in (
        ("hmdb51", "rgb", 1e-3, 5e-4, 4_500, (2_000, 4_000)),
        ("hmdb51", "flow", 5e-3, 5e-4, 20_000, (12_000, 18_000)),
        ("fcvid", "rgb", 1e-2, 1e-4, 30_000, (10_000, 20_000)),
    ):
        recipe = Recipe(**td.RECIPES[name][modality])
        assert (recipe.optimizer, recipe.steps, recipe.batch) == (torch.optim.SGD, steps, 128)
        assert recipe.options == {"lr": rate, "momentum": 0.9, "weight_decay": decay}
        assert [recipe.factor(step) for step in (falls[0] - 1, *falls)] == pytest.approx([1, 0.1, 0.01])
        second = Recipe(**td.joint(td.RECIPES[name][modality]))
        assert (second.steps, second.schedule) == (steps // 3, None)
        assert second.options["lr"] == pytest.approx(rate / 100)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="levels must be of input, conv1, res2, res3, res4, input among them; got"):
        tiny(levels=("res2",))
    with pytest.raises(ValueError, match=r"got \['input', 'res5'\]"):
        tiny(levels=("input", "res5"))
    with pytest.raises(ValueError, match="both subnetworks must have the same size"):
        td.TDN(resnet_tiny(4), resnet_tiny(4, in_channels=10))
    with pytest.raises(ValueError, match=r"snippets must be \(B, s, 3, H, W\); got \(2, 3, 10, 8, 8\)"):
        tiny()(torch.zeros(2, 3, 10, 8, 8))
    with pytest.raises(ValueError, match="snippets must be at least 2 a clip; got 1: a pair has a difference"):
        tiny()(torch.zeros(2, 1, 3, 8, 8))
    with pytest.raises(ValueError, match="rgb and flow must have the same shape"):
        td.weighted_fusion(torch.zeros(2, 3), torch.zeros(2, 4))
