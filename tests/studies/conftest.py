"""Studies that several test files look at, each measured once, on a disk with room for them."""

import shutil

import pytest
from contract import measured

from labkit.studies.attention_transfer import AttentionTransfer
from labkit.studies.frame_rnn import FrameRNN
from labkit.studies.temporal_difference import TemporalDifference


@pytest.fixture(autouse=True)
def disk_with(monkeypatch):
    """A terabyte is free, however full the disk of this machine: networks of the paper's size want a lot, on paper.

    Returns a function that sets how many bytes are free.
    """

    def free(count: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12 - count, count))

    free(10**12)
    return free


@pytest.fixture(scope="session")
def attention_transfer():
    return measured(AttentionTransfer)


@pytest.fixture(scope="session")
def frame_rnn():
    return measured(FrameRNN)


@pytest.fixture(scope="session")
def temporal_difference():
    return measured(TemporalDifference)
