"""Noise schedules: two formulas in, everything that a solver needs of them out.

x_t = alpha_t x_0 + sigma_t eps,    eps ~ N(0, I),    t in [t_min, t_max]
f = alpha' / alpha                  g^2 = (sigma^2)' - 2 f sigma^2
lambda = log(alpha / sigma)         strictly decreasing in t
"""

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import sympy
from sympy import Expr, Function, Piecewise, Rational, Symbol

from solvergen import naming
from solvergen.algebra import functions, limits, namespace
from solvergen.algebra.accurate_form import stable_form
from solvergen.algebra.evaluation import Domain, Parameters, substitute
from solvergen.algebra.inversion import invert, stable_inverse
from solvergen.algebra.piecewise import branches, breakpoints
from solvergen.algebra.short_form import simplest
from solvergen.algebra.signs import resolved
from solvergen.algebra.tables import Interpolate, Table
from solvergen.algebra.typesetting import aligned, relation
from solvergen.algebra.zero import vanishes
from solvergen.errors import ScheduleError
from solvergen.schedules.reading import (
    read_domain,
    read_formula,
    read_formulas,
    read_parameters,
    time_symbol,
)
from solvergen.schedules.validation import validate
from solvergen.symbols import half_log_snr_symbol, t


@dataclass(frozen=True)
class NoiseSchedule:
    """A noise schedule alpha_t, sigma_t over a domain of times.

    ``alpha`` and ``sigma`` are sympy expressions, numbers or text, in one time symbol; further
    symbols are ``parameters`` (a mapping, or pairs, of symbol or name and number) and stay
    symbols in everything that is derived. Floats are read as the decimals that they show. One of
    the two formulas may be written in the other, ``sqrt(1 - alpha**2)``. ``name`` is up to 100
    printable characters without quotes or backslashes, because it stands in docstrings. Where
    ``reversed``, networks are asked at t_min + t_max - t. ``declaration`` is what a schedule was
    said by in place of alpha and sigma: options of the command line and their texts.
    ScheduleError if the formulas are not a noise schedule over the domain: see
    ``solvergen.schedules.validation``.
    """

    alpha: Expr
    sigma: Expr
    domain: Domain = (sympy.Integer(0), sympy.Integer(1))
    name: str = "custom"
    parameters: Parameters = ()
    reversed: bool = False
    declaration: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        parameters = read_parameters(self.parameters)
        object.__setattr__(self, "parameters", parameters)
        object.__setattr__(self, "domain", read_domain(self.domain))
        naming.label("schedule name", self.name, ScheduleError)
        alpha, sigma = read_formulas(self.alpha, self.sigma, parameters)
        time = time_symbol(alpha, sigma, parameters)
        for name, formula in (("alpha", alpha), ("sigma", sigma)):
            formula = resolved(formula.xreplace({time: t}), t, self.domain, parameters)
            object.__setattr__(self, name, formula)
        self._check_names()
        for formula in (self.alpha, self.sigma):
            breakpoints(formula, t, self.domain, parameters)
        validate(self.substitute(self.alpha), self.substitute(self.sigma), self.domain)

    def _check_names(self) -> None:
        """Refuse names that meet each other in a module."""
        tables = {
            (one.inverted() if one.is_inverted else one).name
            for formula in (self.alpha, self.sigma)
            for one in formula.atoms(Table)
        }
        namespace.require_distinct(
            (symbol.name for symbol, _ in self.parameters),
            sorted(tables),
            (one.name for one in functions.used(self.alpha + self.sigma)),
        )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Computed once: every memoised step of a derivation looks a schedule up."""
        return hash(
            (self.alpha, self.sigma, self.domain, self.name, self.parameters, self.reversed)
        )

    def with_symbol(self, symbol: Expr, value: Expr) -> "NoiseSchedule":
        """The same with a symbol that formulas of its derivation are written in, as a parameter."""
        return self._with((*self.parameters, (symbol, value)))

    def without(self, symbol: Expr) -> "NoiseSchedule":
        """The same without that again."""
        kept = tuple(one for one in self.parameters if one[0] != symbol)
        return self if kept == self.parameters else self._with(kept)

    def _with(self, parameters: Parameters) -> "NoiseSchedule":
        """The same with other parameters, which its formulas do not read."""
        found = object.__new__(NoiseSchedule)
        for one in fields(self):
            object.__setattr__(found, one.name, getattr(self, one.name))
        object.__setattr__(found, "parameters", parameters)
        return found

    @property
    def t_min(self) -> Expr:
        """The time of least noise."""
        return self.domain[0]

    @property
    def t_max(self) -> Expr:
        """The time of most noise, where sampling starts."""
        return self.domain[1]

    def network_time(self, time: Any) -> Any:
        """What a network calls a time: t itself, or t_min + t_max - t; the way back likewise."""
        return float(self.t_min) + float(self.t_max) - time if self.reversed else time

    @cached_property
    def alpha_prime(self) -> Expr:
        """d alpha / dt."""
        return self._derivative(self.alpha)

    @cached_property
    def sigma_prime(self) -> Expr:
        """d sigma / dt."""
        return self._derivative(self.sigma)

    def _derivative(self, u: Expr) -> Expr:
        """u', which is (u^2)'/(2 u) where u holds square roots of time."""
        if not _has_square_roots(u):
            return self.simplest(sympy.diff(u, t))
        return self.simplest(sympy.diff(u**2, t)) / (2 * u)

    @cached_property
    def f(self) -> Expr:
        """The drift coefficient f = alpha' / alpha = (log alpha)' of dx = f x dt + g dw."""
        return self.simplest(sympy.diff(_expanded_log(self.alpha), t))

    @cached_property
    def g_squared(self) -> Expr:
        """The squared diffusion coefficient g^2 = (sigma^2)' - 2 f sigma^2."""
        if self.is_variance_preserving:
            return -2 * self.f
        return self.simplest(sympy.diff(self.sigma**2, t) - 2 * self.f * self.sigma**2)

    @cached_property
    def is_variance_preserving(self) -> bool:
        """Whether alpha^2 + sigma^2 = 1, so that g^2 = -2 f."""
        return self.vanishes(self.alpha**2 + self.sigma**2 - 1)

    @cached_property
    def is_straight(self) -> bool:
        """Whether alpha + sigma = 1, as in flow matching."""
        return vanishes(self.substitute(self.alpha + self.sigma - 1), t, self.domain)

    @cached_property
    def snr(self) -> Expr:
        """The signal-to-noise ratio alpha^2 / sigma^2."""
        return self.simplest(self.alpha**2 / self.sigma**2)

    @cached_property
    def half_log_snr(self) -> Expr:
        """lambda = log(alpha / sigma)."""
        if not _has_square_roots(self.sigma):
            return _log(self.simplest(self.alpha / self.sigma))
        noise_to_signal = self.simplest(self.sigma**2 / self.alpha**2)
        return min(_log(1 / noise_to_signal) / 2, -_log(noise_to_signal) / 2, key=sympy.count_ops)

    @cached_property
    def time_at_half_log_snr(self) -> Expr | None:
        """The time at which lambda has the value ``half_log_snr_symbol``; None without a closed
        form.
        """
        return self.inverse(sympy.log(self.alpha / self.sigma), half_log_snr_symbol)

    def inverse(self, expression: Expr, value: Symbol) -> Expr | None:
        """The time at which a monotone ``expression`` of t has the value ``value``, in closed
        form.
        """
        return invert(expression, t, value, self.domain, self.parameters)

    def stable_inverse(self, expression: Expr, value: Symbol) -> Expr | None:
        """The form of ``inverse`` that keeps most digits in float64."""
        return stable_inverse(expression, t, value, self.domain, self.parameters)

    def stable(self, expression: Expr) -> Expr:
        """The form of an expression of time that keeps most digits in float64, to the ends."""
        return stable_form(expression, t, self.domain, self.parameters, self._equals(expression))

    def _equals(self, expression: Expr) -> tuple[Expr, ...]:
        """The definitions of lambda, f and sigma' with stable forms put in."""
        if expression in (self.alpha, self.sigma) or not expression.has(t):
            return ()
        alpha, sigma = self.stable(self.alpha), self.stable(self.sigma)
        if expression == self.half_log_snr:
            return (sympy.log(alpha / sigma),)
        if expression == self.f:
            return (self.alpha_prime / alpha,)
        asked_for = self.__dict__.get("sigma_prime")
        if self.is_variance_preserving and expression == asked_for:
            return (-alpha * self.alpha_prime / sigma,)
        return ()

    def substitute(self, expression: Expr) -> Expr:
        """``expression`` with the parameters at their values."""
        return substitute(expression, self.parameters)

    @cached_property
    def kinks(self) -> tuple[Expr, ...]:
        """The times inside the domain at which the formulas change branch or pass a point of a
        table.
        """
        low, high = self.domain
        places: set[Expr] = set()
        for formula in (self.alpha, self.sigma):
            cuts = breakpoints(formula, t, self.domain, self.parameters)
            places |= {self.substitute(cut) for cut in cuts}
            for call in formula.atoms(Interpolate):
                if call.args[1] == t:
                    places |= {Rational(x) for x in call.args[0].x if low < x < high}
        return tuple(sorted(places))

    def read(self, expression: Any) -> Expr:
        """A user's expression of time (text, number or sympy) in this schedule's own symbols."""
        read = read_formula("expression", expression, self.parameters)
        return read.xreplace({time_symbol(read, sympy.S.Zero, self.parameters): t})

    def limit_at(self, expression: Expr, end: Expr) -> Expr:
        """The limit of ``expression`` at an end of the domain, from inside; possibly oo, -oo or
        nan.
        """
        parts = branches(expression, t, self.domain, self.parameters)
        expression = parts[0 if end == self.t_min else -1][0]
        return limits.one_sided_limit(self.substitute(expression), t, end, self.domain).value

    def vanishes(self, expression: Expr) -> bool:
        """Whether an expression of time is zero over the domain."""
        return vanishes(self.substitute(expression), t, self.domain)

    def simplest(self, expression: Expr) -> Expr:
        """The shortest form found of an expression of time and parameters."""
        return simplest(expression, t, self.domain, self.parameters)

    def _repr_latex_(self) -> str:
        """For notebooks."""
        domain = relation(r"\le", self.t_min, t, self.t_max)
        values = (relation("=", symbol, value) for symbol, value in self.parameters)
        formulas = {
            "alpha": self.alpha,
            "sigma": self.sigma,
            "f": self.f,
            "g^{2}": self.g_squared,
            "lambda": self.half_log_snr,
        }
        rows = [(Function(name)(t), formula) for name, formula in formulas.items()]
        return aligned(rows, (domain, *values))

    def __str__(self) -> str:
        values = "".join(f", {symbol} = {value}" for symbol, value in self.parameters)
        turned = "; networks are asked at t_min + t_max - t" if self.reversed else ""
        return (
            f"{self.name}: alpha = {self.alpha}, sigma = {self.sigma}, "
            f"{self.t_min} <= t <= {self.t_max}{values}{turned}"
        )


def _has_square_roots(u: Expr) -> bool:
    return any(e.exp.is_Rational and e.exp.q == 2 and e.has(t) for e in u.atoms(sympy.Pow))


def _log(ratio: Expr) -> Expr:
    """log(ratio), expanded if that is shorter: of a power or an exponential."""
    if isinstance(ratio, Piecewise):
        return Piecewise(*((_log(branch), condition) for branch, condition in ratio.args))
    return min(_expanded_log(ratio), sympy.log(ratio), key=sympy.count_ops)


def _expanded_log(positive: Expr) -> Expr:
    """log(a b^c) as log a + c log b."""
    return sympy.expand_log(sympy.log(positive), force=True)
