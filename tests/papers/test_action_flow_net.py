import pytest
import torch
import torch.nn.functional as F
import torchvision
from fakes import FakeClip
from overfit import overfit_one_batch

from labkit.backbones.resnet import resnet_tiny
from labkit.losses import classification_loss
from labkit.papers import action_flow_net as afn
from labkit.studies.cost import count_calls, count_parameters
from labkit.training import Recipe, evaluate, fit
from labkit.views import RGB
from labkit.views.crops import photometric_jitter
from labkit.views.pairs import move_pair


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pairs(batch=2, size=32, frames=2, seed=0):
    return torch.randn(batch, frames, 3, size, size, generator=seeded(seed))


def truth(batch=2, size=32, fields=1, seed=1):
    return torch.randn(batch, fields, 2, size, size, generator=seeded(seed))


def tiny(frames=2, classes=4):
    torch.manual_seed(0)
    return (afn.two_frame_network if frames == 2 else afn.multi_frame_network)(classes, size="tiny")


def stacked(upsample=False):
    return afn.stacked_network(4, tiny(), upsample=upsample, size="tiny")


PLAIN = {"short_side": None, "flip": False, "jitter": 0.0}
WHOLE = {**PLAIN, "crop_size": 20, "crop_scales": (20,)}


def levels(frames):
    """Frames as they were before they were normalised."""
    return RGB().to_image(frames)


# --- views ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "fields", "starts"), [(16, 16, 4), (2, 1, 19), (1, 1, 19)])
def test_flow_leads_from_each_frame_to_the_next_and_from_the_last_of_many_to_one_never_shown(frames, fields, starts):
    clip, seen = FakeClip(num_frames=20, height=20, width=20), set()
    view = afn.clip_view(frames, **WHOLE, with_flow=True)
    for seed in range(200):
        images, flow, label = view.train(clip, seeded(seed))
        start = next(s for s in range(20) if torch.equal(clip.all_frames[s], levels(images)[0]))
        assert torch.equal(levels(images), clip.all_frames[start : start + frames])
        assert torch.equal(flow, clip.ahead[start : start + fields])
        assert label == 1
        seen.add(start)
    assert seen == set(range(starts))  # there is a frame after the last one
    views, _ = view.test(clip, 5, generator=seeded())
    assert views.shape == (25, frames, 3, 20, 20)  # no flow, five crops of each sample


@pytest.mark.parametrize(("alone", "beside"), [(16, 16), (1, 2)])
def test_training_views_without_flow_can_have_the_frames_of_those_with_it(alone, beside):
    """Otherwise the last start, after whose frames there is no flow, would be theirs alone, and shift all samples."""
    clip = FakeClip(num_frames=18, height=20, width=24)
    crops = {**PLAIN, "flip": True, "crop_size": 12, "crop_scales": (20, 16, 12)}
    names = afn.clip_view(alone, **crops, leaves_room=True)
    both = afn.clip_view(beside, **crops, with_flow=True)
    for seed in range(40):
        frames, flow, _ = both.train(clip, seeded(seed))
        assert flow.isfinite().all()
        assert torch.equal(names.train(clip, seeded(seed))[0], frames[:alone])
    tests = [view.test(clip, 9, generator=seeded())[0] for view in (names, afn.clip_view(alone, **crops))]
    assert torch.equal(*tests)  # the last frames are tested all the same


def test_what_each_kind_of_training_changes():
    chairs, flow, actions = (afn.clip_view(**kind) for kind in (afn.CHAIRS, afn.FLOW, {}))
    assert [view.jitter.keywords["strength"] for view in (chairs, flow, actions)] == [0.0, 0.0, 0.4]
    assert actions.jitter.func is photometric_jitter  # contrast and saturation, too: section 4.4.2, reference [9]
    assert (flow.transform, actions.transform, flow.short_side, chairs.short_side) == (None, None, 256, None)
    assert (chairs.transform.func, chairs.transform.keywords) == (move_pair, {"translation": 0.2, "rotation": 17.0})
    assert chairs.crop_scales == actions.crop_scales == afn.flow_view().crop_scales == (256, 224, 192, 168)
    field, label = afn.flow_view(short_side=None, crop_size=12, crop_scales=(12,)).train(FakeClip(), seeded())
    assert (field.shape, label) == ((1, 2, 12, 12), 1)


