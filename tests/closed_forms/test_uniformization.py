"""The uniformizing variable: it is always found, and both forms are what their definitions say."""

import pytest
from some_schedules import weights
from sympy import Poly, cancel, diff

from solvergen.closed_forms.uniformization import Uniformization, uniformize, z
from solvergen.derivation.parameterization import at_schedule
from solvergen.derivation.weights import Weights
from solvergen.symbols import t

INTEGRANDS = ("noise", "data", "velocity", "straight", "score")
RATIOS = ("half_log_snr", "sigma/alpha", "sigma/(alpha+sigma)", "theta")


@pytest.mark.slow_but(15)
@pytest.mark.parametrize("integrand", INTEGRANDS)
@pytest.mark.parametrize("expansion", RATIOS)
@pytest.mark.parametrize("schedule", ["vp_linear", "rectified_flow", "edm"])
def test_ratio_variables_are_always_uniformized(
    schedule: str, integrand: str, expansion: str
) -> None:
    """For gamma a function of alpha/sigma one substitution or another always does."""
    assert uniformize(weights(schedule, integrand, expansion), 3) is not None


CASES = [
    ("vp_linear", "noise", "half_log_snr"),
    ("vp_linear", "data", "theta"),
    ("vp_cosine", "velocity", "sigma/alpha"),
    ("rectified_flow", "data", "time"),
    ("rectified_flow", "noise", "theta"),
    ("edm", "straight", "half_log_snr"),
    ("edm", "data", "time"),
    ("ve_geometric", "data", "time"),
    ("vp_alphabar", "data", "clock"),
]


def found_on(case: tuple[str, str, str], k: int) -> tuple[Weights, Uniformization]:
    solver = weights(*case)
    found = uniformize(solver, k)
    assert found is not None
    return solver, found


@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_change_of_variables(case: tuple[str, str, str], k: int) -> None:
    """density(z) theta^power dz/dt = gamma^k dq/dt, to 40 digits over the domain."""
    solver, found = found_on(case, k)
    schedule, variable = solver.schedule, at_schedule(solver.expansion.variable, solver.schedule)
    point = at_schedule(found.point, schedule)
    left = found.density.subs(z, point) * variable**found.power * diff(point, t)
    rate = solver.ode.clock_rate
    assert rate is not None
    assert schedule.vanishes(left - variable**k * rate)
    assert not schedule.vanishes(left - 2 * variable**k * rate)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_primitive_has_the_stated_rate(case: tuple[str, str, str]) -> None:
    """dgamma/dz dz/dt = dgamma/dt where gamma stays beside z, and 1 where it does not."""
    solver, found = found_on(case, 1)
    if found.power == 0:
        assert found.variable_rate == 1
        return
    point = at_schedule(found.point, solver.schedule)
    slope = diff(at_schedule(solver.expansion.variable, solver.schedule), t)
    gap = found.variable_rate.subs(z, point) * diff(point, t) - slope
    assert solver.schedule.vanishes(gap)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_everything_is_rational(case: tuple[str, str, str]) -> None:
    """Numerators and denominators are polynomials in z, without a common factor."""
    _, found = found_on(case, 2)
    for form in (found.density, found.variable_rate):
        top, bottom = (Poly(one, z) for one in cancel(form).as_numer_denom())
        assert top.gcd(bottom).degree() <= 0


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (("vp_linear", "noise", "half_log_snr"), "alpha/sigma"),
        (("vp_linear", "data", "half_log_snr"), "alpha/sigma"),
        (("rectified_flow", "data", "time"), "t"),
        (("vp_alphabar", "data", "clock"), "alpha/sigma"),
    ],
)
def test_the_simplest_substitution_is_taken(case: tuple[str, str, str], expected: str) -> None:
    """Not Euler's, which always does; gamma itself where z is a rational function of it."""
    solver, found = found_on(case, 2)
    assert str(found.point) == expected
    assert found.power == (2 if case[2] == "half_log_snr" else 0)
    if found.power == 0:
        assert found.point == solver.expansion.variable
