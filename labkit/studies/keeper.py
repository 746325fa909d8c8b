"""What a study has trained and computed: in memory, else on the disk, else made now; and the time that it took."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from labkit.studies.clock import Clock, Training
from labkit.studies.identity import Facts, require_same
from labkit.studies.store import Artefact, Store


class Keeper:
    """Keeps artefacts as long as the study lives, or, if its store has a folder, until they are released.

    Args:
        store: keeps them on the disk.
        prefix: of their names on the clock, which several studies share.

    Attributes:
        clock: how long each took.
        memory: by name, what is used of an artefact, and the artefact without its tensors.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self.store = store
        self.clock = Clock()
        self.memory: dict[str, tuple[Any, Artefact]] = {}
        self._prefix = prefix

    def get(
        self, name: str, facts: Facts, make: Callable[[], Artefact], use: Callable[[Artefact], Any]
    ) -> tuple[Any, Training]:
        """What is used of an artefact, and how long the artefact took.

        Args:
            name: of the artefact.
            facts: what it must be of.
            make: makes it, where it is not kept.
            use: makes what is used of it, once.

        Raises:
            ValueError: an artefact of this name is of something else.
            StoreError: its file cannot be read, or not be written.
        """
        made = False
        with self.clock.getting():
            if name in self.memory:
                used, artefact = self.memory[name]
                require_same(repr(name), artefact.notes.get("facts", {}), facts)
            else:
                artefact, made = self.store.load_or_make(name, make)
                require_same(str(self.store.path(name)), artefact.notes.get("facts", {}), facts)
                used = use(artefact)
                self.memory[name] = used, replace(artefact, tensors={})
        pieces = artefact.notes.get("pieces", {})
        self.clock.pieces += [*pieces.items(), (f"{self._prefix}/{name}", artefact.seconds)]
        return used, Training(name, artefact.seconds, made)

    def require_new(self, name: str, model: nn.Module) -> None:
        """Raise a ValueError if to train a model would change another one, which is trained already."""
        weights = {id(value) for value in model.parameters() if value.requires_grad}
        for other, (used, _) in self.memory.items():
            if isinstance(used, nn.Module) and any(id(value) in weights for value in used.parameters()):
                raise ValueError(
                    f"model of {name!r} must be newly built; it shares weights with {other!r}, which is trained "
                    "already: use copy.deepcopy"
                )

    def release(self) -> None:
        """Let go of what is on the disk as well; it is read again when it is asked for."""
        if self.store.folder is not None:
            self.memory.clear()
