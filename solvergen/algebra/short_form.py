"""The form of an expression that a person would write, found with bounded effort."""

from collections.abc import Iterator
from functools import lru_cache, partial

import sympy
from sympy import Add, Expr, Mul, Piecewise, Pow, Symbol
from sympy.simplify.fu import TR5, TR6, TR2i

from solvergen.algebra.bounded import cancel, expand, factor
from solvergen.algebra.evaluation import Domain, Parameters, evaluate_mp, is_real, substitute
from solvergen.algebra.piecewise import by_branch
from solvergen.algebra.radicals import IsNegative, reduced
from solvergen.algebra.readable import length, operations, positive_sums, shortest
from solvergen.algebra.roots import hide_constants
from solvergen.algebra.substitutions import in_exponential
from solvergen.algebra.zero import vanishes
from solvergen.symbols import t

MAX_SIZE = 150
"""Operations beyond which nobody would read the result."""


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
    middle = (sympy.N(domain[0]) + sympy.N(domain[1])) / 2

    def is_negative(e: Expr) -> bool:
        value = evaluate_mp(substitute(e, parameters), symbol, middle)
        return is_real(value) and bool(value < 0)

    best = shortest(_all_forms(expression), _nested)
    without = _with_few_roots(best, symbol, is_negative)
    if without is not None and _length(without) < _length(best):
        difference = substitute(without - expression, parameters)
        best = without if vanishes(difference, symbol, domain) else best
    return _with_positive_sums(best, is_negative)


def compact(expression: Expr) -> Expr:
    """The shortest of the same rewritings of a formula of several symbols."""
    hidden, constants = hide_constants(expression, expression.free_symbols)
    forms = (form.xreplace(constants) for form in _forms(hidden))
    return shortest((expression, *forms), _nested)


def _with_few_roots(expression: Expr, symbol: Symbol, is_negative: IsNegative) -> Expr | None:
    """A formula with square roots of time in which no square root of a square is left."""
    if not any(e.exp.is_Rational and e.exp.q == 2 and e.has(symbol) for e in expression.atoms(Pow)):
        return None
    for generator, u, rewritten in in_exponential(expression, symbol):
        if not rewritten.has(symbol):
            place = {u: generator}
            found = reduced(rewritten, u, partial(_is_negative_at, is_negative, place))
            return None if found is None else found.xreplace(place)
    return reduced(expression, symbol, is_negative)


def _is_negative_at(is_negative: IsNegative, place: dict[Expr, Expr], e: Expr) -> bool:
    return is_negative(e.xreplace(place))


def _all_forms(expression: Expr) -> list[Expr]:
    """The expression and its rewritings, for which constants are single letters."""
    if operations(expression) > MAX_SIZE:
        return [expression]
    hidden, constants = hide_constants(expression, {t})
    found = shortest(_forms(hidden), _nested).xreplace(constants)
    return [expression, found, sympy.powsimp(found, combine="exp", deep=True)]


def _forms(expression: Expr) -> Iterator[Expr]:
    """Rewritings by operations of polynomial cost."""
    flat = sympy.powsimp(sympy.powdenest(expression, force=True), deep=True)
    together = sympy.together(flat)
    spread = expand(together)
    forms = [flat, together, factor(together), cancel(together), spread]
    if expression.has(sympy.exp):
        forms.extend(_in_one_exponential(together))
        forms.extend([_joined_exponentials(form) for form in sorted(forms, key=_length)[:3]])
    if expression.has(sympy.sin, sympy.cos, sympy.tan):
        forms.extend(_trigonometric_forms(together))
    yield from forms
    if operations(spread) > MAX_SIZE:
        return
    expanded = forms[-1] if forms[-1].is_polynomial(t) else expand(flat)
    if operations(expanded) <= MAX_SIZE:
        yield sympy.collect(expanded, t)


def _trigonometric_forms(expression: Expr) -> Iterator[Expr]:
    """sin p / cos p as tan p, with sin^2 p as 1 - cos^2 p where that cancels."""
    for form in (expression, factor(TR5(expand(expression)))):
        yield form
        yield TR2i(form)
        yield TR2i(factor(TR6(expand(form))))


def _in_one_exponential(expression: Expr) -> Iterator[Expr]:
    """A rational function of u = e^p, reduced in u and in 1/u."""
    for symbol in expression.free_symbols & {t}:
        for generator, u, rewritten in in_exponential(expression, symbol):
            if rewritten.is_rational_function(u) and not rewritten.has(symbol):
                for e, g in (
                    (rewritten, generator),
                    (rewritten.xreplace({u: 1 / u}), 1 / generator),
                ):
                    yield factor(e).xreplace({u: g})


def _joined_exponentials(expression: Expr) -> Expr:
    """e^{a+b} for e^a e^b, with the exponents factored."""
    joined = sympy.powsimp(expression, combine="exp", deep=True)
    return joined.replace(sympy.exp, lambda exponent: sympy.exp(_shortest_exponent(exponent)))


@lru_cache(maxsize=4096)
def _shortest_exponent(exponent: Expr) -> Expr:
    collected = sympy.collect(expand(exponent), t)
    return shortest((exponent, factor(exponent), collected), _nested)


@lru_cache(maxsize=4096)
def _length(expression: Expr) -> tuple[int, int]:
    """Operations and penalty, then characters."""
    return length(expression, _nested(expression))


@lru_cache(maxsize=4096)
def _nested(expression: Expr) -> int:
    """One for each sum that holds a fraction of time: (1 - t)/t, not 1/t - 1."""
    return sum(map(_has_fraction, sympy.preorder_traversal(expression)))


def _has_fraction(e: Expr) -> bool:
    return isinstance(e, Add) and any(sympy.fraction(term)[1].has(t) for term in e.args)


def _with_positive_sums(expression: Expr, is_negative: IsNegative) -> Expr:
    """-1/(1 - t) for 1/(t - 1): flip the sums that are negative in the middle of the domain."""
    if isinstance(expression, Add):
        return Add(*(_with_positive_sums(e, is_negative) for e in expression.args))
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
