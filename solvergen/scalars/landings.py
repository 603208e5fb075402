"""How the weights ell_j of a landing are computed, by its rule (``solvergen.methods.rule``).

A weight is a number, a sum of moments mu_k with rational factors, or one of all those that
interpolation through the nodes of the support gives,

    sum_j ell_j r_j^k = mu_k,      k = 0 .. n - 1,

with mu_k the mean of theta^k. Nodes of earlier steps lie at r < 0: their weights are sums of terms
of one sign, in which nothing cancels.
"""

from dataclasses import dataclass

from sympy import Expr, Integer, Rational, Symbol

from solvergen.methods.rule import Moments, Monomial, Row, is_constant
from solvergen.program.drafts import shifted
from solvergen.program.instructions import Combine
from solvergen.program.table import (
    TablePhase,
    rival_weight,
    weight,
    weight_before,
    zeroth_moment,
)
from solvergen.scalars.intervals import Intervals

Named = tuple[tuple[Symbol, Expr], ...]
"""Symbols and what they stand for."""


@dataclass(frozen=True)
class LandingWeights:
    """The weights of one landing.

    Attributes:
        combine: the landing.
        numbers: the weights that are numbers.
        powers: (stage, k): the moments mu_1 .. mu_k that are read, of the interval of a landing.
        density: the symbol of the clock's density at the end, where moments are made of it.
        rows: the weights that are sums of moments.
        nodes: the weights that are found by interpolation, with the places of their nodes in the
            support, from the latest node to the earliest.
        moments: those that are interpolated with, about 0; None for the clock's own.
        reads_gaps: whether the places of nodes are computed from differences of gamma.
    """

    combine: Combine
    numbers: Named = ()
    powers: tuple[tuple[int, int], ...] = ()
    density: Symbol | None = None
    rows: Named = ()
    nodes: tuple[tuple[Symbol, int], ...] = ()
    moments: tuple[Expr, ...] | None = None
    reads_gaps: bool = False

    @classmethod
    def of(cls, combine: Combine, names: list[Symbol], intervals: Intervals) -> "LandingWeights":
        """Those of a landing, under these names."""
        if len(names) == 1 and not combine.rule.rows:
            return cls(combine, numbers=((names[0], Integer(1)),))
        if combine.rule.rows:
            return cls._of_rows(combine, names, intervals)
        return cls._of_interpolation(combine, names, intervals)

    @classmethod
    def _of_rows(
        cls, combine: Combine, names: list[Symbol], intervals: Intervals
    ) -> "LandingWeights":
        rows = list(zip(names, combine.rule.rows, strict=True))
        own = intervals.first(combine)
        firsts = {one.stage: intervals.first(one) for one in intervals.phase.landings}
        forms = {name: _sum_of_moments(row, own, firsts) for name, row in rows}
        return cls(
            combine,
            numbers=tuple((name, forms[name]) for name, row in rows if is_constant(row)),
            powers=tuple(
                (own if along is None else firsts[along], power)
                for along, power in combine.rule.powers.items()
                if power
            ),
            rows=tuple((name, forms[name]) for name, row in rows if not is_constant(row)),
        )

    @classmethod
    def _of_interpolation(
        cls, combine: Combine, names: list[Symbol], intervals: Intervals
    ) -> "LandingWeights":
        rule, count, own = combine.rule, len(names), intervals.first(combine)
        density = Symbol(f"w_{combine.stage}")
        used = [
            rule.used_moment(k, lambda k, _: _moment(k, own), lambda: density) for k in range(count)
        ]
        is_exact = rule.moments is Moments.EXACT and not rule.is_plain
        return cls(
            combine,
            powers=((own, count - 1),) if is_exact or rule.is_plain else (),
            density=density if rule.moments is Moments.FROZEN else None,
            nodes=tuple((names[j], j) for j in intervals.falling(combine)),
            moments=None if rule.is_plain else tuple(map(_rational, used)),
            reads_gaps=intervals.reads_gaps(combine),
        )

    @property
    def count(self) -> int:
        """How many means of powers of theta are read, that of 1 included."""
        return max((1 + power for _, power in self.powers), default=0)

    def __str__(self) -> str:
        lines = [f"{name} = {form}" for name, form in (*self.numbers, *self.rows)]
        if self.nodes:
            support = self.combine.support
            nodes = ", ".join(f"{name} at {support[j]}" for name, j in self.nodes)
            lines.append(f"{nodes}: interpolation with {self.moments or 'the means over q'}")
        return "\n".join(lines)


def of_phase(phase: TablePhase) -> tuple[LandingWeights, ...]:
    """Those of each landing of a phase, of the one that a correction replaces, and of a rival."""
    program, intervals = phase.program, Intervals(phase.program)
    named = [
        (one, [weight(one.stage, j) for j in range(len(one.support))]) for one in program.landings
    ]
    if phase.before is not None:
        before = shifted(phase.before)
        named.append((before, [weight_before(j) for j in range(len(before.support))]))
    if program.rival is not None:
        rival = program.rival
        named.append((rival, [rival_weight(j) for j in range(len(rival.support))]))
    return tuple(LandingWeights.of(*one, intervals) for one in named)


@dataclass(frozen=True)
class Needs:
    """What the weights of some landings read of a run.

    Attributes:
        moments: how many of the means of theta^k, that of 1 included.
        gaps: whether gamma over the intervals.
        end_density: whether the density of the clock at the end of an interval.
        interpolation: the largest number of nodes that are interpolated through.
        limited: the largest number of nodes whose weights are bounded.
        is_general: whether the base of a landing is none of them.
    """

    moments: int
    gaps: bool
    end_density: bool
    interpolation: int
    limited: int
    is_general: bool

    @classmethod
    def of(cls, found: tuple[LandingWeights, ...]) -> "Needs":
        """What these weights read."""
        end_density = any(one.density is not None for one in found)
        return cls(
            max((one.count for one in found), default=0),
            end_density or any(one.reads_gaps for one in found),
            end_density,
            max((len(one.nodes) for one in found), default=0),
            max((len(one.nodes) for one in found if one.combine.bound), default=0),
            any(one.nodes and one.combine.base not in one.combine.support for one in found),
        )


def moment_symbol(stage: int, k: int) -> Symbol:
    """mu_k of the interval of the landing at a stage."""
    return Symbol(f"mu_{stage}_{k}")


def uniform(form: Expr) -> Expr:
    """A formula with the moments of a constant density, mu_k = 1/(k + 1)."""
    moments = [one for one in form.free_symbols if one.name.startswith("mu_")]
    return form.xreplace({one: Rational(1, 1 + int(one.name.split("_")[2])) for one in moments})


def _moment(k: int, stage: int) -> Expr:
    """mu_k of the interval of a landing."""
    return moment_symbol(stage, k) if k else Integer(1)


def _sum_of_moments(row: Row, own: int, firsts: dict[int, int]) -> Expr:
    """sum_k C_k mu_k + sum_(l,k) D_lk (M0_l/M0) mu_k^(l)."""

    def term(one: Monomial) -> Expr:
        if one.along is None:
            return _rational(one.coefficient) * _moment(one.power, own)
        other = firsts[one.along]
        ratio = zeroth_moment(other) / zeroth_moment(own)
        return _rational(one.coefficient) * ratio * _moment(one.power, other)

    return sum(map(term, row), Integer(0))


def _rational(number: object) -> Expr:
    """A Fraction or a sympy expression with Fractions, as sympy."""
    if isinstance(number, Expr):
        return number
    return Rational(number.numerator, number.denominator)  # type: ignore[attr-defined]
