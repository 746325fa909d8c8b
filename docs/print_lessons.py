"""Print executed lessons to PDF with Chromium, for the site to offer: ``python docs/print_lessons.py [FOLDER]``.

It takes the one-file pages that ``labkit course`` has written. Where there is no Chromium nothing is printed, and the
site does without.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pikepdf

from labkit.doctor import BROWSERS

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--generate-pdf-document-outline"]
TIME = "--virtual-time-budget=20000"  # milliseconds that the page believes to have for drawing its figures


def print_page(browser: str, page: Path) -> Path | None:
    """Print a page; None if that failed, after a line on stderr that says why."""
    pdf = page.with_suffix(".pdf")
    pdf.unlink(missing_ok=True)  # of an earlier run
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / pdf.name
        command = [browser, *OPTIONS, TIME, f"--user-data-dir={folder}/profile", f"--print-to-pdf={fresh}"]
        try:
            done = subprocess.run([*command, page.resolve().as_uri()], capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"! {page.name} was not printed: {error}", file=sys.stderr)
            return None
        if not fresh.is_file():
            print(f"! {page.name} was not printed: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return None
        small = pdf.with_suffix(".pdf.new")
        with pikepdf.open(fresh) as printed:  # Chromium leaves the structure for screen readers as plain text
            printed.save(small, object_stream_mode=pikepdf.ObjectStreamMode.generate)
        small.replace(pdf)
    return pdf


def main(arguments: list[str]) -> int:
    """Print all lessons of a folder; the exit status is 0 if what is there could be printed, or nothing can print."""
    folder = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1] / "build" / "course"
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("no Chromium: the lessons are not printed", file=sys.stderr)
        return 0
    pages = sorted(folder.glob("[0-9][0-9]_*.html"))
    if not pages:
        print(f"✗ {folder} must hold the lessons' pages; there are none: run `labkit course`", file=sys.stderr)
        return 1
    printed = [pdf for page in pages if (pdf := print_page(browser, page))]
    for pdf in printed:
        print(f"{pdf.stat().st_size / 1e6:.1f} MB  {pdf}")
    return 0 if len(printed) == len(pages) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
