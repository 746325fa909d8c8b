"""Tables behind a switch: one of them is shown, at the same spot as the others, so that differences catch the eye.

Plain HTML and style, no script: each name is a radio button, and the style shows the table that belongs to the chosen
one. So it works in JupyterLab and in an exported page alike, with mouse, keyboard and screen reader.
"""

import hashlib
from collections.abc import Mapping
from html import escape

from labkit.viz.style import FONT
from labkit.viz.tables import Table

_STYLE = """
& { font: 13px/1.4 FONT; margin: 12px 0 20px; color: var(--jp-content-font-color1, #22262B); }
& > fieldset { display: flex; flex-wrap: wrap; gap: 4px; margin: 0 0 4px; padding: 0; border: 0; }
& > fieldset > legend { padding: 0 0 4px; font-size: 12px; opacity: .75; }
& > fieldset > label { position: relative; padding: 4px 12px; border-radius: 6px; cursor: pointer;
  border: 1px solid var(--jp-border-color2, #D9DDE3); }
& > fieldset > label:has(:checked) { background: #0072B2; border-color: #0072B2; color: #FFFFFF; font-weight: 600; }
& > fieldset > label:has(:focus-visible) { outline: 3px solid #D55E00; outline-offset: 1px; }
& > fieldset input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: pointer; }
& > div { display: none; }
""".replace("FONT", FONT)


def switched(tables: Mapping[str, Table], *, title: str) -> Table:
    """A row of buttons, and the table that belongs to the chosen one.

    Args:
        tables: a name for the button and a table each, such as a `labkit.viz.confusion_browser`; the first is shown
            when the page opens.
        title: what the buttons choose among.

    Raises:
        ValueError: no title, or fewer than two tables.
    """
    if not title.strip() or len(tables) < 2:
        raise ValueError(
            f"a switch needs a title and two tables; got {title!r} and {len(tables)}: say what it switches"
        )
    inside = "".join(table.html for table in tables.values())
    name = "s" + hashlib.sha256((title + inside).encode()).hexdigest()[:10]
    buttons = "".join(
        f'<label><input type="radio" name="{name}" id="{name}-{number}"{" checked" if number == 0 else ""}>'
        f"{escape(label)}</label>"
        for number, label in enumerate(tables)
    )
    rules = "".join(
        f".{name}:has(#{name}-{number}:checked) > .x{number} {{ display: block; }}" for number in range(len(tables))
    )
    shown = "".join(f'<div class="x{number}">{table.html}</div>' for number, table in enumerate(tables.values()))
    return Table(
        f'<div class="labkit-switch {name}"><style>{_STYLE.replace("&", f"div.{name}")}{rules}</style>'
        f"<fieldset><legend>{escape(title)}</legend>{buttons}</fieldset>{shown}</div>"
    )
