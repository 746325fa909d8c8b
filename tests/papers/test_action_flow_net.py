from dataclasses import dataclass
from functools import partial

import fakes
import pytest
import torch
import torch.nn.functional as F
import torchvision

from labkit import flow as fl
from labkit import world
from labkit.backbones import cross_modality_init, load_weights, source_weights
from labkit.backbones.resnet import resnet_tiny
from labkit.backbones.resnet3d import inflate
from labkit.clips import Clips
from labkit.losses import classification_loss
from labkit.papers import action_flow_net as afn
from labkit.training import Recipe, evaluate, fit, overfit_one_batch
from labkit.views import RGB


@dataclass
class FakeClip(fakes.FakeClip):
    """Red is dx of the flow that starts there, green dy."""

    num_frames: int = 20
    height: int = 20
    width: int = 24

    def __post_init__(self):
        super().__post_init__()
        self.ahead = self.all_frames[:-1, :2].float()

    def flow(self, indices, *, backward=False):
        return super().flow(indices, backward=backward).clone()


class FakeClips(Clips):
    def __init__(self, clips):
        self.all, self.classes = clips, ("a", "b", "c", "d")
        self.labels = torch.tensor([clip.label for clip in clips])
        self.groups = torch.zeros_like(self.labels)

    def __getitem__(self, index):
        return self.all[index]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pairs(batch=2, size=32, frames=2, seed=0):
    return torch.randn(batch, frames, 3, size, size, generator=seeded(seed))


def truth(batch=2, size=32, fields=1, seed=1):
    return torch.randn(batch, fields, 2, size, size, generator=seeded(seed))


def tiny(frames=2, classes=4):
    torch.manual_seed(0)
    return (afn.two_frame_tiny if frames == 2 else afn.multi_frame_tiny)(classes)


def stacked(upsample=False):
    return afn.stacked_tiny(4, tiny(), upsample=upsample)


PLAIN = {"short_side": None, "flip": False, "jitter": 0.0}
WHOLE = {**PLAIN, "crop_size": 20, "crop_scales": (20,)}


def levels(frames):
    """Frames as they were before they were normalised."""
    return RGB().to_image(frames)


# --- views ------------------------------------------------------------------------------------------------------------


def test_flow_leads_from_each_frame_to_the_next_and_from_the_last_to_one_never_shown():
    clip = FakeClip(width=20)
    view, starts = afn.clip_view(16, **WHOLE, with_flow=True), set()
    for seed in range(60):
        frames, flow, label = view.train(clip, seeded(seed))
        assert frames.shape == (16, 3, 20, 20)
        assert label == 1
        start = next(s for s in range(20) if torch.equal(clip.all_frames[s], levels(frames)[0]))
        assert torch.equal(levels(frames), clip.all_frames[start : start + 16])
        assert torch.equal(flow, clip.ahead[start : start + 16])  # the last: from frame start + 15 to start + 16
        starts.add(start)
    assert starts == {0, 1, 2, 3}  # frame start + 16 exists
    alone = afn.clip_view(16, **WHOLE)
    assert len({alone.train(clip, seeded(seed))[0][0, 0, 0, 0].item() for seed in range(60)}) == 5
    frames, flow, _ = afn.clip_view(2, **WHOLE, with_flow=True).train(clip, seeded())
    assert (frames.shape, flow.shape) == ((2, 3, 20, 20), (1, 2, 20, 20))
    assert torch.equal(flow[0], levels(frames)[0, :2].float())


@pytest.mark.parametrize(("alone", "beside"), [(16, 16), (1, 2)])
def test_training_views_without_flow_can_have_the_frames_of_those_with_it(alone, beside):
    """Otherwise the last start, after whose frames there is no flow, would be theirs alone, and shift all samples."""
    clip, crops = FakeClip(num_frames=18), {**PLAIN, "flip": True, "crop_size": 12, "crop_scales": (20, 16, 12)}
    names = afn.clip_view(alone, **crops, leaves_room=True)
    both = afn.clip_view(beside, **crops, with_flow=True)
    for seed in range(40):
        frames, flow, _ = both.train(clip, seeded(seed))
        assert flow.isfinite().all()
        assert torch.equal(names.train(clip, seeded(seed))[0], frames[:alone])
    tests = [view.test(clip, 9, generator=seeded())[0] for view in (names, afn.clip_view(alone, **crops))]
    assert torch.equal(*tests)  # the last frames are tested all the same


