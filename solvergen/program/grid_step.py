"""A step of a grid whose times are exact numbers: what its scalars on power series share."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from solvergen.methods.scheme import Kind, Node
from solvergen.program.instructions import Combine
from solvergen.program.program import PhaseProgram


@dataclass(frozen=True)
class GridStep:
    """Step n of a grid of places, with N = prediction.

    Attributes:
        problem: what the scalars are those of.
        phase: what the step computes.
        grid: where the steps start and end.
        n: which of them it is.
    """

    problem: Any
    phase: PhaseProgram
    grid: Sequence[Fraction]
    n: int

    def time(self, stage: int) -> Fraction:
        """The place of an evaluation."""
        return self.grid[self.n] + self.phase.position(stage) * self._width

    @cached_property
    def _width(self) -> Fraction:
        return self.grid[self.n + 1] - self.grid[self.n]

    def conversion_at(self, stage: int) -> tuple[int, int]:
        """A and B."""
        return 0, 1

    def ends(self, combine: Combine) -> tuple[Fraction, Fraction]:
        """The places at the end and at the start of a landing."""
        return self.place(combine.node), self.place(combine.base)

    def place(self, node: Node) -> Fraction:
        """Where a node is."""
        return self.grid[self.n - node.index] if node.kind is Kind.PAST else self.time(node.index)
