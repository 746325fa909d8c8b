import itertools
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from fakes import FakeClip
from torch.utils.data import Dataset
from torchvision.transforms.v2.functional import resize

from labkit import flow
from labkit.backbones import load_weights, save_weights
from labkit.clips import Clips
from labkit.losses import classification_loss
from labkit.papers import two_stream as ts
from labkit.training import Recipe, batches, evaluate, fit, overfit_one_batch, shared_batches, uniform_over_classes

CLASSES = ("wave", "clap", "jump")


class FakeClips(Clips):
    def __init__(self, classes, labels, **sizes):
        self.classes, self.labels, self.sizes = classes, torch.tensor(labels), sizes
        self.groups = torch.zeros(len(labels), dtype=torch.int64)

    def __getitem__(self, index):
        return FakeClip(label=int(self.labels[index]), seed=index, **self.sizes)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def windows(volume, size):
    """Every window of a volume, and the place of each."""
    places = itertools.product(range(volume.shape[-2] - size + 1), range(volume.shape[-1] - size + 1))
    return {(y, x): volume[..., y : y + size, x : x + size] for y, x in places}


# --- the input of the temporal stream ---------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 5, 10])
def test_equation_1_on_a_clip(length):
    clip = FakeClip()
    view = ts.FlowInput(length=length, subtract_mean=False)
    (volume,) = view.volumes(clip, torch.tensor([3]))
    assert volume.shape == (2 * length, 12, 15)
    for k in range(1, length + 1):  # eq. (1), counted as the paper does
        assert torch.equal(volume[2 * k - 2], clip.ahead[3 + k - 1, 0])
        assert torch.equal(volume[2 * k - 1], clip.ahead[3 + k - 1, 1])


def test_half_the_fields_lie_behind_and_start_where_backward_flow_starts():
    clip = FakeClip()
    (volume,) = ts.FlowInput(length=4, bidirectional=True, subtract_mean=False).volumes(clip, torch.tensor([5]))
    # between tau and tau + 2: 5 -> 6, 6 -> 7; between tau - 2 and tau: 5 -> 4, 4 -> 3
    expected = torch.cat([clip.ahead[5], clip.ahead[6], clip.behind[5], clip.behind[4]])
    assert torch.equal(volume, expected)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_trajectories_are_those_of_the_flow_package(bidirectional):
    clip = FakeClip()
    view = ts.FlowInput(length=6, bidirectional=bidirectional, trajectories=True, subtract_mean=False)
    (volume,) = view.volumes(clip, torch.tensor([4]))
    if bidirectional:
        ahead, behind = clip.ahead[4:7], clip.behind[[4, 3, 2]]
        expected = torch.cat([flow.trajectory_stacking(ahead), flow.trajectory_stacking(behind)])
    else:
        expected = flow.trajectory_stacking(clip.ahead[4:10])
    assert torch.equal(volume, expected)


def test_means_are_subtracted_over_the_whole_frame_before_a_window_is_cut():
    clip = FakeClip()
    clip.ahead += 7  # the camera
    for trajectories in (False, True):
        with_mean = ts.FlowInput(length=3, trajectories=trajectories, subtract_mean=False, size=6, flip=False)
        without = ts.FlowInput(length=3, trajectories=trajectories, size=6, flip=False)
        raw, centred = (view.volumes(clip, torch.tensor([2]))[0] for view in (with_mean, without))
        torch.testing.assert_close(centred, raw - raw.mean(dim=(1, 2), keepdim=True))
        view, _ = without.training_view(clip, seeded(1))
        assert view.mean(dim=(1, 2)).abs().min() > 1e-4  # a window of its own has another mean


@pytest.mark.parametrize(
    ("view", "num_frames", "expected"),
    [
        (ts.FlowInput(length=10), 16, range(0, 6)),  # the last stack: fields 5 to 14, from frame 14 to 15
        (ts.FlowInput(length=10), 11, range(0, 1)),
        (ts.FlowInput(length=10), 6, range(0, 1)),
        (ts.FlowInput(length=1), 16, range(0, 15)),
        (ts.FlowInput(length=10, bidirectional=True), 16, range(5, 11)),
        (ts.FlowInput(length=10, bidirectional=True), 7, range(3, 4)),
        (ts.FlowInput(length=2, bidirectional=True), 2, range(0, 1)),
        (ts.FrameInput(), 16, range(0, 16)),
        (ts.FrameInput(length=11), 16, range(0, 6)),
        (ts.FrameInput(length=11), 3, range(0, 1)),
    ],
)
def test_places_to_look_at_by_hand(view, num_frames, expected):
    assert view.starts(num_frames) == expected


