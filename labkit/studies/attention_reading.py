"""What lesson 08 looks at: frames under attention maps, quadruplets, mined ones, and numbers by rule and by class."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import torch
from torch import Tensor

from labkit.papers.attention_transfer import MINING, QuadrupletSampler, SiameseEnergyNet, energy
from labkit.studies.attention_transfer import PERCENTAGES, TELLING, AttentionTransfer
from labkit.studies.frame_attention import RULES, Attention
from labkit.studies.rows import Values
from labkit.viz.classes import readable, recalls

RULE_NAMES: Mapping[str, str] = {
    "vote": "vote of the frames",
    "mean": "mean of scores",
    "softmax": "mean of softmax",
    "whole_map": "whole map",
    "unatt": "3 x 3 (UnAtt)",
}


class Shown(NamedTuple):
    """Frames with attention maps.

    Attributes:
        images: ``(N, 3, H, W)`` uint8, as the CNN sees them.
        attention: attention maps ``(N, K, h, w)`` of all concepts, or ``(N, h, w)`` of one each.
        concepts: names of the K concepts, or of the one each.
        energies: by the name of a rule, the energy of each.
        label: the true concept, where all are of one video.
    """

    images: Tensor
    attention: Tensor
    concepts: list[str]
    energies: dict[str, Tensor]
    label: int = 0


def names_of(study: AttentionTransfer) -> list[str]:
    """The concepts, to be read."""
    return [readable(name) for name in study.interactions.test.classes]


def images_of(study: AttentionTransfer, seen: Attention, rows: Tensor, part: str = "test") -> Tensor:
    """The frames ``(n, 3, H, W)`` uint8 of some rows ``(n,)`` of what was seen of a part of the interactions."""
    clips, view = getattr(study.interactions, part), study.view()
    places = zip(seen.videos[rows].tolist(), seen.frames[rows].tolist(), strict=True)
    return torch.stack([view.pixels(clips[video], [frame])[0] for video, frame in places])


def photos_and_frames(study: AttentionTransfer) -> dict[str, Tensor]:
    """Of each interaction three photos and three frames of one test video, early to late: ``(6, 3, H, W)`` by name."""
    view, photos, videos = study.view(), study.photos("filtered").train, study.interactions.test
    images = {}
    for label, name in enumerate(videos.classes):
        own = (photos.labels == label).nonzero().flatten().tolist() or [0]
        clip = videos[videos.examples([name])[0]]
        moments = torch.linspace(0, clip.num_frames - 1, 4)[1:].long()
        chosen = [view.pixels(photos[own[number % len(own)]], [0]) for number in range(3)]
        images[readable(name)] = torch.cat([*chosen, view.pixels(clip, moments)])
    return images


def clearest_frame(study: AttentionTransfer, name: str) -> Shown:
    """The test frame of a class whose own attention map has most energy beyond the others', by the CNN of photos."""
    seen, label = study.attention(), study.interactions.test.classes.index(name)
    energies = energy(seen.maps.float())  # (N, K)
    beyond = energies[:, label] - energies.mean(dim=1)
    row = beyond.masked_fill(seen.frame_labels != label, -torch.inf).argmax()[None]
    images, own = images_of(study, seen, row), int(seen.frame_labels[row])
    return Shown(images, seen.maps[row].float(), names_of(study), {"energy": energies[row]}, own)


def by_rule(study: AttentionTransfer) -> dict[str, dict[str, float]]:
    """Percent mAP and top-1 of the test videos by the ResNet of filtered photos, for each of the `RULES`."""
    study.measure("rules.photos")  # so that tables have it as well
    seen, values = study.attention(), {"mAP": study.mean_ap, "top-1": study.top_1}
    return {
        measure: {RULE_NAMES[rule]: value(read(seen)).value for rule, read in RULES.items()}
        for measure, value in values.items()
    }


def told(study: AttentionTransfer, name: str, count: int = 8) -> dict[str, Tensor]:
    """Frames of one test video of the world, ``(count, 3, H, W)``, by the fraction of them that tell something."""
    clips = {telling: study.told(float(telling)) for telling in TELLING}
    index = clips[TELLING[0]].examples([name])[0]
    moments = torch.linspace(0, clips[TELLING[0]][index].num_frames - 1, count).long()
    return {telling: study.view().pixels(of_each[index], moments) for telling, of_each in clips.items()}


def quadruplets(study: AttentionTransfer, count: int = 3) -> Shown:
    """Random quadruplets of the training videos: frames ``(4 * count, 3, H, W)``, each under one attention map."""
    seen = study.attention("tuned", part="train")
    sampler = QuadrupletSampler(seen.maps, seen.videos, seen.labels)
    batch = sampler.sample(count, torch.Generator().manual_seed(study.seed))
    names, concepts = names_of(study), batch.concepts.flatten()
    images = images_of(study, seen, batch.frames.flatten(), "train")
    return Shown(images, batch.maps.flatten(0, 1).float(), [names[k] for k in concepts.tolist()], {})


def mined(study: AttentionTransfer, count: int = 3) -> Shown:
    """The hardest of random quadruplets of the training videos, then the easiest, once EnergyNet has learned."""
    seen, mining = study.attention("tuned", part="train"), MINING[study.size]
    sampler = QuadrupletSampler(seen.maps, seen.videos, seen.labels)
    batch = sampler.sample(mining.last, torch.Generator().manual_seed(study.seed))
    siamese = SiameseEnergyNet(study.energy_net().cpu(), mining).eval()
    with torch.no_grad():
        losses, order = torch.stack(siamese(batch)).sum(dim=0).sort(descending=True)
    rows = torch.cat([order[:count], order[-count:]])
    names, concepts = names_of(study), batch.concepts[rows].flatten().tolist()
    images = images_of(study, seen, batch.frames[rows].flatten(), "train")
    shown = {"loss": torch.cat([losses[:count], losses[-count:]])}
    return Shown(images, batch.maps[rows].flatten(0, 1).float(), [names[k] for k in concepts], shown)


