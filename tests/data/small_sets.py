"""Data sets of a few small videos, pairs or lists, in the folders and with the names of the real ones."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
import zoo
from PIL import Image

from labkit.data import write_video
from labkit.flow import write_flo

# UCF101: 101 names whose order is not that of their files, and one whose files are spelt otherwise.
UCF101_CLASSES = [f"Class{number:03}" for number in range(98)] + ["Hammering", "HammerThrow", "HandstandPushups"]
UCF101_TRAIN = ["HammerThrow/v_HammerThrow_g08_c01", "Hammering/v_Hammering_g25_c02", "Class000/v_Class000_g08_c01"]
UCF101_TEST = ["HandstandPushups/v_HandStandPushups_g01_c01", "Hammering/v_Hammering_g07_c03"]

# HMDB51: sorted, "climb" comes before "climb_stairs"; their lists, climb_stairs_test_... and climb_test_..., do not.
HMDB51_CLASSES = sorted(["climb", "climb_stairs", "wave"] + [f"act_{number:02}" for number in range(48)])
HMDB51_LINES = {
    "climb": ["Film_A_climb_f_cm_np1_ba_med_0.avi 1", "Film_A_climb_u_nm_np1_fr_goo_1.avi 1"],
    "climb_stairs": ["Film_A_climb_stairs_l_cm_np2_le_bad_0.avi 2", "_[B]_!_climb_stairs_h_nm_np1_ri_med_3.avi 0"],
    "wave": [
        "hand_wave_at_wave_f_nm_np1_fr_goo_37.avi 1",
        "Film_A_wave_f_nm_np1_fr_goo_4.avi 2",
        "z_wave_f_nm_np1_fr_goo_0.avi 0",  # which the other splits test
    ],
}

HEIGHT, WIDTH = 6, 9  # of pairs


def write_lines(path: Path, rows, end="\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{row}{end}" for row in rows).encode())


def ucf101(root: Path) -> Path:
    """All videos of its lists, 6 to 10 frames; lists as the official ones are: CRLF, labels in training lists only."""
    lists = root / "ucfTrainTestlist"
    write_lines(lists / "classInd.txt", (f"{n} {name}" for n, name in enumerate(UCF101_CLASSES, start=1)), "\r\n")
    for split in (1, 2, 3):
        train, test = (UCF101_TRAIN, UCF101_TEST) if split == 1 else (UCF101_TEST, UCF101_TRAIN)
        labelled = (f"{path}.avi {UCF101_CLASSES.index(path.split('/')[0]) + 1}" for path in train)
        write_lines(lists / f"trainlist0{split}.txt", labelled, "\r\n")
        write_lines(lists / f"testlist0{split}.txt", (f"{path}.avi" for path in test), "\r\n")
    for length, name in enumerate(UCF101_TRAIN + UCF101_TEST, start=6):
        path = root / f"UCF-101/{name}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_noise(length))
    return root


@cache
def _noise(length: int) -> bytes:
    """An AVI of frames that all differ, 16 x 24 pixels."""
    frames = torch.randint(256, (length, 3, 16, 24), generator=torch.Generator().manual_seed(length), dtype=torch.uint8)
    return zoo.written(lambda path: write_video(path, frames, fps=25), ".avi")


def hmdb51(root: Path) -> Path:
    """All videos of its lists, 3 frames each."""
    for name in HMDB51_CLASSES:
        rows = HMDB51_LINES.get(name, [])
        for split in (1, 2, 3):
            of_split = rows if split == 1 else [row[:-1] + "12"[row.startswith("z_")] for row in rows]
            write_lines(root / f"testTrainMulti_7030_splits/{name}_test_split{split}.txt", of_split, " \n")
        for row in rows:
            zoo.write_grey(root / "hmdb51_org" / name / row.split()[0])
    return root


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    return torch.randint(256, (3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def truth(seed: int) -> torch.Tensor:
    return 20 * torch.randn(2, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def write_ppm(path: Path, pixels: torch.Tensor) -> None:
    """A binary PPM by hand, its header as those of FlyingChairs are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = f"P6 \n{pixels.shape[2]} {pixels.shape[1]} \n255\n".encode()
    path.write_bytes(header + pixels.permute(1, 2, 0).numpy().tobytes())


def chairs(root: Path, monkeypatch) -> Path:
    """Four pairs of FlyingChairs, the second to test, counted as if that were all."""
    monkeypatch.setattr("labkit.data.chairs.PAIRS", 4)
    write_lines(root / "FlyingChairs_train_val.txt", ("  1", "  2", "  1", "  1"), "\r\n")
    for number in range(1, 5):
        name = root / f"FlyingChairs_release/data/{number:05}"
        write_ppm(name.with_name(f"{name.name}_img1.ppm"), picture(number))
        write_ppm(name.with_name(f"{name.name}_img2.ppm"), picture(-number))
        write_flo(name.with_name(f"{name.name}_flow.flo"), truth(number))
    return root


def write_png(path: Path, seed: int = 0, pixels: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed).permute(1, 2, 0).numpy() if pixels is None else pixels).save(path)


def sintel(root: Path, monkeypatch) -> Path:
    """Two scenes of Sintel to train and one to test, counted as if that were all; flow is 0.1 of the frame's number."""
    monkeypatch.setattr("labkit.data.sintel.TRAIN", ("alley_1", "ambush_2"))
    monkeypatch.setattr("labkit.data.sintel.TEST", ("wall",))
    monkeypatch.setattr("labkit.data.sintel.FRAMES", {"alley_1": 4, "ambush_2": 3, "wall": 3})
    home, nothing = root / "MPI-Sintel-complete", np.zeros((HEIGHT, WIDTH), np.uint8)
    for scene, count in (("alley_1", 4), ("ambush_2", 3)):
        for number in range(1, count + 1):
            frame = f"{scene}/frame_{number:04}"
            write_png(home / f"training/clean/{frame}.png", number)
            write_png(home / f"training/final/{frame}.png", 100 + number)
            write_png(home / f"training/invalid/{frame}.png", pixels=nothing)
            if number < count:
                write_png(home / f"training/occlusions/{frame}.png", pixels=nothing)
                path = home / f"training/flow/{frame}.flo"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_flo(path, torch.full((2, HEIGHT, WIDTH), 0.1 * number))
    for number in (1, 2, 3):
        for which in ("clean", "final"):
            write_png(home / f"test/{which}/wall/frame_{number:04}.png", number)
    return root


def oxford_lists(folder: Path, name, prefix: str = "") -> None:
    """Lists of 11 landmarks as the official ones: of 8 photos of each 0 to 4 ask, are good, 5 is ok, 6 and 7 are junk.

    ``name(number)`` is the name of a photo; ``prefix`` comes before that of a query in its file.
    """
    for number, letter in enumerate("abcdefghijk"):
        photos = [name(8 * number + k) for k in range(8)]
        for k in range(5):
            query = f"{prefix}{photos[k]} 1.5 {k}.1 6.4 7"
            for kind, rows in {"query": [query], "good": photos[:5], "ok": photos[5:6], "junk": photos[6:]}.items():
                write_lines(folder / f"landmark_{letter}_{k + 1}_{kind}.txt", rows)
