import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labkit.flow.warp import backward_warp
from labkit.world import Part, aperture, render, stroll, transform
from labkit.world.puppet import arm_to, legs_to, planted, puppet, random_look
from labkit.world.shapes import (
    box,
    capsule,
    checks,
    clouds,
    disc,
    dots,
    ellipse,
    everywhere,
    face,
    fade,
    hill,
    plain,
    planks,
    rays,
    ring,
    stripes,
    triangle,
    union,
)

BACKGROUND = plain((0.2, 0.3, 0.4))


def still(frames):
    return transform(np.zeros(frames), 0)


def test_transform_scales_then_turns_then_moves():
    point = [1.0, 0.0, 1.0]
    quarter_turn = transform(10.0, 20.0, math.pi / 2, 3.0)
    np.testing.assert_allclose(quarter_turn @ point, [10.0, 23.0, 1.0])


@pytest.mark.parametrize(
    ("shape", "point", "distance"),
    [
        (disc(2.0), (3.0, 4.0), 3.0),
        (disc(2.0), (0.0, 0.0), -2.0),
        (box(4.0, 2.0), (5.0, 0.0), 3.0),
        (box(4.0, 2.0), (5.0, 5.0), 5.0),  # 3-4-5 triangle from the corner (2, 1)
        (box(4.0, 2.0), (0.0, 0.0), -1.0),
        (capsule(4.0, 1.0), (3.0, 2.0), 2.0),
        (capsule(4.0, 1.0), (0.0, 8.0), 3.0),
        (capsule(4.0, 1.0, 3.0), (5.0, 2.0), 3.0),  # radius 2 half way
        (hill([]), (1.0, 3.0), -3.0),
        (ring(3.0, 1.0), (0.0, 5.0), 1.5),
        (ring(3.0, 1.0), (0.0, 3.0), -0.5),
        (triangle(6.0, 4.0), (0.0, 5.0), 1.0),
        (triangle(6.0, 4.0), (4.0, 0.0), 3.2),  # 4 to the right of the tip, the side falls 4 in 3: 4 * 4 / 5
        (ellipse(4.0, 4.0), (3.0, 0.0), 1.0),
        (ellipse(2.0, 5.0), (0.6, 2.0), 0.0),  # 0.36 + 0.64 = 1: on its outline
        (union((disc(1.0), 0.0, 0.0), (disc(1.0), 5.0, 0.0)), (3.0, 0.0), 1.0),
    ],
)
def test_signed_distances_by_hand(shape, point, distance):
    assert float(shape.distance(*(np.array(value) for value in point))) == pytest.approx(distance, abs=1e-5)


@pytest.mark.parametrize(
    "shape",
    [
        disc(2.0),
        box(4.0, 2.0, 0.3),
        capsule(4.0, 1.0, 3.0),
        capsule(2.0, 1.5),
        ellipse(2.0, 5.0),
        ring(2.0, 1.0),
        triangle(3.0, 5.0),
        union((disc(1.0), 3.0, 1.0), (box(1.0, 4.0), -2.0, 0.0)),
    ],
)
def test_no_point_of_a_shape_lies_beyond_its_reach(shape):
    x, y = np.meshgrid(np.linspace(-9, 9, 91), np.linspace(-9, 9, 91))
    inside = shape.distance(x, y) <= 0
    assert inside.any()
    assert np.hypot(x - shape.centre[0], y - shape.centre[1])[inside].max() <= shape.reach + 1e-5
    assert abs(x - shape.centre[0])[inside].max() <= shape.half[0] + 1e-5
    assert abs(y - shape.centre[1])[inside].max() <= shape.half[1] + 1e-5