# --- shapes of the text -----------------------------------------------------------------------------------------------


def shapes(flows):
    return [tuple(flow.shape[1:]) for flow in flows]


def test_sixteen_fields_come_out_of_sixteen_frames():
    with torch.device("meta"):
        model, clips = afn.multi_frame_network(101).eval(), torch.zeros(1, 16, 3, 224, 224)
        sizes = [(64, 16, 56, 56), (128, 8, 28, 28), (256, 4, 14, 14), (512, 2, 7, 7)]
        assert shapes(model.feature_maps(clips)) == sizes
        assert shapes(model.flow(clips)) == [(16, 2, 56, 56)]
        assert model(clips).shape == (1, 101)
        assert shapes(tiny(8).eval().to("meta").flow(torch.zeros(1, 8, 3, 48, 48))) == [(8, 2, 24, 24)]


def test_four_scales_come_out_of_two_frames():
    with torch.device("meta"):
        model, clips = afn.two_frame_network(101).eval(), torch.zeros(1, 2, 3, 224, 224)
        assert model.encoder.conv1.in_channels == 6
        assert shapes(model.flow(clips)) == [(1, 2, side, side) for side in (7, 14, 28, 56)]
        assert shapes(tiny().eval().to("meta").flow(torch.zeros(1, 2, 3, 48, 48))) == [
            (1, 2, side, side) for side in (3, 6, 12, 24)
        ]


def test_parameters_beside_the_text():
    """ "approximately half the number of parameters of the Stacked model", which has "about 2x" those of a ResNet."""
    count = count_parameters
    with torch.device("meta"):
        two, many = afn.two_frame_network(101), afn.multi_frame_network(101)
        both, large = (afn.stacked_network(101, afn.two_frame_network(101), upsample=up) for up in (False, True))
        plain = torchvision.models.resnet18(num_classes=101)
        small = afn.two_frame_network(18, size="tiny")
        small_stacked = afn.stacked_network(18, afn.two_frame_network(18, size="tiny"), size="tiny")
    assert count(two.encoder) == count(plain) + 3 * 64 * 49 == 11_237_733
    # deconvolutions, their biases, enlargements of flow, predictions
    assert count(two.decoder) == (
        16 * (512 * 256 + 514 * 128 + 258 * 64) + 256 + 128 + 64 + 3 * (64 + 2) + 18 * (512 + 514 + 258 + 130) + 4 * 2
    )
    assert (count(two.decoder), count(two)) == (3_440_122, 14_677_855)
    assert (count(many.encoder), count(many.decoder)) == (33_562_149, 10_230_978)
    assert (count(both), count(large)) == (25_861_188, 25_903_044)
    assert count(two) / count(both) == pytest.approx(0.568, abs=1e-3)
    assert count(two.encoder) / count(both) == pytest.approx(0.435, abs=1e-3)
    assert count(both) / count(plain) == pytest.approx(2.3, abs=0.01)
    assert count(small) / count(small_stacked) == pytest.approx(0.634, abs=1e-3)


# --- decoders by hand -------------------------------------------------------------------------------------------------


def maps_of(model, size=32, frames=2):
    with torch.no_grad():
        return model.eval().feature_maps(pairs(size=size, frames=frames))


def test_flownet_written_out():
    model = tiny()
    res2, res3, res4, res5 = maps_of(model)
    w = model.decoder.state_dict()

    def up(x, name):
        return F.conv_transpose2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=2, padding=1)

    def predict(x, number):
        return F.conv2d(x, w[f"predictions.{number}.weight"], w[f"predictions.{number}.bias"], padding=1)

    flow1 = predict(res5, 0)
    x = torch.cat([res4, up(res5, "deconvolutions.0").relu(), up(flow1, "enlargements.0")], 1)
    flow2 = predict(x, 1)
    x = torch.cat([res3, up(x, "deconvolutions.1").relu(), up(flow2, "enlargements.1")], 1)
    flow3 = predict(x, 2)
    x = torch.cat([res2, up(x, "deconvolutions.2").relu(), up(flow3, "enlargements.2")], 1)
    expected = [flow1, flow2, flow3, predict(x, 3)]
    with torch.no_grad():
        for found, flow in zip(model.flow(pairs()), expected, strict=True):
            torch.testing.assert_close(found.squeeze(1), flow, atol=1e-5, rtol=1e-4)


