"""A paper about puppets: its ledger, claims on its metrics, and records of them."""

from labkit import claims
from labkit.claims import Paper, Record, Selection, parse
from labkit.world import VERSION

LEDGER = """
notebook = "02"
title = "Punch & Judy"
link = "https://example.org/puppets"
datasets = ["theatre", "fair"]
networks = { study = "strings_tiny", paper = "strings" }

[metrics]
c = "%: a third way"
d = { meaning = "%: over all evenings", splits = 3 }

[names]
a = "the first way"

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

[[table]]
id = "2"
title = "Two stages"
where = "section 2"
unit = "%"
splits = { theatre = 2 }
columns = ["seats", "Theatre", "Fair"]
datasets = { theatre = "Theatre", fair = "Fair" }
headings = { world = "the world's stage" }
rows = [
  { name = "strings", paper = [80, 1.5, "-"], ours = "e" },
  { name = "gloves", paper = [90, 2.5, 3.5], ours = "e", network = "gloves", why = "real stages only" },
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


def puppets(networks=None, splits=None):
    """A paper without tables, for a `Selection`."""
    names = {"name": "puppets", "notebook": "02", "title": "Punch & Judy", "link": ""}
    sizes = {"networks": networks or {}, "splits": splits or {}}
    metrics = {name: f"%: {name}" for name in "abcdef"}
    return Paper(**names, **sizes, datasets=("world", "ucf101"), metrics=metrics, entries=(), claims=())


def one_claim(*statements, **written):
    steps = tuple(step for text in statements for step in parse(text))
    return claims.Claim("p.better", "puppets", "One is better.", "section 1", steps, **written)


def verdict(claim, measured, **selected):
    """What records make of a claim of the puppets."""
    return claims.verdict(claim, measured, Selection(puppets(), **selected))


def a_record(metric="a", seed=0, value=1.0, **changes):
    usual = {"paper": "puppets", "dataset": "world", "split": 1, "profile": "study", "world": 1, "version": 1}
    return Record(**(usual | {"metric": metric, "seed": seed, "value": value, "labkit": "0.1.0"} | changes))


def measured(metric, *values, seeds=None, **changes):
    """Records of a metric, a value for each seed."""
    seeds = range(len(values)) if seeds is None else seeds
    return [a_record(metric, seed, float(value), **changes) for seed, value in zip(seeds, values, strict=True)]


def note(folder, values, seed=0, **changes):
    """Write records of back-dropout."""
    changes = {"paper": "back_dropout", "world": VERSION} | changes
    claims.write([a_record(metric, seed, value, **changes) for metric, value in values.items()], folder)
