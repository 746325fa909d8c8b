import platform
import subprocess
import sys

import pytest

from labkit import memory

SCATTERED = """
import resource
from labkit.memory import give_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

pieces = [bytes(50_000) for _ in range(4_000)]  # 200 MB, each below the size that is given back by itself
kept = pieces[::40]  # and some in between, so that the heap cannot shrink from its end
before = resident()
del pieces
freed = resident()
give_back()
print(before - freed, freed - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what is freed, and can be told")
def test_what_lies_scattered_is_given_back():
    done = subprocess.run([sys.executable, "-c", SCATTERED], capture_output=True, text=True, check=True)
    by_itself, told = map(int, done.stdout.split())
    assert by_itself < 50e6
    assert told > 120e6


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", None)
    memory.give_back()
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    memory.give_back()
