"""K_t - K_s in many digits, where it has no closed form: what references compute e^-kappa from.

K' is a series of Legendre polynomials on every panel of v = log((u - t_min)/(t_max - u)), in which
it is analytic up to the very ends of the domain. Panels are half a unit wide and end at kinks; K at
a time is the sum of those from the middle of the domain, and a part of the last one. Nothing of the
emitted code is in it.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath

from solvergen.algebra.evaluation import as_mp
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.scalars.quadrature import gauss, legendre
from solvergen.schedules.values import at_time

WIDTH = 0.5
"""Of a panel in v: n terms leave 25^-n of what is analytic for |Im v| < pi."""
DIGITS_PER_TERM = 1.2

Series = list[Any]
"""The coefficients of K over a panel, from its start on, in P_0, P_1, .."""


@dataclass(frozen=True, eq=False)
class Damping:
    """K of one equation, in the precision that is in force where it is made."""

    ode: SemilinearODE
    _panels: dict[tuple[Any, Any], Series] = field(default_factory=dict)

    def __call__(self, end: Any, start: Any) -> Any:
        """K_end - K_start."""
        return self._from_middle(end) - self._from_middle(start)

    def _from_middle(self, time: Any) -> Any:
        """K from the middle of the domain to a time."""
        place = self._place(time)
        *before, (first, last) = pairwise(self._knots(place))
        parts = [mpmath.fsum(self._series(*ends)) for ends in before]
        x = (2 * place - first - last) / (last - first)
        series = self._series(first, last)
        return mpmath.fsum(parts) + mpmath.fdot(series, legendre(len(series) - 1, x))

    def _place(self, time: Any) -> Any:
        """v at a time."""
        low, high = map(as_mp, self.ode.schedule.domain)
        return mpmath.log((time - low) / (high - time))

    def _knots(self, place: Any) -> list[Any]:
        """The ends of panels from 0 to the one behind a place."""
        side = -1 if place < 0 else 1
        kinks = [self._place(as_mp(one)) for one in self.ode.kinks]
        count = int(mpmath.floor(abs(place) / WIDTH)) + 1
        even = [side * k * mpmath.mpf(WIDTH) for k in range(count + 1)]
        knots = sorted(
            {*even, *(one for one in kinks if 0 < side * one < side * even[-1])}, key=abs
        )
        needed = next(n for n, one in enumerate(knots) if abs(one) > abs(place))
        return knots[: needed + 1]

    def _series(self, first: Any, last: Any) -> Series:
        """K over a panel."""
        if (first, last) not in self._panels:
            self._panels[first, last] = self._integrated(first, last)
        return self._panels[first, last]

    def _integrated(self, first: Any, last: Any) -> Series:
        """The integral of the polynomial through K' at Gauss points, from -1 on: that of P_m is
        (P_(m+1) - P_(m-1))/(2m + 1)."""
        count = math.ceil(mpmath.mp.dps / DIGITS_PER_TERM)
        nodes, weights = gauss(count, mpmath.mp.dps)
        rates = [self._rate(first + (last - first) * x) for x in nodes]
        columns = zip(*(legendre(count, 2 * x - 1) for x in nodes), strict=True)
        weighted = [w * rate * (last - first) / 2 for w, rate in zip(weights, rates, strict=True)]
        means = [mpmath.fdot(weighted, column) for column in columns][:count]
        found = [means[0], means[0], *(mpmath.mpf(0) for _ in range(count - 1))]
        for m, mean in enumerate(means[1:], start=1):
            found[m + 1] += mean
            found[m - 1] -= mean
        return found

    def _rate(self, place: Any) -> Any:
        """dK/dv."""
        low, high = map(as_mp, self.ode.schedule.domain)
        small = mpmath.exp(-abs(place))
        gap = (high - low) * small / (1 + small)
        time = high - gap if place > 0 else low + gap
        rate = at_time(self.ode.damping, self.ode.schedule, time, mpmath.mp.dps)
        return rate * gap / (1 + small)


@lru_cache(maxsize=8)
def damping_of(ode: SemilinearODE, precision: int) -> Damping:
    """K in the precision that is in force, of so many bits."""
    return Damping(ode)