@pytest.mark.parametrize("num_frames", range(2, 14))
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_place_has_its_fields_and_short_clips_repeat_the_last_one(num_frames, bidirectional):
    clip = FakeClip(num_frames)
    view = ts.FlowInput(length=6, bidirectional=bidirectional, subtract_mean=False)
    for start in view.starts(num_frames):
        (volume,) = view.volumes(clip, torch.tensor([start]))
        steps = range(3) if bidirectional else range(6)
        fields = [clip.ahead[min(start + k, num_frames - 2)] for k in steps]
        if bidirectional:
            fields += [clip.behind[max(start - k, 1)] for k in steps]
        assert torch.equal(volume, torch.cat(fields))
        if num_frames > 6:
            assert len({field.sum().item() for field in fields}) == 6  # nothing repeated


def test_an_odd_number_of_fields_has_no_halves():
    with pytest.raises(ValueError, match="length must be an even number of fields, half of them each way; got 5"):
        ts.FlowInput(length=5, bidirectional=True)
    with pytest.raises(ValueError, match="length must be at least 1 field; got 0"):
        ts.FlowInput(length=0)


# --- views to train and to test ---------------------------------------------------------------------------------------


def test_training_views_are_windows_from_everywhere_half_of_them_mirrored_with_x_negated():
    clip, view = FakeClip(num_frames=5), ts.FlowInput(length=2, size=10)
    whole = {start: view.volumes(clip, torch.tensor([start]))[0] for start in view.starts(5)}
    known = {}
    for start, volume in whole.items():
        for place, window in windows(volume, 10).items():
            known[window.sum().item(), window[0, 0, 0].item()] = (start, *place, False)
            mirrored = window.flip(-1) * torch.tensor([-1.0, 1, -1, 1])[:, None, None]  # x of both fields
            known[mirrored.sum().item(), mirrored[0, 0, 0].item()] = (start, *place, True)
    generator, seen = seeded(), []
    for _ in range(1500):
        window, label = view.training_view(clip, generator)
        assert label == 1
        seen.append(known[window.sum().item(), window[0, 0, 0].item()])
    assert set(seen) == set(known.values())  # 3 times, 3 x 6 places, 2 sides
    for axis, choices in enumerate((3, 3, 6, 2)):
        counts = [[place[axis] for place in seen].count(value) for value in range(choices)]
        spread = math.sqrt(1500 / choices * (1 - 1 / choices))
        assert max(abs(count - 1500 / choices) for count in counts) < 5 * spread


def test_windows_from_the_centre_stay_there_and_unmirrored_views_stay_so():
    clip = FakeClip(num_frames=3, height=13, width=17)
    view = ts.FlowInput(length=1, size=8, centre=9, flip=False, subtract_mean=False)
    seen = set()
    generator = seeded()
    for _ in range(60):
        window, _ = view.training_view(clip, generator)
        seen |= {
            (start, place)
            for start in (0, 1)
            for place, one in windows(clip.ahead[start], 8).items()
            if torch.equal(one, window)
        }
    assert seen == {(start, (y, x)) for start in (0, 1) for y in (2, 3) for x in (4, 5)}  # rows 2-10, columns 4-12


def test_the_same_seed_gives_the_same_view_with_or_without_a_generator():
    clip = FakeClip()
    for view in (ts.FlowInput(size=8), ts.FrameInput(size=8), ts.FrameInput(size=8, length=3)):
        assert torch.equal(view.training_view(clip, seeded(4))[0], view.training_view(clip, seeded(4))[0])
        assert not torch.equal(view.training_view(clip, seeded(4))[0], view.training_view(clip, seeded(5))[0])
        drawn = []
        for _ in range(2):
            torch.manual_seed(4)
            drawn.append(view.training_view(clip)[0])
        assert torch.equal(*drawn)


def test_frames_are_normalised_and_jittered_as_a_whole():
    clip = FakeClip(num_frames=1, height=8, width=8)
    view = ts.FrameInput(size=8, flip=False, jitter=0.0, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0))
    plain, label = view.training_view(clip)
    expected = [(clip.all_frames[0, c].float() - m) / s for c, (m, s) in enumerate([(10, 2), (20, 4), (30, 5)])]
    assert plain.dtype == torch.float32
    torch.testing.assert_close(plain, torch.stack(expected))
    assert label == 1
    jittered, _ = ts.FrameInput(size=8, flip=False, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0)).training_view(clip)
    shift = (jittered - plain).flatten(1)
    torch.testing.assert_close(shift, shift[:, :1].expand_as(shift), atol=1e-4, rtol=0)
    assert shift.abs().min() > 0
    views, _ = view.test_views(clip, frames=1)
    torch.testing.assert_close(views[4], plain)  # the centre; nothing is jittered to test


def test_slow_fusion_sees_consecutive_frames_through_one_window():
    clip = FakeClip(num_frames=13)
    view = ts.FrameInput(length=11, size=10, flip=False, jitter=0.0, mean=(0.0,) * 3, std=(1.0,) * 3)
    found = []
    generator = seeded()
    for _ in range(60):
        window, _ = view.training_view(clip, generator)
        assert window.shape == (11, 3, 10, 10)
        for start in range(3):
            places = windows(clip.all_frames[start : start + 11].float(), 10)
            found += [start for one in places.values() if torch.equal(one, window)]
    assert len(found) == 60
    assert set(found) == {0, 1, 2}
    assert view.test_views(clip, frames=2)[0].shape == (2 * 5, 11, 3, 10, 10)


