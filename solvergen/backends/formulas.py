"""Functions of time in the forms that keep their digits, as numpy source."""

from dataclasses import dataclass

from sympy import Expr, Symbol

from solvergen.parameterization import Parameterization, at_schedule, conversion
from solvergen.printing import host_code, shared
from solvergen.schedule import NoiseSchedule
from solvergen.symbols import alpha, alpha_dot, sigma, sigma_dot, t

INDENT = "    "


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
        return self.code(self.schedule.stable(expression))

    def returned(self, *forms: Expr) -> str:
        """Statements that return these values, with what occurs twice computed once."""
        found, left = shared(forms)
        lines = [f"{symbol} = {self.code(form)}" for symbol, form in found]
        return f"\n{INDENT}".join([*lines, f"return {', '.join(map(self.code, left))}"])

    def function_of_time(self, expression: Expr) -> str:
        """Statements that return a function of t."""
        if not expression.has(t):
            return f"return {self.of_time(expression)}"
        return self.returned(self.schedule.stable(expression))

    def inverse_function(self, variable: Expr, value: Symbol, function: str) -> str:
        """Statements that return the inverse of a function of t.

        It is the closed form or the guarded numeric inverse.
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
    needs no derivative; else in t.
    """
    general = conversion(prediction, integrand)
    if schedule.is_variance_preserving:
        general = tuple(one.subs(alpha**2 + sigma**2, 1) for one in general)
    formulas = Formulas(schedule)
    if not (general[0].free_symbols | general[1].free_symbols) & {alpha_dot, sigma_dot, t}:
        return tuple((one, formulas.code(one)) for one in general)
    at_time = (schedule.simplest(at_schedule(one, schedule)) for one in general)
    return tuple((one, formulas.of_time(one)) for one in at_time)
