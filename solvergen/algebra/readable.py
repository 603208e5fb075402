"""What a person looks at in a formula: how long it is, signs of its sums, logarithms with a name.

Each step of a derivation has its own rewritings and its own taste, but these three are the same in
all of them.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

import sympy
from sympy import Add, Expr, Mul, Pow


@lru_cache(maxsize=20_000)
def operations(expression: Expr) -> int:
    """How many an expression takes; searches ask several times for each form."""
    return int(sympy.count_ops(expression))


def length(expression: Expr, penalty: int = 0) -> tuple[int, int]:
    """Operations, and what is added for parts that are awkward to read; then characters."""
    return operations(expression) + penalty, len(str(expression))


def shortest(forms: Iterable[Expr], penalty: Callable[[Expr], int] = lambda _: 0) -> Expr:
    """The form with the least operations and penalty, of those the shortest text, of those the
    first; texts are written for those alone.
    """
    found = list(forms)
    costs = [operations(form) + penalty(form) for form in found]
    best = [form for form, cost in zip(found, costs, strict=True) if cost == min(costs)]
    return best[0] if len(set(best)) == 1 else min(best, key=lambda form: len(str(form)))


@lru_cache(maxsize=20_000)
def effort(expression: Expr) -> tuple[int, str]:
    """Operations, then the text: of forms that are as long, the same one in every run."""
    return operations(expression), str(expression)


def positive_sums(
    factors: Iterable[Expr], is_negative: Callable[[Expr], bool]
) -> tuple[int, list[Expr]]:
    """1 - t for t - 1: the sign that is left, and the factors with every negative sum flipped."""
    sign, found = 1, []
    for factor in factors:
        base, power = factor.as_base_exp()
        if isinstance(base, Add) and power.is_Integer and is_negative(base):
            sign = -sign if power.is_odd else sign
            found.append(Pow(-base, power))
        else:
            found.append(factor)
    return sign, found


def area_argument(argument: Expr) -> Expr | None:
    """x with  argument = x + sqrt(x^2 + 1), so that log(argument) = asinh(x); None if there is
    none.
    """
    terms = Add.make_args(argument)
    roots = [term for term in terms if has_square_root(term)]
    if len(roots) != 1 or len(terms) == 1:
        return None
    x = Add(*terms) - roots[0]
    return x if sympy.powsimp(sympy.expand(roots[0] ** 2 - x**2)) == 1 else None


def has_square_root(term: Expr) -> bool:
    """Whether a square root is a factor."""
    return any(e.is_Pow and e.exp.is_Rational and e.exp.q == 2 for e in Mul.make_args(term))
