import itertools
import math
import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from fakes import FakeClip
from overfit import overfit_one_batch
from torch.utils.data import Dataset

from labkit import flow
from labkit.backbones import load_weights, save_weights
from labkit.clips import Clips
from labkit.losses import classification_loss
from labkit.papers import two_stream as ts
from labkit.training import Recipe, batches, shared_batches, uniform_over_classes

CLASSES = ("wave", "clap", "jump")


class FakeClips(Clips):
    def __init__(self, classes, labels, **sizes):
        self.classes, self.labels, self.sizes = classes, torch.tensor(labels), sizes
        self.groups = torch.zeros(len(labels), dtype=torch.int64)

    def __getitem__(self, index):
        return FakeClip(label=int(self.labels[index]), seed=index, **self.sizes)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# --- views ------------------------------------------------------------------------------------------------------------


def test_the_spatial_stream_sees_a_frame_and_slow_fusion_eleven():
    clip = FakeClip(num_frames=12, height=20, width=24)
    small = {"crop_size": 8, "short_side": None, "flip": False, "jitter": 0.0}
    assert ts.spatial_view(**small).train(clip)[0].shape == (3, 8, 8)
    assert ts.spatial_view(**small, length=11).train(clip)[0].shape == (11, 3, 8, 8)
    centre = ts.spatial_view(**small, centre=8).train(clip, indices=torch.tensor(5))[0]
    torch.testing.assert_close(ts.spatial_view().modality.to_image(centre), clip.all_frames[5, :, 6:14, 8:16])
    jittered, _ = ts.spatial_view(**{**small, "jitter": 0.1}, centre=8).train(clip, indices=torch.tensor(5))
    shift = (jittered - centre).flatten(1)  # RGB jitter: the same colour is added to all pixels
    torch.testing.assert_close(shift, shift[:, :1].expand_as(shift), atol=1e-4, rtol=0)
    assert shift.abs().min() > 0


def test_the_temporal_stream_sees_all_four_configurations_of_flow():
    clip = FakeClip(num_frames=11, height=8, width=8)  # a single stack of ten fields
    ahead, behind = clip.ahead[:10], clip.behind[1:]
    expected = {
        (): flow.optical_flow_stacking(ahead),
        ("trajectories",): flow.trajectory_stacking(ahead),
        ("bidirectional",): flow.bidirectional_stacking(ahead[5:], behind[:5]),
        ("trajectories", "bidirectional"): flow.bidirectional_stacking(ahead[5:], behind[:5], True),
    }
    for options, stack in expected.items():
        for subtract_mean in (False, True):
            view = ts.temporal_view(
                **dict.fromkeys(options, True),
                subtract_mean=subtract_mean,
                crop_size=8,
                short_side=None,
                flip=False,
            )
            wanted = flow.mean_flow_subtraction(stack) if subtract_mean else stack
            assert torch.equal(view.train(clip)[0], wanted)
            assert torch.equal(view.test(clip, 1, centre_only=True)[0][0], wanted)


def test_views_are_those_of_section_5():
    frame, stack = ts.spatial_view(), ts.temporal_view()
    clip = FakeClip(num_frames=11, height=300, width=280)
    for view, channels in ((frame, 3), (stack, 20)):
        assert (view.short_side, view.crop_size, view.flip, view.centre) == (256, 224, True, None)
        assert view.test(clip, 2)[0].shape == (20, channels, 224, 224)


def test_an_odd_number_of_fields_has_no_halves():
    with pytest.raises(ValueError, match="length must be an even number of fields, half of them each way; got 5"):
        ts.temporal_view(length=5, bidirectional=True)
    with pytest.raises(ValueError, match="length must be at least 1 field; got 0"):
        ts.temporal_view(length=0)


# --- slow fusion ------------------------------------------------------------------------------------------------------


def test_slow_fusion_is_three_convolutions_over_space_and_time():
    torch.manual_seed(0)
    net = ts.slow_fusion_network(5, size="tiny").eval()
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
    ts.slow_fusion_network(5, size="tiny").eval()(clips).square().sum().backward()
    assert (clips.grad.abs().amax(dim=(0, 2, 3, 4)) > 0).all()


def test_slow_fusion_wants_eleven_frames():
    with pytest.raises(ValueError, match=r"clips must be \(B, 11, 3, 56, 56\); got \(1, 10, 3, 56, 56\)"):
        ts.slow_fusion_network(5, size="tiny")(torch.zeros(1, 10, 3, 56, 56))


# --- more data --------------------------------------------------------------------------------------------------------


def two_sets(seed=0):
    generator = seeded(seed)
    return [
        (torch.randn(3, 20, 56, 56, generator=generator), torch.tensor([0, 3, 2])),
        (torch.randn(2, 20, 56, 56, generator=generator), torch.tensor([1, 1])),
    ]