def test_a_smaller_image_has_shorter_flow():
    clip = FakeClip(num_frames=3, width=20)
    for options in ({"crop_scales": (20,)}, {"crop_scales": (10,), "short_side": 10}):
        view = afn.clip_view(2, **{**PLAIN, "crop_size": 10, "with_flow": True, **options})
        _, flow, _ = view.train(clip, seeded())
        expected = [fl.resize_flow(clip.ahead[s : s + 1], (10, 10)) for s in (0, 1)]
        assert any(torch.allclose(flow, other) for other in expected)


def test_what_is_not_known_is_nan():
    short = FakeClip(num_frames=6, width=20)
    frames, flow, _ = afn.clip_view(8, **WHOLE, with_flow=True).train(short, seeded())
    assert torch.equal(levels(frames), short.all_frames[[0, 1, 2, 3, 4, 5, 5, 5]])
    assert torch.equal(flow[:5], short.ahead)
    assert flow[5:].isnan().all()  # from the last frame on, nobody knows
    masked = FakeClip(num_frames=2, width=20)
    masked.valid = lambda indices: torch.arange(20).expand(len(indices), 20, 20) > 4
    frames, flow = afn.frames_and_flow(afn.clip_view(2, **WHOLE), masked)
    assert flow[..., :5].isnan().all()
    assert torch.equal(flow[..., 5:], masked.ahead[..., 5:])
    assert torch.equal(levels(frames), masked.all_frames)


def test_frames_and_their_flow_from_the_middle_of_a_clip():
    clip = FakeClip()
    for length, start in ((16, 2), (2, 9)):  # 0 to 3 have flow from the last of 16 frames, 0 to 18 from the first of 2
        view = afn.clip_view(length, **PLAIN, crop_size=12)
        frames, flow = afn.frames_and_flow(view, clip)
        assert torch.equal(levels(frames), clip.all_frames[start : start + length])
        assert torch.equal(flow, clip.ahead[start : start + (1 if length == 2 else length)])
        frames, flow = afn.frames_and_flow(view, clip, 1, whole=False)
        assert torch.equal(levels(frames), clip.all_frames[1 : 1 + length, :, 4:16, 6:18])
        assert torch.equal(flow[0], clip.ahead[1, :, 4:16, 6:18])


def test_a_network_on_given_flow_sees_the_field_instead():
    clip = FakeClip(width=20)
    view, signs = afn.flow_view(short_side=None, crop_size=20, crop_scales=(20,)), set()
    for seed in range(20):
        field, label = view.train(clip, seeded(seed))
        assert (field.shape, label) == ((1, 2, 20, 20), 1)
        signs.add(torch.sign(field[0, 0].mean()).item())
    assert signs == {-1.0, 1.0}
    views, _ = view.test(clip, 3, generator=seeded())
    assert views.shape == (30, 1, 2, 20, 20)
    assert torch.equal(views[5:10], fl.flip_flow(views[:5]))


def test_tests_see_random_segments_of_frames_alone():
    clip = FakeClip()
    for with_flow in (False, True):
        view = afn.clip_view(8, **PLAIN, with_flow=with_flow, crop_size=16)
        views, label = view.test(clip, 5, generator=seeded(3))
        assert (views.shape, label) == ((25, 8, 3, 16, 16), 1)
        for sample, start in enumerate(torch.randint(20 - 8 + 1, (5,), generator=seeded(3)).tolist()):
            assert torch.equal(levels(views[5 * sample]), clip.all_frames[start : start + 8, :, :16, :16])


def test_jitter_is_for_actions():
    clip = FakeClip(num_frames=2, width=20)
    for seed in range(20):
        plain, jittered = (
            afn.clip_view(2, **{**WHOLE, "jitter": jitter}, with_flow=True).train(clip, seeded(seed))
            for jitter in (0.0, 0.4)
        )
        assert torch.equal(plain[1], jittered[1])  # the flow
        change = (jittered[0] - plain[0]).movedim(1, 0).flatten(1)  # (3, T * H * W)
        assert change.std(dim=1).min() > 0.02  # contrast and saturation, not the same colour added to every pixel
    settings = [afn.clip_view(**kind) for kind in (afn.CHAIRS, afn.FLOW, afn.ACTIONS)]
    assert [view.jitter.keywords["strength"] for view in settings] == [0.0, 0.0, 0.4]
    assert [(view.transform and view.transform.keywords, view.short_side) for view in settings] == [
        ({"translation": 0.2, "rotation": 17.0}, None),
        (None, 256),
        (None, 256),
    ]