@pytest.mark.parametrize("angle", [0.0, 0.4, 2.5])
@pytest.mark.parametrize("shape", [capsule(9.0, 1.0, 2.0), box(16.0, 3.0)])
def test_a_long_part_is_painted_to_its_ends_whichever_way_it_lies(shape, angle):
    scene = [
        Part("ground", everywhere(), BACKGROUND, still(2)),
        Part("bar", shape, plain((1.0, 0.0, 0.0)), transform([14.2, 15.0], [13.7, 14.0], angle)),
    ]
    clip = render(scene, still(2), 30, 30)
    y, x = np.mgrid[:30, :30]
    for t in range(2):
        local = np.linalg.inv(scene[1].pose[t]) @ np.stack([x.ravel(), y.ravel(), np.ones(900)])
        distance = shape.distance(local[0], local[1]).reshape(30, 30)
        clear = torch.from_numpy(abs(distance) > 1e-4)
        assert torch.equal((clip.part[t] == 1)[clear], torch.from_numpy(distance <= 0)[clear])


def test_what_is_too_small_to_be_seen_is_not_seen():
    ground, red = Part("ground", everywhere(), BACKGROUND, still(1)), []
    for size in (1e-4, 0.02, 0.2, 1.0):
        dot = Part("dot", disc(1.0), plain((1.0, 0.0, 0.0)), transform([5.0], 5.0, 0.0, size))
        red.append(render([ground, dot], still(1), 11, 11).frames[0, 0].float())
    added = [(image - 51).sum().item() / (255 - 51) for image in red]  # in pixels' worth of red
    assert added[0] == 0
    assert (red[0] == 51).all()
    assert added[1] < 0.01
    assert 0.02 < added[2] < 0.5  # its area is 0.13 pixels
    assert added[3] == pytest.approx(math.pi, rel=0.15)


def test_flow_of_a_moving_disc_by_hand():
    scene = [
        Part("ground", everywhere(), BACKGROUND, still(2)),
        Part("ball", disc(3.0), plain((1.0, 0.0, 0.0)), transform([8.0, 10.0], [6.0, 5.0])),
    ]
    clip = render(scene, still(2), 16, 20)
    ball = clip.part[0] == 1
    assert clip.frames.shape == (2, 3, 16, 20)
    assert clip.frames.dtype == torch.uint8
    assert clip.forward[0][:, ball].unique(dim=1).squeeze().tolist() == [2.0, -1.0]
    assert clip.forward[0][:, ~ball].abs().max() == 0
    assert clip.backward[0][:, clip.part[1] == 1].unique(dim=1).squeeze().tolist() == [-2.0, 1.0]
    assert clip.frames[0, :, 6, 8].tolist() == [255, 0, 0]
    assert clip.frames[0, :, 0, 0].tolist() == [51, 76, 102]


def test_a_turn_moves_each_point_around_the_centre():
    card = Part("card", everywhere(), BACKGROUND, transform([7.0, 7.0], [7.0, 7.0], [0.0, math.pi / 2]))
    clip = render([card], still(2), 15, 15)
    # (10, 7) lies 3 right of the centre; a quarter turn clockwise takes it 3 below: (7, 10).
    torch.testing.assert_close(clip.forward[0, :, 7, 10], torch.tensor([-3.0, 3.0]))
    torch.testing.assert_close(clip.forward[0, :, 7, 7], torch.zeros(2))


def test_the_camera_moves_the_background_the_other_way():
    scene = [Part("ground", everywhere(), BACKGROUND, still(2))]
    pan = np.linalg.inv(transform([0.0, 1.5], [0.0, 0.0]))
    clip = render(scene, pan, 8, 8)
    torch.testing.assert_close(clip.forward[0], torch.tensor([-1.5, 0.0])[:, None, None].expand(2, 8, 8))
    assert clip.occluded[0].sum() == 8 * 1  # x = 0 lands at -1.5, x = 1 at -0.5, still on its pixel


def test_warping_by_the_exact_flow_rebuilds_the_frame():
    """What is left on visible pixels is interpolation, not flow: it falls when the same scene is painted larger."""
    errors = []
    for height, width in ((60, 80), (180, 240)):
        clip = stroll(0, frames=5, height=height, width=width)
        frames = clip.frames.float()
        warped, _ = backward_warp(frames[1:], clip.forward)
        part = clip.part.float()
        edge = F.max_pool2d(part, 3, 1, 1) != -F.max_pool2d(-part, 3, 1, 1)
        visible = ~clip.occluded & ~edge[:-1]
        left = (warped - frames[:-1]).abs().mean(1)[visible].mean().item()
        unwarped = (frames[1:] - frames[:-1]).abs().mean(1)[visible].mean().item()
        errors.append((left, unwarped))
    (small, small_unwarped), (large, large_unwarped) = errors
    assert small < small_unwarped / 2
    assert large < large_unwarped / 6
    assert large < 0.7 * small
    assert large < 0.8  # of 255


