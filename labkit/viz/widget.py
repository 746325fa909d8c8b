"""What the widgets have in common: they live in the notebook with a kernel, and in exported HTML without one.

A widget is drawn by a script and a style sheet of its own, which build on ``widget.js`` and ``widget.css``. The same
script draws both lives: with a kernel through anywidget, without one through `PageWidget.to_html`, which the notebook
stores beside the widget (as ``text/html``) for exporters to prefer.
"""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

PAGE_BUDGET = 40_000_000  # characters one widget may add to a page


class PageWidget(anywidget.AnyWidget):
    """A widget that needs no kernel once it is made.

    ``class Clock(PageWidget, kind="clock")`` is drawn by ``clock.js`` and ``clock.css`` beside this file. The script's
    default export is a function ``figure`` that returns anywidget's ``render`` and, if need be, ``initialize``. Rules
    of the style sheet hold within the widget only. Whatever the class adds as synchronised traits is its state: it may
    be set and observed in the notebook while a kernel runs.

    Args:
        scene: everything that does not change, ready for JSON, with a ``"title"`` and an ``"alt"`` text among it.
        state: first values of the traits.

    Raises:
        ValueError: no title, no alt text, or too much for a page.
    """

    kind: ClassVar[str]

    scene = traitlets.Dict().tag(sync=True)

    def __init_subclass__(cls, *, kind: str | None = None, **kwargs: Any) -> None:
        if kind is not None:  # traitlets makes further subclasses of its own; they inherit
            cls.kind = kind
            script, style = (
                [Path(__file__).with_name(file + end).read_text(encoding="utf-8") for file in ("widget", kind)]
                for end in (".js", ".css")
            )
            cls._esm = "\n".join(script)
            cls._css = f"{style[0]}\n.labkit-widget.labkit-{kind} {{\n{style[1]}}}\n"
        super().__init_subclass__(**kwargs)

    def __init__(self, scene: dict[str, Any], **state: Any) -> None:
        name, title, alt = type(self).__name__, scene["title"], scene["alt"]
        if not title.strip() or not alt.strip():
            raise ValueError(
                f"{name} needs a title and an alt text; got {title!r} and {alt!r}: say what there is to see"
            )
        if (size := len(json.dumps(scene))) > PAGE_BUDGET:
            raise ValueError(
                f"{name} must add less than {PAGE_BUDGET / 1e6:.0f} MB to the page; got {size / 1e6:.0f}: pass fewer "
                "or smaller images"
            )
        super().__init__(scene=scene, **state)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.scene['title']!r})"

    def to_html(self) -> str:
        """Return the widget as it stands, as a piece of HTML that needs no kernel, no network and no other file.

        Put as many as you like on one page. A page that shows it must allow scripts; elsewhere the alternative text
        is shown.
        """
        return _FRAGMENT.format(
            kind=self.kind,
            css=self._css,
            alt=html.escape(f"{self.scene['title']}: {self.scene['alt']}"),
            state=json.dumps(self._state()).replace("<", "\\u003c"),  # no text in it can end the script
            js=self._esm,
        )

    def _state(self) -> dict[str, Any]:
        known = {*anywidget.AnyWidget.class_trait_names(), "_esm", "_css", "_anywidget_id"}
        return {name: getattr(self, name) for name in sorted({*self.trait_names(sync=True)} - known)}

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Offer the fragment that needs no kernel beside the live widget, which a notebook with a kernel prefers."""
        bundle = super()._repr_mimebundle_(**kwargs)
        return bundle and ({**bundle[0], "text/html": self.to_html()}, bundle[1])


def require_choice(proposal: Any, **choices: Sequence[Any]) -> Any:
    """What a trait is to be set to, after a check that it is among its choices, which come by the name of the trait.

    Raises:
        traitlets.TraitError: it is not.
    """
    name, value = proposal["trait"].name, proposal["value"]
    there = choices[name]
    if value not in there:
        wanted = f"{there[0]} to {there[-1]}" if isinstance(there, range) else f"one of {list(there)}"
        raise traitlets.TraitError(f"{name} must be {wanted}; got {value!r}")
    return value


# The module finds its own place: scripts of a page run in order, and each takes the first place that is still free.
_FRAGMENT = """\
<div class="labkit-{kind}-place"><style>{css}</style>
<noscript>{alt}</noscript>
<script type="application/json">{state}</script>
<script type="module">{js}
mount(figure(), document.querySelector(".labkit-{kind}-place:not([data-taken])"));
</script></div>
"""
