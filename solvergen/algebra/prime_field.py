"""Whether a formula is zero whatever its calls and symbols are, by arithmetic modulo a prime.

A polynomial that is not zero, of degree d, vanishes at a random point modulo p with a probability
of at most d/p (Schwartz and Zippel). p is near 2^127 and a formula of this package has a degree
below 2^20, so that two points are a proof but for a chance of 10^-60; nothing is expanded, so that
it takes milliseconds whatever the size. The points come from hashes and never change.

Half of the numbers modulo p, the squares, are taken for the positive ones. p = 2 r + 1 with r
prime, so that a square has one square root that is a square, and one root of every other order:
sqrt(a b) = sqrt(a) sqrt(b) and sqrt(a^2) = a hold as they do for positive a and b. Beyond that

    e^(a + b) = e^a e^b        log(a b^c) = log a + c log b        cos(a + b) + i sin(a + b) = ..

hold, and the values of a call of anything else are hashes of its arguments: independent, and equal
where the arguments are. A formula that needs more, as atan x + atan(1/x) = pi/2, is not seen to be
zero.
"""

import hashlib
from collections.abc import Iterable
from math import lcm
from typing import Any

import sympy
from sympy import Basic, Expr, Rational

PRIME = 2**127 - 2721
"""The largest p below 2^127 with p and (p - 1)/2 prime."""

SQUARES = (PRIME - 1) // 2
"""How many numbers are squares; they are a group of this prime order."""

PLACES = 20
"""So many that a sign which only squares have, as in sqrt((1 - u)^2) = 1 - u, does not pass."""

ATTEMPTS = 1000
"""Points that are tried: one where k sums under roots are squares comes once in 2^k."""

LARGEST_FACTOR = 1000
"""Of a number under a logarithm: those of decimals are 2 and 5."""

_ODD = (
    *(sympy.atan, sympy.asin, sympy.atanh, sympy.asinh, sympy.erf),
    *(sympy.tan, sympy.sin, sympy.tanh, sympy.sinh),
)
_CIRCLE = (sympy.sin, sympy.cos, sympy.tan, sympy.cot, sympy.sec, sympy.csc)
_HYPERBOLIC = (sympy.sinh, sympy.cosh, sympy.tanh, sympy.coth, sympy.sech, sympy.csch)


class _UndefinedError(Exception):
    """A pole at this point, or a root of what is no square there."""


class _UnknownError(Exception):
    """Something that has no value modulo a prime."""


def is_zero(expression: Expr) -> bool:
    """Whether an expression is zero as a function of its symbols and of its calls."""
    turns = _turns(expression)
    found = 0
    for attempt in range(ATTEMPTS):
        try:
            if _Place(attempt, turns).value(expression) != 0:
                return False
        except _UndefinedError:
            continue
        except _UnknownError:
            return False
        found += 1
        if found == PLACES:
            return True
    return False


def _turns(expression: Expr) -> int:
    """The common denominator of the multiples of angles in the expression."""
    angles = (call.args[0] for call in expression.atoms(*_CIRCLE))
    terms = (term.as_coeff_Mul()[0] for angle in angles for term in _terms(angle))
    return lcm(*(number.q for number in terms if number.is_Rational))


def _terms(expression: Expr) -> Iterable[Expr]:
    return sympy.Add.make_args(sympy.expand(expression, deep=False))


def _hash(*parts: Any) -> int:
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest, "big") % PRIME


