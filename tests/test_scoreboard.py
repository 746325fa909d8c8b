import re

import pytest
import torch
from puppets import note

from labkit import claims, course, world
from labkit.clips import Clips
from labkit.scoreboard import Scoreboard, version_of
from labkit.studies.two_stream import TwoStream


def study(folder, seed, **values):
    board = Scoreboard("two_stream", profile="study", seed=seed, folder=folder)
    for metric, value in values.items():
        board[metric.replace("__", ".")] = value
    return board.keep()


def test_live_numbers_stand_beside_recorded_ones(tmp_path):
    for seed in range(3):
        study(tmp_path, seed, temporal__l10=80 + seed, temporal__l5=70)
    board = Scoreboard("two_stream", profile="lesson", folder=tmp_path)
    board["temporal.l10"] = 91.25
    html = board.table("table 1").html
    row = next(part for part in html.split("<tr>") if "L = 10, mean subtracted" in part)
    assert "live" in row
    assert "91.2" in row
    assert "81.0" in row  # the paper's
    row = next(part for part in html.split("<tr>") if "L = 5, mean subtracted" in part)
    assert "recorded" in row
    assert "70.0" in row
    assert "not yet run" in html  # all other rows


def test_a_number_is_known_live_or_from_records(tmp_path):
    for seed in (0, 1, claims.DEVELOPMENT):
        study(tmp_path, seed, temporal__l10=80 + 4 * seed)
    board = Scoreboard("two_stream", profile="lesson", folder=tmp_path)
    assert board.known("temporal.l10") == 82  # the mean; a development seed does not count
    board["temporal.l10"] = 91
    assert board.known("temporal.l10") == 91
    assert board.known("temporal.l5") is None
    with pytest.raises(claims.ClaimsError, match=r"no metric 'temporal\.l7'"):
        board.known("temporal.l7")


def test_a_lesson_leaves_no_record(tmp_path):
    board = Scoreboard("two_stream", profile="lesson", folder=tmp_path)
    board["temporal.l10"] = 50
    assert len(board.keep()) == 1
    assert claims.records("two_stream", tmp_path) == []


def test_a_study_is_recorded_with_its_versions(tmp_path):
    (line,) = study(tmp_path, 4, temporal__l10=81.5)
    assert claims.records("two_stream", tmp_path) == [line]
    assert (line.seed, line.value, line.world, line.version) == (4, 81.5, world.VERSION, TwoStream.version)
    board = Scoreboard("two_stream", profile="paper", dataset="ucf101", folder=tmp_path)
    board["temporal.l10"] = 81
    assert board.keep()[0].world == 0  # no world in it


def test_versions_are_those_of_studies_or_of_papers_without_one():
    papers = claims.ledger()
    assert version_of(papers["two_stream"]) == TwoStream.version
    assert version_of(papers["comparison"]) == 0


def test_a_data_set_that_the_notebook_does_not_know_is_refused():
    with pytest.raises(ValueError, match="dataset must be one of world, hmdb51, act, fcvid; got 'ucf101'"):
        Scoreboard("temporal_difference", profile="paper", dataset="ucf101")


def test_a_row_that_is_partly_live_says_so(tmp_path):
    board = Scoreboard("comparison", profile="study", folder=tmp_path)
    board["tdn.accuracy"] = 80
    (line,) = board.keep()
    assert line.version == 0  # no paper's
    board = Scoreboard("comparison", profile="lesson", folder=tmp_path)
    board["tdn.test"] = board["spatial.test"] = 3
    rows = {row.split("</th>")[0]: row for row in board.table("table 1").html.split('<th scope="row">')[1:]}
    part, whole = (next(row for name, row in rows.items() if name.startswith(who)) for who in ("TDN", "Spatial"))
    assert "live in part" in part
    assert "live in part" not in whole
    assert "live" in whole
    assert board.judged() == []


def test_verdicts_are_listed(tmp_path):
    for seed in range(3):
        values = {"temporal__l10": 80 + seed, "spatial__last_layer_d5": 50 + seed}
        values |= {"spatial__fine_tune_d5": 61, "spatial__fine_tune_d9": 60}
        study(tmp_path, seed, **values)
    html = Scoreboard("two_stream", profile="lesson", folder=tmp_path).verdicts().html
    assert "1 holds, 1 fails, 12 not yet run" in html  # ts.last_layer: 60 and 51 are no equals
    assert "ts.temporal" in html
    below = Scoreboard("two_stream", profile="lesson", folder=tmp_path).table("table 1", claimed=("ts.temporal",)).html
    assert "ts.temporal" in below
    assert "ts.svm" not in below


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="paper must be one of two_stream"):
        Scoreboard("three_stream", profile="lesson")
    board = Scoreboard("two_stream", profile="lesson", folder=tmp_path)
    with pytest.raises(claims.ClaimsError, match="no metric"):
        board["temporal.l11"] = 1
    with pytest.raises(ValueError, match="entry must be one of table 1"):
        board.table("table 9")
    with pytest.raises(ValueError, match="entry must be one of table 1"):
        board.table("figure 2")  # has no numbers
    with pytest.raises(KeyError):
        board["temporal.l10"]


