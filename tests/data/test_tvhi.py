import zoo

from labkit import world
from labkit.data import TVHI

NAMES = [f"{name}_{number:04}" for name in ("handShake", "highFive", "hug", "kiss") for number in range(1, 51)]


def test_the_official_split(tmp_path):
    for name in (*NAMES, "negative_0001"):
        zoo.write_grey(tmp_path / f"videos/{name}.avi", 5)
    train, test = TVHI(tmp_path), TVHI(tmp_path, "test")
    assert train.classes == test.classes == world.Interactions(groups=3).classes
    names = [[clip.name for clip in part] for part in (train, test)]
    assert sorted(names[0] + names[1]) == sorted(NAMES)
    for part in (train, test):
        assert part.labels.tolist() == [label for label in range(4) for _ in range(25)]
    assert names[0][:3] == ["handShake_0002", "handShake_0014", "handShake_0015"]
    assert names[1][-2:] == ["kiss_0049", "kiss_0050"]
    assert (train[0].num_frames, test[76].name, test[76].label) == (5, "kiss_0003", 3)
    assert not {*train.groups.tolist()} & {*test.groups.tolist()}
