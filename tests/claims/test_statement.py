import math

from labkit.claims import parse


def test_a_sum_by_hand():
    (statement,) = parse("2*a - b + 3 >= c + 0.5 within 1.5")
    assert statement.terms == {"a": 2.0, "b": -1.0, "c": -1.0}
    assert statement.difference({"a": 10.0, "b": 4.0, "c": 1.0}) == 20 - 4 + 3 - 1 - 0.5
    assert (statement.low, statement.high) == (-1.5, math.inf)


def test_a_chain_is_its_steps():
    first, second = parse("a > b - c > 4 by 0.5")
    assert (first.text, first.terms, first.constant) == ("a > b - c by 0.5", {"a": 1, "b": -1, "c": 1}, 0)
    assert (second.text, second.terms, second.constant) == ("b - c > 4 by 0.5", {"b": 1, "c": -1}, -4)
