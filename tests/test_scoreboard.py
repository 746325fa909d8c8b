"""A board shows what a run measures beside the paper's numbers and those of records."""

import re

import pytest
from puppets import note

from labkit import claims
from labkit.scoreboard import Scoreboard
from labkit.studies import study_of
from labkit.studies.two_stream import TwoStream
from labkit.world import VERSION


class Run:
    """What a board asks of a study; it measures as the notebook runs."""

    paper, profile, dataset = "two_stream", "lesson", "world"
    network, version = "cnn_m_tiny", TwoStream.version
    there = 9

    def __init__(self, **changes):
        self.live = {}
        vars(self).update(changes)

    def clip_counts(self, metric):
        return (5, 5), ((self.there, 9) if metric.startswith(("pool.max", "temporal.")) else (9, 9))


pytestmark = pytest.mark.usefixtures("thawed")


def recorded(folder, seed=0, **values):
    values = {metric.replace("__", "."): value for metric, value in values.items()}
    note(folder, values, paper="two_stream", seed=seed, version=TwoStream.version, world=VERSION)


def rows_of(table):
    """The cells of ours, in words, by the name of the row."""
    rows = {}
    for row in table.html.split('<th scope="row">')[1:]:
        name, _, cells = row.partition("</th>")
        rows[name.replace("<small>", " | ").replace("</small>", "")] = re.findall(
            r'class="ours[^"]*"[^>]*>([^<]+)', cells
        )
    return rows


def row_of(html, name):
    return next(part for part in html.split("<tr>") if name in part)


def test_live_numbers_stand_beside_recorded_ones(tmp_path):
    for seed in range(3):
        recorded(tmp_path, seed, temporal__l10=80 + seed, temporal__l5=70)
    run = Run()
    board = Scoreboard(run, tmp_path)
    run.live["temporal.l10"] = 91.25  # after the board was made
    html = board.table("table 1").html
    row = row_of(html, "L = 10, mean subtracted")
    assert "live" in row
    assert "91.2" in row
    assert "81.0" in row  # the paper's
    assert "live (recorded: 81.0)" in row
    row = row_of(html, "L = 5, mean subtracted")
    assert "recorded" in row
    assert "70.0" in row
    assert "not yet run" in html  # all other rows


def test_a_live_number_stands_beside_older_ones_that_keep_their_mark(tmp_path):
    note(tmp_path, {"temporal.l10": 81.0}, paper="two_stream", version=TwoStream.version - 1, world=VERSION)
    run = Run()
    run.live["temporal.l10"] = 91.25
    row = row_of(Scoreboard(run, tmp_path).table("table 1").html, "L = 10, mean subtracted")
    assert "live (↻ measured with an earlier version: 81.0)" in row


def test_a_number_is_known_live_or_from_records(tmp_path):
    for seed in (0, 1, claims.DEVELOPMENT):
        recorded(tmp_path, seed, temporal__l10=80 + 4 * seed)
    run = Run()
    board = Scoreboard(run, tmp_path)
    assert board.known("temporal.l10") == 82  # the mean; a development seed does not count
    run.live["temporal.l10"] = 91
    assert board.known("temporal.l10") == board.live["temporal.l10"] == 91
    assert board.known("temporal.l5") is None
    with pytest.raises(claims.ClaimsError, match=r"no metric 'temporal\.l7'"):
        board.known("temporal.l7")


def test_a_row_that_is_partly_live_says_so(tmp_path):
    note(tmp_path, {"tdn.accuracy": 80}, paper="comparison", version=1, network="all_tiny")
    live = {"tdn.gflop": 3, "spatial.gflop": 3}
    board = Scoreboard(Run(paper="comparison", network="all_tiny", version=1, live=live), tmp_path)
    html = board.table("table 2").html
    assert "live in part" in row_of(html, "TDN (07)")
    assert "live in part" not in row_of(html, "Spatial stream (02)")
    assert "live" in row_of(html, "Spatial stream (02)")
    assert board.judged() == []


def test_verdicts_are_listed(tmp_path):
    for seed in range(3):
        values = {"temporal__l10": 80 + seed, "spatial__last_layer_d5": 50 + seed}
        recorded(tmp_path, seed, **values, spatial__fine_tune_d5=61, spatial__fine_tune_d9=60)
    board = Scoreboard(Run(), tmp_path)
    html = board.verdicts().html
    assert (
        "1 holds, 1 the other way round, 1 condition absent, 15 not yet run" in html
    )  # ts.last_layer: 60 and 51 are no equals
    assert "ts.temporal" in html
    below = board.table("table 1", claimed=("ts.temporal",)).html
    assert "ts.temporal" in below
    assert "ts.svm" not in below


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="paper must be one of two_stream"):
        Scoreboard(Run(paper="three_stream"))
    with pytest.raises(ValueError, match="paper must be one of two_stream"):
        Scoreboard.of_records("three_stream")
    with pytest.raises(ValueError, match=r"dataset must be one of world, .*; got 'act'"):
        Scoreboard(Run(dataset="act"))
    board = Scoreboard(Run(), tmp_path)
    with pytest.raises(ValueError, match="entry must be one of table 1"):
        board.table("table 9")
    with pytest.raises(ValueError, match="entry must be one of table 1"):
        board.table("figure 2")  # has no numbers


