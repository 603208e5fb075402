"""Polynomials in the increments of a Brownian motion, with power series in h for coefficients.

The increments zeta_1, .., zeta_m over pieces of the clock v are independent normals of variances
dv_k = O(h), so that

    E zeta_k^(2j) = (2j - 1)!! dv_k^j,

and a monomial of degree d counts as h^(d/2): what is O(h^K) altogether is dropped. Nothing is
drawn: the moments of a chain of steps with noise are power series with exact coefficients.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from solvergen.program.series import Field, Series

Powers = tuple[int, ...]


@dataclass(frozen=True)
class Chance:
    """A polynomial in the increments.

    Attributes:
        terms: the coefficient of every monomial, which is said by the powers of the increments.
        draws: m.
        length: K.
        field: of the coefficients.
    """

    terms: Mapping[Powers, Series]
    draws: int
    length: int
    field: Field

    @classmethod
    def sure(cls, value: Series, draws: int) -> "Chance":
        """What depends on no increment."""
        return cls({(0,) * draws: value}, draws, len(value.coefficients), value.field)

    @classmethod
    def increment(cls, k: int, draws: int, length: int, field: Field) -> "Chance":
        """zeta_k."""
        powers = tuple(int(i == k) for i in range(draws))
        return cls({powers: Series.of([1], length, field)}, draws, length, field)

    def _of(self, terms: Mapping[Powers, Series]) -> "Chance":
        kept = {}
        for powers, series in terms.items():
            most = self.length - (sum(powers) + 1) // 2
            cut = series.coefficients[: max(most, 0)]
            if any(cut):
                zeros = (self.field.of(0),) * (self.length - len(cut))
                kept[powers] = Series((*cut, *zeros), self.field)
        return replace(self, terms=kept)

    def __add__(self, other: Any) -> "Chance":
        terms = dict(self.terms)
        for powers, series in self._lift(other).terms.items():
            terms[powers] = terms[powers] + series if powers in terms else series
        return self._of(terms)

    __radd__ = __add__

    def __neg__(self) -> "Chance":
        return replace(self, terms={powers: -one for powers, one in self.terms.items()})

    def __sub__(self, other: Any) -> "Chance":
        return self + (-self._lift(other))

    def __mul__(self, other: Any) -> "Chance":
        if not isinstance(other, Chance):
            return self._of({k: one * other for k, one in self.terms.items()})
        terms: dict[Powers, Series] = {}
        for ours, a in self.terms.items():
            for theirs, b in other.terms.items():
                powers = tuple(i + j for i, j in zip(ours, theirs, strict=True))
                if (sum(powers) + 1) // 2 < self.length:
                    product = a * b
                    terms[powers] = terms[powers] + product if powers in terms else product
        return self._of(terms)

    __rmul__ = __mul__

    def _lift(self, other: Any) -> "Chance":
        if isinstance(other, Chance):
            return other
        series = other if isinstance(other, Series) else Series.of([other], self.length, self.field)
        return Chance.sure(series, self.draws)

    def mean(self, variances: tuple[Series, ...]) -> Series:
        """E of it, for the variances dv_k of the increments."""
        total = Series.of([], self.length, self.field)
        for powers, series in self.terms.items():
            if not any(power % 2 for power in powers):
                total = total + series * self._moment(powers, variances)
        return total

    def _moment(self, powers: Powers, variances: tuple[Series, ...]) -> Series:
        found = Series.of([1], self.length, self.field)
        for power, variance in zip(powers, variances, strict=True):
            for j in range(power // 2):
                found = found * variance * (2 * j + 1)
        return found
