"""The instructions of a step (``solvergen.program.program`` says what they do)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from solvergen.methods.limiter import Bound
from solvergen.methods.rule import INTERPOLATION, Interpolation, Moment, Rule
from solvergen.methods.scheme import CURRENT, Node, stage


@dataclass(frozen=True)
class Evaluate:
    """Call the model at node ``stage`` and turn its prediction into the integrand."""

    stage: int

    def __str__(self) -> str:
        i = self.stage
        return f"P = model(y, t_{i});  N_{i} = A_{i} y + B_{i} P"


@dataclass(frozen=True)
class Combine:
    """Land at ``stage`` (at theta = ``position``) from ``base`` and the values of ``support``.

    Its weights may have a ``bound`` (``solvergen.methods.limiter``). A ``mirrored`` landing is
    twice that, less Phi times what the network has seen last (``solvergen.methods.scheme.Stage``).
    """

    stage: int
    position: Fraction
    support: tuple[Node, ...]
    rule: Rule = INTERPOLATION
    base: Node = CURRENT
    bound: Bound | None = None
    mirrored: bool = False

    @property
    def node(self) -> Node:
        """Where it lands."""
        return node_of(self.stage)

    @property
    def newest_first(self) -> list[int]:
        """The places in the support of its nodes, if they are all starts of steps."""
        return sorted(range(len(self.support)), key=lambda j: self.support[j].index)

    def weights(
        self,
        places: Sequence[Any],
        moment: Moment,
        end_density: Callable[[], Any],
        interpolation: Interpolation | None = None,
    ) -> list[Any]:
        """ell_j by its rule (``Rule.weights``), within its bound."""

        def of(some: Sequence[Any]) -> list[Any]:
            return self.rule.weights(some, moment, end_density, interpolation)

        if self.bound is None:
            return of(places)
        order = self.newest_first
        found = self.bound.weights([places[j] for j in order], of)
        return [found[order.index(j)] for j in range(len(order))]

    def __str__(self) -> str:
        i = self.stage
        total = " + ".join(f"ell_{i},{j} N[{node}]" for j, node in enumerate(self.support))
        start = "x" if self.base == CURRENT else f"x[{self.base}]"
        landing, where = f"Phi_{i} {start} + M_{i} ({total})", f"theta = {self.position}{self.rule}"
        return f"y = {f'2 ({landing}) - Phi_{i} y' if self.mirrored else landing}        {where}"


@dataclass(frozen=True)
class Repeat:
    """Evaluate at ``stage`` again and land again, until the landing changes by less than that.

    ``tolerance`` and ``limit`` are those of ``solvergen.methods.scheme.Iteration``.
    """

    stage: int
    tolerance: float
    limit: int

    def __str__(self) -> str:
        return (
            f"repeat from N_{self.stage} until y changes by less than {self.tolerance:g}, "
            f"{self.limit} times at most"
        )


@dataclass(frozen=True)
class Estimate:
    """The last landing's difference from ``rival``, another landing at the same place."""

    rival: Combine

    def __str__(self) -> str:
        n = self.rival.stage
        total = " + ".join(f"ell^_{j} N[{node}]" for j, node in enumerate(self.rival.support))
        return f"e = y - (Phi_{n} x + M_{n} ({total})){self.rival.rule}"


@dataclass(frozen=True)
class Draw:
    """The noise of landing ``stage``: that of landing ``since`` taken along, and a fresh piece."""

    stage: int
    since: int

    @property
    def ends(self) -> tuple[Node, Node]:
        """From the end to the start of the fresh piece."""
        return node_of(self.stage), node_of(self.since)

    def __str__(self) -> str:
        i, j = self.stage, self.since
        kept = f"Phi_{i},{j} w_{j} + " if j else ""
        return f"w_{i} = {kept}nu_{i},{j} z"


@dataclass(frozen=True)
class Raise:
    """Noise the sample from the start of the step back to where the first evaluation is.

    The first step of a run has none: noise is raised no further than where the run starts.
    """

    def __str__(self) -> str:
        return "x = y = up x + nu_0 z        at t_0, before the start of the step"


@dataclass(frozen=True)
class Accept:
    """The last landing is the next sample."""

    def __str__(self) -> str:
        return "x = y;  shift the history"


Instruction = Evaluate | Combine | Repeat | Estimate | Draw | Raise | Accept


def node_of(index: int) -> Node:
    """The node of an evaluation."""
    return CURRENT if index == 0 else stage(index)