def test_the_decoder_over_time_written_out():
    model = tiny(16)
    res2, res3, res4, res5 = maps_of(model, frames=8)
    w = model.decoder.state_dict()
    x = res5
    for number, skip in enumerate((res4, res3, res2)):
        x = F.conv_transpose3d(
            x, w[f"deconvolutions.{number}.weight"], w[f"deconvolutions.{number}.bias"], 2, 1, (1, 0, 0)
        )
        assert x.shape == skip.shape
        x = torch.cat([skip, x.relu()], 1)
    expected = F.conv3d(x, w["prediction.weight"], w["prediction.bias"], padding=1).transpose(1, 2)
    with torch.no_grad():
        (found,) = model.flow(pairs(frames=8))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_maps_keep_their_strength_on_the_way_up():
    torch.manual_seed(0)
    decoder = afn.FlowDecoder((64, 64, 64, 64))
    strong = decoder.deconvolutions[0](torch.randn(4, 64, 8, 8).relu())
    inner = strong[..., 2:-2, 2:-2].detach()
    assert inner.var().item() == pytest.approx(1.0, abs=0.3)  # relu halves the power, the filters double it


# --- losses -----------------------------------------------------------------------------------------------------------


def test_coarse_truth_by_hand():
    field = torch.zeros(2, 2, 4)
    field[0] = torch.tensor([[1.0, 3.0, 5.0, 5.0], [1.0, 3.0, 5.0, 5.0]])
    field[:, 0, 1] = torch.nan
    field[:, :, 2:] = torch.nan
    coarse = afn.reduce_flow(field, (1, 2))
    assert coarse[0, 0, 0] == pytest.approx((1 + 1 + 3) / 3)
    assert coarse[:, 0, 1].isnan().all()
    assert afn.reduce_flow(field.expand(3, 5, 2, 2, 4), (1, 2)).shape == (3, 5, 2, 1, 2)


def test_end_point_error_of_all_scales_by_hand():
    goal = torch.zeros(1, 1, 2, 4, 4)
    fine, coarse = torch.zeros(1, 1, 2, 4, 4), torch.zeros(1, 1, 2, 2, 2)
    fine[..., 0, 0, 0], fine[..., 1, 0, 0] = 3.0, 4.0  # one pixel of 16 is 5 pixels off
    coarse[:, :, 0] = 2.0
    assert afn.epe_loss([fine], goal).item() == pytest.approx(5 / 16)  # eq. (4.1), a mean
    assert afn.epe_loss([coarse, fine], goal, (0.5, 2.0)).item() == pytest.approx(0.5 * 2 + 2.0 * 5 / 16)  # eq. (4.3)
    goal[..., 0, 1:] = torch.nan  # three pixels do not count; in their coarse cells one and two of four are left
    assert afn.epe_loss([fine], goal).item() == pytest.approx(5 / 13)
    assert afn.epe_loss([coarse], goal).item() == pytest.approx(2)


def test_what_is_unknown_leaves_no_trace_in_gradients():
    flow, goal = torch.randn(1, 1, 2, 4, 4, requires_grad=True), torch.randn(1, 1, 2, 4, 4)
    goal[..., :2] = torch.nan
    afn.epe_loss([flow], goal).backward()
    assert flow.grad.isfinite().all()
    assert not flow.grad[..., :2].any()
    assert flow.grad[..., 2:].any()


@pytest.mark.parametrize("frames", [2, 8])
def test_the_losses_are_sums_of_their_parts(frames):
    model, labels = tiny(frames).eval(), torch.tensor([1, 3])
    clips, goal = pairs(frames=frames), truth(fields=1 if frames == 2 else frames)
    flows, logits = model.flow(clips), model(clips)
    weights = [0.25, 0.25, 0.5, 1.0][-len(flows) :]
    motion = sum(
        weight * (flow - afn.reduce_flow(goal, flow.shape[-2:])).square().sum(2).sqrt().mean()
        for weight, flow in zip(weights, flows, strict=True)
    )
    words = F.cross_entropy(logits, labels)
    torch.testing.assert_close(afn.flow_loss(model, (clips, goal, labels))[0], motion)
    torch.testing.assert_close(classification_loss(model, (clips, goal, labels))[0], words)
    torch.testing.assert_close(classification_loss(model, (clips, labels))[0], words)
    total, shown = afn.multitask_loss(model, (clips, goal, labels), weight=3.0)
    torch.testing.assert_close(total, words + 3 * motion)  # eq. (4.2), (4.4)
    assert shown["epe"] == pytest.approx((flows[-1] - afn.reduce_flow(goal, (16, 16))).norm(dim=2).mean().item())
    assert afn.multitask_loss(model, (clips, goal, labels))[0].item() == pytest.approx((words + motion).item())


