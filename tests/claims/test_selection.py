from dataclasses import replace

import pytest
from puppets import measured, puppets

from labkit.claims import ClaimsError, Selection


def test_a_metric_over_three_splits_is_their_mean_and_needs_all_of_them():
    selection = Selection(puppets(splits={"a": {"world": 3}}))
    one, two, three = (measured("a", *values, split=n) for n, values in ((1, (10, 10)), (2, (20, 40)), (3, (60,))))
    assert selection.values(one + two + three) == {0: {"a": 30.0}}  # seed 1 lacks a split
    means = measured("a", 70, seeds=[1], split=0)
    assert selection.values(one + two + three + means) == {0: {"a": 30.0}, 1: {"a": 70.0}}
    assert selection.values(measured("a", 71, split=0) + one + two + three) == {0: {"a": 30.0}}  # the newer kind wins
    elsewhere = Selection(puppets(splits={"a": {"ucf101": 3}}))  # in the world there is one
    assert elsewhere.values(one + two + three) == {0: {"a": 10.0}, 1: {"a": 10.0}}


def test_of_other_metrics_the_first_split_counts_and_so_does_the_mean_of_earlier_versions():
    selection = Selection(puppets())
    assert selection.values(measured("a", 5, 6, split=2)) == {}
    assert selection.values(measured("a", 5, 6, split=1)) == {0: {"a": 5.0}, 1: {"a": 6.0}}
    assert selection.values(measured("a", 7, split=0)) == {0: {"a": 7.0}}


def test_a_stale_split_makes_no_fresh_mean():
    selection = Selection(puppets(splits={"a": {"world": 2}}), version=2)
    lines = measured("a", 10, split=1, version=2) + measured("a", 20, split=2, version=1)
    assert selection.values(lines) == {0: {"a": 15.0}}
    assert selection.values(lines, stale=False) == {}


def test_the_papers_network_counts_and_a_named_one_alone_where_asked():
    lines = [
        *measured("a", 1, network="strings_tiny"),
        *measured("a", 2, network="gloves"),
        *measured("b", 3, network=""),  # needs none
        *measured("a", 4, network="strings", profile="paper"),
        *measured("a", 5, network="strings_tiny", profile="paper"),
    ]
    paper = puppets(networks={"study": "strings_tiny", "paper": "strings"})
    assert Selection(paper).values(lines) == {0: {"a": 1.0, "b": 3.0}}
    assert Selection(paper, profile="paper").values(lines) == {0: {"a": 4.0}}
    assert Selection(paper, network="gloves").values(lines) == {0: {"a": 2.0}}
    named = measured("a", 6) + lines[:1]  # the same, once with and once without its network
    assert Selection(paper).values(named) == Selection(paper).values(named[::-1]) == {0: {"a": 1.0}}


def test_two_networks_are_never_mixed_up():
    lines = measured("a", 1, network="strings") + measured("a", 2, network="gloves")
    with pytest.raises(ClaimsError, match=r"a of puppets was measured with gloves and strings: name .* puppets\.toml"):
        Selection(puppets()).values(lines)
    lines[1] = replace(lines[1], seed=1000)  # which does not count
    assert Selection(puppets()).values(lines) == {0: {"a": 1.0}}
