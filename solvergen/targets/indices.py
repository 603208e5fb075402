"""How the function of a phase names the times and the intervals of its steps.

A run is laid out once (``_Scalars`` in ``templates/common/run.jinja``): its times are the grid,
t[0] .. t[N], and then the times of inner evaluations, phase by phase. Interval k - 1 starts with a
step and ends at time k; intervals that start elsewhere follow. So a step n of a phase has

    its start at time n, its end at time n + 1, its whole as interval n,
    an inner evaluation at time i_1, i_2, .., the interval to it as interval i_1 - 1, ..,
    an interval from an inner stage as interval e_1, e_2, ..

and gap[k] is gamma at the end of interval k minus gamma at its start.
"""

from dataclasses import dataclass

from solvergen.methods.scheme import CURRENT, Kind, Node
from solvergen.program.program import Combine
from solvergen.scalars.intervals import END, START, Intervals


@dataclass(frozen=True)
class Places(Intervals):
    """The names of one phase's times and intervals."""

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
            return f"e_{1 + self.extra.index(self.ends(combine))}"
        return "n" if combine.position == END else f"{self.time(combine.node)} - 1"

    def falls(self, combine: Combine) -> list[str]:
        """r of the latest node and the falls of r between neighbours.

        r is gamma from the base of a landing to a node, in units of gap of the landing's interval.
        """
        return [self._ratio(combine, *pair) for pair in self.distances(combine)]

    def _ratio(self, combine: Combine, start: Node, end: Node) -> str:
        """gamma from one node to another, in units of gap of the landing's interval."""
        known = self.ratio(combine, start, end)
        if known is not None:
            return str(float(known))
        return f"{self._distance(start, end)} / gap[{self.interval(combine)}]"

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
