import ast
import inspect
import re
import sys
from html import unescape

import pytest
import torch

from labkit import viz
from labkit.flow import backward_warp
from labkit.papers import frame_rnn
from labkit.viz.source import CLONE, CODE_COLOURS, file_html, show

MODULE = '''\
import functools


def plain(function):
    @functools.wraps(function)
    def inner():
        return function()

    return inner


@plain
def decorated():
    """Only words."""


class Outer:
    """Words
    in two lines.
    """

    size = 3  # pixels

    def first(self):
        """One line."""
        text = """no docstring
at the margin"""
        return text

    def second(self):
        """A body of nothing else."""

    class Inner:
        """Words."""

        async def third(self):
            """Words."""
            return None

    def fourth(self): """On the line of its def."""
'''
BARE = '''\
class Outer:
    size = 3  # pixels

    def first(self):
        text = """no docstring
at the margin"""
        return text

    def second(self):
        ...

    class Inner:
        async def third(self):
            return None

    def fourth(self): """On the line of its def."""'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "module_to_show.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    import module_to_show

    yield module_to_show
    del sys.modules["module_to_show"]


def code_of(html):
    """What a reader sees of the code."""
    blocks = re.findall(r"<pre.*?</pre>", html, flags=re.S)
    return [unescape(re.sub(r"<[^>]+>", "", block)).rstrip("\n") for block in blocks]


def test_a_class_is_printed_as_its_file_has_it():
    source = show(frame_rnn.ReLURecurrence)
    assert source.text == repr(source) == inspect.getsource(frame_rnn.ReLURecurrence).rstrip()
    assert code_of(source._repr_html_()) == [source.text]
    assert re.search(r'<span class="k">class</span>.*<span class="nc">ReLURecurrence</span>', source.html)
    light, dark = CODE_COLOURS["keyword"]
    assert re.search(rf"--code-keyword: {light};.*theme-light=false\][^}}]*--code-keyword: {dark};", source.html, re.S)


@pytest.mark.parametrize("grounds", [["#FFFFFF", "#EEEEEE"], ["#000000", "#424242"]], ids=["light", "dark"])
def test_code_can_be_read_on_the_grounds_of_its_theme(grounds):
    """By the formula of WCAG 2.2 for contrast, between JupyterLab's and the pages' lightest and darkest grounds."""

    def luminance(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for name, colours in CODE_COLOURS.items():
        colour = colours[grounds[0] == "#000000"]
        for ground in grounds:
            low, high = sorted(luminance(one) for one in (colour, ground))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, ground)


def test_the_link_names_the_lines():
    """Of JupyterLab, whose first line is 0."""
    file = CLONE / "labkit/flow/warp.py"
    lines = file.read_text(encoding="utf-8").splitlines()
    link = r'<a href="([^"]*)">(\S+), lines (\d+)-(\d+)</a>'
    href, path, first, last = re.search(link, show(backward_warp).html).groups()
    assert path == "labkit/flow/warp.py"
    assert href == f"../labkit/flow/warp.py#line={int(first) - 1},{last}"
    assert lines[int(first) - 1].startswith("def backward_warp(")
    assert lines[int(last) - 1].startswith("    return")
    assert lines[int(last) : int(last) + 2] == ["", ""]


def test_several_objects_stand_below_each_other_and_methods_at_the_margin():
    source = viz.show(frame_rnn.ReLURecurrence, frame_rnn.RecurrentClassifier.forward)
    recurrence, forward = code_of(source.html)
    assert source.text == f"{recurrence}\n\n\n{forward}"
    assert forward.startswith("def forward(self, codes: Tensor) -> Tensor:\n    ")
    assert "<code>RecurrentClassifier.forward</code> · <a" in source.html
    assert source.html.count("<style>") == 1


def test_docstrings_can_be_left_out(module):
    assert show(module.Outer, docstring=False).text == BARE
    assert show(module.decorated, docstring=False).text == "@plain\ndef decorated():\n    ..."
    bare = 'def first(self):\n    text = """no docstring\nat the margin"""\n    return text'
    assert show(module.Outer.first, docstring=False).text == bare
    assert show(module.Outer.Inner.third).text == 'async def third(self):\n    """Words."""\n    return None'


@pytest.mark.parametrize("item", [frame_rnn.Direction, frame_rnn.average_probabilities, backward_warp])
def test_nothing_but_docstrings_is_left_out(item):
    def without(tree):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body.pop(0)
        return ast.dump(tree)

    assert without(ast.parse(show(item).text)) == ast.dump(ast.parse(show(item, docstring=False).text))


def test_code_of_other_packages_has_no_link(module):
    html = show(module.Outer, torch.nn.Identity).html
    assert "<a " not in html
    assert "module_to_show, lines 17-40" in html
    assert "torch.nn.modules.linear, lines" in html


in_a_cell: dict = {}
exec(compile("def f():\n    return 1", "/tmp/ipykernel_1/1.py", "exec"), in_a_cell)


@pytest.mark.parametrize(
    "item",
    [len, torch.relu, 3, torch.nn.ReLU(), frame_rnn, lambda: 1, in_a_cell["f"], object],
    ids=["builtin", "of C", "number", "instance", "module", "lambda", "of a cell", "class of C"],  # the same each time
)
def test_what_no_file_defines_is_refused(item):
    message = r"show expects classes, functions or methods .*; got .*: pass the class of an instance"
    with pytest.raises(TypeError, match=message):
        show(backward_warp, item)
    with pytest.raises(TypeError, match="got none"):
        show()


def test_a_whole_file_has_an_id_for_each_line(tmp_path):
    (tmp_path / "two.py").write_text("a = 1\nb = '<'\n", encoding="utf-8")
    html = file_html(tmp_path / "two.py", "labkit/two.py")
    assert re.findall(r' id="([^"]*)"', html) == ["labkit/two.py-1", "labkit/two.py-2"]
    assert code_of(html) == ["1a = 1\n2b = '<'"]
