"""The chance to decide is that of the rule on made-up seeds around what was seen."""

import math
from dataclasses import replace

import pytest
from puppets import measured, one_claim, puppets

from labkit.claims import Outcome, Selection, parse
from labkit.claims.power import chances, outcome_shares

SHARES = {name: "%: of clips" for name in "abcd"}


def chances_of(lines, *claims, seeds=10, metrics=SHARES):
    return chances(Selection(replace(puppets(), claims=claims, metrics=metrics)), lines, seeds)


def around(mean, spread):
    return measured("a", mean - spread, mean, mean + spread) + measured("b", 0, 0, 0)


@pytest.mark.parametrize(
    ("mean", "least", "most", "outcome"),
    [(4.0, 0.99, 1.0, Outcome.HOLDS), (0.0, 0.5, 1.0, Outcome.LEVEL), (-4.0, 0.99, 1.0, Outcome.REVERSED)],
)
def test_what_is_clear_will_be_decided(mean, least, most, outcome):
    (chance,) = chances_of(around(mean, 1.0), one_claim("a > b by 1"))
    assert least <= chance.decided <= most
    assert chance.outcome is outcome


def test_on_the_edge_nothing_is_decided_and_more_seeds_decide_more():
    (edge,) = chances_of(around(1.0, 1.0), one_claim("a > b by 1"))
    assert edge.decided < 0.15
    few, many = (chances_of(around(2.0, 2.0), one_claim("a > b by 1"), seeds=n)[0].decided for n in (5, 40))
    assert few < many - 0.2


def test_the_same_question_has_the_same_answer_and_what_was_not_measured_has_none():
    lines = around(1.5, 1.0)
    assert chances_of(lines, one_claim("a > b by 1")) == chances_of(lines, one_claim("a > b by 1"))
    missing, fact = one_claim("a > c by 1"), one_claim("a > b by 1", exact=True)
    (late,) = chances_of(lines, missing, fact)  # facts are not counted
    assert math.isnan(late.decided)
    assert late.outcome is Outcome.NOT_RUN


def test_a_lucky_spread_is_shared_with_the_others():
    """Three seeds that agree by luck promise less if the paper's other statements scatter."""
    lucky = around(1.5, 0.01)
    wild = measured("c", -9, 0, 9) + measured("d", 0, 0, 0)
    alone = chances_of(lucky, one_claim("a > b by 1"))[0]
    beside = chances_of(lucky + wild, one_claim("a > b by 1"), one_claim("c > d by 1"))[0]
    assert alone.decided == 1.0
    assert beside.decided < 0.3


def test_a_spread_is_shared_in_the_same_unit_only():
    fine = measured("c", 0.29, 0.3, 0.31) + measured("d", 0, 0, 0)
    coarse = measured("a", 5, 20, 35) + measured("b", 0, 0, 0)
    pixels = {**SHARES, "c": "pixels: error", "d": "pixels: error"}
    tested = (one_claim("c > d by 0.1"), one_claim("a > b by 1"))
    clear, _ = chances_of(fine + coarse, *tested, seeds=5, metrics=pixels)
    assert clear.decided == 1.0


def test_shares_of_made_up_batches_add_up_and_follow_the_truth():
    (statement,) = parse("a > b by 1")
    shares = outcome_shares(statement, [-3, 0, 3], [5, 20], spread=1.0, batches=200)
    assert all(sum(of.values()) == pytest.approx(1) for effects in shares.values() for of in effects.values())
    assert shares[20][3][Outcome.HOLDS] > shares[5][3][Outcome.HOLDS] > 0.8
    assert shares[20][0][Outcome.LEVEL] > shares[5][0].get(Outcome.LEVEL, 0.0)
    assert shares[20][-3][Outcome.REVERSED] > 0.99
