"""Truncated power series in h, with exact coefficients from a field.

The rationals are exact and slow: their numerators grow with every product. Modulo the prime
2^61 - 1 every number stays one machine word. A coefficient that is not 0 there is not 0 as a
rational; one that is 0 at a point drawn at random from the field is 0 for every problem, but with
probability (degree of the coefficient as a polynomial in what was drawn)/2^61 (Schwartz 1980,
J. ACM 27, Zippel 1979).

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
from functools import cached_property
from typing import Any, Union

PRIME = 2**61 - 1
SPACE = 16
"""Bytes for a sum of 64 products of two residues."""

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
DECIMAL = Field(digits=60)


@dataclass(frozen=True)
class Series:
    """c_0 + c_1 h + .. + c_K h^K + O(h^(K+1)); K is the length of the tuple minus one."""

    coefficients: tuple[Any, ...]
    field: Field = RATIONALS

    @classmethod
    def of(
        cls, coefficients: Iterable[int | Fraction | Decimal], length: int, field: Field = RATIONALS
    ) -> "Series":
        """The series with these leading coefficients, padded with zeros or cut to ``length``."""
        exact = [field.of(c) for c in coefficients][:length]
        return cls(tuple(exact + [field.of(0)] * (length - len(exact))), field)

    def _lift(self, other: Scalar) -> "Series":
        if isinstance(other, Series):
            return other
        return Series.of([other], len(self.coefficients), self.field)

    def _like(self, coefficients: Iterable[Any]) -> "Series":
        modulus = self.field.modulus
        return Series(
            tuple([c % modulus for c in coefficients] if modulus else coefficients), self.field
        )

    def __add__(self, other: Scalar) -> "Series":
        theirs = self._lift(other).coefficients
        return self._like(a + b for a, b in zip(self.coefficients, theirs, strict=True))

    __radd__ = __add__

    def __neg__(self) -> "Series":
        return self._like(-c for c in self.coefficients)

    def __sub__(self, other: Scalar) -> "Series":
        theirs = self._lift(other).coefficients
        return self._like(a - b for a, b in zip(self.coefficients, theirs, strict=True))

    def __mul__(self, other: Scalar) -> "Series":
        if isinstance(other, int | Fraction | Decimal):
            factor = self.field.of(other)
            return self._like(c * factor for c in self.coefficients)
        if not isinstance(other, Series):
            return NotImplemented  # an array of series multiplies element by element
        if self.field == RATIONALS:
            (ours, over), (theirs, under) = self._integers, other._integers
            products = _product(ours, theirs, 0)
            return Series(tuple(Fraction(c, over * under) for c in products), self.field)
        if self.field.modulus:
            return self._like(_unpacked(self._packed * other._packed, len(self.coefficients)))
        return self._like(_product(self.coefficients, other.coefficients, Decimal(0)))

    __rmul__ = __mul__

    @cached_property
    def _integers(self) -> tuple[list[int], int]:
        """Rational coefficients over a common denominator: their products need no reduction."""
        over = math.lcm(*(c.denominator for c in self.coefficients))
        return [c.numerator * (over // c.denominator) for c in self.coefficients], over

    @cached_property
    def _packed(self) -> int:
        """Residues side by side in one integer: the product of two has those of the series."""
        return int.from_bytes(
            b"".join([c.to_bytes(SPACE, "little") for c in self.coefficients]), "little"
        )

    def __truediv__(self, other: "Series") -> "Series":
        """Division by a series whose leading coefficient does not vanish."""
        scale = self.field.inverse(other.coefficients[0])
        rest, quotient = list(self.coefficients), []
        for i in range(len(rest)):
            q = self.field.reduced(rest[i] * scale)
            quotient.append(q)
            for j, b in enumerate(other.coefficients[: len(rest) - i], start=i):
                rest[j] -= q * b
        return self._like(quotient)

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
        return len(self.coefficients)


def _product(ours: Sequence[Any], theirs: Sequence[Any], zero: Any) -> list[Any]:
    """sum_i ours_i theirs_(k-i), up to the length of both."""
    total = [zero] * len(ours)
    for i, a in enumerate(ours):
        if a:
            for j, b in enumerate(theirs[: len(ours) - i], start=i):
                total[j] += a * b
    return total


def _unpacked(product: int, length: int) -> list[int]:
    """The first coefficients of a product of ``Series._packed``."""
    found = product.to_bytes(2 * SPACE * length, "little")
    ends = range(0, SPACE * length, SPACE)
    return [int.from_bytes(found[k : k + SPACE], "little") for k in ends]
