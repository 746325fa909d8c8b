"""MPI Sintel: 1,041 pairs with flow, 552 without, 436 x 1024 pixels, from 35 scenes of an animated movie.

Butler, Wulff, Stanley and Black, "A naturalistic open source movie for optical flow evaluation", ECCV 2012. Each scene
is rendered twice: the *clean* pass has light and shade, the *final* pass also blur and fog.
"""

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from labkit.data.pairs import RealPair, RealPairs

FOLDER = "MPI-Sintel-complete"
_PLACES = {
    "alley": (1, 2),
    "ambush": (2, 4, 5, 6, 7),
    "bamboo": (1, 2),
    "bandage": (1, 2),
    "cave": (2, 4),
    "market": (2, 5, 6),
    "mountain": (1,),
    "shaman": (2, 3),
    "sleeping": (1, 2),
    "temple": (2, 3),
}
TRAIN = tuple(f"{place}_{number}" for place, numbers in _PLACES.items() for number in numbers)
"""The scenes whose flow is published."""

TEST = (
    "PERTURBED_market_3",
    "PERTURBED_shaman_1",
    "ambush_1",
    "ambush_3",
    "bamboo_3",
    "cave_3",
    "market_1",
    "market_4",
    "mountain_2",
    "temple_1",
    "tiger",
    "wall",
)
"""The scenes whose flow the makers keep, to compare methods by."""

FRAMES = {"ambush_1": 23, "ambush_2": 21, "ambush_3": 41, "ambush_4": 33, "ambush_6": 20, "market_6": 40}
"""How long a scene is; 50 frames where nothing is said."""


class Sintel(RealPairs):
    """One part of MPI Sintel, as `labkit.clips.Clips` with the interface of `labkit.world.FlowPairs`.

    A pair is a frame and the one after it, ``clean/alley_1/frame_0001``; a group is a scene, so that pairs of one scene
    are never divided. Of what moves out of the image the masks of occlusion mark only a part: ``occluded`` has all of
    it, as in the world. Invalid pixels have some flow in the files all the same; ``valid`` leaves them out.

    Args:
        root: folder of the set, as ``data_scripts/sintel.py`` makes it.
        part: "train" for the scenes with flow and masks, "test" for those without.
        pass_name: "clean" or "final".
        scenes: which ones, by name; None for all of the part.
        missing: "error", or "skip" to take only the pairs that have all their files, with a warning.
        pairs: folder of ``training`` and ``test``, relative to ``root``.

    Raises:
        FileNotFoundError: files are missing; the message names some and has the command.
        ValueError: an argument is none of its values.
    """

    def __init__(
        self,
        root: str | Path,
        part: Literal["train", "test"] = "train",
        *,
        pass_name: Literal["clean", "final"] = "clean",
        scenes: Collection[str] | None = None,
        missing: Literal["error", "skip"] = "error",
        pairs: str = FOLDER,
    ) -> None:
        if part not in ("train", "test") or pass_name not in ("clean", "final"):
            raise ValueError(
                f'part must be "train" or "test" and pass_name "clean" or "final"; got {part!r} and {pass_name!r}'
            )
        all_scenes = TRAIN if part == "train" else TEST
        if unknown := [*{*(scenes or ())}.difference(all_scenes)]:
            raise ValueError(f"scenes of the {part} part must be among {', '.join(all_scenes)}; got {unknown[0]!r}")
        folder = Path(root) / pairs
        home = folder / ("training" if part == "train" else "test")
        listed = []
        for scene in all_scenes:
            if scenes is not None and scene not in scenes:
                continue
            for number in range(1, FRAMES.get(scene, 50)):
                frame, after = (f"{scene}/frame_{n:04}" for n in (number, number + 1))
                listed.append(
                    RealPair(
                        f"{pass_name}/{frame}",
                        (*TRAIN, *TEST).index(scene),
                        (home / pass_name / f"{frame}.png", home / pass_name / f"{after}.png"),
                        home / f"flow/{frame}.flo" if part == "train" else None,
                        home / f"occlusions/{frame}.png" if part == "train" else None,
                        home / f"invalid/{frame}.png" if part == "train" else None,
                        scene,
                    )
                )
        command = f"python data_scripts/sintel.py {shlex.quote(str(root))}"
        super().__init__(f"Sintel, {part}, {pass_name} pass", folder, listed, missing, command)
