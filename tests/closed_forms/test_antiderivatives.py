"""Antiderivatives of the moments: what they are, that they are proved."""

import pytest
import sympy
from some_schedules import weights
from sympy import asin, log, polylog, simplify, sqrt

from solvergen.closed_forms.antiderivatives import moment_closed_form, prove_antiderivative
from solvergen.closed_forms.proofs import Proof
from solvergen.symbols import gamma


def antiderivative(schedule: str, integrand: str, expansion: str, k: int) -> sympy.Expr:
    found = moment_closed_form(weights(schedule, integrand, expansion), k)
    assert found is not None
    return found.expression


@pytest.mark.parametrize("k", range(3))
@pytest.mark.parametrize("schedule", ["vp_linear", "vp_alphabar", "vp_cosine"])
def test_the_variable_of_the_lecture(schedule: str, k: int) -> None:
    """A = alpha^2, noise, any variance-preserving schedule: the arcsine comes in with k = 1."""
    A = gamma
    expected = (
        sqrt(1 - A) / sqrt(A),
        -asin(sqrt(A)),
        sqrt(A) * sqrt(1 - A) / 2 - asin(sqrt(A)) / 2,
    )
    assert simplify(antiderivative(schedule, "noise", "alpha**2", k) - expected[k]) == 0


@pytest.mark.parametrize(
    ("integrand", "expected"),
    [
        ("noise", (1 / (1 - gamma), log(1 - gamma) + 1 / (1 - gamma))),
        ("data", (1 / gamma, -log(gamma), -gamma)),
        ("flow", (gamma, gamma**2 / 2)),
    ],
)
def test_rectified_flow_in_time(integrand: str, expected: tuple[sympy.Expr, ...]) -> None:
    """Logarithms, written with positive arguments."""
    for k, form in enumerate(expected):
        assert antiderivative("rectified_flow", integrand, "time", k) == form


def test_wrong_forms_are_not_proved() -> None:
    """A constant is free, a wrong derivative is none."""
    found = weights("rectified_flow", "noise", "time")
    right = moment_closed_form(found, 1)
    assert right is not None
    assert prove_antiderivative(right.expression, found, 1) is Proof.symbolic
    assert prove_antiderivative(right.expression + 5, found, 1) is Proof.symbolic
    assert prove_antiderivative(right.expression + gamma, found, 1) is None


def test_dilogarithms_are_proved() -> None:
    """int log(w)^2 dt on the rectified flow."""
    form = moment_closed_form(weights("rectified_flow", "flow", "half_log_snr"), 2)
    assert form is not None
    assert form.expression.has(polylog)
