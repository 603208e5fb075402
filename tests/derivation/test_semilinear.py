"""The semilinear ODE of every integrand, against its definition."""

import pytest
from some_schedules import SCHEDULES
from sympy import diff

import solvergen as sg
from solvergen.derivation.parameterization import NAMED, at_schedule, conversion, get
from solvergen.symbols import alpha, s, sigma, t

PARAMETERIZATIONS = [one.name for one in NAMED] + [
    "rate(log(alpha/sigma))",
    "rate(alpha**2 + t)",
    "2*alpha, 3*sigma + t",
    "-sigma**2, alpha*sigma",
]


@pytest.mark.slow_but(10)
@pytest.mark.parametrize("name", PARAMETERIZATIONS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_semilinear_form(schedule: str, name: str) -> None:
    """a x + b N = alpha' x0 + sigma' eps, coefficient by coefficient; R' = a R, q' = b/R."""
    found, integrand = SCHEDULES[schedule](), get(name)
    if found.vanishes(at_schedule(integrand.determinant, found)):
        pytest.skip("this integrand does not determine x0 for this schedule")
    ode = sg.SemilinearODE.derive(found, integrand)
    data, noise = integrand.coefficients(found)
    a, b = ode.linear_coefficient, ode.nonlinear_coefficient
    assert found.vanishes(a * found.alpha + b * data - diff(found.alpha, t))
    assert found.vanishes(a * found.sigma + b * noise - diff(found.sigma, t))
    if ode.factor is not None:
        factor = at_schedule(ode.factor, found)
        assert found.vanishes(diff(factor, t) - a * factor)
    if ode.clock is not None:
        clock = at_schedule(ode.clock, found)
        assert found.vanishes(diff(clock, t) - ode.clock_rate)


@pytest.mark.parametrize("name", ["noise", "data", "flow", "straight"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_closed_forms_exist_for_the_standard_integrands(schedule: str, name: str) -> None:
    """dM0/dt = a M0 + b and M0(s, s) = 0, with no quadrature anywhere."""
    found = SCHEDULES[schedule]()
    ode = sg.SemilinearODE.derive(found, get(name))
    m0 = ode.zeroth_moment(t, s)
    assert m0 is not None
    assert m0.subs(t, s).simplify() == 0
    middle = (found.t_min + found.t_max) / 2
    at_s = {s: middle}
    residual = diff(m0, t) - ode.linear_coefficient * m0 - ode.nonlinear_coefficient
    assert found.vanishes(residual.subs(at_s))


@pytest.mark.parametrize("integrand", PARAMETERIZATIONS)
@pytest.mark.parametrize("prediction", PARAMETERIZATIONS)
def test_conversion(prediction: str, integrand: str) -> None:
    """N = A x + B P for any x0, eps."""
    given, wanted = get(prediction), get(integrand)
    a, b = conversion(given, wanted)
    assert (a * alpha + b * given.data - wanted.data).equals(0)
    assert (a * sigma + b * given.noise - wanted.noise).equals(0)


def test_integrand_that_is_x_itself_is_refused() -> None:
    with pytest.raises(sg.DerivationError, match="proportional to x"):
        sg.Solver("rectified_flow", sg.NOISE, sg.Parameterization(sg.alpha, sg.sigma))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epsilons", "Did you mean 'epsilon'"),
        ("rate(1)", "moves with time"),
        ("rate(beta)", "unknown name"),
        ("0, 0", "identically zero"),
    ],
)
def test_bad_parameterizations(text: str, message: str) -> None:
    with pytest.raises(sg.SolvergenError, match=message):
        get(text)


@pytest.mark.parametrize("expansion", ["(t - 1/2)**2", "1", "alpha*0", "gama"])
def test_bad_expansions(expansion: str) -> None:
    with pytest.raises(sg.SolvergenError):
        sg.Solver("rectified_flow", sg.NOISE, sg.DATA, expansion)
