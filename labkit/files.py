"""Files that are written whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing under another name in the same folder; at the end it goes to the disk and is renamed.

    Whatever goes wrong inside, an older file stays as it was and nothing is left beside it. Only a killed process can
    leave its temporary file, ``.NAME.random.tmp``.

    Args:
        path: the file to write; its folder must exist; an older file is replaced.

    Yields:
        The file, opened for bytes.

    Raises:
        OSError: the folder is missing or not writable, or there is no space.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be gone
            temporary.unlink(missing_ok=True)