def test_test_views_are_25_frames_of_ten_windows_frame_by_frame():
    clip, view = FakeClip(num_frames=110, height=6, width=7), ts.FlowInput(length=10, size=5)
    views, label = view.test_views(clip)
    assert views.shape == (250, 20, 5, 5)
    assert label == 1
    starts = list(range(2, 100, 4))  # 100 places: the middle of each 25th
    for place, start in enumerate(starts):
        volume = flow.mean_flow_subtraction(flow.optical_flow_stacking(clip.ahead[start : start + 10]))
        five = [volume[:, y : y + 5, x : x + 5] for y, x in ((0, 0), (0, 2), (1, 0), (1, 2), (0, 1))]
        expected = torch.stack(five + [flow.flip_stack(window) for window in five])
        torch.testing.assert_close(views[10 * place : 10 * place + 10], expected, atol=1e-6, rtol=0)


def test_fields_that_stacks_share_are_read_once():
    clip = FakeClip(num_frames=20)
    ts.FlowInput(length=10, size=8).test_views(clip, frames=10)
    assert clip.reads == [list(range(19))]


def test_a_clip_with_few_places_starts_over_and_fewer_windows_are_the_first_ones():
    clip, view = FakeClip(num_frames=13), ts.FlowInput(length=10, size=8)  # starts 0, 1, 2
    views, _ = view.test_views(clip, frames=7)
    assert views.shape == (70, 20, 8, 8)
    frames = views.unflatten(0, (7, 10))
    for place, start in enumerate((0, 1, 2, 0, 1, 2, 0)):
        assert torch.equal(frames[place], frames[start])
    assert torch.equal(view.test_views(clip, frames=7, centre_only=True)[0], frames[:, 4])
    unflipped, _ = ts.FlowInput(length=10, size=8, flip=False).test_views(clip, frames=7)
    assert torch.equal(unflipped.unflatten(0, (7, 5)), frames[:, :5])


@pytest.mark.parametrize(("height", "width", "expected"), [(24, 30, (12, 15)), (45, 20, (27, 12)), (12, 16, (12, 16))])
def test_frames_and_flow_are_rescaled_beforehand(height, width, expected):
    clip = FakeClip(height=height, width=width)
    frames, fields = (view(size=12, short_side=12) for view in (ts.FrameInput, ts.FlowInput))
    seen = frames.volumes(clip, torch.tensor([3]))
    assert seen.shape == (1, 3, *expected)
    torch.testing.assert_close(seen[0], resize(clip.all_frames[3], expected))
    (stack,) = replace(fields, subtract_mean=False).volumes(clip, torch.tensor([2]))
    torch.testing.assert_close(stack, flow.resize_flow(clip.ahead[2:12], expected).flatten(0, 1))
    (stack,) = replace(fields, subtract_mean=False, bidirectional=True).volumes(clip, torch.tensor([7]))
    torch.testing.assert_close(stack[10:], flow.resize_flow(clip.behind[3:8].flip(0), expected).flatten(0, 1))


def test_a_frame_smaller_than_the_window_is_an_error():
    with pytest.raises(ValueError, match="size must be 1 to 12, to fit 12 x 15 pixels; got 224: resize"):
        ts.FlowInput().training_view(FakeClip())
    with pytest.raises(ValueError, match="got 224: resize"):
        ts.FrameInput().test_views(FakeClip())


def test_views_go_through_the_lab_s_own_training_and_evaluation():
    clips = FakeClips(("a", "b"), [0, 1, 0, 1], num_frames=4, height=60, width=64)
    view = ts.FlowInput(length=2, size=56)
    torch.manual_seed(0)
    net = ts.temporal_tiny(2, length=2)
    recipe = Recipe(**{**ts.FROM_SCRATCH_TINY, "steps": 2, "batch": 3, "schedule": None})
    history = fit(net, recipe, clips.map(view.training_view), classification_loss, device="cpu", progress=False)
    assert [sorted(step.shown) for step in history] == [["accuracy"], ["accuracy"]]
    scores = evaluate(net, clips.map(lambda clip: view.test_views(clip, frames=2)), progress=False)
    assert scores.clips.shape == (4 * 2 * 10, 2)
    torch.testing.assert_close(scores.videos.sum(dim=1), torch.ones(4))
    assert scores.labels.tolist() == [0, 1, 0, 1]


# --- slow fusion ------------------------------------------------------------------------------------------------------


