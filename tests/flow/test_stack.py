import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.flow.stack import (
    bidirectional_stacking,
    crop,
    flip_flow,
    flip_frames,
    flip_stack,
    mean_flow_subtraction,
    optical_flow_stacking,
    resize_flow,
    trajectories,
    trajectory_stacking,
)
from labkit.flow.warp import backward_warp

seeds = st.integers(0, 2**32 - 1)
leadings = st.lists(st.integers(0, 3), max_size=2)
STACKINGS = (
    optical_flow_stacking,
    trajectory_stacking,
    lambda flow: bidirectional_stacking(flow, flow + 1),
    lambda flow: bidirectional_stacking(flow, flow + 1, along_trajectories=True),
)


def random_flow(*sizes, seed=0, scale=2.0):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed)) * scale


# Two fields of one row and four columns. The first moves everything right by 1, the second differs at each pixel.
FIRST_DX, FIRST_DY = [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]
SECOND_DX, SECOND_DY = [10.0, 11.0, 12.0, 13.0], [20.0, 21.0, 22.0, 23.0]
TWO_FIELDS = torch.tensor([[[FIRST_DX], [FIRST_DY]], [[SECOND_DX], [SECOND_DY]]])  # (2, 2, 1, 4)


def test_optical_flow_stacking_interleaves_x_and_y():
    expected = torch.tensor([[FIRST_DX], [FIRST_DY], [SECOND_DX], [SECOND_DY]])  # (4, 1, 4)
    assert torch.equal(optical_flow_stacking(TWO_FIELDS), expected)


def test_trajectory_stacking_reads_the_second_field_where_the_first_led():
    # every pixel reads the second field one column further right; the last one has left and reads the border
    expected = torch.tensor([[FIRST_DX], [FIRST_DY], [[11.0, 12.0, 13.0, 13.0]], [[21.0, 22.0, 23.0, 23.0]]])
    assert torch.equal(trajectory_stacking(TWO_FIELDS), expected)
    flow = TWO_FIELDS.clone()
    flow[0, 0] = 0.25  # between two pixels
    between = torch.tensor([[[10.25, 11.25, 12.25, 13.0]], [[20.25, 21.25, 22.25, 23.0]]])
    torch.testing.assert_close(trajectory_stacking(flow)[2:], between)


