"""The reference semantics of a StepProgram: run it, in whatever numbers the scalars are.

The interpreter follows the instructions one by one, unfused, on numpy arrays of any dtype
(float64, or objects such as mpmath numbers and truncated power series). The order computation,
the mpmath reference and the tests of every backend are this interpreter with other numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from solvergen.program import Accept, Combine, Evaluate, PhaseProgram, StepProgram, node_of
from solvergen.scheme import CURRENT, Kind, Node, past

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

    def conversion(self, stage: int) -> tuple[Any, Any]:
        """(A, B) with N = A y + B prediction at evaluation ``stage``."""


@dataclass
class State:
    """What a run carries from step to step.

    Attributes:
        x: the sample, as the network sees it next.
        past: the last steps' integrand values, newest first.
        previous: the last step's sample, corrected if the program corrects; None at first.
    """

    x: Any
    past: list[Any] = field(default_factory=list)
    previous: Any = None


def run_step(phase: PhaseProgram, scalars: StepScalars, model: Model, state: State) -> None:
    """Take one step, in place."""
    y = state.x
    values: dict[Node, Any] = {}
    samples = {CURRENT: state.x, past(1): state.previous}
    for one in phase.instructions:
        if isinstance(one, Evaluate):
            a, b = scalars.conversion(one.stage)
            prediction = model(y, scalars.time(one.stage))
            values[node_of(one.stage)] = a * y + b * prediction
        elif isinstance(one, Combine):
            ell = scalars.weights(one)
            mean = sum(
                weight * _read(node, values, state)
                for weight, node in zip(ell, one.support, strict=True)
            )
            start = samples[one.base]
            y = scalars.integrating_factor(one) * start + scalars.zeroth_moment(one) * mean
            samples[one.node] = y
        elif isinstance(one, Accept):
            state.x, state.previous = y, samples[CURRENT]
            state.past.insert(0, values[CURRENT])


def _read(node: Node, values: dict[Node, Any], state: State) -> Any:
    return state.past[node.index - 1] if node.kind is Kind.PAST else values[node]


def run(
    program: StepProgram,
    scalars: Callable[[PhaseProgram, int], StepScalars],
    model: Model,
    x: Any,
    steps: int,
) -> Any:
    """Run ``steps`` steps from ``x``; ``scalars(phase, n)`` gives those of step n."""
    state = State(np.asarray(x))
    for n in range(steps):
        phase = program.all_phases[program.number(n, steps - 1 - n)]
        run_step(phase, scalars(phase, n), model, state)
        del state.past[program.history :]
    return state.x
