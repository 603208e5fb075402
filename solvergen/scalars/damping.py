"""K_t - K_s in many digits, where it has no closed form: what references compute e^-kappa from.

K' is integrated over v = log((u - t_min)/(t_max - u)), in which it is analytic up to the very ends
of the domain, on panels of half a unit between kinks, whose sums are kept: K at a time is the sum
of those from the middle of the domain, and a rest. Nothing of the emitted code is in it.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath

from solvergen.algebra.evaluation import as_mp
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.scalars.quadrature import gauss
from solvergen.schedules.values import at_time

WIDTH = 0.5
"""Of a panel in v: n points leave 25^-2n of what is analytic for |Im v| < pi."""
DIGITS_PER_POINT = 2.4


@dataclass(frozen=True, eq=False)
class Damping:
    """K of one equation, in the precision that is in force where it is made."""

    ode: SemilinearODE
    _sums: dict[Any, Any] = field(default_factory=dict)

    def __call__(self, end: Any, start: Any) -> Any:
        """K_end - K_start."""
        return self._from_middle(end) - self._from_middle(start)

    def _from_middle(self, time: Any) -> Any:
        """K from the middle of the domain to a time."""
        low, high = map(as_mp, self.ode.schedule.domain)
        place = mpmath.log((time - low) / (high - time))
        knots = self._knots(place)
        return mpmath.fsum(self._panel(*ends) for ends in pairwise(knots))

    def _knots(self, place: Any) -> list[Any]:
        """From 0 to a place by way of the kinks and of multiples of ``WIDTH``."""
        low, high = map(as_mp, self.ode.schedule.domain)
        times = map(as_mp, self.ode.kinks)
        kinks = sorted(mpmath.log((one - low) / (high - one)) for one in times)
        count = int(mpmath.floor(abs(place) / WIDTH))
        even = [mpmath.sign(place) * k * WIDTH for k in range(count + 1)]
        first, last = min(place, mpmath.mpf(0)), max(place, mpmath.mpf(0))
        inside = kinks[bisect_right(kinks, first) : bisect_right(kinks, last)]
        return sorted({*even, *inside, place}, reverse=bool(place < 0))

    def _panel(self, first: Any, last: Any) -> Any:
        """The integral of K' over a panel."""
        if (first, last) not in self._sums:
            nodes, weights = gauss(math.ceil(mpmath.mp.dps / DIGITS_PER_POINT), mpmath.mp.dps)
            values = [self._rate(first + (last - first) * x) for x in nodes]
            self._sums[first, last] = (last - first) * mpmath.fdot(values, weights)
        return self._sums[first, last]

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
