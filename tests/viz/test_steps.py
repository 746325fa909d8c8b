import pytest
import torch
from pages import decoded, level

from labkit.viz.steps import Reading, step_chart

TEXTS = {"title": "A title", "alt": "What there is to see."}
CLASSES = ["up", "down", "left", "right"]
FORWARD = torch.tensor([[0.5, 0.25, 0.125, 0.125], [0.25, 0.5, 0.25, 0.0], [0.0, 0.75, 0.0, 0.25]])  # (T, K)
MEAN = torch.tensor([0.125, 0.25, 0.5, 0.125])


def flat_frames(*levels):
    """Frames (T, 3, 8, 8), one level of grey each."""
    return torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8)


FRAMES = flat_frames(10, 120, 240)


def reading(frames=FRAMES, steps=FORWARD, mean=MEAN):
    return Reading(frames, {"Mean": mean, "In order": steps})


def chart(*, shown=("up", "down"), **readings):
    return step_chart(readings or {"ahead": reading()}, classes=CLASSES, shown=list(shown), **TEXTS)


def heights(figure):
    """Heights of the bars, by model and class, in the order of the traces."""
    return [list(trace.y) for trace in figure.data if trace.type == "bar"]


def test_bars_are_the_probabilities_and_their_mean_comes_last():
    figure = chart()
    assert heights(figure) == [
        *([0, 0, 0, 0.125], [0, 0, 0, 0.25], [0, 0, 0, 0.625]),  # up, down and others of a model without steps
        *([0.5, 0.25, 0, 0.25], [0.25, 0.5, 0.75, 0.5], [0.25, 0.25, 0.25, 0.25]),
    ]
    assert sum("no steps" in note.text for note in figure.layout.annotations) == 1
    answers = [trace.text[0] for trace in figure.data if trace.type == "scatter"]
    assert answers == ["<b>left</b><br>50%", "<b>down</b><br>50%"]  # the largest mean, shown or not


def test_each_button_holds_its_whole_state():
    reverse = reading(flat_frames(240, 120, 10), FORWARD.flip(0), MEAN)
    figure = chart(ahead=reading(), back=reverse)
    assert heights(figure) == heights(chart())  # the page opens with the first reading
    assert [level(image.source) for image in figure.layout.images] == [10, 120, 240]
    (menu,) = figure.layout.updatemenus
    assert [button.label for button in menu.buttons] == ["ahead", "back"]
    for button, other in zip(menu.buttons, (chart(), chart(back=reverse)), strict=True):
        traces, layout = button.args
        assert [list(y) for y in traces["y"]] == [list(trace.y) for trace in other.data]
        assert [text and list(text) for text in traces["text"]] == [
            list(trace.text) if trace.type == "scatter" else None for trace in other.data
        ]
        assert layout == {f"images[{at}].source": image.source for at, image in enumerate(other.layout.images)}
    assert [level(menu.buttons[1].args[1][f"images[{at}].source"]) for at in range(3)] == [240, 120, 10]


def test_large_frames_are_shrunk():
    frames = torch.zeros(3, 3, 480, 640, dtype=torch.uint8)
    source = chart(ahead=reading(frames)).layout.images[0].source
    assert decoded(source).shape == (3, 114, 152)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: step_chart({}, classes=CLASSES, shown=["up"], **TEXTS), "0 readings"),
        (lambda: chart(shown=[]), "1 to 3 of the classes"),
        (lambda: chart(shown=["up", "sideways"]), r"got 1 readings and \['up', 'sideways'\]: choose among up, down"),
        (lambda: chart(a=reading(), b=reading(flat_frames(1, 2))), r"frames of 'b' must be \(3, C, H, W\)"),
        (lambda: chart(a=reading(), b=Reading(flat_frames(1, 2, 3), {"Mean": MEAN})), "'b' must have the models"),
        (lambda: chart(a=reading(steps=FORWARD[:2])), r"probabilities of In order in 'a' must be \(3, 4\)"),
        (lambda: chart(a=reading(steps=FORWARD.log())), "must be finite"),
        (lambda: chart(a=reading(mean=2 * MEAN)), r"probabilities of Mean in 'a' must sum to 1; got 2.0"),
    ],
)
def test_what_does_not_fit_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
