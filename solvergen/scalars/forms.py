"""Functions of time in the forms that keep their digits and take the fewest operations."""

from sympy import Expr, Symbol

from solvergen.algebra.collection import collected
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import t


def in_time(expression: Expr, schedule: NoiseSchedule) -> Expr:
    """The form of a function of t that is most accurate in float64 over the domain."""
    if not expression.has(t):
        return expression
    return with_parameters(schedule.stable(expression), schedule)


def with_parameters(expression: Expr, schedule: NoiseSchedule) -> Expr:
    """The same formula with the schedule's parameters collected: they are numbers in code."""
    return collected(expression, frozenset(symbol for symbol, _ in schedule.parameters))


def inverse(variable: Expr, value: Symbol, schedule: NoiseSchedule) -> Expr | None:
    """The time at which a function of t has a value; None without a closed form."""
    found = schedule.stable_inverse(variable, value)
    return None if found is None else with_parameters(found, schedule)