def test_slow_fusion_is_three_convolutions_over_space_and_time():
    torch.manual_seed(0)
    net = ts.slow_fusion_tiny(5).eval()
    clips = torch.randn(2, 11, 3, 56, 56)

    def over_time(maps, conv, span, stride, padding):
        """The same weights as a 3-D convolution: (B, C, T, H, W)."""
        weight = conv.weight.unflatten(1, (span, -1)).movedim(1, 2)  # (out, C, span, k, k)
        padding = (0, padding, padding)
        return F.relu(F.conv3d(maps, weight, conv.bias, (2, stride, stride), padding))

    def each(layer, maps):
        """A layer for pictures, at each time by itself."""
        return torch.stack([layer(maps[:, :, t]) for t in range(maps.shape[2])], dim=2)

    layers = net.features
    x = over_time(clips.transpose(1, 2), layers.conv1, 5, 2, 0)
    assert x.shape[2] == 4
    x = each(layers.pool1, each(layers.norm1, x))
    x = over_time(x, layers.conv2, 2, 1, 2)
    assert x.shape[2] == 2
    x = each(layers.pool2, each(layers.norm2, x))
    x = over_time(x, layers.conv3, 2, 1, 1)
    assert x.shape[2] == 1
    x = F.relu(layers.conv5(F.relu(layers.conv4(x[:, :, 0]))))
    torch.testing.assert_close(net.taps(clips)["conv5"], x, atol=1e-4, rtol=1e-4)
    assert net(clips).shape == (2, 5)


def test_slow_fusion_uses_every_frame():
    torch.manual_seed(0)
    clips = torch.randn(1, 11, 3, 56, 56, requires_grad=True)
    ts.slow_fusion_tiny(5).eval()(clips).square().sum().backward()
    assert (clips.grad.abs().amax(dim=(0, 2, 3, 4)) > 0).all()


def test_slow_fusion_wants_eleven_frames():
    with pytest.raises(ValueError, match=r"clips must be \(B, 11, 3, 56, 56\); got \(1, 10, 3, 56, 56\)"):
        ts.slow_fusion_tiny(5)(torch.zeros(1, 10, 3, 56, 56))


# --- more data --------------------------------------------------------------------------------------------------------


def two_sets(seed=0):
    generator = seeded(seed)
    return [
        (torch.randn(3, 20, 56, 56, generator=generator), torch.tensor([0, 3, 2])),
        (torch.randn(2, 20, 56, 56, generator=generator), torch.tensor([1, 1])),
    ]


def test_multi_task_loss_is_the_sum_of_what_each_head_makes_of_its_own_set():
    torch.manual_seed(0)
    net = ts.multi_task_tiny((4, 3)).eval()
    (first, labels), (second, others) = batch = two_sets()
    logits = net(first, second)
    assert [tuple(part.shape) for part in logits] == [(3, 4), (2, 3)]
    torch.testing.assert_close(logits[0], net.logits(first, 0))
    torch.testing.assert_close(logits[1], net.logits(second, 1))
    value, shown = ts.multi_task_loss(net, batch)
    by_hand = [F.cross_entropy(net.logits(first, 0), labels), F.cross_entropy(net.logits(second, 1), others)]
    torch.testing.assert_close(value, by_hand[0] + by_hand[1])
    assert shown == pytest.approx({"loss of set 0": by_hand[0].item(), "loss of set 1": by_hand[1].item()})


def test_each_set_moves_the_trunk_and_its_own_head_only():
    torch.manual_seed(0)
    net = ts.multi_task_tiny((4, 3)).eval()
    batch = two_sets()
    ts.multi_task_loss(net, batch)[0].backward()
    both = {name: parameter.grad.clone() for name, parameter in net.named_parameters()}
    alone = []
    for task, (views, labels) in enumerate(batch):
        net.zero_grad()
        F.cross_entropy(net.logits(views, task), labels).backward()
        alone.append({name: p.grad for name, p in net.named_parameters() if p.grad is not None})
    assert "heads.1.weight" not in alone[0]
    assert "heads.0.weight" not in alone[1]
    torch.testing.assert_close(both["heads.0.weight"], alone[0]["heads.0.weight"])
    torch.testing.assert_close(both["heads.1.bias"], alone[1]["heads.1.bias"])
    name = "trunk.features.conv1.weight"
    torch.testing.assert_close(both[name], alone[0][name] + alone[1][name], atol=1e-6, rtol=1e-4)


def test_multi_task_takes_over_what_a_net_has_learned(tmp_path):
    torch.manual_seed(0)
    learned = ts.temporal_tiny(9)
    save_weights(tmp_path / "large.safetensors", learned, {"data": "noise", "seed": 0})
    fresh = ts.temporal_tiny(4)
    load_weights(fresh, tmp_path / "large.safetensors", skip=("classifier",))
    net = ts.MultiTask(fresh, (4, 3))
    views = torch.randn(2, 20, 56, 56)
    torch.testing.assert_close(net.eval().trunk(views), learned.eval().taps(views)["fc7"])
    assert [tuple(head.weight.shape) for head in net.heads] == [(4, 512), (3, 512)]
    with pytest.raises(ValueError, match="views must be a batch of each of 2 sets; got 1"):
        net(views)