class Some(Clips):
    """So many clips of a set, of which others are not there."""

    def __init__(self, there, lacking=0):
        self.classes, self.num_lacking = ("one",), lacking
        self.labels = self.groups = torch.zeros(there, dtype=torch.int64)

    def __getitem__(self, index):
        raise AssertionError("nobody looks at them")


def test_records_tell_how_many_clips_they_are_made_from(tmp_path):
    board = Scoreboard("two_stream", profile="paper", dataset="ucf101", folder=tmp_path)
    board.clips([Some(7430)], [Some(3783)])
    board.clips([Some(2, 3568), Some(10)], [Some(1530)], ["small.*"])
    board["temporal.l10"], board["small.alone"] = 81.0, 46.6
    board.keep()
    found = {line.metric: line for line in claims.records("two_stream", tmp_path)}
    whole, trial = found["temporal.l10"], found["small.alone"]
    assert (whole.train, whole.train_listed, whole.test, whole.test_listed) == (7430, 7430, 3783, 3783)
    assert not whole.partial
    assert (trial.train, trial.train_listed, trial.test, trial.test_listed) == (12, 3580, 1530, 1530)
    assert trial.partial


def test_a_trial_on_few_videos_says_so_and_counts_nowhere(tmp_path):
    for seed in range(3):
        board = Scoreboard("two_stream", profile="study", dataset="ucf101", seed=seed, folder=tmp_path)
        board.clips([Some(5, 9532)], [Some(12, 3771)])
        board["temporal.l10"], board["spatial.fine_tune_d5"] = 100, 10
        board["spatial.last_layer_d5"] = board["spatial.fine_tune_d9"] = 10
        board.keep()
    trial = "trained on 5 of 9,537 training clips and measured on 12 of 3,783 test clips"
    row = next(part for part in board.table("table 1").html.split("<tr>") if "L = 10, mean subtracted" in part)
    assert f"live, a trial: {trial}" in row
    assert f"this run is a trial, {trial}, and does not count" in board.verdicts().html
    later = Scoreboard("two_stream", profile="lesson", dataset="ucf101", folder=tmp_path)
    assert later.known("temporal.l10") is None
    assert "recorded" not in later.table("table 1").html
    assert {verdict.outcome for verdict in later.judged()} == {claims.Outcome.NOT_RUN}


@pytest.mark.parametrize(
    ("dataset", "heading"),
    [("world", "the world&#x27;s places"), ("folder", "your photos"), ("oxford5k", "Oxford"), ("holidays", "Holidays")],
)
def test_photos_are_not_called_by_the_name_of_another_set(tmp_path, dataset, heading):
    board = Scoreboard("conv_vlad", profile="lesson", dataset=dataset, folder=tmp_path)
    board["multi.full"] = board["multi.128"] = board["layer.best"] = 90.0
    for name in ("table 2.2", "table 2.3", "figure 2.2"):
        html = board.table(name).html
        assert [part.split("<")[0] for part in html.split('<th scope="col" class="ours">')[1:]] == [heading]


def test_every_notebook_that_may_skip_videos_says_which_clips_its_numbers_are_made_from():
    sources = [source for source in course.sources() if "missing=missing" in source.read_text(encoding="utf-8")]
    sources += [source for source in course.sources() if '"missing": missing' in source.read_text(encoding="utf-8")]
    assert len(sources) == 8  # 02 to 09
    texts = [source.read_text(encoding="utf-8") for source in sources]
    assert all("board.clips([" in text or "Scoreboard.of(study)" in text for text in texts)


def test_what_follows_from_the_code_stands_in_its_row(tmp_path):
    board = Scoreboard("conv_vlad", profile="lesson", folder=tmp_path)
    html = board.table("table 2.1", computed={"VGG-16 conv5_3": [14, 513]}).html
    row = html[html.index("VGG-16 conv5_3") :]
    assert "513" in row
    assert "513" not in html[: html.index("VGG-16 conv5_3")]
    with pytest.raises(ValueError, match="conv9"):
        board.table("table 2.1", computed={"conv9": [1, 2]})