@pytest.mark.parametrize("frames", [2, 8])
def test_which_parameters_each_loss_reaches(frames):
    model = tiny(frames).train()
    batch = pairs(frames=frames), truth(fields=1 if frames == 2 else frames), torch.tensor([1, 3])
    names = {name for name, _ in model.named_parameters()}
    parts = {part: {name for name in names if name.startswith(part)} for part in ("decoder.", "encoder.fc.")}
    for loss, unreached in (
        (afn.flow_loss, parts["encoder.fc."]),
        (classification_loss, parts["decoder."]),
        (afn.multitask_loss, set()),
    ):
        model.zero_grad()
        loss(model, batch)[0].backward()
        reached = {name for name, value in model.named_parameters() if value.grad is not None and value.grad.any()}
        assert reached == names - unreached


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "layers"), [(2, 10), (8, 4)])
def test_no_layer_of_the_decoder_runs_to_classify(frames, layers):
    model, clips = tiny(frames), pairs(frames=frames)
    labels = torch.tensor([0, 1])
    assert count_calls(model.decoder, lambda: model(clips)) == 0
    assert count_calls(model.decoder, lambda: classification_loss(model, (clips, labels))) == 0
    assert count_calls(model.decoder, lambda: evaluate(model, [(clips, 1)], progress=False)) == 0
    assert count_calls(model.decoder, lambda: model.flow(clips)) == layers
    assert count_calls(model.decoder, lambda: model.both(clips)) == layers
    assert not any(layer._forward_hooks for layer in model.modules())
    model.decoder = None
    assert model(clips).shape == (2, 4)  # "the decoder can be removed"


@pytest.mark.parametrize("frames", [2, 8])
def test_both_is_either(frames):
    model, clips = tiny(frames).eval(), pairs(frames=frames)
    with torch.no_grad():
        logits, flows = model.both(clips)
        torch.testing.assert_close(logits, model(clips))
        for one, other in zip(flows, model.flow(clips), strict=True):
            torch.testing.assert_close(one, other)
        stacked = clips if frames == 8 else clips.flatten(1, 2)
        torch.testing.assert_close(logits, model.encoder(stacked))


def test_dropout_of_a_half_before_the_classifier():
    with torch.device("meta"):
        networks = [afn.multi_frame_network(9), afn.two_frame_network(9), afn.one_frame_network(9)]
        heads = [network.encoder for network in networks] + [afn.stacked_network(9, networks[1]).classifier]
    assert [head.dropout.p for head in heads] == [0.5] * 4
    torch.manual_seed(0)
    net = afn.two_frame_network(4, size="tiny").train()
    given = []
    net.encoder.fc.register_forward_pre_hook(lambda layer, inputs: given.append(inputs[0]))
    maps = torch.rand(40, net.encoder.fc.in_features, 3, 3) + 1
    net.encoder.classify(maps)
    assert (given[0] == 0).double().mean().item() == pytest.approx(0.5, abs=0.05)  # of the averaged channels
    torch.testing.assert_close(given[0][given[0] != 0], 2 * maps.mean((2, 3))[given[0] != 0])


@pytest.mark.parametrize("upsample", [False, True])
def test_stacked_reads_the_flow_of_a_network_that_stays_as_it_is(upsample):
    model, clips = stacked(upsample), pairs()
    assert model.upsamples is upsample
    before = {name: value.clone() for name, value in model.flow_net.state_dict().items()}
    recipe = Recipe(**{**afn.RECIPES["tiny"]["two_frame"], "steps": 2, "batch": 2, "schedule": None})
    fit(model, recipe, [(clip, n) for n, clip in enumerate(clips)], classification_loss, progress=False)
    assert all(torch.equal(value, before[name]) for name, value in model.flow_net.state_dict().items())
    assert not any(module.training for module in model.train().flow_net.modules())
    assert model.classifier.training
    model.eval()
    with torch.no_grad():
        flow = model.flow_net.flow(clips)[-1][:, 0]
        assert flow.shape == (2, 2, 16, 16)
        if upsample:
            flow = F.interpolate(flow, (32, 32), mode="bilinear")
        torch.testing.assert_close(model(clips), model.classifier(flow))


