from dataclasses import replace

import pytest
import torch
from puppets import a_record, measured, one_claim, puppets, verdict

from labkit import claims
from labkit.claims import DECIDED, Check, ClaimsError, Outcome, Selection, interval, ledger
from labkit.claims.judge import judge_all


def test_the_interval_by_hand():
    # mean 2, standard deviation 1, t(2 degrees, 95 %) = 2.920 from any table: half width 2.920 / sqrt(3) = 1.686
    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 0.314, 3.686), abs=1e-3)
    # t(4 degrees, 97.5 %) = 2.776: half width 2.776 * sqrt(2.5) / sqrt(5) = 1.963
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0], level=0.95) == pytest.approx((3.0, 1.037, 4.963), abs=1e-3)
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0.5, 0.5)  # no spread, no width
    with pytest.raises(ValueError, match="at least 2; got 1"):
        interval([1.0])


@pytest.mark.parametrize(
    ("statement", "differences", "outcome"),
    [  # a mean of m over differences m-1, m, m+1 has the interval m -+ 1.686, over m-.1, m, m+.1 it has m -+ .169
        ("a > b by 1", (1.7, 2.7, 3.7), Outcome.HOLDS),  # 1.014 .. 4.386
        ("a > b by 1", (1.6, 2.6, 3.6), Outcome.LEANS_TO),  # 0.914 ..
        ("a > b by 1", (0.7, 0.8, 0.9), Outcome.LEVEL),  # .631 .. .969
        ("a > b by 1", (-0.8, -0.7, -0.6), Outcome.LEVEL),
        ("a > b by 1", (0.8, 0.9, 1.0), Outcome.LEANS_AGAINST),  # .731 .. 1.069
        ("a > b by 1", (-1.2, -1.1, -1.0), Outcome.LEANS_AGAINST),  # -1.269 .. -.931
        ("a > b by 1", (-1.0, 0.0, 1.0), Outcome.UNCERTAIN),  # across -1 and 1
        ("a > b by 1", (-3.7, -2.7, -1.7), Outcome.REVERSED),  # .. -1.014
        ("a >= b within 1", (-0.3, 0.7, 1.7), Outcome.HOLDS),  # -0.986 ..
        ("a >= b within 1", (-0.4, 0.6, 1.6), Outcome.LEANS_TO),  # -1.086 ..
        ("a >= b within 1", (-2.4, -1.4, -0.4), Outcome.LEANS_AGAINST),
        ("a >= b within 1", (-3.7, -2.7, -1.7), Outcome.REVERSED),  # .. -1.014
        ("a ~ b within 2", (-0.7, 0.3, 1.3), Outcome.HOLDS),  # -1.386 .. 1.986
        ("a ~ b within 2", (-0.6, 0.4, 1.4), Outcome.LEANS_TO),  # .. 2.086
        ("a ~ b within 2", (1.4, 2.4, 3.4), Outcome.LEANS_AGAINST),
        ("a ~ b within 1", (-1.0, 0.0, 1.0), Outcome.UNCERTAIN),
        ("a ~ b within 2", (2.7, 3.7, 4.7), Outcome.REVERSED),  # 2.014 ..
        ("a ~ b within 2", (-4.7, -3.7, -2.7), Outcome.REVERSED),  # .. -2.014
        ("a > b by 1", (1, 1, 1), Outcome.LEVEL),  # no spread: equal is not above
        ("a >= b within 1", (-1, -1, -1), Outcome.HOLDS),
        ("a ~ b within 0", (0, 0, 0), Outcome.HOLDS),
    ],
)
def test_verdicts_by_hand(statement, differences, outcome):
    base = (50.0, 60.0, 40.0)  # what a seed makes easy or hard for both sides drops out
    ours = measured("a", *(one + two for one, two in zip(base, differences, strict=True)))
    found = verdict(one_claim(statement), ours + measured("b", *base))
    assert found.outcome is outcome
    assert found.checks[0].mean == pytest.approx(sum(differences) / 3)
    assert f"{statement}: " in found.reason


