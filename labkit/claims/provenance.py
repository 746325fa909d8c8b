"""Where a number comes from: the version of labkit, the commit and the machine."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

_CLONE = Path(__file__).resolve().parents[2]


def provenance() -> dict[str, str]:
    """What a `labkit.claims.Record` says about its origin; the first call holds for the whole process.

    Returns:
        ``labkit``: the version of the package. ``commit``: the short hash of the clone, with "+" where tracked files
        below ``labkit/`` differ from it; empty without a clone or without git. ``machine``: processor architecture,
        number of cores, version of torch, and the GPU where this process uses one; no name of a host or user.
    """
    return {"labkit": version("labkit"), "commit": _commit(_CLONE), "machine": _machine()}


@cache
def _commit(clone: Path) -> str:
    if not (clone / ".git").exists():  # installed without a clone, perhaps below another project's
        return ""
    commit = _git(clone, "rev-parse", "--short", "HEAD")
    if commit is None or commit.returncode:
        return ""
    changes = _git(clone, "diff", "--quiet", "HEAD", "--", "labkit")
    return commit.stdout.strip() + ("+" if changes is not None and changes.returncode == 1 else "")


def _git(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(["git", "-C", str(clone), *arguments], capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return None


def _machine() -> str:
    import torch  # takes seconds, and the ledger can be read without it

    parts = [platform.machine(), f"{os.cpu_count()} cores", f"torch {torch.__version__}"]
    if torch.cuda.is_initialized():
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)
