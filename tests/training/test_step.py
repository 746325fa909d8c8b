from labkit.training import Step


def test_steps_compare_without_their_time():
    assert Step(0, 1.0, 0.1, 5.0) == Step(0, 1.0, 0.1, 7.0) != Step(0, 1.5, 0.1, 5.0)
