"""What occurs twice in an emitted formula is computed once, and the value stays the same."""

import numpy as np
import pytest
from sympy import Symbol, exp, lambdify, log, sqrt

import solvergen as sg
from solvergen.algebra.numpy_code import shared
from solvergen.symbols import half_log_snr_symbol as l
from solvergen.symbols import t


def test_largest_parts_first_in_the_order_of_evaluation() -> None:
    root = sqrt(1 + exp(-2 * l))
    names, forms = shared([log(root + 1) + root, exp(-2 * l) * 3])
    assert [str(symbol) for symbol, _ in names] == ["u", "v"]
    assert names[0][1] == exp(-2 * l)
    assert names[1][1] == sqrt(1 + Symbol("u"))
    assert forms == [log(Symbol("v") + 1) + Symbol("v"), 3 * Symbol("u")]


def test_what_occurs_once_or_is_constant_stays() -> None:
    b = Symbol("b")
    assert shared([exp(b) * t + exp(b)]) == ([], [exp(b) * t + exp(b)])
    assert shared([exp(t) + log(t)]) == ([], [exp(t) + log(t)])


def test_sum_is_a_part_like_a_function() -> None:
    names, (form,) = shared([1 / (1 + t) + sqrt(1 + t)])
    assert names == [(Symbol("u"), 1 + t)]
    assert form == 1 / Symbol("u") + sqrt(Symbol("u"))


@pytest.mark.parametrize("name", ["vp_linear", "zero_terminal_snr", "vp_cosine", "vp_sigmoid"])
def test_value_is_that_of_the_whole(name: str) -> None:
    """Every part reads those before it alone."""
    schedule = sg.schedules.get(name)
    form = schedule.substitute(schedule.time_at_half_log_snr)
    names, (left,) = shared([form])
    x = np.linspace(-3.0, 3.0, 7)
    known = {l: x}
    for symbol, part in names:
        known[symbol] = lambdify(list(known), part, "numpy")(*known.values())
    found = lambdify(list(known), left, "numpy")(*known.values())
    assert found == pytest.approx(lambdify(l, form, "numpy")(x), rel=1e-15)