class Study:
    """What a board asks of a study; it measures as the notebook runs."""

    paper, profile, dataset, seed, split = "conv_vlad", "paper", "holidays", 0, 1
    network, version = "vgg16", 1

    def __init__(self, **changes):
        self.live = {}
        vars(self).update(changes)

    def clip_counts(self, metric):
        return (0, 0), ((3, 9) if metric == "pool.max" else (9, 9))


def rows_of(table):
    """The cells of ours, in words, by the name of the row."""
    rows = {}
    for row in table.html.split('<th scope="row">')[1:]:
        name, _, cells = row.partition("</th>")
        rows[name.replace("<small>", " | ").replace("</small>", "")] = re.findall(
            r'class="ours[^"]*"[^>]*>([^<]+)', cells
        )
    return rows


def test_a_study_is_shown_as_it_measures(tmp_path):
    study = Study(network="googlenet")
    board = Scoreboard.of(study, tmp_path)
    study.live["multi.full"] = 84.5  # after the board was made
    study.live["pool.max"] = 70.0
    assert board["multi.full"] == board.known("multi.full") == 84.5
    assert rows_of(board.table("table 2.2"))["Theirs, GoogLeNet | live"] == ["84.5"]
    trial = "live, a trial: measured on 3 of 9 test clips"
    assert any(trial in name for name in rows_of(board.table("table 2.3")))
    assert trial.partition("trial: ")[2] in board.verdicts().html


def test_a_study_files_its_own_records(tmp_path):
    board = Scoreboard.of(Study(), tmp_path)
    for attempt in (board.keep, lambda: board.clips([], []), lambda: board.__setitem__("multi.full", 1)):
        with pytest.raises(claims.ClaimsError, match="the study of conv_vlad files its own records"):
            attempt()
    with pytest.raises(ValueError, match=r"dataset must be one of world, holidays, .*; got 'act'"):
        Scoreboard.of(Study(dataset="act"))
    with pytest.raises(ValueError, match="paper must be one of two_stream"):
        Scoreboard.of(Study(paper="three_stream"))


def test_a_number_stands_in_the_row_of_its_network_and_the_column_of_its_data_set(tmp_path):
    for network, dataset, value in (
        ("googlenet", "holidays", 84),
        ("vgg16", "oxford5k", 65),
        ("vgg16", "holidays", 83),
    ):
        note(tmp_path, {"multi.full": value}, paper="conv_vlad", profile="paper", dataset=dataset, network=network)
    study = Study(live={"multi.full": 71.5}, network="vgg16", dataset="paris6k")
    table = Scoreboard.of(study, tmp_path).table("table 2.2")
    assert [part.split("<")[0] for part in table.html.split('<th scope="col" class="ours">')[1:]] == [
        *("Holidays", "Oxford", "Paris"),
    ]
    rows = rows_of(table)
    (vgg,) = (cells for name, cells in rows.items() if name.startswith("Theirs, VGG-16"))
    (googlenet,) = (cells for name, cells in rows.items() if name.startswith("Theirs, GoogLeNet"))
    assert vgg == ["83.0", "65.0", "71.5"]
    assert googlenet == ["84.0"]


def test_a_record_says_its_network_and_split(tmp_path):
    board = Scoreboard("two_stream", profile="study", folder=tmp_path)
    board["temporal.l10"], board["splits.temporal"] = 81, 83
    assert {record.metric: (record.network, record.split) for record in board.keep()} == {
        "temporal.l10": ("cnn_m_tiny", 1),
        "splits.temporal": ("cnn_m_tiny", 0),
    }
    board = Scoreboard("conv_vlad", profile="paper", dataset="holidays", network="vgg16", folder=tmp_path)
    board["multi.full"] = 83.8
    assert board.keep()[0].network == "vgg16"
    board = Scoreboard("temporal_difference", profile="paper", dataset="hmdb51", split=1, folder=tmp_path)
    board["tdn.rgb"], board["mixing.gate"] = 55, 55
    assert {record.split for record in board.keep()} == {1}
    assert board.judged()[0].outcome is claims.Outcome.NOT_RUN
    assert board.known("tdn.rgb") == 55  # live; of three splits one is no result
    assert (
        Scoreboard("temporal_difference", profile="paper", dataset="hmdb51", folder=tmp_path).known("tdn.rgb") is None
    )
