"""How many Gauss points a panel of the emitted quadrature needs: measured against many digits.

The means over q of an interval are integrals over lambda of the rates of the clocks
(``solvergen.rates``), on panels of at most ``PANEL``:

    mean of theta^k = int w theta^k dlambda / int w dlambda,    w = dq/dlambda,

and so are q(t) - q(s), gamma(t) - gamma(s) and t - s, by which they are scaled. Wherever a step
lies and however long it is, it consists of such panels, so the widest ones bound the error of all.
Where a pole is near, as those of alpha^2 = 1/(1 + e^(-2 lambda)) at +-i pi/2, an n-point rule wins
a factor of about 10 with every point, and where the rates are exponentials far more. No panel holds
a kink of the rates, so that the gaps of a table's kinks are the widest ones there. The smallest
rule whose figures are within 10^-16 of a 32-point rule, both in 25 digits, is the one that is
emitted.

The alternatives lose: differences of antiderivatives cancel like eps/h^(k+1) for short steps, phi
functions need a series and a recurrence with a switch between them, and neither is faster than a
sum over 8 to 20 values.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
from sympy import Expr

from solvergen.algebra import precision
from solvergen.algebra.evaluation import as_mp, compiled
from solvergen.derivation.weights import Weights
from solvergen.scalars.rate_errors import half_log_snr_range, half_log_snrs
from solvergen.scalars.rates import Rates
from solvergen.schedules.flatness import has_flat_end
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import half_log_snr_symbol as l
from solvergen.symbols import t

PANEL = 2.0
"""Width of a panel in lambda: the poles of a variance-preserving schedule lie pi/2 beside it, where
a rule wins a digit with every point, and most steps of a run of 20 are no longer."""
POINTS = (4, 6, 8, 10, 12, 14, 16, 20, 24)
"""Rules that are tried."""
UNMEASURED = 16
"""Points where no closed inverse is there to measure a rule with: the middle of the 10 to 24 that
the named schedules take."""
FINEST = 32
"""Points of the rule that the others are compared with, eight more than they have: eight digits."""
POWERS = 5
"""Means of theta^k that are compared, k below that: a support holds five nodes."""
MIDDLE = 8.0
"""Up to here panels overlap; beyond, alpha or sigma is 1 to seven digits and rates are powers."""
TINY = mpmath.mpf(10) ** -300
"""Beside an integral that may be 0, where no noise is added."""
WIDEST = 16
"""Panels between kinks that are measured, the widest ones: the others are easier."""


@dataclass(frozen=True)
class Quadrature:
    """A rule for one panel.

    Attributes:
        points: of the Gauss-Legendre rule.
        error: the largest error of a mean of (2 theta - 1)^k, k < POWERS, and of the three
            integrals, relative, over a panel; None if it was not measured, because the schedule
            has no inverse in closed form.
        is_cut: whether the panels end at kinks.
        variable: in which the panels are.
    """

    points: int
    error: float | None
    is_cut: bool = False
    variable: str = "half_log_snr"

    def __str__(self) -> str:
        rule = f"{self.points}-point Gauss-Legendre quadrature"
        where = f"panels of at most {PANEL:g} in {self.variable}"
        where += ", cut at the kinks" if self.is_cut else ""
        if self.error is None:
            return f"{rule} on {where}"
        return f"{rule}, in exact arithmetic within {self.error:.0e} on {where}"


@lru_cache(maxsize=64)
def choose(weights: Weights) -> Quadrature:
    """The smallest rule that is accurate for a schedule, an integrand and an expansion variable."""
    schedule = weights.schedule
    is_flat = has_flat_end(schedule)
    inverse = None if is_flat else schedule.time_at_half_log_snr
    if inverse is None or (weights.ode.factor is None and weights.ode.base is None):
        points = POINTS[-1] if is_flat else UNMEASURED
        return Quadrature(points, None, variable="the logit of time" if is_flat else "half_log_snr")
    if weights.ode.base is not None:  # eta reads t, which is small beside a number at an end
        return _smallest(weights, inverse, precision.RATES)
    try:
        return _smallest(weights, inverse, precision.QUADRATURE)
    except ZeroDivisionError:  # t is an end of the domain in so few digits
        return _smallest(weights, inverse, precision.RATES)


def _smallest(weights: Weights, inverse: Expr, digits: int) -> Quadrature:
    schedule = weights.schedule
    is_cut = Rates.derive(weights).is_rough(weights.ode)
    with mpmath.workdps(digits):
        rates = _Rates.of(weights, schedule.substitute(inverse))
        panels = _pieces(weights) if is_cut else _panels(schedule, inside=bool(rates.noise))
        exact = [(panel, rates.figures(*panel, FINEST)) for panel in panels]
        for points in POINTS:
            error = 0.0
            for panel, figures in exact:
                error = max(error, _distance(rates.figures(*panel, points), figures))
                if error > precision.QUADRATURE_ERROR and points < POINTS[-1]:
                    break
            else:
                break
    return Quadrature(points, float(10.0 ** np.ceil(np.log10(max(error, 1e-18)))), is_cut)


def _panels(schedule: NoiseSchedule, inside: bool = False) -> list[tuple[Any, Any]]:
    """The ends of panels: near both ends, and close together where poles may be near.

    Those come first, because a rule that fails there needs no other place. Half of those at the
    ends lie outside the domain, unless they are to be ``inside``: eta is known there alone.
    """
    spread = half_log_snrs(schedule)
    low, high = spread[0], spread[-1]
    inner = np.arange(-MIDDLE, MIDDLE + PANEL / 2, PANEL / 2)
    places = [low, *(float(one) for one in inner if low < one < high), high]
    if inside:
        first, last = half_log_snr_range(schedule)
        half = min(PANEL, last - first) / 2
        places = [min(max(one, first + half), last - half) for one in places]
    return [(place - PANEL / 2, place + PANEL / 2) for place in sorted(places, key=abs)]


def _pieces(weights: Weights) -> list[tuple[Any, Any]]:
    """The ends of the widest panels that are cut at the kinks."""
    schedule, kinks = weights.schedule, weights.ode.kinks
    value = compiled(schedule.substitute(schedule.half_log_snr), (t,), "mpmath")
    low, high = half_log_snr_range(schedule)
    panels = []
    for first, last in pairwise([low, *(value(as_mp(one)) for one in kinks[::-1]), high]):
        count = max(1, math.ceil((last - first) / PANEL))
        width = (last - first) / count
        panels += [(first + k * width, first + (k + 1) * width) for k in range(count)]
    return sorted(panels, key=lambda ends: ends[0] - ends[1])[:WIDEST]


def _distance(found: Sequence[Any], exact: Sequence[Any]) -> float:
    return float(max(abs(a - b) for a, b in zip(found, exact, strict=True)))


@dataclass(frozen=True)
class _Rates:
    """The rates of the clocks in many digits, and whether gamma runs evenly in lambda."""

    clock: Any
    speed: Any
    time: Any
    noise: tuple[Any, ...]
    time_at: Any
    is_even: bool

    @classmethod
    def of(cls, weights: Weights, inverse: Expr) -> "_Rates":
        rates = Rates.derive(weights)
        clock, speed, time, *noise = (
            compiled(weights.schedule.substitute(one), (l, t), "mpmath") for one in rates.measured
        )
        time_at = compiled(inverse, (l,), "mpmath")
        return cls(clock, speed, time, tuple(noise), time_at, not rates.expansion.has(l, t))

    def figures(self, low: Any, high: Any, points: int) -> list[Any]:
        """The integrals over a panel, by its width, and the means of (2 theta - 1)^k.

        theta comes from the same rule: the integral of the polynomial through the speeds.
        """
        nodes, weights = gauss(points, precision.QUADRATURE)
        at = [low + (high - low) * x for x in nodes]
        rows = [(one, self.time_at(one)) for one in at]
        clock, speed, time = (
            [rate(*one) for one in rows] for rate in (self.clock, self.speed, self.time)
        )
        below = gauss_below(points, precision.QUADRATURE) if self.noise or not self.is_even else []
        noise = [[rate(*one) for one in rows] for rate in self.noise]
        if noise:  # e^-K from each node to the end
            total = mpmath.fdot(noise[0], weights)
            rest = [(high - low) * (total - mpmath.fdot(noise[0], column)) for column in below]
            kept = [mpmath.exp(-one) for one in rest]
            clock = [value * one for value, one in zip(clock, kept, strict=True)]
            noise[1] = [value * one**2 for value, one in zip(noise[1], kept, strict=True)]
        totals = [mpmath.fdot(values, weights) for values in (clock, speed, time, *noise)]
        theta = nodes
        if not self.is_even:
            theta = [mpmath.fdot(speed, column) / totals[1] for column in below]
        mass = [value * w / totals[0] for value, w in zip(clock, weights, strict=True)]
        means = [mpmath.fdot(mass, [(2 * x - 1) ** k for x in theta]) for k in range(1, POWERS)]
        return [*(mpmath.log(abs(one) + TINY) for one in totals), *means]


@lru_cache(maxsize=32)
def gauss(points: int, digits: int) -> tuple[list[Any], list[Any]]:
    """Nodes and weights on [0, 1], which are symmetric."""
    with mpmath.workdps(digits):
        upper = []
        for x in np.polynomial.legendre.leggauss(points)[0][points // 2 :]:
            root, slope = _root(points, x, digits)
            upper.append((root, 1 / ((1 - root**2) * slope**2)))
        lower = [(-root, weight) for root, weight in upper[points % 2 :][::-1]]
        roots, weights = zip(*lower, *upper, strict=True)
        return [(1 + x) / 2 for x in roots], list(weights)


@lru_cache(maxsize=32)
def gauss_below(points: int, digits: int) -> list[list[Any]]:
    """For every node the weights of the integral up to it.

    The polynomial through values f_i has the Legendre coefficients (2m + 1) sum_i w_i P_m(x_i) f_i
    and int_(-1)^x P_m = (P_(m+1)(x) - P_(m-1)(x))/(2m + 1).
    """
    with mpmath.workdps(digits):
        nodes, weights = gauss(points, digits)
        values_at = [legendre(points, 2 * x - 1) for x in nodes]
        integral = []
        for here in values_at:
            steps = [here[1] + 1, *(here[m + 1] - here[m - 1] for m in range(1, points))]
            column = [mpmath.fdot(values[:points], steps) / 2 for values in values_at]
            integral.append([w * one for w, one in zip(weights, column, strict=True)])
        return integral


def _root(points: int, x: float, digits: int) -> tuple[Any, Any]:
    """A root of P_n and P_n' there, by Newton's method, which doubles the digits of a float64."""
    root, known = mpmath.mpf(float(x)), precision.FLOAT
    while True:
        values = legendre(points, root)
        slope = _slope(points, root, values)
        if known > digits:
            return root, slope
        root, known = root - values[points] / slope, 2 * known - 2


def _slope(points: int, x: Any, values: Sequence[Any]) -> Any:
    """P_n'(x)."""
    return points * (values[points - 1] - x * values[points]) / (1 - x**2)


def legendre(points: int, x: Any) -> list[Any]:
    """P_0(x) .. P_n(x)."""
    values = [mpmath.mpf(1), x]
    for m in range(1, points):
        values.append(((2 * m + 1) * x * values[m] - m * values[m - 1]) / (m + 1))
    return values