def test_multi_task_trains_on_two_sets_through_a_loader_factory():
    view = ts.FlowInput(length=2, size=56)
    sizes = {"num_frames": 4, "height": 56, "width": 60}
    large = FakeClips(("a", "b"), [0, 1, 0, 1, 0], **sizes).map(view.training_view)
    small = FakeClips(("c", "d", "e"), [0, 1, 2], **sizes).map(view.training_view)
    torch.manual_seed(0)
    net = ts.MultiTask(ts.temporal_tiny(2, length=2), (2, 3))

    recipe = Recipe(torch.optim.SGD, {"lr": 1e-3}, steps=2, batch=4)
    pairs = shared_batches([large, small], recipe.batch, seed=0)
    history = fit(net, recipe, pairs, ts.multi_task_loss, device="cpu", progress=False)
    assert sorted(history[0].shown) == ["loss of set 0", "loss of set 1"]


class Numbered(Dataset):
    """Samples that tell where they are from."""

    def __init__(self, name, classes, labels):
        self.name, self.classes, self.labels = name, classes, torch.tensor(labels)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return f"{self.name} {index}", int(self.labels[index])


def test_added_classes_are_those_that_the_small_set_lacks():
    small = Numbered("small", ("wave", "clap"), [1, 0, 1])
    large = Numbered("large", ("ski", "clap", "run", "surf"), [2, 1, 0, 2, 3])
    joined = ts.AddedClasses(small, large)
    assert joined.classes == ("wave", "clap", "ski", "run", "surf")
    assert [joined[i] for i in range(len(joined))] == [
        ("small 0", 1), ("small 1", 0), ("small 2", 1),
        ("large 0", 3), ("large 2", 2), ("large 3", 3), ("large 4", 4),
    ]  # fmt: skip
    assert joined.labels.tolist() == [1, 0, 1, 3, 2, 3, 4]
    some = ts.AddedClasses(small, large, ["surf", "ski"])
    assert some.classes == ("wave", "clap", "ski", "surf")
    assert [some[i] for i in range(3, len(some))] == [("large 2", 2), ("large 4", 3)]


@pytest.mark.parametrize(
    ("added", "message"),
    [(["clap"], "got clap"), (["swim"], "got swim"), ([], "added must name at least one class")],
)
def test_classes_that_cannot_be_added(added, message):
    with pytest.raises(ValueError, match=message):
        ts.AddedClasses(Numbered("small", ("wave", "clap"), [0]), Numbered("large", ("ski", "clap"), [0, 1]), added)


def test_names_are_compared_without_capitals_and_underscores():
    small, large = (
        Numbered("small", ("shoot_ball", "fencing"), [0]),
        Numbered("large", ("Fencing", "ShootBall", "Ski"), [2]),
    )
    assert ts.AddedClasses(small, large).classes == ("shoot_ball", "fencing", "Ski")
    with pytest.raises(ValueError, match="got Fencing"):
        ts.AddedClasses(small, large, ["Fencing", "Ski"])


def test_an_action_under_another_name_is_not_added_unless_asked_for():
    small, large = (
        Numbered("small", ("dive", "golf"), [0]),
        Numbered("large", ("Diving", "Archery", "GolfSwing"), [1, 0]),
    )
    assert ts.AddedClasses(small, large).classes == ("dive", "golf", "Archery")  # nothing else here is to shoot a bow
    assert ts.AddedClasses(small, large, ["Diving"]).classes == ("dive", "golf", "Diving")


REAL = os.environ.get("LABKIT_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with the official lists")
def test_of_the_official_classes_78_are_added():
    lists = Path(REAL, "splits")
    ucf = tuple(line.split()[1] for line in (lists / "ucf101/classInd.txt").read_text().splitlines())
    hmdb = tuple(sorted(path.name.removesuffix("_test_split1.txt") for path in lists.glob("hmdb51/*_test_split1.txt")))
    assert (len(ucf), len(hmdb)) == (101, 51)
    assert ts.UCF101_AS_HMDB51.keys() < set(ucf)
    assert set(ts.UCF101_AS_HMDB51.values()) < set(hmdb)
    joined = ts.AddedClasses(Numbered("small", hmdb, [0]), Numbered("large", ucf, list(range(101))))
    assert len(joined) == 1 + 78  # clips: one of the small set, one of each class that is added
    assert len(joined.classes) == 51 + 78
    assert "BasketballDunk" in joined.classes
    assert not set(joined.classes) & {"Fencing", "Punch", "PullUps", "Biking"}


