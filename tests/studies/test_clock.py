"""Seconds of pieces within pieces, by a clock that is moved by hand."""

import pytest

from labkit.studies import clock


@pytest.fixture
def wait(monkeypatch):
    """Lets time pass."""
    now = [100.0]
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return wait


def test_time_spent_on_getting_a_piece_does_not_count_again(wait):
    times = clock.Clock()

    def row():
        wait(1)
        with times.getting():
            wait(50)  # for another process
        times.pieces.append(("network", 7.0))
        wait(2)
        return "answer"

    assert times.timed(row) == ("answer", 3.0, {"network": 7.0})


def test_a_piece_within_a_piece_counts_once(wait):
    times = clock.Clock()

    def network():
        wait(4)

    def features():
        wait(1)
        with times.getting():
            _, seconds, _ = times.timed(network)
        times.pieces.append(("network", seconds))
        wait(2)

    def row():
        with times.getting():
            _, seconds, pieces = times.timed(features)
        times.pieces.append(("features", seconds))
        assert pieces == {"network": 4.0}
        wait(8)

    assert times.timed(row) == (None, 8.0, {"network": 4.0, "features": 3.0})


def test_a_piece_that_is_asked_for_twice_counts_once(wait):
    times = clock.Clock()
    times.pieces.append(("of an earlier row", 5.0))

    def row():
        times.pieces.extend([("network", 7.0), ("network", 7.0)])

    assert times.timed(row) == (None, 0.0, {"network": 7.0})
