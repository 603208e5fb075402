"""The logit of time, in which a schedule with a flat end is integrated.

Where lambda is flat at an end of the domain, t(lambda) is a root there, and dt/dlambda infinite: no
panel in lambda ends well, and lambda does not tell t apart. In

    v = log((t - t_min)/(t_max - t))

both ends are infinitely far, and every rate falls to them as a power of the distance. Beside an end
it is a function of that distance x, which has digits that t has not:

    lambda, dlambda/dt  at  t_min + x  and  at  t_max - x,    dt/dv = (t - t_min)(t_max - t)/width

are what the rates in lambda (``scalars.rates``) take to be rates in v.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Integer, Mul, Rational, Symbol, diff, expand, log

from solvergen.algebra.accurate_form import stable_form
from solvergen.algebra.evaluation import compiled
from solvergen.algebra.short_form import simplest
from solvergen.algebra.steady import NUMPY
from solvergen.scalars.forms import with_parameters
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import half_log_snr_symbol, t

Array = NDArray[np.float64]

DISTANCE = Symbol("x", positive=True)
"""From the nearer end."""
SLOPE = Symbol("slope", real=True)
"""dlambda/dt."""
TIME_SPEED = Symbol("time_speed", positive=True)
"""dt/dv."""
REACH = 36.0
"""How far v runs where nothing is nearer to an end than float64 tells."""


@dataclass(frozen=True)
class LogitForms:
    """lambda and dlambda/dt beside both ends.

    Attributes:
        level: lambda in the distance from t_min, and in that from t_max.
        slope: dlambda/dt likewise.
    """

    level: tuple[Expr, Expr]
    slope: tuple[Expr, Expr]

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, schedule: NoiseSchedule) -> "LogitForms":
        """Choose the forms that keep their digits to the end."""
        low, high = (_beside(schedule, end) for end in (0, 1))
        return cls((low[0], high[0]), (low[1], high[1]))


def _beside(schedule: NoiseSchedule, end: int) -> tuple[Expr, Expr]:
    """lambda and dlambda/dt as functions of the distance from t_min, 0, or t_max, 1."""
    x, half = DISTANCE, (schedule.t_max - schedule.t_min) / 2
    time = schedule.t_max - x if end else schedule.t_min + x
    domain = (Integer(0), half)

    def stable(form: Expr, *equals: Expr) -> Expr:
        return stable_form(form, x, domain, schedule.parameters, equals)

    def shortest(form: Expr) -> Expr:
        return simplest(form, x, domain, schedule.parameters)

    parts = [schedule.alpha, schedule.sigma]
    powers = [2 if _is_root(one) else 1 for one in parts]
    a, b = (
        shortest((one**power).xreplace({t: time})) for one, power in zip(parts, powers, strict=True)
    )
    p, q = powers
    signal, noise = (stable(one, expand(one, power_base=False, multinomial=True)) for one in (a, b))
    wronskian = stable(shortest(q * diff(a, x) * b - p * a * diff(b, x)))
    level = log(signal / noise) / p if p == q else log(signal) / p - log(noise) / q
    slope = wronskian / (signal * noise) * Rational(-1 if end else 1, p * q)
    return with_parameters(level, schedule), with_parameters(slope, schedule)


def _is_root(form: Expr) -> bool:
    """Whether a factor of it is a square root of what varies."""
    powers = (one.as_base_exp() for one in Mul.make_args(form) if one.has(t))
    return any(exponent.is_Rational and exponent.q == 2 and base != t for base, exponent in powers)


@lru_cache(maxsize=16)
def _forms_in_float(schedule: NoiseSchedule) -> tuple[Callable[..., Array], ...]:
    names = (DISTANCE, *(name for name, _ in schedule.parameters))
    found = LogitForms.of(schedule)
    return tuple(compiled(one, names, "numpy") for one in (*found.level, *found.slope))


def at_logit(schedule: NoiseSchedule, logits: Array) -> dict[Expr, Array]:
    """lambda, t, dlambda/dt and dt/dv at values of v, in float64 as the module computes them."""
    low, high = map(float, schedule.domain)
    small = NUMPY.exp(-np.abs(logits))
    gap = (high - low) * small / (1.0 + small)
    numbers = [float(value) for _, value in schedule.parameters]
    with np.errstate(all="ignore"):
        forms = [one(gap, *numbers) for one in _forms_in_float(schedule)]
    early = logits < 0.0
    level, slope = (np.where(early, *forms[k : k + 2]) for k in (0, 2))
    time = np.where(early, low + gap, high - gap)
    return {half_log_snr_symbol: level, t: time, SLOPE: slope, TIME_SPEED: gap / (1.0 + small)}


def logit_of(times: Array, schedule: NoiseSchedule) -> Array:
    """v at times."""
    low, high = map(float, schedule.domain)
    found: Array = NUMPY.log((times - low) / (high - times))
    return found


def in_logit(form: Expr, schedule: NoiseSchedule, logits: Array) -> Array:
    """A rate in v, at values of v."""
    symbols = (half_log_snr_symbol, t, SLOPE, TIME_SPEED)
    names = tuple(name for name, _ in schedule.parameters)
    numbers = [float(value) for _, value in schedule.parameters]
    known = at_logit(schedule, logits)
    with np.errstate(all="ignore"):
        found = compiled(form, (*symbols, *names), "numpy")(*map(known.get, symbols), *numbers)
    return np.broadcast_to(np.asarray(found, dtype=np.float64), logits.shape)