def test_a_tripod_leaves_the_lawn_at_rest():
    clip = stroll(0, frames=3, height=48, width=64, camera=0.0)
    lawn = clip.part[:-1] == clip.names.index("lawn")
    assert clip.forward.norm(dim=1)[lawn].max() < 1e-5
    assert clip.forward.norm(dim=1).max() > 0.5


def test_through_the_hole_three_velocities_look_the_same():
    clips = [aperture(velocity, frames=6) for velocity in ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5))]
    y, x = torch.meshgrid(torch.arange(96) - 47.5, torch.arange(96) - 47.5, indexing="ij")
    core = torch.hypot(x, y) < 0.28 * 96
    for clip in clips[1:]:
        assert torch.equal(clip.frames[:, :, core], clips[0].frames[:, :, core])
        assert not torch.equal(clip.forward[..., core], clips[0].forward[..., core])
    bare = [aperture(velocity, frames=6, hole=False).frames for velocity in ((1.0, 0.0), (0.0, 1.0))]
    assert not torch.equal(*bare)


def test_a_raised_arm_lifts_the_hand():
    look = random_look(np.random.default_rng(0))
    hanging = {part.name: part.pose for part in puppet(look, still(1), {})}
    raised = {part.name: part.pose for part in puppet(look, still(1), {"right_shoulder": math.pi})}
    assert len(hanging) == 16
    assert raised["right hand"][0, 1, 2] == pytest.approx(-0.86 - 1.0)  # shoulder, then an arm of length 1 upwards
    assert hanging["right hand"][0, 1, 2] == pytest.approx(-0.86 + 1.0)
    assert np.array_equal(raised["left hand"], hanging["left hand"])


@pytest.mark.parametrize(
    "texture",
    [
        plain((0.5, 0.5, 0.5), rim=0.1),
        stripes((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), 0.5),
        checks((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), 0.5),
        clouds((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), 0.3, np.random.default_rng(0)),
        dots((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), 0.5),
        planks((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), 0.5),
        fade((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), 5.0),
        rays((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), 7),
        face((0.9, 0.7, 0.6), (0.1, 0.1, 0.1), 1.0, 0.2),
    ],
)
def test_textures_are_colours(texture):
    x, y = np.random.default_rng(1).normal(0, 20, (2, 200)).astype(np.float32)
    colours = texture(x, y, -np.ones(200, np.float32))
    assert colours.shape == (200, 3)
    assert colours.min() >= 0
    assert colours.max() <= 1


def test_bad_scenes_are_refused():
    with pytest.raises(ValueError, match=r"parts must hold a background .*; got 0"):
        render([], still(2), 8, 8)
    with pytest.raises(ValueError, match="leave no hole"):
        render([Part("ball", disc(2.0), BACKGROUND, still(2))], still(2), 8, 8)
    with pytest.raises(ValueError, match=r"pose of ground must have 2 frames like the camera, .*; got \(3, 3, 3\)"):
        render([Part("ground", everywhere(), BACKGROUND, still(3))], still(2), 8, 8)
    with pytest.raises(ValueError, match="ask for a larger clip"):
        stroll(0, frames=0)
    with pytest.raises(ValueError, match="speed must be a finite number greater than 0"):
        stroll(0, speed=0)
    with pytest.raises(ValueError, match=r"joints must be among .*; got \['left_wing'\]"):
        puppet(random_look(np.random.default_rng(0)), still(1), {"left_wing": 0.0})
    with pytest.raises(ValueError, match="pose of ball must be finite"):
        render([Part("ball", disc(2.0), BACKGROUND, still(2) * math.nan)], still(2), 8, 8)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("elbow", "place"), [("out", (0.1, -0.6)), ("out", (0.9, -1.3)), ("in", (0.2, -0.3))])
