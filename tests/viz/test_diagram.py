import pytest

from labkit.viz import Block, block_diagram

TEXTS = {"title": "A network", "alt": "Two boxes and a circle."}


def test_arrows_begin_and_end_at_the_edges():
    blocks = {
        "a": Block("A", 0.0, 0.0, width=1.0, height=0.5),
        "b": Block("B", 3.0, 0.0, kind="first", width=1.0, height=0.5),
        "plus": Block("+", 0.0, 2.0, height=0.5, round=True),
    }
    figure = block_diagram(blocks, [("a", "b"), ("a", "plus")], **TEXTS)
    arrows = [(one.ax, one.ay, one.x, one.y) for one in figure.layout.annotations if one.showarrow is not False]
    assert arrows == [pytest.approx((0.5, 0, 2.5, 0)), pytest.approx((0, 0.25, 0, 1.75))]
    assert [shape.type for shape in figure.layout.shapes] == ["rect", "rect", "circle"]
    assert figure.alt == TEXTS["alt"]


def test_a_slanted_arrow_leaves_through_the_nearer_side():
    blocks = {"a": Block("A", 0.0, 0.0, width=1.0, height=1.0), "b": Block("B", 4.0, 2.0, width=1.0, height=1.0)}
    (arrow, *_) = block_diagram(blocks, [("a", "b")], **TEXTS).layout.annotations
    assert (arrow.ax, arrow.ay, arrow.x, arrow.y) == pytest.approx((0.5, 0.25, 3.5, 1.75))


def test_what_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"arrows must join blocks.*got \['c'\]"):
        block_diagram({"a": Block("A", 0, 0)}, [("a", "c")], **TEXTS)
    with pytest.raises(ValueError, match="their kinds among plain, first, second"):
        block_diagram({"a": Block("A", 0, 0, kind="red")}, [], **TEXTS)
