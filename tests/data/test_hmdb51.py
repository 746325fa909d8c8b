import shutil
from collections import defaultdict

import pytest
import small_sets

from labkit.data import HMDB51


@pytest.fixture
def root(tmp_path):
    return small_sets.hmdb51(tmp_path)


def test_classes_are_sorted_by_name_not_by_file(root):
    train, test = HMDB51(root), HMDB51(root, part="test")
    assert train.classes == tuple(small_sets.HMDB51_CLASSES)
    assert [(clip.name, train.classes[clip.label]) for clip in train] == [
        ("Film_A_climb_f_cm_np1_ba_med_0", "climb"),
        ("Film_A_climb_u_nm_np1_fr_goo_1", "climb"),
        ("hand_wave_at_wave_f_nm_np1_fr_goo_37", "wave"),
    ]
    assert [(clip.name, clip.label) for clip in test] == [
        ("Film_A_climb_stairs_l_cm_np2_le_bad_0", 49),
        ("Film_A_wave_f_nm_np1_fr_goo_4", 50),
    ]
    assert [(clip.num_frames, clip.fps) for clip in test] == [(3, 25), (3, 25)]


def test_a_group_is_the_film_of_one_class(root):
    train, test = HMDB51(root), HMDB51(root, part="test")
    # in order: climb A; climb_stairs A, B; wave A, "hand_wave_at", which ends at the last wave of its name
    assert train.groups.tolist() == [0, 0, 4]
    assert test.groups.tolist() == [1, 3]
    assert HMDB51(root, split=2).groups.tolist() == [0, 0, 1, 2, 4, 3]


def test_a_prefix_that_some_copies_have_is_left_out(root):
    path = root / "hmdb51_org/climb/Film_A_climb_f_cm_np1_ba_med_0.avi"
    path.rename(path.with_name(f"hmdb51_{path.name}"))
    clip = HMDB51(root)[0]
    assert (clip.name, clip.num_frames) == ("Film_A_climb_f_cm_np1_ba_med_0", 3)
    shutil.copy(path.with_name(f"hmdb51_{path.name}"), path)
    with pytest.raises(ValueError, match=r"expected one video film_a_climb_f_cm_np1_ba_med_0; got .* and .*"):
        HMDB51(root)


def test_a_missing_list_would_shift_labels_and_is_an_error(root):
    (root / "testTrainMulti_7030_splits/act_07_test_split1.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected 51 official lists named \*_test_split1.txt; got 50: run"):
        HMDB51(root)
    assert len(HMDB51(root, split=2)) == 6


@pytest.mark.parametrize(
    "row", ["a.avi 1", "Film_A_climb_f_cm_np1_ba_med_0.avi 3", "Film_A_climb_f_cm_np1_ba_med_0.avi"]
)
def test_lists_that_are_not_as_they_should_be_are_an_error(root, row):
    (root / "testTrainMulti_7030_splits/climb_test_split1.txt").write_text(f"\n{row}\n")
    with pytest.raises(ValueError, match=r"climb_test_split1.txt: expected lines like RATRACE_climb_f_.*; got '"):
        HMDB51(root)


@pytest.mark.filterwarnings("ignore:HMDB51")
def test_real_clips_are_where_the_official_lists_say(real_sets):
    train, test = (HMDB51(real_sets / "hmdb51", part=part, missing="skip") for part in ("train", "test"))
    assert [(clip.name, train.classes[clip.label], clip.num_frames, clip.fps) for clip in train] == [
        ("Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6", "cartwheel", 83, 30),
        ("RATRACE_wave_f_nm_np1_fr_goo_37", "wave", 72, 30),
    ]
    assert [(clip.name, clip.label, clip.num_frames) for clip in test] == [
        ("TrumanShow_wave_f_nm_np1_fr_med_26", 50, 48)
    ]
    assert train[0].frames([82]).shape == (1, 3, 240, 320)  # the header promises one frame more


@pytest.mark.parametrize("split", [1, 2, 3])
def test_official_splits_have_their_sizes_and_divide_no_group(real_sets, monkeypatch, split):
    lists = (real_sets / "hmdb51/testTrainMulti_7030_splits").glob(f"*_test_split{split}.txt")
    paths = [line.split()[0] for path in lists for line in path.open()]
    monkeypatch.setattr("labkit.data.videos.find_videos", lambda folder: paths)  # as if all were there
    train, test = (HMDB51(real_sets / "hmdb51", split, part) for part in ("train", "test"))
    assert (len(train), len(test)) == (3570, 1530)
    for clips, count in ((train, 70), (test, 30)):
        assert clips.labels.bincount().tolist() == [count] * 51
        classes_of = defaultdict(set)
        for group, label in zip(clips.groups.tolist(), clips.labels.tolist(), strict=True):
            classes_of[group].add(label)
        assert {len(classes) for classes in classes_of.values()} == {1}
    assert not set(train.groups.tolist()) & set(test.groups.tolist())
    # Groups are numbered class by class, so the last fifth of them is all there is of nine classes. Held out are films
    # of each class instead. They are of all sizes, up to 41 of the 70 clips of a class.
    learned, held = train.hold_out_groups(0.2)
    assert not set(learned.groups.tolist()) & set(held.groups.tolist())
    assert len(learned) + len(held) == 3570
    counts = held.labels.bincount(minlength=51)
    assert counts.max() == 14
    assert counts.min() >= 9
