"""Truncated power series in h with exact rational coefficients."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Union

Scalar = Union[int, Fraction, "Series"]


@dataclass(frozen=True)
class Series:
    """c_0 + c_1 h + .. + c_K h^K + O(h^(K+1)); K is the length of the tuple minus one."""

    coefficients: tuple[Fraction, ...]

    @classmethod
    def of(cls, coefficients: Iterable[int | Fraction], length: int) -> "Series":
        """The series with these leading coefficients, padded with zeros or cut to ``length``."""
        exact = [Fraction(c) for c in coefficients][:length]
        return cls(tuple(exact + [Fraction(0)] * (length - len(exact))))

    def _lift(self, other: Scalar) -> "Series":
        if isinstance(other, Series):
            return other
        return Series.of([other], len(self.coefficients))

    def __add__(self, other: Scalar) -> "Series":
        theirs = self._lift(other).coefficients
        return Series(tuple(a + b for a, b in zip(self.coefficients, theirs, strict=True)))

    __radd__ = __add__

    def __neg__(self) -> "Series":
        return Series(tuple(-c for c in self.coefficients))

    def __sub__(self, other: Scalar) -> "Series":
        return self + (-self._lift(other))

    def __mul__(self, other: Scalar) -> "Series":
        if isinstance(other, int | Fraction):
            return Series(tuple(c * other for c in self.coefficients))
        if not isinstance(other, Series):
            return NotImplemented  # an array of series multiplies element by element
        length = len(self.coefficients)
        total = [Fraction(0)] * length
        for i, a in enumerate(self.coefficients):
            if a:
                for j, b in enumerate(other.coefficients[: length - i]):
                    total[i + j] += a * b
        return Series(tuple(total))

    __rmul__ = __mul__

    def __truediv__(self, other: "Series") -> "Series":
        """Division by a series whose leading coefficient does not vanish."""
        rest, quotient = list(self.coefficients), []
        for i in range(len(rest)):
            q = rest[i] / other.coefficients[0]
            quotient.append(q)
            for j, b in enumerate(other.coefficients[: len(rest) - i]):
                rest[i + j] -= q * b
        return Series(tuple(quotient))

    @property
    def valuation(self) -> int:
        """The lowest power of h with a non-zero coefficient; the length if there is none."""
        for power, c in enumerate(self.coefficients):
            if c:
                return power
        return len(self.coefficients)