# --- translated and rotated pairs -------------------------------------------------------------------------------------


def motions(monkeypatch, *matrices):
    made = iter([torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64) for rows in matrices])
    monkeypatch.setattr(afn, "_motion", lambda *anything: next(made))


def test_a_shift_by_hand(monkeypatch):
    """Both frames go 3 to the right and 1 down, the second one 2 further up."""
    motions(monkeypatch, [[1, 0, 3], [0, 1, 1]], [[1, 0, 0], [0, 1, -2]])
    frames, flow = torch.rand(2, 3, 10, 12), torch.rand(1, 2, 10, 12)
    moved, new = afn.translate_and_rotate(frames, flow)
    torch.testing.assert_close(moved[0, :, 1:, 3:], frames[0, :, :-1, :-3])
    torch.testing.assert_close(moved[1, :, :-1, 3:], frames[1, :, 1:, :-3])
    torch.testing.assert_close(new[..., 1:, 3:], flow[..., :-1, :-3] + torch.tensor([0.0, -2.0])[:, None, None])
    assert new[..., 0, :].isnan().all()
    assert new[..., :3].isnan().all()


def test_training_pairs_are_moved_if_asked(monkeypatch):
    motions(monkeypatch, [[1, 0, 3], [0, 1, 1]], [[1, 0, 0], [0, 1, -2]])
    clip = FakeClip(num_frames=2, width=20)
    _, flow, _ = afn.clip_view(2, **WHOLE, with_flow=True, translation=0.2, rotation=17.0).train(clip, seeded())
    torch.testing.assert_close(flow[..., 1:, 3:], clip.ahead[..., :-1, :-3] + torch.tensor([0.0, -2.0])[:, None, None])
    assert flow[..., :3].isnan().all()


def test_a_quarter_turn_by_hand(monkeypatch):
    """About the middle of 9 x 9 pixels, clockwise as seen: what lay right lies below, and moves there."""
    motions(monkeypatch, [[0, -1, 8], [1, 0, 0]], [[1, 0, 0], [0, 1, 0]])
    frames, flow = torch.rand(2, 3, 9, 9), torch.zeros(1, 2, 9, 9)
    flow[:, 0] = 2.0  # to the right
    moved, new = afn.translate_and_rotate(frames, flow)
    torch.testing.assert_close(moved, torch.rot90(frames, -1, (2, 3)))
    torch.testing.assert_close(new[0, :, 4, 4], torch.tensor([0.0, 2.0]))


def test_new_flow_still_leads_from_the_first_frame_to_the_second():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")

    def scene(x, y):
        return torch.stack([torch.sin(x / 5 + y / 9), torch.cos(x / 8 - y / 6), torch.sin(y / 7)])

    frames = torch.stack([scene(x, y), scene(x - 2, y + 1)])
    flow = torch.tensor([2.0, -1.0])[None, :, None, None].expand(1, 2, 64, 64)
    for draw in range(5):
        moved, new = afn.translate_and_rotate(frames, flow, generator=seeded(draw))
        known = torch.isfinite(new).all(1)[0]
        back, inside = fl.backward_warp(moved[1:], new.nan_to_num())
        far = (back - moved[:1]).abs().amax(1)[0][known & inside[0]]
        assert known.float().mean() > 0.3
        assert far.quantile(0.9) < 0.05
        assert (new[0, :, known] - flow[0, :, known]).abs().max() > 0.3  # another motion than before


def test_motion_is_drawn_within_its_limits():
    drawn = torch.stack([afn._motion(40, 60, 12.0, 17.0, seeded(d)) for d in range(300)])
    angles = torch.rad2deg(torch.atan2(drawn[:, 1, 0], drawn[:, 0, 0]))
    assert -17 <= angles.min() < -15
    assert 15 < angles.max() <= 17
    middle = torch.tensor([29.5, 19.5, 1.0], dtype=torch.float64)
    moved = drawn @ middle - middle
    assert moved[:, :2].abs().max() <= 12
    assert moved[:, :2].abs().max() > 11


# --- shapes of the text -----------------------------------------------------------------------------------------------


def shapes(flows):
    return [tuple(flow.shape[1:]) for flow in flows]


