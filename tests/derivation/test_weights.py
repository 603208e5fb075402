"""The identities of the normalised moments mu_k and of the Taylor-coefficient integrals I_k."""

import random

import mpmath
import pytest

import solvergen as sg
from solvergen.derivation.expansion import resolve
from solvergen.derivation.parameterization import get
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.derivation.weights import Weights
from solvergen.scalars.reference import Reference
from solvergen.symbols import t

S, T = mpmath.mpf("0.7"), mpmath.mpf("0.4")
KS = sorted(random.Random(4).sample(range(1, 9), 3))


def reference(schedule: str, integrand: str, expansion: str) -> Reference:
    ode = SemilinearODE.derive(sg.schedules.get(schedule), get(integrand))
    return Reference(Weights.derive(ode, resolve(expansion, ode.clock)), sg.NOISE)


def moment(found: Reference, k: int, end=T, start=S):
    """(M0, mu_k)."""
    zeroth, means = found.means(end, start, k + 1)
    return zeroth, means[k]


def taylor_integral(found: Reference, k: int, end):
    """I_k = M0 (gamma_t - gamma_s)^k mu_k / k!."""
    zeroth, mean = moment(found, k, end)
    width = found.gamma(end) - found.gamma(S)
    return zeroth * width**k * mean / mpmath.factorial(k)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize(
    ("schedule", "integrand", "expansion"),
    [
        ("rectified_flow", "noise", "time"),
        ("vp_linear", "data", "half_log_snr"),
        ("vp_alphabar", "velocity", "theta"),
        ("ve", "score", "sigma/(alpha+sigma)"),
    ],
)
def test_derivative_of_the_taylor_integral(schedule, integrand, expansion, k) -> None:
    """d/dt I_k = a I_k + b (gamma_t - gamma_s)^k / k!, and I_k = 0 at t = s."""
    found = reference(schedule, integrand, expansion)
    ode = found.weights.ode
    with mpmath.workdps(40):
        slope = mpmath.diff(lambda end: taylor_integral(found, k, end), T, h=mpmath.mpf("1e-12"))
        a = found.value(ode.linear_coefficient, T)
        b = found.value(ode.nonlinear_coefficient, T)
        width = found.gamma(T) - found.gamma(S)
        expected = a * taylor_integral(found, k, T) + b * width**k / mpmath.factorial(k)
        assert abs(slope - expected) < mpmath.mpf("1e-12") * abs(expected)
        near = taylor_integral(found, k, S - mpmath.mpf("1e-9"))
        assert abs(near) < mpmath.mpf("1e-7") ** (k + 1)


def phi(order: int, z):
    """phi_{k+1}(z) = int_0^1 e^((1-u) z) u^k / k! du."""
    k = order - 1
    return mpmath.quad(lambda u: mpmath.exp((1 - u) * z) * u**k, [0, 1]) / mpmath.factorial(k)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize(("integrand", "sign"), [("noise", 1), ("data", -1)])
@pytest.mark.parametrize("schedule", ["rectified_flow", "vp_cosine"])
def test_half_log_snr_gives_phi_functions(schedule, integrand, sign, k) -> None:
    """mu_k = k! phi_{k+1}(+-h) / phi_1(+-h)."""
    found = reference(schedule, integrand, "half_log_snr")
    with mpmath.workdps(30):
        h = sign * (found.gamma(T) - found.gamma(S))
        expected = mpmath.factorial(k) * phi(k + 1, h) / phi(1, h)
        assert abs(moment(found, k)[1] - expected) < mpmath.mpf("1e-20")


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("integrand", ["noise", "data", "velocity", "flow", "score"])
def test_clock_gives_one_over_k_plus_one(integrand, k) -> None:
    found = reference("vp_linear", integrand, "clock")
    with mpmath.workdps(30):
        assert abs(moment(found, k)[1] - mpmath.mpf(1) / (k + 1)) < mpmath.mpf("1e-20")


def test_the_variables_of_the_lecture() -> None:
    """A = alpha^2 on VP, noise: M0 = sqrt(A_t) [sqrt(1-A)/sqrt(A)] = alpha_t (rho_t - rho_s)."""
    schedule = sg.NoiseSchedule(alpha=(1 - t) ** 0.5, sigma=t**0.5)
    ode = SemilinearODE.derive(schedule, sg.NOISE)
    found = Reference(Weights.derive(ode, resolve("time", ode.clock)), sg.NOISE)
    with mpmath.workdps(30):
        a_t, a_s = 1 - T, 1 - S

        def antiderivative(a):
            return -2 * mpmath.sqrt(1 - a) / mpmath.sqrt(a)

        expected = -mpmath.sqrt(a_t) / 2 * (antiderivative(a_t) - antiderivative(a_s))
        assert abs(moment(found, 0)[0] - expected) < mpmath.mpf("1e-20")
