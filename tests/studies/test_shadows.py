"""Shadows turned up and down: what is compared, and that it is what the study measures elsewhere."""

import pytest
import torch

from labkit import vlad, world
from labkit.claims import ledger
from labkit.papers import conv_vlad
from labkit.studies import shadows
from labkit.studies.conditions import metrics_at
from labkit.studies.conv_vlad import ConvVLAD
from labkit.studies.photo_search import PhotoSearch


@pytest.fixture(scope="module")
def study():
    return ConvVLAD("smoke", progress=False, seed=1000)


def test_rows_are_those_of_the_depths(study):
    rows = [name for name in study.rows() if name.startswith("condition.shadow")]
    assert [name.removeprefix("condition.shadow.") for name in rows] == ["0", "0.25", "0.5", "0.75", "1"]


def test_a_row_measures_all_systems_on_places_under_its_shadows(study):
    values = study.measure("condition.shadow.0.75")
    assert list(values) == list(metrics_at("conv_vlad", "shadow", 0.75))
    assert all(0 < value <= 100 for value in values.values())
    kept = study.compute("shadow.0.75", lambda: pytest.fail("computed already"))
    for metric, value in values.items():
        assert value == pytest.approx(100 * kept[metric.rpartition(".")[2]].mean().item())
    assert study.measures["condition.shadow.0.75"]["condition.shadow.0.75.middle"].stderr > 0


def test_precisions_are_those_of_descriptors_made_by_hand(study):
    search = PhotoSearch(study.shaded(0.5))
    scores = shadows.average_precisions(search, study.backbone, "Inception 4e", words=8, features=600, seed=1)
    photos = [search.photos[index] for index in range(len(search))]
    sample = conv_vlad.sample_features(
        lambda images: conv_vlad.conv_features(study.backbone, images, ["Inception 4e"], (1,)), photos, 600, 1
    )
    words = conv_vlad.vocabularies(sample, 8, 1)["Inception 4e", 1]
    features = study.backbone(photos, ["Inception 4e", "Inception 5b"])
    by_hand = search.average_precision(conv_vlad.descriptors(vlad.vlad(features["Inception 4e"], words)))
    torch.testing.assert_close(scores["middle"], by_hand)
    pooled = [pool(rows) for pool in (vlad.max_pool, vlad.sum_pool) for rows in features.values()]
    best = max(search.average_precision(values).mean().item() for values in pooled)
    assert scores["pooled"].mean().item() == pytest.approx(best)
    assert scores.keys() == ledger()["conv_vlad"].conditions["shadow"].systems.keys()


def test_means_over_several_queries_of_a_place_have_the_error_of_the_places():
    search = PhotoSearch(world.Places(size=64, instances=3, distractors=0))
    search.groups = torch.tensor([7, 7, 8, 8, 9, 9])
    same = search.mean(torch.tensor([0.2, 0.2, 0.4, 0.4, 0.9, 0.9]))
    search.groups = torch.tensor([7, 8, 9])
    alone = search.mean(torch.tensor([0.2, 0.4, 0.9]))
    assert same.value == pytest.approx(50)
    assert same.value == pytest.approx(alone.value)
    assert same.stderr == pytest.approx(alone.stderr), "asking twice adds nothing"
