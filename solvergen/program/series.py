"""Truncated power series in h, with exact coefficients from a field.

The rationals are exact and slow: their numerators grow with every product. Modulo the prime
2^61 - 1 every number stays one machine word. A coefficient that is not 0 there is not 0 as a
rational; one that is 0 at a point drawn at random from the field is 0 for every problem, but with
probability (degree of the coefficient as a polynomial in what was drawn)/2^61 (Schwartz 1980,
J. ACM 27, Zippel 1979).

A series of residues is one integer that they stand in side by side (``program.residues``).

Logarithms and roots of places need real numbers, which are decimals of so many digits: what is
smaller than half of them is 0. They are calculated within ``Field.context()``.
"""

import decimal
import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from operator import mul
from typing import Any, Union

from solvergen.program import residues
from solvergen.program.residues import PRIME

Scalar = Union[int, Fraction, Decimal, "Series"]


@dataclass(frozen=True)
class Field:
    """The rationals, the integers modulo a prime ``modulus``, or decimals of so many ``digits``."""

    modulus: int = 0
    digits: int = 0

    def context(self) -> AbstractContextManager[Any]:
        """Where decimals have their digits."""
        return decimal.localcontext(decimal.Context(prec=self.digits or decimal.getcontext().prec))

    def of(self, number: int | Fraction | Decimal) -> Any:
        """A number as an element."""
        if self.digits:
            if not isinstance(number, Fraction):
                return Decimal(number)
            return Decimal(number.numerator) / number.denominator
        if not self.modulus:
            return Fraction(number)
        if isinstance(number, int):
            return number % self.modulus
        exact = Fraction(number)
        return exact.numerator * self.inverse(exact.denominator) % self.modulus

    def inverse(self, element: Any) -> Any:
        """1/element."""
        if self.digits:
            return 1 / Decimal(element)
        return pow(element, -1, self.modulus) if self.modulus else 1 / Fraction(element)

    def is_zero(self, element: Any) -> bool:
        """Whether an element is 0, or a decimal that is nothing but rounding."""
        if self.digits:
            return bool(abs(element) < Decimal(10) ** (-self.digits // 2))
        return not element

    def reduced(self, element: Any) -> Any:
        """The representative of a sum of products."""
        return element % self.modulus if self.modulus else element


RATIONALS = Field()
MODULAR = Field(PRIME)
DECIMAL = Field(digits=120)
"""So many that of what series at an end lose, 10^5 with every power where they converge to a
distance of 10^-2 alone, an order of 10 leaves half."""

ZERO = Decimal(0)


class Series:
    """c_0 + c_1 h + .. + c_K h^K + O(h^(K+1)); K is the length less one.

    Args:
        coefficients: c_0, .., c_K, elements of the field.
        field: what they are.
    """

    __slots__ = ("_coefficients", "_inverse", "_packed", "field", "length")

    def __init__(self, coefficients: Iterable[Any], field: Field = RATIONALS) -> None:
        known = tuple(coefficients)
        self.field, self.length = field, len(known)
        self._coefficients: tuple[Any, ...] | None = known
        self._packed: int | None = None
        self._inverse: Series | None = None

    @classmethod
    def of(
        cls, coefficients: Iterable[int | Fraction | Decimal], length: int, field: Field = RATIONALS
    ) -> "Series":
        """The series with these leading coefficients, padded with zeros or cut to ``length``."""
        exact = [field.of(c) for c in coefficients][:length]
        return cls(exact + [field.of(0)] * (length - len(exact)), field)

    @property
    def coefficients(self) -> tuple[Any, ...]:
        """c_0, .., c_K."""
        if self._coefficients is None:
            self._coefficients = residues.unpacked(self.packed, self.length)
        return self._coefficients

    @property
    def packed(self) -> int:
        """Residues side by side in one integer."""
        if self._packed is None:
            self._packed = residues.packed(self.coefficients)
        return self._packed

    def _of_packed(self, packed: int) -> "Series":
        found = Series.__new__(Series)
        found.field, found.length, found._packed = self.field, self.length, packed
        found._coefficients = found._inverse = None
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series):
            return NotImplemented
        return self.field == other.field and self.coefficients == other.coefficients

    def __hash__(self) -> int:
        return hash((self.coefficients, self.field))

    def __repr__(self) -> str:
        return f"Series({self.coefficients}, {self.field})"

    def _lift(self, other: Scalar) -> "Series":
        if isinstance(other, Series):
            return other
        return Series.of([other], self.length, self.field)

    def __add__(self, other: Scalar) -> "Series":
        theirs = self._lift(other)
        if self.field.modulus:
            return self._of_packed(residues.sum_of(self.packed, theirs.packed, self.length))
        pairs = zip(self.coefficients, theirs.coefficients, strict=True)
        return Series([a + b for a, b in pairs], self.field)

    __radd__ = __add__

    def __neg__(self) -> "Series":
        if self.field.modulus:
            return self._of_packed(residues.difference_of(0, self.packed, self.length))
        return Series([-c for c in self.coefficients], self.field)

    def __sub__(self, other: Scalar) -> "Series":
        theirs = self._lift(other)
        if self.field.modulus:
            return self._of_packed(residues.difference_of(self.packed, theirs.packed, self.length))
        pairs = zip(self.coefficients, theirs.coefficients, strict=True)
        return Series([a - b for a, b in pairs], self.field)

    def __mul__(self, other: Scalar) -> "Series":
        if isinstance(other, Series):
            return self._times(other)
        if not isinstance(other, int | Fraction | Decimal):
            return NotImplemented  # an array of series multiplies element by element
        factor = self.field.of(other)
        if self.field.modulus:
            return self._of_packed(residues.reduced(self.packed * factor, self.length))
        return Series([c * factor for c in self.coefficients], self.field)

    __rmul__ = __mul__

    def _times(self, other: "Series") -> "Series":
        if self.field.modulus:
            return self._of_packed(residues.product_of(self.packed, other.packed, self.length))
        if self.field.digits:
            return Series(_product(self.coefficients, other.coefficients, ZERO), self.field)
        (ours, over), (theirs, under) = self._integers(), other._integers()
        products = _product(ours, theirs, 0)
        return Series([Fraction(c, over * under) for c in products], self.field)

    def _integers(self) -> tuple[list[int], int]:
        """Rational coefficients over a common denominator: their products need no reduction."""
        over = math.lcm(*(c.denominator for c in self.coefficients))
        return [c.numerator * (over // c.denominator) for c in self.coefficients], over

    def __truediv__(self, other: "Series") -> "Series":
        """Division by a series whose leading coefficient does not vanish."""
        return self._times(other.inverse)

    @property
    def inverse(self) -> "Series":
        """1 over the series: sum_j b_j i_(k-j) = 0 for k > 0."""
        if self._inverse is None:
            first, *rest = self.coefficients
            scale = self.field.inverse(first)
            found, backwards = [scale], rest[::-1]
            for k in range(1, self.length):
                total = sum(map(mul, backwards[self.length - 1 - k :], found), self.field.of(0))
                found.append(self.field.reduced(-total * scale))
            self._inverse = Series(found, self.field)
        return self._inverse

    def __gt__(self, other: Scalar) -> bool:
        """Whether it is larger for small h > 0."""
        if self.field.modulus:
            raise TypeError("residues modulo a prime have no order")
        difference = (self - other).coefficients
        leading = next((c for c in difference if not self.field.is_zero(c)), 0)
        return bool(leading > 0)

    def power(self, exponent: int) -> "Series":
        """The series to a power >= 1, by squaring."""
        if exponent == 1:
            return self
        half = self.power(exponent // 2)
        square = half * half
        return square * self if exponent % 2 else square

    @property
    def valuation(self) -> int:
        """The lowest power of h with a non-zero coefficient; the length if there is none."""
        for power, c in enumerate(self.coefficients):
            if not self.field.is_zero(c):
                return power
        return self.length


def combination(factors: Sequence[Any], series: Sequence[Series]) -> Series:
    """A sum of series with elements of their field for factors."""
    first = series[0]
    if first.field.modulus:
        total = sum(map(mul, factors, [one.packed for one in series]))
        return first._of_packed(residues.reduced(total, first.length))
    columns = zip(*(one.coefficients for one in series), strict=True)
    return Series([sum(map(mul, factors, column)) for column in columns], first.field)


def interpolated(places: Sequence[Fraction], moments: Sequence[Series]) -> list[Series]:
    """ell_j with sum_j r_j^k ell_j = mu_k (``methods.rule``)."""
    rows = _basis(tuple(places), moments[0].field)
    return [combination(row, moments) for row in rows]


@lru_cache(maxsize=1024)
def _basis(places: tuple[Fraction, ...], field: Field) -> tuple[tuple[Any, ...], ...]:
    """The coefficients of Lagrange's polynomials: prod_(i != j) (theta - r_i)/(r_j - r_i)."""
    at, whole = [field.of(one) for one in places], [field.of(1)]
    for r in at:
        lower, upper = [-r * c for c in whole] + [0], [0, *whole]
        whole = [field.reduced(a + b) for a, b in zip(lower, upper, strict=True)]
    return tuple(_without(whole, r, field) for r in at)


def _without(whole: Sequence[Any], r: Any, field: Field) -> tuple[Any, ...]:
    """A polynomial over (theta - r), a zero, and over what that is at r."""
    found, value = [whole[-1]], whole[-1]
    for c in whole[-2:0:-1]:
        found.append(field.reduced(found[-1] * r + c))
        value = field.reduced(value * r + found[-1])
    scale = field.inverse(value)
    return tuple(field.reduced(c * scale) for c in reversed(found))


def _product(ours: Sequence[Any], theirs: Sequence[Any], zero: Any) -> list[Any]:
    """sum_i ours_i theirs_(k-i), up to the length of both."""
    count = len(ours)
    few, many = sorted((ours, theirs), key=lambda one: count - one.count(0))
    present = [(i, c) for i, c in enumerate(few) if c]
    if 2 * len(present) < count:
        total = [zero] * count
        for i, c in present:
            total[i:] = [a + c * b for a, b in zip(total[i:], many, strict=False)]
        return total
    backwards = theirs[::-1]
    return [sum(map(mul, ours, backwards[count - 1 - k :]), zero) for k in range(count)]
