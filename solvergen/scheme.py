"""Schemes as data: nodes, supports and stages (THEORY section 5).

A step goes from theta = 0 to theta = 1 in the expansion variable. It is a sequence of stages.
Stage i lands at ``position`` theta_i and reads the integrand at the nodes of its ``support``:

    x_i = Phi(i, 0) x_0 + M0(i, 0) * sum_j ell_j N_j,     sum_j r_j^k ell_j = mu_k(i, 0).

The last stage lands at 1 and is the next sample; the model is evaluated at every earlier one.
"""

from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from solvergen.errors import SchemeError


class Kind(Enum):
    """Where a node's integrand value comes from."""

    CURRENT = "current"
    PAST = "past"
    STAGE = "stage"


@dataclass(frozen=True, order=True)
class Node:
    """A place where the integrand is known: this step's start, an earlier step, or a stage."""

    kind: Kind
    index: int = 0

    def __str__(self) -> str:
        if self.kind is Kind.CURRENT:
            return "0"
        return f"-{self.index}" if self.kind is Kind.PAST else f"stage {self.index}"


CURRENT = Node(Kind.CURRENT)


def past(steps_back: int) -> Node:
    """The start of the step ``steps_back`` steps ago (1 is the previous one)."""
    return Node(Kind.PAST, steps_back)


def stage(index: int) -> Node:
    """The ``index``-th inner stage of this step, counted from 1."""
    return Node(Kind.STAGE, index)


@dataclass(frozen=True)
class Stage:
    """One landing place of a step and the nodes that it interpolates."""

    position: Fraction
    support: tuple[Node, ...]

    def __str__(self) -> str:
        return f"{self.position}:{{{', '.join(map(str, self.support))}}}"


@dataclass(frozen=True)
class Phase:
    """What one step does: its stages in order, the last one at theta = 1.

    Raises:
        SchemeError: a support is empty, repeats a node or a place, or reads a stage that is not
            computed yet; a position is outside (0, 1]; the last stage does not land at 1.
    """

    name: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not self.stages or self.stages[-1].position != 1:
            raise SchemeError(
                f"phase {self.name!r} ends at theta = "
                f"{self.stages[-1].position if self.stages else 'nothing'}; expected its last "
                "stage at theta = 1, the end of the step."
            )
        for number, one in enumerate(self.stages, start=1):
            self._check(number, one)

    def _check(self, number: int, one: Stage) -> None:
        where = f"stage {number} of phase {self.name!r} ({one})"
        if not 0 < one.position <= 1:
            raise SchemeError(f"{where}: got position {one.position}, expected 0 < theta <= 1.")
        if not one.support:
            raise SchemeError(f"{where}: empty support, expected at least one node such as 0.")
        for node in one.support:
            if node.kind is Kind.STAGE and not 1 <= node.index < number:
                raise SchemeError(
                    f"{where} reads {node}, which is not computed yet; expected stages before "
                    f"{number}."
                )
            if node.kind is Kind.PAST and node.index < 1:
                raise SchemeError(f"{where}: got past index {node.index}, expected 1, 2, ...")
        places = [self.place(node) for node in one.support]
        if len(set(places)) < len(places):
            raise SchemeError(
                f"{where} has repeated nodes at {', '.join(map(str, places))}; the Vandermonde "
                "system of its weights is singular. Give every node its own position."
            )

    def place(self, node: Node) -> Fraction:
        """theta of a node, with past steps of equal length standing in for the real ones."""
        if node.kind is Kind.STAGE:
            return self.stages[node.index - 1].position
        return Fraction(-node.index)

    @property
    def history(self) -> int:
        """How many earlier steps the phase reads."""
        return max(
            (node.index for one in self.stages for node in one.support if node.kind is Kind.PAST),
            default=0,
        )

    @property
    def evaluations(self) -> int:
        """Model evaluations in one step."""
        return len(self.stages)

    def __str__(self) -> str:
        return f"{self.name}  {'; '.join(map(str, self.stages))}"


@dataclass(frozen=True)
class Scheme:
    """A solver without its clocks.

    Attributes:
        name: as the user types it, e.g. ``multistep:3``.
        main: the phase that every step after the start-up runs.
        startup: ``startup[n]`` is run while only n earlier steps can be read.
        source: the papers that the scheme is from.

    Raises:
        SchemeError: a start-up phase reads more steps than there are, or fewer start-up phases
            than the main phase has history.
    """

    name: str
    main: Phase
    startup: tuple[Phase, ...] = ()
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if len(self.startup) != self.main.history:
            raise SchemeError(
                f"scheme {self.name!r} reads {self.main.history} earlier steps but has "
                f"{len(self.startup)} start-up phases; expected one for each."
            )
        for available, phase in enumerate(self.startup):
            if phase.history > available:
                raise SchemeError(
                    f"start-up phase {phase.name!r} of {self.name!r} reads {phase.history} "
                    f"earlier steps, but only {available} exist then."
                )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """``phases[n]`` is run when n earlier steps can be read; the last one is the main one."""
        return (*self.startup, self.main)

    @property
    def extra_evaluations(self) -> int:
        """Evaluations that the start-up spends beyond the main phase's."""
        return sum(phase.evaluations - self.main.evaluations for phase in self.startup)

    def __str__(self) -> str:
        return "\n".join((self.name, *(f"  {phase}" for phase in self.phases)))
