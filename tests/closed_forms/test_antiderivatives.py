"""Closed forms of the moment integrals: what they are, that they are proved, and by quadrature."""

import random

import mpmath
import pytest
import sympy
from sympy import Integer, Matrix, Rational, Symbol, asin, diff, log, polylog, simplify, sqrt

import solvergen as sg
from solvergen.algebra.evaluation import DIGITS, compiled
from solvergen.algebra.phi import elementary, phi
from solvergen.closed_forms.antiderivatives import moment_closed_form, prove_antiderivative
from solvergen.closed_forms.proofs import Proof, at_times, prove_zero
from solvergen.closed_forms.taylor import (
    h,
    normalized_moment,
    prove_taylor_integral,
    taylor_integral,
)
from solvergen.closed_forms.uniformization import uniformize
from solvergen.derivation.expansion import resolve
from solvergen.derivation.parameterization import at_schedule, get
from solvergen.derivation.semilinear import SemilinearODE, at_start
from solvergen.derivation.weights import Weights
from solvergen.scalars.reference import Reference
from solvergen.symbols import alpha, alpha_s, gamma, s, sigma, sigma_s, t

z = Symbol("z", positive=True)
theta = Symbol("theta", real=True)
INTEGRANDS = ("noise", "data", "velocity", "straight", "score")
RATIOS = ("half_log_snr", "sigma/alpha", "sigma/(alpha+sigma)", "theta")


def weights(schedule: str, integrand: str, expansion: str) -> Weights:
    ode = SemilinearODE.derive(sg.schedules.get(schedule), get(integrand))
    return Weights.derive(ode, resolve(expansion, ode.clock))


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


def test_taylor_integral_at_two_times() -> None:
    """int_s^t (1 - t)/(1 - u)^2 (u - s) du for noise, int_s^t -t/u^2 (u - s) du for data."""
    noise = taylor_integral(weights("rectified_flow", "noise", "time"), 1)
    assert noise is not None
    assert noise.expression == t - s + (1 - t) * log((1 - t) / (1 - s))
    data = taylor_integral(weights("rectified_flow", "data", "time"), 1)
    assert data is not None
    assert data.expression == t - s - t * log(t / s)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "integrand", "expansion"),
    [
        ("rectified_flow", "noise", "time"),
        ("rectified_flow", "data", "theta"),
        ("rectified_flow", "flow", "half_log_snr"),
        ("rectified_flow", "velocity", "time"),
        ("vp_linear", "noise", "alpha**2"),
        ("vp_linear", "velocity", "sigma/(alpha+sigma)"),
        ("vp_cosine", "noise", "theta"),
        ("vp_alphabar", "data", "time"),
        ("trigonometric", "straight", "half_log_snr"),
        ("sub_vp", "noise", "sigma/(alpha+sigma)"),
        ("ve", "velocity", "time"),
        ("ve_geometric", "data", "time"),
    ],
)
def test_closed_forms_agree_with_quadrature(schedule: str, integrand: str, expansion: str) -> None:
    """I_k against 50-digit quadrature of its definition, which uses neither clock nor density."""
    found = weights(schedule, integrand, expansion)
    reference = Reference(found, sg.NOISE)
    generator = random.Random(f"{schedule} {integrand} {expansion}")
    low, high = (float(end) for end in found.schedule.domain)
    end, start = sorted(low + (high - low) * generator.uniform(0.1, 0.9) for _ in range(2))
    variable = found.expansion.variable
    forms = {k: form for k in range(4) if (form := taylor_integral(found, k)) is not None}
    assert len(forms) >= 2
    width = variable - at_start(variable)
    with mpmath.workdps(DIGITS):
        powers = [lambda x, k=k: x**k for k in forms]
        zeroth, means = reference.means(end, start, powers)
        step = reference.gamma(end) - reference.gamma(start)
        for (k, form), mean in zip(forms.items(), means, strict=True):
            explicit = at_times(elementary(form.expression).subs(h, width), found.schedule)
            function = compiled(found.schedule.substitute(explicit), (t, s), "mpmath")
            value = function(mpmath.mpf(end), mpmath.mpf(start))
            expected = zeroth * step**k * mean / mpmath.factorial(k)
            assert abs(value - expected) < mpmath.mpf("1e-30") * abs(zeroth * step**k)


@pytest.mark.parametrize("schedule", ["rectified_flow", "vp_linear", "ve", "flow_shifted"])
@pytest.mark.parametrize("k", sorted(random.Random(7).sample(range(7), 3)))
def test_half_log_snr_gives_phi_functions_exactly(schedule: str, k: int) -> None:
    """I_k = -sigma_t h^(k+1) phi_(k+1)(h) for noise, alpha_t h^(k+1) phi_(k+1)(-h) for data."""
    for integrand, sign, scale in (("noise", 1, -sigma), ("data", -1, alpha)):
        found = weights(schedule, integrand, "half_log_snr")
        form = taylor_integral(found, k)
        assert form is not None
        assert form.proof is Proof.symbolic
        expected = scale * h ** (k + 1) * phi(k + 1, sign * h)
        gap = at_schedule(form.expression - expected, found.schedule)
        assert simplify(gap) == 0
        moment = sympy.factorial(k) * phi(k + 1, sign * h) / phi(1, sign * h)
        assert normalized_moment(found, k) == moment


