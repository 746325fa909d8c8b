"""Translated and rotated pairs: by hand, and by warping them back."""

import torch

from labkit import flow as fl
from labkit.views import pairs as views_pairs
from labkit.views.pairs import move_pair, translate_and_rotate


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def motions(monkeypatch, *matrices):
    made = iter([torch.tensor([*rows, [0.0, 0.0, 1.0]], dtype=torch.float64) for rows in matrices])
    monkeypatch.setattr(views_pairs, "_motion", lambda *anything: next(made))


def test_a_shift_by_hand(monkeypatch):
    """Both frames go 3 to the right and 1 down, the second one 2 further up."""
    motions(monkeypatch, [[1, 0, 3], [0, 1, 1]], [[1, 0, 0], [0, 1, -2]])
    frames, flow = torch.rand(2, 3, 10, 12), torch.rand(1, 2, 10, 12)
    moved, new = translate_and_rotate(frames, flow)
    torch.testing.assert_close(moved[0, :, 1:, 3:], frames[0, :, :-1, :-3])
    torch.testing.assert_close(moved[1, :, :-1, 3:], frames[1, :, 1:, :-3])
    torch.testing.assert_close(new[..., 1:, 3:], flow[..., :-1, :-3] + torch.tensor([0.0, -2.0])[:, None, None])
    assert new[..., 0, :].isnan().all()
    assert new[..., :3].isnan().all()


def test_a_pair_and_its_flow_move_as_one_video():
    frames, flow = torch.rand(2, 3, 10, 12), torch.rand(1, 2, 10, 12)
    video = move_pair(torch.cat([frames.flatten(0, 1), flow[0]]), 0.2, 17.0, seeded())
    moved, new = translate_and_rotate(frames, flow, 0.2, 17.0, seeded())
    torch.testing.assert_close(video, torch.cat([moved.flatten(0, 1), new[0]]), equal_nan=True)


def test_a_quarter_turn_by_hand(monkeypatch):
    """About the middle of 9 x 9 pixels, clockwise as seen: what lay right lies below, and moves there."""
    motions(monkeypatch, [[0, -1, 8], [1, 0, 0]], [[1, 0, 0], [0, 1, 0]])
    frames, flow = torch.rand(2, 3, 9, 9), torch.zeros(1, 2, 9, 9)
    flow[:, 0] = 2.0  # to the right
    moved, new = translate_and_rotate(frames, flow)
    torch.testing.assert_close(moved, torch.rot90(frames, -1, (2, 3)))
    torch.testing.assert_close(new[0, :, 4, 4], torch.tensor([0.0, 2.0]))


def test_new_flow_still_leads_from_the_first_frame_to_the_second():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")

    def scene(x, y):
        return torch.stack([torch.sin(x / 5 + y / 9), torch.cos(x / 8 - y / 6), torch.sin(y / 7)])

    frames = torch.stack([scene(x, y), scene(x - 2, y + 1)])
    flow = torch.tensor([2.0, -1.0])[None, :, None, None].expand(1, 2, 64, 64)
    for draw in range(5):
        moved, new = translate_and_rotate(frames, flow, generator=seeded(draw))
        known = torch.isfinite(new).all(1)[0]
        back, inside = fl.backward_warp(moved[1:], new.nan_to_num())
        far = (back - moved[:1]).abs().amax(1)[0][known & inside[0]]
        assert known.float().mean() > 0.3
        assert far.quantile(0.9) < 0.05
        assert (new[0, :, known] - flow[0, :, known]).abs().max() > 0.3  # another motion than before


def test_motion_is_drawn_within_its_limits():
    drawn = torch.stack([views_pairs._motion(40, 60, 12.0, 17.0, seeded(d)) for d in range(300)])
    angles = torch.rad2deg(torch.atan2(drawn[:, 1, 0], drawn[:, 0, 0]))
    assert -17 <= angles.min() < -15
    assert 15 < angles.max() <= 17
    middle = torch.tensor([29.5, 19.5, 1.0], dtype=torch.float64)
    moved = drawn @ middle - middle
    assert moved[:, :2].abs().max() <= 12
    assert moved[:, :2].abs().max() > 11
