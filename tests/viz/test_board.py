import math

import pytest

from labkit.viz import System, forest_plot, outcome_bars, trade_off_chart, verdict_tiles
from labkit.viz.board import margins_beyond

INF, NAN = math.inf, math.nan


def told(name, outcome, says="It is better.", reason="a > b by 1: +2.00"):
    return {"id": name, "outcome": outcome, "says": says, "reason": reason}


def statement(mean, low, high, least=1.0, most=INF, outcome="holds", claim="p.one", text="a > b by 1"):
    return locals()


def system(name, value=50.0, size=1.0, kind="frames", **costs):
    return System(name, kind, value, size, costs or {"ms": 1.0})


# Tiles


def test_there_is_a_tile_for_each_claim_sorted_by_outcome():
    figure = verdict_tiles(
        {"02": [told("a", "level"), told("b", "holds"), told("c", "holds")], "03": [told("d", "can't tell here")]},
        title="Claims",
        alt="Tiles.",
    )
    places = {trace.name: list(zip(trace.x, trace.y, strict=True)) for trace in figure.data}
    assert places == {
        "✓ holds (2)": [(1, "02"), (2, "02")],
        "= level (1)": [(3, "02")],
        "? can't tell here (1)": [(1, "03")],
    }
    assert "02: 2 holds, 1 level; 03: 1 can't tell here." in figure.alt
    assert figure.data[1].customdata[0].startswith("a: It is better.<br>a &gt; b by 1")
    long = verdict_tiles({"02": [told("a", "holds", says="word " * 60)], "03": []}, title="t", alt="a")
    assert max(map(len, long.data[0].customdata[0].split("<br>"))) <= 90
    assert "03: no claims" in long.alt


# Distances beyond a margin


@pytest.mark.parametrize(
    ("least", "most", "interval", "beyond"),
    [
        (1.0, INF, (3.0, 2.0, 4.0), (2.0, 1.0, 3.0)),  # a > b by 1
        (-1.0, INF, (-2.0, -3.0, 0.0), (-1.0, -2.0, 1.0)),  # a >= b within 1
        (-INF, 2.0, (1.0, 0.0, 5.0), (1.0, -3.0, 2.0)),  # never written, but a range all the same
        (-3.0, 3.0, (2.0, 1.0, 2.5), (1.0, 0.5, 2.0)),  # a ~ b within 3, on one side
        (-3.0, 3.0, (-1.0, -2.0, 1.0), (2.0, 1.0, 3.0)),  # across the middle: 3 at best
        (-3.0, 3.0, (2.0, -1.0, 5.0), (1.0, -2.0, 3.0)),
        (-3.0, 3.0, (-5.0, -6.0, -4.0), (-2.0, -3.0, -1.0)),
    ],
)
def test_distances_by_hand(least, most, interval, beyond):
    found = margins_beyond(statement(*interval, least=least, most=most))
    assert found == pytest.approx(beyond)
    # inside the range, and nowhere else, an interval lies right of zero
    assert (found[1] >= 0) == (interval[1] >= least and interval[2] <= most)
    assert (found[2] < 0) == (interval[2] < least or interval[1] > most)
    assert margins_beyond(statement(NAN, NAN, NAN, least, most)) is None  # not measured


# The forest


def test_the_forest_has_a_point_with_its_interval_for_each_statement():
    figure = forest_plot(
        [
            statement(3.0, 2.0, 12.0),
            statement(0.0, -9.0, 0.5, outcome="leans against it", text="c > d by 1"),
            statement(NAN, NAN, NAN, outcome="not yet run", claim="p.two", text="e > f by 1"),
        ],
        title="Forest",
        alt="Points.",
    )
    holds, leans = figure.data
    assert (holds.x[0], leans.x[0]) == pytest.approx((math.asinh(2), math.asinh(-1)))
    assert (holds.x[0] + holds.error_x.array[0], holds.x[0] - holds.error_x.arrayminus[0]) == pytest.approx(
        (math.asinh(11), math.asinh(1))
    )
    assert leans.x[0] - leans.error_x.arrayminus[0] == pytest.approx(math.asinh(-10))
    assert (holds.y[0], leans.y[0]) == (0, 1)
    texts = [annotation.text for annotation in figure.layout.annotations]
    assert texts[0] == "<b>p.one</b>  a &gt; b by 1"
    assert "p.one" not in texts[1]  # said once
    assert texts[2] == "<b>p.two</b>  e &gt; f by 1  <i>not yet run</i>"
    left, right = figure.layout.xaxis.range
    assert left == -right < math.asinh(-10)
    assert dict(zip(figure.layout.xaxis.ticktext, figure.layout.xaxis.tickvals, strict=True)) == pytest.approx(
        {"-10": math.asinh(-10), "-3": math.asinh(-3), "-1": math.asinh(-1), "margin": 0}
        | {"+1": math.asinh(1), "+3": math.asinh(3), "+10": math.asinh(10)}
    )
    assert "p.one, c > d by 1: leans against it; p.two, e > f by 1: not yet run." in figure.alt
    assert not forest_plot([statement(NAN, NAN, NAN, outcome="not yet run")], title="t", alt="a").data


