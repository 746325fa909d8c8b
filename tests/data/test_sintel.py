import numpy as np
import pytest
import small_sets
import torch
from small_sets import HEIGHT, WIDTH, picture, write_png

from labkit.data import PhotoError, Sintel
from labkit.data.pairs import INDEX, complete
from labkit.data.sintel import FRAMES, TEST, TRAIN
from labkit.flow import backward_warp, read_flo, write_flo


@pytest.fixture
def root(tmp_path, monkeypatch):
    return small_sets.sintel(tmp_path, monkeypatch)


def training(root, kind, frame):
    return root / "MPI-Sintel-complete/training" / kind / frame


def test_scenes_and_lengths_are_the_official_ones():
    lengths = [[FRAMES.get(scene, 50) for scene in scenes] for scenes in (TRAIN, TEST)]
    assert [len(part) for part in lengths] == [23, 12]
    assert [sum(part) for part in lengths] == [1064, 564]
    assert not {*FRAMES} - {*TRAIN, *TEST}
    assert len({*TRAIN, *TEST}) == 35


def test_a_pair_is_a_frame_and_the_next_in_the_pass_asked(root):
    clean, final = Sintel(root), Sintel(root, pass_name="final")
    names = ["alley_1/frame_0001", "alley_1/frame_0002", "alley_1/frame_0003"]
    names += ["ambush_2/frame_0001", "ambush_2/frame_0002"]
    assert clean.names == [f"clean/{name}" for name in names]
    assert final.names == [f"final/{name}" for name in names]
    assert clean.groups.tolist() == [0, 0, 0, 1, 1]
    assert [pair.scene for pair in clean] == ["alley_1"] * 3 + ["ambush_2"] * 2
    assert torch.equal(clean[1].frames([0])[0], picture(2))
    assert torch.equal(final[1].frames([1])[0], picture(103))
    for pairs in (clean, final):
        assert torch.equal(pairs[2].flow([0]), torch.full((1, 2, HEIGHT, WIDTH), 0.3))


def test_scenes_may_be_chosen(root):
    assert Sintel(root, scenes=["ambush_2"]).groups.tolist() == [1, 1]
    with pytest.raises(ValueError, match="scenes of the train part must be among alley_1, ambush_2; got 'wall'"):
        Sintel(root, scenes=["wall"])
    with pytest.raises(ValueError, match="Sintel, train, clean pass: expected 1 or more pairs; got none to look for: "):
        Sintel(root, scenes=[])


def test_the_scenes_to_test_have_no_flow(root):
    test = Sintel(root, "test")
    assert test.names == ["clean/wall/frame_0001", "clean/wall/frame_0002"]
    assert test.groups.tolist() == [2, 2]
    assert test[0].frames([0, 1]).shape == (2, 3, HEIGHT, WIDTH)
    for ask in (test[0].flow, test[0].valid, test[0].occluded):
        with pytest.raises(FileNotFoundError, match="frame_0001: expected its flow; got none, its makers have not"):
            ask([0])


def test_invalid_pixels_and_unknown_flow_do_not_count(root):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[1, 2] = mask[4, 7] = 255
    write_png(training(root, "invalid", "alley_1/frame_0001.png"), pixels=mask)
    flow = torch.zeros(2, HEIGHT, WIDTH)
    flow[:, 1, 2], flow[0, 3, 3] = 1e8, torch.nan
    write_flo(training(root, "flow", "alley_1/frame_0001.flo"), flow)
    pair = Sintel(root)[0]
    assert (~pair.valid([0])).nonzero().tolist() == [[0, 1, 2], [0, 3, 3], [0, 4, 7]]
    assert pair.flow([0])[0, :, 1, 2].tolist() == [1e8, 1e8]  # as the file has it
    assert pair.flow([0])[0, :, 3, 3].isnan().all()
    assert pair.valid([]).shape == (0, HEIGHT, WIDTH)
    assert pair.valid([0, 0]).shape == (2, HEIGHT, WIDTH)


