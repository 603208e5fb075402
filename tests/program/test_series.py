"""Power series: what is done with residues side by side is what is done with one after another."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvergen.methods import rule
from solvergen.program.residues import PRIME
from solvergen.program.series import (
    DECIMAL,
    MODULAR,
    RATIONALS,
    Field,
    Series,
    combination,
    interpolated,
)

RESIDUES = st.one_of(st.sampled_from((0, 1, PRIME - 1, PRIME // 2)), st.integers(0, PRIME - 1))
PAIRS = st.integers(1, 16).flatmap(
    lambda n: st.tuples(*(st.lists(RESIDUES, min_size=n, max_size=n) for _ in range(2)))
)


@settings(max_examples=100)
@given(PAIRS, RESIDUES)
def test_residues_side_by_side(pair: tuple[list[int], list[int]], factor: int) -> None:
    ours, theirs = pair
    count = len(ours)
    a, b = (Series(one, MODULAR) for one in pair)
    both = list(zip(ours, theirs, strict=True))
    assert (a + b).coefficients == tuple((i + j) % PRIME for i, j in both)
    assert (a - b).coefficients == tuple((i - j) % PRIME for i, j in both)
    assert (-a).coefficients == tuple(-i % PRIME for i in ours)
    assert (a * factor).coefficients == tuple(i * factor % PRIME for i in ours)
    total = [sum(ours[i] * theirs[k - i] for i in range(k + 1)) for k in range(count)]
    assert (a * b).coefficients == tuple(one % PRIME for one in total)
    again = ((a * b + a) * b - b) * a  # of what was never taken apart
    plain = [Series(one, RATIONALS) for one in pair]
    exact = ((plain[0] * plain[1] + plain[0]) * plain[1] - plain[1]) * plain[0]
    assert again.coefficients == tuple(int(c) % PRIME for c in exact.coefficients)
    if ours[0]:
        assert (b / a) * a == b
    sixty = combination([factor] * 60, [a] * 60)
    assert sixty == a * factor * 60


@pytest.mark.parametrize("field", [RATIONALS, MODULAR, DECIMAL])
@given(st.lists(st.fractions(-9, 2, max_denominator=9), min_size=1, max_size=9, unique=True))
@settings(max_examples=20)
def test_interpolation_is_that_of_the_rule(field: Field, places: list[Fraction]) -> None:
    """Weights through places are one linear function of the moments, in every field."""
    moments = [[Fraction(1, k + 1), Fraction(k, 3)] for k in range(len(places))]
    expected = zip(
        *(rule.interpolated(places, [one[i] for one in moments]) for i in range(2)), strict=True
    )
    with field.context():
        found = interpolated(places, [Series.of(one, 2, field) for one in moments])
        for one, pair in zip(found, expected, strict=True):
            assert (one - Series.of(pair, 2, field)).valuation == 2
