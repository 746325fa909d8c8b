"""Draw the figures of docs/world.md, twice as fine as shown: ``LABKIT_CACHE=off python docs/draw_world.py``."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from labkit import viz, world

FOLDER = Path(__file__).parent / "_static" / "world"
CELL, GAP, MARGIN, LINE = 256, 12, 24, 52  # in pixels of the file: a page shows half as many
INK, PAPER = (40, 40, 48), (252, 250, 245)
BODY, THING = (76, 114, 176), (236, 196, 40)
COLOURS = {  # by the last word of a part's name
    "arm": (221, 120, 60),
    "forearm": (240, 160, 100),
    "hand": (250, 195, 150),
    "thigh": (50, 130, 80),
    "shin": (85, 168, 104),
    "foot": (140, 205, 150),
    "head": (196, 78, 82),
    "neck": (215, 120, 120),
}

Row = tuple[str, Sequence[Tensor]]


def page(rows: Sequence[Row]) -> Image.Image:
    """Rows of images ``(3, H, W)`` uint8, each under its words."""
    heights = [LINE * bool(words) + images[0].shape[-2] for words, images in rows]
    width = max(sum(image.shape[-1] + GAP for image in images) - GAP for _, images in rows)
    sheet = Image.new("RGB", (width + 2 * MARGIN, sum(heights) + GAP * (len(rows) - 1) + 2 * MARGIN), PAPER)
    draw, y = ImageDraw.Draw(sheet), MARGIN
    for (words, images), height in zip(rows, heights, strict=True):
        draw.text((MARGIN, y + 8), words, INK, ImageFont.load_default(31))
        x = MARGIN
        for image in images:
            sheet.paste(Image.fromarray(image.permute(1, 2, 0).numpy()), (x, y + LINE * bool(words)))
            x += image.shape[-1] + GAP
        y += height + GAP
    return sheet


def save(name: str, sheet: Image.Image, quality: int = 82) -> None:
    """Write a figure, and say how large it is."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.webp"
    sheet.save(path, quality=quality, method=6)
    print(f"{path.name}: {sheet.width} x {sheet.height}, {path.stat().st_size / 1000:.0f} kB")


def clip_of(clips: world.PuppetClips, name: str, number: int = 0) -> world.PuppetClip:
    """A clip of a class; another group for each number."""
    mine = (clips.labels == clips.classes.index(name)).nonzero().flatten().tolist()
    return clips[mine[number]]


def strip(clip: world.PuppetClip, count: int = 4) -> list[Tensor]:
    """Frames of a clip, evenly over its length."""
    return list(clip.frames(torch.linspace(0, clip.num_frames - 1, count).round().long()))


def pale(frame: Tensor) -> Tensor:
    """A frame ``(3, H, W)`` in light grey, for colours to stand out."""
    return (0.35 * frame.float().mean(0, keepdim=True) + 155).expand(3, -1, -1).to(torch.uint8)


def parts_in_colour(clip: world.PuppetClip, index: int) -> Tensor:
    """A frame in grey; limbs of the puppet, and what it holds, in colours of their own."""
    seen, truth = pale(clip.frames([index])[0]), clip.rendering
    for number, (name, kind) in enumerate(zip(truth.names, truth.kinds, strict=True)):
        hue = THING if kind == "prop" else COLOURS.get(name.split()[-1], BODY)
        if kind in ("puppet", "prop"):
            seen = torch.where(truth.part[index] == number, torch.tensor(hue, dtype=torch.uint8)[:, None, None], seen)
    return seen


def truth() -> None:
    """One clip, and what the world knows about it."""
    clip = clip_of(world.Actions(size=CELL, groups=3, clips=1), "hammer")
    times = [2, 5, 8, 11]
    hidden = []
    for frame, covered in zip(clip.frames(times), clip.occluded(times), strict=True):
        hidden.append(torch.where(covered, torch.tensor((200, 30, 60), dtype=torch.uint8)[:, None, None], pale(frame)))
    rows: list[Row] = [
        ("frames", list(clip.frames(times))),
        ("exact flow: hue is direction", list(viz.flow_to_rgb(clip.flow(times), 12.0))),
        ("which part is seen", [parts_in_colour(clip, time) for time in times]),
        ("what is hidden in the next frame", hidden),
    ]
    save("truth", page(rows))