def test_occluded_is_what_the_mask_marks_and_what_leaves_the_picture(root):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[2, 3] = 255
    write_png(training(root, "occlusions", "alley_1/frame_0001.png"), pixels=mask)
    flow = torch.zeros(2, HEIGHT, WIDTH)
    flow[0, 0, 0], flow[0, 0, 1] = -0.6, -1.4  # to -0.6 and to -0.4: pixels end half a pixel beyond their centres
    flow[1, 5, 5], flow[1, 5, 6] = 0.4, 0.6
    flow[0, 1, 1], flow[:, 3, 3] = 30.0, torch.nan
    write_flo(training(root, "flow", "alley_1/frame_0001.flo"), flow)
    pair = Sintel(root)[0]
    assert pair.occluded([0]).nonzero().tolist() == [[0, 0, 0], [0, 1, 1], [0, 2, 3], [0, 5, 6]]
    assert pair.occluded([0]).dtype == torch.bool
    with pytest.raises(IndexError, match="must lie within 0 to 0; got 1"):
        pair.occluded([1])


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("clean/alley_1/frame_0002.png", [2, 3, 4]),  # two pairs have it
        ("occlusions/ambush_2/frame_0001.png", [0, 1, 2, 4]),
    ],
)
def test_a_missing_partner_is_an_error_or_leaves_the_pairs_out(root, name, left):
    names = Sintel(root).names
    (root / "MPI-Sintel-complete/training" / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"Sintel, train, clean pass: expected 5 pairs .*training/{name}.* Run"
    ):
        Sintel(root)
    with pytest.warns(UserWarning, match=f"{5 - len(left)} of 5 pairs are not in"):
        assert Sintel(root, missing="skip").names == [names[index] for index in left]


def test_damaged_and_wrong_masks_are_noticed(root):
    path = training(root, "occlusions", "alley_1/frame_0001.png")
    write_png(path, pixels=np.zeros((HEIGHT, WIDTH + 1), np.uint8))
    pair = Sintel(root)[0]
    with pytest.raises(
        ValueError, match=r"occlusions/alley_1/frame_0001.png: expected \(6, 9\) pixels, .* got \(6, 10\)"
    ):
        pair.occluded([0])
    path.write_bytes(path.read_bytes()[:45])
    with pytest.raises(PhotoError, match="expected a photo that decodes"):
        pair.occluded([0])
    assert pair.valid([0]).all()


@pytest.mark.parametrize("wrong", [{"part": "all"}, {"pass_name": "albedo"}])
def test_wrong_arguments_are_explained(root, wrong):
    with pytest.raises(ValueError, match='part must be "train" or "test" and pass_name "clean" or "final"; got'):
        Sintel(root, **wrong)


def test_completing_notes_what_each_file_is_and_goes_on_later(root):
    sets = [Sintel(root), Sintel(root, pass_name="final"), Sintel(root, "test")]
    path = training(root, "flow", "ambush_2/frame_0001.flo")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    write_png(training(root, "invalid", "alley_1/frame_0003.png"), pixels=np.zeros((HEIGHT, WIDTH + 2), np.uint8))
    errors = complete(sets, root)
    assert list(errors) == [
        "training/flow/ambush_2/frame_0001.flo",
        "clean/alley_1/frame_0003",
        "final/alley_1/frame_0003",
    ]
    assert "'training/invalid/alley_1/frame_0003.png': (6, 11)" in errors["clean/alley_1/frame_0003"]
    path.write_bytes(whole)
    write_png(training(root, "invalid", "alley_1/frame_0003.png"))
    assert complete(sets, root) == {}
    # 7 frames twice, 5 fields of flow and 5 masks of each kind, 3 frames to test; the last frames' masks serve nobody
    assert len((root / INDEX).read_text().splitlines()) == 1 + 14 + 15 + 3


# The real pairs.


@pytest.mark.filterwarnings("ignore:Sintel")
def test_real_flow_and_masks_agree(real_pairs):
    pairs = Sintel(real_pairs / "sintel", scenes=["alley_1", "bamboo_2"], missing="skip")
    assert pairs.names == ["clean/alley_1/frame_0002", "clean/bamboo_2/frame_0002"]
    for pair in pairs:
        first, second = pair.frames([0, 1]).float()
        flow, occluded, valid = pair.flow([0])[0], pair.occluded([0])[0], pair.valid([0])[0]
        assert first.shape == (3, 436, 1024)
        assert torch.equal(flow, read_flo(pair.truth))
        assert 0 < (~valid).sum() < 200
        assert 0.02 < occluded.float().mean() < 0.1
        error = (backward_warp(second, flow)[0] - first).abs().mean(0)
        assert error[~occluded].mean() < 0.4 * error[occluded].mean()  # what is hidden cannot be found
        assert error[~occluded].mean() < 0.5 * (second - first).abs().mean(0)[~occluded].mean()
