"""What causes quote of the lab's own records is what these say."""

from statistics import fmean

import pytest

from labkit.claims import Selection, ledger, parse, records

QUOTED = [
    ("ts.last_layer", "{:.1f} against {:.1f} %", "spatial.fine_tune_d5", "spatial.last_layer_d5"),
    ("ts.last_layer", "gains {:.0f} points", "spatial.fine_tune_d5 - spatial.last_layer_d5"),
    ("ts.last_layer", "learns less ({:.1f} %", "spatial.fine_tune_d9"),
    ("ts.slow_fusion", "has not learned here ({:.1f} %", "spatial.scratch_d9"),
    ("ts.multitask", "{:.0f} % alone, multi-task learning makes {:.0f} %", "small.alone", "small.multi_task"),
    (
        "long.convpool",
        "Late {:.1f}, Slow {:.1f}, Local {:.1f}, Conv {:.1f} %",
        "pool.late",
        "pool.slow",
        "pool.local",
        "pool.conv",
    ),
    ("long.convpool", "the backbone trained along ({:.1f} %)", "expand.direct"),
    ("long.expand", "{:.1f} %, more than the single-frame network ({:.1f})", "expand.hit1", "alexnet.single"),
    ("long.gain", "{:.1f} against {:.1f} and {:.1f} %", "gain.linear", "gain.ones", "gain.last"),
    ("long.flow_noisy", "{:+.1f} and {:+.1f}", "lstm.both - lstm.images", "googlenet.conv_both - googlenet.conv"),
    ("long.flow_noisy", "gains {:.1f} points", "googlenet.conv120_both - googlenet.conv120"),
    ("afn.multitask", "{:.1f} against {:.1f} with eight", "multi16.small", "fine_tune16.small"),
    ("afn.multi_frame", "{:.1f} against {:.1f} %", "multi16.large", "multi2.large"),
    ("att.unatt", "{:.0f} are what the vote", "resnet.mean_filtered - resnet.cnn_filtered"),
    ("att.unatt", "plain mean of their scores ({:.1f} %", "resnet.mean_filtered"),
    ("att.unatt", "against the mean UnAtt gains {:.0f} (", "resnet.unatt_filtered - resnet.mean_filtered"),
    ("nb.size", "{:.1f} points less", "size.full - size.third"),
]


def means_of(paper, sums):
    """Sums of metrics, each as its mean over the seeds of the lab's own records."""
    seeds = Selection(ledger()[paper]).values(records(paper)).values()
    asked = [parse(f"{written} > 0 by 0")[0] for written in sums]
    return [fmean(statement.difference(values) for values in seeds) for statement in asked]


@pytest.mark.parametrize(("name", "text", "sums"), [(name, text, sums) for name, text, *sums in QUOTED])
def test_causes_quote_the_records(name, text, sums):
    paper, claim = next((paper, claim) for paper in ledger().values() for claim in paper.claims if claim.id == name)
    assert text.format(*means_of(paper.name, sums)) in claim.cause