def test_all_statements_must_hold_and_one_can_refute_the_claim():
    lines = measured("a", 9, 9, 9) + measured("b", 5, 5, 5) + measured("c", 1, 9, 20)
    assert verdict(one_claim("a > b by 1"), lines).outcome is Outcome.HOLDS
    assert verdict(one_claim("a > b by 1", "a > c by 1"), lines).outcome is Outcome.UNCERTAIN
    assert verdict(one_claim("a > b by 1", "a > c by 1", "b > a by 1"), lines).outcome is Outcome.REVERSED
    assert verdict(one_claim("a > b by 1", "a > d by 1"), lines).outcome is Outcome.NOT_RUN


def test_many_statements_share_the_risk_of_refuting_their_claim():
    # differences -3, -2, -1: mean -2, one-sided p of "below -.3" is that of t = 1.7 / .577 = 2.944 at 2 degrees: .0493
    lines = measured("a", 0, 0, 0) + measured("b", 3, 2, 1) + measured("c", -9, -9.1, -8.9)
    assert verdict(one_claim("a > b by 0.3"), lines).outcome is Outcome.REVERSED
    with_others = verdict(one_claim("a > b by 0.3", "a > c by 0.3"), lines)
    assert with_others.outcome is Outcome.LEANS_AGAINST
    assert with_others.reason.endswith("over 3 seeds, one of 2 statements")
    # beside a clearer one it is the second, which has 5 % to itself
    lines += measured("d", 9, 9.1, 8.9)
    both = verdict(one_claim("a > b by 0.3", "a > d by 0.3"), lines)
    assert [check.outcome for check in both.checks] == 2 * [Outcome.REVERSED]


def test_the_papers_own_difference_stands_beside_the_interval():
    paper = replace(ledger()["two_stream"], confirm=None)  # Table 1: 81.0 with ten flow fields, 73.9 with one
    claim = next(claim for claim in paper.claims if claim.id == "ts.stack")
    (statement,) = (s for s in claim.statements if s.text.startswith("temporal.l10 > temporal.l5"))
    inside = [
        replace(a_record(metric, seed, value), paper="two_stream")
        for metric, values in {
            "temporal.l10": (81, 82, 83),
            "temporal.l5": (80.5, 81.5, 82.0),
            "temporal.l1": (70, 70, 71),
        }.items()
        for seed, value in enumerate(values)
    ]
    check = next(c for c in claims.verdict(claim, inside, Selection(paper)).checks if c.statement == statement)
    assert check.paper == pytest.approx(81.0 - 80.4)
    assert check.finds_the_papers
    assert check.reason.endswith("; the paper's +0.60")
    apart = claims.verdict(
        claim, [replace(r, value=r.value + 9 * (r.metric == "temporal.l10")) for r in inside], Selection(paper)
    )
    assert apart.checks[0].reason.endswith(", outside")


FROZEN = {"seeds": (10, 11, 12, 13), "study": 5, "world": 2}


def frozen(lines, version=5, world=2):
    paper = replace(puppets(), confirm=claims.Confirm(**FROZEN))
    return claims.verdict(one_claim("a > b by 1"), lines, Selection(paper, version=version, world=world))


def batch(a, b, seeds):
    made = {"seeds": seeds, "version": 5, "world": 2}
    return measured("a", *a, **made) + measured("b", *b, **made)