def test_sixteen_fields_come_out_of_sixteen_frames():
    with torch.device("meta"):
        model, clips = afn.multi_frame_paper(101).eval(), torch.zeros(1, 16, 3, 224, 224)
        assert shapes(model.maps(clips)) == [(64, 16, 56, 56), (128, 8, 28, 28), (256, 4, 14, 14), (512, 2, 7, 7)]
        assert shapes(model.flow(clips)) == [(16, 2, 56, 56)]
        assert model(clips).shape == (1, 101)
        assert shapes(afn.multi_frame_tiny(18).eval().flow(torch.zeros(1, 8, 3, 48, 48))) == [(8, 2, 24, 24)]


def test_four_scales_come_out_of_two_frames():
    with torch.device("meta"):
        model, clips = afn.two_frame_paper(101).eval(), torch.zeros(1, 2, 3, 224, 224)
        assert model.encoder.conv1.in_channels == 6
        assert shapes(model.flow(clips)) == [(1, 2, side, side) for side in (7, 14, 28, 56)]
        assert shapes(tiny().eval().to("meta").flow(torch.zeros(1, 2, 3, 48, 48))) == [
            (1, 2, side, side) for side in (3, 6, 12, 24)
        ]


def test_layers_of_the_decoders():
    with torch.device("meta"):
        two, many = afn.two_frame_paper(101).decoder, afn.multi_frame_paper(101).decoder
    assert [(d.in_channels, d.out_channels) for d in two.deconvolutions] == [(512, 256), (514, 128), (258, 64)]
    assert [(d.in_channels, d.out_channels) for d in many.deconvolutions] == [(512, 256), (512, 128), (256, 64)]
    assert {(d.kernel_size, d.stride) for d in two.deconvolutions} == {((4, 4), (2, 2))}
    assert {(d.kernel_size, d.stride) for d in many.deconvolutions} == {((3, 4, 4), (2, 2, 2))}
    assert [p.in_channels for p in two.predictions] == [512, 514, 258, 130]
    assert (many.prediction.in_channels, many.prediction.kernel_size) == (128, (3, 3, 3))


def test_parameters_beside_the_text():
    """ "approximately half the number of parameters of the Stacked model", which has "about 2x" those of a ResNet."""
    count = afn.parameter_count
    with torch.device("meta"):
        two, many = afn.two_frame_paper(101), afn.multi_frame_paper(101)
        both, large = (afn.stacked_paper(101, afn.two_frame_paper(101), upsample=up) for up in (False, True))
        plain = torchvision.models.resnet18(num_classes=101)
        small, small_stacked = afn.two_frame_tiny(18), afn.stacked_tiny(18, afn.two_frame_tiny(18))
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
        return model.eval().maps(pairs(size=size, frames=frames))


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


@pytest.mark.parametrize(("level", "changed"), [(0, [3]), (1, [2, 3]), (2, [1, 2, 3]), (3, [0, 1, 2, 3])])
def test_each_skip_enters_where_its_maps_are_as_large(level, changed):
    model, maps = tiny(), maps_of(tiny())
    with torch.no_grad():
        before = model.decoder(maps)
        maps[level] = maps[level] + 1
        after = model.decoder(maps)
    assert [i for i in range(4) if not torch.equal(before[i], after[i])] == changed


@pytest.mark.parametrize("level", range(4))
def test_each_skip_enters_over_time(level):
    model, maps = tiny(16), maps_of(tiny(16), frames=8)
    with torch.no_grad():
        (before,) = model.decoder(maps)
        maps[level] = maps[level] + 1
        (after,) = model.decoder(maps)
    assert (before != after).float().mean() > 0.9


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
def test_which_parameters_each_loss_teaches(frames):
    model = tiny(frames).train()
    batch = pairs(frames=frames), truth(fields=1 if frames == 2 else frames), torch.tensor([1, 3])
    names = {name for name, _ in model.named_parameters()}
    parts = {part: {name for name in names if name.startswith(part)} for part in ("decoder.", "encoder.fc.")}
    for loss, untaught in (
        (afn.flow_loss, parts["encoder.fc."]),
        (classification_loss, parts["decoder."]),
        (afn.multitask_loss, set()),
    ):
        model.zero_grad()
        loss(model, batch)[0].backward()
        taught = {name for name, one in model.named_parameters() if one.grad is not None and one.grad.any()}
        assert taught == names - untaught


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "layers"), [(2, 10), (8, 4)])
def test_no_layer_of_the_decoder_runs_to_classify(frames, layers):
    model, clips = tiny(frames), pairs(frames=frames)
    labels = torch.tensor([0, 1])
    assert afn.decoder_calls(model, lambda: model(clips)) == 0
    assert afn.decoder_calls(model, lambda: classification_loss(model, (clips, labels))) == 0
    assert afn.decoder_calls(model, lambda: evaluate(model, [(clips, 1)], progress=False)) == 0
    assert afn.decoder_calls(model, lambda: model.flow(clips)) == layers
    assert afn.decoder_calls(model, lambda: model.both(clips)) == layers
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
        nets = [afn.multi_frame_paper(9), afn.two_frame_paper(9), afn.one_frame_paper(9)]
        heads = [net.encoder for net in nets] + [afn.stacked_paper(9, nets[1]).classifier]
    assert [head.dropout.p for head in heads] == [0.5] * 4
    torch.manual_seed(0)
    net = afn.two_frame_tiny(4).train()
    given = []
    net.encoder.fc.register_forward_pre_hook(lambda layer, inputs: given.append(inputs[0]))
    maps = torch.rand(40, net.encoder.fc.in_features, 3, 3) + 1
    net.encoder.classify(maps)
    assert (given[0] == 0).double().mean().item() == pytest.approx(0.5, abs=0.05)  # of the averaged channels
    torch.testing.assert_close(given[0][given[0] != 0], 2 * maps.mean((2, 3))[given[0] != 0])


