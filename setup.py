"""What pyproject.toml cannot say: a wheel carries lessons, recorded results, assignments, data scripts.

They lie beside the package, for in a clone a learner opens them there. Mapped as packages of their own they would be
called ``labkit._clone.notebooks``, and an editable installation would need an import hook; so they are copied when
a wheel is built, and not into an editable installation, which has its clone.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = ("notebooks/[0-9][0-9]_*.py", "notebooks/results/*.jsonl", "assignments/*.py", "data_scripts/*.py")


class BuildWithLessons(build_py):
    """Copies them to ``labkit/_clone``, laid out as in the clone."""

    def run(self) -> None:
        """Build the package, then add to it."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "labkit", "_clone")
        shutil.rmtree(target, ignore_errors=True)  # of an earlier build: a lesson may have been renamed
        for source in [path for pattern in CARRIED for path in sorted(Path().glob(pattern))]:
            (target / source).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / source)


setup(cmdclass={"build_py": BuildWithLessons})