def test_every_row_of_table_2_draws_as_many_clips_of_the_small_set():
    """Alone, with added classes and in multi-task training."""
    small, large = Numbered("small", ("a", "b"), [0, 1, 1]), Numbered("large", ("c", "d", "e"), [0, 1, 2, 2])
    recipe = {**ts.FROM_SCRATCH, "steps": 400, "batch": 8, "schedule": {200: 1e-3}}
    alone = recipe["steps"] * recipe["batch"]

    both = ts.longer(recipe, 2)
    assert (both["steps"], both["schedule"], both["options"]) == (800, {400: 1e-3}, recipe["options"])
    first = next(shared_batches([large, small], both["batch"], seed=0)(0, (0, 1)))
    assert [len(labels) for _, labels in first] == [4, 4]
    assert both["steps"] * len(first[1][1]) == alone

    added = ts.AddedClasses(small, large)
    wider = ts.longer(recipe, len(added.classes) / len(small.classes))
    stream = batches(added, wider["batch"], seed=0, order=uniform_over_classes(added.labels))
    own = sum(int((labels < 2).sum()) for _, labels in itertools.islice(stream, wider["steps"]))
    assert own == pytest.approx(alone, abs=4 * math.sqrt(8000 * 0.4 * 0.6))


def test_the_last_layer_alone_learns():
    torch.manual_seed(0)
    net = ts.last_layer_only(ts.spatial_tiny(4))
    before = {name: parameter.clone() for name, parameter in net.named_parameters()}
    batch = torch.randn(4, 3, 56, 56), torch.tensor([0, 1, 2, 3])
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    classification_loss(net, batch)[0].backward()
    optimizer.step()
    moved = [name for name, parameter in net.named_parameters() if not torch.equal(parameter, before[name])]
    assert moved == ["classifier.weight", "classifier.bias"]


# --- fusion -----------------------------------------------------------------------------------------------------------


def test_average_fusion_by_hand():
    spatial, temporal = torch.tensor([[0.8, 0.2], [0.5, 0.5]]), torch.tensor([[0.2, 0.8], [0.1, 0.9]])
    torch.testing.assert_close(ts.average_fusion(spatial, temporal), torch.tensor([[0.5, 0.5], [0.3, 0.7]]))
    torch.testing.assert_close(ts.average_fusion(spatial, temporal, 0.25)[0], torch.tensor([0.65, 0.35]))
    assert torch.equal(ts.average_fusion(spatial, temporal, 1.0), temporal)
    with pytest.raises(ValueError, match="spatial and temporal must have the same shape"):
        ts.average_fusion(spatial, temporal[:1])
    with pytest.raises(ValueError, match="share must be 0 to 1"):
        ts.average_fusion(spatial, temporal, 1.5)


def mistaken_streams(seed, videos=90):
    """A stream that takes class 2 for class 1, for sure, and one that knows class 2 but is never sure."""
    labels = torch.arange(videos) % 3
    noise = torch.rand(2, videos, 3, generator=seeded(seed)) * 0.05
    one_hot = F.one_hot(labels, 3).float()
    sure = F.one_hot(labels.clamp(max=1), 3).float() + noise[0]
    hesitant = torch.full((videos, 3), 1 / 3) + 0.1 * one_hot + noise[1]
    return [stream / stream.sum(dim=1, keepdim=True) for stream in (sure, hesitant)], labels


def test_the_svm_learns_whom_to_trust_where_the_average_cannot():
    known, known_labels = mistaken_streams(0)
    wanted, labels = mistaken_streams(1)
    fused = ts.svm_fusion(known, known_labels, wanted, c=10.0)
    assert fused.shape == (90, 3)
    assert fused.dtype == torch.float32
    assert ts.average_fusion(*wanted).argmax(dim=1)[labels == 2].eq(1).all()
    assert fused.argmax(dim=1).eq(labels).float().mean() > 0.95
    assert torch.equal(fused, ts.svm_fusion(known, known_labels, wanted, c=10.0))


def test_the_svm_sees_directions_only():
    known, labels = mistaken_streams(0)
    wanted, _ = mistaken_streams(1)
    longer = [stream * torch.linspace(0.5, 2, len(stream))[:, None] for stream in wanted]
    torch.testing.assert_close(ts.svm_fusion(known, labels, wanted), ts.svm_fusion(known, labels, longer))


def test_the_svm_is_that_of_crammer_and_singer():
    """Its planes minimise |W|^2 / 2 + C * sum of max(0, 1 + best wrong score - own score), here by gradient descent."""
    known, labels = mistaken_streams(3, videos=30)
    stacked = torch.cat([F.normalize(stream.double(), dim=1) for stream in known], dim=1)
    inputs = torch.cat([stacked, torch.ones(30, 1)], dim=1)  # liblinear's constant, regularised like the others
    own = F.one_hot(labels, 3).double()

    def cost(planes):
        scores = inputs @ planes
        margins = (scores + 1 - own).amax(dim=1) - (scores * own).sum(dim=1)
        return planes.square().sum() / 2 + margins.sum()

    planes = torch.zeros(7, 3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([planes], lr=0.02)
    for step in range(1500):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 1500)
        optimizer.zero_grad()
        cost(planes).backward()
        optimizer.step()
    expected = (inputs @ planes).detach()
    fused = ts.svm_fusion(known, labels, known).double()
    torch.testing.assert_close(
        fused - fused.mean(1, keepdim=True), expected - expected.mean(1, keepdim=True), atol=0.02, rtol=0
    )


