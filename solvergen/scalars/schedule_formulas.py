"""The schedule as functions of time, each in the form that keeps its digits to the ends."""

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

from sympy import Expr, Piecewise, Symbol, log

from solvergen.algebra import functions, tables
from solvergen.algebra.accurate_form import Parameters
from solvergen.algebra.functions import Definition
from solvergen.algebra.tables import Interpolate
from solvergen.scalars.forms import FAIR, error_in_float, in_time, inverse
from solvergen.schedules.flatness import has_flat_end
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.serialization import tables_of
from solvergen.symbols import (
    alpha,
    alpha_s,
    half_log_snr_symbol,
    sigma,
    sigma_s,
    t,
)

LONG = 24
"""Operations beyond which a formula in lambda or t is better put together from shorter ones: the
search for a better form takes seconds and finds none."""


@dataclass(frozen=True)
class ScheduleFormulas:
    """The schedule as functions of time.

    Attributes:
        domain: t_min and t_max.
        parameters: the symbols beside time, with their values.
        tables, functions: what the formulas interpolate, and which registered functions they call.
        kinks: the times at which it is not smooth.
        alpha, sigma: in t.
        half_log_snr: in t, or in alpha and sigma where that is shorter.
        time_at_half_log_snr: in lambda; None without a closed form.
        span: how far lambda runs over the domain; infinite if it is at an end.
        reaches_data: whether sigma = 0 at t_min.
        is_flat: whether lambda is flat at an end, and finite.
    """

    domain: tuple[Expr, Expr]
    parameters: Parameters
    tables: tuple[tables.Table, ...]
    functions: tuple[Definition, ...]
    kinks: tuple[Expr, ...]
    alpha: Expr
    sigma: Expr
    half_log_snr: Expr
    time_at_half_log_snr: Expr | None
    span: float
    reaches_data: bool
    is_flat: bool

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, schedule: NoiseSchedule) -> "ScheduleFormulas":
        """Choose the forms."""
        both, ratio = (schedule.alpha, schedule.sigma), log(schedule.alpha / schedule.sigma)
        forms = [in_time(one, schedule) for one in both]
        return cls(
            schedule.domain,
            schedule.parameters,
            tables=tuple(tables_of(*both)),
            functions=functions.used(schedule.alpha + schedule.sigma),
            kinks=schedule.kinks,
            alpha=forms[0],
            sigma=forms[1],
            half_log_snr=_half_log_snr(schedule, *forms),
            time_at_half_log_snr=inverse(ratio, half_log_snr_symbol, schedule),
            span=_span(schedule),
            reaches_data=schedule.limit_at(schedule.sigma, schedule.t_min) == 0,
            is_flat=has_flat_end(schedule),
        )

    @property
    def is_half_log_snr(self) -> bool:
        """Whether lambda takes the place of time (``scalars.levels``)."""
        return bool(self.half_log_snr == t)

    @property
    def constants(self) -> dict[Symbol, Expr]:
        """alpha and sigma at both ends of a step, where they are the same number at all times."""
        known = {alpha: self.alpha, alpha_s: self.alpha, sigma: self.sigma, sigma_s: self.sigma}
        return {symbol: form for symbol, form in known.items() if form.is_number}

    @property
    def spacing(self) -> str:
        """What a time grid is uniform in unless it is said: lambda, if it is finite, else time."""
        return "half_log_snr" if isfinite(self.span) else "time"


def _half_log_snr(schedule: NoiseSchedule, alpha_form: Expr, sigma_form: Expr) -> Expr:
    """In t; in alpha and sigma where that is shorter, or no form in t keeps its digits."""
    level = schedule.half_log_snr
    if level.count_ops() > LONG:
        return log(alpha / sigma)
    form = in_time(level, schedule)
    if form.has(Piecewise, Interpolate):
        return form
    error = error_in_float(form, level, schedule)
    is_fair = error <= FAIR
    quotient = log(alpha_form / sigma_form)
    if is_fair or error_in_float(quotient, level, schedule) > error:
        return form
    return log(alpha / sigma)


def _span(schedule: NoiseSchedule) -> float:
    low, high = (schedule.limit_at(schedule.half_log_snr, end) for end in schedule.domain[::-1])
    return float(high) - float(low)
