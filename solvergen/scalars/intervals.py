"""Which times and intervals the steps of a phase read.

A step n starts at theta = 0 and ends at theta = 1. A landing integrates from its base to its node,
and the nodes of its support lie at

    r_j = (gamma_j - gamma_base)/(gamma_node - gamma_base),

which is 0 or 1 if a node is the base or the landing itself; every other distance of two nodes is
computed from differences of gamma.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from solvergen.methods.scheme import CURRENT, Kind, Node
from solvergen.program.instructions import Combine
from solvergen.program.program import PhaseProgram

START, END = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Intervals:
    """The times and the intervals of one phase."""

    phase: PhaseProgram

    @cached_property
    def inner(self) -> tuple[Fraction, ...]:
        """theta of the inner evaluations, each once, in their order."""
        positions = {one.position for one in self.phase.combines}
        return tuple(sorted(positions - {START, END}))

    @cached_property
    def extra(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """(end, start) of the intervals that do not start with a step."""
        pairs = (self.ends(one) for one in self.phase.combines if one.base != CURRENT)
        return tuple(dict.fromkeys(pairs))

    def ends(self, combine: Combine) -> tuple[Fraction, Fraction]:
        """theta where a landing is, and where its base is."""
        return combine.position, self.theta(combine.base)

    def first(self, combine: Combine) -> int:
        """The first landing over the same interval: Phi, M0 and the moments are the same."""
        return self._first[self.ends(combine)]

    @cached_property
    def _first(self) -> dict[tuple[Fraction, Fraction], int]:
        """The stage of the first landing over each interval."""
        return {self.ends(one): one.stage for one in reversed(self.phase.landings)}

    def first_at(self, evaluation: int) -> int:
        """The first evaluation at the same time: A and B are the same."""
        theta = self.phase.position(evaluation)
        return next(i for i in self.phase.evaluations if self.phase.position(i) == theta)

    def theta(self, node: Node) -> Fraction:
        """Where a node lies, with earlier steps of equal length standing in for the real ones."""
        return Fraction(-node.index) if node.kind is Kind.PAST else self.phase.position(node.index)

    def falling(self, combine: Combine) -> tuple[int, ...]:
        """The places in the support, from the latest node to the earliest."""
        support = combine.support
        order = sorted(range(len(support)), key=lambda j: self.theta(support[j]), reverse=True)
        return tuple(order)

    def distances(self, combine: Combine) -> tuple[tuple[Node, Node], ...]:
        """(start, end): from the base to the latest node, then from each node to the one above."""
        nodes = [combine.support[j] for j in self.falling(combine)]
        return ((combine.base, nodes[0]), *zip(nodes[1:], nodes[:-1], strict=True))

    def ratio(self, combine: Combine, start: Node, end: Node) -> int | None:
        """The distance of two nodes over that of a landing from its base, if it is 0 or 1."""
        first, last = self.theta(start), self.theta(end)
        if first == last:
            return 0
        whole = self.theta(combine.base), self.theta(combine.node)
        return 1 if (first, last) == whole else None

    def reads_gaps(self, combine: Combine) -> bool:
        """Whether an interpolation needs distances of its nodes in gamma."""
        return None in (self.ratio(combine, *pair) for pair in self.distances(combine))
