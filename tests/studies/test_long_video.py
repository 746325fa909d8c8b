"""The experiments on long video: each row alone, in the world, on Sports-1M and on UCF101 alone."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from contract import (
    lend,
    like,
    measured,
    one_of_each_method,
    require_row_asks_as_it_says,
    require_same_alone,
    require_same_in_reverse,
)
from sports import write_sets
from torchvision.models import alexnet, googlenet

from labkit.flow import dis
from labkit.papers import long_video
from labkit.studies import video_reading
from labkit.studies.feature_maps import Examples
from labkit.studies.long_video import LongVideo
from labkit.studies.preflight import preflight
from labkit.studies.video_networks import HEADS, Scale, unaugmented
from labkit.training import Recipe
from labkit.views import RGB, FlowImage

ROWS = list(LongVideo.rows())
CLEAN = [name for name in ROWS if name.startswith(("clean.", "fps."))]
CLIPS = ("noisy", "clean")


@pytest.fixture(scope="module")
def together():
    return measured(LongVideo)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_asks_for_the_trainings_that_it_says(name, together):
    require_row_asks_as_it_says(together, name, CLIPS)


def test_rows_have_the_same_values_in_reverse_order(together):
    require_same_in_reverse(together, CLIPS)


@pytest.mark.parametrize("name", ["googlenet.lstm_tuned", "gain.last"])
def test_a_row_alone_has_the_same_value(name, together):
    require_same_alone(together, name, CLIPS)


def test_the_values_are_percentages_with_their_hits_and_standard_errors(together):
    measures = together.measures["googlenet.conv"]
    assert measures["googlenet.conv"].value == pytest.approx(
        100 * measures["googlenet.conv"].hits.double().mean().item()
    )
    assert all(measure.stderr is not None for measure in measures.values())
    assert all(0 <= value <= 100 for metric, value in together.live.items() if metric != "expand.cost")


def test_no_clip_is_in_two_parts_and_counts_are_those_behind_a_metric(together):
    for sets in (together.noisy, together.clean):
        names = [{clip.name for clip in part} for part in sets]
        assert len(set.union(*names)) == sum(map(len, names))
    noisy, clean = (tuple(map(len, sets)) for sets in (together.noisy, together.clean))
    assert together.clip_counts("pool.conv") == ((noisy[0],) * 2, (noisy[1],) * 2)
    assert together.clip_counts("fps.30_low") == ((noisy[0] + clean[0],) * 2, (clean[1],) * 2)


def test_flow_is_estimated_where_the_paper_s_is_and_exact_where_it_is_asked_for(together):
    """Shown on a clip of each set; what the frames show is the same."""
    for stream, sets in (("alexnet.flow", together.noisy), ("clean.flow", together.clean)):
        own, seen = sets.test[0], together.sets(stream).test[0]
        assert torch.equal(seen.frames([3, 4]), own.frames([3, 4]))
        assert torch.equal(seen.flow([3]), dis(own.frames([3]), own.frames([4])).half().float())
        assert not torch.equal(seen.flow([3]), own.flow([3]))
    assert together.sets("googlenet.exact").test is together.noisy.test
    assert together.sets("googlenet").test is together.noisy.test


def test_the_action_fills_a_fraction_of_the_clips_of_the_condition(together):
    study = together.sibling(telling=0.6)
    clips = study.noisy.test
    of_each = [[name for name, _, _ in clips.segments(index)] for index in range(len(clips))]
    assert all(names.count(clips.classes[label]) == 3 for names, label in zip(of_each, clips.labels, strict=True))
    assert study.clean.test.names == together.clean.test.names
    assert study.view("alexnet", 30).sample.rate == pytest.approx(12 * 30 / 20)  # 30 frames of a clip of 20
    assert study._address() != together._address()
    assert together.clip_counts("condition.telling.0.6.max") == study.clip_counts("pool.conv")


def test_the_mean_over_starts_is_that_of_different_trainings(together):
    study = like(together, CLIPS)
    lend(study, together)
    study.scale = study.scale._replace(starts=2)
    values = study.measure("gain.ones", "init.scratch")
    heads = [study.video_network("alexnet", "lstm", 120, gain="ones", start=start).head for start in (0, 1)]
    assert not torch.equal(heads[0].classifier.weight, heads[1].classifier.weight)
    scores = [study.scored("alexnet", "lstm", 120, gain="ones", start=start, rule="last") for start in (0, 1)]
    rates = [study.rates("", of_start)[""] for of_start in scores]
    assert values["gain.ones"] == pytest.approx(sum(rate.value for rate in rates) / 2)
    assert {training.name for training in study.asked} >= {"alexnet.scratch.single", "alexnet.scratch.single.start1"}


def test_in_the_noisy_set_the_action_lasts_for_three_stretches_of_five(together):
    clips = together.noisy.test
    of_each = [[name for name, _, _ in clips.segments(index)] for index in range(len(clips))]
    assert all(names.count(clips.classes[label]) == 3 for names, label in zip(of_each, clips.labels, strict=True))


def test_flow_fills_an_image_and_has_as_many_crops_as_frames(together):
    assert together.view("googlenet.flow").modality == FlowImage(bound=2.5)
    study = like(together, CLIPS)
    study.scale = study.scale._replace(crops=2)
    for stream, crops in {"googlenet": 2, "googlenet.exact": 2, "googlenet.source": 1, "clean": 1}.items():
        assert study.features(stream, "test").features[0].shape[0] == crops


def test_fine_tuning_sees_centre_crops_alone_as_what_it_starts_from_did(together, monkeypatch):
    study, seen = like(together, CLIPS), {}
    lend(study, together)
    monkeypatch.setattr(study, "train", lambda name, network, loss, clips, recipe: seen.update({name: clips[0][0]}))
    for name, augment in {"random": True, "centre": False}.items():
        study.trained_whole(name, None, "googlenet", 30, Recipe(torch.optim.SGD, {}, 1, 1), augment=augment)
    view, clip = study.view("googlenet", study.frames(30)), study.noisy.train[0]
    assert seen["centre"].shape == seen["random"].shape
    assert any(torch.equal(view.at(clip, torch.arange(start, start + 1))[0], seen["centre"][0]) for start in range(120))


def test_without_augmentation_a_clip_is_its_centre_crop_and_never_flipped(together):
    clip, frames = together.noisy.train[0], torch.tensor([3])
    view = unaugmented(replace(together.view("googlenet"), flip=True))
    for seed in range(8):
        assert torch.equal(view.train(clip, torch.Generator().manual_seed(seed), frames)[0], view.at(clip, frames))


@pytest.mark.parametrize(("stream", "augmented"), [("googlenet.source", False), ("googlenet", True)])
def test_last_layers_learn_from_clips_without_augmentation_too(together, monkeypatch, stream, augmented):
    study, seen = like(together, CLIPS), []
    lend(study, together)
    monkeypatch.setattr(type(study), "end_to_end", True)
    monkeypatch.setattr(study, "single", lambda stream, start=0: study.build(stream))
    monkeypatch.setattr(study, "train", lambda name, network, loss, clips, recipe: seen.append(clips.view))
    study.video_network(stream, "conv", 30)
    view = seen[0].__self__
    assert (view.centre is None) is augmented


def test_networks_of_the_clean_set_start_from_those_of_the_noisy_one(together):
    study = like(together, CLIPS)
    lend(study, together)
    source, network = study.video_network("googlenet", "conv", 30), study.build("clean", HEADS["conv"], 30)
    before = network.head.classifier.weight.clone()
    study._initialise(network, "clean", "conv", 30)
    assert torch.equal(network.head.fc.fc7.weight, source.head.fc.fc7.weight)
    assert torch.equal(network.head.classifier.weight, before)


def test_the_paper_s_scale_is_the_paper_s():
    paper = LongVideo("paper", dataset="sports1m", data_root="anywhere")
    assert [paper.frames(number) for number in (1, 30, 120)] == [1, 30, 120]
    recipe = long_video.RECIPES["paper"]
    assert paper.recipe() == Recipe(**recipe)
    assert paper.recipe(lstm=120).options["lr"] == pytest.approx(120e-5)
    assert paper._whole_recipe("direct120").batch == 32
    assert LongVideo("lesson").recipe(0.8, lstm=30).steps == 168
    assert (paper.scale.examples, paper.scale.min_frames, paper.scale.rate) == (240, 300, 1.0)


# Before anything starts


def test_before_anything_starts_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    study = LongVideo("paper", dataset="sports1m", data_root=str(tmp_path), out=tmp_path)
    problems = preflight(study)
    assert any(str(tmp_path / "sports1m") in problem for problem in problems)
    assert any("googlenet-1378be20.pth" in problem for problem in problems)
    for folder in ("sports1m", "ucf101"):
        assert any(f"{folder}/flow/forward.jsonl must be there" in problem for problem in problems)
    assert not any("flow" in problem or "googlenet" in problem for problem in preflight(study, ["pool.conv"]))
    alone = LongVideo("paper", dataset="ucf101", data_root=str(tmp_path), out=tmp_path)
    assert not any("sports1m" in problem for problem in preflight(alone))
    other = LongVideo("paper", network="googlenet_torchvision_alexnet", dataset="sports1m", data_root=str(tmp_path))
    assert any("alexnet-owt" in problem for problem in preflight(other, ["pool.conv"]))
    assert any("alexnet.lstm_fc must have an AlexNet" in problem for problem in preflight(study, ["alexnet.lstm_fc"]))
    assert not any("alexnet.lstm_fc" in problem for problem in preflight(other, ["alexnet.lstm_fc"]))
    with pytest.raises(ValueError, match="no small version"):
        LongVideo("study", network="googlenet_torchvision_alexnet")
    assert any("dataset must be a real one" in problem for problem in preflight(LongVideo("paper", out=tmp_path)))


def test_before_anything_starts_it_says_what_the_disk_must_have(tmp_path, disk_with):
    study = LongVideo("paper", dataset="ucf101", data_root=str(tmp_path), out=tmp_path)
    study.store.folder.mkdir(parents=True)
    rows = ["clean.conv30_both", "clean.single"]  # of eight networks
    assert not any("GB free" in problem for problem in preflight(study, rows))
    disk_with(11 * 10**9)
    maps, networks = (problem for problem in preflight(study, rows) if "GB free" in problem)
    assert f"{study.store.folder} must have 12 GB free for feature maps; got 11 GB" in maps
    assert f"{study.store.folder} must have 12 GB free for 8 networks; got 11 GB" in networks


# On real videos


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_sets(tmp_path_factory.mktemp("real"))


def test_rows_run_on_sports1m_and_ucf101(root):
    study = LongVideo("smoke", dataset="sports1m", data_root=str(root))
    assert not preflight(study)
    study.measure(*one_of_each_method(LongVideo, "sports1m"))
    assert video_reading.values_with_gradient(study)["maximum"] < 100 / 29  # of two clips, as there are no more
    other = LongVideo("smoke", dataset="sports1m", data_root=str(root), split=2)
    other.measure("clean.single")
    large = [training.name for training in other.asked if training.name.startswith("googlenet")]
    assert large
    assert not other._keeper.memory.keys() & set(large)  # they are trained once, for all splits


def test_the_clean_rows_run_on_ucf101_alone(root):
    study = LongVideo("smoke", dataset="ucf101", data_root=str(root), split=2)
    assert not preflight(study)
    study.measure(*one_of_each_method(LongVideo, "ucf101"))
    assert {training.name.split(".")[0] for training in study.asked} == {"clean"}
    with pytest.raises(ValueError, match=r"row 'pool.conv' must run on .* of world or sports1m"):
        study.measure("pool.conv")


def test_networks_of_imagenet_get_the_colours_that_they_expect(root):
    study = LongVideo("paper", dataset="sports1m", data_root=str(root))
    assert study.view("clean").modality == RGB(mean=3 * (127.5,), std=3 * (127.5,))
    assert study.view("clean.flow").modality == FlowImage(std=127.5)
    assert study.view("alexnet").modality == RGB()


class InShort(LongVideo):
    """The paper's networks, for two steps of one clip, on ten frames and two; few of them are kept."""

    gigabytes = 0.1
    scales: ClassVar = {
        "paper": Scale(few=2, many=10, rate=12.0, min_frames=12, high=12.0, low=6.0, steps=1e-5, batch=1, whole_batch=1)
        ._replace(examples=2, starts=1, watch=1)
    }  # fmt: skip


