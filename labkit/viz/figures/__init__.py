"""Figures: images side by side, optical flow in all its dress, plain charts.

Every function takes arrays and returns a `labkit.viz.style.Figure`; nothing here trains, loads or prints. Each asks
for a title and an alt text: a figure that cannot be described in a sentence is not finished.
"""

from labkit.viz.figures.charts import bar_chart, bar_slider, condition_slider, line_chart, timeline
from labkit.viz.figures.images import (
    flow_components,
    flow_fields,
    frame_strip,
    heat_maps,
    image_grid,
    marked_locations,
    quiver,
    trajectory_plot,
)

__all__ = [
    "bar_chart",
    "bar_slider",
    "condition_slider",
    "flow_components",
    "flow_fields",
    "frame_strip",
    "heat_maps",
    "image_grid",
    "line_chart",
    "marked_locations",
    "quiver",
    "timeline",
    "trajectory_plot",
]
