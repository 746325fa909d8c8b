"""The figures of Li et al., ACM Multimedia 2017, on the lab's own photos and videos, and a few more."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from labkit.viz.attention import AttentionExplorer
from labkit.viz.colour import overlay
from labkit.viz.diagram import Block, block_diagram
from labkit.viz.figures import bar_chart, heat_maps, image_grid, line_chart
from labkit.viz.style import Figure

SLOTS = ("false anchor map", "true anchor map", "positive map", "negative map")


def photos_and_frames(images: Mapping[str, Tensor]) -> Figure:
    """Figure 1: of each class three photos and three frames of a video, ``(6, 3, H, W)``."""
    kinds = ["photo"] * 3 + ["video"] * 3
    return image_grid(
        [image for row in images.values() for image in row],
        columns=6,
        labels=[f"{name}: {kind}" for name in images for kind in kinds],
        title="Figure 1, on our data: photos (left), and frames of a video from early to late (right)",
        alt="A row of six images for each interaction: three photos, then three frames of one video.",
    )


def concept_maps(image: Tensor, maps: Tensor, energies: Tensor, concepts: Sequence[str], label: int) -> Figure:
    """Figure 2: the attention maps ``(K, h, w)`` of all concepts on one frame ``(3, H, W)``, on one scale."""
    numbers = [f"{name}: {value:.2f}" for name, value in zip(concepts, energies.tolist(), strict=True)]
    return image_grid(
        [image, *overlay(image, maps)],
        labels=[f"a frame of a {concepts[label]}", *numbers],
        title="Figure 2, on our data: the attention maps of all concepts on one frame<br>one scale for all; the number "
        "is the energy, the sum over the best square of 3 x 3 locations",
        alt=f"A frame of a {concepts[label]}, and the heat maps of {len(concepts)} concepts on it.",
    )


def ways_to_read(values: Mapping[str, Mapping[str, float]]) -> Figure:
    """Bars: mAP and top-1 by rule."""
    return bar_chart(
        values,
        title="One CNN (trained on photos), read in five ways",
        alt="Mean average precision and top-1 accuracy on the test videos by the vote of the frames, by the mean of "
        "their scores or of their softmax, by whole attention maps, and by the best square of 3 x 3 locations.",
        x_title="how a video is read",
        y_title="test videos (%)",
    )


def told(images: Mapping[str, Tensor]) -> Figure:
    """One video, a row for each fraction of its frames that tell something: frames ``(T, 3, H, W)``."""
    rows = {f"{100 * float(telling):.0f} %": frames for telling, frames in images.items()}
    return image_grid(
        [image for frames in rows.values() for image in frames],
        columns=len(next(iter(rows.values()))),
        labels=[name if number == 0 else "" for name, frames in rows.items() for number in range(len(frames))],
        title=f"One meeting, of which {', '.join(rows)} of the frames tell what happens",
        alt="Rows of frames from early to late. From row to row the two stay together longer; in the last one they "
        "never are apart.",
    )


def recognised(image: Tensor, maps: Tensor, classes: Sequence[str], probabilities: Sequence[float]) -> Figure:
    """A photo ``(3, H, W)`` under the attention map ``(k, h, w)`` of each of some classes, on one scale."""
    labels = [f"{name}: {100 * value:.0f} %" for name, value in zip(classes, probabilities, strict=True)]
    return image_grid(
        [image, *overlay(image, maps)],
        columns=3,
        labels=["the photo", *labels],
        title="What EfficientNet-Lite0 sees in the photo, and where<br>the classes with the highest probabilities, one "
        "scale for all attention maps",
        alt=f"A photo, and {len(labels)} heat maps on it: {'; '.join(labels)}.",
    )


def similarities(embeddings: Mapping[str, Tensor], concepts: Sequence[str]) -> Figure:
    """How alike the concepts are: cosines between rows of embeddings ``(K, e)`` of unit length."""
    return heat_maps(
        {name: vectors @ vectors.T for name, vectors in embeddings.items()},
        title=f"How alike are the concepts? {', '.join(concepts)}, from top to bottom and from left to right",
        alt=f"A table of cosines between the concepts for each of {', '.join(embeddings)}. Each is most like itself.",
        unit="cosine",
        centred=True,
        limit=1.0,
    )


def siamese() -> Figure:
    """Figure 3: four instances of one EnergyNet, two losses."""
    inputs = ["F, c<sub>fa</sub>", "F, c<sub>gt</sub>", "F<sup>+</sup>, c<sup>+</sup>", "F<sup>−</sup>, c<sup>−</sup>"]
    blocks = {
        "energy": Block("energy loss<br>(6)", 7.6, 0.5, "second", width=1.3, height=0.9),
        "triplet": Block("triplet loss<br>(10)", 7.6, 2.6, "second", width=1.3, height=0.9),
    }
    arrows = []
    for row, (slot, text) in enumerate(zip(SLOTS, inputs, strict=True)):
        blocks[f"in {row}"] = Block(f"{slot}<br>{text}", 0, 1.1 * row, width=1.8, height=0.8)
        blocks[f"fc {row}"] = Block("fc, ReLU, fc", 2.1, 1.1 * row, "first", width=1.3, height=0.6)
        blocks[f"f {row}"] = Block("f: 64 values", 3.9, 1.1 * row, width=1.2, height=0.6)
        arrows += [(f"in {row}", f"fc {row}"), (f"fc {row}", f"f {row}")]
        if row < 2:
            blocks[f"w {row}"] = Block("W<sub>f</sub>: energy", 5.7, 1.1 * row, "first", width=1.2, height=0.6)
            arrows += [(f"f {row}", f"w {row}"), (f"w {row}", "energy")]
        if row:
            arrows.append((f"f {row}", "triplet"))
    return block_diagram(
        blocks,
        arrows,
        title="Figure 3, redrawn: the Siamese EnergyNet<br>four instances with shared weights (blue), two losses",
        alt="Four rows from left to right: the attention maps of a false and of the true concept of a frame, and of "
        "the true concepts of two other frames, each with its concept, pass the same two fully connected layers and "
        "become 64 values. Of the first two rows an energy is computed, and the energy loss compares them; the triplet "
        "loss compares the 64 values of the last three.",
    )


def quadruplets(images: Tensor, maps: Tensor, concepts: Sequence[str]) -> Figure:
    """Quadruplets, a row each: frames ``(4 * M, 3, H, W)`` under an attention map ``(4 * M, h, w)`` each."""
    return image_grid(
        list(overlay(images, maps)),
        columns=4,
        labels=[f"{SLOTS[number % 4]}: {name}" for number, name in enumerate(concepts)],
        title="Random quadruplets, a row each: what the four instances see",
        alt="Rows of four frames under heat maps: twice the same frame, for a false concept and for the true one, then "
        "a frame of another video of the class, then one of another class.",
    )


def mined(images: Tensor, maps: Tensor, concepts: Sequence[str], losses: Tensor) -> Figure:
    """The hardest quadruplets and the easiest ones, a row each, with their losses ``(M,)``."""
    names = [
        f"loss {losses[number // 4]:.2f}, {SLOTS[0]}: {name}" if number % 4 == 0 else f"{SLOTS[number % 4]}: {name}"
        for number, name in enumerate(concepts)
    ]
    return image_grid(
        list(overlay(images, maps)),
        columns=4,
        labels=names,
        title=f"What mining picks: the {len(losses) // 2} hardest candidates (above), and the easiest (below)",
        alt=f"Rows of four frames under heat maps. Losses: {', '.join(f'{loss:.2f}' for loss in losses.tolist())}.",
    )


def mining(candidates: Sequence[tuple[int, float]], losses: Mapping[str, Sequence[tuple[int, float]]]) -> Figure:
    """Both losses over the steps of a training, and where the batch of candidates grows."""
    grown = next((step for step, count in candidates if count > candidates[0][1]), None)
    change = f"{candidates[0][1]:.0f} candidates" + (
        " throughout" if grown is None else f", from step {grown} on {candidates[-1][1]:.0f}"
    )
    return line_chart(
        {name: ([step for step, _ in curve], [value for _, value in curve]) for name, curve in losses.items()},
        title=f"Losses of the quadruplets that are learned from<br>{change}",
        alt=f"Energy loss and triplet loss over the training steps, {change}.",
        x_title="step",
        y_title="loss",
    )


def explorer(
    images: Tensor, maps: Tensor, concepts: Sequence[str], energies: Mapping[str, Tensor], label: int
) -> AttentionExplorer:
    """A video frame by frame: the attention map of a concept, its best square, the energies of all concepts."""
    return AttentionExplorer(
        images,
        maps,
        energies,
        concepts=concepts,
        right=label,
        start=len(images) // 2,
        title=f"A video of a {concepts[label]}, concept by concept",
        alt="A frame under the heat map of a concept, the square of 3 x 3 locations with the largest sum, bars with "
        "the energies of all concepts, and their curves over the frames.",
    )


def learning_curves(curves: Mapping[str, Sequence[tuple[int, float]]]) -> Figure:
    """Accuracy on the test videos while EnergyNets learn, by step."""
    return line_chart(
        {name: ([step for step, _ in curve], [100 * value for _, value in curve]) for name, curve in curves.items()},
        title="How EnergyNet learns",
        alt=f"Accuracy on the test videos over the training steps: {', '.join(curves)}.",
        x_title="step",
        y_title="top-1 on the test videos (%)",
    )


def gains(points: Mapping[str, Mapping[str, float]]) -> Figure:
    """Figure 4: what each class gains in recall, by who gains over whom; sorted by the first of them."""
    return bar_chart(
        points,
        title="Figure 4, on our data: which classes gain?",
        alt=f"Gain in recall of each class by {' and by '.join(points)}, the largest gain of the first one first.",
        x_title="class",
        y_title="gain in recall (points)",
    )


def few_videos(accuracies: Mapping[str, Mapping[int, float | None]]) -> Figure:
    """Figure 5: accuracy by percentage of the training videos, a line for each method; unknown ones are left out."""
    known = {name: {p: v for p, v in values.items() if v is not None} for name, values in accuracies.items()}
    return line_chart(
        {name: (list(values), list(values.values())) for name, values in known.items() if values},
        title="Figure 5, on our data: accuracy by percentage of the training videos",
        alt=f"Accuracy over the percentage of the training videos: {', '.join(known)}.",
        x_title="training videos (%)",
        y_title="top-1 (%)",
    )


def rescued(images: Tensor, maps: Tensor, concepts: Sequence[str], energies: Tensor, notes: Sequence[str]) -> Figure:
    """Figure 6: frames, each with the attention map of its true concept and of the best wrong one."""
    pictures, labels = [], []
    for number, note in enumerate(notes):
        pair = slice(2 * number, 2 * number + 2)
        pictures += [images[2 * number], *overlay(images[pair], maps[pair], float(maps[pair].max()))]
        values = zip(concepts[pair], energies[pair].tolist(), strict=True)
        labels += [note, *(f"{name}: {value:.2f}" for name, value in values)]
    return image_grid(
        pictures,
        columns=3,
        labels=labels,
        title="Figure 6, on our data: the attention map of the true concept (middle) and of the best wrong one (right)"
        "<br>the numbers are EnergyNet's energies",
        alt=f"{len(notes)} frames, each with the heat maps of two concepts on one scale. {'; '.join(labels)}.",
    )
