"""Every clock as a function of the half-log-SNR: what the scalars of a step are integrated from.

With W = alpha sigma' - sigma alpha' the definitions lambda' = -W/(alpha sigma), q' = W/(det R) give

    dt/dlambda = -alpha sigma/W,      dq/dlambda = -alpha sigma/(det R),
    dgamma/dlambda = -sigma gamma_sigma                      for gamma a function of alpha/sigma,

no derivative of the schedule in the last two. lambda is the one variable in which all of them are
analytic at a distance from the real line that does not shrink towards the ends (pi/2 for every
variance-preserving schedule, where alpha^2 = 1/(1 + e^(-2 lambda)) has its poles), and in which
float64 resolves both ends. Gauss-Legendre rules on panels of fixed width in lambda therefore
converge at the same rate everywhere; poles of dq/dgamma at an end, where a rule in gamma or in t
converges slowly or not at all, become exponentials.

On a schedule with alpha^2 + sigma^2, alpha + sigma, alpha or sigma constant both coefficients are
functions of lambda; else they are, up to the common factor r(t) = sqrt(alpha^2 + sigma^2), which
is well-conditioned in t.

t itself only measures how long an interval is: gamma(t) - gamma(s) is t - s, which is exact for
near times, times the ratio of the integrals of dgamma/dlambda and dt/dlambda. A schedule given by a
table is a smooth function of what it interpolates, u(t), and rough in t alone. Where no other rate
reads t, u takes the place of t: u(t) - u(s) is as exact, du/dlambda is smooth, and the kinks of the
table are gone.

Where lambda is finite and flat at an end, no rate in lambda is integrable by panels: there all are
rates in the logit of time instead (``scalars.logit``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sympy import Expr, Integer, Piecewise, Pow, Rational, Symbol, diff, log

from solvergen.algebra.accurate_form import stable_form
from solvergen.algebra.evaluation import evaluate_mp_at, is_real
from solvergen.algebra.radicals import reduced
from solvergen.algebra.short_form import compact
from solvergen.algebra.steady import NUMPY
from solvergen.algebra.substitutions import in_exponential
from solvergen.algebra.tables import Interpolate, Slope, Table
from solvergen.derivation.homogeneity import U, of_exponential
from solvergen.derivation.parameterization import WRONSKIAN, at_schedule, total_derivative
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.derivation.weights import Weights
from solvergen.scalars import noise_rates as noisy
from solvergen.scalars.logit import SLOPE, TIME_SPEED, in_logit
from solvergen.scalars.rate_errors import (
    FAR,
    GOOD,
    errors,
    half_log_snr_range,
    most_accurate,
    values,
)
from solvergen.scalars.rate_forms import product_of, rate_of, simplest_of
from solvergen.schedules.flatness import has_flat_end
from solvergen.schedules.identities import constant_ratio
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import alpha, eta, sigma, t
from solvergen.symbols import half_log_snr_symbol as l

SIMPLIFY_SIZE = 60
"""Operations of a rate beyond which no shorter form is looked for."""
TAIL = 40.0
"""How far lambda runs to an infinite end: e^-40 is 1/50 of a rounding error."""
FLAT = 1e-2
"""A rate that falls by less than this over a lambda of 1 does not fall."""
FAIR = 1e-12
"""Three digits lost: beyond it a further form of dt/dlambda is tried."""

TIME_RATE = Symbol("time_rate", real=True)
"""dt/dlambda, where it is left open."""


@dataclass(frozen=True)
class Rates:
    """The rates of the three clocks in lambda.

    Attributes:
        clock: dq/dlambda in lambda and t; without R if R has no closed form.
        expansion: dgamma/dlambda, likewise; dt/dlambda if that is a multiple of it.
        time: dt/dlambda, likewise, or du/dlambda.
        spread: 2 eta^2 sigma^2/R^2, likewise, the rate of the noise's variance over R^2; None
            without noise.
        damping: dK/dlambda, likewise, where that is integrated; else None.
        damped: whether K has no closed form: R is that without noise in the others then, and e^-K
            to the end of an interval a factor of what is integrated.
        level: dlambda/dv, if the others are rates in v, the logit of time; else None.
        table: of which u is the interpolation, where it takes the place of t.
    """

    clock: Expr
    expansion: Expr
    time: Expr
    table: Table | None = None
    spread: Expr | None = None
    damping: Expr | None = None
    level: Expr | None = None
    damped: bool = False

    @classmethod
    @lru_cache(maxsize=64)
    def derive(cls, weights: Weights) -> "Rates":
        """The rates in the forms that keep their digits."""
        schedule, ode = weights.schedule, weights.ode
        if has_flat_end(schedule):
            return cls._in_logit(weights)
        variable = total_derivative(weights.expansion.variable)
        speed = ode.nonlinear / ode.closed_factor
        if weights.same_clock:
            factor = constant_ratio(at_schedule(variable / speed, schedule), Integer(1), schedule)
            variable = variable if factor is None else factor * speed
        time, table = time_rate(schedule.without(eta)), None
        expansion = rate_of(variable, time, schedule)
        clock = noisy.clock(ode, time)
        clock = rate_of(speed, time, schedule) if clock is None else clock
        spread, damping = noisy.spread(ode, time), noisy.damping(ode, time)
        inverse, read = _inverse_table(schedule), clock + expansion + (damping or 0)
        if inverse is not None and not read.has(t, Slope, Interpolate):
            points, value = inverse.args
            time, table = _short(diff(value, l), schedule), points.inverted()
        if not (expansion / time).has(l, t):
            expansion = time  # a constant factor drops out of every ratio
        damped = ode.base is not None
        return cls(clock, expansion, time, table, spread, damping, damped=damped)

    @classmethod
    def _in_logit(cls, weights: Weights) -> "Rates":
        """Those in v, with lambda, dlambda/dt and dt/dv as symbols."""
        schedule, ode = weights.schedule, weights.ode
        per_level = SLOPE * TIME_SPEED

        def per_logit(rate: Expr) -> Expr:
            return rate.xreplace({TIME_RATE: 1 / SLOPE}) * per_level

        def rate(speed: Expr) -> Expr:
            return per_logit(rate_of(speed, TIME_RATE, schedule))

        speed = ode.nonlinear / ode.closed_factor
        clock = noisy.clock(ode, TIME_RATE)
        clock = rate(speed) if clock is None else per_logit(clock)
        expansion = rate(total_derivative(weights.expansion.variable))
        spread, damping = (
            None if one is None else per_logit(one)
            for one in (noisy.spread(ode, TIME_RATE), noisy.damping(ode, TIME_RATE))
        )
        damped = ode.base is not None
        return cls(clock, expansion, TIME_SPEED, None, spread, damping, per_level, damped)

    def is_rough(self, ode: SemilinearODE) -> bool:
        """Whether a rate has kinks where the schedule, or eta, has."""
        return bool(ode.kinks) and self.table is None

    @property
    def falling(self) -> list[Expr]:
        """Those that fall to an infinite end, if they do not keep to a number there."""
        found = [self.clock, self.expansion]
        return found if self.damping is None else [*found, self.damping]

    @property
    def measured(self) -> tuple[Expr, ...]:
        """Those that rules of quadrature are measured on: clock, expansion, time, and with K by
        quadrature damping and spread."""
        found = (self.clock, self.expansion, self.time)
        if not self.damped or self.damping is None or self.spread is None:
            return found
        return (*found, self.damping, self.spread)

    @property
    def is_even(self) -> bool:
        """Whether theta is linear in lambda."""
        return not self.expansion.has(l, t, TIME_SPEED)

    def tail(self, schedule: NoiseSchedule) -> float:
        """How far lambda runs to an infinite end before less than e^-40 of any rate is left."""
        if self.level is not None:
            return self._tail_in_logit(schedule)
        stable = schedule.stable_inverse(log(schedule.alpha / schedule.sigma), l)
        if stable is None:
            return TAIL
        slowest = 1.0
        for end, inwards in zip(schedule.domain, (-1.0, 1.0), strict=True):
            if schedule.limit_at(schedule.half_log_snr, end).is_finite:
                continue
            points = [-inwards * FAR, inwards * (1.0 - FAR)]
            for form in (*self.falling, self.time):
                with np.errstate(all="ignore"):
                    last, before = NUMPY.log(np.abs(values(form, points, stable, schedule)))
                    fall = before - last
                if np.isfinite(fall) and fall > FLAT:
                    slowest = min(slowest, fall)
        return float(np.ceil(TAIL / slowest))

    def _tail_in_logit(self, schedule: NoiseSchedule) -> float:
        """The same of v, which is infinite at both ends."""
        slowest = 1.0
        for side in (-1.0, 1.0):
            points = np.array([side * FAR, side * (FAR - 1.0)])
            for form in self.falling:
                with np.errstate(all="ignore"):
                    last, before = NUMPY.log(np.abs(in_logit(form, schedule, points)))
                    fall = before - last
                if np.isfinite(fall) and fall > FLAT:
                    slowest = min(slowest, fall)
        return float(np.ceil(TAIL / slowest))


@lru_cache(maxsize=64)
def time_rate(schedule: NoiseSchedule) -> Expr:
    """dt/dlambda: the most accurate in float64 of several forms that are equal.

    The derivative of t(lambda) needs no t at all, and is the one if it keeps its digits. At alpha
    = 0 a function of t has lost the digits of t_max - t, so that a form with alpha and sigma from
    lambda is good if what is left as a function of t is regular there: W, alpha' or, where alpha ~
    sqrt(t_max - t), (alpha^2)'. Where alpha^2 + sigma^2 varies, 1/lambda' is tried before W.
    """
    inverse = schedule.time_at_half_log_snr
    if inverse is None:
        return _with_wronskian(schedule)
    slope = _short(diff(inverse, l), schedule)
    forms = [] if slope is None else [slope]
    if forms and errors(forms, schedule)[0] <= GOOD:
        return forms[0]
    if not schedule.is_variance_preserving:
        forms.append(_with_logarithm(schedule))
        if errors(forms[-1:], schedule)[0] > GOOD:
            forms.append(_with_wronskian(schedule))
        return most_accurate([*forms, *_in_stable_form(slope, forms, schedule)], schedule)
    forms += [
        product_of(alpha * sigma**2, schedule) / schedule.alpha_prime,
        product_of(sigma**2, schedule) / schedule.f,
    ]
    if min(errors(forms, schedule)) > FAIR:
        squared = schedule.simplest(diff(schedule.alpha**2, t))
        forms.append(product_of(2 * alpha**2 * sigma**2, schedule) / squared)
    return most_accurate([*forms, *_in_stable_form(slope, forms, schedule)], schedule)


def _in_stable_form(
    slope: Expr | None, forms: Sequence[Expr], schedule: NoiseSchedule
) -> Iterator[Expr]:
    """The derivative of t(lambda) in the form that keeps its digits, where none of the others
    does: at both ends t has lost those of a difference from it, and lambda has not."""
    if slope is not None and not slope.has(Piecewise) and min(errors(forms, schedule)) > FAIR:
        low, high = map(Rational, half_log_snr_range(schedule))
        yield stable_form(slope, l, (low, high), schedule.parameters)


def _with_logarithm(schedule: NoiseSchedule) -> Expr:
    """1/(f - sigma'/sigma), a function of t alone."""
    slope = schedule.f - diff(schedule.sigma, t) / schedule.sigma
    return schedule.stable(schedule.simplest(1 / slope))


def _with_wronskian(schedule: NoiseSchedule) -> Expr:
    """-alpha sigma/W."""
    return product_of(-alpha * sigma, schedule) / simplest_of(WRONSKIAN, schedule)


def _short(slope: Expr, schedule: NoiseSchedule) -> Expr | None:
    """A function of lambda, factored if it is algebraic in an exponential of lambda; else, if it is
    not long, the shortest of a few forms. None if it takes roots of logarithms, and so costs what
    t(lambda) costs.
    """
    if isinstance(slope, Piecewise):
        branches = [(_short(branch, schedule), condition) for branch, condition in slope.args]
        return None if any(one is None for one, _ in branches) else Piecewise(*branches)
    roots = (one.base for one in slope.atoms(Pow) if not one.exp.is_Integer)
    if any(call.has(l) for base in roots for call in base.atoms(log)):
        return None
    for generator, u, rewritten in in_exponential(slope, l):
        found = None if rewritten.has(l) else _in_power(rewritten, u, generator, schedule)
        if found is not None:
            return found
    return slope if slope.count_ops() > SIMPLIFY_SIZE else compact(slope)


def _in_power(form: Expr, u: Symbol, generator: Expr, schedule: NoiseSchedule) -> Expr | None:
    """An algebraic function of u = e^(c lambda), or of 1/u, factored; None if it is none."""
    middle = {l: Rational(sum(half_log_snr_range(schedule))) / 2}

    def is_negative(e: Expr) -> bool:
        value = evaluate_mp_at(
            schedule.substitute(e.xreplace({U: generator.xreplace(middle)})), (), ()
        )
        return is_real(value) and bool(value < 0)

    forms = []
    for power in (U, 1 / U):
        found = form.xreplace({u: power})
        if not form.is_rational_function(u):
            found = reduced(found, U, is_negative)
        if found is not None:
            forms.append(of_exponential(found, generator if power == U else 1 / generator))
    return min(forms, key=lambda form: form.count_ops(), default=None)


def _inverse_table(schedule: NoiseSchedule) -> Interpolate | None:
    """t(lambda) as an interpolation, if t enters alpha and sigma through one interpolation u(t)."""
    calls = schedule.alpha.atoms(Interpolate) | schedule.sigma.atoms(Interpolate)
    inverse = schedule.time_at_half_log_snr
    if len(calls) != 1 or not isinstance(inverse, Interpolate):
        return None
    (call,) = calls
    rest = [form.xreplace({call: Integer(0)}) for form in (schedule.alpha, schedule.sigma)]
    return inverse if call.args[1] == t and not any(form.has(t) for form in rest) else None
