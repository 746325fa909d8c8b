"""Statements as sentences, with the names that tables have."""

import re
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
        "d": "pixels: a small model",
        "e": "pixels: a large one",
        "f": "count: layers run",
        "g": "%: as the table has it",
        "h": "%: likewise",
    },
    names={"g": "the third way: in a small set", "h": "a fourth: in a small set"},
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
        (
            "d > e by 1",
            (3, 3, 3),
            "a small model against a large one: 3.0 pixels more on average, more in 3 of 3 worlds",
        ),
        ("d > e by 0.1", (3,), "a small model against a large one: 3.00 pixels more on average, more in 1 of 1 worlds"),
        ("f ~ 0 within 0", (0, 0), "layers run: 0.0 on average, above zero in 0 of 2 worlds"),
        ("a > 5 by 1", (3, 3, 3), "ten fields, accuracy against 5: 3.0 points more on average, more in 3 of 3 worlds"),
        ("a > 0 by 1", (3, -9, -9), "ten fields, accuracy: -5.0 points on average, below zero in 2 of 3 worlds"),
        (
            "90 > a by 1",
            (3, 3, 3),
            "90 against ten fields, accuracy: 3.0 points more on average, more in 3 of 3 worlds",
        ),
        (
            "a - b > c - g by 1",
            (3, 3, 3),
            "the lead of ten fields over one field, accuracy against the lead of one field, recall over the third way, "
            "in a small set: 3.0 points more on average, more in 3 of 3 worlds",
        ),
        (
            "0.5 * a + 0.5 * b > g by 1",
            (3, 3, 3),
            "the mean of ten fields and one field against the third way, in a small set: 3.0 points more on average, "
            "more in 3 of 3 worlds",
        ),
        (
            "g > h by 1",
            (3,),
            "the third way against a fourth, in a small set: 3.0 points more on average, more in 1 of 1 worlds",
        ),
        (
            "h > c by 1",
            (3,),
            "a fourth, in a small set against one field, recall: 3.0 points more on average, more in 1 of 1 worlds",
        ),
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
    told = found.plain()
    assert told["reason"] == "A against b: 4.0 points more on average, more in 3 of 3 worlds (+4.0 to +4.0)"
    assert told["numbers"] == "a > b by 1: +4.00 [+4.00, +4.00] over 3 seeds"
    (check,) = found.checks
    assert replace(check, paper=13.69, low=-0.1).told.endswith("worlds (-0.1 to +4.0; the paper's +13.7)")
    finer = replace(check.statement, margin=0.5)
    assert replace(check, statement=finer, low=-0.1).told.endswith("worlds (-0.10 to +4.00)")
    empty = verdict(one_claim("a > b by 1"), [])
    assert empty.plain()["reason"] == "no record of a, b"
    assert "numbers" not in empty.plain()


STATEMENTS = [
    pytest.param(paper, statement, id=f"{claim.id}, {statement.text}")
    for paper in ledger().values()
    for claim in paper.claims
    for statement in (*claim.statements, *claim.also)
]


@pytest.mark.parametrize(("paper", "statement"), STATEMENTS)
def test_every_statement_makes_a_sentence_that_needs_no_table(paper, statement):
    names = [name_of(metric, paper) for metric in statement.terms]
    assert len(set(names)) == len(names), names
    sentence = in_words(statement, [1.0], paper)
    misleading = re.search(r"%: |\([a-z]\) |likewise|Theirs|VGG-16|ResNet-\d|CNN-M|HII|, accuracy", sentence)
    assert not misleading, sentence
    assert not any(metric in sentence for metric in statement.terms if "." in metric), sentence


def test_no_two_statements_of_a_claim_make_the_same_sentence():
    for paper in ledger().values():
        for claim in paper.claims:
            made = {}
            for one in (*claim.statements, *claim.also):
                sentence = in_words(one, [1.0], paper)
                assert made.setdefault(sentence, one.terms) == one.terms, sentence


def test_a_difference_has_the_unit_that_the_meaning_of_its_metrics_begins_with():
    paper = replace(PAPER, metrics=PAPER.metrics | {"e": "cosine x 100 of neighbours", "f": "Hit@1"})
    texts = ("a > b by 1", "a > 50 by 1", "d > 3 by 1", "e > 2 by 1")
    assert [unit_of(*parse(text), paper) for text in texts] == ["points", "points", "pixels", "cosine, hundredths"]
    with pytest.raises(ClaimsError, match="must begin with its unit; got 'Hit@1'"):
        unit_of(*parse("f > 2 by 1"), paper)


@pytest.mark.parametrize("paper", ledger().values(), ids=lambda paper: paper.name)
def test_the_differences_of_all_claims_have_known_units(paper):
    statements = [s for claim in paper.claims for s in (*claim.statements, *claim.also)]
    known = {"points", "pixels", "count", "correlation, hundredths", "cosine, hundredths"}
    assert {unit_of(statement, paper) for statement in statements} <= known
