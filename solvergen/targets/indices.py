"""How the function of a phase names the times and the intervals of its steps.

A run is laid out once (``_Scalars`` in ``templates/common/run.jinja``): its times are the grid,
t[0] .. t[N], and then the times of inner evaluations, phase by phase. Interval k - 1 starts with a
step and ends at time k; intervals that start elsewhere follow. So a step n of a phase has

    its start at time n, its end at time n + 1, its whole as interval n,
    an inner evaluation at time i_1, i_2, .., the interval to it as interval i_1 - 1, ..,
    an interval from an inner stage as interval e_1, e_2, ..

and gap[k] is gamma at the end of interval k minus gamma at its start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from solvergen.methods.scheme import CURRENT, Kind, Node
from solvergen.program.program import Combine, PhaseProgram

START, END = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Places:
    """The names of one phase."""

    phase: PhaseProgram

    @cached_property
    def inner(self) -> tuple[Fraction, ...]:
        """theta of the inner evaluations, each once, in their order."""
        positions = {one.position for one in self.phase.combines}
        return tuple(sorted(positions - {START, END}))

    @cached_property
    def extra(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """(end, start) of the intervals that do not start with a step."""
        pairs = (self._ends(one) for one in self.phase.combines if one.base != CURRENT)
        return tuple(dict.fromkeys(pairs))

    @property
    def names(self) -> tuple[str, ...]:
        """What the function of the phase is told of a step beside n."""
        inner = (f"i_{k}" for k in range(1, len(self.inner) + 1))
        return (*inner, *(f"e_{k}" for k in range(1, len(self.extra) + 1)))

    def time(self, node: Node) -> str:
        """The index of a node's time."""
        if node.kind is Kind.PAST:
            return f"n - {node.index}"
        position = self.phase.position(node.index)
        if position in (START, END):
            return "n + 1" if position else "n"
        return f"i_{1 + self.inner.index(position)}"

    def interval(self, combine: Combine) -> str:
        """The index of the interval of a landing."""
        if combine.base.kind is Kind.PAST:
            return f"n - {combine.base.index}"
        if combine.base != CURRENT:
            return f"e_{1 + self.extra.index(self._ends(combine))}"
        return "n" if combine.position == END else f"{self.time(combine.node)} - 1"

    def falling(self, combine: Combine, nodes: Sequence[Node]) -> list[str]:
        """r of the first node and the falls of r between neighbours, for falling nodes.

        r is gamma from the base of a landing to a node, in units of gap of the landing's interval.
        """
        pairs = [(combine.base, nodes[0]), *zip(nodes[1:], nodes[:-1], strict=True)]
        return [self._ratio(combine, start, end) for start, end in pairs]

    def _ratio(self, combine: Combine, start: Node, end: Node) -> str:
        """gamma from one node to another, in units of gap of the landing's interval."""
        times = self.time(start), self.time(end)
        if times[0] == times[1]:
            return "0.0"
        if times == (self.time(combine.base), self.time(combine.node)):
            return "1.0"
        return f"{self._distance(start, end)} / gap[{self.interval(combine)}]"

    def theta(self, node: Node) -> Fraction:
        """Where a node lies, with earlier steps of equal length standing in for the real ones."""
        return Fraction(-node.index) if node.kind is Kind.PAST else self.phase.position(node.index)

    def _ends(self, combine: Combine) -> tuple[Fraction, Fraction]:
        return combine.position, self.theta(combine.base)

    def _distance(self, base: Node, node: Node) -> str:
        """gamma at a node minus gamma at the base."""
        first, last = self.theta(base), self.theta(node)
        if first.denominator == last.denominator == 1:
            steps = [f"gap[{_shifted(k)}]" for k in range(*sorted((int(first), int(last))))]
            total = " + ".join(reversed(steps))
            total = f"({total})" if len(steps) > 1 else total
            return total if last > first else f"-{total}"
        if first == START:
            return f"gap[{self.time(node)} - 1]"
        if last == START:
            return f"-gap[{self.time(base)} - 1]"
        return f"({self._distance(CURRENT, node)} - {self._distance(CURRENT, base)})"


def _shifted(k: int) -> str:
    return "n" if k == 0 else f"n - {-k}"
