"""The experiments on attention transfer: each row alone, in the world and on data in the shape of the real sets."""

from typing import ClassVar

import pytest
import torch
from contract import require_row_asks_as_it_says, require_same_alone, require_same_in_reverse
from interactions import write_interactions, write_photos
from torchvision.models import resnet101, vgg16

from labkit.data import UCF101, write_video
from labkit.papers.attention_transfer import RECIPES, fisher_vectors
from labkit.studies import attention_transfer as module
from labkit.studies.attention_transfer import AttentionTransfer, Scale
from labkit.studies.preflight import preflight
from labkit.words import mean_of_words, own_word_vectors, words_of

ROWS = list(AttentionTransfer.rows())
CLIPS = ("interactions", "actions", "_photos")


@pytest.fixture(scope="module")
def together(attention_transfer):
    return attention_transfer


@pytest.mark.parametrize("name", ROWS)
def test_a_row_asks_for_the_trainings_that_it_says(name, together):
    require_row_asks_as_it_says(together, name, CLIPS)


def test_rows_have_the_same_values_in_reverse_order(together):
    require_same_in_reverse(together, CLIPS)


@pytest.mark.parametrize("name", ["tuned.vgg_noisy", "few.20"])
def test_a_row_alone_has_the_same_value(name, together):
    require_same_alone(together, name, CLIPS)


def test_the_values_are_percentages(together):
    assert all(0 <= value <= 100 for value in together.live.values())
    for metric in ("few.energynet_20", "rules.unatt_top1"):
        measure = next(values[metric] for values in together.measures.values() if metric in values)
        assert measure.value == pytest.approx(100 * measure.hits.double().mean().item())


def test_no_photo_and_no_video_is_in_two_parts(together):
    sets = [
        together.interactions,
        together.actions,
        *(together.photos(kind) for kind in ("filtered", "noisy", "actions")),
    ]
    for parts in sets:
        train, test = ({clip.name for clip in part} for part in parts)
        assert not train & test
    train, held_out = together.photos("noisy")
    assert (len(train) + len(held_out), len(held_out)) == (48, 14)  # 30 % of three times 4 x 4


def test_counts_are_those_of_what_a_metric_is_of(together):
    photos, videos = together.photos("filtered"), together.interactions
    trained_on = {
        "image.resnet_filtered": (len(photos.train), len(photos.test)),
        "resnet.unatt_filtered": (len(photos.train), len(videos.test)),
        "vgg.tuned_mean_noisy": (len(together.photos("noisy").train) + len(videos.train), len(videos.test)),
        "no_image": (len(videos.train), len(videos.test)),
        "few.cnn_20": (len(together.photos("actions").train) + 4, len(together.actions.test)),  # one of each class
        "actions.unatt_top3": (len(together.photos("actions").train), len(together.actions.test)),
    }
    assert {metric: tuple(n for n, _ in together.clip_counts(metric)) for metric in trained_on} == trained_on


def test_recipes_keep_the_proportions():
    lesson, paper = AttentionTransfer("lesson"), AttentionTransfer("paper")
    assert (lesson.recipe("photos").steps, lesson.recipe("photos").schedule) == (200, {130: 1e-3})
    assert (paper.recipe("action_photos").steps, paper.recipe("action_photos").batch) == (20_000, 32)
    assert paper.recipe("energy_net").options["lr"] == 1e-4
    assert AttentionTransfer("smoke").recipe("video_frames").steps == 4


def test_the_paper_s_profile_takes_fisher_vectors_and_half_precision(together):
    assert AttentionTransfer("paper").scale[-2:] == ("fisher", torch.float16)
    names, words = ["handshake", "high_five", "hug", "kiss"], own_word_vectors()
    assert torch.equal(together.concepts("fisher"), fisher_vectors(names, words))
    assert torch.equal(together.concepts("mean"), mean_of_words(names, words))
    assert torch.equal(together.concepts("one_hot"), torch.eye(4))


def test_curves_are_of_the_training(together):
    accuracy, candidates = together.curve(), together.curve("candidates")
    assert [step for step, _ in accuracy] == [step for step, _ in candidates] == list(range(6))
    assert {count for _, count in candidates} == {64}


def test_a_fraction_of_the_frames_tells_something(together):
    clips = {telling: together.told(telling) for telling in (0.36, 1.0)}
    assert [clip.name for clip in clips[0.36]] == [clip.name for clip in together.interactions.test]
    far, near = (spread(clip).max() for clip in (clips[0.36][0], clips[1.0][0]))
    assert far > near + 5  # pixels
    measured = together.measure("condition.telling.1")
    frames = torch.stack([together.view().at(clip, range(24)) for clip in clips[1.0]]).flatten(0, 1)
    right = together.photo_network().eval()(frames).argmax(1) == clips[1.0].labels.repeat_interleave(24)
    assert measured["condition.telling_top1.1.frames"] == pytest.approx(100 * right.double().mean().item())
    assert together.clips_of("condition.telling.0.36.vote")[1][0].labels.tolist() == [0, 1, 2, 3]


def spread(clip):
    """The distance between the hips of two puppets in each frame, in pixels."""
    hips = [number for number, name in enumerate(clip.rendering.names) if name == "hips"]
    return (clip.rendering.poses[hips[0], :, 0, 2] - clip.rendering.poses[hips[1], :, 0, 2]).abs()


# --- on photos and videos in the shape of the real sets


@pytest.fixture(scope="module")
def root_of_interactions(tmp_path_factory):
    return write_interactions(tmp_path_factory.mktemp("interactions"))


