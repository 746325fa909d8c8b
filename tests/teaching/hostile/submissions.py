"""Submissions that break, cheat or look around: each turns a solved notebook of the toy assignment into one of them.

``SUBMISSIONS`` has them by name; ``LOSES`` says which questions each may lose, all others keep their points; what is
not named there loses nothing. ``zip_slip`` and the other two at the end make files that a collector must refuse.
A submission that tries to leave the box takes what it needs to know from `OUTSIDE`, a folder and ports that a test
has prepared; without them it tries what any machine has.
"""

import zipfile

from teaching.hostile import accidents as accidents
from teaching.hostile import attacks as attacks
from teaching.hostile import bombs as bombs
from teaching.hostile.making import LOSES as LOSES
from teaching.hostile.making import OUTSIDE as OUTSIDE
from teaching.hostile.making import QUESTIONS as QUESTIONS
from teaching.hostile.making import SUBMISSIONS as SUBMISSIONS


def zip_slip(path):
    """An archive that wants to write above the folder it is unpacked in, absolutely, and through a link."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fine/00_toy.ipynb", "{}")
        archive.writestr("../slipped.txt", "x")
        archive.writestr("/tmp/labkit-slipped.txt", "x")
        archive.writestr("a\\..\\..\\slipped.txt", "x")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")
        archive.writestr("link/slipped.txt", "x")
    return path


def zip_bomb(path, megabytes=3000):
    """An archive of a few megabytes that unpacks to very many."""
    zeros = b"\0" * 1_000_000
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("00_toy.ipynb", "w", force_zip64=True) as file,
    ):
        for _ in range(megabytes):
            file.write(zeros)
    return path


def unicode_name(folder):
    """A folder of a student whose name has letters, marks and spaces of many kinds, and a formula in it."""
    path = folder / "=Zoë Ål\u0065\u0301 李\u202e 😀_123_assignsubmission_file"
    path.mkdir()
    return path
