import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labkit.flow.warp import backward_warp, sample_bilinear
from labkit.world import FlowPairs
from labkit.world.pairs import SMALL_CAMERA, SMALL_THING, Spread


@pytest.fixture(scope="module")
def pairs():
    """What is drawn once is drawn for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_CACHE", "off")
        return FlowPairs(seed=1000, size=48, number=20)


def inner(part, other, flow):
    """Pixels whose eight neighbours show the same part, and whose four goals in the other frame do too."""
    size = part.shape[-1]
    around = F.unfold(part[None, None].float(), 3, padding=1).unflatten(-1, (size, size))[0]  # (9, H, W)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    there = torch.stack([x, y]) + flow
    inside = ((there >= 0) & (there <= size - 1)).all(0)
    left, top = there.floor().long().clamp(0, size - 2)
    goals = torch.stack([other[top + dy, left + dx] for dy in (0, 1) for dx in (0, 1)])  # (4, H, W)
    return inside & (around == part).all(0) & (goals == part).all(0)


def errors(pairs):
    """Mean differences of all pairs between the first frame and the second: brought back by the flow, and as it is."""
    warped, unwarped = [], []
    for clip in pairs:
        first, second = clip.rendering.frames.float()
        flow, part = clip.flow([0])[0], clip.rendering.part
        clear = inner(part[0], part[1], flow)
        back, _ = backward_warp(second, flow)
        warped.append((back - first).abs().mean(0)[clear].mean())
        unwarped.append((second - first).abs().mean(0)[clear].mean())
    return torch.stack(warped), torch.stack(unwarped)


def test_the_flow_brings_the_first_frame_back_from_the_second(pairs):
    warped, unwarped = errors(pairs)
    assert warped.mean() < 2.5
    assert warped.max() < 6
    assert unwarped.mean() > 3 * warped.mean()  # what is left is interpolation: less in larger images


def test_forward_and_backward_flow_lead_home(pairs):
    checked = 0
    for clip in pairs:
        forward, backward = clip.flow([0])[0], clip.flow([1], backward=True)[0]
        clear = inner(*clip.rendering.part, forward)
        y, x = clear.nonzero().T
        points = torch.stack([x, y], 1) + forward[:, y, x].T
        home = forward[:, y, x] + sample_bilinear(backward, points)
        assert home.abs().max() < 1e-3
        checked += int(clear.sum())
    assert checked > 20 * 48 * 48 * 0.5


def test_pixels_that_vanish_are_marked(pairs):
    y, x = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    seen, covered = [], []
    for clip in pairs:
        flow, part, hidden = clip.flow([0])[0], clip.rendering.part, clip.occluded([0])[0]
        there = torch.stack([x, y]) + flow
        outside = ((there < -0.5) | (there > 47.5)).any(0)
        assert hidden[outside].all()
        seen.append(hidden[inner(part[0], part[1], flow)])  # it lands amid pixels of the same part
        left, top = there.round().long().clamp(0, 47)
        around = -F.max_pool2d(-part[1][None, None].float(), 3, 1, 1)[0, 0]  # the backmost of nine pixels
        covered.append(hidden[(around[top, left] > part[0]) & ~outside])  # it lands amid parts in front
    # Between pixels there may be a part too thin to see, or a gap: seldom.
    assert torch.cat(seen).float().mean() < 0.002
    assert torch.cat(covered).float().mean() > 0.98
    assert len(torch.cat(covered)) > 200


def displacements(number, **settings):
    pairs = FlowPairs(size=16, number=number, **settings)
    return np.stack([np.hypot(*pairs.draw(index).forward[0].numpy()).ravel() for index in range(number)])


def test_large_motion_has_the_quantiles_it_claims():
    far = displacements(60, seed=1001) / 16 * 100  # percent of the height
    stated = {0.25: 0.4, 0.5: 1.1, 0.75: 2.6, 0.9: 5.2, 0.95: 7.3, 0.99: 13.4}
    for quantile, percent in stated.items():
        assert np.quantile(far, quantile) == pytest.approx(percent, rel=0.35), quantile
    assert far.max() > 20


def test_small_motion_is_small_and_there():
    far = displacements(20, seed=1001, motion="small")
    assert far.max() < 1.5
    assert 0.15 < np.median(far) < 0.5
    assert np.quantile(far, 0.95) > 0.5
    limits = [spread.limit for move in (SMALL_CAMERA, SMALL_THING) for spread in (move.shift, move.turn, move.zoom)]
    assert sum(limits) < 1.5  # the worst: everything in one direction


class Fixed:
    """Gives numbers out in order."""

    def __init__(self, normal, uniform):
        self.normal, self.uniform = normal, uniform

    def standard_normal(self, dimensions):
        return np.array(self.normal[:dimensions])

    def random(self):
        return self.uniform


@pytest.mark.parametrize(
    ("spread", "uniform", "expected"),
    [
        (Spread(2, 1.0, 99), 0.5, (15.0, 20.0)),  # length 5, squared: five times as long
        (Spread(2, 1.0, 10), 0.5, (6.0, 8.0)),  # clipped
        (Spread(3, 0.2, 99), 0.5, (0.6, 0.8)),  # length 1 stays 1
        (Spread(2, 1.0, 99, chance=0.4), 0.5, (0.0, 0.0)),
        (Spread(2, 1.0, 99, chance=0.6), 0.5, (15.0, 20.0)),
    ],
)
def test_spread_by_hand(spread, uniform, expected):
    np.testing.assert_allclose(spread.draw(Fixed((3.0, 4.0), uniform), 2), expected)
    assert Spread(2, 1.0, 99).draw(Fixed((-3.0,), 0.0)).tolist() == [-9.0]  # a single number keeps its sign


def test_speed_is_a_factor_on_shifts():
    slow, fast = (FlowPairs(seed=1000, size=32, number=8, speed=speed) for speed in (1, 3))
    for index in range(3):
        shifts = []
        for pairs in (slow, fast):
            camera = pairs.draw(index).poses[0].numpy()  # of the background, which is static
            middle = np.array([15.5, 15.5, 1])
            shifts.append((camera[1] @ np.linalg.inv(camera[0]) @ middle - middle)[:2])
        np.testing.assert_allclose(shifts[1], 3 * shifts[0], atol=1e-9)


def test_there_is_texture_everywhere(pairs):
    frames = torch.stack([clip.rendering.frames[0].float().mean(0) for clip in pairs])  # (20, 48, 48)
    blocks = frames.unflatten(1, (6, 8)).unflatten(3, (6, 8)).movedim(2, 3).flatten(3)  # (20, 6, 6, 64)
    assert (blocks.std(-1) > 3).float().mean() > 0.99


def test_what_flies_varies(pairs):
    drawn = [clip.rendering for clip in pairs]
    assert {kind for rendering in drawn for kind in rendering.kinds} == {"scene", "clutter", "prop", "puppet"}
    names = {rendering.names[0] for rendering in drawn}
    assert "background" in names
    assert len(names) > 4  # and scenes


def test_a_pair_follows_from_the_seed_alone(pairs):
    settings = {"seed": 1000, "size": 48, "number": 10}
    for index in (3, 0):
        frames = pairs[index].rendering.frames
        assert torch.equal(FlowPairs(**settings).draw(index).frames, frames)
        for change in ({"seed": 1001}, {"motion": "small"}):
            assert not torch.equal(FlowPairs(**settings | change).draw(index).frames, frames)


def test_parts_share_nothing_and_keep_their_pairs():
    train, test, whole = (FlowPairs(seed=1000, size=16, number=23, part=part) for part in ("train", "test", "all"))
    assert not set(train.groups.tolist()) & set(test.groups.tolist())
    assert sorted(train.groups.tolist() + test.groups.tolist()) == whole.groups.tolist() == list(range(23))
    assert not set(train.names) & set(test.names)
    assert len(test) == 4
    more = FlowPairs(seed=1000, size=16, number=40, part="test")
    assert more.names[:4] == test.names  # asking for more moves nothing to the other side
    for index, name in enumerate(test.names):
        assert torch.equal(test[index].frames([0, 1]), whole[whole.names.index(name)].frames([0, 1]))


def test_it_looks_like_every_other_set(pairs):
    clip = pairs[2]
    assert pairs.classes == ("pair",)
    assert pairs.labels.tolist() == [0] * 20
    assert (clip.name, clip.label, clip.labels, clip.group, clip.num_frames) == ("pair_000002", 0, (0,), 2, 2)
    assert clip.frames([0, 1]).shape == (2, 3, 48, 48)
    assert clip.flow([0]).shape == clip.flow([1], backward=True).shape == (1, 2, 48, 48)
    with pytest.raises(IndexError, match="must lie within 0 to 0"):
        clip.flow([1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "seed must be a whole number"),
        ({"part": "valid"}, "part must be"),
        ({"motion": "huge"}, "motion"),
        ({"size": 8}, "size must be a whole number, 16 or more; got 8"),
        ({"number": 4}, "number must be a whole number, 5 or more; got 4"),
        ({"speed": 0}, "speed must be a finite number greater than 0"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        FlowPairs(**settings)
