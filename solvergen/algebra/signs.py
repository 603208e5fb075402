"""Absolute values and signs in a formula, resolved by what they are on the domain.

    |u| = u or -u where u has one sign,        where(t < c, -u, u) where it changes at c

Their derivatives are deltas to sympy, of which nothing can be computed.
"""

import sympy
from sympy import Abs, Expr, Piecewise, Symbol, sign

from solvergen.algebra import zero
from solvergen.algebra.evaluation import Domain, Parameters, evaluate_mp, is_real, substitute
from solvergen.errors import ScheduleError

POINTS = 24
"""At which an argument is looked at that is not linear."""


def resolved(expression: Expr, symbol: Symbol, domain: Domain, parameters: Parameters = ()) -> Expr:
    """The same on the domain, without absolute values and signs of functions of the symbol.

    Raises:
        ScheduleError: an argument changes its sign and is not linear in the symbol.
    """

    def value(call: Expr, argument: Expr) -> Expr:
        above, below = (argument, -argument) if call is Abs else (sympy.S.One, -sympy.S.One)
        signs = {_sign(argument, symbol, one, parameters) for one in places}
        if len(signs) == 1:
            return above if signs == {1} else below
        slope = sympy.diff(argument, symbol)
        if slope.has(symbol):
            raise ScheduleError(
                f"{call(argument)} changes its case on the domain, and {argument} is not linear in "
                f"{symbol}; expected where({symbol} < c, A, B) with the case before c and after"
            )
        cut = symbol - sympy.cancel(argument / slope)
        rises = _sign(slope, symbol, places[0], parameters) > 0
        return Piecewise(*(((below, symbol < cut), (above, True)) if rises else (
            (above, symbol < cut), (below, True))))  # fmt: skip

    places = sorted(zero.sample_points(domain, POINTS))
    for call in (Abs, sign):
        expression = expression.replace(
            lambda e, call=call: isinstance(e, call) and e.has(symbol),
            lambda e, call=call: value(call, e.args[0]),
        )
    return expression


def _sign(argument: Expr, symbol: Symbol, place: object, parameters: Parameters) -> int:
    found = evaluate_mp(substitute(argument, parameters), symbol, place)
    return 1 if is_real(found) and found > 0 else -1