def test_trajectories_of_three_steps_by_hand():
    # 3 x 3 pixels: one step right, then the field turns down by the column number, then left by the row number
    flow = torch.zeros(3, 2, 3, 3)
    flow[0, 0] = 0.5
    flow[1, 1] = torch.tensor([0.0, 1.0, 2.0])  # dy = column
    flow[2, 0] = -torch.tensor([[0.0], [1.0], [2.0]])  # dx = -row
    points = torch.tensor([[0.0, 0.0], [1.0, 0.5]])
    # (0, 0) -> (.5, 0) -> dy = .5: (.5, .5) -> dx = -.5: (0, .5)
    # (1, .5) -> (1.5, .5) -> dy = 1.5: (1.5, 2) -> dx = -2: (-.5, 2)
    expected = torch.tensor(
        [[[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [0.0, 0.5]], [[1.0, 0.5], [1.5, 0.5], [1.5, 2.0], [-0.5, 2.0]]]
    )
    torch.testing.assert_close(trajectories(flow, points), expected)
    flow = torch.zeros(3, 2, 1, 4)
    flow[:, 0, 0, 3] = 2.0  # only the last column moves; beyond the border a point moves as at the border
    assert trajectories(flow, torch.tensor([[3.0, 0.0]]))[0, :, 0].tolist() == [3.0, 5.0, 7.0, 9.0]


@settings(deadline=None, max_examples=20)
@given(leadings, st.integers(1, 4), seeds)
def test_trajectory_stacks_are_the_steps_of_the_trajectories(leading, length, seed):
    flow = random_flow(*leading, length, 2, 4, 5, seed=seed)
    pixels = torch.tensor([[3.0, 0.0], [0.0, 2.0], [4.0, 3.0]])  # (x, y)
    steps = trajectories(flow, pixels).diff(dim=-2)  # (..., 3, L, 2)
    stack = trajectory_stacking(flow).unflatten(-3, (length, 2))  # (..., L, 2, H, W)
    for number, (x, y) in enumerate(pixels.int().tolist()):
        torch.testing.assert_close(steps[..., number, :, :], stack[..., y, x], atol=1e-5, rtol=1e-5)


def test_bidirectional_stacking_runs_outwards_from_tau():
    # frames 0..4, tau = 2, L = 4; each field's dx says from which frame to which: 23 = from 2 to 3
    forward = torch.tensor([1.0, 12.0, 23.0, 34.0]).reshape(4, 1, 1, 1).expand(4, 2, 1, 1)
    backward = torch.tensor([10.0, 21.0, 32.0, 43.0]).reshape(4, 1, 1, 1).expand(4, 2, 1, 1)
    tau, half = 2, 2
    stack = bidirectional_stacking(forward[tau : tau + half], backward[tau - half : tau])
    assert stack.flatten().tolist() == [23.0, 23.0, 34.0, 34.0, 21.0, 21.0, 10.0, 10.0]


def test_the_backward_half_follows_its_paths_back_in_time():
    still = torch.zeros_like(TWO_FIELDS)
    stack = bidirectional_stacking(still, TWO_FIELDS.flip(0), along_trajectories=True)  # TWO_FIELDS run from tau back
    assert torch.equal(stack[:4], torch.zeros(4, 1, 4))
    assert torch.equal(stack[4:], trajectory_stacking(TWO_FIELDS))


@pytest.mark.parametrize("stacking", STACKINGS)
def test_any_leading_dimensions(stacking):
    flow = random_flow(2, 3, 2, 2, 4, 5)
    stack = stacking(flow)
    channels = stacking(flow[0, 0]).shape[0]
    assert stack.shape == (2, 3, channels, 4, 5)
    for index in np.ndindex(2, 3):
        assert torch.equal(stack[index], stacking(flow[index]))
    assert stacking(flow[:0]).shape == (0, 3, channels, 4, 5)


@pytest.mark.parametrize("stacking", STACKINGS)
@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 6), seeds)
def test_the_stack_of_the_flipped_flow_is_the_flipped_stack(stacking, length, height, width, seed):
    flow = random_flow(length, 2, height, width, seed=seed)
    if stacking not in STACKINGS[:2]:  # the backward flow, too, has to be the mirrored one
        along = stacking is STACKINGS[3]
        flipped = bidirectional_stacking(flip_flow(flow), flip_flow(flow + 1), along_trajectories=along)
    else:
        flipped = stacking(flip_flow(flow))
    torch.testing.assert_close(flipped, flip_stack(stacking(flow)), atol=2e-4, rtol=1e-4)


def test_flipping_by_hand():
    flow = torch.tensor([[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]])
    flipped = torch.tensor([[[-3.0, -2.0, -1.0]], [[6.0, 5.0, 4.0]]])
    assert torch.equal(flip_flow(flow), flipped)
    assert torch.equal(flip_stack(torch.cat([flow, flow])), torch.cat([flipped, flipped]))
    assert torch.equal(flip_frames(torch.tensor([[True, False, False]])), torch.tensor([[False, False, True]]))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(1, 8), seeds)
def test_flipped_flow_explains_flipped_frames(height, width, seed):
    second = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    flow = random_flow(2, height, width, seed=seed)
    first, inside = backward_warp(second, flow)  # so flow leads from first to second
    flipped_first, flipped_inside = backward_warp(flip_frames(second), flip_flow(flow))
    torch.testing.assert_close(flipped_first, flip_frames(first), atol=1e-5, rtol=1e-5)
    # 1e-5 inside or outside of the border is a matter of rounding
    clear = flip_frames(backward_warp(second, flow * (1 + 1e-4))[1] == inside)
    assert torch.equal(flipped_inside[clear], flip_frames(inside)[clear])


def test_mean_flow_subtraction_by_hand():
    flow = torch.tensor([[[1.0, 3.0]], [[-4.0, 0.0]]])
    expected = torch.tensor([[[-1.0, 1.0]], [[-2.0, 2.0]]])
    assert torch.equal(mean_flow_subtraction(flow), expected)
    both = torch.stack([flow, flow * 2])
    assert torch.equal(mean_flow_subtraction(both), torch.stack([expected, expected * 2]))  # each has its own mean