def test_an_arm_reaches_its_goal(side, elbow, place):
    place = (place[0] * (1 if side == "right" else -1), place[1])
    look = random_look(np.random.default_rng(0))
    poses = {part.name: part.pose for part in puppet(look, still(1), arm_to(side, *place, elbow=elbow))}
    np.testing.assert_allclose(poses[f"{side} hand"][0, :2, 2], place, atol=1e-6)
    hand, joint, shoulder = (poses[f"{side} {part}"][0, :2, 2] for part in ("hand", "forearm", "upper arm"))
    across = (hand[0] - shoulder[0]) * (joint[1] - shoulder[1]) - (hand[1] - shoulder[1]) * (joint[0] - shoulder[0])
    assert (across > 0) == ((side == "left") == (elbow == "out"))  # on which side of the line to the hand
    beyond = {part.name: part.pose for part in puppet(look, still(1), arm_to("right", 5.3, -0.86))}
    np.testing.assert_allclose(beyond["right hand"][0, :2, 2], (1.3, -0.86), atol=2e-3)  # it points there


def test_planted_feet_stay_where_they_are():
    drop = np.linspace(0.02, 0.6, 5)
    look = random_look(np.random.default_rng(0))
    poses = {p.name: p.pose for p in puppet(look, transform(0, drop), planted(drop, 0.25))}
    np.testing.assert_allclose(poses["left foot"][:, :2, 2], np.tile([-0.25, 1.18], (5, 1)), atol=2e-3)
    np.testing.assert_allclose(poses["right foot"][:, :2, 2], np.tile([0.25, 1.18], (5, 1)), atol=2e-3)
    stepping = {p.name: p.pose for p in puppet(look, still(1), legs_to((-0.5, 0.9), (0.3, 0.8)))}
    np.testing.assert_allclose(stepping["left foot"][0, :2, 2], (-0.5, 0.9), atol=1e-6)


def test_the_painter_is_right_whatever_the_supersampling():
    """Flow, part index and occlusion do not depend on how finely colours are sampled."""
    scene = [
        Part("ground", everywhere(), BACKGROUND, still(3)),
        Part("ball", disc(2.6), plain((1.0, 0.0, 0.0)), transform([5.0, 6.3, 9.9], [6.0, 6.4, 6.0])),
    ]
    one, three = (render(scene, still(3), 12, 16, supersampling=n) for n in (1, 3))
    assert torch.equal(one.part, three.part)
    assert torch.equal(one.occluded, three.occluded)
    assert (one.frames.float() - three.frames.float()).abs().max() < 0.1 * 255  # the rim: one sample, or nine


def test_what_comes_from_far_is_hidden_too():
    """However little the parts between the two move."""
    scene = [
        Part("ground", everywhere(), BACKGROUND, still(2)),
        Part("flying", disc(3.0), plain((0.0, 1.0, 0.0)), transform([6.0, 22.0], [10.0, 10.0])),
        Part("resting", disc(1.0), BACKGROUND, transform([6.0, 6.0], [17.0, 17.0])),
        Part("screen", box(8.0, 8.0), plain((1.0, 0.0, 0.0)), transform([22.0, 22.0], [10.0, 10.0])),
    ]
    clip = render(scene, still(2), 20, 28)
    assert torch.equal(clip.occluded[0], clip.part[0] == 1)
    assert clip.occluded[0].sum() > 20


def test_masks_by_kind():
    scene = [
        Part("ground", everywhere(), BACKGROUND, still(1)),
        Part("head", disc(2.0), BACKGROUND, transform([4.0], [4.0]), "puppet"),
        Part("hat", disc(1.0), BACKGROUND, transform([10.0], [4.0]), "prop"),
    ]
    clip = render(scene, still(1), 9, 14)
    assert torch.equal(clip.mask("puppet"), clip.part == 1)
    assert torch.equal(clip.mask("puppet", "prop"), clip.part > 0)
    assert clip.mask("prop").sum() == 5  # a disc of radius 1: a pixel and its four neighbours
