"""The input of the temporal stream: a volume of L consecutive flow fields, 2L channels deep.

A two-stream network sees motion because motion is put into its input. Stacking shows what passes through a *location*
over L frames; trajectories show what happens to a *thing*: displacements are read along the path of the pixel that
starts there. Both can read forward only, or half forward and half backward, and the mean vector of each field can be
subtracted, a simple compensation for the camera. The rest of this file flips, crops and resizes: flow is not an image,
and what moves its pixels may have to change its vectors too.

A flow field is ``(..., 2, H, W)``, (dx, dy) in pixels per frame, float32 or float64; L of them are
``(..., L, 2, H, W)``, a stack ``(..., 2L, H, W)``. Of another shape, without any field, or with a value that is not
finite where paths are followed, it raises ``ValueError``; of another dtype, where it is read between pixels or resized,
``TypeError``.

Source: Simonyan and Zisserman, "Two-stream convolutional networks for action recognition in videos", NIPS 2014,
section 3.1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit import checks
from labkit.flow.warp import pixel_grid, sample_bilinear


def optical_flow_stacking(flow: Tensor) -> Tensor:
    """Stack L flow fields as they are: dx and dy of the first, of the second, and so on.

    The fields of frames tau, ..., tau + L - 1, each to the frame after it, become ``(..., 2L, H, W)``, a view where
    possible.

    Source: section 3.1, "Optical flow stacking", eq. (1).
    """
    _require_fields(flow, "flow")
    # eq. (1): channels 2k - 1 and 2k are dx and dy of field tau + k - 1
    return flow.flatten(-4, -3)  # (..., 2L, H, W)


def trajectory_stacking(flow: Tensor) -> Tensor:
    """Stack L flow fields, each read where the pixel that started at (u, v) has arrived by then.

    Between pixels the field is read bilinearly. The paper does not say what happens at the border; here a pixel that
    leaves the image continues, and reads the border point nearest to it. The stack ``(..., 2L, H, W)`` has the
    displacement vectors along the path, not its points (for these see `trajectories`).

    Source: section 3.1, "Trajectory stacking", eq. (2).
    """
    _require_fields(flow, "flow")
    height, width = flow.shape[-2:]
    _, displacements = _follow(flow, pixel_grid(height, width, like=flow))  # (..., L, 2, H * W)
    return optical_flow_stacking(displacements.unflatten(-1, (height, width)))  # (..., 2L, H, W)


def bidirectional_stacking(forward: Tensor, backward: Tensor, along_trajectories: bool = False) -> Tensor:
    """Stack L/2 flow fields after frame tau and L/2 before it.

    The backward fields are true backward flow, estimated from each frame to the one before it, not negated forward
    flow. With ``forward[t]`` from frame t to t + 1 and ``backward[t]`` from frame t + 1 to t, pass
    ``forward[tau : tau + L // 2]`` and ``backward[tau - L // 2 : tau]``.

    The paper leaves the order of the channels open; here the forward half comes first and both run outwards from tau:
    tau to tau + 1, and so on, then tau to tau - 1, and so on. Each half is eq. (1) or (2) in its own direction of time.

    Args:
        forward: ``(..., L/2, 2, H, W)``, in the order of the video, in pixels per frame.
        backward: the same shape, also in the order of the video: the field that starts at tau comes last.
        along_trajectories: read each half along its paths from tau, as `trajectory_stacking` does.

    Raises:
        ValueError: shapes differ: L is odd, or the video ended too early.

    Source: section 3.1, "Bi-directional optical flow".
    """
    _require_fields(forward, "forward")
    _require_fields(backward, "backward")
    ahead, behind = forward.shape[-4], backward.shape[-4]
    if ahead != behind:
        raise ValueError(
            f"forward and backward must hold L/2 fields each, so L must be even; got {ahead} and {behind} (L = "
            f"{ahead + behind}): take L // 2 fields on both sides of tau"
        )
    checks.require_same_shape(forward, backward, ("forward", "backward"))
    stack = trajectory_stacking if along_trajectories else optical_flow_stacking
    return torch.cat([stack(forward), stack(backward.flip(-4))], dim=-3)  # (..., 2L, H, W)


def trajectories(flow: Tensor, points: Tensor) -> Tensor:
    """Follow points through L flow fields, for drawing or as features.

    Args:
        flow: L fields.
        points: ``(..., N, 2)``, where they start: (x, y) in pixels, (0, 0) the centre of the top left pixel. The
            leading dimensions of the flow, or none to follow the same points in every video. Beyond the border they
            continue as in `trajectory_stacking`.

    Returns:
        ``(..., N, L + 1, 2)``: p_1, ..., p_L of eq. (2), then where the last field leads.

    Source: section 3.1, the recurrence below eq. (2).
    """
    _require_fields(flow, "flow")
    checks.require_shape(points, "... N 2", "points", "one (x, y) in each row")
    positions, _ = _follow(flow, points)
    return positions


def mean_flow_subtraction(flow: Tensor) -> Tensor:
    """Subtract from each displacement field its mean vector: what all pixels share is mostly the camera's motion.

    Takes single fields and stacks alike. For trajectories stack first: the paths need the camera's motion, or they lose
    their pixels. The paper does not say so; with `optical_flow_stacking` the order makes no difference.

    Source: section 3.1, "Mean flow subtraction".
    """
    _require_stack(flow)
    return flow - flow.mean(dim=(-2, -1), keepdim=True)


def flip_frames(frames: Tensor) -> Tensor:
    """Flip frames or masks, ``(..., H, W)``, horizontally. Not for flow: its vectors have to change too."""
    checks.require_shape(frames, "... H W", "frames")
    return frames.flip(-1)


def flip_flow(flow: Tensor) -> Tensor:
    """Flip flow fields horizontally: what moved right now moves left, so dx changes its sign. See also `flip_stack`."""
    checks.require_shape(flow, "... 2 H W", "flow", "pass dx, dy only, or use flip_stack for 2L channels")
    return flip_stack(flow)


def flip_stack(stack: Tensor) -> Tensor:
    """Flip a stack of any kind that this file makes horizontally: the stack of the flipped flow."""
    _require_stack(stack)
    signs = stack.new_tensor([-1, 1]).repeat(stack.shape[-3] // 2)  # (2L,)
    return stack.flip(-1) * signs[:, None, None]


def crop(video: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """Crop everything alike; call it once for the frames and once for their flow.

    Cropping changes no displacement, so frames, masks, flow and stacks ``(..., H, W)`` are all cropped alike, to a view
    ``(..., height, width)`` from row ``top`` and column ``left`` on, counted from 0. An empty crop, or one that reaches
    beyond the image, is a ``ValueError``.
    """
    checks.require_shape(video, "... H W", "video")
    rows, columns = video.shape[-2:]
    if not (0 <= top < top + height <= rows and 0 <= left < left + width <= columns):
        raise ValueError(
            f"the crop must lie inside {rows} x {columns} pixels; got rows {top} to {top + height} and columns "
            f"{left} to {left + width}: resize first, or take a smaller crop"
        )
    return video[..., top : top + height, left : left + width]  # (..., height, width)


def resize_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize flow fields and scale their vectors along: half the width, half the dx.

    Bilinear, and smoothed before shrinking (``antialias``), as frames are resized: ``(..., 2, H, W)`` to
    ``(..., 2, height, width)`` in the new image's pixels, both sizes at least 1 x 1.
    """
    checks.require_shape(flow, "... 2 H W", "flow", "pass dx, dy only; unflatten a stack first")
    checks.require_dtype(flow, (torch.float32, torch.float64), "flow", "convert with .float()")
    *leading, _, height, width = flow.shape
    if min(height, width, *size) < 1:
        raise ValueError(f"both sizes must be at least 1 x 1; got {height} x {width} and size {tuple(size)}")
    fields = flow.reshape(-1, 2, height, width)  # (product of the leading dimensions, 2, H, W)
    resized = F.interpolate(fields, size, mode="bilinear", align_corners=False, antialias=True)
    scale = flow.new_tensor([size[1] / width, size[0] / height])  # (2,): of dx, dy
    return (resized * scale[:, None, None]).reshape(*leading, 2, *size)  # (..., 2, height, width)


def _follow(flow: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Positions ``(..., N, L + 1, 2)`` along the trajectories and the displacements ``(..., L, 2, N)`` read there."""
    checks.require_finite(flow, "flow", "fill unknown flow first, e.g. torch.nan_to_num(flow, nan=0.0)")
    positions, displacements = [points], []  # p_1 = (u, v)
    for field in flow.unbind(dim=-4):  # (..., 2, H, W)
        displacements.append(sample_bilinear(field, positions[-1]))  # (..., 2, N), eq. (2): d_{tau+k-1}(p_k)
        positions.append(positions[-1] + displacements[-1].mT)  # p_k = p_{k-1} + d_{tau+k-2}(p_{k-1})
    return torch.stack(torch.broadcast_tensors(*positions), dim=-2), torch.stack(displacements, dim=-3)


def _require_fields(flow: Tensor, name: str) -> None:
    checks.require_shape(flow, "... L 2 H W", name, "a sequence of flow fields; unsqueeze a single one")
    if flow.shape[-4] == 0:
        raise ValueError(f"{name} must hold at least one field; got {tuple(flow.shape)}: check where the stack starts")


def _require_stack(stack: Tensor) -> None:
    checks.require_shape(stack, "... C H W", "stack", "2L channels, x and y interleaved")
    if stack.shape[-3] % 2:
        raise ValueError(f"stack must have 2L channels; got {tuple(stack.shape)}: x and y of each field, interleaved")
