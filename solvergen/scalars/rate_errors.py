"""Which of several forms of dt/dlambda keeps its digits: measured over the values of lambda."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
from sympy import Expr, diff, log, nan

from solvergen.algebra import precision
from solvergen.algebra.evaluation import compiled, evaluate_mp
from solvergen.errors import DerivationError
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import half_log_snr_symbol as l
from solvergen.symbols import t

FAR = 36
"""Where e^-lambda is a rounding error of 1: what lies beyond is a power of it."""
GOOD = 2e-15
"""Nine roundings: a form of dt/dlambda that good is taken as it is."""
WRONG = 1e-6


def most_accurate(forms: Sequence[Expr], schedule: NoiseSchedule) -> Expr:
    """The shortest form whose float64 error over the domain is near the smallest.

    Of those that are wrong at the fewest points: no value at one must not let a wrong form win.
    """
    found = dict(zip(forms, _errors_at_points(forms, schedule), strict=True))
    wrong = {form: int(np.sum(~(error <= WRONG))) for form, error in found.items()}
    fewest = [form for form in found if wrong[form] == min(wrong.values())]
    worst = {form: float(np.max(found[form][found[form] <= WRONG], initial=0.0)) for form in fewest}
    limit = 2 * min(worst.values()) + GOOD
    return min((form for form in fewest if worst[form] <= limit), key=_effort)


@precision.own
def errors(forms: Sequence[Expr], schedule: NoiseSchedule) -> list[float]:
    """The largest relative errors of some forms of dt/dlambda in float64 over the domain."""
    return [float(np.max(one)) for one in _errors_at_points(forms, schedule)]


def _errors_at_points(forms: Sequence[Expr], schedule: NoiseSchedule) -> list[np.ndarray]:
    """The relative errors themselves, infinite where there is no value."""
    points, exact = _time_rates(schedule)
    stable = schedule.stable_inverse(log(schedule.alpha / schedule.sigma), l)
    return [
        np.array(
            [
                float(abs(mpmath.mpf(float(one)) / truth - 1)) if np.isfinite(one) else np.inf
                for one, truth in zip(values(form, points, stable, schedule), exact, strict=True)
            ]
        )
        for form in forms
    ]


@lru_cache(maxsize=16)
def _time_rates(schedule: NoiseSchedule) -> tuple[list[float], list[Any]]:
    """Values of lambda, and dt/dlambda there in many digits."""
    points = half_log_snrs(schedule)
    inverse = schedule.substitute(schedule.time_at_half_log_snr)
    exact_form = schedule.substitute(1 / diff(schedule.half_log_snr, t))
    with mpmath.workdps(precision.RATES):
        times = [evaluate_mp(inverse, l, point, precision.RATES) for point in points]
        return points, [evaluate_mp(exact_form, t, time, precision.RATES) for time in times]


def _effort(form: Expr) -> int:
    """Operations; those of t(lambda) count too."""
    return int(form.count_ops()) + (10 if form.has(t) else 0)


def half_log_snrs(schedule: NoiseSchedule) -> list[float]:
    """Values over the domain, as far as +-FAR where it is infinite."""
    return np.linspace(*half_log_snr_range(schedule), 42)[1:-1].tolist()


def half_log_snr_range(schedule: NoiseSchedule) -> tuple[float, float]:
    """The least and the largest, as far as +-FAR.

    Raises:
        DerivationError: one of the two is not known.
    """
    low, high = (schedule.limit_at(schedule.half_log_snr, end) for end in schedule.domain[::-1])
    if nan in (low, high):
        raise DerivationError(
            f"{schedule.name}: half_log_snr = {schedule.half_log_snr} has no limit at t = "
            f"{schedule.t_min if high is nan else schedule.t_max} that is seen in "
            f"{precision.LIMIT} digits; expected formulas whose terms do not cancel there: write "
            "alpha and sigma in other forms, or shorten the domain"
        )
    return max(float(low), -FAR), min(float(high), FAR)


def values(
    form: Expr, points: Sequence[float], time_at: Expr, schedule: NoiseSchedule
) -> np.ndarray:
    """A rate in float64 by the operations that it spells, with t from the inverse."""
    names = tuple(name for name, _ in schedule.parameters)
    numbers = [float(value) for _, value in schedule.parameters]
    with np.errstate(all="ignore"):
        x = np.asarray(points)
        time = compiled(time_at, (l, *names), "numpy")(x, *numbers)
        found = compiled(form, (l, t, *names), "numpy")(x, time, *numbers)
    return np.broadcast_to(found, x.shape)
