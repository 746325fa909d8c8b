"""What the widgets share: one page for several kinds, and a size that a page can bear."""

import nbformat
import pytest
import torch

from labkit.course import export
from labkit.retrieval import listed
from labkit.viz import ClipPlayer, ClipScatter, NearestPatches, PatchExplorer, RetrievalBrowser, widget

IMAGES = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
NAMES = ["a", "b", "c", "d"]
WORDS = {"title": "Noise", "alt": "Four grey squares."}


def kinds():
    """One widget of each kind."""
    order, cells = torch.tensor([[0, 2, 1, 3]]), torch.arange(4)
    numbers = torch.arange(16).reshape(1, 4, 4)
    found = NearestPatches(numbers, torch.ones(1, 4, 4), torch.tensor([3.5, 11.5]), 8)
    good, junk = listed([[1]], 4), listed([[0]], 4)
    axes = {"x_title": "x", "y_title": "y", "classes": NAMES, "names": NAMES}
    return [
        ClipScatter(torch.eye(4)[:, :2], cells, [image[None] for image in IMAGES], **axes, **WORDS),
        ClipPlayer({"noise": IMAGES, "negative": 255 - IMAGES}, **WORDS),
        PatchExplorer(IMAGES, {"3a": found, "5b": found}, names=NAMES, asked=[1], **WORDS),
        RetrievalBrowser(IMAGES, {"3a": order}, queries=[0], good=good, junk=junk, names=NAMES, **WORDS),
    ]


def test_what_would_blow_the_page_is_refused(monkeypatch):
    monkeypatch.setattr(widget, "PAGE_BUDGET", 100)
    with pytest.raises(ValueError, match="pass fewer or smaller images"):
        kinds()


LOOKS = """all => all.map((element) => {
  const { height, width, color, backgroundColor, margin, padding, display } = getComputedStyle(element);
  return [height, width, color, backgroundColor, margin, padding, display].join();
})"""


@pytest.mark.browser
def test_in_an_exported_page_every_kind_works_and_looks_as_it_does_alone(offline_page, tmp_path):
    figures = kinds()
    everything = [f".labkit-{figure.kind}, .labkit-{figure.kind} *" for figure in figures]

    def looks(cells, kind):
        bundles = [figure._repr_mimebundle_()[0] for figure in cells]
        outputs = [nbformat.v4.new_output("display_data", data=bundle) for bundle in bundles]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("...", outputs=outputs)])
        nbformat.write(notebook, tmp_path / "notebook.ipynb")
        offline_page.goto(export(tmp_path / "notebook.ipynb", tmp_path / "notebook.html").as_uri())
        offline_page.locator("[aria-busy=true]").first.wait_for(state="detached")
        return offline_page.locator(kind).evaluate_all(LOOKS)

    alone = [looks([figure], kind) for figure, kind in zip(figures, everything, strict=True)]
    together = [looks(cells, kind) for kind in everything for cells in (figures, figures[::-1])]
    assert together == [look for look in alone for _ in range(2)]
    assert all(len(look) > 20 for look in alone)
