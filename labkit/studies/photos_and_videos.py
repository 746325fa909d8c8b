"""Photos from the web and videos of the same classes: interactions of two people, and actions; and words for both.

The paper has 600 photos of an interaction and 25 videos to train on, as the lab's world has in the profile study; its
noisy photos are seven times as many, of which at least five in six were thrown away. Ours are three times as many, and
a quarter of them is wrong.
"""

import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labkit import data, world
from labkit.clips import Clips
from labkit.papers.attention_transfer import fisher_vectors, image_view
from labkit.studies.frame_attention import fraction_of_videos
from labkit.studies.parts import TwoParts
from labkit.studies.study import Study
from labkit.views import View
from labkit.words import mean_of_words, own_word_vectors, read_word_vectors, words_of

NAMES = {"Skijet": "jet ski", "Shotput": "shot put"}  # of UCF101, as files of word vectors spell them
SAMPLE = 20_000  # words to fit the mixture of the Fisher vectors on


class PhotosAndVideos(Study):
    """The data of a study with photos and videos of two tasks; the data of one need not be there for the other."""

    @cached_property
    def interactions(self) -> TwoParts:
        """Videos of the four interactions."""
        if self.dataset == "world":
            both = self.prepared(self._meetings(self.scale.tests))
            return TwoParts(
                *(
                    both.subset(((both.groups > self.scale.videos) == asked).nonzero().flatten())
                    for asked in (False, True)
                )
            )
        root, missing = Path(self.data_root, "tvhi"), self.missing
        return TwoParts(*(data.TVHI(root, part, missing=missing) for part in TwoParts._fields))  # type: ignore[arg-type]

    def told(self, telling: float) -> Clips:
        """The first test videos of the world, with another fraction of frames that tell what happens."""
        clips = self._meetings(self.scale.told, telling=telling)
        return clips.subset((clips.groups > self.scale.videos).nonzero().flatten())

    def _meetings(self, tests: int, **options: Any) -> world.Interactions:
        """A video of each group of the world; the first ones are to train on, the others to test."""
        return world.Interactions(seed=self.seed, groups=self.scale.videos + tests, clips=1, **options)

    @cached_property
    def actions(self) -> TwoParts:
        """Videos of the actions."""
        if self.dataset == "world":
            options = {"seed": self.seed, "split": self.split, "classes": self.scale.actions, "clips": 1}
            parts = (world.Actions(part=part, groups=self.scale.groups, **options) for part in TwoParts._fields)
            return TwoParts(*map(self.prepared, parts))
        root, missing = Path(self.data_root, "ucf101"), self.missing
        return TwoParts(*(data.UCF101(root, self.split, part, missing=missing) for part in TwoParts._fields))  # type: ignore[arg-type]

    def photos(self, kind: str) -> TwoParts:
        """Photos, and the 30 % of them that are held out (section 4.2).

        Args:
            kind: of interactions ``"filtered"`` or ``"noisy"``; ``"actions"``.
        """
        if kind not in self._photos:
            train, held_out = self._all_photos(kind).hold_out(0.3, torch.Generator().manual_seed(self.seed))
            self._photos[kind] = TwoParts(train, held_out)
        return self._photos[kind]

    @cached_property
    def _photos(self) -> dict[str, TwoParts]:
        return {}

    def _all_photos(self, kind: str) -> Clips:
        if self.dataset == "world":
            options: dict[str, Any] = {"groups": self.scale.photos * (3 if kind == "noisy" else 1)}
            if kind == "actions":
                options = {"of": kind, "classes": self.scale.actions, "groups": self.scale.action_photos}
            return self.prepared(world.Stills(seed=self.seed, noisy=kind == "noisy", **options))
        missing: Any = self.missing
        if kind == "actions":
            return data.BU101(Path(self.data_root, "bu101"), self.actions.test.classes, missing=missing)
        root = Path(self.data_root, "hii")
        return data.HII(root, photos=data.HII.kinds(root)[kind], missing=missing)

    def videos(self, kind: str, percent: int = 100) -> TwoParts:
        """The videos that belong to photos of a kind, a percentage of the training videos of each class."""
        parts = self.actions if kind == "actions" else self.interactions
        if percent == 100:
            return parts
        return parts._replace(
            train=parts.train.subset(fraction_of_videos(parts.train.labels, percent / 100, self.seed))
        )

    def view(self, kind: str = "filtered") -> View:
        """How a photo or a frame gets into the CNN. In the world walking left is not walking right."""
        flip = not (kind == "actions" and self.dataset == "world")
        return image_view(crop_size=224 if self.size == "paper" else 56, flip=flip)

    @cached_property
    def words(self) -> dict[str, Tensor]:
        """Word vectors of ``words.txt`` or ``words.bin`` beside the real sets; where there is none, the lab's own."""
        paths = [Path(self.data_root, name) for name in ("words.txt", "words.bin")] if self.data_root else []
        if (path := next(filter(Path.is_file, paths), None)) is None:
            return own_word_vectors()
        wanted = {
            word
            for name in self.concept_names("actions" if self.dataset == "ucf101" else "filtered")
            for word in words_of(name)
        }
        words = read_word_vectors(path, wanted, sample=SAMPLE)
        if lacking := sorted(wanted - words.keys()):
            warnings.warn(f"{path} has no vector for {', '.join(lacking)}: left out of their concepts", stacklevel=2)
        return words

    def concept_names(self, kind: str) -> list[str]:
        """The classes of the videos that belong to photos of a kind, in words that have vectors."""
        return [NAMES.get(name, name) for name in self.videos(kind).test.classes]

    def concepts(self, embedding: str, kind: str = "filtered") -> Tensor:
        """The concepts ``(K, e)`` as vectors: ``"mean"`` of their words, ``"fisher"`` vectors or ``"one_hot"``."""
        names = self.concept_names(kind)
        if embedding == "one_hot":
            return torch.eye(len(names))
        return {"mean": mean_of_words, "fisher": fisher_vectors}[embedding](names, self.words)

    def lacking_words(self, kind: str) -> Iterator[str]:
        """Whether there is a word vector for each concept."""
        try:
            lacking = [name for name in self.concept_names(kind) if not {*words_of(name)} & self.words.keys()]
        except (OSError, ValueError) as error:  # the videos are not there, or the words are none
            yield str(error)
            return
        if lacking:
            yield (
                f"{Path(self.data_root, 'words.txt')}, or words.bin, must hold vectors of word2vec for a word of each "
                f"class; got none for {len(lacking)}, such as {', '.join(lacking[:5])}: bring a larger file"
            )
