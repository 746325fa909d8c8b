"""The experiments on ActionFlowNet: each row alone, in the world and on real videos, small and of the paper's size."""

from typing import ClassVar

import pytest
import torch
from contract import (
    measured,
    one_of_each_method,
    require_row_asks_as_it_says,
    require_same_alone,
    require_same_in_reverse,
)
from torchvision.models import resnet18

from labkit.data import Estimated
from labkit.studies import flow_lesson
from labkit.studies.action_flow_models import MODELS
from labkit.studies.action_flow_net import AFN, FROZEN
from labkit.studies.preflight import preflight

ROWS = list(AFN.rows())
CLIPS = ("large", "small", "_pairs")


@pytest.fixture(scope="module")
def together():
    return measured(AFN)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_asks_for_the_trainings_that_it_says(name, together):
    require_row_asks_as_it_says(together, name, CLIPS, given=["flow_net."])  # tiny ones come with the lab


def test_rows_have_the_same_values_in_reverse_order(together):
    require_same_in_reverse(together, CLIPS, but=["inference.extra"])  # a time


@pytest.mark.parametrize("name", ["multi2.small", "given_flow.large"])
def test_a_row_alone_has_the_same_value(name, together):
    require_same_alone(together, name, CLIPS)


def test_values_are_percentages_with_standard_errors_and_errors_in_pixels(together):
    for measures in together.measures.values():
        for metric, measure in measures.items():
            if "epe" in metric:
                assert 0 <= measure.value < 3, metric
            elif not metric.startswith(("inference", "params")):
                assert 0 <= measure.value <= 100
                assert measure.stderr is not None, metric
    assert together.live["inference.decoder_calls"] == 0
    of_families = [together.live[f"multi2.{family}"] for family in ("appearance", "motion", "reversed")]
    assert together.live["multi2.large"] == pytest.approx(sum(of_families) / 3)


def test_few_clips_have_labels_and_no_group_is_in_two_parts(together):
    for sets in (together.large, together.small):
        assert not set(sets.train.groups.tolist()) & set(sets.test.groups.tolist())
        assert all(len(part.labels.unique()) == len(part.classes) for part in sets)
    study = AFN("study")
    counts = [(sets.train.labels.bincount().tolist(), len(sets.test)) for sets in (study.large, study.small)]
    assert counts == [([10] * 18, 900), ([4] * 12, 600)]
    assert study.clip_counts("multi2.train") == ((180, 180), (180, 180))
    assert study.clip_counts("multi2.small") == ((48, 48), (600, 600))
    assert study.clip_counts("epe.target") == ((0, 0), (24, 24))


def test_networks_that_are_compared_see_as_many_samples_of_the_same_frames():
    study = AFN("study")
    assert study.recipe("two_frame").steps * 32 == study.recipe("multi_frame").steps * 16 == 19_200
    recipe = AFN("lesson").recipe(part=0.5)
    assert (recipe.steps, recipe.schedule) == (150, {90: 1e-3 / 3, 128: 1e-4})
    paper = AFN("paper", dataset="ucf101", data_root="x")
    assert {(r.steps, r.batch) for r in map(paper.recipe, ("one_frame", "multi_frame"))} == {(40_000, 128)}
    assert (paper.num_frames, paper.view("multi_frame").crop_size) == (16, 224)
    views = [study.view("multi_frame"), study.view("multi_frame", with_flow=True)]
    assert [view.sample.room for view in views] == [1, 1]


def test_given_flow_is_an_estimator_s_and_what_starts_where(together):
    given, exact = (together.given(name, together.large.test) for name in ("given_flow", "exact_flow"))
    assert isinstance(given, Estimated)
    assert exact is together.large.test
    assert together.given_by == "dis"
    flow_net = together.flow_net("target")
    for name, model in MODELS.items():
        network = together.untrained(name)
        if model.start == "target" and not model.stacked:
            assert network is not flow_net  # a copy: the FlowNet stays as it is
            assert torch.equal(network.encoder.conv1.weight, flow_net.encoder.conv1.weight)
    stacked = together.model("stacked").flow_net
    assert torch.equal(stacked.encoder.conv1.weight, flow_net.encoder.conv1.weight)
    assert flow_net.encoder.conv1.weight.requires_grad


def test_what_is_forgotten_is_watched(together):
    for name in ("fine_tune", "multi2"):
        errors = [step.shown["flow error"] for step in together.curves[f"{name}.large"]]
        assert len(errors) == 6
    assert errors[0] == pytest.approx(together.live["epe.before"], rel=0.3)  # on fewer clips
    assert not together.curves["scratch.large"]