def test_the_svm_needs_every_class():
    streams, labels = mistaken_streams(0)
    with pytest.raises(ValueError, match=r"labels must have samples of all 3 classes, at least 3; got \[0, 1\]"):
        ts.svm_fusion(streams, labels.clamp(max=1), streams)
    with pytest.raises(ValueError, match=r"wanted and wanted\[0\] must have the same shape"):
        ts.svm_fusion(streams, labels, [streams[0], streams[1][:5]])


# --- filters ----------------------------------------------------------------------------------------------------------


def made_filters(length=10, size=7):
    """A filter of each kind, made from their definitions: (4, 2L, S, S)."""
    y, x = torch.meshgrid(*[torch.arange(size) - (size - 1) / 2] * 2, indexing="ij")
    bell = torch.exp(-(x**2 + y**2) / (2 * (size / 4) ** 2))
    slope = (0.6 * x - 0.8 * y) * bell
    course = torch.linspace(-1, 1, length)
    filters = torch.zeros(4, length, 2, size, size)
    filters[0, :, 1] = slope  # of dy, always
    filters[1, :, 0] = course[:, None, None] * bell  # of dx: late minus early
    filters[2] = bell
    filters[3] = (-1.0) ** (x + y)  # a chequerboard
    return filters.flatten(1, 2)


def test_filters_of_each_kind_are_told_apart():
    kinds, shares = ts.filter_kinds(made_filters())
    assert kinds.tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(shares[:3], torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)
    assert shares[3].max() < 0.01
    assert [ts.FILTER_KINDS[kind] for kind in kinds[:2]] == ["spatial derivative", "temporal derivative"]


def test_shares_of_a_mixture_are_those_of_its_energy():
    filters = made_filters()
    unit = filters / filters.flatten(1).norm(dim=1)[:, None, None, None]
    mixed = 0.6 * unit[0] - 0.8 * unit[1]
    kinds, shares = ts.filter_kinds(torch.stack([mixed, -5 * mixed]))
    torch.testing.assert_close(shares, torch.tensor([[0.36, 0.64, 0]], dtype=torch.float64).expand(2, 3))
    assert kinds.tolist() == [1, 1]


def test_filters_buried_in_noise_are_found_and_noise_alone_is_not():
    noise = torch.randn(20_000, 6, 5, 5, generator=seeded())
    kinds, shares = ts.filter_kinds(noise, level=0.02)
    rates = torch.bincount(kinds, minlength=4)[:3] / 20_000
    assert rates.max() < 0.02 + 5 * math.sqrt(0.02 / 20_000)
    assert rates.min() > 0.015  # ties lose a little
    torch.testing.assert_close(shares.mean(dim=0) * 150, torch.tensor([12.0, 4, 2]).double(), rtol=0.03, atol=0)
    # half the energy of each filter is noise
    made = made_filters(3, 5)[:3]
    made = made / made.flatten(1).norm(dim=1)[:, None, None, None]
    for kind in range(3):
        buried = made[kind] + noise[:200] / noise[:200].flatten(1).norm(dim=1)[:, None, None, None]
        assert (ts.filter_kinds(buried)[0] == kind).all()


def test_one_field_has_no_derivative_in_time():
    filters = torch.cat([made_filters(1)[[0, 2]], torch.zeros(1, 2, 7, 7)])
    kinds, shares = ts.filter_kinds(filters)
    assert kinds.tolist() == [0, 2, 3]
    assert shares[:, 1].abs().max() < 1e-20
    assert shares[2].tolist() == [0, 0, 0]
    noise = ts.filter_kinds(torch.randn(500, 2, 7, 7, generator=seeded()))[0]
    assert (noise != 1).all()


def test_only_filters_of_flow_have_kinds():
    with pytest.raises(ValueError, match=r"weights must be \(F, 2L, S, S\), S at least 3; got \(96, 3, 7, 7\)"):
        ts.filter_kinds(torch.zeros(96, 3, 7, 7))


# --- builders and recipes ---------------------------------------------------------------------------------------------


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def test_paper_sizes():
    with torch.device("meta"):
        spatial, temporal = ts.spatial_paper(101), ts.temporal_paper(101)
        one, slow, both = ts.temporal_paper(51, length=1), ts.slow_fusion_paper(101), ts.multi_task_paper()
    assert count(spatial) == 90_627_813
    assert count(temporal) == 90_627_813 + 17 * 49 * 96  # 20 channels instead of 3
    assert count(one) == 90_627_813 - 1 * 49 * 96 - 50 * 2049
    assert count(slow) == 90_627_813 + 12 * 49 * 96 + 96 * 256 * 25 + 256 * 512 * 9  # longer in time: conv1 to conv3
    assert count(both) == count(temporal) + 51 * 2049
    assert [(net.drop6.p, net.drop7.p) for net in (spatial, temporal, slow, both.trunk)] == [(0.5, 0.5)] + [
        (0.9, 0.9)
    ] * 3
    assert ["norm2" in dict(net.features.named_children()) for net in (spatial, temporal, slow, both.trunk)] == [
        True, False, True, False,
    ]  # fmt: skip
    assert ts.temporal_paper.__kwdefaults__["length"] == ts.FlowInput().length == 10
    assert spatial.image_size == ts.FrameInput().size == ts.FlowInput().size == 224


