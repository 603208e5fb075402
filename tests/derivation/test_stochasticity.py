"""Noise on the way: the damped ODE of every integrand, its closed forms, and what is refused."""

import mpmath
import pytest
import sympy
from some_schedules import custom_schedule

import solvergen as sg
from solvergen.derivation import stochasticity
from solvergen.derivation.parameterization import WRONSKIAN, get, total_derivative
from solvergen.derivation.semilinear import SemilinearODE, linear, nonlinear
from solvergen.schedules.values import at_time
from solvergen.symbols import alpha, eta, sigma

INTEGRANDS = ("data", "noise", "flow", "velocity", "score", "straight", "rate(sigma/alpha)")
KINDS = ("eta: 1", "eta: 0.3", "ancestral: 0.7", "retention: t", "eta: t*sqrt(alpha)")
SCHEDULES = ("vp_linear", "rectified_flow", "ve", "vp_cosine")


@pytest.mark.parametrize("name", INTEGRANDS)
@pytest.mark.parametrize("kind", KINDS)
def test_drift_is_that_of_the_reverse_equation(name: str, kind: str) -> None:
    """f x + (1 + eta^2) g^2/(2 sigma) eps, with eps in x and N, is a_eta x + b_eta N."""
    integrand, noise = get(name), stochasticity.get(kind)
    assert noise is not None
    ode = SemilinearODE.derive(sg.schedules.vp_linear(), integrand, noise)
    x, value = sympy.symbols("x N")
    eps = (alpha * value - integrand.data * x) / integrand.determinant
    drift = total_derivative(alpha) / alpha * x + noise.scaled * WRONSKIAN / alpha * eps
    assert sympy.simplify(drift - ode.linear * x - ode.nonlinear * value) == 0


@pytest.mark.parametrize("schedule", [*SCHEDULES, "custom"])
@pytest.mark.parametrize("name", INTEGRANDS)
@pytest.mark.parametrize("kind", KINDS)
def test_closed_forms_satisfy_their_equations(schedule: str, name: str, kind: str) -> None:
    """R' = a_eta R and q' = b_eta/R where there are closed forms, at a time of the schedule."""
    found = custom_schedule() if schedule == "custom" else sg.schedules.get(schedule)
    ode = SemilinearODE.derive(found, get(name), stochasticity.get(kind))
    time = mpmath.mpf(float(found.t_max) * 0.37)

    def value(form: sympy.Expr) -> mpmath.mpf:
        return at_time(form, ode.schedule, time)

    with mpmath.workdps(40):
        if ode.factor is not None:
            growth = value(total_derivative(ode.factor)) / value(ode.factor)
            assert mpmath.almosteq(growth, value(ode.linear), 1e-30, 1e-30)
        if ode.clock is not None:
            rate = value(ode.nonlinear) / value(ode.factor)
            assert mpmath.almosteq(value(total_derivative(ode.clock)), rate, 1e-30)


@pytest.mark.parametrize(
    ("schedule", "name", "formula"),
    [
        ("rectified_flow", "data", "2*t*(1 - t)"),
        ("rectified_flow", "flow", "t"),
        ("trigonometric", "data", "sigma"),
        ("vp_linear", "flow", "sqrt(t)"),
        ("vp_alphabar", "data", "sigma"),
        ("edm", "data", "sqrt(t)"),
    ],
)
def test_exponents_are_integrals(schedule: str, name: str, formula: str) -> None:
    """K = int eta^2 dlog(alpha/R), where that has an antiderivative."""
    found, noise = sg.schedules.get(schedule), stochasticity.get(f"eta: {formula}")
    plain = SemilinearODE.derive(found, get(name))
    ode = SemilinearODE.derive(found, get(name), noise)
    assert noise is not None
    assert plain.factor is not None
    assert ode.factor is not None
    rate = noise.squared * total_derivative(sympy.log(alpha / plain.factor))
    with mpmath.workdps(25):
        start, end = (mpmath.mpf(float(found.t_max) * part) for part in (0.8, 0.2))
        tilt = [at_time(plain.factor / ode.factor, ode.schedule, time) for time in (end, start)]
        kappa = mpmath.quad(lambda u: at_time(rate, found, u), [start, end])
        assert mpmath.almosteq(mpmath.log(tilt[0] / tilt[1]), kappa, 1e-20)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_constant_eta_is_closed_for_data_and_noise(schedule: str) -> None:
    one = stochasticity.get(1)
    for name in ("data", "noise"):
        ode = SemilinearODE.derive(sg.schedules.get(schedule), get(name), one)
        assert ode.factor is not None
        assert ode.clock is not None


