"""The form of an integral that a person would write: a rational part, then one term a call.

A sum is read as  G + sum_i c_i F_i,  the F_i logarithms, arcus functions and polylogarithms. G
takes the shortest of a few rewritings of polynomial cost, the arguments of the F_i are factored,
powers leave the logarithms, and calls with equal coefficients are joined. Nothing here is trusted
to be an identity: what is shown is proved afterwards.
"""

from collections.abc import Callable, Iterable, Mapping

import sympy
from sympy import (
    Add,
    Dummy,
    Expr,
    Integer,
    Mul,
    Pow,
    Symbol,
    acos,
    asin,
    asinh,
    atan,
    atanh,
    cot,
    diff,
    factor_terms,
    fraction,
    log,
    polylog,
    powsimp,
    tan,
    trigsimp,
)

from solvergen.algebra.bounded import cancel, expand, factor, is_small, together
from solvergen.algebra.readable import area_argument, length, positive_sums
from solvergen.algebra.root_sums import root_logarithms

CALLS = (log, atan, polylog, root_logarithms)
NAMED_CALLS = (log, atan, asin, acos, asinh, polylog, root_logarithms)

NESTED = 4
"""Operations that a reader gives for a fraction less inside a sum inside a product."""

Terms = dict[Expr, Expr]
"""{F: coefficient}; the rational part is the coefficient of 1."""

ValueInside = Callable[[Expr], float]
"""The value of an expression at a point inside the domain, which decides signs."""


def split(expression: Expr, variable: Symbol) -> Terms:
    """The terms of a sum that is linear in its calls of ``variable``."""
    calls = [e for e in expression.atoms(*CALLS) if e.has(variable)]
    names = {call: Dummy() for call in calls}
    terms: Terms = {Integer(1): expression.xreplace(dict.fromkeys(calls, Integer(0)))}
    for call, name in names.items():
        terms[call] = diff(expression.xreplace(names), name)
    return terms


def written_length(expression: Expr) -> tuple[int, int]:
    """Operations, with more for fractions inside sums inside products; then characters."""
    nested = sum(_holds_fraction(e) for e in sympy.preorder_traversal(expression) if e.is_Mul)
    return length(expression, NESTED * nested)


def _holds_fraction(product: Mul) -> bool:
    sums = (e.as_base_exp()[0] for e in product.args)
    return any(isinstance(e, Add) and not fraction(together(e))[1].is_number for e in sums)


def shortest(expression: Expr) -> Expr:
    """The shortest of a few forms of an expression that is rational in a few functions."""
    forms = [expression, *(_forms(expression) if is_small(expression) else [])]
    return min(forms, key=written_length).replace(_is_tangent, lambda e: tan(*e.base.args))


def _forms(expression: Expr) -> list[Expr]:
    joined = cancel(together(expression))
    forms = [joined, factor(joined), expand(joined), factor_terms(expand(joined))]
    if expression.has(sympy.sin, sympy.cos, sympy.tan, cot):
        forms.append(trigsimp(together(expression.rewrite(sympy.cos))))
        forms += [trigsimp(form) for form in forms[:2]]
        forms = [form for form in forms if not _has_shifted_angle(form)]
    if expression.has(sympy.exp):
        forms += [powsimp(form) for form in (joined, expand(joined))]
    if any(e.exp.is_Rational and not e.exp.is_Integer for e in expression.atoms(Pow)):
        forms += [_joined_roots(form) for form in forms[:2]]
    return forms


def _has_shifted_angle(expression: Expr) -> bool:
    """Whether it has sin(x + pi/4), which trigsimp likes and nobody else."""
    angles = (e.args[0] for e in expression.atoms(sympy.sin, sympy.cos, sympy.tan))
    return any(isinstance(e, Add) and e.has(sympy.pi) for e in angles)


def _is_tangent(e: Expr) -> bool:
    return isinstance(e, Pow) and isinstance(e.base, cot) and e.exp == -1


def _joined_roots(expression: Expr) -> Expr:
    """sqrt(a b) for sqrt(a) sqrt(b)."""
    return powsimp(expression, force=True)


def with_positive_sums(expression: Expr, value: ValueInside) -> Expr:
    """Sums that are negative at a point of the domain with their sign changed: 1 - t, not t - 1."""
    if isinstance(expression, Add):
        return Add(*(with_positive_sums(term, value) for term in expression.args))
    number, rest = expression.as_coeff_Mul()
    sign, factors = positive_sums(Mul.make_args(rest), lambda e: value(e) < 0)
    number *= sign
    if number.is_negative and not expression.could_extract_minus_sign():
        return expression
    product = Mul(*factors)
    is_shared = isinstance(product, Add) and abs(number) != 1
    return Mul(number, product, evaluate=False) if is_shared else number * product