def test_a_frozen_batch_is_judged_whole_or_not_at_all():
    explored = batch([9, 9, 9], [1, 1, 1], [0, 1, 2])
    assert frozen(explored).outcome is Outcome.NOT_RUN
    part = batch([9, 9, 9], [1, 1, 1], [10, 11, 12])
    assert (frozen(part).outcome, frozen(part).reason) == (Outcome.NOT_RUN, "so far, 3 of 4 seeds")
    other = batch([9], [1], [14])  # a seed that is not frozen does not fill the gap
    assert frozen(part + other).outcome is Outcome.NOT_RUN
    whole = part + batch([8], [1], [13])
    assert frozen(whole).outcome is Outcome.HOLDS
    assert frozen(whole).checks[0].seeds == 4
    seen = frozen(whole + batch([9, 7, 8], [1, 1, 0], [0, 1, 2])).reason
    assert seen.endswith("over 4 seeds; explored +7.33 on 3 other seeds, the same sign, inside [+5.39, +9.28]")
    seen = frozen(whole + explored).reason
    assert seen.endswith("explored +8.00 on 3 other seeds, the same sign")  # no spread, no interval
    seen = frozen(whole + [replace(line, version=4) for line in explored]).reason
    assert "explored +8.00 on 3 other seeds of earlier versions, the same sign" in seen
    assert frozen(whole + batch([1], [9], [0])).reason.endswith("explored -8.00 on 1 other seed, another sign")


def test_a_frozen_batch_judges_nothing_of_a_claim_one_of_whose_statements_is_not_measured():
    paper = replace(puppets(), confirm=claims.Confirm(**FROZEN))
    both = one_claim("b > a by 1", "a > c by 1")
    lines = batch([9, 9, 9, 8], [1, 1, 1, 1], [10, 11, 12, 13])
    found = claims.verdict(both, lines, Selection(paper, version=5, world=2))
    assert found.outcome is Outcome.NOT_RUN
    assert [check.reason for check in found.checks] == ["so far, 0 of 4 seeds of all claims", "no record of c"]


def test_a_frozen_batch_judges_no_claim_before_all_of_its_paper_are_measured():
    other = replace(one_claim("a > c by 1"), id="p.other")
    paper = replace(puppets(), confirm=claims.Confirm(**FROZEN), claims=(one_claim("a > b by 1"), other))
    lines = batch([9, 9, 9, 8], [1, 1, 1, 1], [10, 11, 12, 13])
    third = measured("c", 1, 1, 1, 1, seeds=[10, 11, 12, 13], version=5, world=2)

    def judged(lines):
        return claims.verdict(paper.claims[0], lines, Selection(paper, version=5, world=2))

    early = judged(lines + third[:3])
    assert (early.outcome, early.reason) == (Outcome.NOT_RUN, "so far, 3 of 4 seeds of all claims")
    assert "numbers" not in early.plain()
    assert judged(lines + third).outcome is Outcome.HOLDS


def test_a_frozen_batch_does_not_judge_another_version():
    whole = batch([9, 9, 9, 8], [1, 1, 1, 1], [10, 11, 12, 13])
    newer = frozen(whole, version=6)
    reason = "frozen for the study's version 5 and the world's 2; now 6 and 2"
    assert (newer.outcome, newer.reason) == (Outcome.STALE, reason)
    assert frozen(whole, world=3).outcome is Outcome.STALE


@pytest.mark.parametrize("change", [{"version": 6}, {"world": 3}, {"precision": "bf16"}])
def test_a_frozen_batch_takes_no_records_of_a_later_version_or_another_precision(change):
    whole = batch([9, 9, 9, 8], [1, 1, 1, 1], [10, 11, 12, 13])
    mixed = [replace(line, **change) if line.seed > 11 else line for line in whole]
    assert frozen(mixed).outcome is Outcome.NOT_RUN
    assert frozen(mixed, version=None, world=None).outcome is Outcome.NOT_RUN
    older = [replace(line, version=4) if line.seed > 11 else line for line in whole]
    assert frozen(older, version=None, world=None).outcome is Outcome.STALE


@pytest.mark.parametrize(
    ("before", "words"), [([5], "the same sign"), ([-5], "another sign"), ([0], "no difference in one of them")]
)
def test_what_was_explored_stands_beside_the_verdict(before, words):
    whole = batch([9, 9, 9, 8], [1, 1, 1, 1], [10, 11, 12, 13])
    assert frozen(whole + batch(before, [0], [2])).reason.endswith(f" on 1 other seed, {words}")


