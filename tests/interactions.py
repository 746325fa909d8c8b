"""Photos and videos of interactions in the shape of HII and TVHI; colours tell the classes."""

import torch
from PIL import Image

from labkit.data import TVHI, write_video


def write_interactions(root):
    """Two made-up videos of each class and part, and a few photos of each class and kind."""
    (root / "tvhi/videos").mkdir(parents=True)
    for part in ("train", "test"):
        names = TVHI.read_lists(root, part)[1]
        for label in range(4):
            for name in [name for name, labels in names.items() if labels == (label,)][:2]:
                frames = torch.full((6, 3, 60, 80), 60 * label, dtype=torch.uint8)
                write_video(root / f"tvhi/videos/{name}.avi", frames, fps=25)
    for kind, count in (("curated", 3), ("crawled", 4)):
        for label, name in enumerate(("handShake", "highFive", "hug", "kiss")):
            write_photos(root / f"hii/photos/{kind}/{name}", count, 60 * label)
    return root


def write_photos(folder, count, grey):
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (70, 60), (grey,) * 3).save(folder / f"{number}.png")