def surest_video(study: AttentionTransfer, name: str) -> Shown:
    """The test video of a class of which EnergyNet is surest, 24 frames at most, with the energies of both rules."""
    test, network = study.attention("tuned"), study.energy_net()
    label = study.interactions.test.classes.index(name)
    sure = study.scores_by_energy().softmax(dim=1)[:, label].masked_fill(test.labels != label, -1.0)
    one = test.subset(sure.argmax()[None])
    rows = torch.arange(0, len(one.frames), max(len(one.frames) // 24, 1))
    clip, maps = study.interactions.test[int(sure.argmax())], one.maps[rows].float()
    with torch.no_grad():
        energies = {"best 3 x 3": energy(maps), "EnergyNet": network.cpu()(maps)}
    return Shown(study.view().pixels(clip, one.frames[rows]), maps, names_of(study), energies, int(clip.label))


def rescued(study: AttentionTransfer, count: int = 3) -> tuple[Shown, list[str]]:
    """Figure 6: frames of test videos that EnergyNet gets right and the vote of the fine-tuned CNN wrong.

    Where there are too few, those follow in which EnergyNet is further ahead of the CNN. Of each video it is the frame
    in which EnergyNet sets the two concepts furthest apart.

    Returns:
        Twice each frame, with the attention map of its true concept and of the best wrong one; and for each video, who
        was right.
    """
    seen, network = study.attention("tuned"), study.energy_net().cpu()
    voted, by_energy = RULES["vote"](seen), study.scores_by_energy()
    (ahead_vote, rivals), (ahead, _) = (_margins(scores / scores.std(), seen.labels) for scores in (voted, by_energy))
    saved = (ahead_vote < 0) & (ahead > 0)
    chosen = (saved.double() * 100 + ahead - ahead_vote).argsort(descending=True)[:count]
    names, images, maps, concepts, energies, notes = names_of(study), [], [], [], [], []
    for video in chosen.tolist():
        one, pair = seen.subset([video]), [int(seen.labels[video]), int(rivals[video])]
        with torch.no_grad():
            found = network(one.maps)[:, pair]  # (T, 2)
        row = (found[:, 0] - found[:, 1]).argmax()
        clip = study.interactions.test[video]
        images += [study.view().pixels(clip, one.frames[row][None])[0]] * 2
        maps += [*one.maps[row, pair].float()]
        concepts += [names[k] for k in pair]
        energies += found[row].tolist()
        right = ["right" if margin[video] > 0 else "wrong" for margin in (ahead_vote, ahead)]
        notes.append(f"CNN {right[0]}, EnergyNet {right[1]}")
    return Shown(torch.stack(images), torch.stack(maps), concepts, {"EnergyNet": torch.tensor(energies)}), notes


def _margins(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """How far the right concept is ahead of the best wrong one, ``(V,)``, and which that is."""
    own = scores.gather(1, labels[:, None])[:, 0]
    wrong = scores.scatter(1, labels[:, None], -torch.inf)
    return own - wrong.amax(dim=1), wrong.argmax(dim=1)


def measure_actions(study: AttentionTransfer) -> Values:
    """The rows of actions that a lesson can afford, where the data set has actions."""
    rows = ("image.resnet_actions", "actions", "few.20")
    return study.measure(*(name for name in rows if study.rows()[name].is_measured_on(study.dataset, study.split)))


def gains(study: AttentionTransfer) -> dict[str, dict[str, float]]:
    """Figure 4: points of recall that each class gains, of 25 at most; of interactions where there are no actions."""
    if study.dataset == "tvhi":
        seen, clips = study.attention(), study.interactions.test
        pairs: dict[str, Any] = {"UnAtt over CNN": (RULES["unatt"](seen), RULES["vote"](seen))}
    else:
        before, after, clips = study.action_scores(), study.few_scores(20), study.actions.test
        pairs = {"UnAtt over CNN": (before["unatt"], before["cnn"])}
        pairs["EnergyNet over fine-tuned CNN"] = (after["energynet"], after["cnn"])
    lists = {title: [recalls(scores, clips) for scores in pair] for title, pair in pairs.items()}
    points = {title: {name: better[name] - worse[name] for name in better} for title, (better, worse) in lists.items()}
    first = next(iter(points.values()))
    names = sorted(first, key=lambda name: -first[name])[:25]
    return {title: {name: gained[name] for name in names} for title, gained in points.items()}


def few_videos(recorded: Callable[[str], Sequence[float]]) -> dict[str, dict[int, float | None]]:
    """Figure 5: the mean of each method over its records, by percentage of the training videos; None without any.

    Args:
        recorded: the values of a metric, of no lesson: a line joins what was trained for equally long.
    """
    methods = {"CNN, vote": "cnn", "CNN, mean": "mean", "UnAtt": "unatt", "EnergyNet": "energynet"}
    values = {name: {p: recorded(f"few.{metric}_{p}") for p in PERCENTAGES} for name, metric in methods.items()}
    return {name: {p: fmean(of) if of else None for p, of in by.items()} for name, by in values.items()}