def families() -> None:
    """What tells the classes of each family apart."""
    clips = world.Actions(size=CELL, groups=3, clips=1)
    pairs = {"appearance": ("hammer", "chop"), "motion": ("wave", "clap"), "reversed": ("sit_down", "stand_up")}
    for family, names in pairs.items():
        save(family, page([(name.replace("_", " "), strip(clip_of(clips, name))) for name in names]))


def camera() -> None:
    """A clip at four strengths of the camera's motion, and its flow."""
    clips = [
        clip_of(world.Actions(size=CELL, groups=3, clips=1, difficulty=world.Difficulty(camera=strength)), "jump")
        for strength in (0, 1, 3, 6)
    ]
    fields = [viz.flow_to_rgb(clip.flow([5]), 12.0)[0] for clip in clips]
    save(
        "camera",
        page([("camera 0, 1, 3, 6", [clip.frames([5])[0] for clip in clips]), ("the flow of these frames", fields)]),
    )


def shadows() -> None:
    """Two views of each of two scenes under deeper and deeper shadows."""
    rows: list[Row] = []
    for depth in (0.0, 0.5, 1.0):
        change = world.Change(shadow=depth)
        places = world.Places(size=CELL, instances=3, views=3, distractors=0, junk=0, objects=False, change=change)
        views = [index for group in (1, 2) for index in (places.groups == group).nonzero().flatten().tolist()[:2]]
        rows.append((f"shadow {depth:g}", [places[index].frames([0])[0] for index in views]))
    save("shadows", page(rows))


def telling() -> None:
    """A meeting, with more and more frames that tell what it is."""
    rows = []
    for fraction in (0.36, 0.75, 1.0):
        clips = world.Interactions(size=CELL, groups=3, clips=1, telling=fraction)
        rows.append((f"telling {fraction:g}", strip(clip_of(clips, "high_five"), 4)))
    save("telling", page(rows))


def stills() -> None:
    """Eight of the 54 classes of the source task, and four of its control."""
    things, source = world.Things(size=CELL, groups=6), world.Source(size=CELL, groups=6)
    names = ["guitar", "umbrella", "surfboard", "drum", "church", "windmill", "scene beach", "shape ring"]
    tiles = [clip_of(things, name, 1).frames([0])[0] for name in names]
    others = [clip_of(source, name, 1).frames([0])[0] for name in ("balance", "lunge", "star", "croquet")]
    rows: list[Row] = [
        ("things: guitar, umbrella, surfboard, drum", tiles[:4]),
        ("church, windmill, beach, ring", tiles[4:]),
        ("postures: balance, lunge, star, croquet", others),
    ]
    save("stills", page(rows))


def pairs() -> None:
    """Pairs for optical flow, with their flow."""
    flying = world.FlowPairs(size=CELL, number=8)
    chosen = [flying[index] for index in (0, 2, 3, 5)]
    fields = [viz.flow_to_rgb(pair.flow([0]), 12.0)[0] for pair in chosen]
    rows: list[Row] = [
        ("first frame", [pair.frames([0])[0] for pair in chosen]),
        ("second frame", [pair.frames([1])[0] for pair in chosen]),
        ("exact flow", fields),
    ]
    save("pairs", page(rows))


def places() -> None:
    """One scene of each kind that has to be found again."""
    views = world.Places(size=CELL, instances=11, distractors=1, change=world.Change(shadow=0))
    tiles = [views[index].frames([0])[0] for index in [*views.queries, len(views) - 1]]
    save("to_find", page([("", tiles[start : start + 4]) for start in (0, 4, 8)]))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for draw in (truth, families, camera, shadows, telling, stills, pairs, places):
        draw()
