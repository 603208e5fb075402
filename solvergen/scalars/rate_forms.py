"""The forms in which a rate in lambda keeps its digits: functions of lambda where that can be.

On a schedule with alpha^2 + sigma^2, alpha + sigma, alpha or sigma constant a homogeneous function
of alpha and sigma is one of lambda; else it is that up to a power of r(t) = sqrt(alpha^2 +
sigma^2).
"""

from sympy import Expr, Integer, Mul, Rational, cancel, exp

from solvergen.algebra.short_form import compact
from solvergen.derivation.homogeneity import U, degree, in_half_log_snr
from solvergen.derivation.parameterization import WRONSKIAN, at_schedule
from solvergen.derivation.semilinear import RADIUS
from solvergen.schedules.identities import constant_ratio
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import alpha, alpha_dot, half_log_snr_symbol, sigma, sigma_dot, t

FRAMES = (
    (RADIUS, (1 + U**2) ** Rational(-1, 2)),
    (alpha + sigma, 1 / (1 + U)),
    (alpha, 1 / U),
    (sigma, Integer(1)),
)
"""(scale, sigma) at scale = 1, as functions of u = alpha/sigma = e^lambda."""


def rate_of(speed: Expr, time: Expr, schedule: NoiseSchedule) -> Expr:
    """d/dlambda of what has the derivative ``speed`` in t: no dots if they cancel."""
    if speed == 1:
        return time
    per_half_log_snr = cancel(-alpha * sigma * speed / WRONSKIAN)
    in_half_log_snr = None
    if not per_half_log_snr.free_symbols & {t, alpha_dot, sigma_dot}:
        in_half_log_snr = product_of(per_half_log_snr, schedule)
    if in_half_log_snr is not None:
        return in_half_log_snr
    powers = [one for one in Mul.make_args(speed) if _is_root(one)]
    apart = product_of(Mul(*powers), schedule) if powers else None
    if apart is not None and not apart.has(t):
        return apart * rate_of(speed / Mul(*powers), time, schedule)
    return schedule.stable(simplest_of(speed, schedule)) * time


def _is_root(factor: Expr) -> bool:
    """Whether it is a power of alpha or sigma that is none of a whole number, as alpha^(eta^2): at
    alpha = 0 a function of t would lose its digits, and one of lambda keeps them."""
    return factor.is_Pow and factor.base in (alpha, sigma) and not factor.exp.is_Integer


def simplest_of(expression: Expr, schedule: NoiseSchedule) -> Expr:
    return schedule.simplest(at_schedule(expression, schedule))


def product_of(expression: Expr, schedule: NoiseSchedule) -> Expr | None:
    """A homogeneous function of alpha and sigma in lambda, times a power of r(t) if need be."""
    k = degree(expression)
    if k is None:
        return None
    candidates = []
    for scale, sigma_of in FRAMES:
        constant = constant_ratio(at_schedule(scale, schedule), Integer(1), schedule)
        if constant is not None or k == 0:
            factor = 1 if constant is None else constant**k
            candidates.append(factor * in_half_log_snr(expression, sigma_of))
    if candidates:
        return min(candidates, key=lambda form: form.count_ops())
    curve = in_half_log_snr(expression, FRAMES[0][1])
    return curve * simplest_of(alpha**2 + sigma**2, schedule) ** (k / 2)


def value_of(expression: Expr, schedule: NoiseSchedule) -> Expr | None:
    """Any function of alpha and sigma in lambda; None where no scale of them is constant."""
    for scale, sigma_of in FRAMES:
        constant = constant_ratio(at_schedule(scale, schedule), Integer(1), schedule)
        if constant is not None:
            point = {alpha: constant * U * sigma_of, sigma: constant * sigma_of}
            return compact(expression.xreplace(point).xreplace({U: exp(half_log_snr_symbol)}))
    return None
