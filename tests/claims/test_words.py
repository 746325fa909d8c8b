"""Statements as sentences, with the names that tables have."""

from dataclasses import replace

import pytest
from puppets import measured, one_claim, puppets, verdict

from labkit.claims import ClaimsError, ledger, parse
from labkit.claims.words import in_words, name_of, unit_of

PAPER = replace(
    puppets(),
    metrics={
        "a": "% accuracy: (b) ten fields: accuracy",
        "b": "% accuracy: one field: accuracy",
        "c": "% accuracy: one field: recall",
        "d": "megabytes",
    },
)


@pytest.mark.parametrize(
    ("statement", "differences", "sentence"),
    [
        ("a > b by 1", (2, 1, -0.3), "ten fields against one field: 0.9 points more on average, more in 2 of 3 worlds"),
        ("a > b by 1", (-2, 1, 0), "ten fields against one field: 0.3 points less on average, less in 1 of 3 worlds"),
        (
            "a > c by 1",
            (3, 3, 3),
            "ten fields, accuracy against one field, recall: 3.0 points more on average, more in 3 of 3 worlds",
        ),
        ("a > d by 1", (3, 3, 3), "a > d by 1: +3.00 on average, more in 3 of 3 worlds"),
        ("a > 5 by 1", (3, 3, 3), "a > 5 by 1: +3.00 on average, more in 3 of 3 worlds"),
        ("a - b > c by 1", (3, 3, 3), "a - b > c by 1: +3.00 on average, more in 3 of 3 worlds"),
        ("2 * a > b by 1", (3, 3, 3), "2 * a > b by 1: +3.00 on average, more in 3 of 3 worlds"),
    ],
)
def test_sentences_by_hand(statement, differences, sentence):
    (parsed,) = parse(statement)
    assert in_words(parsed, differences, PAPER) == sentence


def test_on_real_data_a_seed_is_no_world():
    real = [replace(r, dataset="ucf101", world=0) for r in measured("a", 9, 9, 9) + measured("b", 5, 5, 5)]
    found = verdict(one_claim("a > b by 1"), real, dataset="ucf101")
    assert found.checks[0].words.endswith("more in 3 of 3 seeds")


def test_words_come_before_the_numbers():
    found = verdict(one_claim("a > b by 1"), measured("a", 9, 9, 9) + measured("b", 5, 5, 5))
    words, _, numbers = found.plain()["reason"].partition(" (")
    assert words == "a > b by 1: +4.00 on average, more in 3 of 3 worlds"  # of metrics without a meaning
    assert numbers.startswith("a > b by 1: +4.00 [+4.00, +4.00] over 3 seeds")


def test_every_metric_of_a_claim_has_a_name_without_its_unit():
    for paper in ledger().values():
        for claim in paper.claims:
            for statement in (*claim.statements, *claim.also):
                for metric in statement.terms:
                    name = name_of(metric, paper)
                    assert name.strip(), metric
                    assert not name.startswith(("%: ", "(a) ")), metric


def test_a_difference_has_the_unit_that_the_meaning_of_its_metrics_begins_with():
    paper = replace(PAPER, metrics=PAPER.metrics | {"e": "cosine x 100 of neighbours", "f": "Hit@1"})
    texts = ("a > b by 1", "a > 50 by 1", "d > 3 by 1", "e > 2 by 1")
    assert [unit_of(*parse(text), paper) for text in texts] == ["points", "points", "megabytes", "cosine, hundredths"]
    with pytest.raises(ClaimsError, match="must begin with its unit; got 'Hit@1'"):
        unit_of(*parse("f > 2 by 1"), paper)


@pytest.mark.parametrize("paper", ledger().values(), ids=lambda paper: paper.name)
def test_the_differences_of_all_claims_have_known_units(paper):
    statements = [s for claim in paper.claims for s in (*claim.statements, *claim.also)]
    known = {"points", "pixels", "count", "correlation, hundredths", "cosine, hundredths"}
    assert {unit_of(statement, paper) for statement in statements} <= known