@pytest.mark.parametrize("upsample", [False, True])
def test_stacked_reads_the_flow_of_a_net_that_stays_as_it_is(upsample):
    model, clips = stacked(upsample), pairs()
    assert model.upsamples is upsample
    before = {name: value.clone() for name, value in model.flow_net.state_dict().items()}
    recipe = Recipe(**{**afn.TINY, "steps": 2, "batch": 2})
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
        flow_net = afn.two_frame_paper(101)
        net, plain = afn.stacked_paper(101, flow_net).classifier.eval(), torchvision.models.resnet18(num_classes=101)
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


def test_nets_on_one_image_and_on_given_flow():
    image, field = afn.one_frame_tiny(4), afn.one_frame_tiny(4, in_channels=2)
    source = resnet_tiny(24)
    load_weights(source, source_weights("resnet"))
    cross_modality_init(image.encoder, source, other_strides=True)
    assert torch.equal(image.encoder.layer3[0].conv1.weight, source.layer3[0].conv1.weight)
    assert image(pairs(frames=1)).shape == (2, 4)
    assert field(truth()).shape == (2, 4)
    many = afn.multi_frame_tiny(4)
    inflate(many.encoder, source, other_strides=True)
    torch.testing.assert_close(many.encoder.conv1.weight.sum(2), source.conv1.weight)


@pytest.mark.parametrize("frames", [2, 8])
def test_they_can_learn(frames):
    fields = 1 if frames == 2 else frames
    batch = pairs(4, 16, frames), truth(4, 16, fields), torch.arange(4)
    easy = (
        batch[0],
        torch.ones(4, fields, 2, 16, 16) * torch.tensor([1.0, -1.0, 2.0, 0.0]).reshape(4, 1, 1, 1, 1),
        batch[2],
    )
    assert overfit_one_batch(tiny(frames), afn.flow_loss, easy, steps=150, fraction=0.25).steps > 1
    assert overfit_one_batch(tiny(frames), afn.multitask_loss, easy, steps=150, fraction=0.25).steps > 1
    assert overfit_one_batch(tiny(frames), classification_loss, batch, steps=60).steps > 1
    if frames == 2:
        assert overfit_one_batch(stacked(), classification_loss, batch, steps=80).steps > 1


# --- flow of any picture, errors --------------------------------------------------------------------------------------


def constant(model, dx, dy):
    """A net that says the same flow everywhere."""
    for name, value in model.decoder.named_parameters():
        value.data.zero_()
        if name in ("predictions.3.bias", "prediction.bias"):
            value.data.copy_(torch.tensor([dx, dy]))
    return model.eval()


@pytest.mark.parametrize("frames", [2, 8])
def test_pictures_of_any_size_have_flow_as_large(frames):
    model = constant(tiny(frames), 3.0, 2.0)
    clips = torch.randn(2, frames, 3, 24, 40)
    found = afn.full_flow(model, clips, multiple=16)
    assert found.shape == (2, 1 if frames == 2 else frames, 2, 24, 40)
    expected = torch.tensor([3.0 * 40 / 48, 2.0 * 24 / 32])[:, None, None].expand_as(found)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        afn.full_flow(model, torch.randn(1, frames, 3, 32, 32), 16)[0, 0, :, 5, 5], torch.tensor([3.0, 2.0])
    )


