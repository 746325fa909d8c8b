"""Look at the world: ``python -m labkit.world --sheet sheet.png``."""

import argparse
import sys
from pathlib import Path

from PIL import Image

from labkit.files import written_whole
from labkit.world.cache import cache_folder, clear, stored
from labkit.world.sheet import buildings_sheet, contact_sheet


def main(arguments: list[str] | None = None) -> int:
    """Draw the contact sheet, or look after the cache; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m labkit.world", description="Look at the puppet world.")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="draw every class of the world into an image")
    parser.add_argument("--buildings", type=Path, metavar="PNG", help="draw every family of buildings into an image")
    parser.add_argument("--quiz", action="store_true", help="without the names of the classes: can you tell?")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another world (default 0)")
    parser.add_argument("--cache", action="store_true", help="say what is kept on the disk")
    parser.add_argument("--clear-cache", action="store_true", help="delete what is kept on the disk")
    given = parser.parse_args(arguments)
    if not (given.sheet or given.buildings or given.cache or given.clear_cache):
        parser.print_help()
        return 2
    if given.seed < 0:
        parser.error(f"--seed must be 0 or more; got {given.seed}")
    try:
        if given.sheet:
            _write(contact_sheet(given.seed, names=not given.quiz), given.sheet)
        if given.buildings:
            _write(buildings_sheet(given.seed), given.buildings)
        for folder, size in (clear() if given.clear_cache else stored() if given.cache else {}).items():
            print(f"{'deleted ' if given.clear_cache else ''}{folder}: {size / 1e6:.1f} MB")
        if given.cache or given.clear_cache:
            print(f"cache: {cache_folder() or 'off'}")
    except OSError as error:
        print(f"that did not work: {error}: does the folder exist, is there space?", file=sys.stderr)
        return 1
    return 0


def _write(page: Image.Image, path: Path) -> None:
    with written_whole(path) as file:
        page.save(file, "PNG", optimize=True)
    print(f"{path}: look at it")


if __name__ == "__main__":
    sys.exit(main())
