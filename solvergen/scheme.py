"""Schemes as data: nodes, supports and stages (THEORY section 5).

A step goes from theta = 0 to theta = 1 in the expansion variable. It is a sequence of stages.
Stage i lands at ``position`` theta_i. It starts from the sample at its ``base`` b, the start of
the step if nothing else is said, and reads the integrand at the nodes of its ``support``:

    x_i = Phi(i, b) x_b + M0(i, b) * sum_j ell_j N_j,

with weights ell_j by its ``rule``: interpolation, sum_j r_j^k ell_j = mu_k(i, b), or a row of a
tableau. The last stage lands at 1 and is the next sample; the model is evaluated at every earlier
one.

A phase may begin with a ``correction``: once N is known at the start of the step, the sample there
is computed again from the previous one with N_0 in its support. The model is not evaluated again
(UniPC: Zhao et al. 2023, arXiv:2302.04867, Algorithm 1).
"""

from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from solvergen.errors import SchemeError
from solvergen.rule import INTERPOLATION, Rule, row_text


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
    """One landing place of a step, where it starts from, and the nodes that it reads."""

    position: Fraction
    support: tuple[Node, ...]
    rule: Rule = INTERPOLATION
    base: Node = CURRENT

    def __str__(self) -> str:
        start = "" if self.base == CURRENT else f"<{short(self.base)}"
        return f"{self.position}{start}:{{{', '.join(self._weights())}}}{self.rule}"

    def _weights(self) -> tuple[str, ...]:
        if not self.rule.rows:
            return tuple(map(short, self.support))
        return tuple(
            f"{short(node)}: {row_text(row)}"
            for node, row in zip(self.support, self.rule.rows, strict=True)
        )


def short(node: Node) -> str:
    """A node as a scheme's text writes it: ``0``, ``-1``, ``s1``."""
    return f"s{node.index}" if node.kind is Kind.STAGE else str(node)


@dataclass(frozen=True)
class Phase:
    """What one step does: its stages in order, the last one at theta = 1.

    Attributes:
        name: of the phase, a Python identifier.
        stages: as they are computed.
        correction: lands at the start of the step, from an earlier one, before the first stage.

    Raises:
        SchemeError: a support is empty, repeats a node or a place, or reads a stage that is not
            computed yet; a position is outside (0, 1]; weights are inconsistent; the last stage
            does not land at 1.
    """

    name: str
    stages: tuple[Stage, ...]
    correction: Stage | None = None

    def __post_init__(self) -> None:
        if not self.stages or self.stages[-1].position != 1:
            raise SchemeError(
                f"phase {self.name!r} ends at theta = "
                f"{self.stages[-1].position if self.stages else 'nothing'}; expected its last "
                "stage at theta = 1, the end of the step."
            )
        for number, one in enumerate(self.stages, start=1):
            where = f"stage {number} of phase {self.name!r} ({one})"
            self._check_landing(where, number, one)
            self._check_support(where, number, one)
        if self.correction is not None:
            where = f"the correction of phase {self.name!r} ({self.correction})"
            if self.correction.position != 0 or self.correction.base != past(1):
                raise SchemeError(
                    f"{where}: expected a landing at theta = 0 from the previous step, such as "
                    "'0<-1:{0,-1}'."
                )
            self._check_support(where, 1, self.correction)

    def _check_landing(self, where: str, number: int, one: Stage) -> None:
        if one.base.kind is Kind.PAST:
            raise SchemeError(f"{where}: got base {one.base}, expected 0 or an earlier stage.")
        if one.base.kind is Kind.STAGE and not 1 <= one.base.index < number:
            raise SchemeError(f"{where} starts from {one.base}, which is not computed yet.")
        if one.base == CURRENT and not 0 < one.position <= 1:
            raise SchemeError(f"{where}: got position {one.position}, expected 0 < theta <= 1.")
        if not 0 <= one.position <= 1 or one.position == self.place(one.base):
            raise SchemeError(
                f"{where}: got position {one.position} from a base at {self.place(one.base)}; "
                "expected another position, 0 <= theta <= 1."
            )

    def _check_support(self, where: str, number: int, one: Stage) -> None:
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
        one.rule.check(where, len(one.support))
        places = [node if one.rule.rows else self.place(node) for node in one.support]
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
        return max((node.index for node in self.nodes if node.kind is Kind.PAST), default=0)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Everything that is read, bases included."""
        landings = (*self.stages, *([self.correction] if self.correction else []))
        return tuple(node for one in landings for node in (*one.support, one.base))

    @property
    def evaluations(self) -> int:
        """Model evaluations in one step."""
        return len(self.stages)

    @property
    def text(self) -> str:
        """The landings as ``schemes.get`` reads them."""
        landings = (*([self.correction] if self.correction else []), *self.stages)
        return "; ".join(map(str, landings))

    def __str__(self) -> str:
        return f"{self.name}  {self.text}"


@dataclass(frozen=True)
class Scheme:
    """A solver without its clocks.

    Attributes:
        name: as the user types it, e.g. ``multistep:3``.
        main: the phase that every step between the start-up and the closing steps runs.
        startup: ``startup[n]`` is run while only n earlier steps can be read.
        source: the papers that the scheme is from.
        closing: ``closing[m]`` is run when m more steps follow and what it reads is there; in a
            run too short for that the start-up goes on.

    Raises:
        SchemeError: a start-up phase reads more steps than there are, a closing phase more than
            the main phase, or there are fewer start-up phases than the main phase has history.
    """

    name: str
    main: Phase
    startup: tuple[Phase, ...] = ()
    source: str = field(default="", compare=False)
    closing: tuple[Phase, ...] = ()

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
        for phase in self.closing:
            if phase.history > self.main.history:
                raise SchemeError(
                    f"closing phase {phase.name!r} of {self.name!r} reads {phase.history} earlier "
                    f"steps, but the main phase keeps {self.main.history}."
                )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """``phases[n]`` is run when n earlier steps can be read; the last one is the main one."""
        return (*self.startup, self.main)

    @property
    def all_phases(self) -> tuple[Phase, ...]:
        """The phases and then the closing ones."""
        return (*self.phases, *self.closing)

    @property
    def extra_evaluations(self) -> int:
        """Evaluations that the start-up spends beyond the main phase's."""
        return sum(phase.evaluations - self.main.evaluations for phase in self.startup)

    def __str__(self) -> str:
        return "\n".join((self.name, *(f"  {phase}" for phase in self.all_phases)))
