"""Optical flow: how to estimate it, stack it for a network, warp with it, keep it on disk."""

from labkit.flow.estimate import dis, farneback, tvl1_opencv
from labkit.flow.local import matching_error, structure_tensor_eigenvalues
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
from labkit.flow.store import (
    FlowFileError,
    load_flow,
    read_flo,
    save_flow,
    stored_flow_shape,
    write_flo,
)
from labkit.flow.tvl1 import tvl1
from labkit.flow.warp import backward_warp, occlusion_mask, pixel_grid, sample_bilinear

__all__ = [
    "FlowFileError",
    "backward_warp",
    "bidirectional_stacking",
    "crop",
    "dis",
    "farneback",
    "flip_flow",
    "flip_frames",
    "flip_stack",
    "load_flow",
    "matching_error",
    "mean_flow_subtraction",
    "occlusion_mask",
    "optical_flow_stacking",
    "pixel_grid",
    "read_flo",
    "resize_flow",
    "sample_bilinear",
    "save_flow",
    "stored_flow_shape",
    "structure_tensor_eigenvalues",
    "trajectories",
    "trajectory_stacking",
    "tvl1",
    "tvl1_opencv",
    "write_flo",
]