def logarithm(argument: Expr, value: ValueInside) -> Iterable[tuple[Expr, Expr]]:
    """(n, F) with  log|argument| = sum n F, the F logarithms or 1."""
    argument = factor(shortest(argument))
    if value(argument) < 0:
        argument = -argument
    content = abs(argument.as_coeff_Mul()[0])
    argument = argument / content
    if content != 1:
        yield log(content), Integer(1)
    powers: Mapping[Expr, Expr] = with_positive_sums(argument, value).as_powers_dict()
    found: dict[Expr, Expr] = {}
    for base, power in powers.items():
        if base == -1:
            continue
        if base == sympy.E:
            yield power, Integer(1)
            continue
        exponent, rest = power.as_coeff_Mul()
        size, sign = abs(exponent), exponent / abs(exponent)
        found[size] = found.get(size, Integer(1)) * base ** (rest * sign)
    for exponent, base in found.items():
        sign = -1 if Integer(1) in base.as_numer_denom()[:1] else 1
        yield _area_function(sign * exponent, base**sign)


def _area_function(coefficient: Expr, argument: Expr) -> tuple[Expr, Expr]:
    """log(x + sqrt(x^2 + 1)) = asinh(x), log(sqrt(x^2 + 1) - x) = -asinh(x)."""
    x = area_argument(argument)
    if x is None:
        return coefficient, log(argument)
    return (-coefficient, asinh(-x)) if x.could_extract_minus_sign() else (coefficient, asinh(x))


def arcus(argument: Expr) -> Expr:
    """atan(p/q) = asin(p) where p^2 + q^2 = 1; atan(cot x) = pi/2 - x, atan(cot(x/2)) likewise."""
    argument = shortest(argument)
    for call in argument.atoms(cot, sympy.cos):
        x = call.args[0]
        if argument == cot(x):
            return sympy.pi / 2 - x
        if argument == (1 + sympy.cos(x)) / sympy.sin(x):
            return sympy.pi / 2 - x / 2
    top, bottom = argument.as_numer_denom()
    if bottom == 1 or cancel(expand(top**2 + bottom**2)) != 1:
        return atan(argument)
    return acos(bottom) if written_length(bottom) < written_length(top) else asin(top)


def normalized(terms: Terms, value: ValueInside) -> Terms:
    """Calls with short arguments, like ones joined, and short coefficients."""
    found: Terms = {}

    def put(call: Expr, coefficient: Expr) -> None:
        number, call = call.as_coeff_Mul()
        coefficient = number * coefficient
        if not isinstance(call, NAMED_CALLS):
            call, coefficient = Integer(1), coefficient * call
        found[call] = found.get(call, Integer(0)) + coefficient

    for call, coefficient in terms.items():
        if isinstance(call, log):
            for power, short in logarithm(call.args[0], value):
                put(short, coefficient * power)
        elif isinstance(call, atan):
            put(arcus(call.args[0]), coefficient)
        elif isinstance(call, polylog):
            put(polylog(call.args[0], shortest(call.args[1])), coefficient)
        elif isinstance(call, root_logarithms):
            put(call.over(*map(shortest, call.args[2:])), coefficient)
        else:
            put(call, coefficient)
    kept = {
        call: with_positive_sums(shortest(coefficient), value)
        for call, coefficient in found.items()
    }
    return _joined_logarithms(
        _area_functions({call: c for call, c in kept.items() if c != 0}), value
    )


def _area_functions(terms: Terms) -> Terms:
    """log(1 + x) - log(1 - x) = 2 atanh(x)."""
    for call, coefficient in list(terms.items()):
        x = call.args[0] - 1 if isinstance(call, log) else None
        if x is None or call not in terms or log(1 - x) not in terms:
            continue
        if cancel(terms[log(1 - x)] + coefficient) == 0 and not x.could_extract_minus_sign():
            del terms[call], terms[log(1 - x)]
            terms[atanh(x)] = 2 * coefficient
    return terms


def _joined_logarithms(terms: Terms, value: ValueInside) -> Terms:
    """log A + log B = log(A B), log A - log B = log(A/B), where the coefficients are equal."""
    joined: Terms = {}
    for call, coefficient in terms.items():
        same = next((one for one in joined if _same(one, call, joined, coefficient)), None)
        if same is None:
            joined[call] = coefficient
            continue
        total = joined.pop(same)
        power = Integer(1) if cancel(total - coefficient) == 0 else Integer(-1)
        product = shortest(same.args[0] * call.args[0] ** power)
        for exponent, short in logarithm(product, value):
            joined[short] = joined.get(short, Integer(0)) + total * exponent
    return joined


def _same(one: Expr, other: Expr, terms: Terms, coefficient: Expr) -> bool:
    if not (isinstance(one, log) and isinstance(other, log)):
        return False
    return cancel(terms[one] - coefficient) == 0 or cancel(terms[one] + coefficient) == 0


def sum_of(terms: Terms) -> Expr:
    """G + sum of c F."""
    return Add(*(coefficient * call for call, coefficient in terms.items()))
