"""What noise on the way does to the rates in lambda: those of its variance, of K, and of q.

With S = eta^2 they are

    dq/dlambda = (1 + S) b/R dt/dlambda,   2 S sigma^2/R^2,   dK/dlambda = S dlog(alpha/R)/dlambda,

the last where K has no closed form; R is that without noise then, and e^-K from each place to the
end of an interval a factor of the first two. S is a function of its own beside them: multiplied out
it would lose the digits of b.
"""

import mpmath
from sympy import Expr, Piecewise, cancel, diff, log

from solvergen.algebra import precision
from solvergen.algebra.evaluation import as_mp
from solvergen.algebra.short_form import compact
from solvergen.derivation.parameterization import WRONSKIAN, total_derivative
from solvergen.derivation.semilinear import SemilinearODE, nonlinear
from solvergen.scalars.lengths import KAPPA, half_log_snr_length, kappa_of
from solvergen.scalars.rate_forms import product_of, rate_of, simplest_of, value_of
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.values import at_time
from solvergen.symbols import alpha, alpha_dot, eta, half_log_snr_symbol, sigma, sigma_dot, t

CLOSE = (60, 120)
"""k of the distances 2^-k from an end at which a rate is compared with itself."""
FALL = 0.01
"""What falls slower over a lambda of 1 does not fall."""


def clock(ode: SemilinearODE, time: Expr) -> Expr | None:
    """dq/dlambda where it is more than b/R: where K is integrated, and with a retention E(t): that
    without noise, times (1 - (log E)' dt/dlambda)/E.

    None for any other.
    """
    noise, schedule = ode.noise, ode.schedule
    if ode.base is not None:
        plain = rate_of(nonlinear(ode.integrand) / ode.base, time, schedule)
        return plain * (1 + _squared(ode, time))
    if (
        noise is None
        or noise.kind != "retention"
        or noise.formula.free_symbols - {t}
        or not (noise.formula.has(t))
    ):
        return None
    plain = SemilinearODE.derive(schedule, ode.integrand)
    if plain.factor is None or ode.factor is None or not ode.factor.has(t):
        return None
    clock = rate_of(nonlinear(ode.integrand) / plain.factor, time, schedule)
    slope = schedule.stable(schedule.simplest(diff(log(noise.formula), t)))
    return clock * (1 - slope * time) / schedule.stable(noise.formula)


def spread(ode: SemilinearODE, time: Expr) -> Expr | None:
    """2 eta^2 sigma^2/R^2 in lambda, from g^2 = -2 sigma^2 lambda'; None without noise."""
    if ode.noise is None:
        return None
    speed = -2 * sigma * WRONSKIAN / (alpha * ode.closed_factor**2)
    if ode.base is not None:
        return _squared(ode, time) * rate_of(speed, time, ode.schedule)
    return rate_of(ode.noise.squared * speed, time, ode.schedule)


def damping(ode: SemilinearODE, time: Expr) -> Expr | None:
    """dK/dlambda; None where kappa is not integrated."""
    if ode.base is None:
        h = half_log_snr_length(ode.schedule.without(eta))
        if kappa_of(ode, h) != KAPPA:
            return None
    elif not ode.has_base:
        return rate_of(ode.damping, time, ode.schedule)
    return _squared(ode, time) * _growth(ode, time)


def _growth(ode: SemilinearODE, time: Expr) -> Expr:
    """dlog(alpha/R)/dlambda, R without noise."""
    schedule = ode.schedule
    base = SemilinearODE.derive(schedule.without(eta), ode.integrand).factor
    ratio = value_of(alpha / base, schedule)
    if ratio is not None:
        return compact(diff(log(ratio), half_log_snr_symbol))
    speed = total_derivative(log(alpha / base))
    if speed.has(sigma_dot):
        return rate_of(speed, time, schedule)
    part = product_of(cancel(speed / alpha_dot), schedule)  # alpha keeps its digits at alpha = 0
    return part * schedule.stable(simplest_of(alpha_dot, schedule)) * time


def endless(ode: SemilinearODE) -> tuple[bool, bool]:
    """Whether K is infinite at t_max, and at t_min: where lambda is, and dK/dlambda does not fall
    as a power of e^lambda."""
    assert ode.damping is not None
    low, high = ode.schedule.domain
    return _is_endless(ode, high, low), _is_endless(ode, low, high)


@precision.own
def _is_endless(ode: SemilinearODE, end: Expr, other: Expr) -> bool:
    schedule = ode.schedule
    if schedule.limit_at(schedule.half_log_snr, end).is_finite:
        return False
    digits = precision.LEADING_POWER
    rate = ode.damping / total_derivative(log(alpha / sigma))
    with mpmath.workdps(digits):
        times = [as_mp(end) + (as_mp(other) - as_mp(end)) * mpmath.mpf(2) ** -k for k in CLOSE]
        near, nearer = (abs(at_time(rate, schedule, one, digits)) for one in times)
        levels = [at_time(log(alpha / sigma), schedule, one, digits) for one in times]
        return bool(nearer != 0 and near < nearer * mpmath.exp(FALL * abs(levels[1] - levels[0])))


def _squared(ode: SemilinearODE, time: Expr) -> Expr:
    """eta^2 as a function of lambda, or of t and dt/dlambda."""
    noise, schedule = ode.noise, ode.schedule
    assert noise is not None
    if noise.is_constant:
        return eta**2
    if noise.kind == "diffusion":
        return -time * _value(noise.formula**2 / (2 * sigma**2), schedule)
    if noise.kind == "retention" and noise.squared.has(alpha_dot, sigma_dot):
        return -time * _value(total_derivative(log(noise.formula)), schedule)
    return _value(noise.squared, schedule)


def _value(form: Expr, schedule: NoiseSchedule) -> Expr:
    """A function of alpha and sigma alone as one of lambda, any other as one of t."""
    is_of_time = form.has(t, alpha_dot, sigma_dot, Piecewise)
    found = None if is_of_time else value_of(form, schedule)
    return schedule.stable(simplest_of(form, schedule)) if found is None else found
