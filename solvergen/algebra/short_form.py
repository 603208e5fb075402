"""The form of an expression that a person would write, found with bounded effort."""

from collections.abc import Iterator
from functools import lru_cache

import sympy
from sympy import Add, Expr, Mul, Piecewise, Pow, Symbol
from sympy.simplify.fu import TR5, TR6, TR2i

from solvergen.algebra.budget import within
from solvergen.algebra.evaluation import Domain, Parameters, evaluate_mp, is_real, substitute
from solvergen.algebra.piecewise import by_branch
from solvergen.algebra.readable import length, positive_sums
from solvergen.algebra.roots import hide_constants
from solvergen.algebra.substitutions import in_exponential
from solvergen.symbols import t

BUDGET_SECONDS = 4.0
"""For one expression. Those of the named schedules take 0.3 at most; ``factor`` and ``cancel`` of
several generators may take minutes, and then the expression stays as it is."""

MAX_SIZE = 150
"""Operations beyond which nobody would read the result either."""


@lru_cache(maxsize=1024)
def simplest(
    expression: Expr,
    symbol: Symbol,
    domain: Domain,
    parameters: Parameters = (),
) -> Expr:
    """The shortest of a few rewritings, with factors that are positive on the domain if
    possible; branch by branch where there are cases.
    """
    if expression.has(Piecewise):
        return by_branch(
            lambda branch, part: simplest(branch, symbol, part, parameters),
            expression,
            symbol,
            domain,
            parameters,
        )
    forms = within(BUDGET_SECONDS, _all_forms, expression, default=None) or [expression]
    best = min(forms, key=_length)
    middle = (sympy.N(domain[0]) + sympy.N(domain[1])) / 2
    return _with_positive_sums(best, symbol, middle, parameters)


def _all_forms(expression: Expr) -> list[Expr]:
    """The expression and its rewritings, for which constants are single letters."""
    if sympy.count_ops(expression) > MAX_SIZE:
        return [expression]
    hidden, constants = hide_constants(expression, {t})
    shortest = min(_forms(hidden), key=_length).xreplace(constants)
    return [expression, shortest, sympy.powsimp(shortest, combine="exp", deep=True)]


def _forms(expression: Expr) -> Iterator[Expr]:
    """Rewritings by operations of polynomial cost."""
    flat = sympy.powsimp(sympy.powdenest(expression, force=True), deep=True)
    together = sympy.together(flat)
    spread = sympy.expand(together)
    forms = [flat, together, sympy.factor(together), sympy.cancel(together), spread]
    if expression.has(sympy.exp):
        forms.extend(_in_one_exponential(together))
        forms.extend([_joined_exponentials(form) for form in sorted(forms, key=_length)[:3]])
    if expression.has(sympy.sin, sympy.cos, sympy.tan):
        forms.extend(_trigonometric_forms(together))
    yield from forms
    if sympy.count_ops(spread) > MAX_SIZE:
        return
    expanded = forms[-1] if forms[-1].is_polynomial(t) else sympy.expand(flat)
    if sympy.count_ops(expanded) <= MAX_SIZE:
        yield sympy.collect(expanded, t)


def _trigonometric_forms(expression: Expr) -> Iterator[Expr]:
    """sin p / cos p as tan p, with sin^2 p as 1 - cos^2 p where that cancels."""
    for form in (expression, sympy.factor(TR5(sympy.expand(expression)))):
        yield form
        yield TR2i(form)
        yield TR2i(sympy.factor(TR6(sympy.expand(form))))


def _in_one_exponential(expression: Expr) -> Iterator[Expr]:
    """A rational function of u = e^p, reduced in u and in 1/u."""
    for symbol in expression.free_symbols & {t}:
        for generator, u, rewritten in in_exponential(expression, symbol):
            if rewritten.is_rational_function(u) and not rewritten.has(symbol):
                for e, g in (
                    (rewritten, generator),
                    (rewritten.xreplace({u: 1 / u}), 1 / generator),
                ):
                    yield sympy.factor(e).xreplace({u: g})


def _joined_exponentials(expression: Expr) -> Expr:
    """e^{a+b} for e^a e^b, with the exponents factored."""
    joined = sympy.powsimp(expression, combine="exp", deep=True)
    return joined.replace(sympy.exp, lambda exponent: sympy.exp(_shortest_exponent(exponent)))


@lru_cache(maxsize=4096)
def _shortest_exponent(exponent: Expr) -> Expr:
    collected = sympy.collect(sympy.expand(exponent), t)
    return min((exponent, sympy.factor(exponent), collected), key=_length)


@lru_cache(maxsize=4096)
def _length(expression: Expr) -> tuple[int, int]:
    """Operations, with one more for each sum that holds a fraction of time: (1 - t)/t, not 1/t -
    1.
    """
    return length(expression, sum(map(_has_fraction, sympy.preorder_traversal(expression))))


def _has_fraction(e: Expr) -> bool:
    return isinstance(e, Add) and any(sympy.fraction(term)[1].has(t) for term in e.args)


def _with_positive_sums(
    expression: Expr, symbol: Symbol, middle: Expr, parameters: Parameters
) -> Expr:
    """-1/(1 - t) for 1/(t - 1): flip the sums that are negative in the middle of the domain."""

    def is_negative(e: Expr) -> bool:
        value = evaluate_mp(substitute(e, parameters), symbol, middle)
        return is_real(value) and bool(value < 0)

    if isinstance(expression, Add):
        flipped = [_with_positive_sums(e, symbol, middle, parameters) for e in expression.args]
        return Add(*flipped)
    factors = (part for factor in Mul.make_args(expression) for part in _primitive(factor))
    sign, found = positive_sums(factors, is_negative)
    product = Mul(*found)
    return product if sign > 0 else -product


def _primitive(factor: Expr) -> tuple[Expr, ...]:
    """The rational content of a power of a sum apart: 2 and 1 - t for 2 - 2 t."""
    base, power = factor.as_base_exp()
    if isinstance(base, Add) and power.is_Integer:
        content, base = base.primitive()
        return content**power, Pow(base, power)
    return (factor,)