@pytest.mark.filterwarnings("ignore:TV Human")
def test_interactions_run_without_actions(root_of_interactions):
    study = AttentionTransfer("smoke", dataset="tvhi", data_root=str(root_of_interactions), missing="skip")
    rows = [name for name, row in study.rows().items() if row.is_measured_on("tvhi", 1)]
    assert not {"actions", "few.20", "image.resnet_actions"} & {*rows}
    assert not preflight(study, rows)
    study.measure("image.resnet_noisy", "photos.resnet_filtered", "word.fisher")
    assert [len(part) for part in (*study.photos("filtered"), *study.photos("noisy"))] == [8, 4, 11, 5]
    assert study.clip_counts("word.fisher") == ((16, 108), (8, 100))


@pytest.fixture(scope="module")
def root_of_actions(real_sets):
    """Some videos of UCF101, one of them made up, a photo of each class, and word vectors of most of their words."""
    (real_sets / "ucf101/UCF-101/Archery").mkdir()
    grey = torch.full((6, 3, 60, 80), 128, dtype=torch.uint8)  # the real ones to train on are of one class
    write_video(real_sets / "ucf101/UCF-101/Archery/v_Archery_g08_c01.avi", grey, fps=25)
    names = UCF101(real_sets / "ucf101", missing="skip").classes
    for number, name in enumerate(names):
        write_photos(real_sets / f"bu101/photos/{name}", 1, 2 * number)
    words = sorted({word for name in names for word in words_of(name)} - {"and", "skijet"} | {"jet", "ski", "put"})
    lines = [f"{word} {number % 7} {number % 5} 1" for number, word in enumerate(words)]
    (real_sets / "words.txt").write_text(f"{len(lines)} 3\n" + "\n".join(lines))
    return real_sets


@pytest.mark.filterwarnings("ignore:UCF101")
def test_actions_run_without_interactions(root_of_actions):
    study = AttentionTransfer("smoke", dataset="ucf101", data_root=str(root_of_actions), missing="skip")
    rows = ["image.resnet_actions", "actions", "few.100"]
    with pytest.warns(UserWarning, match=r"words.txt has no vector for and: left out of their concepts"):
        assert not preflight(study, rows)
    assert study.measure(*rows).keys() == {metric for row in rows for metric in study.row(row).metrics}
    assert study.concepts("mean", "actions").shape == (101, 3)
    with pytest.raises(ValueError, match=r"row 'photos.resnet_filtered' must run on a split among .* of world or tvhi"):
        study.measure("photos.resnet_filtered")


@pytest.mark.filterwarnings("ignore:UCF101")
def test_the_photo_network_of_actions_serves_all_splits(root_of_actions):
    first, second = (
        AttentionTransfer("smoke", dataset="ucf101", data_root=str(root_of_actions), missing="skip", split=split)
        for split in (1, 2)
    )
    weights = first.photo_network(kind="actions").state_dict()
    others = second.photo_network(kind="actions").state_dict()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert [training.name for training in second.asked] == ["photos.resnet_actions"]


def test_before_anything_starts_it_says_what_is_missing(root_of_actions, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    study = AttentionTransfer("paper", dataset="tvhi", data_root=str(tmp_path), out=tmp_path)
    problems = preflight(study, ["energynet.vgg_noisy", "energynet.resnet_filtered"])
    assert [problem.split(":")[0].removeprefix(f"{tmp_path}/").split(" must")[0] for problem in problems] == [
        "hii/photos",
        "TV Human Interactions, train",
        "the weights ResNet101_Weights.IMAGENET1K_V1",
        "the weights VGG16_Weights.IMAGENET1K_V1",
    ]
    (root_of_actions / "words.txt").rename(root_of_actions / "other.txt")
    study = AttentionTransfer("smoke", dataset="ucf101", data_root=str(root_of_actions), missing="skip", out=tmp_path)
    (problem,) = preflight(study, ["few.20"])
    assert "words.txt, or words.bin, must hold vectors of word2vec for a word of each class; got none for" in problem
    (root_of_actions / "other.txt").rename(root_of_actions / "words.txt")
    (problem,) = preflight(AttentionTransfer("paper", out=tmp_path), ["svm"])[:1]
    assert problem.startswith("dataset must be a real one in the profile paper; got 'world'")


class InShort(AttentionTransfer):
    """The paper's networks, for four steps."""

    scales: ClassVar = {"paper": Scale(3, 2, 1, 1, 4, 4, 0.0, None, "fisher", torch.float16)}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:TV Human")
def test_networks_of_the_paper_s_size_run_on_photos_and_videos(root_of_interactions, tmp_path, monkeypatch):
    from_scratch = {"resnet": (resnet101, "", ""), "vgg": (vgg16, "", "")}
    pairs = {name: {**recipe, "batch": 2} for name, recipe in RECIPES["paper"].items()}
    pairs["energy_net"] = RECIPES["paper"]["energy_net"]
    monkeypatch.setattr(module, "PRE_TRAINED", from_scratch)
    monkeypatch.setattr(module, "RECIPES", {"paper": pairs})
    settings = {"data_root": str(root_of_interactions), "missing": "skip", "out": tmp_path}
    study = InShort("paper", dataset="tvhi", **settings)
    assert not preflight(study, ["energynet.resnet_filtered", "no_image", "photos.vgg_noisy"])
    study.measure("energynet.resnet_filtered", "no_image", "photos.vgg_noisy")
    assert study.attention(cnn="vgg", kind="noisy").maps.shape[1:] == (4, 14, 14)
    assert study.attention().maps.dtype == torch.float16
