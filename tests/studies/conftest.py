"""Studies that several test files look at, each measured once."""

import pytest
from contract import measured

from labkit.studies.attention_transfer import AttentionTransfer
from labkit.studies.frame_rnn import FrameRNN
from labkit.studies.temporal_difference import TemporalDifference


@pytest.fixture(scope="session")
def attention_transfer():
    return measured(AttentionTransfer)


@pytest.fixture(scope="session")
def frame_rnn():
    return measured(FrameRNN)


@pytest.fixture(scope="session")
def temporal_difference():
    return measured(TemporalDifference)
