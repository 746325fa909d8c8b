import os
from pathlib import Path

import pytest
import torch
import torchvision
from PIL import Image

from labkit import claims, data
from labkit.backbones import load_weights
from labkit.papers import conv_vlad
from labkit.studies import filing
from labkit.studies.conv_vlad import ConvVLAD
from labkit.studies.preflight import preflight
from labkit.vlad import PCAWhitening, max_pool, vlad

REAL = os.environ.get("LABKIT_REAL_DATA")


@pytest.fixture(scope="module")
def study():
    return ConvVLAD("smoke", progress=False, device="auto")


def test_all_rows_give_percentages_with_standard_errors(study):
    study.measure(*study.rows())
    for measures in study.measures.values():
        for metric, measure in measures.items():
            assert 0 < measure.value <= 100, metric
            assert (measure.stderr is None) == metric.startswith("depth"), metric
    last = study.by_layer()[study.layers[-1]]
    assert study.live["layer.last"] == 100 * last.mean().item()
    assert study.measures["layers.scale1"]["layer.last"].stderr == pytest.approx(100 * last.std().item() / 6**0.5)


def test_rows_share_one_pass_over_the_photos(study, monkeypatch):
    study.measure("layers.scale1")
    monkeypatch.setattr(study.backbone, "forward", lambda *_: pytest.fail("a second pass"))
    study.measure("layers.scale2", "norm.ssr", "multi.128", "pool.sum", "same.max", "alike")


def test_descriptors_are_those_of_all_photos_at_once(study):
    photos = [study.photos[index] for index in range(len(study.photos))]
    features = study.backbone(photos, ["Inception 5b"], scale=2)["Inception 5b"]
    sums = vlad(features, study.vocabulary("Inception 5b", 2))
    torch.testing.assert_close(study.descriptors("Inception 5b", 2), conv_vlad.descriptors(sums))
    torch.testing.assert_close(study.descriptors("Inception 5b", 2, "none"), conv_vlad.descriptors(sums, None))
    torch.testing.assert_close(study.pooled("max", "Inception 5b", 2), max_pool(features))
    other = study.descriptors("Inception 5b", 1)
    torch.testing.assert_close(
        study.both_scales("Inception 5b"), conv_vlad.multi_scale(other, conv_vlad.descriptors(sums))
    )


def test_with_as_many_locations_the_last_layer_is_the_same(study):
    study.measure("locations")
    thinned = study.precisions("locations", lambda *_: pytest.fail("computed already"), [("Inception 5b",)])
    assert torch.equal(thinned["Inception 5b",], study.by_layer()["Inception 5b"])


def test_an_interrupted_pass_continues_and_ends_with_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setitem(
        ConvVLAD.scales, "smoke", ConvVLAD.scales["smoke"]._replace(batch_size=16)
    )  # 42 photos: 2 parts
    whole = ConvVLAD("smoke", progress=False).by_layer(2)
    encode, passes = conv_vlad.encode, []

    def counted(features, encodings):
        passes.append(len(passes))
        if passes == [0, 1]:
            raise KeyboardInterrupt
        return encode(features, encodings)

    monkeypatch.setattr(conv_vlad, "encode", counted)
    with pytest.raises(KeyboardInterrupt):
        ConvVLAD("smoke", progress=False, out=tmp_path).by_layer(2)
    continued = ConvVLAD("smoke", progress=False, out=tmp_path).by_layer(2)
    assert len(passes) == 3  # the second part alone was encoded again
    for layer, scores in whole.items():
        assert torch.equal(continued[layer], scores)


def test_other_photos_are_what_is_fitted_on(tmp_path):
    generator = torch.Generator().manual_seed(0)
    for number in range(12):
        noise = torch.randint(0, 256, (6, 6, 3), generator=generator).to(torch.uint8)
        Image.fromarray(noise.numpy()).resize((60, 60)).save(tmp_path / f"{number}.png")
    other = ConvVLAD("smoke", progress=False, other_photos=str(tmp_path), out=tmp_path / "out")
    assert len(other.photos) == len(other.search) + 12
    assert other.sibling(seed=1).other_photos == str(tmp_path)
    descriptors = other.pooled("sum", "Inception 5b")
    fitted = PCAWhitening.fit(descriptors[-12:], other.dimensions)
    assert torch.equal(other.shortened(descriptors), fitted(descriptors))
    sample = conv_vlad.sample_features(other.features, other.others, other.scale.features, other.seed)
    words = conv_vlad.vocabularies({"5b": sample["Inception 5b", 1]}, other.scale.words, other.seed)["5b"]
    assert torch.equal(other.vocabulary("Inception 5b"), words)
    assert other.store.folder != ConvVLAD("smoke", out=tmp_path / "out").store.folder


