"""What is derived from a schedule, against derivatives of its two formulas that nobody derived.

alpha', sigma' are differences in many digits. With them, at times inside the domain,

    f = alpha'/alpha,   g^2 = 2 sigma sigma' - 2 f sigma^2,   lambda' = -g^2/(2 sigma^2),

and for every integrand N = c_data x0 + c_noise eps the step x_t = Phi x_s + M0 N from a frozen N
solves dx/dt = a x + b N, which is to say (THEORY sections 3 and 4)

    Phi' = a Phi,   M0' = a M0 + b,   Phi(s, s) = 1,   M0(s, s) = 0.
"""

from collections.abc import Callable, Iterator
from typing import Any

import mpmath
from sympy import Expr, Float

from solvergen.algebra import precision
from solvergen.algebra.evaluation import evaluate_mp
from solvergen.derivation.parameterization import (
    DATA,
    FLOW,
    NOISE,
    STRAIGHT,
    VELOCITY,
    Parameterization,
)
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.measurement.checks import Check, accuracy
from solvergen.schedules.identities import sample_points
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import half_log_snr_symbol, s, t

INTEGRANDS = (NOISE, DATA, VELOCITY, FLOW, STRAIGHT)
Function = Callable[[Any], Any]


def of(schedule: NoiseSchedule) -> tuple[Check, ...]:
    """All identities of a schedule, each with its largest error."""
    with mpmath.workdps(precision.CHECK):
        named = [*_of_schedule(schedule)]
        for integrand in INTEGRANDS:
            named += _of_integrand(schedule, integrand)
        return tuple(accuracy(name, worst, precision.DERIVATION) for name, worst in named)


def _of_schedule(schedule: NoiseSchedule) -> Iterator[tuple[str, float]]:
    points = sample_points(schedule)
    alpha, sigma, rate, noise, level = (
        _function(schedule, one)
        for one in (
            schedule.alpha,
            schedule.sigma,
            schedule.f,
            schedule.g_squared,
            schedule.half_log_snr,
        )
    )

    def variance_growth(time: Any) -> Any:
        slope = mpmath.diff(alpha, time) / alpha(time)
        return 2 * sigma(time) * (mpmath.diff(sigma, time) - slope * sigma(time))

    yield "f = alpha'/alpha", _worst(points, rate, lambda u: mpmath.diff(alpha, u) / alpha(u))
    yield "g^2 = (sigma^2)' - 2 f sigma^2", _worst(points, noise, variance_growth)
    yield (
        "lambda = log(alpha/sigma)",
        _worst(points, level, lambda u: mpmath.log(alpha(u) / sigma(u))),
    )
    yield (
        "lambda' = -g^2/(2 sigma^2)",
        _worst(points, lambda u: mpmath.diff(level, u), lambda u: -noise(u) / (2 * sigma(u) ** 2)),
    )
    inverse = schedule.time_at_half_log_snr
    if inverse is not None:
        exact = schedule.substitute(inverse)
        yield (
            "t(lambda(t)) = t",
            _worst(
                points,
                lambda u: evaluate_mp(exact, half_log_snr_symbol, level(u), mpmath.mp.dps),
                lambda u: u,
            ),
        )


def _of_integrand(
    schedule: NoiseSchedule, integrand: Parameterization
) -> Iterator[tuple[str, float]]:
    """Nothing for formulas that do not exist in closed form."""
    alpha, sigma = _function(schedule, schedule.alpha), _function(schedule, schedule.sigma)
    data, noise = (_function(schedule, one) for one in integrand.coefficients(schedule))

    def determinant(time: Any) -> Any:
        return alpha(time) * noise(time) - sigma(time) * data(time)

    def linear(time: Any) -> Any:
        slopes = mpmath.diff(alpha, time) * noise(time), mpmath.diff(sigma, time) * data(time)
        return (slopes[0] - slopes[1]) / determinant(time)

    def nonlinear(time: Any) -> Any:
        slopes = alpha(time) * mpmath.diff(sigma, time), sigma(time) * mpmath.diff(alpha, time)
        return (slopes[0] - slopes[1]) / determinant(time)

    ode = SemilinearODE.derive(schedule, integrand)
    start, *points = sorted(sample_points(schedule), reverse=True)
    phi, m0 = ode.integrating_factor(), ode.zeroth_moment()
    if phi is not None:
        factor = _from(schedule, phi, start)
        yield (
            f"{integrand.name}: Phi' = a Phi",
            _worst(points, lambda u: mpmath.diff(factor, u), lambda u: linear(u) * factor(u)),
        )
        yield f"{integrand.name}: Phi(s, s) = 1", float(abs(factor(start) - 1))
    if m0 is not None:
        weight = _from(schedule, m0, start)
        yield (
            f"{integrand.name}: M0' = a M0 + b",
            _worst(
                points,
                lambda u: mpmath.diff(weight, u),
                lambda u: linear(u) * weight(u) + nonlinear(u),
            ),
        )
        yield f"{integrand.name}: M0(s, s) = 0", float(abs(weight(start)))


def _function(schedule: NoiseSchedule, expression: Expr) -> Function:
    exact = schedule.substitute(expression)
    return lambda time: evaluate_mp(exact, t, time, mpmath.mp.dps)


def _from(schedule: NoiseSchedule, expression: Expr, start: Any) -> Function:
    """A function of (t, s) from a fixed start."""
    exact = schedule.substitute(expression).subs(s, Float(start, precision.CHECK))
    return lambda time: evaluate_mp(exact, t, time, mpmath.mp.dps)


def _worst(points: list[Any], found: Function, expected: Function) -> float:
    """The largest error relative to the largest value, or to 1 if that is larger."""
    pairs = [(found(point), expected(point)) for point in points]
    scale = max(1, *(abs(truth) for _, truth in pairs))
    return float(max(abs(value - truth) for value, truth in pairs) / scale)
