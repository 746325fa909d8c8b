"""What the studies of all papers are held to: a row asks for the trainings that it says, and is the same alone."""

from fnmatch import fnmatchcase


def lend(study, other, computed=("scores.",)):
    """Let a study have what another one has trained, but not what it has computed, by the beginnings of its names."""
    kept = other._keeper.memory
    study._keeper.memory |= {name: kept[name] for name in kept if not name.startswith(computed)}
    study.curves |= other.curves


def require_same_values(study, other, name, but=()):
    """A row of a study has the values that another study has measured; times among them may differ."""
    measured = study.measure(name)
    wanted = {metric: other.live[metric] for metric in study.row(name).metrics}
    assert {m: v for m, v in measured.items() if m not in but} == {m: v for m, v in wanted.items() if m not in but}


def require_needs(row, trainings, given=()):
    """The trainings that a row has asked for are those of its ``needs``, but for needs that begin as one given."""
    asked = {training.name for training in trainings}
    needs = [need for need in row.needs if not need.startswith(tuple(given))]
    assert all(any(fnmatchcase(training, need) for need in needs) for training in asked)
    assert all(any(fnmatchcase(training, need) for training in asked) for need in needs)