def test_eta_0_is_the_ode() -> None:
    solver = sg.Solver("vp_linear", integrand="data", stochasticity="eta: 0")
    plain = sg.Solver("vp_linear", integrand="data")
    assert solver == plain
    assert solver.content_hash == plain.content_hash
    limit = SemilinearODE.derive(solver.schedule, sg.DATA, stochasticity.get(1))
    assert limit.linear.subs(eta, 0).equals(linear(sg.DATA))
    assert limit.nonlinear.subs(eta, 0).equals(nonlinear(sg.DATA))


@pytest.mark.parametrize(
    "text", ["eta: 1", "eta: 7/10", "ancestral: 1", "renoise", "retention: t", "eta: t*alpha"]
)
def test_text_reads_back(text: str) -> None:
    found = stochasticity.get(text)
    assert found is not None
    assert stochasticity.get(found.text) == found
    solver = sg.Solver("ve", "data", "data", stochasticity=text)
    assert sg.from_specification(solver.specification) == solver


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("eta: -1", "expected 0 to 2"),
        ("-0.5", "expected 0 to 2"),
        ("ancestral: 1.5", "expected 0 to 1"),
        ("ancestral: t", "expected a number"),
        ("etta: 1", "did you mean"),
        ("eta:", "expected"),
        ("renoise: 3", "expected"),
        ("eta: x", "x"),
        ("eta: __import__('os')", ""),
        ("eta: 1; eta: 2", ""),
        ("diffusion: 0", "expected"),
        ("eta: 1e999999999", ""),
        (True, "expected"),
        (["eta: 1"], "expected"),
    ],
)
def test_bad_text_is_refused(text: object, says: str) -> None:
    with pytest.raises(sg.SolvergenError) as caught:
        sg.Solver("vp_linear", integrand="data", stochasticity=text)
    assert says.lower() in str(caught.value).lower()


def test_negative_variance_is_refused() -> None:
    """A retention that grows on the way to the data, and eta^2 < 0 in other words."""
    for text in ("retention: exp(-t)", "retention: 1/(1 + sigma)"):
        with pytest.raises(sg.DerivationError, match="must grow with t"):
            sg.Solver("vp_linear", integrand="data", stochasticity=text)


def test_parameter_called_eta_is_refused() -> None:
    schedule = sg.NoiseSchedule("1 - t*eta", "t", parameters={"eta": 1})
    sg.Solver(schedule, integrand="data")
    with pytest.raises(sg.DerivationError, match="eta"):
        sg.Solver(schedule, integrand="data", stochasticity=1)


def test_iteration_to_a_tolerance_and_stages_that_go_back_are_refused() -> None:
    with pytest.raises(sg.SchemeError, match="tolerance"):
        sg.Solver("vp_linear", integrand="data", scheme="adams_moulton:3:tol=1e-8", stochasticity=1)
    solver = sg.Solver("vp_linear", integrand="data", scheme="singlestep:4", stochasticity=1)
    with pytest.raises(sg.SchemeError, match="one path"):
        _ = solver.program


def test_clock_that_depends_on_eta_is_no_expansion_variable() -> None:
    with pytest.raises(sg.DerivationError, match="depends on eta"):
        sg.Solver("vp_linear", integrand="data", expansion="clock", stochasticity=1)


@pytest.mark.parametrize("text", ["eta: exp(exp(exp(t)))", "retention: exp(exp(t))"])
def test_numbers_beyond_float64_are_refused(text: str) -> None:
    with pytest.raises(sg.DerivationError, match="no number below"):
        sg.Solver("ve", "data", "data", stochasticity=text)


def test_damped_schedule_is_the_ode_of_another_one() -> None:
    """Data: alpha, sigma e^-K is the schedule whose ODE has the same Phi and M0."""
    schedule = sg.schedules.vp_linear()
    noisy = SemilinearODE.derive(schedule, sg.DATA, stochasticity.get(1))
    phi, moment = noisy.general_integrating_factor, noisy.general_zeroth_moment
    assert phi is not None
    assert moment is not None
    end, start = sympy.symbols("alpha_s sigma_s", positive=True)
    damped = sigma * (sigma / alpha) ** eta**2
    other = damped / damped.subs({alpha: end, sigma: start}, simultaneous=True)
    assert sympy.simplify(sympy.powsimp(phi / other, force=True)) == 1
    assert sympy.simplify(sympy.expand(moment - (alpha - other * end))) == 0
