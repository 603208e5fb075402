"""How large a formula that comes as text may be, decided before anything is computed with it.

What computer algebra takes grows with the number of operations, and much faster with the degree of
the polynomials that a formula hides: t**(97/89) and t**(83/79) are powers 7663 and 7387 of one
root of t. Each bound is one that a module is emitted below in seconds; an error states it.
"""

from math import lcm

import sympy
from sympy import Basic, Expr, Function, Piecewise, Pow, Rational

MAX_LENGTH = 2000
"""Characters of a formula."""
MAX_DEPTH = 60
"""Of parentheses: Python's parser and sympy's recursions stop at a few hundred."""
MAX_OPERATIONS = 160
"""Three times vp_cosine's; the search for accurate forms leaves longer ones as they are."""
MAX_BITS = 2048
"""Of a numerator or a denominator."""
MAX_EXPONENT = 50
"""Of a power that is written out; t^50 is 10^-300 at 10^-6."""
MAX_NESTING = 6
"""Of functions of functions: sympy evaluates the innermost one again at each level."""
MAX_DEGREE = 32
"""As if every product were multiplied out: (1 + t)^32 has binomials of nine digits."""
MAX_ROOT = 60
"""Halves, thirds, quarters and fifths together: more is the power 60 of a root of time."""
MAX_DECIMALS = 300
"""Numbers lie between 10^-300 and 10^300: float64, with room for products."""
MAX_PARAMETERS = 8
"""Each one is a symbol in every polynomial of a derivation."""
MAX_ROWS = 20_000
"""Of a table."""

_DECIMALS_PER_BIT = 0.30103
"""log10 2."""


def excess(expression: Expr) -> str:
    """What of a formula is above its bound, and the bound; empty if nothing is."""
    for number in expression.atoms(Rational):
        if found := excess_of_number(number):
            return found
    if expression.is_number:
        return excess_of_number(expression)
    if (levels := nesting(expression)) > MAX_NESTING:
        return f"its functions are nested {levels} levels deep; expected at most {MAX_NESTING}"
    if (common := root(expression)) > MAX_ROOT:
        return f"its exponents have the common denominator {common}; expected at most {MAX_ROOT}"
    if (power := degree(expression)) > MAX_DEGREE:
        return f"it has the degree {power}; expected at most {MAX_DEGREE}"
    return ""


def excess_of_formula(expression: Expr) -> str:
    """The same of a whole formula, which may come from sympy, with its operations counted."""
    operations = sympy.count_ops(expression)
    if operations > 2 * MAX_OPERATIONS:
        return f"it has {operations} operations; expected at most {2 * MAX_OPERATIONS}"
    return excess(expression)


def excess_of_number(number: Expr) -> str:
    """The same of a number: its digits, and whether float64 can hold it."""
    if number.is_Rational:
        bits = max(number.p.bit_length(), number.q.bit_length())
        if bits > MAX_BITS:
            return f"a number in it is too large; expected at most {MAX_BITS} bits"
        exponent = (number.p.bit_length() - number.q.bit_length()) * _DECIMALS_PER_BIT
    else:
        size = abs(number.evalf(5))
        if not size.is_Float:
            return ""
        _, _, shift, bits = size._mpf_
        exponent = (shift + bits) * _DECIMALS_PER_BIT
    if abs(exponent) > MAX_DECIMALS and number != 0:
        return (
            f"a number in it is about 10^{round(exponent)}; expected a number of ordinary size, "
            f"10^-{MAX_DECIMALS} to 10^{MAX_DECIMALS}"
        )
    return ""


def nesting(expression: Basic) -> int:
    """How many calls of functions lie in one another; cases and roots are none."""
    inner = max(map(nesting, expression.args), default=0)
    return inner + (isinstance(expression, Function) and not isinstance(expression, Piecewise))


def degree(expression: Expr) -> Rational:
    """The largest degree of a formula and of what its functions are applied to, in all symbols and
    calls of functions, as if every product were multiplied out.
    """
    largest = sympy.S.Zero

    def of(e: Expr) -> Rational:
        nonlocal largest
        parts = [of(part) for part in e.args if isinstance(part, Expr)]
        if not e.free_symbols:
            return sympy.S.Zero
        if isinstance(e, sympy.Add):
            own = max(parts)
        elif isinstance(e, sympy.Mul):
            own = sum(parts, sympy.S.Zero)
        elif isinstance(e, Pow) and e.exp.is_Rational:
            own = abs(e.exp) * parts[0]
        else:
            own = sympy.S.One
        largest = max(largest, own)
        return own

    of(expression)
    return largest


def root(*expressions: Expr) -> int:
    """The common denominator of the exponents of what is not a number."""
    powers = (e for one in expressions for e in one.atoms(Pow) if e.base.free_symbols)
    return lcm(*(e.exp.q for e in powers if e.exp.is_Rational))