def test_multi_task_loss_is_the_sum_of_what_each_head_makes_of_its_own_set():
    torch.manual_seed(0)
    net = ts.multi_task_network((4, 3), size="tiny").eval()
    (first, labels), (second, others) = batch = two_sets()
    logits = net(first, second)
    assert [tuple(part.shape) for part in logits] == [(3, 4), (2, 3)]
    torch.testing.assert_close(logits[0], net.logits(first, 0))
    torch.testing.assert_close(logits[1], net.logits(second, 1))
    value, shown = ts.multi_task_loss(net, batch)
    by_hand = [F.cross_entropy(net.logits(first, 0), labels), F.cross_entropy(net.logits(second, 1), others)]
    torch.testing.assert_close(value, by_hand[0] + by_hand[1])
    assert shown == pytest.approx({"loss of set 0": by_hand[0].item(), "loss of set 1": by_hand[1].item()})


def test_each_set_moves_the_backbone_and_its_own_head_only():
    torch.manual_seed(0)
    net = ts.multi_task_network((4, 3), size="tiny").eval()
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
    name = "backbone.features.conv1.weight"
    torch.testing.assert_close(both[name], alone[0][name] + alone[1][name], atol=1e-6, rtol=1e-4)


def test_multi_task_takes_over_what_a_net_has_learned(tmp_path):
    torch.manual_seed(0)
    learned = ts.temporal_network(9, size="tiny")
    save_weights(tmp_path / "large.safetensors", learned, {"data": "noise", "seed": 0})
    fresh = ts.temporal_network(4, size="tiny")
    load_weights(fresh, tmp_path / "large.safetensors", skip=("classifier",))
    net = ts.MultiTask(fresh, (4, 3))
    views = torch.randn(2, 20, 56, 56)
    torch.testing.assert_close(net.eval().backbone(views), learned.eval().taps(views)["fc7"])
    assert [tuple(head.weight.shape) for head in net.heads] == [(4, 512), (3, 512)]
    with pytest.raises(ValueError, match="views must be a batch of each of 2 sets; got 1"):
        net(views)


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
    with pytest.raises(ValueError, match="large must have a class that the small set lacks"):
        ts.AddedClasses(small, Numbered("large", ("Clap", "wave"), [0, 1]))


def test_names_are_compared_without_capitals_and_underscores():
    small, large = (
        Numbered("small", ("shoot_ball", "fencing"), [0]),
        Numbered("large", ("Fencing", "ShootBall", "Ski"), [2]),
    )
    assert ts.AddedClasses(small, large).classes == ("shoot_ball", "fencing", "Ski")


def test_an_action_under_another_name_is_not_added():
    small, large = (
        Numbered("small", ("dive", "golf"), [0]),
        Numbered("large", ("Diving", "Archery", "GolfSwing"), [1, 0]),
    )
    assert ts.AddedClasses(small, large).classes == ("dive", "golf", "Archery")  # nothing else here is to shoot a bow


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
    recipe = {**ts.RECIPES["paper"]["from_scratch"], "steps": 400, "batch": 8, "schedule": {200: 1e-3}}
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
    net = ts.last_layer_only(ts.spatial_network(4, size="tiny"))
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
    with pytest.raises(ValueError, match="weight must be 0 to 1"):
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
    with pytest.raises(ValueError, match=r"test and test\[0\] must have the same shape"):
        ts.svm_fusion(streams, labels, [streams[0], streams[1][:5]])


# --- builders and recipes ---------------------------------------------------------------------------------------------


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def test_paper_sizes():
    with torch.device("meta"):
        spatial, temporal = ts.spatial_network(101), ts.temporal_network(101)
        one, slow, both = ts.temporal_network(51, length=1), ts.slow_fusion_network(101), ts.multi_task_network()
    assert count(spatial) == 90_627_813
    assert count(temporal) == 90_627_813 + 17 * 49 * 96  # 20 channels instead of 3
    assert count(one) == 90_627_813 - 1 * 49 * 96 - 50 * 2049
    assert count(slow) == 90_627_813 + 12 * 49 * 96 + 96 * 256 * 25 + 256 * 512 * 9  # longer in time: conv1 to conv3
    assert count(both) == count(temporal) + 51 * 2049
    assert [(net.drop6.p, net.drop7.p) for net in (spatial, temporal, slow, both.backbone)] == [(0.5, 0.5)] + [
        (0.9, 0.9)
    ] * 3
    assert ["norm2" in dict(net.features.named_children()) for net in (spatial, temporal, slow, both.backbone)] == [
        True, False, True, False,
    ]  # fmt: skip
    assert ts.temporal_network.__kwdefaults__["length"] == ts.temporal_view().sample.length == 10
    assert spatial.image_size == ts.spatial_view().crop_size == ts.temporal_view().crop_size == 224


