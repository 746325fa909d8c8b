"""What the studies of all papers are held to: a row asks for the trainings that it says, and its values are its own.

The values of a row depend neither on what was measured before it nor on what was trained before it.
"""

from fnmatch import fnmatchcase

from torch import nn


def one_of_each_method(kind, dataset, but=()):
    """Rows that can be measured on a data set, the last one of each method that makes rows: others read it alike."""
    rows = [row for row in kind.rows().values() if row.is_measured_on(dataset, 1) and row.name not in but]
    return list({row.method: row.name for row in rows}.values())


def measured(kind):
    """A study in the profile smoke that has measured all rows, in their order; its hits are of the clips that count."""
    study = kind("smoke", seed=1000)
    study.measure(*study.rows())
    for metric, measure in ((metric, one) for row in study.measures.values() for metric, one in row.items()):
        assert measure.hits is None or len(measure.hits) == study.clip_counts(metric)[1][0], metric
    return study


def like(study, clips):
    """A new study with the clips of another one, by the names of its attributes."""
    other = type(study)(study.profile, seed=study.seed)
    for name in clips:
        setattr(other, name, getattr(study, name))
    return other


def lend(study, other, computed=True):
    """Let a study have the networks that another one has trained, and what it has computed with them."""
    kept = other._keeper.memory.items()
    study._keeper.memory |= {name: value for name, value in kept if computed or isinstance(value[0], nn.Module)}
    study.curves |= other.curves


def require_needs(row, asked, given=()):
    """The trainings that a row asks for are those of its ``needs``, but for needs that begin as one given."""
    needs = [need for need in row.needs if not need.startswith(tuple(given))]
    assert all(any(fnmatchcase(training, need) for need in needs) for training in asked)
    assert all(any(fnmatchcase(training, need) for training in asked) for need in needs)


def require_row_asks_as_it_says(together, name, clips, given=()):
    """A row of a study whose networks, scores and features are those of another one: nothing is computed twice."""
    study = like(together, clips)
    lend(study, together)
    study.measure(name)
    trained = {training.name for training in together.asked}
    pieces = {piece.rpartition("/")[2] for piece, _ in study._keeper.clock.pieces}  # also those behind what is kept
    require_needs(study.row(name), pieces & trained, given)


def require_same_in_reverse(together, clips, but=()):
    """All rows in reverse order, on the same networks; times among the values may differ."""
    study = like(together, clips)
    lend(study, together, computed=False)
    study.measure(*reversed(study.rows()))
    assert {m: v for m, v in study.live.items() if m not in but} == {
        m: v for m, v in together.live.items() if m not in but
    }


def require_same_alone(together, name, clips):
    """A row that trains its networks by itself."""
    study = like(together, clips)
    assert study.measure(name) == {metric: together.live[metric] for metric in study.row(name).metrics}