def write_weights(root):
    torch.manual_seed(0)
    torch.save(googlenet(init_weights=False, aux_logits=True).state_dict(), root / "googlenet_imagenet.pth")
    torch.save(alexnet().state_dict(), root / "alexnet_imagenet.pth")


@pytest.mark.long
def test_the_substitute_starts_with_all_that_imagenet_taught_it_or_from_scratch(root):
    write_weights(root)
    study = InShort("paper", dataset="sports1m", data_root=str(root), network=LongVideo.networks[1])
    trained = torch.load(root / "alexnet_imagenet.pth")
    reader = study.video_network("alexnet.source", "lstm", 30)
    for name, theirs in {
        "backbone.0.0": "features.0",
        "head.fc.fc6": "classifier.1",
        "head.fc.fc7": "classifier.4",
    }.items():
        weight = reader.get_parameter(f"{name}.weight")
        assert not weight.requires_grad
        torch.testing.assert_close(weight, trained[f"{theirs}.weight"], rtol=0, atol=0)
    first = study.build("alexnet.scratch").backbone[0][0].weight
    assert first.shape == trained["features.0.weight"].shape
    assert not torch.equal(first, trained["features.0.weight"])


@pytest.mark.long
@pytest.mark.parametrize("network", LongVideo.networks)
def test_networks_of_the_paper_s_size_are_trained_as_a_whole(root, network):
    write_weights(root)
    study = InShort("paper", dataset="sports1m", data_root=str(root), network=network)
    rows = ["pool.tdconv", "gain.last", "aug.centre", "aug.one_pass", "expand.hit1", "lstm.both", "clean.lstm_both"]
    assert not preflight(study, rows)
    assert all(0 <= value <= 100 for value in study.measure(*rows, "rule.max", "init.rgb").values())
    assert study.video_network("alexnet", "conv", 120).head.fc.fc6.in_features == 9216


