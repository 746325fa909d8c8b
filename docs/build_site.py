"""Build the course's site from executed lessons: ``python docs/build_site.py``, or ``make site``.

The lessons, their outputs with them, are notebooks that ``labkit course`` has written to ``build/course``. The site
replaces the one in ``build/site``. It works from the disk (``file://``) and from any static host, and asks no other
host for anything. With ``LABKIT_SITE_URL``, the address that it will have, links to it carry a preview image, and
``404.html`` finds its style from wherever it is shown; with ``LABKIT_REPOSITORY``, ``owner/name`` on GitHub, lessons
can be opened in Colab.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lab_site import DOCS, ROOT
from lab_site.lessons import LessonError
from lab_site.source import write_source
from plotly.offline import get_plotlyjs
from sphinx.cmd.build import main as sphinx

OURS = ".nojekyll"  # in every site: GitHub Pages then keeps folders that begin with an underscore


def main(arguments: list[str] | None = None) -> int:
    """Build it; the exit status is 0 if there is nothing to mend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("executed", nargs="?", type=Path, default=ROOT / "build" / "course", help="folder of lessons")
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "site", metavar="FOLDER", help="for the site")
    parser.add_argument("--pages", action="store_true", help="offer each lesson as one file, too: doubles the size")
    options = parser.parse_args(arguments)
    target = options.to.resolve()
    ours = (target / OURS).exists() and not (target / ".git").exists()
    if target.exists() and not (target.is_dir() and (ours or not any(target.iterdir()))):
        print(
            f"✗ {target} must be an earlier site, or empty: the site replaces it whole; it is neither", file=sys.stderr
        )
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=target.parent) as folder:
        return _build(options.executed, target, Path(folder), pages=options.pages)


def _build(executed: Path, target: Path, folder: Path, *, pages: bool) -> int:
    started, source, fresh = time.perf_counter(), folder / "source", folder / "site"
    try:
        write_source(executed, source, pages=pages)
    except (LessonError, FileNotFoundError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    settings = ["-q", "-W", "--keep-going", "-d", str(source / ".doctrees"), "-c", str(DOCS)]
    if status := sphinx([*settings, "-b", "html", str(source), str(fresh)]):
        print("✗ the site was not built: mend what Sphinx has named", file=sys.stderr)
        return status
    shutil.move(source / "downloads", fresh / "downloads")
    (fresh / "_static" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")  # once, for all figures
    (fresh / OURS).touch()
    for path in [fresh / ".buildinfo", *fresh.glob("_static/**/*.map")]:  # for those who build, not for readers
        path.unlink(missing_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    files = [path for path in target.rglob("*") if path.is_file()]
    size, count = sum(path.stat().st_size for path in files) / 1e6, sum(path.suffix == ".html" for path in files)
    print(f"{time.perf_counter() - started:.0f} s  {count} pages  {size:.0f} MB  {target / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
