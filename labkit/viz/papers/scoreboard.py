"""The figures of lesson 10: what systems see of a clip, what they achieve, and what it costs."""

from collections.abc import Mapping, Sequence
from typing import Any

from labkit.viz.board import System, trade_off_chart
from labkit.viz.figures import bar_chart, bar_slider, timeline
from labkit.viz.style import Figure
from labkit.viz.tables import Table

COSTS = {"gflop": "10⁹ operations a clip", "training": "seconds of training", "parameters": "million parameters"}
FAMILIES = {
    "appearance": "appearance pairs",
    "motion": "motion only",
    "reversed": "reversed pairs",
    "accuracy": "all",
}
Known = Mapping[str, Mapping[str, Any]]  # by system and metric; None where it was never measured


def views(ten_frames: Sequence[int], three_frames: Sequence[int], length: int) -> Figure:
    """Which frames of a clip one view has, for each kind of system.

    Args:
        ten_frames: that codes are made of.
        three_frames: that a TSN sees.
        length: of the clip, in frames.
    """
    middle = length // 2
    return timeline(
        {
            "single frames: spatial stream, frozen features, NB-TL, photos": [middle],
            "flow fields: temporal stream": [*range(3, min(13, length))],
            "ten codes: Average, bidirectional RNN": ten_frames,
            "all frames: Conv Pooling, deep LSTM": range(length),
            "two frames: ActionFlowNet-2F": [middle - 1, middle],
            "eight frames: ActionFlowNet, R3D, S3D, MViT": range(middle - 4, middle + 4),
            "three frames, or their differences: TSN, TDN": three_frames,
        },
        title="What one view shows",
        alt=f"Seven lines over {length} frames, with dots where a system sees a frame: from a single frame to all.",
        x_title="frame",
        length=length,
    )


def trade_offs(titles: Mapping[str, str], leagues: Mapping[str, str], known: Known) -> Figure | Table:
    """Accuracy over what it costs; buttons choose the cost, the area of a mark is the number of parameters.

    Args:
        titles: names of the systems, by key.
        leagues: theirs, by key.
        known: accuracy and costs of each, as far as they were measured.
    """
    measured = {name: values for name in titles if _complete(values := known[name], ("accuracy", *COSTS))}
    if not measured:
        return _nothing("labkit study run 10")
    systems = [
        System(
            titles[name],
            leagues[name],
            values["accuracy"],
            values["parameters"],
            {COSTS[cost]: values[cost] for cost in COSTS},
        )
        for name, values in measured.items()
    ]
    return trade_off_chart(
        systems,
        title="What they achieve, and what it costs",
        alt="A mark for each system: its accuracy over its cost; the area is its number of parameters.",
        y_title="accuracy (% of test clips)",
        size_title="million parameters",
    )


def families(titles: Mapping[str, str], known: Known) -> Figure | Table:
    """Accuracy by family of actions, for a system chosen by a slider; arguments as of `trade_offs`."""
    steps: dict[str, dict[str, Any]] = {
        title: {label: known[name][family] for family, label in FAMILIES.items()}
        for name, title in titles.items()
        if _complete(known[name], FAMILIES)
    }
    if not steps:
        return _nothing("labkit study run 10")
    values = "; ".join(f"{name}: " + ", ".join(f"{k} {v:.0f}" for k, v in row.items()) for name, row in steps.items())
    return bar_slider(
        steps,
        title="Who is good at what",
        alt=f"Accuracy on three families of actions and on all, for a system chosen by a slider: {values}",
        x_title="family of actions",
        y_title="accuracy (% of test clips)",
        slider="system",
    )


def ratios(titles: Mapping[str, str], times: Mapping[str, float]) -> Figure:
    """How long a clip takes by each system, relative to the spatial stream."""
    return bar_chart(
        {"times the spatial stream": {titles[name]: ratio for name, ratio in times.items()}},
        title="What a clip takes, measured just now",
        alt="Time of each system for one clip, relative to the spatial stream.",
        x_title="system",
        y_title="times the spatial stream",
        height=400,
    )


def _complete(values: Mapping[str, float | None], names: Any) -> bool:
    return all(values[name] is not None for name in names)


def _nothing(command: str) -> Table:
    return Table(f"<p>There are no records of the comparison yet: <code>.venv/bin/{command}</code> makes them.</p>")