def test_everything_is_cropped_alike():
    frames = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert crop(frames, top=1, left=2, height=2, width=3)[0, 0].tolist() == [[7, 8, 9], [12, 13, 14]]
    assert torch.equal(crop(frames, 0, 0, 4, 5), frames)
    for outside in ((-1, 0, 2, 2), (0, -1, 2, 2), (3, 0, 2, 2), (0, 4, 2, 2), (0, 0, 0, 2), (0, 0, 2, 0)):
        with pytest.raises(ValueError, match="the crop must lie inside 4 x 5 pixels"):
            crop(frames, *outside)


def test_resizing_by_hand_scales_the_vectors_with_the_image():
    flow = torch.tensor([6.0, 4.0]).reshape(2, 1, 1).expand(2, 8, 12)
    resized = resize_flow(flow, (4, 3))  # half the height, a quarter of the width
    assert resized.shape == (2, 4, 3)
    torch.testing.assert_close(resized[0], torch.full((4, 3), 1.5))
    torch.testing.assert_close(resized[1], torch.full((4, 3), 2.0))

    flow = torch.tensor([[[0.0, 4.0]], [[1.0, 1.0]]])  # pixel centres at 0.5 and 1.5 of 2
    resized = resize_flow(flow, (1, 4))  # centres at 0.25, 0.75, 1.25, 1.75 of 2: 0, 1, 3, 4, then twice as long
    torch.testing.assert_close(resized, torch.tensor([[[0.0, 2.0, 6.0, 8.0]], [[1.0, 1.0, 1.0, 1.0]]]))
    # shrinking smooths: new centres at 1 and 3 of 4, old ones at 0.5, 1.5, 2.5, 3.5; a triangle weighs them 3 : 3 : 1
    flow = torch.tensor([[[0.0, 7.0, 14.0, 21.0]], [[7.0, 0.0, 0.0, 0.0]]])
    torch.testing.assert_close(resize_flow(flow, (1, 2)), torch.tensor([[[5.0 / 2, 16.0 / 2]], [[3.0, 0.0]]]))


@settings(deadline=None, max_examples=30)
@given(leadings, st.integers(1, 9), st.integers(1, 9), seeds)
def test_resizing_keeps_leading_dimensions_and_commutes_with_flipping(leading, height, width, seed):
    flow = random_flow(*leading, 2, 4, 6, seed=seed)
    resized = resize_flow(flow, (height, width))
    assert resized.shape == (*leading, 2, height, width)
    torch.testing.assert_close(resize_flow(flip_flow(flow), (height, width)), flip_flow(resized), atol=1e-5, rtol=1e-5)


FLAT = torch.zeros(2, 4, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optical_flow_stacking(FLAT), ValueError, r"flow must be \(\.\.\., L, 2, H, W\).*unsqueeze"),
        (lambda: optical_flow_stacking(torch.zeros(0, 2, 4, 4)), ValueError, "at least one field"),
        (lambda: trajectory_stacking(torch.full((2, 2, 4, 4), torch.nan)), ValueError, "flow must be finite"),
        (lambda: trajectories(torch.zeros(3, 1, 2, 4, 4), torch.zeros(2, 5, 2)), ValueError, "points must have the le"),
        (lambda: bidirectional_stacking(FLAT[None], FLAT), ValueError, "backward must be"),
        (lambda: bidirectional_stacking(torch.zeros(3, 2, 4, 4), torch.zeros(2, 2, 4, 4)), ValueError, "must be even;"),
        (lambda: bidirectional_stacking(FLAT[None], torch.zeros(1, 2, 4, 5)), ValueError, "forward and backward"),
        (lambda: flip_flow(torch.zeros(4, 4, 4)), ValueError, "use flip_stack"),
        (lambda: flip_stack(torch.zeros(3, 4, 4)), ValueError, "2L channels"),
        (lambda: resize_flow(FLAT, (0, 3)), ValueError, "at least 1 x 1"),
        (lambda: resize_flow(torch.zeros(20, 4, 4), (3, 3)), ValueError, "unflatten a stack first"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
