"""Taylor-coefficient integrals and normalised moments: forms, proofs, values, identities."""

import random
from math import comb, factorial

import mpmath
import pytest
import sympy
from some_schedules import weights
from sympy import Integer, Matrix, Rational, Symbol, log, simplify

import solvergen as sg
from solvergen.algebra import precision
from solvergen.algebra.evaluation import compiled
from solvergen.algebra.phi import elementary, phi
from solvergen.closed_forms.proofs import Proof
from solvergen.closed_forms.taylor import (
    h,
    normalized_moment,
    prove_taylor_integral,
    taylor_integral,
)
from solvergen.derivation.parameterization import at_schedule, at_times
from solvergen.derivation.semilinear import at_start
from solvergen.derivation.weights import Weights
from solvergen.scalars.reference import Reference
from solvergen.symbols import alpha, alpha_s, s, sigma, sigma_s, t

CASES = [
    ("rectified_flow", "noise", "time"),
    ("rectified_flow", "data", "theta"),
    ("vp_linear", "noise", "half_log_snr"),
    ("vp_cosine", "data", "sigma/(alpha+sigma)"),
    ("vp_alphabar", "velocity", "clock"),
    ("ve_geometric", "data", "time"),
]


def value(expression: sympy.Expr, found: Weights, end: object, start: object) -> mpmath.mpf:
    """A form in the symbols of ``taylor_integral``, at two times."""
    variable = found.expansion.variable
    width = variable - at_start(variable)
    explicit = at_times(elementary(expression).subs(h, width), found.schedule)
    return compiled(found.schedule.substitute(explicit), (t, s), "mpmath")(end, start)


def three_times(found: Weights) -> list[mpmath.mpf]:
    """Inside the domain, increasing."""
    low, high = (mpmath.mpf(float(end)) for end in found.schedule.domain)
    return [low + (high - low) * mpmath.mpf(part) for part in ("0.21", "0.44", "0.83")]


@pytest.mark.slow_but(2)
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_steps_compose(case: tuple[str, str, str]) -> None:
    """Over r between t and s, by the binomial theorem, with Phi for what happened until r:

    I_k(t, s) = Phi(t, r) I_k(r, s) + sum_j (gamma_r - gamma_s)^(k-j)/(k-j)! I_j(t, r).
    """
    found = weights(*case)
    reference = Reference(found, sg.NOISE)
    with mpmath.workdps(precision.REFERENCE):
        end, middle, start = three_times(found)
        width = reference.gamma(middle) - reference.gamma(start)
        forms = [taylor_integral(found, k) for k in range(3)]
        known = [form.expression for form in forms if form is not None]
        assert len(known) >= 2
        for k, form in enumerate(known):
            before = reference.integrating_factor(end, middle) * value(form, found, middle, start)
            after = mpmath.fsum(
                width ** (k - j) / factorial(k - j) * value(known[j], found, end, middle)
                for j in range(k + 1)
            )
            whole = value(form, found, end, start)
            assert abs(before + after - whole) < mpmath.mpf("1e-40") * (abs(before) + abs(after))


@pytest.mark.slow_but(1)
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_moments_are_those_of_a_measure(case: tuple[str, str, str]) -> None:
    """mu_k = k! I_k/(I_0 width^k); and for a density of one sign, 1 = mu_0 > mu_1 > .. > 0 with
    Hausdorff's differences sum_i (-1)^i binom(n, i) mu_(k+i) > 0.
    """
    found = weights(*case)
    reference = Reference(found, sg.NOISE)
    with mpmath.workdps(precision.REFERENCE):
        end, start = three_times(found)[::2]
        width = reference.gamma(end) - reference.gamma(start)
        forms = [taylor_integral(found, k) for k in range(4)]
        integrals = [value(form.expression, found, end, start) for form in forms if form]
        moments = [mpmath.mpf(1)]
        for k in range(1, len(integrals)):
            written = normalized_moment(found, k)
            assert written is not None
            moments.append(value(written, found, end, start))
            expected = factorial(k) * integrals[k] / (integrals[0] * width**k)
            assert abs(moments[k] - expected) < mpmath.mpf("1e-40")
    assert len(moments) >= 2
    for n in range(len(moments)):
        for k in range(len(moments) - n):
            assert sum((-1) ** i * comb(n, i) * moments[k + i] for i in range(n + 1)) > 0


def test_taylor_integral_at_two_times() -> None:
    """int_s^t (1 - t)/(1 - u)^2 (u - s) du for noise, int_s^t -t/u^2 (u - s) du for data."""
    noise = taylor_integral(weights("rectified_flow", "noise", "time"), 1)
    assert noise is not None
    assert noise.expression == t - s + (1 - t) * log((1 - t) / (1 - s))
    data = taylor_integral(weights("rectified_flow", "data", "time"), 1)
    assert data is not None
    assert data.expression == t - s - t * log(t / s)


@pytest.mark.slow_but(1)
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
    forms = {k: form for k in range(4) if (form := taylor_integral(found, k)) is not None}
    assert len(forms) >= 2
    with mpmath.workdps(precision.REFERENCE):
        zeroth, means = reference.means(end, start, max(forms) + 1)
        step = reference.gamma(end) - reference.gamma(start)
        for k, form in forms.items():
            written = value(form.expression, found, mpmath.mpf(end), mpmath.mpf(start))
            expected = zeroth * step**k * means[k] / mpmath.factorial(k)
            assert abs(written - expected) < mpmath.mpf("1e-30") * abs(zeroth * step**k)


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


@pytest.mark.slow_but(5)
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


def test_wrong_integrals_are_not_proved() -> None:
    """Neither what does not vanish at t = s, nor the 30th digit wrong."""
    found = weights("rectified_flow", "noise", "time")
    integral = taylor_integral(found, 1)
    assert integral is not None
    assert prove_taylor_integral(integral.expression, found, 1) is Proof.symbolic
    homogeneous = (1 - t) / (1 - s)
    assert prove_taylor_integral(integral.expression + homogeneous, found, 1) is None
    nearly = integral.expression * (1 + Rational(1, 10**30))
    assert prove_taylor_integral(nearly, found, 1) is None


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
