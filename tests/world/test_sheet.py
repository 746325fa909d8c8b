import numpy as np
import pytest
from PIL import Image

from labkit.world import Actions
from labkit.world.__main__ import main
from labkit.world.buildings import FAMILIES


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))


def test_the_sheet_of_buildings_has_a_row_for_each_family(tmp_path, capsys, monkeypatch):
    families = ("house", "windmill", "vase")
    monkeypatch.setattr("labkit.world.sheet.FAMILIES", {name: FAMILIES[name] for name in families})
    assert main(["--buildings", str(tmp_path / "b.png")]) == 0
    assert "b.png: look at it" in capsys.readouterr().out
    page = np.asarray(Image.open(tmp_path / "b.png"))
    assert page.shape[0] == 2 * 28 + 44 + len(families) * 130
    for row in range(len(families)):
        strip = page[72 + 130 * row :][:104, 28:][:, : 16 * 104].reshape(104, 16, 104, 3)
        assert (strip.std((0, 2, 3)) > 5).all()  # something stands on each paper
        assert len({image.tobytes() for image in strip.swapaxes(0, 1)}) == 16


def test_the_cache_is_listed_and_cleared(capsys):
    clips = Actions(size=16, frames=2, groups=3)
    clips[0]
    assert main(["--cache"]) == 0
    assert f"{clips._cache.folder}: 0.0 MB" in capsys.readouterr().out
    assert main(["--clear-cache"]) == 0
    assert f"deleted {clips._cache.folder}" in capsys.readouterr().out
    assert not clips._cache.folder.exists()


def test_a_seed_below_zero_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--buildings", str(tmp_path / "b.png"), "--seed", "-1"])
    assert "--seed must be 0 or more; got -1" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--buildings", "/no/such/folder/b.png"], 1)])
def test_what_cannot_be_done_is_told(arguments, code, capsys, monkeypatch):
    monkeypatch.setattr("labkit.world.__main__.buildings_sheet", lambda seed: Image.new("RGB", (2, 2)))
    assert main(arguments) == code
    assert any(capsys.readouterr())