def test_of_a_fact_one_seed_is_enough_and_an_absent_condition_is_named():
    lines = measured("a", 9) + measured("b", 1)
    assert verdict(one_claim("a > b by 1", exact=True), lines).outcome is Outcome.HOLDS
    assert verdict(one_claim("a > b by 1"), lines).outcome is Outcome.NOT_RUN
    varying = measured("a", 9, 8) + measured("b", 1, 1)
    assert verdict(one_claim("a > b by 1", exact=True), varying).outcome is Outcome.NOT_RUN
    beside = replace(one_claim("a > b by 1", exact=True), also=claims.parse("a > b by 2"))
    assert verdict(beside, lines).also[0].outcome is Outcome.NOT_RUN
    absent = verdict(one_claim("a > b by 1", absent="videos of minutes"), lines)
    assert (absent.outcome, absent.reason) == (Outcome.ABSENT, "the world lacks videos of minutes")
    assert absent.plain()["reason"].startswith("The world lacks videos of minutes.\n")
    of_a_paper = replace(absent, claim=replace(absent.claim, paper="two_stream"))
    assert "      The world lacks videos of minutes.\n" in claims.report([of_a_paper])
    real = [replace(line, dataset="ucf101", world=0) for line in measured("a", 9, 9, 9) + measured("b", 1, 1, 1)]
    assert verdict(one_claim("a > b by 1", absent="videos"), real, dataset="ucf101").outcome is Outcome.HOLDS


