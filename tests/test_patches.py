import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labkit.patches import Patches, neighbour_similarity, thinned


@pytest.fixture
def patches():
    """Two images of 8 x 8 in 2 x 2 patches of 4, moved by one pixel: the last ones reach over the border."""
    images = torch.arange(2 * 3 * 64, dtype=torch.int64).reshape(2, 3, 8, 8).remainder(251).to(torch.uint8)
    generator = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(8, 5, generator=generator), dim=1)
    return Patches(features, images, torch.tensor([1, 5]), 4)


def test_patches_are_cut_where_their_locations_look(patches):
    cut = patches[torch.tensor([[0, 5], [6, 7]])]
    assert cut.shape == (2, 2, 3, 4, 4)
    assert torch.equal(cut[0, 0], patches.images[0, :, 1:5, 1:5])
    padded = F.pad(patches.images[1].float(), (0, 1, 0, 1), mode="replicate").to(torch.uint8)
    assert torch.equal(cut[0, 1], padded[:, 1:5, 5:9])
    assert torch.equal(cut[1, 0], padded[:, 5:9, 1:5])
    assert torch.equal(cut[1, 1], padded[:, 5:9, 5:9])
    assert patches.centres.tolist() == [2.5, 6.5]


@pytest.mark.parametrize("chunk_size", [1, 3, 100])
def test_nearest_patches_are_those_of_brute_force(patches, chunk_size, monkeypatch):
    monkeypatch.setattr("labkit.patches._CHUNK_SIZE", chunk_size)
    queries = F.normalize(torch.randn(4, 5, generator=torch.Generator().manual_seed(1)), dim=1)
    expected = np.linalg.norm(queries.numpy()[:, None] - patches.features.numpy(), axis=2)
    for k in (1, 3, 8):
        distances, numbers = patches.nearest(queries, k)
        order = np.argsort(expected, axis=1)[:, :k]
        assert np.array_equal(numbers, order)
        np.testing.assert_allclose(distances, np.take_along_axis(expected, order, 1), atol=1e-5)
    distances, numbers = patches.nearest(queries, 4, skip=0)
    assert np.array_equal(numbers, 4 + np.argsort(expected[:, 4:], axis=1))
    with pytest.raises(ValueError, match="k must be 1 to the number of patches, 4; got 5"):
        patches.nearest(queries, 5, skip=0)


def test_of_equal_patches_the_first_comes_first(patches, monkeypatch):
    same = Patches(patches.features[:1].expand(8, -1), patches.images, patches.starts, patches.side)
    for chunk_size in (2, 8):
        monkeypatch.setattr("labkit.patches._CHUNK_SIZE", chunk_size)
        assert same.nearest(patches.features[:1], 3)[1].tolist() == [[0, 1, 2]]


def test_an_image_laid_out_from_its_own_patches_is_itself(patches):
    for image in range(2):
        picture = patches.laid_out(patches[patches.of_image(image)])
        assert torch.equal(picture[:, 1:, 1:], patches.images[image][:, 1:, 1:])
        assert (picture[:, 0] == 255).all()  # covered by no patch
        assert (picture[:, :, 0] == 255).all()


def test_patches_that_start_outside(patches):
    outside = Patches(patches.features, patches.images, torch.tensor([-2, 2]), 4)
    picture = outside.laid_out(outside[outside.of_image(1)])
    assert torch.equal(picture[:, :6, :6], outside.images[1][:, :6, :6])
    assert (picture[:, 6:] == 255).all()


def test_an_image_is_rebuilt_from_means_of_patches_of_other_images(patches):
    picture = patches.rebuilt(0, k=2)
    numbers = patches.nearest(patches.features[:4], 2, skip=0)[1]
    assert (numbers >= 4).all()
    assert torch.equal(numbers, patches.neighbours(0, 2)[1])
    mean = patches[numbers[3]].float().mean(0).round()
    assert torch.equal(picture[:, 5:, 5:].float(), mean[:, :3, :3])
    mean = patches[numbers[1]].float().mean(0).round()
    assert torch.equal(picture[:, 1:5, 5:].float(), mean[:, :, :3])


def test_clusters_have_the_reference_at_the_left(patches):
    rows, distances = patches.clusters(torch.tensor([2, 7]), k=3)
    assert rows.shape == (2, 4, 3, 4, 4)
    assert torch.equal(rows[:, 0], patches[torch.tensor([2, 7])])
    assert (distances.diff(dim=1) >= 0).all()
    assert torch.equal(rows[0, 1:], patches[patches.nearest(patches.features[[2]], 3, skip=0)[1][0]])


def test_contrasting_patches_show_something():
    images = torch.full((1, 3, 8, 8), 90, dtype=torch.uint8)
    images[0, :, :4, :4] = (torch.arange(16) % 2 * 60).reshape(4, 4).to(torch.uint8)  # patch 0; the others are flat
    flat = Patches(torch.eye(4), images, torch.tensor([0, 4]), 4)
    assert flat.contrasting(3).tolist() == [0, 0, 0]
    images[0, 2, 4:, 4:] = 255  # patch 3 is blue, and still flat
    assert flat.contrasting(3).tolist() == [0, 0, 0]


def test_repetition_by_hand():
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    features = torch.stack([east, east, north, east, north, east, north, north])  # 2 x 2 of each of two images
    patches = Patches(features, torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 2]), 2)
    # image 0, e e / n e: nearest in image 1 are 5 5 / 4 5; pairs: 5-4, 5-5 below and 5-5, 4-5 beside: half the same
    # image 1, n e / n n: nearest in image 0 are 2 0 / 2 2; pairs: 2-2, 0-2 below and 2-0, 2-2 beside
    assert patches.repetition().tolist() == [0.5, 0.5]


def test_similarity_of_neighbours_by_hand():
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.6, 0.8])
    locations = torch.stack([a, b, a, a])[None]  # a b / a a: .6 and 1 beside, 1 and .6 below each other
    assert neighbour_similarity(torch.cat([locations, 3 * locations])).tolist() == [pytest.approx(0.8)] * 2
    rows = torch.stack([a, a, b]).repeat(3, 1)[None]  # a a b in each of three rows: two apart, beside .6, below 1
    assert neighbour_similarity(rows, distance=2).tolist() == [pytest.approx((3 * 0.6 + 3 * 1) / 6)]
    for wrong, distance in ((1, 1), (6, 1), (4, 2)):
        with pytest.raises(ValueError, match=rf"features must be those of a square map of {distance + 1} x"):
            neighbour_similarity(torch.ones(1, wrong, 2), distance)


def test_thinned_features_are_evenly_spaced():
    numbers = torch.arange(64.0)[None, :, None]  # 8 x 8, row by row
    assert thinned(numbers, 2).flatten().tolist() == [18, 22, 50, 54]  # rows and columns 2 and 6
    assert thinned(numbers, 8).equal(numbers)
    assert thinned(torch.arange(49.0)[None, :, None], 3).flatten().tolist() == [8, 10, 12, 22, 24, 26, 36, 38, 40]
    with pytest.raises(ValueError, match="features must be those of 3 x 3 locations or more"):
        thinned(numbers[:, :4], 3)