def test_stacked_has_no_conv1_and_no_pool1():
    with torch.device("meta"):
        flow_net = afn.two_frame_network(101)
        net, plain = afn.stacked_network(101, flow_net).classifier.eval(), torchvision.models.resnet18(num_classes=101)
        maps, sizes = torch.zeros(1, 2, 56, 56), []
        for stage in net.stages.values():
            maps = stage(maps)
            sizes.append(tuple(maps.shape[1:]))
    assert sizes == [(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]
    own, theirs = ({name: tuple(p.shape) for name, p in one.named_parameters()} for one in (net, plain))
    assert set(theirs) - set(own) == {"conv1.weight", "bn1.weight", "bn1.bias"}
    assert {name for name in own if own[name] != theirs.get(name)} == {
        "layer1.0.conv1.weight",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.weight",
        "layer1.0.downsample.1.bias",
    }
    assert own["layer1.0.conv1.weight"] == (64, 2, 3, 3)


@pytest.mark.parametrize("frames", [2, 8])
def test_they_can_learn(frames):
    fields = 1 if frames == 2 else frames
    batch = pairs(4, 16, frames), truth(4, 16, fields), torch.arange(4)
    easy = (
        batch[0],
        torch.ones(4, fields, 2, 16, 16) * torch.tensor([1.0, -1.0, 2.0, 0.0]).reshape(4, 1, 1, 1, 1),
        batch[2],
    )
    assert overfit_one_batch(tiny(frames), afn.flow_loss, easy, steps=150, fraction=0.25).step > 1
    assert overfit_one_batch(tiny(frames), afn.multitask_loss, easy, steps=150, fraction=0.25).step > 1
    assert overfit_one_batch(tiny(frames), classification_loss, batch, steps=60).step > 1
    if frames == 2:
        assert overfit_one_batch(stacked(), classification_loss, batch, steps=80).step > 1


# --- recipes, errors --------------------------------------------------------------------------------------------------


def test_the_recipe_is_the_papers_and_all_networks_see_equally_many_samples():
    recipe = Recipe(**afn.RECIPES["paper"]["two_frame"])
    assert (recipe.optimizer, recipe.steps, recipe.batch) == (torch.optim.Adam, 40_000, 128)
    assert dict(recipe.options) == {"lr": 1e-4}
    assert recipe.schedule is None
    for recipes in afn.RECIPES.values():
        two, many = (Recipe(**recipes[sees]) for sees in ("two_frame", "multi_frame"))
        assert two.steps * two.batch == many.steps * many.batch


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="encoder and decoder must both be over time or both not"):
        afn.ActionFlowNet(resnet_tiny(4, in_channels=6), afn.FlowDecoder3D((16, 32, 64, 128)))
    with pytest.raises(ValueError, match=r"clips, with stacked frames, must be \(B, 6, H, W\); got \(2, 9, 32, 32\)"):
        tiny()(pairs(frames=3))
    with pytest.raises(ValueError, match="sides that are multiples of 32 pixels"):
        tiny().flow(pairs(size=40))
    with pytest.raises(ValueError, match="over time a multiple of 8 frames"):
        tiny(16).flow(pairs(frames=6))
    with pytest.raises(ValueError, match="flow needs a decoder"):
        afn.one_frame_network(4, size="tiny").flow(pairs(frames=1))
    with pytest.raises(ValueError, match="flow_net must predict flow of two frames"):
        afn.stacked_network(4, afn.one_frame_network(4, size="tiny"), size="tiny")
    with pytest.raises(ValueError, match="translation and rotation are for pairs"):
        afn.clip_view(16, with_flow=True, translation=0.2)
    with pytest.raises(ValueError, match="at least one pixel that counts"):
        afn.epe_loss([torch.zeros(1, 1, 2, 4, 4)], torch.full((1, 1, 2, 4, 4), torch.nan))
