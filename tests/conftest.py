"""What several test files share: a browser, pages cut off from the network, a cache of the run's own, real videos."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from labkit import claims
from labkit.files import lock, whole_folder

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """The world draws into a folder of this run: nothing of the user's is read or written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_CACHE", str(tmp_path_factory.mktemp("labkit-cache")))
        yield


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium, one for the whole run."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on the PATH: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: run make setup")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def offline_page(chromium):
    """A page that reaches nothing; at the end it must have asked for nothing and met no error."""
    context = chromium.new_context(viewport={"width": 1000, "height": 800}, offline=True)
    page = context.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert [url for url in asked if not url.startswith(("data:", "file:", "about:"))] == []
    assert errors == []


def make_real_sets(root):
    """Make ``ucf101`` and ``hmdb51`` in a folder as the scripts do: the official lists, and few real clips."""
    if not (real := os.environ.get("LABKIT_REAL_DATA")):
        pytest.skip("set LABKIT_REAL_DATA to a folder with clips and splits")
    sets = {"ucf101": ("UCF-101", "ucfTrainTestlist"), "hmdb51": ("hmdb51_org", "testTrainMulti_7030_splits")}
    for name, (videos, lists) in sets.items():
        for path in Path(real, "clips", name).glob("*.avi"):
            folder = root / name / videos / (path.name.split("_")[1] if name == "ucf101" else "clips")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / path.name).symlink_to(path)
        (root / name / lists).symlink_to(Path(real, "splits", name))
    return root


@pytest.fixture(scope="module")
def real_sets(tmp_path_factory):
    """A folder with the real sets, see `make_real_sets`."""
    return make_real_sets(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def real_sets_of_two_classes(real_sets):
    """The real clips, and one more of UCF101 to train on: of another class, under a name of the official lists."""
    folder = real_sets / "ucf101/UCF-101/YoYo"
    folder.mkdir()
    (folder / "v_YoYo_g08_c01.avi").symlink_to(next(real_sets.glob("ucf101/UCF-101/Punch/*.avi")).resolve())
    return real_sets


SECOND_CLIPS = {  # a class needs two movies, one to train on and one to hold out; by other names on the official lists
    "cartwheel": "Acrobacias_de_un_fenomeno_cartwheel_f_cm_np1_ba_bad_8.avi",
    "wave": "50_FIRST_DATES_wave_f_cm_np1_fr_med_0.avi",
}


@pytest.fixture(scope="session")
def _real_flow(tmp_path_factory):
    """The real clips of both sets, and their flow by the script, of UCF101 in both directions: computed once."""
    import extract_flow

    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "real_flow"  # of all workers
    with lock(root, wait=True):
        if root.is_dir():
            return root
        with whole_folder(root) as new:
            make_real_sets(new)
            hmdb51 = new / "hmdb51/hmdb51_org/clips"
            for name, clip in SECOND_CLIPS.items():
                (hmdb51 / clip).symlink_to(next(hmdb51.glob(f"*_{name}_*")).resolve())
            for name, options in (("ucf101", []), ("ucf101", ["--backward"]), ("hmdb51", [])):
                assert extract_flow.main([str(new / name), "--estimator", "dis", *options]) == 0
    return root


@pytest.fixture(scope="module")
def real_sets_with_flow(_real_flow, tmp_path_factory):
    """A folder with the real sets and their flow; what else is written there is of one module only."""
    root = tmp_path_factory.mktemp("real_with_flow")
    for path in _real_flow.glob("*/*"):  # videos, lists and flow of each set
        link = root / path.relative_to(_real_flow)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path)
    return root


@pytest.fixture(scope="module")
def real_pairs(tmp_path_factory):
    """A folder with ``chairs`` and ``sintel`` as the scripts make them, from few real pairs.

    Chairs: a list of the official length, of which the second pair is one to test. Sintel: two scenes; only the pairs
    from frame 2 have all their files.
    """
    if not (real := os.environ.get("LABKIT_REAL_DATA")):
        pytest.skip("set LABKIT_REAL_DATA to a folder with flow/flyingchairs and flow/sintel")
    root = tmp_path_factory.mktemp("pairs")
    data = root / "chairs/FlyingChairs_release/data"
    data.mkdir(parents=True)
    for number, path in enumerate(sorted(Path(real, "flow/flyingchairs").glob("*.flo")), start=1):
        for theirs, official in (("gt.flo", "flow.flo"), ("img0.ppm", "img1.ppm"), ("img1.ppm", "img2.ppm")):
            (data / f"{number:05}_{official}").symlink_to(path.with_name(path.name.replace("gt.flo", theirs)))
    (root / "chairs/FlyingChairs_train_val.txt").write_text("1\n2\n" + "1\n" * 22870)
    home = root / "sintel/MPI-Sintel-complete/training"
    for kind, scene in (("easy", "alley_1"), ("medium", "bamboo_2")):
        source = Path(real, "flow/sintel", kind)
        folders = {"clean": "clean", "flow": "gt", "occlusions": "gt/occlusions", "invalid": "gt/invalid"}
        for official, theirs in folders.items():
            (home / official / scene).mkdir(parents=True)
            for path in (source / theirs).glob("frame_*.flo" if official == "flow" else "frame_*.png"):
                (home / official / scene / path.name).symlink_to(path)
    return root


@pytest.fixture
def thawed(monkeypatch):
    """The ledger as it is before batches are frozen: seeds 0 to 2 judge."""
    papers = {name: replace(paper, confirm=None) for name, paper in claims.ledger().items()}
    monkeypatch.setattr(claims, "ledger", lambda: papers)