def test_tiny_nets_are_the_same_classes_and_end_in_three_by_three_maps():
    nets = [
        ts.spatial_network(5, size="tiny"),
        ts.temporal_network(5, size="tiny"),
        ts.slow_fusion_network(5, size="tiny"),
        ts.multi_task_network((5, 3), size="tiny").backbone,
    ]
    shapes = [(3,), (20,), (11, 3), (20,)]
    for net, shape in zip(nets, shapes, strict=True):
        taps = net.taps(torch.zeros(1, *shape, 56, 56))
        assert taps["pool5"].shape == (1, 64, 3, 3)
        assert taps["conv5"].shape == (1, 64, 6, 6)
        assert taps["fc7"].shape == (1, 512)


@pytest.mark.parametrize(
    ("build", "shape"),
    [(ts.spatial_network, (3,)), (ts.temporal_network, (20,)), (ts.slow_fusion_network, (11, 3))],
)
def test_tiny_nets_learn_a_batch_by_heart(build, shape):
    torch.manual_seed(0)
    batch = torch.randn(6, *shape, 56, 56), torch.arange(6)
    result = overfit_one_batch(build(6, size="tiny"), classification_loss, batch, steps=60)
    assert result.shown["accuracy"] == 1.0


def test_the_multi_task_net_learns_two_batches_by_heart():
    torch.manual_seed(0)
    overfit_one_batch(
        ts.multi_task_network((4, 3), size="tiny"),
        ts.multi_task_loss,
        [two_sets()[0], (two_sets()[1][0], torch.tensor([1, 2]))],
        steps=60,
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("build", "view"),
    [
        (ts.spatial_network, ts.spatial_view()),
        (ts.slow_fusion_network, ts.spatial_view(length=11)),
        (lambda classes: ts.multi_task_network((classes, 51)), ts.temporal_view()),
    ],
    ids=["spatial", "slow fusion", "multi-task"],  # the temporal net alone: tests/backbones/test_cnn_m.py
)
def test_paper_size_takes_a_training_step_and_a_test_pass(build, view):
    clip = FakeClip(num_frames=12, height=256, width=340)
    torch.manual_seed(0)
    net = build(101)
    volume, label = view.train(clip)
    batch = volume[None], torch.tensor([label])
    several = isinstance(net, ts.MultiTask)
    value, _ = ts.multi_task_loss(net, [batch, batch]) if several else classification_loss(net, batch)
    assert math.isfinite(value.item())
    value.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in net.parameters())
    before = net.get_parameter("backbone.fc7.bias" if several else "fc7.bias").clone()
    torch.optim.SGD(net.parameters(), **ts.RECIPES["paper"]["from_scratch"]["options"]).step()
    assert not torch.equal(net.get_parameter("backbone.fc7.bias" if several else "fc7.bias"), before)

    views, _ = view.test(clip, 1, centre_only=True)
    with torch.no_grad():
        logits = net.eval().logits(views, 1) if several else net.eval()(views)
    assert logits.shape == (1, 51 if several else 101)
    assert logits.isfinite().all()


def test_recipes_are_those_of_section_5():
    scratch, tuning = Recipe(**ts.RECIPES["paper"]["from_scratch"]), Recipe(**ts.RECIPES["paper"]["fine_tuning"])
    assert (scratch.steps, scratch.batch, tuning.steps, tuning.batch) == (80_000, 256, 20_000, 256)
    rates = [scratch.factor(step) * 1e-2 for step in (0, 49_999, 50_000, 69_999, 70_000, 79_999)]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4])
    assert [tuning.factor(step) * 1e-2 for step in (13_999, 14_000, 19_999)] == pytest.approx([1e-2, 1e-3, 1e-3])
    assert scratch.options["momentum"] == tuning.options["momentum"] == 0.9
    assert scratch.optimizer is torch.optim.SGD
    for tiny in (ts.RECIPES["tiny"]["from_scratch"], ts.RECIPES["tiny"]["fine_tuning"]):
        assert Recipe(**tiny, seed=3).seed == 3
    gentle = Recipe(**ts.slower(ts.RECIPES["tiny"]["fine_tuning"]))
    assert gentle.options == {"lr": pytest.approx(3e-3), "momentum": 0.9, "weight_decay": 5e-4}
    assert [gentle.factor(step) for step in (279, 280)] == pytest.approx([1, 0.1])
    assert gentle.steps == ts.RECIPES["tiny"]["fine_tuning"]["steps"]
