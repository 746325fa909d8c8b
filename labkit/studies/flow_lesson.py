"""What the lesson on ActionFlowNet draws: arrays and numbers of a study for `labkit.viz.papers.action_flow_net`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from labkit import world
from labkit.clips import Clip, Clips
from labkit.papers.action_flow_net import ActionFlowNet
from labkit.studies.action_flow_net import AFN, ESTIMATORS, FROZEN, STAGES
from labkit.studies.flow_errors import frames_and_flow, middle
from labkit.views import RGB

TRAINED = {"fine_tune": "fine-tuned to actions", "multi2": "both tasks"}
NETWORKS = {
    "Scratch": "scratch",
    "FlowNet fine-tune": "fine_tune",
    "ActionFlowNet-2F": "multi2",
    "from still images": "images",
}
"""What a lesson trains, by the words for it."""


class ClipWithFlow(NamedTuple):
    """The middle of a clip with its flow.

    Attributes:
        name: of its class.
        frames: ``(T, 3, H, W)`` uint8.
        known: flow ``(F, 2, H, W)`` that estimates are compared with, NaN where it is unknown.
        known_name: what that is.
        estimates: flow of the same shape by who estimates it, in words.
    """

    name: str
    frames: Tensor
    known: Tensor
    known_name: str
    estimates: dict[str, Tensor]


def flow_of(study: AFN, clip: Clip, *names: str, on: str = "") -> ClipWithFlow:
    """The middle of a clip of the large test set, or of some of the study's pairs, and its flow by some estimators."""
    view, classes = study.view(study.sees(names[0])), study.large.test.classes
    if on:
        view, classes = replace(view, short_side=None), study.pairs(on).classes
    frames, known = frames_and_flow(view, clip)
    known_name = "exact flow" if isinstance(clip, world.PuppetClip) else "stored estimate"
    words = {**ESTIMATORS, **TRAINED}
    estimates = {words[name]: study.estimator(name)(frames[None])[0].cpu() for name in names}
    return ClipWithFlow(classes[clip.label], RGB().to_image(frames), known, known_name, estimates)


def clips_of(study: AFN, sees: str) -> Tensor:
    """A batch ``(1, T, 3, S, S)`` of one test clip, as networks see it."""
    view, clip = study.view(sees), study.large.test[0]
    return view.at(clip, middle(view, clip))[None]


def stage_shapes(network: ActionFlowNet, clips: Tensor) -> dict[str, tuple[int, ...]]:
    """Shapes of the feature maps of each stage, without the batch."""
    return {name: tuple(maps.shape[1:]) for name, maps in zip(STAGES, network.feature_maps(clips), strict=True)}


def errors_by_region(study: AFN) -> dict[str, dict[str, float]]:
    """End-point errors by region and estimator, in words; real videos have no masks: networks alone, on all pixels."""
    if study.dataset != "world":
        errors = {ESTIMATORS[name]: float(study.error(name).value) for name in ("target", "chairs", "target_multi")}
        return {"all pixels": {**errors, ESTIMATORS["zero"]: float(study.errors("target").zero)}}
    regions = {"the puppet and its things": 0, "the rest": 1}
    return {
        region: {words: study.errors_by_region(name)[index] for name, words in ESTIMATORS.items()}
        for region, index in regions.items()
    }


def errors_on_pairs(study: AFN) -> dict[str, dict[str, float]]:
    """End-point errors on each set of pairs by estimator, in words."""
    names = ("target", "chairs", "tvl1", "dis", "farneback")
    return {
        on: {ESTIMATORS[name]: study.error(name, on).value for name in names}
        | {ESTIMATORS["zero"]: float(study.errors("target", on).zero)}
        for on in study.pair_sets
    }


def future_errors(study: AFN) -> dict[str, Tensor]:
    """End-point errors ``(F,)`` of each field of multi-frame clips, by the guess, in words."""
    words = ("the network", "nothing moves", "as the known field before", "as the network's field before")
    return dict(zip(words, study.errors("target_multi"), strict=True))


def probes(study: AFN) -> dict[str, dict[str, dict[str, float]]]:
    """Accuracy of linear classifiers on frozen networks, in words, by family and stage."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for name, words in FROZEN.items():
        if not study.rows()[f"probe.{name}"].is_measured_on(study.dataset, study.split):
            continue
        by = {stage: study.by_family(study.probe_scores(name, stage)) for stage in STAGES}
        table[words] = {family: {stage: by[stage][family].value for stage in STAGES} for family in by["res5"]}
    return table


def accuracies(study: AFN) -> dict[str, tuple[float, float | None]]:
    """Accuracy and standard error of the networks that a lesson trains."""
    measures = {words: study.table_4_1(name) for words, name in NETWORKS.items()}
    return {words: (measure.value, measure.stderr) for words, measure in measures.items()}


def by_family(study: AFN) -> dict[str, dict[str, float]]:
    """Their accuracy by family."""
    scores = {words: study.model_scores(name) for words, name in NETWORKS.items()}
    measures = {words: study.by_family(values) for words, values in scores.items()}
    return {words: {family: measure.value for family, measure in of.items()} for words, of in measures.items()}


def weights_of_flow(known: Callable[[str], float | None]) -> dict[float, tuple[float | None, float | None]]:
    """Accuracy and error of flow by lambda, as far as they are known: 0 is fine-tuning."""
    metrics = {weight: (f"lambda_accuracy.{weight}", f"lambda_epe.{weight}") for weight in (0.1, 10)}
    metrics |= {0: ("fine_tune.large", "epe.after"), 1: ("multi2.large", "lambda_epe.1")}
    return {weight: (known(accuracy), known(error)) for weight, (accuracy, error) in metrics.items()}


def forgetting(study: AFN) -> dict[str, tuple[list[int], list[float]]]:
    """Steps, and the error of flow there, while two networks learned actions."""
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for name, words in TRAINED.items():
        study.model(name)
        steps = study.curves[f"{name}.large"]
        curves[words] = [step.step for step in steps], [step.shown["flow error"] for step in steps]
    return curves


def surest(study: AFN, names: Sequence[str]) -> Clips:
    """For each class, or another one if it is missing, the test clip of which ActionFlowNet-2F is surest."""
    test, scores = study.large.test, study.model_scores("multi2")
    confidences = scores.gather(1, test.labels[:, None]).squeeze(1)  # (N,)
    asked = dict.fromkeys(test.labels[test.examples(names)].tolist())
    return test.subset([int(torch.where(test.labels == label, confidences, -1.0).argmax()) for label in asked])


def covered_clips(study: AFN, names: Sequence[str]) -> list[tuple[str, int, Tensor, dict[str, tuple[Tensor, Tensor]]]]:
    """Of the `surest` clip of each class its name, label and frame, and how both networks answer under a square."""
    view, networks = study.view("two_frame"), {"ActionFlowNet-2F": "multi2", "pre-trained on images": "images"}
    covered = []
    for clip in surest(study, names):
        frame = view.pixels(clip, middle(view, clip))[0]  # (3, S, S)
        answers = {words: study.occluded(name, clip) for words, name in networks.items()}
        covered.append((study.large.test.classes[clip.label], clip.label, frame, answers))
    return covered
