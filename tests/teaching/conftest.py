import pytest
import sample
from handing_in import VARIANT, answered

from labkit.teaching.release import build


@pytest.fixture
def assignment(tmp_path):
    return sample.assignment(tmp_path)


@pytest.fixture
def notebook(assignment):
    """A release in which everything is answered."""
    return answered(build(assignment, "s1", VARIANT))
