"""sympy's operations on rational functions, where their cost can be foreseen.

A common denominator, a greatest common divisor and a factorization of polynomials take what the
number of their terms allows: at most the product of (degree + 1) over the *generators*, the
symbols, calls and roots that are independent for a polynomial, and at most what multiplying out all
products gives. An expression above ``MAX_TERMS`` comes back as it is, so that what is derived
depends on the expression alone, and not on how long the machine takes.

To sympy e^(183 t/10) is the power 183 of e^(t/10), and e^6 - e^(6 t) has six factors. Where that
makes an expression too large, and beside numbers that are exponentials, the exponentials are powers
of the largest common ones.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from math import comb, lcm, prod

import sympy
from sympy import Dummy, Expr, Rational

from solvergen.algebra.readable import operations

MAX_TERMS = 1280
"""Of a numerator or a denominator: what dt/dlambda of vp_sigmoid has before it cancels, by far the
most of the named schedules and their integrals. Three symbols in so many terms take .4 s."""

MAX_SPREAD = 150
"""Terms of a sum that is multiplied out to be looked at: a form of so many is never the one."""

MAX_DEGREE = 60
"""In one generator: t^(1/60) of a formula of degree 1 (``solvergen.algebra.size``)."""

MAX_OPERATIONS = 400
"""Nobody would read more, and the rest of sympy takes time too."""

Degrees = dict[Expr, int]
"""{generator: degree}."""


def factor(expression: Expr) -> Expr:
    """``sympy.factor`` of what is small enough."""
    return _if_small(sympy.factor, expression)


def cancel(expression: Expr) -> Expr:
    """``sympy.cancel`` of what is small enough."""
    return _if_small(sympy.cancel, expression)


def together(expression: Expr) -> Expr:
    """``sympy.together`` of what is small enough."""
    return _if_small(sympy.together, expression)


def expand(expression: Expr) -> Expr:
    """``sympy.expand`` of what gives few terms."""
    if spread_size(expression) > MAX_SPREAD:
        return expression
    return _if_small(sympy.expand, expression)


def _if_small(operation: Callable[[Expr], Expr], expression: Expr) -> Expr:
    back: Mapping[Expr, Expr] = {}
    given = expression
    if _has_numbers(expression) or not is_small(expression):
        given, back = _in_largest_exponentials(expression)
        if not is_small(given):
            return expression
    try:
        return operation(given).xreplace(back)
    except sympy.PolynomialError:  # a generator inside another one
        return expression


@lru_cache(maxsize=10_000)
def is_small(expression: Expr) -> bool:
    """Whether an expression may be worked on as a rational function."""
    if operations(expression) > MAX_OPERATIONS:
        return False
    inner = {e.base for e in expression.atoms(sympy.Pow) if not e.exp.is_Integer}
    inner |= {one for e in expression.atoms(sympy.Function) for one in e.args}
    return all(_has_few_terms(one) for one in (expression, *inner) if isinstance(one, Expr))


@lru_cache(maxsize=10_000)
def _has_few_terms(expression: Expr) -> bool:
    degrees = _degrees_of(expression)
    if max(degrees.values(), default=0) > MAX_DEGREE:
        return False
    dense = prod(power + 1 for power in degrees.values())
    return dense <= MAX_TERMS or spread_size(expression) <= MAX_TERMS


def spread_size(expression: Expr) -> int:
    """How many terms multiplying out may give, in the numerator or the denominator."""
    return max(_spread(expression))


def _spread(e: Expr) -> tuple[int, int]:
    if e.is_Add:
        parts = [(_spread(term), sympy.fraction(term)[1]) for term in e.args]
        below = {bottom: own for (_, own), bottom in parts}
        whole = prod(below.values())
        return sum(top * whole // own for (top, own), _ in parts), whole
    if e.is_Mul:
        pairs = [_spread(one) for one in e.args]
        return prod(above for above, _ in pairs), prod(below for _, below in pairs)
    if e.is_Pow and e.exp.is_Integer:
        power = int(abs(e.exp))
        tops, bottoms = (comb(terms + power - 1, power) for terms in _spread(e.base))
        return (tops, bottoms) if e.exp > 0 else (bottoms, tops)
    return 1, 1


def _degrees_of(expression: Expr) -> Degrees:
    """The larger of the degrees of numerator and denominator in each generator."""
    above, below = _degrees(expression, _roots(expression))
    return {one: max(above.get(one, 0), below.get(one, 0)) for one in {**above, **below}}


def multiples(call: Expr) -> list[tuple[Expr, Expr]]:
    """[(c, m), ..]: an exponential is the product of the e^(c m), c rational."""
    if call is sympy.E:
        return [(sympy.S.One, sympy.S.One)]
    pairs = (term.as_coeff_Mul() for term in sympy.Add.make_args(sympy.expand(call.args[0])))
    return [(c, m) if c.is_Rational else (sympy.S.One, c * m) for c, m in pairs]


def units(calls: Iterable[Expr]) -> dict[Expr, Rational]:
    """{m: c} where each of the exponentials is a product of e^(n c m), n whole."""
    found: dict[Expr, list[Rational]] = {}
    for call in calls:
        for number, rest in multiples(call):
            found.setdefault(rest, []).append(abs(number))
    return {rest: sympy.gcd_list(numbers) for rest, numbers in found.items()}


def _has_numbers(expression: Expr) -> bool:
    """Whether it holds the exponential of a number."""
    return expression.has(sympy.E) or any(
        rest == 1 for call in expression.atoms(sympy.exp) for _, rest in multiples(call)
    )


def _in_largest_exponentials(expression: Expr) -> tuple[Expr, dict[Expr, Expr]]:
    """The expression with a symbol for each of the common exponentials, and what those are."""
    calls = sorted(expression.atoms(sympy.exp, type(sympy.E)), key=str)
    steps = units(calls)
    names = {rest: Dummy(f"e{k}", positive=True) for k, rest in enumerate(steps)}
    powers = {
        call: sympy.Mul(*(names[rest] ** (c / steps[rest]) for c, rest in multiples(call)))
        for call in calls
    }
    back = {name: sympy.exp(steps[rest] * rest) for rest, name in names.items()}
    return expression.xreplace(powers), back


def _roots(expression: Expr) -> dict[Expr, int]:
    """The common denominators of the powers of a base, and of the multiples in exponents."""
    found: dict[Expr, int] = {}
    for power in expression.atoms(sympy.Pow):
        if power.exp.is_Rational:
            found[power.base] = lcm(found.get(power.base, 1), int(power.exp.q))
    for call in expression.atoms(sympy.exp):
        for number, rest in multiples(call):
            base = sympy.exp(rest)
            found[base] = lcm(found.get(base, 1), int(number.q))
    return found


def _degrees(e: Expr, roots: Mapping[Expr, int]) -> tuple[Degrees, Degrees]:
    """The degrees of numerator and denominator."""
    if e.is_Rational:
        return {}, {}
    if e.is_Add:
        return _of_sum(e, roots)
    if e.is_Mul:
        parts = [_degrees(one, roots) for one in e.args]
        return _joined(sum, [above for above, _ in parts]), _joined(sum, [b for _, b in parts])
    if isinstance(e, sympy.exp):
        powers = [(sympy.exp(rest), number) for number, rest in multiples(e)]
        return _split({one: int(power * roots.get(one, 1)) for one, power in powers})
    if e.is_Pow and e.exp.is_Rational:
        root = roots.get(e.base, 1)
        if root > 1:
            return _split({e.base: int(e.exp * root)})
        above, below = (
            {one: power * int(abs(e.exp)) for one, power in part.items()}
            for part in _degrees(e.base, roots)
        )
        return (above, below) if e.exp > 0 else (below, above)
    return {e: roots.get(e, 1)}, {}


def _split(powers: Mapping[Expr, int]) -> tuple[Degrees, Degrees]:
    """Positive powers, and the sizes of negative ones."""
    above = {one: power for one, power in powers.items() if power > 0}
    return above, {one: -power for one, power in powers.items() if power < 0}


def _joined(how: Callable[[list[int]], int], parts: Iterable[Degrees]) -> Degrees:
    found: dict[Expr, list[int]] = {}
    for part in parts:
        for one, power in part.items():
            found.setdefault(one, []).append(power)
    return {one: how(powers) for one, powers in found.items()}


def _of_sum(e: Expr, roots: Mapping[Expr, int]) -> tuple[Degrees, Degrees]:
    """Over the product of the denominators that differ."""
    parts = {term: _degrees(term, roots) for term in e.args}
    below = {sympy.fraction(term)[1]: parts[term][1] for term in e.args}
    whole = _joined(sum, below.values())
    above = [
        _joined(sum, (top, {one: power - own.get(one, 0) for one, power in whole.items()}))
        for top, own in parts.values()
    ]
    return _joined(max, above), whole
