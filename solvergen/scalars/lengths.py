"""How long a step is: one accurate length, and what follows from it (THEORY section 4).

With h = lambda_t - lambda_s in all its digits and the wedge

    alpha_s sigma_t - alpha_t sigma_s = alpha_t sigma_s (e^-h - 1),

which has all of them too, M0 and the difference of gamma are products: of the data integrand
-alpha_t expm1(-h), of noise (alpha_t sigma_s/alpha_s) expm1(-h), of sigma/(alpha + sigma) the wedge
over (alpha_s + sigma_s) (alpha_t + sigma_t), of the angle atan2(sigma, alpha) atan2(wedge, alpha_t
alpha_s + sigma_t sigma_s). None has a difference of near numbers, and none is 0 times infinity
where alpha_s = 0 or sigma_t = 0, where h is infinite.

h itself, and what is no function of alpha/sigma, come from ``algebra.differences``: of the forms
that it finds the shortest is taken whose error over steps of 2^-40 to 1 of the distance to the
nearer end is below ``GOOD``. A length for which there is none is t - s over the mean of dt/dlambda.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from sympy import (
    Expr,
    Integer,
    Mul,
    Pow,
    Rational,
    Symbol,
    atan2,
    cancel,
    diff,
    expand_log,
    factor,
    fraction,
    log,
    powsimp,
    simplify,
)
from sympy.codegen.cfunctions import expm1, log1p

from solvergen.algebra import precision
from solvergen.algebra.collection import collected
from solvergen.algebra.differences import d, differences
from solvergen.algebra.evaluation import as_mp, compiled, evaluate_mp, evaluate_mp_at, is_real
from solvergen.algebra.mpmath_code import can_write
from solvergen.algebra.readable import operations
from solvergen.algebra.steady import NUMPY
from solvergen.derivation.expansion import Expansion, is_ratio_variable
from solvergen.derivation.parameterization import at_schedule
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.scalars.forms import in_time
from solvergen.schedules.flatness import has_flat_end
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.values import numeric_limit
from solvergen.symbols import alpha, alpha_s, eta, length, s, sigma, sigma_s, t

H = length
"""lambda_t - lambda_s."""
GAP = Symbol("gap", real=True)
"""gamma_t - gamma_s."""
KAPPA = Symbol("kappa", real=True)
"""K_t - K_s, where it is integrated."""
WEDGE = alpha * sigma_s * expm1(-H)
_DIFFERENCE = alpha_s * sigma - alpha * sigma_s

ONE = Integer(1)
GOOD, FAIR = 4e-15, 1e-13
"""A form with an error below the first is as good as any; one above the second loses digits."""
DIGITS = 60
"""Of lengths that forms are compared with: steps of 2^-``SHORTEST`` of the way to an end lose a
third of them."""
DIGITS_BESIDE_FLAT = 400
"""The same where lambda is flat at an end: a power of the distance is left of it."""
STEPS = 240
"""So many that a form that fails on one step in fifty is seen with a probability of 0.99."""
SEED = 1
"""Of the steps that are drawn: the same ones in every run."""
CLOSEST = 1e-12
"""How near to an end, relative to the domain, the steps lie on which a form is measured."""
SHORTEST = 40
"""Steps are as short as 2^-40 of the distance to the nearer end."""


@dataclass(frozen=True)
class Lengths:
    """Lengths of a step from s to t, in t, s, d = s - t, alpha, sigma and h.

    Attributes:
        half_log_snr: h in t, s and d; None where it has to be integrated.
        gap: gamma_t - gamma_s; None likewise.
        zeroth_moment: M0; None where the clock has no closed form.
    """

    half_log_snr: Expr | None
    gap: Expr | None
    zeroth_moment: Expr | None

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, ode: SemilinearODE, expansion: Expansion) -> "Lengths":
        """Choose the forms."""
        schedule = ode.schedule.without(eta)
        h = half_log_snr_length(schedule)
        gap = _gap(expansion, schedule, h)
        return cls(h, gap, _zeroth_moment(ode, expansion, h, gap))

    @property
    def reads_length(self) -> bool:
        """Whether h is read by one of the others."""
        return any(one is not None and one.has(H) for one in (self.gap, self.zeroth_moment))


@lru_cache(maxsize=64)
def half_log_snr_length(schedule: NoiseSchedule) -> Expr | None:
    """h in t, s and d."""
    formula = log(schedule.alpha / schedule.sigma)
    return _best(_of_logarithm(schedule), formula, schedule)


def _of_logarithm(schedule: NoiseSchedule) -> Iterable[Expr]:
    """Forms of lambda_t - lambda_s, from several forms of lambda."""
    level = schedule.half_log_snr
    if has_flat_end(schedule):  # what has no short form there is as good integrated
        if (schedule.alpha / schedule.sigma).is_rational_function(t):
            yield from differences(level)
        return
    yield from differences(level)
    yield from differences(schedule.stable(level))
    parts = (schedule.stable(one) for one in (schedule.alpha, schedule.sigma))
    logarithms = [expand_log(log(one), force=True, deep=False) for one in parts]
    yield from differences(logarithms[0] - logarithms[1])


def _gap(expansion: Expansion, schedule: NoiseSchedule, h: Expr | None) -> Expr | None:
    """gamma_t - gamma_s."""
    if expansion.name == "time":
        return -d
    if expansion.name == "half_log_snr":
        return None if h is None else H
    return difference_of(expansion.variable, schedule, h)


def difference_of(variable: Expr, schedule: NoiseSchedule, h: Expr | None) -> Expr | None:
    """The difference of a function of t, alpha and sigma over a step."""
    at_time = at_schedule(variable, schedule)
    forms = [*differences(schedule.simplest(at_time)), *differences(schedule.stable(at_time))]
    if isinstance(variable, log):
        argument = schedule.stable(at_schedule(variable.args[0], schedule))
        forms += differences(expand_log(log(argument), force=True, deep=False))
    if h is not None and is_ratio_variable(variable):
        forms += difference_of_ratio(variable)
    return _best(forms, at_time, schedule, h)


def difference_of_ratio(variable: Expr) -> list[Expr]:
    """Differences of functions of alpha/sigma that are multiples of the wedge."""
    if variable == atan2(sigma, alpha):
        return [atan2(WEDGE, alpha * alpha_s + sigma * sigma_s)]
    if variable == log(alpha / sigma):
        return [H]
    multiple = cancel((variable - at_start(variable)) / _DIFFERENCE)
    return [cancel(multiple * WEDGE)] if multiple.count_ops() < 20 else []


def at_start(formula: Expr) -> Expr:
    """A formula in t, alpha, sigma at s."""
    return formula.subs({t: s, alpha: alpha_s, sigma: sigma_s}, simultaneous=True)


@lru_cache(maxsize=64)
def kappa_of(ode: SemilinearODE, h: Expr | None) -> Expr | None:
    """kappa of the data where eta is no number: ``KAPPA`` where it has no closed form, or none that
    keeps its digits. None for any other."""
    if ode.noise is None or ode.noise.is_constant or ode.integrand.noise != 0:
        return None
    if ode.factor is None:
        return KAPPA
    found = difference_of(log(sigma / ode.factor), ode.schedule, h)
    return KAPPA if found is None else found


def _zeroth_moment(
    ode: SemilinearODE, expansion: Expansion, h: Expr | None, gap: Expr | None
) -> Expr | None:
    """M0 = R_t (q_t - q_s)."""
    kappa = kappa_of(ode, h)
    if kappa is not None and not ode.integrand.data.free_symbols:
        return -alpha / ode.integrand.data * expm1(-H - kappa)
    general = ode.general_zeroth_moment
    if general is None or ode.factor is None or ode.clock is None:
        return None
    power = _power_of_ratio(ode.clock)
    if power is not None and power.is_positive:
        return -powsimp(ode.factor * ode.clock) * expm1(-power * H)
    multiple = cancel(general / _DIFFERENCE)
    if not multiple.free_symbols & {t, s, alpha, sigma}:
        return multiple * WEDGE
    scale = cancel(ode.clock / expansion.variable)
    if gap is not None and not scale.free_symbols & {t, alpha, sigma}:
        return cancel(ode.factor * scale) * GAP
    return _best_moment(ode, h)


def _best_moment(ode: SemilinearODE, h: Expr | None) -> Expr | None:
    """R_t (q_t - q_s), with the difference as it is and cancelled; c (1 - R_t/R_s) if q = c/R."""
    factor, clock, schedule = ode.factor, ode.clock, ode.schedule
    assert factor is not None
    assert clock is not None
    forms, found = list[Expr](), difference_of(clock, schedule, h)
    if found is not None:
        forms += [_quotient(cancel(factor * found)), factor * found]
    product = cancel(factor * clock)
    if not product.has(t, alpha, sigma):
        growth = difference_of(log(factor), schedule, h)
        if growth is not None:
            moved = growth.args[0] if isinstance(growth, log1p) else expm1(growth)
            forms.append(-product * moved)
    return _best(forms, clock, schedule, h, factor)


def _quotient(form: Expr) -> Expr:
    """A quotient whose denominator, where it is a sum, is factored: (1 - s)(1 - t) loses no digits
    at alpha = 0, and multiplied out it loses all."""
    above, below = fraction(form)
    return above / factor(below) if below.is_Add else form


def _power_of_ratio(clock: Expr) -> Expr | None:
    """k of a clock c (alpha/sigma)^k that is symbolic: 1 + eta^2 of data with noise on the way."""
    if not clock.has(eta) or clock.has(t):
        return None
    power = simplify(alpha * diff(clock, alpha) / clock)
    is_power = simplify(sigma * diff(clock, sigma) / clock + power) == 0
    return power if is_power and not power.has(alpha, sigma) else None


def _best(
    forms: Iterable[Expr],
    formula: Expr,
    schedule: NoiseSchedule,
    h: Expr | None = None,
    scale: Expr = ONE,
) -> Expr | None:
    """The shortest form of a difference of ``formula``, times ``scale`` at its end, that is good;
    else the most accurate one."""
    names = frozenset(name for name, _ in schedule.parameters)
    steps = Steps.of(schedule)
    candidates = list(dict.fromkeys(steps.signed(collected(one, names)) for one in forms))
    if not candidates:
        return None
    exact, found = steps.differences(formula, scale), dict[Expr, float]()
    for _, alike in groupby(sorted(candidates, key=operations), operations):
        same = {one: steps.error(one, exact, h) for one in alike}
        best = min(same, key=lambda form: same[form])
        if same[best] <= GOOD:
            return best
        found |= same
    best = min(candidates, key=lambda form: found[form])
    return best if found[best] <= FAIR else None


def _is_negative(base: Expr, values: Mapping[Expr, Expr]) -> bool:
    """The sign of a sum where its symbols have values; by assumptions where one has none."""
    symbols = tuple(sorted(base.free_symbols, key=str))
    if not (values.keys() >= set(symbols) and can_write(base)):
        return bool(base.xreplace(values).is_negative)
    value = evaluate_mp_at(base, symbols, [values[one] for one in symbols])
    return is_real(value) and bool(value < -precision.ZERO)


@dataclass(frozen=True)
class Steps:
    """Steps of all lengths, everywhere, on which forms are measured.

    Attributes:
        start, end: s and t in float64.
    """

    schedule: NoiseSchedule
    start: NDArray[np.float64]
    end: NDArray[np.float64]

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, schedule: NoiseSchedule) -> "Steps":
        """Starts evenly spread in logit time, lengths in octaves; and some that span the domain."""
        low, high = float(schedule.t_min), float(schedule.t_max)
        middle = (low + high) / 2
        random = np.random.default_rng(SEED)
        reach = -NUMPY.log(CLOSEST)
        u = random.uniform(-reach, reach, STEPS)
        distance = (high - low) / (1.0 + NUMPY.exp(np.abs(u)))
        start = np.where(u < 0, low + distance, high - distance)
        length = distance * NUMPY.power(2.0, -random.uniform(0, SHORTEST, STEPS))
        end = start - length
        whole = np.sort(random.uniform(-reach / 2, reach / 2, (2, STEPS // 6)), axis=0)
        far = low + (high - low) / (1.0 + NUMPY.exp(-whole))
        start = np.concatenate([start, far[1], [high, high, middle, high]])
        end = np.concatenate([end, far[0], [middle, high - CLOSEST, low, low]])
        kept = (end >= low) & (start <= high) & (end < start)
        return cls(schedule, start[kept], end[kept])

    def signed(self, form: Expr) -> Expr:
        """The form with sums in products that are positive: d/(t (1 - s)) for -d/(t (s - 1)).

        It is easier to read; and at s = 1, where 1 - s is +0, the quotient has the right sign.
        """
        low, high = self.schedule.domain
        middle = {t: low + (high - low) * Rational(2, 5), s: low + (high - low) * Rational(3, 5)}
        values = {**middle, d: middle[s] - middle[t], **dict(self.schedule.parameters)}

        def flipped(product: Expr) -> Expr:
            sign, factors = 1, []
            for one in Mul.make_args(product):
                base, exponent = one.as_base_exp()
                is_odd = exponent.is_Integer and exponent.is_odd
                if base.is_Add and is_odd and _is_negative(base, values):
                    sign, one = -sign, Pow(-base, exponent)
                factors.append(one)
            return sign * Mul(*factors)

        return form.replace(lambda one: one.is_Mul, flipped)

    def differences(self, formula: Expr, scale: Expr = ONE) -> list[Any]:
        """scale(t) (formula(t) - formula(s)) in many digits; infinite where one is no number."""
        digits = DIGITS_BESIDE_FLAT if has_flat_end(self.schedule) else DIGITS
        with mpmath.workdps(digits):
            last, first, scales = (
                self._many_digits(one, times, digits)
                for one, times in ((formula, self.end), (formula, self.start), (scale, self.end))
            )
            return [
                c * (a - b) if all(map(is_real, (a, b, c))) else mpmath.inf
                for a, b, c in zip(last, first, scales, strict=True)
            ]

    def _many_digits(self, formula: Expr, times: NDArray[np.float64], digits: int) -> list[Any]:
        """A formula of t, alpha and sigma at some times; at ends of the domain its limits."""
        schedule = self.schedule
        if formula.is_number:
            return [as_mp(formula)] * len(times)
        limits = {}
        for end in schedule.domain:
            limit = numeric_limit(formula, schedule, end)
            is_finite = limit is not None and limit.is_finite
            limits[float(end)] = as_mp(limit) if is_finite else mpmath.nan
        inside = schedule.substitute(at_schedule(formula, schedule))
        return [limits.get(one) or evaluate_mp(inside, t, one, digits) for one in times.tolist()]

    def error(self, form: Expr, exact: Sequence[Any], h: Expr | None) -> float:
        """The largest relative error of a form in float64."""
        with np.errstate(all="ignore"):
            found = self._values(form, h)
        worst = 0.0
        for value, truth in zip(found, exact, strict=True):
            if np.isinf(value) and mpmath.isinf(truth):
                continue
            if not np.isfinite(value) or mpmath.isinf(truth):
                return float("inf")
            if truth == 0:  # shorter than the digits tell, beside a flat end
                continue
            worst = max(worst, float(abs(mpmath.mpf(float(value)) - truth) / abs(truth)))
        return worst

    def _values(self, form: Expr, h: Expr | None) -> NDArray[np.float64]:
        schedule = self.schedule
        values: dict[Expr, Any] = {t: self.end, s: self.start, d: self.start - self.end}
        values |= {name: float(value) for name, value in schedule.parameters}
        for symbol, at, formula in (
            (alpha, t, schedule.alpha),
            (sigma, t, schedule.sigma),
            (alpha_s, s, schedule.alpha),
            (sigma_s, s, schedule.sigma),
        ):
            if symbol in form.free_symbols:
                values[symbol] = self._evaluated(
                    in_time(formula, schedule).xreplace({t: at}), values
                )
        if H in form.free_symbols:
            assert h is not None
            values[H] = self._evaluated(h, values)
        return np.broadcast_to(self._evaluated(form, values), self.end.shape)

    @staticmethod
    def _evaluated(form: Expr, values: dict[Expr, Any]) -> Any:
        symbols = tuple(sorted(form.free_symbols, key=str))
        if not symbols:
            return float(form)
        return compiled(form, symbols, "numpy")(*(values[one] for one in symbols))
