"""Prints the weights of a landing by its rule: the host code of ``solvergen.rule``.

Constants go straight into the rows of coefficients. Everything else calls one of the functions of
``templates/common/weights.jinja``.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sympy import Expr, Integer, Rational, Symbol

from solvergen.fusion import rival_weight, weight, zeroth_moment
from solvergen.program import Combine, PhaseProgram
from solvergen.rule import Moments, Monomial, Row, is_constant
from solvergen.scheme import Kind, Node


def node_time(node: Node) -> str:
    """The name of a node's time in the function of a phase."""
    return f"t[n - {node.index}]" if node.kind is Kind.PAST else f"t_{node.index}"


def functions(phase: PhaseProgram) -> set[str]:
    """The functions that the weights of a phase call."""
    called = set()
    for printer in printers(phase, str):
        for line in printer.lines():
            called |= {name for name in _FUNCTIONS if f"{name}(" in line}
    return called


def printers(phase: PhaseProgram, code: Callable[[Expr], str]) -> list["WeightPrinter"]:
    """One for each landing of a phase, the second one of an estimate included."""
    found = [WeightPrinter(combine, code) for combine in phase.landings]
    return found + ([WeightPrinter(phase.rival, code, rival=True)] if phase.rival else [])


_FUNCTIONS = ("_weights", "_moments", "_interpolated", "_end_density")


@dataclass(frozen=True)
class WeightPrinter:
    """The weights of one landing; ``code`` prints an expression."""

    combine: Combine
    code: Callable[[Expr], str]
    rival: bool = False

    def weight(self, j: int) -> Symbol:
        """The symbol of ell_j."""
        return rival_weight(j) if self.rival else weight(self.combine.stage, j)

    def constants(self) -> dict[Symbol, Expr]:
        """The weights that are numbers."""
        if len(self.combine.support) == 1:
            return {self.weight(0): Integer(1)}
        return {
            self.weight(j): self._expression(row)
            for j, row in enumerate(self.combine.rule.rows)
            if is_constant(row)
        }

    def lines(self) -> list[str]:
        """The statements that compute the others."""
        if len(self.combine.support) == 1:
            return []
        if self.combine.rule.rows:
            return self._row_lines()
        nodes = ", ".join(map(node_time, self.combine.support))
        if self.combine.rule.is_plain:
            return [f"{self._names} = _weights({self._ends}, {nodes})"]
        return self._interpolation_lines(nodes)

    @property
    def _names(self) -> str:
        count = len(self.combine.support)
        return ", ".join(str(self.weight(j)) for j in range(count))

    @property
    def _ends(self) -> str:
        return f"t_{self.combine.stage}, {node_time(self.combine.base)}"

    def _interpolation_lines(self, nodes: str) -> list[str]:
        i, rule, count = self.combine.stage, self.combine.rule, len(self.combine.support)
        lines = []
        if rule.moments is Moments.EXACT:
            lines.append(self._moment_line(None, count - 1))
        elif rule.moments is Moments.FROZEN:
            lines.append(f"w_{i} = _end_density({self._ends})")

        def moment(k: int, along: int | None) -> Expr:
            return self._moment(k, along)

        used = [rule.used_moment(k, moment, lambda: Symbol(f"w_{i}")) for k in range(count)]
        listed = ", ".join(self.code(_rational(one)) for one in used)
        lines.append(f"{self._names} = _interpolated(({listed}), {self._ends}, {nodes})")
        return lines

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
        stage = self.combine.stage if along is None else along
        names = ", ".join(str(_mu(self.combine.stage, k, along)) for k in range(1, power + 1))
        ends = f"t_{stage}, {node_time(self.combine.base)}"
        return f"{names}{',' if power == 1 else ''} = _moments({ends}, {power})"

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