def test_each_seed_is_a_dot_beside_the_interval():
    seen = statement(3.0, 2.0, 4.0) | {"values": (2.0, 5.0)}
    late = statement(NAN, NAN, NAN, outcome="not yet run") | {"values": (1.0,)}  # of too few seeds
    figure = forest_plot([seen, late], title="t", alt="a")
    assert [trace.name for trace in figure.data] == ["✓ holds", "one seed each"]
    assert list(figure.data[1].x) == pytest.approx([math.asinh(1), math.asinh(4)])
    assert max(figure.layout.xaxis.range) > math.asinh(4)


# How often something ends in each outcome


def test_bars_are_stacked_by_outcome_and_the_slider_sets_all_of_them():
    few = {"0": {"holds": 0.1, "can't tell here": 0.9}, "+1": {"holds": 1.0}}
    many = {"0": {"level": 1.0}, "+1": {"holds": 0.5, "level": 0.5}}
    words = {"title": "Sure", "alt": "Bars.", "x_title": "difference", "slider": "judged on"}
    figure = outcome_bars({"3 seeds": few, "20 seeds": many}, **words)
    assert figure.layout.barmode == "stack"
    assert [trace.name for trace in figure.data] == ["✓ holds", "= level", "? can't tell here"]
    assert [list(trace.y) for trace in figure.data] == [[10, 100], [0, 0], [90, 0]]
    moves = figure.layout.sliders[0].steps
    assert [step.label for step in moves] == ["3 seeds", "20 seeds"]
    assert moves[1].args[0]["y"] == [[0, 50], [100, 50], [0, 0]]
    assert figure.alt == "Bars. At the last bar it holds, judged on 3 seeds 100 %, 20 seeds 50 %."


# The trade-off


def chart(systems):
    return trade_off_chart(systems, title="Price", alt="Marks.", y_title="accuracy (%)", size_title="parameters")


def test_each_kind_is_a_trace_and_each_button_a_cost():
    figure = chart(
        [
            system("one", 80.0, 1.0, ms=1.0, s=10.0),
            system("two", 60.0, 100.0, "flow", ms=50.0, s=20.0),
            system("three", 70.0, 25.0, ms=4.0, s=30.0),
        ]
    )
    frames, flow = figure.data
    assert (frames.name, list(frames.x), list(frames.y)) == ("frames", [1.0, 4.0], [80.0, 70.0])
    sizes = [frames.marker.size[0], flow.marker.size[0]]
    assert sizes == pytest.approx([8 + 44 / 10, 8 + 44])  # the area is the number
    first, second = figure.layout.updatemenus[0].buttons
    assert (first.label, second.label) == ("ms", "s")
    assert [list(xs) for xs in second.args[0]["x"]] == [[10.0, 30.0], [20.0]]
    assert second.args[1]["xaxis.title.text"] == "s"
    assert "two, accuracy (%): 60.0, parameters: 100, ms: 50, s: 20" in figure.alt
    assert "<" not in figure.alt
    low, high = figure.layout.xaxis.range
    assert low < math.log10(1.0) < math.log10(50.0) < high
    alone = chart([system("alone")])
    assert len(alone.layout.updatemenus) == 0
    assert [label.text for label in alone.layout.annotations] == ["alone"]


def boxes(annotations, figure):
    """Of the labels, in pixels of the frame."""
    (left, right), (low, high) = figure.layout.xaxis.range, figure.layout.yaxis.range
    across, down = 920 - 84, figure.layout.height - 130
    for label in annotations:
        x = (label.x - left) / (right - left) * across + label.ax
        y = (high - label.y) / (high - low) * down + label.ay
        half = 3.3 * len(label.text)
        yield x - half, y - 7, x + half, y + 7


def test_no_label_covers_another():
    crowd = [system(f"system number {n}", 50 + (n * 7) % 5, 1 + n, ms=1.0 + 0.02 * n) for n in range(9)]
    figure = chart([*crowd, system("far away", 10.0, 1.0, ms=300.0)])
    placed = list(boxes(figure.layout.annotations, figure))
    assert len(placed) == 10
    for number, one in enumerate(placed):
        for other in placed[:number]:
            assert min(one[2], other[2]) <= max(one[0], other[0]) or min(one[3], other[3]) <= max(one[1], other[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: verdict_tiles({"02": [told("a", "wins")]}, title="t", alt="a"), "outcomes of holds, leans to it"),
        (lambda: verdict_tiles({}, title="t", alt="a"), "got none"),
        (lambda: margins_beyond(statement(1.0, 0.0, 2.0, least=-INF)), "must want something"),
        (lambda: forest_plot([], title="t", alt="a"), "at least one"),
        (lambda: forest_plot([statement(1.0, 0.0, 2.0, outcome="wins")], title="t", alt="a"), "outcomes of holds"),
        (lambda: outcome_bars({}, title="t", alt="a", x_title="x", slider="s"), "steps must have outcomes"),
        (lambda: outcome_bars({"3": {"0": {"wins": 1.0}}}, title="t", alt="a", x_title="x", slider="s"), "'wins'"),
        (lambda: chart([]), "the same costs above 0"),
        (lambda: chart([system("free", ms=0.0)]), "the same costs above 0"),
        (lambda: chart([system("one", ms=1.0), system("two", s=1.0)]), "the same costs above 0"),
        (lambda: chart([system("no price", x=-1.0)]), "the same costs above 0"),
    ],
)
def test_what_cannot_be_drawn_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