def test_tiny_nets_are_the_same_classes_and_end_in_three_by_three_maps():
    nets = [ts.spatial_tiny(5), ts.temporal_tiny(5), ts.slow_fusion_tiny(5), ts.multi_task_tiny((5, 3)).trunk]
    shapes = [(3,), (20,), (11, 3), (20,)]
    for net, shape in zip(nets, shapes, strict=True):
        taps = net.taps(torch.zeros(1, *shape, 56, 56))
        assert taps["pool5"].shape == (1, 64, 3, 3)
        assert taps["conv5"].shape == (1, 64, 6, 6)
        assert taps["fc7"].shape == (1, 512)


@pytest.mark.parametrize(
    ("build", "shape"),
    [(ts.spatial_tiny, (3,)), (ts.temporal_tiny, (20,)), (ts.slow_fusion_tiny, (11, 3))],
)
def test_tiny_nets_learn_a_batch_by_heart(build, shape):
    torch.manual_seed(0)
    batch = torch.randn(6, *shape, 56, 56), torch.arange(6)
    result = overfit_one_batch(build(6), classification_loss, batch, steps=60)
    assert result.shown["accuracy"] == 1.0


def test_the_multi_task_net_learns_two_batches_by_heart():
    torch.manual_seed(0)
    overfit_one_batch(
        ts.multi_task_tiny((4, 3)),
        ts.multi_task_loss,
        [two_sets()[0], (two_sets()[1][0], torch.tensor([1, 2]))],
        steps=60,
    )


@pytest.mark.parametrize(
    ("build", "view"),
    [
        (ts.spatial_paper, ts.FrameInput()),
        (ts.slow_fusion_paper, ts.FrameInput(length=11)),
        (lambda classes: ts.multi_task_paper((classes, 51)), ts.FlowInput()),
    ],
    ids=["spatial", "slow fusion", "multi-task"],  # the temporal net alone: tests/backbones/test_cnn_m.py
)
def test_paper_size_takes_a_training_step_and_a_test_pass(build, view):
    clip = FakeClip(num_frames=12, height=256, width=340)
    torch.manual_seed(0)
    net = build(101)
    volume, label = view.training_view(clip)
    batch = volume[None], torch.tensor([label])
    several = isinstance(net, ts.MultiTask)
    value, _ = ts.multi_task_loss(net, [batch, batch]) if several else classification_loss(net, batch)
    assert math.isfinite(value.item())
    value.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in net.parameters())
    before = net.get_parameter("trunk.fc7.bias" if several else "fc7.bias").clone()
    torch.optim.SGD(net.parameters(), **ts.FROM_SCRATCH["options"]).step()
    assert not torch.equal(net.get_parameter("trunk.fc7.bias" if several else "fc7.bias"), before)

    views, _ = view.test_views(clip, frames=1, centre_only=True)
    with torch.no_grad():
        logits = net.eval().logits(views, 1) if several else net.eval()(views)
    assert logits.shape == (1, 51 if several else 101)
    assert logits.isfinite().all()


def test_recipes_are_those_of_section_5():
    scratch, tuning = Recipe(**ts.FROM_SCRATCH), Recipe(**ts.FINE_TUNING)
    assert (scratch.steps, scratch.batch, tuning.steps, tuning.batch) == (80_000, 256, 20_000, 256)
    rates = [scratch.factor(step) * 1e-2 for step in (0, 49_999, 50_000, 69_999, 70_000, 79_999)]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4])
    assert [tuning.factor(step) * 1e-2 for step in (13_999, 14_000, 19_999)] == pytest.approx([1e-2, 1e-3, 1e-3])
    assert scratch.options["momentum"] == tuning.options["momentum"] == 0.9
    assert scratch.optimizer is torch.optim.SGD
    for tiny in (ts.FROM_SCRATCH_TINY, ts.FINE_TUNING_TINY):
        assert Recipe(**tiny, seed=3).seed == 3
    gentle = Recipe(**ts.slower(ts.FINE_TUNING_TINY))
    assert gentle.options == {"lr": pytest.approx(3e-3), "momentum": 0.9, "weight_decay": 5e-4}
    assert [gentle.factor(step) for step in (279, 280)] == pytest.approx([1, 0.1])
    assert gentle.steps == ts.FINE_TUNING_TINY["steps"]
    assert isinstance(ts.VERSION, int)
