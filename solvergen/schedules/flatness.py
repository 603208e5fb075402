"""Ends of the domain at which lambda is finite and flat: t(lambda) is a root there.

Beside such an end lambda - lambda_end ~ x^p with p > 1 in the distance x from it, so that
dt/dlambda is infinite, and a value of lambda in float64 tells x to (10^-16)^(1/p) alone.
"""

from functools import lru_cache

import mpmath

from solvergen.algebra.evaluation import as_mp, evaluate_mp, is_real
from solvergen.algebra.tables import Interpolate
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import t

DIGITS = 400
"""In which differences of lambda are known beside an end where p is 20."""
DISTANCES = (-8, -12, -16)
"""Powers of ten of the width of the domain, at which lambda is looked at."""
FLAT = 1.01
"""p of an end that is flat: of others it is 1, or less."""


def has_flat_end(schedule: NoiseSchedule) -> bool:
    """Whether lambda is flat at an end. Tables are taken as they are, from point to point."""
    return flatness(schedule) > 1


@lru_cache(maxsize=64)
def flatness(schedule: NoiseSchedule) -> float:
    """The largest p of the two ends; 1 where neither is flat, infinite for e^(-1/x)."""
    if (schedule.alpha + schedule.sigma).has(Interpolate):
        return 1.0
    powers = (_power_at(schedule, end) for end in (0, 1))
    return max(1.0, *(power if power > FLAT else 1.0 for power in powers))


def _power_at(schedule: NoiseSchedule, end: int) -> float:
    """p at t_min, 0, or at t_max, 1; 0 where lambda is infinite, or is no number beside it."""
    ratio = schedule.substitute(schedule.alpha / schedule.sigma)
    with mpmath.workdps(DIGITS):
        low, high = map(as_mp, schedule.domain)
        inwards = low - high if end else high - low
        places = [(high if end else low) + inwards * mpmath.mpf(10) ** k for k in DISTANCES]
        ratios = [evaluate_mp(ratio, t, place, DIGITS) for place in places]
        if not all(is_real(one) and one > 0 for one in ratios):
            return 0.0
        levels = list(map(mpmath.log, ratios))
        far, near = levels[0] - levels[1], levels[1] - levels[2]
        if near == 0:
            return float("inf") if far != 0 else 0.0
        return float(mpmath.log(abs(far / near)) / mpmath.log(mpmath.mpf(10) ** 4))
