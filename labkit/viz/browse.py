"""A confusion matrix whose cells can be opened: which clips are they?

Plain HTML and style, no script: a cell is a radio button, and the style shows the strip that belongs to the one that is
chosen. So it works in JupyterLab and in an exported page alike, with mouse, keyboard and screen reader.
"""

import hashlib
from collections.abc import Mapping, Sequence
from html import escape

import torch
from torch import Tensor

from labkit.checks import require_shape
from labkit.viz.colour import as_uint8, data_uri
from labkit.viz.style import FONT, PALETTE
from labkit.viz.tables import Table

Examples = Mapping[tuple[int, int], Sequence[tuple[str, Tensor]]]

_STYLE = """
& { --ink: var(--jp-content-font-color1, #22262B); --line: var(--jp-border-color2, #D9DDE3); color: var(--ink);
  --most: 60%; font: 13px/1.4 FONT; margin: 12px 0 20px;
  display: flex; flex-wrap: wrap; gap: 8px 28px; align-items: flex-start; }
[data-jp-theme-light=false] & { --most: 52%; }
& p { margin: 0; flex-basis: 100%; font-size: 15px; font-weight: 700; }
& p small { display: block; font-size: 12px; font-weight: 400; opacity: .75; }
& table { border-collapse: collapse; margin: 0; font: inherit; color: inherit; table-layout: fixed; width: auto; }
& .matrix { overflow: auto; max-width: 100%; max-height: 680px; }
& .matrix th, & .matrix thead td { position: sticky; left: 0; z-index: 1;
  background: var(--jp-layout-color1, #FFFFFF); }
& tr, & tr:nth-child(odd), & tr:nth-child(even), & tr:hover { background: none; }
& th { font-weight: 400; text-align: right; padding: 0 8px 0 0; white-space: nowrap; border: 0; }
& .matrix thead th { left: auto; top: -1px; z-index: 2; }
& .matrix thead td { top: -1px; z-index: 3; }
& thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; padding: 4px 0 0; }
& .right { --hue: #0072B2; } & .wrong { --hue: #D55E00; }
& td[style] { background: color-mix(in srgb, var(--hue) calc(var(--part) * var(--most)), transparent); }
& td { width: 26px; height: 22px; min-width: 26px; padding: 0; border: 1px solid var(--line); text-align: center; }
& label { display: block; line-height: 22px; cursor: pointer; position: relative; }
& label:hover { outline: 2px solid ACCENT; outline-offset: -2px; }
& label:has(:checked), & label:has(:focus-visible) { outline: 3px solid ACCENT; outline-offset: -2px; }
& input { position: absolute; opacity: 0; width: 100%; height: 100%; left: 0; top: 0; margin: 0; cursor: pointer; }
& .clips { flex: 1; min-width: min(320px, 100%); }
& .clips > div { display: none; }
& figure { margin: 0 0 10px; } & figcaption { font-size: 12px; margin: 0 0 2px; }
& figure img { display: block; max-width: 100%; height: auto; image-rendering: auto; border-radius: 4px; }
""".replace("FONT", FONT).replace("ACCENT", PALETTE[1])


def confusion_browser(
    counts: Tensor, classes: Sequence[str], examples: Examples, *, title: str, alt: str, note: str = ""
) -> Table:
    """A confusion matrix; choosing a cell shows some of its clips. A large one scrolls, its names staying in view.

    Args:
        counts: (K, K) whole numbers, true class by predicted class.
        classes: K names.
        examples: for a cell (true, predicted) some clips: a line about each, and a few frames (T, 3, H, W).
        title: above it.
        alt: what there is to see, in a sentence.
        note: a line below the title.

    Raises:
        ValueError: counts that are not (K, K), or examples of a cell that is not there.
    """
    require_shape(counts, "K K", "counts")
    number = len(classes)
    if len(counts) != number or any(not (0 <= i < number and 0 <= j < number) for i, j in examples):
        raise ValueError(f"counts must be {number} x {number} like the classes, examples within; got {len(counts)}")
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    strips = {cell: "".join(_strip(*one) for one in some) for cell, some in examples.items() if some}
    name = "c" + hashlib.sha256((title + "".join(strips.values()) + str(counts.tolist())).encode()).hexdigest()[:10]
    chosen = max(strips, key=lambda cell: (cell[0] != cell[1], int(counts[cell])), default=None)
    rows = "".join(
        f'<tr><th scope="row">{escape(true)}</th>'
        + "".join(
            _cell(name, (i, j), int(counts[i, j]), float(shares[i, j]), f"{true} taken for {seen}", strips, chosen)
            for j, seen in enumerate(classes)
        )
        + "</tr>"
        for i, true in enumerate(classes)
    )
    head = "".join(f'<th scope="col">{escape(seen)}</th>' for seen in classes)
    rules = "".join(f".{name}:has(#{name}-{i}-{j}:checked) .clips > .x{i}-{j} {{ display: block; }}" for i, j in strips)
    shown = "".join(
        f'<div class="x{i}-{j}"><b>{escape(classes[i])}</b> taken for <b>{escape(classes[j])}</b>{strip}</div>'
        for (i, j), strip in strips.items()
    )
    return Table(
        f'<div class="labkit-confusion {name}" role="group" aria-label="{escape(alt)}">'
        f"<style>{_STYLE.replace('&', f'.{name}.{name}')}{rules}</style>"
        f"<p>{escape(title)}<small>{escape(note)}</small></p>"
        f'<div class="matrix"><table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<div class="clips" aria-live="polite">{shown}</div></div>'
    )


def _cell(
    name: str,
    cell: tuple[int, int],
    count: int,
    share: float,
    says: str,
    strips: Mapping[tuple[int, int], str],
    chosen: tuple[int, int] | None,
) -> str:
    style = f' class="{"right" if cell[0] == cell[1] else "wrong"}" style="--part: {share:.2f}"'
    if not count:
        return "<td></td>"
    if cell not in strips:
        return f"<td{style}>{count}</td>"
    checked = " checked" if cell == chosen else ""
    button = f'<input type="radio" name="{name}" id="{name}-{cell[0]}-{cell[1]}"{checked} aria-label="{escape(says)}">'
    return f"<td{style}><label>{button}{count}</label></td>"


def _strip(line: str, frames: Tensor) -> str:
    require_shape(frames, "T 3 H W", f"frames of {line!r}")
    wide = torch.cat(list(as_uint8(frames)), dim=-1)  # (3, H, T * W)
    image = f'<img src="{data_uri(wide, quality=90)}" alt="{escape(line)}">'
    return f"<figure><figcaption>{escape(line)}</figcaption>{image}</figure>"
