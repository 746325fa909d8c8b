"""Links between files of the clone become links between pages of the site.

Pages are written as files of the clone: `](../labkit/flow/warp.py)` opens the file on a code host and in an editor. On
the site the same link leads to the page of that file: a lesson, a page of the reference, a text, or the source itself.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote

from sphinx.pycode import ModuleAnalyzer

from lab_site import DOCS, ROOT

TEXTS = {  # files of the clone that are pages of their own
    "README.md": "index",
    "CONTRIBUTING.md": "contributing",
    "benchmarks/README.md": "benchmarks",
    "course/instructor.md": "teach/instructor",
    "course/students.md": "teach/students",
    "labkit/data/films/README.md": "films",
    "labkit/world/DATASHEET.md": "datasheet",
}
SHOWN = "shown.json"  # of the source of the site: `Linker.shown`
IMAGES = {".gif", ".jpg", ".png", ".svg", ".webp"}
HIGHLIGHTED = {
    "": "text",
    ".cfg": "ini",
    ".json": "json",
    ".md": "markdown",
    ".py": "python",
    ".toml": "toml",
    ".yml": "yaml",
}

_CODE = r"(?P<code>^ *(?:```|~~~).*?^ *(?:```|~~~)|`[^`\n]*`)"
LINK = r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)"
_HREF = re.compile(r'href="(?P<target>\.\.?/[^"]+)"')


def module_of(path: Path) -> str:
    """The name of a module by its file or folder in the clone; empty if it is none."""
    relative = path.relative_to(ROOT)
    if relative.parts[:1] != ("labkit",) or "_clone" in relative.parts:
        return ""
    if path.suffix == ".py":
        relative = relative.parent if path.stem == "__init__" else relative.with_suffix("")
        return ".".join(relative.parts)
    return ".".join(relative.parts) if (path / "__init__.py").is_file() else ""


def page_of(path: Path) -> str:
    """The page of a file or folder of the clone, by its name in the source of the site; empty if it has none.

    Raises:
        FileNotFoundError: the clone has no such file.
    """
    path = Path(os.path.normpath(path))
    if not path.exists():
        raise FileNotFoundError(f"a link must lead to a file; there is no {path.relative_to(ROOT)}: mend it")
    name = path.relative_to(ROOT).as_posix()
    if name in TEXTS:
        return TEXTS[name]
    if re.fullmatch(r"notebooks/\d\d_\w+\.(py|ipynb)", name):
        return f"lessons/{path.stem}"
    if module := module_of(path):
        return f"reference/{module}"
    if DOCS in path.parents and path.suffix == ".md":
        return path.relative_to(DOCS).with_suffix("").as_posix()
    return f"files/{name}" if path.is_file() and path.suffix in HIGHLIGHTED else ""


class Linker:
    """Leads the links of texts to pages, and remembers the files whose source these pages must show.

    Attributes:
        files: pages of source that were linked, with their file.
        images: images that were shown, with their name in the source of the site.
        shown: classes and functions whose code a lesson shows, with the address of the first place that does.
    """

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.images: dict[Path, str] = {}
        self.shown: dict[str, str] = {}

    def markdown(self, text: str, written_in: Path) -> str:
        """Markdown of a file of the clone, its links led to pages; what has no page keeps its text alone."""

        def replace(match: re.Match[str]) -> str:
            if match["code"] or _is_elsewhere(match["target"]):
                return match[0]
            name, _, fragment = unquote(match["target"]).partition("#")
            path = Path(os.path.normpath(written_in.parent / name))
            if match["image"]:
                return f"![{match['text']}](/{self.image(path)})"
            page = self._page(path)
            return (
                f"[{match['text']}](/{page}{_ending(page)}{'#' * bool(fragment)}{fragment})" if page else match["text"]
            )

        return re.sub(f"{_CODE}|{LINK}", replace, text, flags=re.M | re.S)

    def html(self, html: str, written_in: Path, page: str) -> str:
        """HTML that a lesson has drawn, its links led to pages; a link to a line leads to the source of its object."""

        def replace(match: re.Match[str]) -> str:
            name, _, fragment = match["target"].partition("#")
            path, anchor = Path(os.path.normpath(written_in.parent / name)), ""
            if fragment.startswith("line=") and (module := module_of(path)):
                line = int(fragment.removeprefix("line=").partition(",")[0]) + 1
                shown = _object_at(path, line)
                target = f"_modules/{module.replace('.', '/')}.html#{shown}"
                if shown and f"{module}.{shown}" not in self.shown:
                    anchor = f"code-{shown}"
                    self.shown[f"{module}.{shown}"] = f"{page}#{anchor}"
            elif target := self._page(path):
                target = f"{target}.html" + f"#{fragment}" * bool(fragment and not fragment.startswith("line="))
            else:
                return match[0]
            mark = f' id="{anchor}"' if anchor else ""
            return f'href="{os.path.relpath(target, Path(page).parent)}"{mark}'

        return _HREF.sub(replace, html)

    def image(self, path: Path) -> str:
        """The name of an image in the source of the site.

        Raises:
            FileNotFoundError: the clone has no such image.
        """
        if not path.is_file() or path.suffix not in IMAGES:
            raise FileNotFoundError(f"an image must be a file; there is no {path.relative_to(ROOT)}: mend it")
        return self.images.setdefault(path, f"images/{path.relative_to(ROOT).as_posix()}")

    def _page(self, path: Path) -> str:
        page = page_of(path)
        if page.startswith("files/"):
            self.files[page] = path
        return page


def _is_elsewhere(target: str) -> bool:
    return bool(re.match(r"[a-z]+:|#|/|<", target))


def _ending(page: str) -> str:
    return ".ipynb" if page.startswith("lessons/") and page != "lessons/index" else ".md"


def _object_at(path: Path, line: int) -> str:
    """The innermost public class or function that a line belongs to; empty if there is none."""
    tags = ModuleAnalyzer.for_file(path, module_of(path)).find_tags()  # the anchors of the pages of source
    lines = {name: range(first, last + 1) for name, (_, first, last) in tags.items()}
    public = [name for name in lines if line in lines[name] and not name.startswith("_") and "._" not in name]
    return max(public, key=len, default="")