def test_flow_errors_by_hand():
    goal = torch.zeros(2, 3, 2, 2, 2)
    goal[:, 0, 0], goal[:, 1, 0], goal[:, 2, 0] = 1.0, 3.0, 7.0
    goal[1, 2, :, 0] = torch.nan  # half of the last field
    goal[1, 2, 0, 1] = 17.0
    data = [(torch.zeros(3, 3, 2, 2), field) for field in goal]
    errors = afn.flow_errors(
        lambda clips: torch.full((len(clips), 3, 2, 2, 2), 2.0) * torch.tensor([1.0, 0])[:, None, None], data, 1
    )
    assert errors.zero.tolist() == [1, 3, pytest.approx((7 * 4 + 17 * 2) / 6)]
    assert errors.net.tolist() == [1, 1, pytest.approx((5 * 4 + 15 * 2) / 6)]
    assert errors.copy[0].isnan()
    assert errors.copy[1:].tolist() == [2, pytest.approx((4 * 4 + 14 * 2) / 6)]
    assert afn.flow_errors(lambda clips: clips[:, :, :2] + torch.nan, data).net.isnan().all()  # no estimate is an error


def test_they_train_and_are_measured_on_the_world():
    """Chairs, then actions with flow, as the notebook does, for a step each."""
    torch.manual_seed(0)
    crops = {"crop_size": 16, "short_side": None, "crop_scales": (24, 16)}
    chairs = world.FlowPairs(seed=1000, size=24, number=5)
    model, recipe = afn.two_frame_tiny(4), Recipe(**{**afn.TINY, "steps": 1, "batch": 2})
    seen = fit(
        model,
        recipe,
        chairs.map(afn.clip_view(**{**afn.CHAIRS, **crops}).train),
        afn.flow_loss,
        progress=False,
    )
    assert seen[0].shown["epe"] > 0
    pairs = chairs.map(partial(afn.frames_and_flow, afn.clip_view(2, **crops)))
    errors = afn.flow_errors(partial(afn.full_flow, model.eval(), multiple=16), pairs)
    assert errors.zero.item() == pytest.approx(
        torch.stack([pair.flow([0])[0].norm(dim=0) for pair in chairs]).mean().item()
    )
    assert errors.net.shape == (1,)
    clips = FakeClips([FakeClip(num_frames=9, width=20, label=n, seed=n) for n in range(2)])
    many = afn.multi_frame_tiny(4)
    taught = clips.map(afn.clip_view(8, with_flow=True, crop_size=16, short_side=None, crop_scales=(16, 20)).train)
    assert {"accuracy", "epe"} <= set(fit(many, recipe, taught, afn.multitask_loss, progress=False)[0].shown)
    tested = clips.map(partial(afn.clip_view(8, crop_size=16, short_side=None).test, num_samples=2))
    assert evaluate(many, tested, progress=False).clips.shape == (40, 4)


# --- recipes, errors --------------------------------------------------------------------------------------------------


def test_the_recipe_is_the_papers():
    recipe = Recipe(**afn.PAPER)
    assert (recipe.optimizer, recipe.steps, recipe.batch) == (torch.optim.Adam, 40_000, 128)
    assert dict(recipe.options) == {"lr": 1e-4}
    assert recipe.schedule is None


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="encoder and decoder must both be over time or both not"):
        afn.ActionFlowNet(resnet_tiny(4, in_channels=6), afn.FlowDecoder3D((16, 32, 64, 128)))
    with pytest.raises(ValueError, match="clips must have 6 channels, all frames together; got 3 frames of 3"):
        tiny()(pairs(frames=3))
    with pytest.raises(ValueError, match="multiples of 32 pixels"):
        tiny().flow(pairs(size=40))
    with pytest.raises(ValueError, match="frames a multiple of 8"):
        tiny(16).flow(pairs(frames=6))
    with pytest.raises(ValueError, match="flow needs a decoder"):
        afn.one_frame_tiny(4).flow(pairs(frames=1))
    with pytest.raises(ValueError, match="flow_net must predict flow of two frames"):
        afn.stacked_tiny(4, afn.one_frame_tiny(4))
    with pytest.raises(ValueError, match="translation and rotation are for pairs"):
        afn.clip_view(16, with_flow=True, translation=0.2)
    with pytest.raises(ValueError, match="at least one pixel that counts"):
        afn.epe_loss([torch.zeros(1, 1, 2, 4, 4)], torch.full((1, 1, 2, 4, 4), torch.nan))
