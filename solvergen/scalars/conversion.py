"""From what the network predicts to what is integrated: N = A x + B prediction, in float64.

In alpha and sigma, one formula for every schedule with the same alpha^2 + sigma^2, where that
needs no derivative; with alpha' where alpha^2 + sigma^2 = 1 says sigma', unless that has no value
at an end where A or B has one; else in t.

Where something cancels in these, as measured in float64 to the ends of the domain, A or B is in
alpha, sigma and their slopes, which may be (alpha^2)'/(2 alpha): alpha' is infinite where alpha is
the root of a distance, and (alpha^2)' is not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, product
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Function, Integer, Rational, Symbol, diff, factor

from solvergen.algebra.accurate_form import ExactValues
from solvergen.algebra.evaluation import compiled
from solvergen.derivation.parameterization import (
    Parameterization,
    at_schedule,
    conversion,
    on_circle,
)
from solvergen.scalars.forms import FAIR, GAIN, exact_in_time, in_time
from solvergen.scalars.schedule_formulas import ScheduleFormulas
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.values import numeric_limit
from solvergen.symbols import alpha, alpha_dot, sigma, sigma_dot, t

Array = NDArray[np.float64]

ROUGHLY = 1e-6
"""How near to a limit a value counts as the limit: what is wrong there is not near."""

SLOPES: dict[Symbol, tuple[Symbol, Expr]] = {
    alpha_dot: (alpha_dot, Integer(1)),
    Symbol("alpha_alpha_dot", real=True): (alpha_dot, alpha),
    Symbol("alpha_dot_over_sigma", real=True): (alpha_dot, 1 / sigma),
    sigma_dot: (sigma_dot, Integer(1)),
    Symbol("sigma_sigma_dot", real=True): (sigma_dot, sigma),
    Symbol("sigma_dot_over_alpha", real=True): (sigma_dot, 1 / alpha),
}
"""What slopes are called in formulas: that of alpha or sigma, and what it is multiplied with."""


@dataclass(frozen=True)
class Conversion:
    """A and B.

    Attributes:
        a, b: in t, alpha, sigma and ``SLOPES``.
        slopes: those that they read, with the form of each in t, alpha and sigma.
    """

    a: Expr
    b: Expr
    slopes: tuple[tuple[Symbol, Expr], ...]

    @classmethod
    def of(
        cls, prediction: Parameterization, integrand: Parameterization, schedule: NoiseSchedule
    ) -> "Conversion":
        """The forms that are most accurate for a schedule."""
        general = conversion(prediction, integrand)
        if schedule.is_variance_preserving:
            general = (on_circle(general[0]), on_circle(general[1]))
        symbols = general[0].free_symbols | general[1].free_symbols
        in_slope = not symbols & {sigma_dot, t}
        in_slope = in_slope and all(_keeps_ends(one, schedule) for one in general)
        a, b = (_accurate(one, in_slope, schedule) for one in general)
        read = (one for one in SLOPES if (a + b).has(one))
        return cls(a, b, tuple((one, slope(one, schedule)) for one in read))

    def proved(self, shifts: bool, scales: bool) -> "Conversion":
        """The same with A = 0 unless it ``shifts``, and B = 1 unless it ``scales``."""
        a, b = self.a if shifts else Integer(0), self.b if scales else Integer(1)
        return Conversion(a, b, tuple(one for one in self.slopes if (a + b).has(one[0])))

    @property
    def forms(self) -> tuple[Expr, Expr]:
        return self.a, self.b

    @property
    def written(self) -> tuple[Expr, ...]:
        """Every form that a module spells."""
        return (*self.forms, *(form for _, form in self.slopes))


def _keeps_ends(form: Expr, schedule: NoiseSchedule) -> bool:
    """Whether floats of alpha, sigma, alpha' at the ends give the limits that the formula has."""
    if not form.has(alpha_dot):
        return True
    symbols = (alpha, sigma, alpha_dot)
    for end in schedule.domain:
        *parts, limit = (numeric_limit(one, schedule, end) for one in (*symbols, form))
        if limit is None or None in parts:
            return False
        floats = [np.float64(round(float(one), 20)) for one in parts if one is not None]
        with np.errstate(all="ignore"):
            found = compiled(form, symbols, "numpy")(*floats)
        if not np.isclose(float(found), float(limit), rtol=ROUGHLY, atol=ROUGHLY):
            return False
    return True


def _is_lost(form: Expr, general: Expr, schedule: NoiseSchedule) -> bool:
    """Whether a form in alpha, sigma and slopes is 0/0 at an end where A or B has a limit."""
    slopes = {name: dot * by for name, (dot, by) in SLOPES.items() if form.has(name)}
    read = {alpha: alpha, sigma: sigma, **slopes}
    for end in schedule.domain if form.free_symbols <= read.keys() else ():
        found = (numeric_limit(one, schedule, end) for one in (general, *read.values()))
        limit, *parts = (float("nan") if one is None else float(one) for one in found)
        if not np.isfinite(limit) or np.isnan(parts).any():
            continue
        floats = [np.float64(round(one, 20)) for one in parts]
        with np.errstate(all="ignore"):
            if np.isnan(compiled(form, tuple(read), "numpy")(*floats)):
                return True
    return False


