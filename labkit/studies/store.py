"""Where a study keeps what it has trained and computed, so that nothing is done twice.

An *artefact* is the weights of a trained network, or tensors such as scores and features, under a name. A `Store`
without a folder keeps artefacts as long as the study lives; one with a folder also writes each to a safetensors file::

    out/artefacts/two_stream-v3/world1-study-1f0c52ab/cnn_m_tiny-split1-seed1001/
        temporal.l10.safetensors      weights, with the seconds they took in the header
        temporal.l5.checkpoint        a training that was interrupted

Files are written whole, and one process at a time works on an artefact; another one that needs it waits, then reads it.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from labkit.files import lock, sweep, written_whole


class StoreError(ValueError):
    """A kept artefact cannot be read or written; the message names the file and what to do."""


@dataclass(frozen=True)
class Artefact:
    """Named tensors, the seconds that it took to make them, and whatever else was noted as plain data."""

    tensors: Mapping[str, Tensor]
    seconds: float
    notes: Mapping[str, Any]


class Store:
    """Artefacts by name.

    Args:
        folder: where their files lie; None keeps them in memory only.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def checkpoint(self, name: str) -> Path | None:
        """Where an interrupted training of this name continues from; None in memory."""
        return self._file(name, "checkpoint")

    def path(self, name: str) -> Path | None:
        """The file of an artefact; None in memory."""
        return self._file(name, "safetensors")

    def _file(self, name: str, kind: str) -> Path | None:
        if not re.fullmatch(r"[\w+=-][\w.+=-]{0,199}", name):
            raise ValueError(
                f"name of an artefact must be 1 to 200 letters, digits and _ . + = -, as it names a file; got {name!r}"
            )
        return None if self.folder is None else self.folder / f"{name}.{kind}"

    def load_or_make(self, name: str, make: Callable[[], Artefact]) -> tuple[Artefact, bool]:
        """An artefact from the disk, else a new one, which is kept; and whether it was made now.

        One process at a time makes it, others wait. What needs no more than to be read needs no lock either.

        Raises:
            StoreError: the file is damaged, or cannot be written.
        """
        if (kept := self.load(name)) is not None:
            return kept, False
        with self._hold(name):
            if (kept := self.load(name)) is not None:  # another process has made it meanwhile
                return kept, False
            self._sweep(name)
            made = make()
            self.save(name, made)
            return self.load(name) or made, True  # from the disk, as it will be the next time

    @contextlib.contextmanager
    def _hold(self, name: str) -> Iterator[None]:
        """Hold an artefact against other processes; they wait."""
        with contextlib.ExitStack() as stack:
            if self.folder is not None:
                try:
                    self.folder.mkdir(parents=True, exist_ok=True)
                    stack.enter_context(lock(self.folder / name, wait=True))
                except OSError as error:
                    raise _not_written(self.folder, error) from error
            yield

    def _sweep(self, name: str) -> None:
        """Remove what processes that were killed while they wrote have left: a checkpoint can be a gigabyte."""
        for path in (self.path(name), self.checkpoint(name)):
            if path is not None:
                sweep(path.parent, path.name)

    def holds(self, pattern: str) -> bool:
        """Whether an artefact lies on the disk whose name fits a pattern, ``*`` standing for anything."""
        return self.folder is not None and any(self.folder.glob(f"{pattern}.safetensors"))

    def load(self, name: str) -> Artefact | None:
        """An artefact from the disk, or None where there is none.

        Raises:
            StoreError: the file is damaged, or something else.
        """
        path, checkpoint = self.path(name), self.checkpoint(name)
        if path is None or checkpoint is None or not path.exists():
            return None
        try:
            tensors = safetensors.torch.load_file(path)
            with safetensors.safe_open(path, framework="pt") as file:
                noted = json.loads((file.metadata() or {})["labkit"])
            artefact = Artefact(tensors, noted["seconds"], noted["notes"])
        except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise self.unfit(name, str(error)) from error
        with contextlib.suppress(OSError):  # others may own the folder
            checkpoint.unlink(missing_ok=True)  # of a process that was killed right after it had saved
        return artefact

    def unfit(self, name: str, reason: str) -> StoreError:
        """The error that a kept artefact cannot be used, and why."""
        return StoreError(
            f"{self.path(name)} must be a kept artefact; it is damaged or something else "
            f"({reason.partition(chr(10))[0]}): delete it, and it is made again"
        )

    def save(self, name: str, artefact: Artefact) -> None:
        """Write an artefact, whole, and remove the checkpoint that led to it.

        Raises:
            StoreError: the disk does not take it.
        """
        path, checkpoint = self.path(name), self.checkpoint(name)
        if path is None or checkpoint is None:
            return
        tensors = {key: value.detach().cpu().contiguous().clone() for key, value in artefact.tensors.items()}
        noted = json.dumps({"seconds": artefact.seconds, "notes": dict(artefact.notes)})
        try:
            with written_whole(path) as file:
                file.write(safetensors.torch.save(tensors, {"labkit": noted}))
        except OSError as error:
            raise _not_written(path, error) from error
        checkpoint.unlink(missing_ok=True)


def _not_written(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be written ({error}): is there space? give another folder")
