"""Prints the weights of a landing by its rule: the host code of ``solvergen.rule``.

Constants go straight into the rows of coefficients. Everything else calls one of the functions of
``templates/common/weights.jinja``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sympy import Expr, Integer, Rational, Symbol

from solvergen.algebra.numpy_code import items_code
from solvergen.methods.rule import Moments, Monomial, Row, is_constant
from solvergen.program.fusion import rival_weight, weight, zeroth_moment
from solvergen.program.program import Combine, PhaseProgram
from solvergen.targets.indices import Places

FUNCTIONS = ("_weights", "_powers")


@dataclass(frozen=True)
class Needs:
    """What the weights of some phases read of a run.

    Attributes:
        functions: what they call.
        moments: how many of the means of (theta - 1/2)^k.
        gaps: whether gamma over the intervals.
        end_density: whether the density of the clock at the end of an interval.
    """

    functions: frozenset[str]
    moments: int
    gaps: bool
    end_density: bool

    @classmethod
    def of(cls, phases: tuple[PhaseProgram, ...]) -> "Needs":
        """What these phases read."""
        found = [one for phase in phases for one in printers(phase, str)]
        lines = [line for one in found for line in one.lines()]
        return cls(
            frozenset(name for name in FUNCTIONS for line in lines if f"{name}(" in line),
            max((one.moments for one in found), default=0),
            any("gap[" in line or "run.density" in line for line in lines),
            any("run.density" in line for line in lines),
        )


def printers(
    phase: PhaseProgram, code: Callable[[Expr], str], uniform: bool = False
) -> list["WeightPrinter"]:
    """One for each landing of a phase, the second one of an estimate included."""
    places, rival = Places(phase), [phase.rival] if phase.rival else []
    found = [WeightPrinter(combine, places, code, uniform) for combine in phase.landings]
    return found + [WeightPrinter(one, places, code, uniform, rival=True) for one in rival]


@dataclass(frozen=True)
class WeightPrinter:
    """The weights of one landing; ``code`` prints an expression.

    ``uniform`` says that gamma is the clock, so that the means are those of every interval.
    """

    combine: Combine
    places: Places
    code: Callable[[Expr], str]
    uniform: bool = False
    rival: bool = False

    def weight(self, j: int) -> Symbol:
        """The symbol of ell_j."""
        return rival_weight(j) if self.rival else weight(self.combine.stage, j)

    def constants(self) -> dict[Symbol, Expr]:
        """The weights that are numbers."""
        if self._is_single:
            return {self.weight(0): Integer(1)}
        return {
            self.weight(j): self._expression(row)
            for j, row in enumerate(self.combine.rule.rows)
            if is_constant(row)
        }

    @property
    def moments(self) -> int:
        """How many means of powers of theta the weights read, the zeroth included."""
        rule = self.combine.rule
        if self._is_single:
            return 0
        if rule.rows:
            return 1 + rule.highest_power if rule.highest_power else 0
        return len(self.combine.support) if rule.moments is Moments.EXACT else 0

    def lines(self) -> list[str]:
        """The statements that compute the others."""
        if self._is_single:
            return []
        if self.combine.rule.rows:
            return self._row_lines()
        return self._interpolation_lines()

    @property
    def _is_single(self) -> bool:
        return len(self.combine.support) == 1

    def _interpolation_lines(self) -> list[str]:
        """The nodes in falling order, in which the sums of ``_weights`` do not cancel."""
        rule, support = self.combine.rule, self.combine.support
        order = sorted(
            range(len(support)), key=lambda j: self.places.theta(support[j]), reverse=True
        )
        names = ", ".join(str(self.weight(j)) for j in order)
        nodes = self.places.falling(self.combine, [support[j] for j in order])
        before: list[str] = []
        if rule.is_plain:
            moments, origin = self._means(self.combine, len(support)), ""
        else:
            before, moments = self._other_moments(len(support))
            origin = ", origin=0.0"
        return [*before, f"{names} = _weights({moments}, {', '.join(nodes)}{origin})"]

    def _other_moments(self, count: int) -> tuple[list[str], str]:
        """The moments about 0 that stand in for the clock's, and what they are computed from."""
        i, rule, before = self.combine.stage, self.combine.rule, []
        if rule.moments is Moments.EXACT:
            before.append(self._moment_line(None, count - 1))
        elif rule.moments is Moments.FROZEN:
            before.append(f"w_{i} = run.density[{self.places.interval(self.combine)}]")
        used = [rule.used_moment(k, self._moment, lambda: Symbol(f"w_{i}")) for k in range(count)]
        return before, f"({', '.join(self.code(_rational(one)) for one in used)})"

    def _row_lines(self) -> list[str]:
        lines = [
            self._moment_line(along, power)
            for along, power in self.combine.rule.powers.items()
            if power
        ]
        for j, row in enumerate(self.combine.rule.rows):
            if not is_constant(row):
                lines.append(f"{self.weight(j)} = {self.code(self._expression(row))}")
        return lines

    def _moment_line(self, along: int | None, power: int) -> str:
        combine = self.combine
        if along is not None:
            combine = replace(self.places.phase.combines[along - 1], base=combine.base)
        names = items_code(str(_mu(self.combine.stage, k, along)) for k in range(1, power + 1))
        return f"{names} = _powers({self._means(combine, power + 1)})"

    def _means(self, combine: Combine, count: int) -> str:
        if self.uniform:
            return f"_MEANS[:{count}]"
        return f"run.mean[:{count}].take({self.places.interval(combine)}, axis=1)"

    def _moment(self, k: int, along: int | None) -> Expr:
        value = _mu(self.combine.stage, k, along) if k else Integer(1)
        if along is None:
            return value
        return value * zeroth_moment(along) / zeroth_moment(self.combine.stage)

    def _expression(self, row: Row) -> Expr:
        def term(one: Monomial) -> Expr:
            return _rational(one.coefficient) * self._moment(one.power, one.along)

        return sum(map(term, row), Integer(0))


def _mu(i: int, k: int, along: int | None) -> Symbol:
    return Symbol(f"mu_{i}_{k}" if along is None else f"mu_{i}_{k}_along_{along}")


def _rational(number: object) -> Expr:
    """A Fraction or a sympy expression with Fractions, as sympy."""
    if isinstance(number, Expr):
        return number
    return Rational(number.numerator, number.denominator)  # type: ignore[attr-defined]
