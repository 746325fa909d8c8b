"""Whoever changes what a study computes raises its version: one short row of each paper is computed again.

The sizes of the weights that a row trains, and its values, were written down with the version of the study. A change of
the code that leaves them alone may keep the version, and with it hours of records; one that does not must raise it, and
then this file writes them down anew:

    python tests/studies/test_versions.py
"""

import json
from pathlib import Path

import pytest

from labkit.studies import study_of

ROWS = {
    "02": "temporal.l1",
    "03": "rnn2",
    "04": "norm.intra",
    "05": "pool.conv",
    "06": "fine_tune.large",
    "07": "tsn.rgb",
    "08": "image.resnet_filtered",
    "09": "fine_tuned",
}
"""The shortest of each paper that trains something; of 04, which trains nothing, one that measures."""

WRITTEN = Path(__file__).with_suffix(".json")


def computed(number):
    """Version of a study, the values of its row, and of each training the sum of the sizes of its weights.

    04 trains nothing: there it is the sum of the sizes of what stands for the photos, from the last layer.
    """
    study = study_of(number)("smoke", seed=1000)
    values = study.measure(ROWS[number])
    trained = [training.name for training in study.asked]
    kept = study._keeper.memory
    nets = {name: kept[name][0] for name in trained if name in kept}
    sums = {name: sum(p.detach().double().abs().sum().item() for p in net.parameters()) for name, net in nets.items()}
    if number == "04":
        last = study.layers[-1]
        described = {"vlad": study.descriptors(last), "max-pooling": study.pooled("max", last)}
        sums = {name: sizes.double().abs().sum().item() for name, sizes in described.items()}
    return {"version": study.version, "row": ROWS[number], "values": dict(values), "weights": sums}


@pytest.mark.parametrize("number", ROWS)
def test_what_a_study_computes_is_what_was_written_down_with_its_version(number):
    then, now = json.loads(WRITTEN.read_text())[number], computed(number)
    assert then["version"] == now["version"], "the version was raised: write the numbers down anew"
    same = then["values"] == pytest.approx(now["values"], abs=2)  # another machine may name another clip rightly
    if then["weights"] != pytest.approx(now["weights"], rel=2e-6) or not same:
        pytest.fail(f"{number} computes something else than it did: raise its version; {then} is now {now}")


if __name__ == "__main__":
    WRITTEN.write_text(json.dumps({number: computed(number) for number in ROWS}, indent=2) + "\n")
