"""Equal expressions that take fewer operations on arrays.

Formulas of a schedule come from algebra with its parameters, where b t - a t and e^(-b t) e^(a t)
are as good as (b - a) t and e^(-(b - a) t). As code they are not: what only parameters enter is
computed once, on a number.
"""

from collections.abc import Iterable, Sequence, Set
from functools import lru_cache

from sympy import Add, Dummy, Expr, Mul, Symbol, bottom_up, exp, factor_terms, gcd_list

Found = list[tuple[Symbol, Expr]]


@lru_cache(maxsize=512)
def collected(expression: Expr, constants: frozenset[Symbol]) -> Expr:
    """a x + b x as (a + b) x and a x + b x^2 as x (a + b x), for constants a and b and a symbol x;
    products of exponentials of the same symbols as one exponential.
    """

    def rewritten(node: Expr) -> Expr:
        if node.is_Mul:
            return _product(node, constants)
        return _sum(node, constants) if node.is_Add else node

    return bottom_up(expression, rewritten) if constants else expression


def _product(node: Expr, constants: frozenset[Symbol]) -> Expr:
    """One exponential for all that depend on the same symbols."""
    groups: dict[frozenset[Symbol], list[Expr]] = {}
    for one in node.args:
        if isinstance(one, exp):
            groups.setdefault(frozenset(one.free_symbols - constants), []).append(one)
    for found in groups.values():
        if len(found) > 1:
            rest = [one for one in node.args if one not in found]
            node = Mul(*rest, exp(_sum(Add(*(one.args[0] for one in found)), constants)))
    return node


def _sum(node: Expr, constants: frozenset[Symbol]) -> Expr:
    """One term for each function of what varies; powers of one symbol by Horner's rule."""
    varying = node.free_symbols - constants
    groups: dict[Expr, list[Expr]] = {}
    for term in Add.make_args(node):
        coefficient, function = term.as_independent(*varying, as_Add=False)
        groups.setdefault(function, []).append(coefficient)
    x = min(groups, key=lambda function: function.count_ops())
    if x.is_Symbol and set(groups) == {x, x**2}:
        sign = -1 if Add(*groups[x]).could_extract_minus_sign() else 1
        linear, square = (factor_terms(sign * Add(*groups[one])) for one in (x, x**2))
        return sign * factor_terms(x * (linear + square * x))
    if all(len(found) == 1 or function == 1 for function, found in groups.items()):
        return node
    return Add(*(_times(found, function) for function, found in groups.items()))


def _times(coefficients: Sequence[Expr], function: Expr) -> Expr:
    return Add(*coefficients) if function == 1 else factor_terms(Add(*coefficients)) * function


def by_powers(forms: Iterable[Expr], variables: Set[Symbol]) -> tuple[Found, list[Expr]]:
    """e^(k x) for several rational k as powers of one u = e^(c x), for every variable x.

    Returns:
        (u, exponential) for every x, and the forms in these symbols.
    """
    found, left = [], list(forms)
    exponents: dict[Expr, set[Expr]] = {}
    for one in {call for form in left for call in form.atoms(exp)}:
        number, x = one.args[0].as_coeff_Mul()
        if x in variables:
            exponents.setdefault(x, set()).add(number)
    for x, numbers in exponents.items():
        if len(numbers) > 1:
            u, unit = Dummy(), gcd_list(sorted(numbers))
            powers = {exp(number * x): u ** (number / unit) for number in numbers}
            left = [form.xreplace(powers) for form in left]
            found.append((u, exp(unit * x)))
    return found, left
