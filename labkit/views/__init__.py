"""How a network sees a clip: which frames of it, what crop of them, flipped or not, in which colours.

`View` is the pipeline that all papers share; its `sample` comes from `samplers`, its `modality` from `modality`. Below
are pure functions: `sampling`, from the length of a clip to frame indices, and `crops`, from an image to its crops.
"""

from labkit.views.modality import RGB, Flow, FlowImage, FlowStack, FramesWithFlow
from labkit.views.samplers import Consecutive, RandomSegments, SegmentSnippets, Timeline
from labkit.views.view import View

__all__ = [
    "RGB",
    "Consecutive",
    "Flow",
    "FlowImage",
    "FlowStack",
    "FramesWithFlow",
    "RandomSegments",
    "SegmentSnippets",
    "Timeline",
    "View",
]
