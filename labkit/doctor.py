"""Is this machine ready for the lab? Every check says what it found and, where something is missing, what mends it."""

import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labkit.folders import clone, mended_by

FREE_DISK = 2e9  # bytes: notebooks and their exports are small, the environment is there already
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        name: what was looked at.
        found: what is there.
        remedy: the command that mends it; empty where nothing is wrong.
        needed: False where the lab works without it.
    """

    name: str
    found: str
    remedy: str = ""
    needed: bool = True


def examine() -> Iterator[Finding]:
    """Look at everything the lab stands on; a check that breaks is a finding, too."""
    for check in (_python, _packages, _opencv, _torch, _jupyter, _codecs, _disk, _browser):
        yield _examined(check)


def report(findings: list[Finding]) -> str:
    """The findings as aligned lines: ✓ fine, • optional and missing, ✗ missing."""
    wide = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        mark = "✓" if not finding.remedy else "✗" if finding.needed else "•"
        lines.append(f"{mark} {finding.name:<{wide}}  {finding.found}")
        if finding.remedy:
            lines.append(f"  {'':<{wide}}  → {finding.remedy}")
    return "\n".join(lines)


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing that the lab needs is missing."""
    return not any(finding.remedy and finding.needed for finding in findings)


def _examined(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:
        name = check.__name__.strip("_")
        return Finding(name, f"broken: {type(error).__name__}: {error}", mended_by())


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info < (3, 14)
    remedy = "" if fits else "install Python 3.11, 3.12 or 3.13, then make setup PYTHON=python3.12"
    return Finding("python", f"{version} at {_shown(Path(sys.executable))}", remedy)


def _shown(path: Path) -> str:
    """A path as a page may show it: without the folders above the clone or the user's home."""
    for folder, sign in ((clone(), ""), (Path.home(), "~/")):
        if folder and folder in path.parents:
            return f"{sign}{path.relative_to(folder)}"
    return str(path)


def _packages() -> Finding:
    if not (root := clone()):
        return _requirements()
    lock = root / "requirements.lock"
    wanted: dict[str, set[str]] = {}  # a package may be locked at several versions, for several Pythons
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock.read_text(encoding="utf-8"), flags=re.M):
        wanted.setdefault(_normal(name), set()).add(version)
    present = {_normal(package.name): package.version for package in importlib.metadata.distributions()}
    astray = [
        f"{name} {present[name]}" for name in sorted(wanted.keys() & present) if present[name] not in wanted[name]
    ]
    for name in ("torch", "numpy", "plotly", "jupyterlab", "opencv-contrib-python-headless"):
        if name not in present:
            astray.append(f"{name} missing")
    if astray:
        return Finding("packages", "not as locked: " + ", ".join(astray[:5]), "touch requirements.lock && make setup")
    return Finding("packages", f"{len(wanted.keys() & present)} at their locked versions")


def _requirements() -> Finding:
    """Without a clone there is no lock file: does every package have a version that labkit can work with?"""
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in importlib.metadata.requires("labkit") or []]
    astray, remedies = [], []
    for requirement in wanted:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        if not version or not requirement.specifier.contains(version, prereleases=True):
            astray.append(f"{requirement.name} {version or 'missing'}")
            remedies.append(f"'{requirement}'")
    if astray:
        return Finding("packages", "not as needed: " + ", ".join(astray[:5]), f"pip install {' '.join(remedies)}")
    return Finding("packages", f"{len(wanted)} that labkit asks for, each at a version that it knows")


def _opencv() -> Finding:
    import cv2

    names = {_normal(package.name) for package in importlib.metadata.distributions()}
    installed = sorted(name for name in names if name.startswith("opencv"))
    remedy = ""
    if installed != ["opencv-contrib-python-headless"] or not hasattr(cv2, "optflow"):
        remedy = f"{mended_by()}   (several OpenCV packages overwrite each other's files)"
    tv_l1 = "with TV-L1" if hasattr(cv2, "optflow") else "without TV-L1"
    return Finding("opencv", f"{cv2.__version__} {tv_l1} ({', '.join(installed)})", remedy)


def _torch() -> Finding:
    import torch

    device = "cpu"
    if torch.cuda.is_available():
        device = f"cuda: {torch.cuda.get_device_name()}"
    elif torch.backends.mps.is_available():
        device = "mps"
    return Finding(
        "torch", f"{torch.__version__} on {device}, {torch.get_num_threads()} threads, {os.cpu_count()} cores"
    )


def _jupyter() -> Finding:
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_core.paths import jupyter_path

    version = importlib.metadata.version("jupyterlab")
    kernels = KernelSpecManager().find_kernel_specs()
    needed = ("anywidget", "@jupyter-widgets/jupyterlab-manager", "jupyterlab-plotly")
    folders = [Path(folder) for folder in jupyter_path("labextensions")]
    missing = [name for name in needed if not any((folder / name).is_dir() for folder in folders)]
    if missing or "python3" not in kernels:
        lacks = missing + ([] if "python3" in kernels else ["the python3 kernel"])
        return Finding("jupyterlab", f"{version}, without {', '.join(lacks)}", mended_by())
    return Finding("jupyterlab", f"{version} with widgets and the python3 kernel")


def _codecs() -> Finding:
    import torch

    from labkit.data import read_video, write_video

    frames = torch.zeros(3, 3, 32, 32, dtype=torch.uint8)
    frames[1] = 255
    works = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".mp4", ".avi"):
            path = Path(folder) / f"three{suffix}"
            write_video(path, frames, fps=8)
            if len(read_video(path).frames) == 3:
                works.append(suffix)
    remedy = "" if len(works) == 2 else f"{mended_by()}   (PyAV's wheel brings FFmpeg along)"
    return Finding("codecs", f"writes and reads {' and '.join(works) or 'nothing'}", remedy)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    remedy = "" if free > FREE_DISK else f"free some space on the disk of {Path.cwd()}: rm -rf build"
    return Finding("disk", f"{free / 1e9:.1f} GB free", remedy)


def _browser() -> Finding:
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path:
        return Finding("browser", path)
    remedy = "sudo apt-get install chromium   (only the browser tests and `figure.write_image` need it)"
    return Finding("browser", "no Chromium or Chrome on the path", remedy, needed=False)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