@pytest.mark.parametrize("integrand", ["noise", "data", "velocity", "flow", "straight"])
@pytest.mark.parametrize("schedule", ["vp_linear", "vp_alphabar", "trigonometric"])
def test_clock_gives_rationals(schedule: str, integrand: str) -> None:
    """gamma = q: mu_k = 1/(k+1), and I_k is M_0 (gamma_t - gamma_s)^k/(k+1)!."""
    found = weights(schedule, integrand, "clock")
    assert [normalized_moment(found, k) for k in range(1, 5)] == [
        Rational(1, k + 1) for k in range(1, 5)
    ]
    zeroth, third = taylor_integral(found, 0), taylor_integral(found, 3)
    assert zeroth is not None
    assert third is not None
    ratio = sympy.cancel(third.expression / zeroth.expression)
    assert ratio in (h**3 / 24, sympy.expand((t - s) ** 3 / 24))


ADAMS_BASHFORTH = {
    2: (Rational(3, 2), Rational(-1, 2)),
    3: (Rational(23, 12), Rational(-16, 12), Rational(5, 12)),
    4: (Rational(55, 24), Rational(-59, 24), Rational(37, 24), Rational(-9, 24)),
}


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize(
    ("schedule", "integrand", "expansion"),
    [
        ("vp_linear", "noise", "half_log_snr"),
        ("vp_linear", "data", "half_log_snr"),
        ("rectified_flow", "noise", "time"),
        ("rectified_flow", "data", "time"),
        ("ve", "data", "sigma/alpha"),
    ],
)
def test_short_steps_give_adams_bashforth(
    schedule: str, integrand: str, expansion: str, order: int
) -> None:
    """sum_j (-j)^k ell_j = mu_k with the limits of the closed forms of mu_k as the step shrinks."""
    found = weights(schedule, integrand, expansion)
    small = Symbol("epsilon", positive=True)
    limits = []
    for k in range(order):
        moment = Integer(1) if k == 0 else normalized_moment(found, k)
        assert moment is not None
        short = elementary(moment).subs({h: small, t: Rational(1, 2) - small, s: Rational(1, 2)})
        limits.append(sympy.series(short, small, 0, 1).removeO().subs(small, 0))
    nodes = Matrix(order, order, lambda k, j: Integer(-j) ** k)
    assert tuple(nodes.LUsolve(Matrix(limits))) == ADAMS_BASHFORTH[order]


@pytest.mark.parametrize("integrand", INTEGRANDS)
@pytest.mark.parametrize("expansion", RATIOS)
@pytest.mark.parametrize("schedule", ["vp_linear", "rectified_flow", "edm"])
def test_ratio_variables_are_always_uniformized(
    schedule: str, integrand: str, expansion: str
) -> None:
    """For gamma a function of alpha/sigma one substitution or another always does."""
    assert uniformize(weights(schedule, integrand, expansion), 3) is not None


def test_wrong_forms_are_not_proved() -> None:
    """Neither a wrong derivative, nor what does not vanish at t = s, nor the 30th digit wrong."""
    found = weights("rectified_flow", "noise", "time")
    right = moment_closed_form(found, 1)
    assert right is not None
    assert prove_antiderivative(right.expression, found, 1) is Proof.symbolic
    assert prove_antiderivative(right.expression + 5, found, 1) is Proof.symbolic
    assert prove_antiderivative(right.expression + gamma, found, 1) is None
    integral = taylor_integral(found, 1)
    assert integral is not None
    assert prove_taylor_integral(integral.expression, found, 1) is Proof.symbolic
    homogeneous = (1 - t) / (1 - s)
    assert prove_taylor_integral(integral.expression + homogeneous, found, 1) is None
    nearly = integral.expression * (1 + Rational(1, 10**30))
    assert prove_taylor_integral(nearly, found, 1) is None


def test_how_an_identity_was_proved() -> None:
    """Cancelling decides what is rational in its calls; many digits decide the rest."""
    schedule = sg.schedules.get("vp_linear")
    assert prove_zero(log(t * s) - log(t) - log(s), schedule) is Proof.symbolic
    assert prove_zero(sympy.sin(t + s) ** 2 + sympy.cos(t + s) ** 2 - 1, schedule) is Proof.numeric
    assert prove_zero(sympy.sin(t) - t, schedule) is None


def test_dilogarithms_are_proved() -> None:
    """int log(w)^2 dt on the rectified flow."""
    form = moment_closed_form(weights("rectified_flow", "flow", "half_log_snr"), 2)
    assert form is not None
    assert form.expression.has(polylog)


def test_phi_functions() -> None:
    """phi_(k+1)(z) = (phi_k(z) - 1/k!)/z, phi_k(0) = 1/k!, and the derivative."""
    for k in range(5):
        step = (phi(k, theta) - Rational(1, sympy.factorial(k))) / theta
        assert simplify(elementary(phi(k + 1, theta) - step)) == 0
        assert phi(k, 0) == Rational(1, sympy.factorial(k))
        assert sympy.limit(elementary(phi(k, theta)), theta, 0) == phi(k, 0)
        assert simplify(elementary(diff(phi(k + 1, theta), theta) - diff(step, theta))) == 0


def test_symbols_of_two_times() -> None:
    """alpha, sigma at both times on schedules that are not rational in t; t and s on others."""
    found = taylor_integral(weights("vp_linear", "noise", "theta"), 1)
    assert found is not None
    assert found.expression == sigma * h + alpha * log(alpha / alpha_s)
    custom = sg.NoiseSchedule(alpha=1 - t**2, sigma=t)
    solver = sg.Solver(custom, "data", "data", "time")
    explicit = taylor_integral(solver.weights, 1)
    assert explicit is not None
    assert explicit.expression.free_symbols == {t, s}
    assert not found.expression.has(sigma_s)
