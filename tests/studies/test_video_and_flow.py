"""The footage of the first lessons: a painted clip and a video answer the same questions; instruments by hand."""

import pytest
import torch

from labkit import flow
from labkit.data import write_video
from labkit.studies import video_and_flow
from labkit.studies.start_here import samples
from labkit.studies.video_and_flow import Footage, stroll


@pytest.fixture(scope="module")
def puppet():
    return stroll("smoke", seed=1)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "noise.avi"
    noise = torch.randint(0, 256, (30, 3, 24, 32), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    write_video(path, noise.repeat_interleave(4, 2).repeat_interleave(4, 3), fps=10)
    return str(path)


def test_a_painted_clip_knows_the_truth(puppet):
    footage = Footage.of(puppet)
    assert (footage.kind, footage.playback) == ("exact", {"fps": 8.0, "quality": None})
    assert torch.equal(footage.clip, puppet.frames / 255)
    assert torch.equal(footage.forward, puppet.forward)
    assert torch.equal(footage.backward, puppet.backward)
    assert footage.exact["exact"] is footage.forward
    assert footage.reference({}) is footage.forward
    assert torch.equal(footage.occluded(3)["exact"], puppet.occluded[3])
    assert torch.equal(footage.guess["guess: no motion"], puppet.forward.norm(dim=1))
    assert torch.equal(footage.areas["background"], ~footage.areas["puppet"])
    arm = puppet.part[:, footage.row] == puppet.names.index("right forearm")  # (T, W)
    assert arm.any(1).sum() >= 4


def test_a_video_is_estimated_and_what_cannot_be_is_left_out(puppet, video):
    footage = Footage.of(puppet, video)
    assert (footage.kind, footage.playback) == ("estimated", {"fps": 10.0, "quality": 90})
    assert footage.clip.shape == (10, 3, 48, 64)  # as long and as high as the puppet's
    assert torch.equal(footage.forward, flow.tvl1(footage.clip[:-1], footage.clip[1:]))
    assert torch.equal(footage.backward, flow.tvl1(footage.clip[1:], footage.clip[:-1]))
    assert footage.exact == footage.guess == footage.occluded(0) == {}
    assert footage.areas["everywhere"].all()
    estimates = {"a": torch.zeros(2, 2, 1, 1), "b": torch.ones(2, 2, 1, 1)}
    assert (footage.reference(estimates) == 0.5).all()


def test_a_video_is_cut_from_its_middle_or_from_where_it_is_told(puppet, video):
    middle, told = Footage.of(puppet, video).clip, Footage.of(puppet, video, start=12).clip
    assert torch.equal(middle[2:], told[:8])  # frames 10 to 19, and 12 to 21
    assert len(Footage.of(puppet, video, start=22).clip) == 8
    for start, got in ((23, 7), (40, 0)):
        with pytest.raises(ValueError, match=f"needs at least 8 frames; got {got}: choose a longer clip"):
            Footage.of(puppet, video, start=start)


def test_steps_that_are_cuts_or_copies_are_named():
    change = torch.tensor([0.01, 0.5, 0.01, 0.012, 0.0, 0.01, 0.011, 0.0])
    assert list(video_and_flow.odd_steps(change)) == [
        "1 of 8 steps look like a cut: after frame 1",
        "2 of 8 steps look like two copies of one frame: after frame 4 7",
    ]
    assert list(video_and_flow.odd_steps(torch.full((5,), 0.01))) == []


def test_a_check_is_compared_with_the_truth_where_there_is_one():
    checked, exact = torch.tensor([[True, True, True, False]]), torch.tensor([[True, False, False, True]])
    said = video_and_flow.agreement(checked, exact)
    assert said == "exact: 2 pixels; the check finds 1 of them and marks 2 others"
    assert "the check marks 3 of 4 pixels" in video_and_flow.agreement(checked)


def test_estimators_are_compared_with_a_guess_where_there_is_one():
    table = {"edge": {"a": 2.0, "b": 0.5, "guess: no motion": 1.0}, "sky": {"a": 0.1, "guess: no motion": 0.2}}
    assert video_and_flow.worse_than_guess(table) == "worse than no motion: edge: a; sky: none"
    assert "not known" in video_and_flow.worse_than_guess({"everywhere": {"a": 2.0}})


def test_the_background_moves_only_with_the_camera():
    on_tripod, by_hand = (stroll("smoke", camera=strength) for strength in (0.0, 2.5))
    assert video_and_flow.background_speed(on_tripod, on_tripod.forward) < 1e-9
    assert video_and_flow.background_speed(by_hand, by_hand.forward) > 0.5


def test_locations_are_flat_on_an_edge_and_on_a_corner():
    image = torch.zeros(1, 48, 64)
    image[:, 20:, :20] = 1.0  # a corner at (20, 20), edges below it and to its left
    image[:, :, 40:] = 0.5  # a weaker edge
    nothing = torch.zeros(48, 64, dtype=torch.bool)
    eigenvalues = flow.structure_tensor_eigenvalues(image)
    found = video_and_flow.choose_locations(eigenvalues, nothing)
    assert torch.tensor(found["C: corner"]).sub(torch.tensor([19.5, 19.5])).abs().max() < 3
    larger, smaller = (eigenvalues[:, found["B: edge"][1], found["B: edge"][0]]).tolist()
    assert larger > 10 * smaller
    assert eigenvalues[0, found["A: flat"][1], found["A: flat"][0]] == 0
    near = nothing.clone()
    near[20, 20] = True
    assert video_and_flow.choose_locations(eigenvalues, near)["C: corner"] != found["C: corner"]


def test_points_and_the_hole():
    points = video_and_flow.spread_points(torch.zeros(2, 3, 48, 64))
    assert points[:2].tolist() == [[6, 6], [6, 12]]
    assert points[-1].tolist() == [61, 42]
    hole = video_and_flow.inside_hole()
    assert hole[48, 48]
    assert not hole[48, 5]
    assert hole.float().mean().item() == pytest.approx(3.1416 * 0.3**2, rel=0.02)


def test_flow_comes_back_from_the_disk_and_rest_comes_back_exactly():
    moving = torch.linspace(-3, 3, 2 * 2 * 32 * 32).reshape(2, 2, 32, 32)
    fine, coarse = (video_and_flow.through_disk(moving, quality) for quality in (100, 50))
    assert (fine.fields - moving).abs().max() < 0.05
    assert 0 < coarse.kilobytes < fine.kilobytes < 5
    still = torch.zeros(1, 2, 32, 32)
    assert torch.equal(video_and_flow.through_disk(still, 95).fields, still)


def test_there_are_samples_of_every_class():
    actions, meetings, photos = samples("smoke")
    assert [len(clips) for clips in (actions, meetings, photos)] == [54, 12, 12]
    assert meetings.classes == photos.classes
    assert actions[0].frames([0]).shape == (1, 3, 48, 48)
