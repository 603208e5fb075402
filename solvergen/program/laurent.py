"""Series that begin with any integer power: w^lead (c_0 + c_1 w + .. + O(w^K)), c_0 not 0."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from solvergen.program.series import DECIMAL, Field, Series


@dataclass(frozen=True)
class Laurent:
    """w^lead times ``series``; what is known ends before w^end."""

    lead: int
    series: Series

    @classmethod
    def of(cls, coefficients: Sequence[Any], lead: int = 0, field: Field = DECIMAL) -> "Laurent":
        """The series with these coefficients from w^lead on, its zeros in front taken off."""
        series = Series(tuple(map(field.of, coefficients)), field)
        zeros = series.valuation
        return cls(lead + zeros, Series(series.coefficients[zeros:], field))

    @property
    def end(self) -> int:
        """The first power that is not known."""
        return self.lead + len(self.series.coefficients)

    @property
    def is_zero(self) -> bool:
        """Whether no power is there, as far as is known."""
        return not self.series.coefficients

    def coefficients(self, first: int, end: int) -> tuple[Any, ...]:
        """Those of w^first, .., w^(end - 1), zeros in front included."""
        zero = self.series.field.of(0)
        known = self.series.coefficients
        return tuple(
            known[power - self.lead] if power >= self.lead else zero for power in range(first, end)
        )

    def _like(self, coefficients: Sequence[Any], lead: int) -> "Laurent":
        return Laurent.of(coefficients, lead, self.series.field)

    def __add__(self, other: "Laurent") -> "Laurent":
        first, end = min(self.lead, other.lead), min(self.end, other.end)
        pairs = zip(self.coefficients(first, end), other.coefficients(first, end), strict=True)
        return self._like([a + b for a, b in pairs], first)

    def __neg__(self) -> "Laurent":
        return Laurent(self.lead, -self.series)

    def __sub__(self, other: "Laurent") -> "Laurent":
        return self + (-other)

    def __mul__(self, other: "Laurent") -> "Laurent":
        mine, theirs = self._of_one_length(other)
        return Laurent(self.lead + other.lead, mine * theirs)

    def __truediv__(self, other: "Laurent") -> "Laurent":
        if self.is_zero:
            return Laurent(self.lead - other.lead, self.series)
        mine, theirs = self._of_one_length(other)
        return Laurent(self.lead - other.lead, mine / theirs)

    def _of_one_length(self, other: "Laurent") -> tuple[Series, Series]:
        count = min(len(self.series.coefficients), len(other.series.coefficients))
        field = self.series.field
        return (
            Series(self.series.coefficients[:count], field),
            Series(other.series.coefficients[:count], field),
        )

    @property
    def derivative(self) -> "Laurent":
        """d/dw."""
        raised = [c * (self.lead + i) for i, c in enumerate(self.series.coefficients)]
        return self._like(raised, self.lead - 1)
