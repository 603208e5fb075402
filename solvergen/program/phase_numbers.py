"""Which phase each step of a run takes."""

import numpy as np
from numpy.typing import ArrayLike

from solvergen.program.program import StepProgram


def phase_numbers(program: StepProgram, gamma: ArrayLike) -> list[int]:
    """Which of ``program.all_phases`` each step of a run takes.

    Args:
        program: all phases.
        gamma: the expansion variable on the grid. A step that starts or ends where it is infinite
            runs ``at_infinity``; no later step reads the value at such a start.
    """
    finite = np.isfinite(gamma) | (program.at_infinity is None)
    steps = finite.size - 1
    last = len(program.all_phases) - 1
    return [
        program.number(int(finite[:n].sum()), steps - 1 - n) if finite[n : n + 2].all() else last
        for n in range(steps)
    ]