@pytest.mark.parametrize(("seeds", "spread"), [(5, 0.7), (6, 0.8), (8, 1.0), (10, 1.1)])
def test_the_spread_between_seeds_at_which_a_batch_decides_what_is_twice_what_counts(seeds, spread):
    assert {len(paper.confirm.seeds) for paper in ledger().values() if paper.confirm} <= {5, 6, 8, 10}
    both = claims.parse("a > b > c by 1")
    values = 2 + spread * torch.randn(2000, 2, seeds, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = [judge_all([Check.of(one, row) for one, row in zip(both, pair, strict=True)]) for pair in values.tolist()]
    alone = [both[0].judge(*interval(pair[0])) for pair in values.tolist()]
    assert sum(outcome in DECIDED for outcome in alone) / len(alone) >= 0.79
    assert sum(outcome in DECIDED for outcome in found) / len(found) >= 0.62  # both have to hold


@pytest.mark.parametrize(
    ("true", "spread", "wanted", "most", "least"),
    [
        (0.0, 1.0, (Outcome.HOLDS,), 0.05, 0.0),  # no effect
        (1.0, 1.0, (Outcome.HOLDS,), 0.05, 0.03),  # one that just does not count: the risk that was asked for
        (-1.0, 1.0, (Outcome.LEVEL, Outcome.REVERSED), 0.10, 0.05),  # on the edge between two that are both against it
        (2.0, 1.0, DECIDED, 1.0, 0.80),  # twice the smallest that counts
        (0.0, 1.0, (Outcome.LEVEL,), 1.0, 0.80),
    ],
)
def test_the_rule_keeps_its_promises_on_made_up_seeds(true, spread, wanted, most, least):
    (statement,) = claims.parse("a > b by 1")
    values = true + spread * torch.randn(4000, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = [statement.judge(*interval(ten)) for ten in values.tolist()]
    share = sum(outcome in wanted for outcome in found) / len(found)
    assert least - 0.01 <= share <= most + 0.01


def test_too_few_seeds_and_unpaired_seeds_are_not_judged():
    few = verdict(one_claim("a > b by 1"), measured("a", 9, 9) + measured("b", 1, 1))
    assert (few.outcome, few.reason) == (Outcome.NOT_RUN, "so far, 2 of 3 seeds")
    apart = measured("a", 9, 9, 9) + measured("b", 1, 1, 1, seeds=[2, 3, 4])
    assert verdict(one_claim("a > b by 1"), apart).reason == "so far, 1 of 3 seeds"
    assert verdict(one_claim("a > b by 1"), measured("a", 9, 9, 9)).reason == "no record of b"
    assert verdict(one_claim("a > b by 1"), []).reason == "no record of a, b"


@pytest.mark.parametrize("other", [{"profile": "lesson"}, {"dataset": "ucf101"}, {"seeds": [1000, 1001, 1002]}])
def test_other_profiles_data_and_development_seeds_do_not_count(other):
    lines = measured("a", 9, 9, 9, **other) + measured("b", 1, 1, 1, **other)
    assert verdict(one_claim("a > b by 1"), lines).outcome is Outcome.NOT_RUN
    with pytest.raises(ClaimsError, match="profile must be one of study, paper; got 'lesson'"):
        verdict(one_claim("a > b by 1"), lines, profile="lesson")
    if "dataset" in other:
        assert verdict(one_claim("a > b by 1"), lines, dataset="ucf101").outcome is Outcome.HOLDS


def test_trials_on_part_of_a_set_are_neither_judged_nor_shown():
    trials = [replace(line, test=12, test_listed=3783) for line in measured("size.full", 9, 9, 9)]
    whole = measured("size.third", 1, 1, 1)
    claim, paper = one_claim("size.full > size.third by 1"), replace(ledger()["back_dropout"], confirm=None)
    assert claims.verdict(claim, trials + whole, Selection(paper)).reason == "no record of size.full"
    all_clips = [replace(line, test=3783) for line in trials]
    assert claims.verdict(claim, all_clips + whole, Selection(paper)).outcome is Outcome.HOLDS
    table = next(entry for entry in paper.entries if entry.id == "table 2")
    rows = claims.beside(table, trials + whole, Selection(paper))
    shown = {row["name"]: row["ours"][1] for row in rows}
    assert shown["NB-TL, all penalty clips"] is None
    assert shown["NB-TL, 1/3 of the penalty clips"] == [1.0, 1.0, 1.0]


def test_records_of_an_older_version_are_stale():
    claim, lines = one_claim("a > b by 1"), measured("a", 9, 9, 9) + measured("b", 1, 1, 1)
    assert verdict(claim, lines, world=1, version=1).outcome is Outcome.HOLDS
    assert verdict(claim, lines, world=2, version=1).outcome is Outcome.STALE
    stale = verdict(claim, lines, world=1, version=2)
    assert (stale.outcome, stale.lacks_cause) == (Outcome.STALE, False)
    assert "earlier version" in stale.reason
    fresh = measured("a", 0, 0, 0, seeds=[3, 4, 5], version=2) + measured("b", 1, 1, 1, seeds=[3, 4, 5], version=2)
    assert verdict(claim, lines + fresh, world=1, version=2).outcome is Outcome.LEVEL  # the old ones no longer count
    real = measured("a", 9, 9, 9, dataset="ucf101", world=0) + measured("b", 1, 1, 1, dataset="ucf101", world=0)
    assert verdict(claim, real, dataset="ucf101", world=2, version=1).outcome is Outcome.HOLDS  # no world in it


def test_a_refuted_claim_wants_a_cause():
    lines = measured("a", 1, 1, 1) + measured("b", 9, 9, 9)
    assert verdict(one_claim("a > b by 1"), lines).lacks_cause
    assert not verdict(one_claim("a > b by 1", cause="the world is too small"), lines).lacks_cause
    assert not verdict(one_claim("b > a by 1"), lines).lacks_cause
    told = one_claim("a > b by 1", cause="the world is too small")
    assert verdict(told, lines).plain()["cause"] == "the world is too small"
    assert "cause" not in verdict(told, []).plain()  # nothing to explain yet
    holds = verdict(one_claim("b > a by 1", cause="the world is too small"), lines)
    assert holds.outcome is Outcome.HOLDS
    assert "cause" not in holds.plain()
    real = measured("a", 1, 1, 1, dataset="ucf101") + measured("b", 9, 9, 9, dataset="ucf101")
    elsewhere = verdict(one_claim("a > b by 1", cause="the world is too small"), real, dataset="ucf101")
    assert elsewhere.outcome is Outcome.REVERSED
    assert "cause" not in elsewhere.plain()  # what is written is about the world
    assert not elsewhere.lacks_cause