def test_a_trial_on_few_videos_says_so(tmp_path):
    run = Run(profile="paper", dataset="ucf101", live={"temporal.l10": 100.0, "slow_fusion": 10.0}, there=3)
    board = Scoreboard(run, tmp_path)
    trial = "measured on 3 of 9 test clips"
    assert f"live, a trial: {trial}" in row_of(board.table("table 1").html, "L = 10, mean subtracted")
    assert f"this run is a trial, {trial}, and does not count" in board.verdicts().html


@pytest.mark.parametrize(
    ("dataset", "heading"),
    [("world", "the world&#x27;s places"), ("folder", "your photos"), ("oxford5k", "Oxford"), ("holidays", "Holidays")],
)
def test_photos_are_not_called_by_the_name_of_another_set(tmp_path, dataset, heading):
    live = dict.fromkeys(("multi.full", "multi.128", "layer.best"), 90.0)
    board = Scoreboard(Run(paper="conv_vlad", network="googlenet_tiny", dataset=dataset, live=live), tmp_path)
    for name in ("table 2.2", "table 2.3", "figure 2.2"):
        html = board.table(name).html
        assert [part.split("<")[0] for part in html.split('<th scope="col" class="ours">')[1:]] == [heading]


def test_what_follows_from_the_code_stands_in_its_row(tmp_path):
    board = Scoreboard(Run(paper="conv_vlad", network="googlenet_tiny"), tmp_path)
    html = board.table("table 2.1", computed={"VGG-16 conv5_3": [14, 513]}).html
    row = html[html.index("VGG-16 conv5_3") :]
    assert "513" in row
    assert "513" not in html[: html.index("VGG-16 conv5_3")]
    with pytest.raises(ValueError, match="conv9"):
        board.table("table 2.1", computed={"conv9": [1, 2]})


def test_a_number_stands_in_the_row_of_its_network_and_the_column_of_its_data_set(tmp_path):
    for network, dataset, value in (
        ("googlenet", "holidays", 84),
        ("vgg16", "oxford5k", 65),
        ("vgg16", "holidays", 83),
    ):
        note(tmp_path, {"multi.full": value}, paper="conv_vlad", profile="paper", dataset=dataset, network=network)
    live = {"multi.full": 71.5, "pool.max": 70.0}
    run = Run(paper="conv_vlad", profile="paper", version=1, live=live, network="vgg16", dataset="paris6k")
    table = Scoreboard(run, tmp_path).table("table 2.2")
    assert [part.split("<")[0] for part in table.html.split('<th scope="col" class="ours">')[1:]] == [
        *("Holidays", "Oxford", "Paris"),
    ]
    rows = rows_of(table)
    (vgg,) = (cells for name, cells in rows.items() if name.startswith("Theirs, VGG-16"))
    (googlenet,) = (cells for name, cells in rows.items() if name.startswith("Theirs, GoogLeNet"))
    assert vgg == ["83.0", "65.0", "71.5"]
    assert googlenet == ["84.0"]


def test_records_alone_are_those_of_the_data_set_with_the_most(tmp_path):
    for dataset, seeds in (("holidays", 1), ("oxford5k", 2)):
        for seed in range(seeds):
            values = {"multi.full": 80.0 + seed, "multi.128": 70.0}
            note(tmp_path, values, paper="conv_vlad", profile="paper", dataset=dataset, network="vgg16", seed=seed)
    boards = [
        Scoreboard.of_records("conv_vlad", profile="paper", dataset=dataset, folder=tmp_path)
        for dataset in ("", "ucf101", "holidays")
    ]
    assert [board.dataset for board in boards] == ["oxford5k", "oxford5k", "holidays"]
    assert Scoreboard.of_records("conv_vlad", folder=tmp_path).dataset == "world"
    assert boards[0].live == {}


def test_each_unit_has_a_forest_of_its_own(tmp_path):
    version = study_of("06").version
    for seed in range(3):
        values = {"fine_tune.large": 60 + seed, "scratch.large": 40, "small_epe.chairs": 0.5 + seed / 100}
        values["small_epe.target"] = 0.3
        note(tmp_path, values, paper="action_flow_net", seed=seed, version=version, world=VERSION)
    shown = Scoreboard.of_records("action_flow_net", folder=tmp_path).overview()
    points, pixels, _count = (figure.layout.xaxis for figure in shown[:-2])
    assert ("so many points" in points.title.text, "so many pixels" in pixels.title.text) == (True, True)
    assert "+0.05" in pixels.ticktext  # fine enough for hundredths of a pixel
    assert "+10" in points.ticktext


def test_an_overview_draws_statements_and_folds_what_they_are_about(tmp_path):
    words, claimed, tables = Scoreboard.of_records("two_stream", folder=tmp_path).overview()
    assert "18 claims" in words.html
    assert "not yet run" in words.html
    assert "ts.temporal" in claimed.html
    assert "tables, ours beside the paper" in tables.html
    for seed in range(3):
        recorded(tmp_path, seed, temporal__l10=80 + seed, spatial__last_layer_d5=50 + seed, spatial__fine_tune_d5=61)
    board = Scoreboard.of_records("two_stream", folder=tmp_path)
    assert "at most 3 seeds, data set world" in board.overview()[0].layout.title.subtitle.text
    contents = board.contents("02_two_stream").html
    assert 'href="02_two_stream.ipynb"' in contents
    assert "drawn from our data" in contents
    assert re.search(r"[1-9] of \d+ rows measured", contents)