def test_photos_of_one_s_own_are_told_apart(tmp_path):
    """Else what was measured on the photos of one folder would stand for those of another."""
    studies = []
    for name, shade in (("one", 0), ("two", 255)):
        (tmp_path / name / "photos").mkdir(parents=True)
        for number in range(4):
            image = Image.effect_noise((320, 240), 20 + shade // 8).convert("RGB")
            image.save(tmp_path / name / "photos" / f"{'tower' if number < 2 else 'bridge'}_{number}.png")
        options = {"dataset": "folder", "data_root": str(tmp_path / name / "photos"), "out": tmp_path / "out"}
        studies.append(ConvVLAD("smoke", progress=False, **options))
    first, second = studies
    assert first.store.folder != second.store.folder
    assert first.own_photos == ConvVLAD("smoke", **options | {"data_root": first.data_root}).own_photos
    assert preflight(first, ["sift.vlad"]) == []
    first.measure("sift.vlad")
    lines = filing.records(first, "sift.vlad")
    claims.write(lines, tmp_path / "results")
    assert filing.recorded(first, "sift.vlad", tmp_path / "results") == lines
    assert filing.recorded(second, "sift.vlad", tmp_path / "results") == []
    for number in (2, 3):
        Path(second.data_root, f"bridge_{number}.png").rename(Path(second.data_root, f"alone{'ab'[number - 2]}.png"))
    (problem,) = preflight(ConvVLAD("smoke", progress=False, **options), ["layers.scale1"])
    assert "must have two things with several photos" in problem


def test_what_is_lacking_is_named_before_anything_starts(tmp_path, monkeypatch, disk_with):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    study = ConvVLAD("paper", dataset="holidays", data_root=str(tmp_path), network="vgg16", out=tmp_path)
    problems = preflight(study)
    assert any("expected a folder of photos; got no such folder" in problem for problem in problems)
    assert any("vgg16-397923af" in problem for problem in problems)
    small = ConvVLAD("smoke", progress=False, network="vgg16")
    assert preflight(small) == [
        "network must be googlenet or lite0 in this profile; got vgg16: it has no small version"
    ]
    assert preflight(ConvVLAD("smoke", progress=False, out=tmp_path)) == []
    full = ConvVLAD("smoke", progress=False, out=tmp_path)
    disk_with(0)
    assert any("GB free for VLAD of all layers; got 0 GB" in problem for problem in preflight(full))
    full.scale = full.scale._replace(dimensions=128)
    assert any("pool.max" in problem and "must have 1024 photos" in problem for problem in preflight(full))


@pytest.mark.skipif(not REAL, reason="set LABKIT_REAL_DATA to a folder with retrieval/ and weights/")
def test_the_papers_path_runs_to_its_end_on_real_photos_in_holidays_layout(tmp_path, monkeypatch):
    """With a small network instead of GoogLeNet, and 25 photos instead of 1,491."""
    paths = [*sorted(Path(REAL, "retrieval/landmarks").glob("*")), *sorted(Path(REAL, "retrieval/rooms").glob("*"))]
    scenes = list(dict.fromkeys(path.name.rsplit("_", 1)[0].rsplit("_", 1)[0] for path in paths))
    counts = dict.fromkeys(scenes, 0)
    (tmp_path / "jpg").mkdir()
    for path in paths:
        scene = path.name.rsplit("_", 1)[0].rsplit("_", 1)[0]
        with Image.open(path) as image:
            image.thumbnail((240, 240))  # SIFT of a whole photo takes seconds
            image.save(tmp_path / "jpg" / f"{1000 + scenes.index(scene)}{counts[scene]:02}{path.suffix}")
        counts[scene] += 1

    def squeezenet():
        network = torchvision.models.squeezenet1_0()
        load_weights(network, Path(REAL, "weights/squeezenet1_0_rgb_imagenet_norm.pth"))
        return conv_vlad.ConvFeatures(network, {"fire2": "features.3", "fire5": "features.7", "fire9": "features.12"})

    monkeypatch.setattr(conv_vlad, "googlenet", lambda *_, **__: squeezenet())
    scale = ConvVLAD.scales["paper"]._replace(features=4000, words=16, sift_words=100, dimensions=3)
    monkeypatch.setitem(ConvVLAD.scales, "paper", scale)
    settings = {"dataset": "holidays", "data_root": str(tmp_path), "missing": "skip", "progress": False}
    study = ConvVLAD("paper", out=tmp_path / "out", **settings)
    with pytest.warns(UserWarning, match="took 25 of 1491 photos"):
        assert preflight(study) == []
    values, paper = study.measure_here(*study.rows()), claims.ledger()["conv_vlad"]
    assert set(values) == set(paper.metrics) - set(paper.conditions["shadow"].metrics)
    assert values["layer.best"] > 40  # at chance level about 12
    assert study.clip_counts("layer.best") == ((0, 0), (25, 1491))
    assert isinstance(study.search.database, data.Holidays)
