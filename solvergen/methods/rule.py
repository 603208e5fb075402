"""How the weights ell_j of a stage follow from its nodes and its moments (THEORY section 5).

A stage integrates over [base, end]. With theta = 0 at the base and 1 at the end, positions r_j of
the nodes and normalised moments mu_k of the clock q, there are two ways to its weights:

    interpolation    sum_j r_j^k ell_j = mu_k,  k = 0 .. n-1     (Vandermonde system)
    rows             ell_j = sum_k C_jk mu_k + sum_(l,k) D_jlk (M0_l/M0) mu_k^(l)

with exact rational C and D. Constant rows (k = 0 only) are a Butcher tableau; the others are an
exponential Runge-Kutta tableau, because M0_l mu_k^(l) = c_l k! h phi_(k+1)(c_l z) for gamma =
lambda; D is there for tableaux that use phi functions of the interval of another stage l.

Published solvers also interpolate with other moments than the clock's:

    classical    1/(k+1): the clock is taken to run evenly (the "midpoint" variants of DPM-Solver++,
                 Lu et al. 2022b, arXiv:2211.01095; B(h) = e^h - 1 of UniPC, Zhao et
                 al. 2023, arXiv:2302.04867, at p = 2)
    frozen       w(1)/(k+1), w the density of q at the end over its mean (B(h) = h of UniPC)
    scaled       f_k mu_k: what is left of the moments if a factorial is lost
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any

from solvergen.errors import SchemeError


class Moments(Enum):
    """The moments that an interpolation is integrated with."""

    EXACT = "exact"
    CLASSICAL = "classical"
    FROZEN = "frozen"


@dataclass(frozen=True)
class Monomial:
    """``coefficient`` * mu_``power``, of the stage itself or of the stage ``along`` (M0_l/M0)."""

    coefficient: Fraction
    power: int = 0
    along: int | None = None

    def __str__(self) -> str:
        if self.along is None and not self.power:
            return str(self.coefficient)
        name = f"mu{self.power}" + ("" if self.along is None else f"@{self.along}")
        return name if self.coefficient == 1 else f"{self.coefficient}*{name}"


Row = tuple[Monomial, ...]


def row_text(row: Row) -> str:
    """A row as a scheme's text writes it: 1-3*mu1+4*mu2."""
    return "+".join(map(str, row)).replace("+-", "-")


def is_constant(row: Row) -> bool:
    """Whether a weight is the same in every clock."""
    return all(one.power == 0 and one.along is None for one in row)


Moment = Callable[[int, int | None], Any]
"""(k, l) -> mu_k, or (M0_l/M0) mu_k^(l)."""

Interpolation = Callable[[Sequence[Any], Sequence[Any]], list[Any]]
"""(places r_j, moments mu_k) -> ell_j with sum_j r_j^k ell_j = mu_k."""


@dataclass(frozen=True)
class Rule:
    """How ell is computed.

    Attributes:
        moments: what an interpolation is integrated with.
        scale: factors f_k of its moments, 1 beyond the end.
        rows: the weights as sums of moments, one row for each node; empty for interpolation.
    """

    moments: Moments = Moments.EXACT
    scale: tuple[Fraction, ...] = ()
    rows: tuple[Row, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is interpolation with the clock's own moments."""
        return self == INTERPOLATION

    @property
    def powers(self) -> dict[int | None, int]:
        """The largest power of the moments that the rows read, for each interval."""
        found: dict[int | None, int] = {}
        for one in (one for row in self.rows for one in row):
            found[one.along] = max(found.get(one.along, 0), one.power)
        return found

    @property
    def highest_power(self) -> int:
        """The largest power of all."""
        return max(self.powers.values(), default=0)

    def weights(
        self,
        places: Sequence[Any],
        moment: Moment,
        end_density: Callable[[], Any],
        interpolation: Interpolation | None = None,
    ) -> list[Any]:
        """ell_j in whatever numbers the moments are.

        Args:
            places: the positions r_j.
            moment: (k, l) -> mu_k, or (M0_l/M0) mu_k^(l) for a stage l.
            end_density: the density of q at the end over its mean.
            interpolation: ``interpolated``, or the same for such numbers.
        """
        if self.rows:
            return [
                sum(one.coefficient * moment(one.power, one.along) for one in row)
                for row in self.rows
            ]
        used = [self.used_moment(k, moment, end_density) for k in range(len(places))]
        return (interpolation or interpolated)(places, used)

    def used_moment(self, k: int, moment: Moment, end_density: Callable[[], Any]) -> Any:
        """The moment that stands in for mu_k in an interpolation."""
        factor = self.scale[k] if k < len(self.scale) else Fraction(1)
        if self.moments is Moments.EXACT or k == 0:
            return moment(k, None) if factor == 1 else factor * moment(k, None)
        classical = factor / (k + 1)
        if self.moments is Moments.CLASSICAL:
            return classical * moment(0, None)
        return classical * end_density()

    def check(self, where: str, nodes: int) -> None:
        """Refuse weights that no clock makes consistent.

        Raises:
            SchemeError: a scale that changes mu_0, one row too few or too many, or rows that do
                not sum to 1 in every moment.
        """
        if self.scale and self.scale[0] != 1:
            raise SchemeError(
                f"{where}: scale {self.scale[0]} of mu_0; expected 1, because the weights must sum "
                f"to 1 (residual {self.scale[0] - 1})."
            )
        if not self.rows:
            return
        if len(self.rows) != nodes:
            raise SchemeError(
                f"{where}: {len(self.rows)} weights for {nodes} nodes; expected one each."
            )
        totals: dict[tuple[int, int | None], Fraction] = {(0, None): Fraction(-1)}
        for one in (one for row in self.rows for one in row):
            key = (one.power, one.along)
            totals[key] = totals.get(key, Fraction(0)) + one.coefficient
        for (power, along), residual in totals.items():
            if residual:
                name = Monomial(Fraction(1), power, along)
                raise SchemeError(
                    f"{where}: inconsistent weights, sum_j ell_j = 1 fails in the factor of "
                    f"{name}: residual {residual}. A row of a tableau must sum to its node, "
                    "and the other moments must cancel."
                )

    def __str__(self) -> str:
        text = "" if self.moments is Moments.EXACT else f"~{self.moments.value}"
        return text + (f"~scaled({','.join(map(str, self.scale))})" if self.scale else "")


INTERPOLATION = Rule()
CLASSICAL = Rule(Moments.CLASSICAL)
FROZEN = Rule(Moments.FROZEN)


def constants(weights: Sequence[Fraction]) -> Rule:
    """A row of a Butcher tableau over its node, a_ij / c_i."""
    return Rule(rows=tuple((Monomial(one),) for one in weights))


def interpolated(places: Sequence[Any], moments: Sequence[Any]) -> list[Any]:
    """ell_j with sum_j r_j^k ell_j = mu_k (Bjoerck and Pereyra 1970, Math. Comp. 24, 893).

    Newton's polynomials first, whose means take the place of those of the powers; then what each
    place has of their divided differences.
    """
    found, count = list(moments), len(places)
    for k in range(count - 1):
        for i in range(count - 1, k, -1):
            found[i] = found[i] - found[i - 1] * places[k]
    for k in range(count - 2, -1, -1):
        for i in range(k + 1, count):
            found[i] = found[i] * (1 / (places[i] - places[i - k - 1]))
        for i in range(k, count - 1):
            found[i] = found[i] - found[i + 1]
    return found
