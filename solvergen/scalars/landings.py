"""How the weights ell_j of a landing are computed, by its rule (``solvergen.methods.rule``).

A weight is a number, a sum of moments mu_k with rational factors, or one of all those that
interpolation through the nodes of the support gives,

    sum_j ell_j (r_j - 1/2)^k = mean of (theta - 1/2)^k,      k = 0 .. n - 1,

about the middle, where nothing cancels; with other moments than the clock's, about 0.
"""

from dataclasses import dataclass

from sympy import Expr, Integer, Rational, Symbol

from solvergen.methods.rule import Moments, Monomial, Row, is_constant
from solvergen.program.fusion import rival_weight_symbol, weight_symbol, zeroth_moment_symbol
from solvergen.program.program import Combine, PhaseProgram
from solvergen.scalars.intervals import Intervals

Named = tuple[tuple[Symbol, Expr], ...]
"""Symbols and what they stand for."""


@dataclass(frozen=True)
class LandingWeights:
    """The weights of one landing.

    Attributes:
        combine: the landing.
        numbers: the weights that are numbers.
        powers: (stage, k): the moments mu_1 .. mu_k that are read, of the landing's interval (None)
            or of that to an inner stage.
        density: the symbol of the clock's density at the end, where moments are made of it.
        rows: the weights that are sums of moments.
        nodes: the weights that are found by interpolation, with the places of their nodes in the
            support, from the latest node to the earliest.
        moments: those that are interpolated with, about 0; None for the clock's own.
        reads_gaps: whether the places of nodes are computed from differences of gamma.
    """

    combine: Combine
    numbers: Named = ()
    powers: tuple[tuple[int | None, int], ...] = ()
    density: Symbol | None = None
    rows: Named = ()
    nodes: tuple[tuple[Symbol, int], ...] = ()
    moments: tuple[Expr, ...] | None = None
    reads_gaps: bool = False

    @classmethod
    def of(cls, combine: Combine, phase: PhaseProgram, rival: bool = False) -> "LandingWeights":
        """Those of a landing of a phase; ``rival`` says that it is the second of an estimate."""
        names = [
            rival_weight_symbol(j) if rival else weight_symbol(combine.stage, j)
            for j in range(len(combine.support))
        ]
        if len(names) == 1:
            return cls(combine, numbers=((names[0], Integer(1)),))
        if combine.rule.rows:
            return cls._of_rows(combine, names)
        return cls._of_interpolation(combine, names, Intervals(phase))

    @classmethod
    def _of_rows(cls, combine: Combine, names: list[Symbol]) -> "LandingWeights":
        rows = list(zip(names, combine.rule.rows, strict=True))
        forms = {name: _sum_of_moments(row, combine.stage) for name, row in rows}
        return cls(
            combine,
            numbers=tuple((name, forms[name]) for name, row in rows if is_constant(row)),
            powers=tuple(one for one in combine.rule.powers.items() if one[1]),
            rows=tuple((name, forms[name]) for name, row in rows if not is_constant(row)),
        )

    @classmethod
    def _of_interpolation(
        cls, combine: Combine, names: list[Symbol], intervals: Intervals
    ) -> "LandingWeights":
        rule, count = combine.rule, len(names)
        density = Symbol(f"w_{combine.stage}")
        used = [
            rule.used_moment(k, lambda k, along: _moment(k, along, combine.stage), lambda: density)
            for k in range(count)
        ]
        is_exact = rule.moments is Moments.EXACT and not rule.is_plain
        return cls(
            combine,
            powers=((None, count - 1),) if is_exact else (),
            density=density if rule.moments is Moments.FROZEN else None,
            nodes=tuple((names[j], j) for j in intervals.falling(combine)),
            moments=None if rule.is_plain else tuple(map(_rational, used)),
            reads_gaps=intervals.reads_gaps(combine),
        )

    @property
    def count(self) -> int:
        """How many means of powers of theta the weights read, the zeroth included."""
        own = len(self.nodes) if self.nodes and self.moments is None else 0
        return max([own, *(1 + power for _, power in self.powers)])

    def __str__(self) -> str:
        lines = [f"{name} = {form}" for name, form in (*self.numbers, *self.rows)]
        if self.nodes:
            support = self.combine.support
            nodes = ", ".join(f"{name} at {support[j]}" for name, j in self.nodes)
            lines.append(f"{nodes}: interpolation with {self.moments or 'the means over q'}")
        return "\n".join(lines)


def of_phase(phase: PhaseProgram) -> tuple[LandingWeights, ...]:
    """Those of each landing of a phase, the second one of an estimate last."""
    found = [LandingWeights.of(combine, phase) for combine in phase.landings]
    if phase.rival is not None:
        found.append(LandingWeights.of(phase.rival, phase, rival=True))
    return tuple(found)


@dataclass(frozen=True)
class Needs:
    """What the weights of some landings read of a run.

    Attributes:
        moments: how many of the means of (theta - 1/2)^k.
        gaps: whether gamma over the intervals.
        end_density: whether the density of the clock at the end of an interval.
        interpolation: whether any are found by interpolation.
        powers: whether any read means of powers of theta itself.
    """

    moments: int
    gaps: bool
    end_density: bool
    interpolation: bool
    powers: bool

    @classmethod
    def of(cls, found: tuple[LandingWeights, ...]) -> "Needs":
        """What these weights read."""
        end_density = any(one.density is not None for one in found)
        return cls(
            max((one.count for one in found), default=0),
            end_density or any(one.reads_gaps for one in found),
            end_density,
            any(one.nodes for one in found),
            any(one.powers for one in found),
        )


def moment_symbol(stage: int, k: int, along: int | None = None) -> Symbol:
    """mu_k of a landing, or of the interval to the stage ``along``."""
    return Symbol(f"mu_{stage}_{k}" if along is None else f"mu_{stage}_{k}_along_{along}")


def _moment(k: int, along: int | None, stage: int) -> Expr:
    """mu_k, or (M0_l/M0) mu_k^(l) for the stage l = ``along``."""
    value = moment_symbol(stage, k, along) if k else Integer(1)
    return (
        value
        if along is None
        else value * zeroth_moment_symbol(along) / zeroth_moment_symbol(stage)
    )


def _sum_of_moments(row: Row, stage: int) -> Expr:
    def term(one: Monomial) -> Expr:
        return _rational(one.coefficient) * _moment(one.power, one.along, stage)

    return sum(map(term, row), Integer(0))


def _rational(number: object) -> Expr:
    """A Fraction or a sympy expression with Fractions, as sympy."""
    if isinstance(number, Expr):
        return number
    return Rational(number.numerator, number.denominator)  # type: ignore[attr-defined]