def _accurate(general: Expr, in_slope: bool, schedule: NoiseSchedule) -> Expr:
    """A or B in alpha, sigma and alpha', or else in t; where something cancels there, the first
    other form that is fair, or the best of them if that keeps far more digits."""
    usual = _known(general, schedule) if in_slope else _in_t(general, schedule)
    if usual.is_number or (in_slope and not _may_cancel(usual)):
        return usual
    errors = dict[Expr, float]()
    others = (one for one in _in_slopes(general, schedule) if not _is_lost(one, general, schedule))
    for form in chain([usual], others):
        errors[form] = _error(form, general, schedule)
        if errors[form] <= FAIR:
            return form
    if in_slope:
        form = _in_t(general, schedule)
        errors[form] = _error(form, general, schedule)
    best = min(errors, key=lambda form: errors[form])
    return best if errors[best] < errors[usual] / GAIN else usual


def _known(form: Expr, schedule: NoiseSchedule) -> Expr:
    """With numbers for alpha and sigma where they are that."""
    return form.xreplace(ScheduleFormulas.of(schedule).constants)


def _in_t(general: Expr, schedule: NoiseSchedule) -> Expr:
    return in_time(schedule.simplest(at_schedule(general, schedule)), schedule)


def _may_cancel(form: Expr) -> bool:
    """Whether a difference is taken, or a function of alpha and sigma that could lose digits."""
    sums = (one.args for one in form.atoms(Add))
    keep = (all(a.is_positive for a in one) or all(a.is_negative for a in one) for one in sums)
    return form.has(Function) or not all(keep)


def _in_slopes(general: Expr, schedule: NoiseSchedule) -> Iterator[Expr]:
    """The forms in t, alpha, sigma and each choice of ``SLOPES``."""
    present = [one for one in (alpha_dot, sigma_dot) if general.has(one)]
    ways = [[name for name, (dot, _) in SLOPES.items() if dot == one] for one in present]
    for names in product(*ways):
        written = {SLOPES[one][0]: one / SLOPES[one][1] for one in names}
        yield _known(factor(general.xreplace(written)), schedule)


@lru_cache(maxsize=256)
def slope(name: Symbol, schedule: NoiseSchedule) -> Expr:
    """One of ``SLOPES`` in t; over alpha or sigma, where alpha' or sigma' only keeps its digits as
    the slope of the square over that."""
    dot, weight = SLOPES[name]
    scale = alpha if dot == alpha_dot else sigma
    if weight == scale:
        square = at_schedule(scale, schedule) ** 2
        return in_time(schedule.simplest(diff(square, t)) / 2, schedule)
    if weight != 1:
        return in_time(schedule.simplest(at_schedule(dot * weight, schedule)), schedule)
    form = in_time(schedule.alpha_prime if dot == alpha_dot else schedule.sigma_prime, schedule)
    error = _error(form, dot, schedule)
    if error <= FAIR:
        return form
    by_square = next(one for one, (of, by) in SLOPES.items() if (of, by) == (dot, scale))
    other = slope(by_square, schedule) / scale
    return other if _error(other, dot, schedule) < error / GAIN else form


def _error(form: Expr, general: Expr, schedule: NoiseSchedule) -> float:
    """The worst error of a form of A, B or a slope in float64, to the ends of the domain.

    Where an end is no float, times beside it may be meant by their distances from it.
    """
    exact, found = at_schedule(general, schedule), float("inf")
    for shift in dict.fromkeys([0, *(end - Rational(float(end)) for end in schedule.domain)]):
        values = exact_in_time(exact.xreplace({t: t + shift}), schedule)
        found = min(found, _error_of_values(form, values, schedule))
        if found <= FAIR:
            break
    return found


def _error_of_values(form: Expr, exact: ExactValues, schedule: NoiseSchedule) -> float:
    found = in_float(form, schedule, np.array(exact.points)).tolist()
    rows = zip(found, exact.values, exact.scales, strict=True)
    return max((_error_of_value(*row) for row in rows), default=0.0)


def _error_of_value(found: float, value: Any, scale: Any) -> float:
    """Relative to the scale; what is 0 need not be that to the last digit, and what is infinite not
    to the sign: no run starts there."""
    if mpmath.isinf(value):
        return 0.0 if not np.isfinite(found) else float("inf")
    if not np.isfinite(found):
        return float("inf")
    if value == 0:
        return 0.0 if abs(found) <= ROUGHLY else float("inf")
    return float(abs(found - value) / scale)


def in_float(form: Expr, schedule: NoiseSchedule, times: Array) -> Array:
    """A form of A, B or a slope at some times, by the operations of a module."""
    formulas, parameters = ScheduleFormulas.of(schedule), dict(schedule.parameters)
    values: dict[Symbol, Any] = {t: times}
    values |= {name: np.float64(float(value)) for name, value in parameters.items()}

    def value(one: Expr) -> Any:
        return compiled(one, tuple(values), "numpy")(*values.values())

    with np.errstate(all="ignore"):
        values |= {alpha: value(formulas.alpha), sigma: value(formulas.sigma)}
        read = [one for one in SLOPES if form.has(one)]
        values |= {one: value(slope(one, schedule)) for one in read}
        return np.broadcast_to(value(form), times.shape)