def test_what_the_lesson_draws_is_what_rows_measure(together):
    probed = flow_lesson.probes(together)
    for name, words in FROZEN.items():
        for family, stages in probed[words].items():
            assert stages["res5"] == together.live[f"probe.{name}_{family}"]
    errors = flow_lesson.errors_by_region(together)
    assert errors["the rest"]["TV-L1"] == together.live["rest_epe.tvl1"]
    pairs = flow_lesson.errors_on_pairs(together)
    assert pairs["another video"]["FlowNet, chairs"] == together.live["epe.chairs"]
    assert pairs["small motion"]["DIS"] < pairs["small motion"]["nothing moves"]
    weights = flow_lesson.weights_of_flow(together.live.get)
    assert weights[0] == (together.live["fine_tune.large"], together.live["epe.after"])
    assert weights[10] == (together.live["lambda_accuracy.10"], together.live["lambda_epe.10"])
    sure = flow_lesson.surest(together, ("wave", "chop"))
    assert [sure.classes[label] for label in sure.labels.tolist()] == ["wave", "chop"]
    scores, own = together.model_scores("multi2"), together.large.test.labels == sure.labels[0]
    assert scores[sure.indices[0], sure.labels[0]] == scores[own, sure.labels[0]].max()


def test_before_anything_starts_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    study = AFN("paper", dataset="ucf101", data_root=str(tmp_path), out=tmp_path)
    problems = preflight(study, ["multi2_chairs.small", "images.large", "epe"])
    for part in ("ucfTrainTestlist", "FlyingChairs", "Sintel", "resnet18-f37072fd", "flow/forward.jsonl", "hmdb51"):
        assert any(part in problem for problem in problems), part
    problems = preflight(AFN("paper", out=tmp_path), ["scratch.large"])
    assert problems == ["dataset must be a real one in the profile paper; got 'world', whose clips are 64 pixels high"]
    with pytest.raises(ValueError, match=r"must run on a split among .* of world; got split 1 of ucf101"):
        study.measure("regions")


OF_REAL_VIDEOS = ["given_flow.large", "epe.before", "probe.target", *one_of_each_method(AFN, "ucf101")]


@pytest.fixture(scope="module")
def real_sets_and_pairs(real_sets_with_flow, real_pairs):
    for name in ("chairs", "sintel"):
        (real_sets_with_flow / name).symlink_to(real_pairs / name)
    return str(real_sets_with_flow)


@pytest.mark.filterwarnings("ignore:FlyingChairs", "ignore:Sintel")
def test_rows_run_on_real_videos_and_pairs(real_sets_and_pairs):
    study = AFN("smoke", dataset="ucf101", data_root=real_sets_and_pairs, missing="skip")
    assert not preflight(study, OF_REAL_VIDEOS)
    study.measure(*OF_REAL_VIDEOS)
    assert study.given_by == "dis"  # as the flow store says
    assert study.errors("dis", "Sintel").estimate.item() == study.live["epe.given"]
    assert study.clip_counts("multi2.large")[1] == (3, 3783)
    probed = flow_lesson.probes(study)[FROZEN["target"]]
    assert probed.keys() == {"all classes"}
    assert probed["all classes"]["res5"] == study.live["probe.target"]
    (errors,) = flow_lesson.errors_by_region(study).values()  # no masks
    assert errors["FlowNet, target videos"] == study.live["epe.before"]
    assert study.pair_sets[-2:] == ("FlyingChairs", "Sintel")


class InShort(AFN):
    """The paper's networks, for a step of one clip."""

    scales: ClassVar = {"paper": AFN.scales["paper"]._replace(samples=1, centre_only=True, pairs=10)}

    def recipe(self, *args):
        recipe = super().recipe(*args)
        return type(recipe)(recipe.optimizer, recipe.options, 1, 1)

    def image_network(self):
        return resnet18()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:FlyingChairs", "ignore:Sintel")
def test_networks_of_the_paper_s_size_run_on_real_videos(real_sets_and_pairs):
    study = InShort("paper", dataset="ucf101", data_root=real_sets_and_pairs, missing="skip", progress=False)
    rows = ["multi16.small", "multi2_chairs.small", "stacked_upsampled.large", "images.large", "epe", "epe.given"]
    values = study.measure(*rows, "probe.target_multi", "inference", "future")
    assert values["inference.decoder_calls"] == 0
    assert study.model("multi16").encoder.fc.in_features == 512
    assert {training.name for training in study.asked} >= {
        "flow_net.chairs",
        "flow_net.target",
        "flow_net.target_multi",
    }
