"""A paper about puppets: its ledger, claims on its metrics, and records of them."""

from labkit import claims
from labkit.claims import Record, parse, record

LEDGER = """
notebook = "02"
title = "Punch & Judy"

[metrics]
c = "%: a third way"

[[table]]
id = "1"
title = "Two ways"
where = "section 1"
unit = "% accuracy"
columns = ["one", "two"]
why = "not rebuilt"
rows = [
  { name = "ours too", paper = [1.5, "-"], ours = ["a", "b"] },
  { name = "theirs only", paper = ["fast", 2] },
]

[[figure]]
id = "1"
title = "A stage"
where = "section 2"
shows = "A stage."

[[claim]]
id = "p.better"
says = "One is better."
where = "section 1"
holds_if = ["a > b by 1"]
"""


def one_claim(*statements, cause=""):
    steps = tuple(step for text in statements for step in parse(text))
    return claims.Claim("p.better", "puppets", "One is better.", "section 1", steps, cause=cause)


def measured(metric, *values, seeds=None, dataset="world", profile="study", world=1, module=1):
    seeds = range(len(values)) if seeds is None else seeds
    return [
        Record(dataset, profile, metric, seed, float(value), world, module, "0.1.0")
        for seed, value in zip(seeds, values, strict=True)
    ]


def note(folder, values, seed=0, profile="study", module=1, **clips):
    return record("back_dropout", values, seed=seed, profile=profile, module=module, world=1, folder=folder, **clips)
