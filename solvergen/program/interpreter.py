"""The reference semantics of a StepProgram: run it, in whatever numbers the scalars are.

The interpreter follows the instructions one by one, unfused, on numpy arrays of any dtype
(float64, or objects such as mpmath numbers and truncated power series). The order computation,
the mpmath reference and the tests of every backend are this interpreter with other numbers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np

from solvergen.errors import SolvergenError
from solvergen.methods.scheme import CURRENT, Kind, Node, past
from solvergen.program.instructions import (
    Accept,
    Combine,
    Draw,
    Estimate,
    Evaluate,
    Instruction,
    Raise,
    Repeat,
    node_of,
)
from solvergen.program.program import PhaseProgram, StepProgram

Model = Callable[[Any, Any], Any]


class StepScalars(Protocol):
    """The scalars of one step, in some number type."""

    def time(self, stage: int) -> Any:
        """The time of evaluation ``stage``."""

    def integrating_factor(self, combine: Combine) -> Any:
        """Phi(t_i, s)."""

    def zeroth_moment(self, combine: Combine) -> Any:
        """M0(t_i, s)."""

    def weights(self, combine: Combine) -> Sequence[Any]:
        """ell_ij, one for each node of the support."""

    def conversion_at(self, stage: int) -> tuple[Any, Any]:
        """(A, B) with N = A y + B prediction at evaluation ``stage``."""


class NoisyStepScalars(StepScalars, Protocol):
    """Those of a step with noise."""

    def spread(self, draw: Draw) -> Any:
        """nu of a draw."""

    def carried(self, draw: Draw) -> Any:
        """Phi from where the draw before ends to where this one does."""


class RaisedStepScalars(StepScalars, Protocol):
    """Those of a step before which the noise is raised."""

    def raised(self) -> tuple[Any, Any]:
        """up and nu_0."""


@dataclass
class State:
    """What a run carries from step to step.

    Attributes:
        x: the sample, as the network sees it next.
        past: the last steps' integrand values, newest first.
        previous: the last step's sample, corrected if the program corrects; None at first.
        error: the last step's estimate of its error; None if the phase has none.
        normals: one after another the normals that a run draws, like x.
        path: the noise of the last landing of the step before; None without noise.
    """

    x: Any
    past: list[Any] = field(default_factory=list)
    previous: Any = None
    error: Any = None
    normals: Iterator[Any] = field(default_factory=lambda: iter(()))
    path: Any = None


Settled = Callable[[Repeat, int, Any, Any, Any], bool]
"""(repeat, count, landing, landing before, start of the step) -> whether to stop after ``count``
iterations."""


def within_tolerance(repeat: Repeat, count: int, landing: Any, before: Any, start: Any) -> bool:
    """Whether the root mean square of change / (1 + max(|x|, |y|)) is at most the tolerance.

    Raises:
        SolvergenError: it is not, after the last iteration that is allowed.
    """
    change = abs(landing - before) / (1 + np.maximum(abs(start), abs(landing)))
    mean_square = np.mean(change**2)
    if mean_square <= repeat.tolerance**2:
        return True
    if count < repeat.limit:
        return False
    raise SolvergenError(
        f"the implicit equation of the step is not solved after {count} iterations: the landing "
        f"changes by {float(mean_square**0.5):.3g}, expected at most {repeat.tolerance:g}. Take "
        "shorter steps, or allow more iterations."
    )


def unchanged(repeat: Repeat, count: int, landing: Any, before: Any, start: Any) -> bool:
    """Whether an iteration on power series has changed none; each one settles one power more."""
    return bool(np.all(landing == before))


def run_step(
    phase: PhaseProgram,
    scalars: StepScalars,
    model: Model,
    state: State,
    settled: Settled = within_tolerance,
) -> None:
    """Take one step, in place; ``settled`` decides when the iteration of a Repeat ends."""
    step = _Step(scalars, model, state)
    for one in phase.instructions:
        if isinstance(one, Repeat):
            again = _repeated(phase, one)
            count = 1
            while not settled(one, count, step.y, step.seen, state.x):
                for each in again:
                    step.do(each)
                count += 1
        else:
            step.do(one)


def _repeated(phase: PhaseProgram, repeat: Repeat) -> tuple[Instruction, ...]:
    """The instructions from the evaluation on that a Repeat goes back to."""
    first = phase.instructions.index(Evaluate(repeat.stage))
    return phase.instructions[first : phase.instructions.index(repeat)]


@dataclass
class _Step:
    """One step on its way.

    Attributes:
        y: what the network sees next.
        seen: what it has seen last.
        values: N at the nodes of this step.
        samples: the sample at the places that a landing may start from.
        paths: the noise of those.
    """

    scalars: StepScalars
    model: Model
    state: State

    def __post_init__(self) -> None:
        self.y = self.seen = self.state.x
        self.values: dict[Node, Any] = {}
        self.samples = {CURRENT: self.state.x, past(1): self.state.previous}
        self.paths: dict[Node, Any] = {}
        self.path: Any = None

    def do(self, one: Instruction) -> None:
        """Follow an instruction other than Repeat."""
        if isinstance(one, Evaluate):
            a, b = self.scalars.conversion_at(one.stage)
            self.seen = self.y
            prediction = self.model(self.y, self.scalars.time(one.stage))
            self.values[node_of(one.stage)] = self.y * a + prediction * b
        elif isinstance(one, Combine):
            start = self.samples[one.base]
            factor, m0 = self.scalars.integrating_factor(one), self.scalars.zeroth_moment(one)
            self.y = start * factor + self._mean(one) * m0
            if one.mirrored:
                self.y = self.y + self.y - self.seen * factor
            self._add_noise(one, factor)
            self.samples[one.node], self.paths[one.node] = self.y, self.path
            self.landing = one
        elif isinstance(one, Raise):
            if self.state.previous is not None:
                up, spread = cast(RaisedStepScalars, self.scalars).raised()
                self.y = self.y * up + next(self.state.normals) * spread
                self.samples[CURRENT] = self.y
        elif isinstance(one, Draw):
            scalars = cast(NoisyStepScalars, self.scalars)
            fresh = next(self.state.normals) * scalars.spread(one)
            self.path = fresh + self.path * scalars.carried(one) if one.since else fresh
        elif isinstance(one, Estimate):
            m0 = self.scalars.zeroth_moment(one.rival)
            self.state.error = (self._mean(self.landing) - self._mean(one.rival)) * m0
        elif isinstance(one, Accept):
            self.state.x, self.state.previous = self.y, self.samples[CURRENT]
            self.state.path = self.path
            self.state.past.insert(0, self.values[CURRENT])

    def _add_noise(self, combine: Combine, factor: Any) -> None:
        """The noise since the base: of a correction, the path of the step before."""
        path = self.state.path if combine.stage == 0 else self.path
        if path is not None:
            self.y = self.y + path
        before = self.paths.get(combine.base) if combine.stage else None
        if before is not None:
            self.y = self.y - before * factor

    def _mean(self, combine: Combine) -> Any:
        """sum_j N_j ell_j: arrays come first, because a number of mpmath that is multiplied by one
        prints it before it gives way."""
        ell = self.scalars.weights(combine)
        return sum(
            self._read(node) * weight for weight, node in zip(ell, combine.support, strict=True)
        )

    def _read(self, node: Node) -> Any:
        return self.state.past[node.index - 1] if node.kind is Kind.PAST else self.values[node]


def run(
    program: StepProgram,
    scalars: Callable[[PhaseProgram, int], StepScalars],
    model: Model,
    x: Any,
    steps: int,
    normals: Iterable[Any] = (),
) -> Any:
    """Run ``steps`` steps from ``x``; ``scalars(phase, n)`` gives those of step n.

    ``normals`` are what a run with noise draws, one for each draw.
    """
    state = State(np.asarray(x), normals=iter(normals))
    for n in range(steps):
        phase = program.all_phases[program.number(n, steps - 1 - n)]
        run_step(phase, scalars(phase, n), model, state)
        del state.past[program.history :]
    return state.x
