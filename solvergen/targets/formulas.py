"""Functions of time in the forms that keep their digits, as numpy source."""

from dataclasses import dataclass

import numpy as np
from sympy import Expr, Symbol, log

from solvergen.algebra.collection import collected
from solvergen.algebra.evaluation import compiled
from solvergen.algebra.numpy_code import host_code, shared
from solvergen.derivation.parameterization import (
    Parameterization,
    at_schedule,
    conversion,
    on_circle,
)
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.values import limit_at
from solvergen.symbols import alpha, alpha_dot, half_log_snr_symbol, sigma, sigma_dot, t

INDENT = "    "
LONG = 24
"""Operations beyond which a formula in lambda or t is better put together from shorter ones."""
ROUGHLY = 1e-6
"""How near to a limit a value counts as the limit: what is wrong there is not near."""


@dataclass(frozen=True)
class Formulas:
    """Prints the formulas of one schedule."""

    schedule: NoiseSchedule

    def code(self, expression: Expr) -> str:
        """The operations that an expression spells."""
        return host_code(expression, self.schedule.parameters)

    def of_time(self, expression: Expr) -> str:
        """A function of t in the form that is most accurate over the domain."""
        if not expression.has(t):
            return f"np.full_like(t, {self.code(expression)})"
        return self.code(self.collected(self.schedule.stable(expression)))

    def collected(self, expression: Expr) -> Expr:
        """The same with the parameters collected."""
        parameters = frozenset(symbol for symbol, _ in self.schedule.parameters)
        return collected(expression, parameters)

    @property
    def alpha_dot(self) -> str:
        """The statement for alpha' at t."""
        return f"{self.code(alpha_dot)} = {self.of_time(self.schedule.alpha_prime)}"

    def returned(self, *forms: Expr) -> str:
        """Statements that return these values, with what occurs twice computed once."""
        found, left = shared([self.collected(form) for form in forms])
        lines = [f"{symbol} = {self.code(form)}" for symbol, form in found]
        return f"\n{INDENT}".join([*lines, f"return {', '.join(map(self.code, left))}"])

    def function_of_time(self, expression: Expr) -> str:
        """Statements that return a function of t."""
        if not expression.has(t):
            return f"return {self.of_time(expression)}"
        return self.returned(self.schedule.stable(expression))

    def long_time_at(self, level: Expr) -> str | None:
        """Statements that return t(lambda) at a formula for lambda, where t(lambda) has so many
        operations that the search for a better form takes seconds and finds none; else None.
        """
        closed = self.schedule.stable_inverse(self._level, half_log_snr_symbol)
        if closed is None or closed.count_ops() <= LONG:
            return None
        return self.returned(closed.subs(half_log_snr_symbol, level))

    @property
    def _level(self) -> Expr:
        return log(self.schedule.alpha / self.schedule.sigma)

    def half_log_snr(self) -> str:
        """Statements that return lambda, from alpha and sigma where its own formula is long."""
        if self.schedule.half_log_snr.count_ops() > LONG:
            return "return np.log(alpha(t) / sigma(t))"
        return self.function_of_time(self.schedule.half_log_snr)

    def time_at_half_log_snr(self) -> str:
        """Statements that return t(lambda)."""
        return self.inverse_function(self._level, half_log_snr_symbol, "half_log_snr")

    def inverse_function(self, variable: Expr, value: Symbol, function: str) -> str:
        """Statements that return the inverse of a function of t: the closed form or the guarded
        numeric inverse.
        """
        closed = self.schedule.stable_inverse(variable, value)
        if closed is None:
            return f"return _solve({function}, {self.code(value)})"
        return self.returned(closed)


def conversion_forms(
    prediction: Parameterization, integrand: Parameterization, schedule: NoiseSchedule
) -> tuple[tuple[Expr, str], ...]:
    """(formula, code) of A and B with integrand = A x + B prediction.

    In alpha and sigma, one formula for every schedule with the same alpha^2 + sigma^2, where that
    needs no derivative; with alpha' where alpha^2 + sigma^2 = 1 says sigma', unless that has no
    value at an end where A or B has one; else in t.
    """
    general = conversion(prediction, integrand)
    if schedule.is_variance_preserving:
        general = tuple(on_circle(one) for one in general)
    formulas = Formulas(schedule)
    symbols = general[0].free_symbols | general[1].free_symbols
    if not symbols & {sigma_dot, t} and all(_keeps_ends(one, schedule) for one in general):
        return tuple((one, formulas.code(one)) for one in general)
    at_time = (schedule.simplest(at_schedule(one, schedule)) for one in general)
    return tuple((one, formulas.of_time(one)) for one in at_time)


def _keeps_ends(form: Expr, schedule: NoiseSchedule) -> bool:
    """Whether floats of alpha, sigma, alpha' at the ends give the limits that the formula has."""
    if not form.has(alpha_dot):
        return True
    symbols = (alpha, sigma, alpha_dot)
    for end in schedule.domain:
        *parts, limit = (limit_at(one, schedule, end) for one in (*symbols, form))
        if limit is None or None in parts:
            return False
        floats = [np.float64(round(float(one), 20)) for one in parts if one is not None]
        with np.errstate(all="ignore"):
            found = compiled(form, symbols, "numpy")(*floats)
        if not np.isclose(float(found), float(limit), rtol=ROUGHLY, atol=ROUGHLY):
            return False
    return True
