"""a, nu and M0 where what they follow from is integrated, for want of a closed form.

With R' = a R and q' = b/R a step has M0 = R_t int_s^t q'. Where R falls to 0 at t_max, and q grows
without a bound, a run up to there has a limit all the same, the same from every s:

    M0  ->  -b/a,    the ratio of q' and (1/R)'.

It is written down where the product says 0, or a closed form loses digits at t_max.
"""

import numpy as np
from sympy import Expr, Piecewise, Symbol, sqrt
from sympy.codegen.cfunctions import expm1

from solvergen.algebra.differences import d
from solvergen.algebra.evaluation import as_mp
from solvergen.derivation.parameterization import at_schedule
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.scalars import noise
from solvergen.scalars.forms import FAIR, GAIN, in_time
from solvergen.scalars.lengths import GAP, GOOD, H, Lengths, Steps
from solvergen.scalars.schedule_formulas import ScheduleFormulas
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.values import STARTS
from solvergen.symbols import alpha, alpha_s, eta, sigma, sigma_s, t

MASS = Symbol("mass", positive=True)
"""int_s^t q', where M0 is computed from what is integrated."""
VARIANCE = Symbol("variance", positive=True)
"""That of the noise over R^2, where it is integrated."""


def linear_coefficient(ode: SemilinearODE) -> Expr | None:
    """a(t), where Phi is integrated."""
    is_open = ode.factor is None and ode.base is None
    return in_time(ode.linear_coefficient, ode.schedule) if is_open else None


def spread(ode: SemilinearODE, lengths: Lengths) -> Expr | None:
    """nu: closed, or R times the root of an integral; None without noise."""
    found = noise.spread(ode, lengths.half_log_snr)
    if ode.noise is None or found is not None:
        return found
    return _shortest(ode.closed_factor, ode.schedule) * sqrt(VARIANCE)


def zeroth_moments(ode: SemilinearODE, lengths: Lengths, goes_up: bool) -> tuple[Expr, Expr]:
    """M0 of a step to smaller times, and of one to larger times if a run ``goes_up``: from the
    length of the step; R times the integral of q' where q has no closed form."""
    moment = lengths.zeroth_moment
    if moment is None:
        moment = _shortest(ode.closed_factor, ode.schedule) * MASS
    is_level = ScheduleFormulas.of(ode.schedule).is_half_log_snr
    if not goes_up or moment == -d:
        return moment, moment
    if is_level or moment.has(H, GAP):
        return moment, with_growth(moment, is_level)
    found, limit = _turned_if_better(ode, moment), _limit_at_last(ode)
    if limit is None or _is_accurate(found, limit, ode.schedule):
        return moment, found
    limited = Piecewise((found, t < ode.schedule.t_max), (limit, True))
    return (limited, limited) if found == moment else (moment, limited)


def with_growth(moment: Expr, is_level: bool) -> Expr:
    """M0 of a step to larger times, at whose end alpha, or at whose start sigma, may be 0."""
    scale = -alpha_s * sigma / (alpha * sigma_s)
    for length in (H, -d) if is_level else (H,):
        moment = moment.xreplace({expm1(-length): scale * expm1(length)})
    return moment


def _turned_if_better(ode: SemilinearODE, moment: Expr) -> Expr:
    """M0(t, s) as -Phi(t, s) M0(s, t), if that keeps far more digits on the way up."""
    if moment.has(MASS) or ode.clock is None or ode.factor is None:
        return moment
    down = Steps.of(ode.schedule)
    inside = down.start < float(ode.schedule.t_max)
    up = Steps(ode.schedule, down.end[inside], down.start[inside])
    exact = up.differences(ode.clock, ode.factor)
    error = up.error(moment, exact, None)
    phi = noise.integrating_factor(ode)
    if error <= GOOD or phi is None:
        return moment
    way_back = moment.xreplace({**STARTS, **{v: k for k, v in STARTS.items()}, d: -d})
    other = -phi * way_back
    return other if up.error(other, exact, None) < error / GAIN else moment


def _is_accurate(moment: Expr, limit: Expr, schedule: NoiseSchedule) -> bool:
    """Whether a closed form has the limit of steps up to t_max in float64."""
    if moment.has(MASS):
        return False
    low, high = map(float, schedule.domain)
    start = low + (high - low) * np.array([0.1, 0.5, 0.9])
    steps = Steps(schedule, start, np.full(start.shape, high))
    return steps.error(moment, [as_mp(schedule.substitute(limit))] * start.size, None) <= FAIR


def _limit_at_last(ode: SemilinearODE) -> Expr | None:
    """-b/a at t_max, where R is 0 there."""
    schedule = ode.schedule
    if ode.factor is None:
        return None
    if schedule.limit_at(at_schedule(ode.factor, schedule), schedule.t_max) != 0:
        return None
    ratio = -ode.nonlinear_coefficient / ode.linear_coefficient
    found = schedule.limit_at(schedule.simplest(ratio), schedule.t_max)
    return found if found.is_finite and found != 0 else None


def _shortest(factor: Expr, schedule: NoiseSchedule) -> Expr:
    """A function of alpha and sigma as that, unless it is a number for this schedule."""
    at_time = schedule.simplest(at_schedule(factor, schedule))
    if at_time.has(t) and factor.free_symbols <= {alpha, sigma, eta}:
        return factor
    return in_time(at_time, schedule)