class _Place:
    """One point: the values of the parts of an expression there."""

    def __init__(self, attempt: int, turns: int) -> None:
        self.attempt = attempt
        self.turns = turns
        self.known: dict[Basic, int] = {}

    def value(self, e: Expr) -> int:
        if e not in self.known:
            self.known[e] = self._value(e) % PRIME
        return self.known[e]

    def _value(self, e: Expr) -> int:
        if e.is_Rational:
            return int(e.p) * self._inverse(int(e.q))
        if e.is_Symbol or e.is_NumberSymbol:
            return self._exp(sympy.S.One) if e is sympy.E else self._of_symbol(e)
        if e.is_Add:
            return sum(map(self.value, e.args))
        if e.is_Mul:
            product = 1
            for one in e.args:
                product = product * self.value(one) % PRIME
            return product
        if e.is_Pow:
            return self._power(*e.args)
        if not e.is_Function or e.is_Piecewise:
            raise _UnknownError
        return self._call(e)

    def _of_symbol(self, e: Expr) -> int:
        number = _hash(self.attempt, type(e).__name__, sympy.srepr(e))
        return number * number if e.is_positive else number

    def _inverse(self, number: int) -> int:
        if number % PRIME == 0:
            raise _UndefinedError
        return pow(number, -1, PRIME)

    def _root(self, number: int, power: Rational) -> int:
        """A power of a square, a square."""
        if number == 0:
            return 0
        if pow(number, SQUARES, PRIME) != 1:
            raise _UndefinedError
        return pow(number, int(power.p) * pow(int(power.q), -1, SQUARES) % SQUARES, PRIME)

    def _power(self, base: Expr, exponent: Expr) -> int:
        if exponent.is_Integer:
            number = self.value(base)
            number = self._inverse(number) if exponent < 0 else number
            return pow(number, abs(int(exponent)), PRIME)
        if exponent.is_Rational:
            number = self.value(base)
            if number == 0 and exponent < 0:
                raise _UndefinedError
            return self._root(number, exponent)
        return self._exp(exponent * sympy.log(base))

    def _call(self, e: Expr) -> int:
        if isinstance(e, sympy.exp):
            return self._exp(e.args[0])
        if isinstance(e, sympy.log):
            return self._log(e.args[0])
        if isinstance(e, _HYPERBOLIC):
            return self.value(e.rewrite(sympy.exp))
        if isinstance(e, _CIRCLE):
            return self._on_circle(e)
        arguments = [self._argument(one) for one in e.args]
        name = (self.attempt, type(e).__name__)
        if isinstance(e, _ODD) and arguments[0] > PRIME // 2:
            return -_hash(*name, PRIME - arguments[0])
        return _hash(*name, *arguments)

    def _argument(self, e: Basic) -> Any:
        """The value of an argument: of a tuple those of its elements."""
        if isinstance(e, sympy.Tuple):
            return tuple(map(self._argument, e))
        if not isinstance(e, Expr):
            raise _UnknownError
        return self.value(e)

    def _exp(self, exponent: Expr) -> int:
        product = 1
        for term in _terms(exponent):
            number, rest = term.as_coeff_Mul()
            if not number.is_Rational:
                raise _UnknownError
            if isinstance(rest, sympy.log):
                product *= self._power(rest.args[0], number)
            else:
                unit = _hash(self.attempt, "exp", self.value(rest))
                product *= self._root(unit * unit % PRIME, number)
            product %= PRIME
        return product

    def _log(self, argument: Expr) -> int:
        if argument.is_Mul:
            return sum(map(self._log, argument.args))
        if isinstance(argument, sympy.exp):
            return self.value(argument.args[0])
        if argument is sympy.E:
            return 1
        if argument.is_Rational and argument > 0:
            return self._of_number(int(argument.p)) - self._of_number(int(argument.q))
        base, power = argument.as_base_exp()
        if power != 1 and power.is_Rational:
            return self.value(power) * self._log(base)
        number = self.value(argument)
        if number == 0:
            raise _UndefinedError
        return 0 if number == 1 else _hash(self.attempt, "log", number)

    def _of_number(self, number: int) -> int:
        """log n, from its small prime factors."""
        factors = sympy.factorint(number, limit=LARGEST_FACTOR)
        return sum(times * _hash(self.attempt, "log", one) for one, times in factors.items())

    def _on_circle(self, call: Expr) -> int:
        """A function of an angle, from e^(i angle) = cos + i sin."""
        cosine, sine = 1, 0
        for term in _terms(call.args[0]):
            c, s = self._unit(*term.as_coeff_Mul())
            cosine, sine = (cosine * c - sine * s) % PRIME, (cosine * s + sine * c) % PRIME
        match call.func:
            case sympy.sin:
                return sine
            case sympy.cos:
                return cosine
            case sympy.tan:
                return sine * self._inverse(cosine)
            case sympy.cot:
                return cosine * self._inverse(sine)
            case sympy.sec:
                return self._inverse(cosine)
            case _:
                return self._inverse(sine)

    def _unit(self, number: Expr, rest: Expr) -> tuple[int, int]:
        """(cos, sin) of a multiple of an angle."""
        if not number.is_Rational:
            raise _UnknownError
        if rest is sympy.pi and (2 * number).is_Integer:
            return ((1, 0), (0, 1), (-1, 0), (0, -1))[int(2 * number) % 4]
        tangent = _hash(self.attempt, "tan", self.value(rest))
        scale = self._inverse(1 + tangent * tangent)
        unit = (1 - tangent * tangent) * scale % PRIME, 2 * tangent * scale % PRIME
        count = int(number * self.turns)
        if count < 0:
            unit = unit[0], -unit[1] % PRIME
        return _times(unit, abs(count))


def _times(unit: tuple[int, int], count: int) -> tuple[int, int]:
    """(cos n x, sin n x) by repeated doubling."""
    cosine, sine = 1, 0
    c, s = unit
    while count:
        if count % 2:
            cosine, sine = (cosine * c - sine * s) % PRIME, (cosine * s + sine * c) % PRIME
        c, s = (c * c - s * s) % PRIME, 2 * c * s % PRIME
        count //= 2
    return cosine, sine