@pytest.mark.long
def test_heads_of_the_paper_s_size_are_trained_on_feature_maps_of_ucf101(root, tmp_path):
    write_weights(root)
    study = InShort("paper", dataset="ucf101", data_root=str(root), out=tmp_path)
    assert not preflight(study)
    assert all(0 <= value <= 100 for value in study.measure(*CLEAN).values())
    assert study.features("clean", "train").features[0].shape[2:] == (1024, 1, 1)
    assert study.store.holds("maps.clean.flow.test.000000")


# What the lesson shows


def test_updates_through_a_maximum_are_sparse():
    maps, hot = torch.randn(3, 30, 3, 2, 2), torch.eye(4, dtype=torch.bool)[:3]
    for name, sparsity in {"conv": 29 / 30, "average": 0, "fc": 0}.items():
        head = HEADS[name]((3, 2, 2), 4, 30, hidden=(6, 5), dropout=0.0)
        torch.nn.init.normal_(head.fc.fc6.bias, mean=9)  # no ReLU is closed
        torch.nn.init.normal_(head.fc.fc7.bias, mean=99)
        assert video_reading.gradient_sparsity(head, maps, hot) == pytest.approx(sparsity)


def test_what_the_lesson_shows_of_a_clip(together):
    example = video_reading.example_clip(together)
    assert len(example.names) == 2
    assert set(example.names) <= set(example.happening)
    assert example.frames.shape == video_reading.flow_images(together, example).shape == (30, 3, 64, 64)
    wins = video_reading.maxima_won(together, example)
    assert wins.shape == (30, 3, 3)
    assert wins.sum(0).max() <= 128
    so_far = video_reading.pooled_so_far(together, example)
    assert len(so_far) == 30
    assert [name for name in next(iter(so_far.values())) if "(label)" in name] == [
        f"{name} (label)" for name in example.names
    ]
    bands = video_reading.lstm_at_work(together, example)
    assert bands["cells"].shape == (24, 30)
    assert all("difference 0e+00" in note or "e-0" in note for note in video_reading.after_expansion(together).values())
    assert video_reading.by_frames(together)["examples averaged"][8] == together.live["alexnet.conv"]


def test_examples_of_one_clip_are_averaged(together, monkeypatch):
    """As networks that are trained as a whole are tested: one example at a time, the next video after V of them."""
    study = like(together, CLIPS)
    lend(study, together)
    network, view = study.video_network("alexnet", "conv", 30), study.view("alexnet", 8)
    scored = study._scored("examples", network, [Examples(study.noisy.test, view, 3, random=False)], 3)
    assert scored.hits.shape == (len(study.noisy.test), 3)
    views = torch.stack([Examples(study.noisy.test, view, 3, random=False)[index][0][0] for index in range(3)])
    with torch.no_grad():
        torch.testing.assert_close(scored.videos[0], network.eval()(views).softmax(-1).mean(0))
