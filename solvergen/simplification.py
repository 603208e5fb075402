"""The form of an expression that a person would write, found with bounded effort."""

from collections.abc import Iterator, Sequence

import sympy
from sympy import Add, Expr, Mul, Pow, Rational, Symbol

from solvergen.budget import within
from solvergen.evaluation import evaluate_mp, is_real, substitute

BUDGET_SECONDS = 1.0
MAX_SIZE = 150


def simplest(
    expression: Expr,
    symbol: Symbol,
    domain: tuple[Expr, Expr],
    parameters: Sequence[tuple[Symbol, Rational]] = (),
) -> Expr:
    """The shortest of a few rewritings, with factors that are positive on the domain where
    possible.
    """
    forms = within(BUDGET_SECONDS, _all_forms, expression, default=None) or [expression]
    best = min(forms, key=_length)
    middle = (sympy.N(domain[0]) + sympy.N(domain[1])) / 2
    return _positive_factors(best, symbol, middle, parameters)


def _all_forms(expression: Expr) -> list[Expr]:
    forms = [expression]
    if sympy.count_ops(expression) <= MAX_SIZE:
        forms.extend(_forms(expression))
    return forms


def _forms(expression: Expr) -> Iterator[Expr]:
    """Rewritings by operations of polynomial cost."""
    flat = sympy.powsimp(sympy.powdenest(expression, force=True), deep=True)
    yield flat
    together = sympy.together(flat)
    yield together
    for form in (sympy.factor(together), sympy.cancel(together)):
        yield form
        yield _joined_exponentials(form)
    if expression.has(sympy.sin, sympy.cos, sympy.tan):
        yield sympy.trigsimp(together)
        yield sympy.trigsimp(sympy.cancel(together))
    yield _joined_exponentials(sympy.expand(expression))


def _joined_exponentials(expression: Expr) -> Expr:
    """e^{a+b} for e^a e^b, with the exponents factored."""
    joined = sympy.powsimp(expression, combine="exp", deep=True)
    return joined.replace(sympy.exp, lambda exponent: sympy.exp(_shortest_exponent(exponent)))


def _shortest_exponent(exponent: Expr) -> Expr:
    return min((exponent, sympy.factor(exponent)), key=_length)


def _length(expression: Expr) -> tuple[int, int]:
    return int(sympy.count_ops(expression)), len(str(expression))


def _positive_factors(
    expression: Expr, symbol: Symbol, middle: Expr, parameters: Sequence[tuple[Symbol, Rational]]
) -> Expr:
    """-1/(1 - t) for 1/(t - 1): flip the sums that are negative in the middle of the domain."""

    def is_negative(e: Expr) -> bool:
        value = evaluate_mp(substitute(e, parameters), symbol, middle)
        return is_real(value) and bool(value < 0)

    if isinstance(expression, Add):
        flipped = [_positive_factors(e, symbol, middle, parameters) for e in expression.args]
        return Add(*flipped)
    factors, sign = [], 1
    for factor in Mul.make_args(expression):
        base, power = factor.as_base_exp()
        if isinstance(base, Add) and power.is_Integer and is_negative(base):
            sign *= (-1) ** int(power)
            factors.append(Pow(-base, power))
        else:
            factors.append(factor)
    product = Mul(*factors)
    return product if sign > 0 else -product
