"""Figures and widgets: take arrays, return something to look at."""

from labkit.viz.attention import AttentionExplorer
from labkit.viz.board import System, forest_plot, outcome_bars, trade_off_chart, verdict_tiles
from labkit.viz.browse import confusion_browser
from labkit.viz.classes import class_sheet, confusion_switch, recall_chart, recall_slider, recalls
from labkit.viz.colour import colour_wheel, flow_to_rgb, heat_to_rgb, overlay, signed_to_rgb, typical_speed
from labkit.viz.diagram import Block, block_diagram
from labkit.viz.figures import (
    bar_chart,
    bar_slider,
    condition_slider,
    flow_components,
    flow_fields,
    frame_strip,
    heat_maps,
    image_grid,
    line_chart,
    marked_locations,
    quiver,
    timeline,
    trajectory_plot,
)
from labkit.viz.filters import filter_details, filter_mosaic
from labkit.viz.layers import flow_layer, mean_subtraction_layers, speed_layer
from labkit.viz.occluder import Covered, Occluder
from labkit.viz.pairs import PairExplorer
from labkit.viz.patches import PatchExplorer
from labkit.viz.player import ClipPlayer, Layer, Panel
from labkit.viz.quiz import Quiz, quiz
from labkit.viz.retrieval import RetrievalBrowser
from labkit.viz.scatter import ClipScatter
from labkit.viz.source import show
from labkit.viz.steps import Reading, step_chart
from labkit.viz.story import clip_story
from labkit.viz.style import Figure, finish
from labkit.viz.switch import switched
from labkit.viz.tables import Table, claims_list, contents, folded, paper_table
from labkit.viz.towers import tower_chart
from labkit.viz.votes import Ballot, VotedOut, vote_chart

__all__ = [
    "AttentionExplorer",
    "Ballot",
    "Block",
    "ClipPlayer",
    "ClipScatter",
    "Covered",
    "Figure",
    "Layer",
    "Occluder",
    "PairExplorer",
    "Panel",
    "PatchExplorer",
    "Quiz",
    "Reading",
    "RetrievalBrowser",
    "System",
    "Table",
    "VotedOut",
    "bar_chart",
    "bar_slider",
    "block_diagram",
    "claims_list",
    "class_sheet",
    "clip_story",
    "colour_wheel",
    "condition_slider",
    "confusion_browser",
    "confusion_switch",
    "contents",
    "filter_details",
    "filter_mosaic",
    "finish",
    "flow_components",
    "flow_fields",
    "flow_layer",
    "flow_to_rgb",
    "folded",
    "forest_plot",
    "frame_strip",
    "heat_maps",
    "heat_to_rgb",
    "image_grid",
    "line_chart",
    "marked_locations",
    "mean_subtraction_layers",
    "outcome_bars",
    "overlay",
    "paper_table",
    "quiver",
    "quiz",
    "recall_chart",
    "recall_slider",
    "recalls",
    "show",
    "signed_to_rgb",
    "speed_layer",
    "step_chart",
    "switched",
    "timeline",
    "tower_chart",
    "trade_off_chart",
    "trajectory_plot",
    "typical_speed",
    "verdict_tiles",
    "vote_chart",
]
