"""From measured rows to the records of the ledger, and back: what of a row is written down already."""

from pathlib import Path

from labkit import claims
from labkit.studies.study import Study
from labkit.world import VERSION as WORLD


def records(study: Study, name: str) -> list[claims.Record]:
    """Everything that is to be written down of a row that a study has measured, a record a metric.

    Args:
        study: that has measured it.
        name: of the row.
    """
    lines = []
    for metric, measure in study.measures[name].items():
        (train, train_listed), (test, test_listed) = study.clip_counts(metric)
        lines.append(
            claims.Record(
                paper=study.paper,
                row=name,
                metric=metric,
                network=study.network,
                dataset=study.dataset,
                split=study.split,
                profile=study.profile,
                seed=study.seed,
                value=round(float(measure.value), 6),
                stderr=None if measure.stderr is None else round(measure.stderr, 6),
                hits="" if measure.hits is None else claims.pack_hits(measure.hits),
                train=train,
                train_listed=train_listed,
                test=test,
                test_listed=test_listed,
                photos=study.own_photos,
                precision="" if study.precision == "no" else study.precision,
                seconds=round(study.seconds[name], 1),
                spent=max(round(study.spent[name], 1), 0.1),  # 0 would say that nobody has noted it
                version=study.version,
                world=WORLD if study.dataset == "world" else 0,
                **claims.provenance(),
            )
        )
    return lines


def recorded(study: Study, name: str, folder: Path | None) -> list[claims.Record]:
    """The records of a row with the settings of a study, its version and the world's; empty if a metric lacks one.

    The precision is none of these settings: records of one are not replaced by those of another unasked.

    Args:
        study: of these settings.
        name: of the row.
        folder: where records are; None: the clone's ledger.
    """
    world = WORLD if study.dataset == "world" else 0
    photos = study.own_photos  # looks at each of them
    settings = (name, study.network, study.dataset, study.profile, study.seed, study.version, world)
    lines = [
        line
        for line in claims.records(study.paper, folder)
        if (line.row, line.network, line.dataset, line.profile, line.seed, line.version, line.world) == settings
        and line.photos == photos
        and line.split in (study.split, 0)  # 0: the mean over all splits, of earlier versions
        and (not line.partial or _of_the_clips_there(study, line))
    ]
    return lines if {line.metric for line in lines} >= set(study.rows()[name].metrics) else []


def _of_the_clips_there(study: Study, line: claims.Record) -> bool:
    """Whether a record of a part of a data set is of the part that is there today, and such a part is asked for."""
    counts = (line.train, line.train_listed), (line.test, line.test_listed)
    return study.missing == "skip" and counts == study.clip_counts(line.metric)
