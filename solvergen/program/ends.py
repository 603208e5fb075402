"""The powers of h that the steps beside an end of a domain leave, by running them on series there.

Inside the domain Phi, M0/h and the moments are smooth in gamma, and a factor M0 = O(h) wins a power
of h. Where alpha or sigma vanishes they need not be: with the data integrand at sigma = 0

    Phi(t, s) = sigma_t/sigma_s,   M0(t, s) = alpha_t - sigma_t alpha_s/sigma_s = O(1)

for all steps of length h at distances O(h) of the end. So they are expanded once more, at the end
(``solvergen.program.end_problem``).

A program is run there from exact values close to the end, and what it leaves at the end is
O(eps^c), c the first power of the difference. An error h^(p+1) tau^(-m) of steps at a distance tau
is h^(p+1-m) at distances O(h); their sum over the run is h^min(p, p+1-m), and h^p log(1/h) if the
two are one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from solvergen.errors import SchemeError
from solvergen.program.end_problem import End, EndProblem, EndScalars
from solvergen.program.instructions import Repeat
from solvergen.program.interpreter import State, run_step
from solvergen.program.order import EVEN, UNEVEN, least
from solvergen.program.program import PhaseProgram, StepProgram
from solvergen.program.series import DECIMAL

MAIN_STEPS = 3
"""So many that a correction has taken effect, as inside the domain."""

ITERATIONS = 500
"""An iteration that contracts by 0.8 changes no digit more after so many."""

FEW = 2
"""Powers of h that are computed first: an order that is lost is seldom more."""


@dataclass(frozen=True)
class EndPowers:
    """What is left beside an end, in powers of h.

    Attributes:
        touching: by the steps up to the one that touches it; None if nothing is seen in what is
            computed, which is order enough, or in as many powers as it takes to see the other.
        near: by one main step at a distance of a few steps, likewise.
    """

    touching: Fraction | None
    near: Fraction | None

    def and_also(self, other: "EndPowers") -> "EndPowers":
        """What is left of both."""
        return EndPowers(least(self.touching, other.touching), least(self.near, other.near))


@lru_cache(maxsize=512)
def powers(program: StepProgram, end: End, order: int) -> EndPowers:
    """The powers of h up to the order that a program has inside of the domain.

    Raises:
        SchemeError: a scalar of the program has no finite limit there.
    """
    if not program.is_limited:
        return _powers(program, end, order, UNEVEN)
    found = powers(program.unlimited, end, order)
    return found.and_also(_powers(program, end, order, EVEN))


def _powers(program: StepProgram, end: End, order: int, ratios: tuple[Fraction, ...]) -> EndPowers:
    """Those on steps of these lengths: in a few powers of h, or in all if nothing is seen there."""
    with DECIMAL.context():
        for count in (FEW, order) if order > FEW else (order,):
            problem = EndProblem.draw(end, count * end.root + 1)
            run = _at_start if end.role == "start" else _at_end
            seen = [
                Fraction(power, end.root) if power < problem.length else None
                for power in run(program, problem, ratios)
            ]
            if seen != [None, None]:
                break
    near, touching = seen
    return EndPowers(touching, near)


def _at_end(
    program: StepProgram, problem: EndProblem, ratios: Sequence[Fraction]
) -> tuple[int, int]:
    """Main steps from exact values, and then those up to the end."""
    history, last = program.history, max(1, len(program.closing))
    count = MAIN_STEPS + last
    grid = _places(history + count, ratios)[::-1]
    state = _exact(program, problem, grid, history)
    near = problem.length
    for i in range(count):
        number = program.number(history, count - 1 - i)
        _run(program.all_phases[number], problem, grid, history + i, state)
        if i == MAIN_STEPS - 1:
            near = _staying(program, problem, grid, history + MAIN_STEPS, state)
    return near, _valuation(state.x - problem.solution(grid[-1]))


def _at_start(
    program: StepProgram, problem: EndProblem, ratios: Sequence[Fraction]
) -> tuple[int, int]:
    """Main steps from exact values away from the start, and a run from it."""
    history = program.history
    total = history + MAIN_STEPS
    grid = _places(total + 1, ratios)
    state = _exact(program, problem, grid, history + 1)
    for n in range(history + 1, total + 1):
        _run(program.main, problem, grid, n, state)
    near = _staying(program, problem, grid, total + 1, state)
    state = State(problem.solution(grid[0]))
    for n in range(total):
        _run(program.phases[min(n, history)], problem, grid, n, state)
    return near, _staying(program, problem, grid, total, state)


def _places(steps: int, ratios: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """0 = c_0 < c_1 < .. of steps of these lengths."""
    total, found = Fraction(0), [Fraction(0)]
    for n in range(steps):
        total += ratios[n % len(ratios)]
        found.append(total)
    return tuple(found)


def _exact(program: StepProgram, problem: EndProblem, grid: Sequence[Fraction], n: int) -> State:
    """The exact sample and history at the start of step n."""
    past = [problem.value(grid[n - j]) for j in range(1, program.history + 1)]
    return State(problem.solution(grid[n]), past, problem.solution(grid[n - 1]) if n else None)


def _run(
    phase: PhaseProgram, problem: EndProblem, grid: Sequence[Fraction], n: int, state: State
) -> None:
    run_step(phase, EndScalars(problem, phase, grid, n), problem.model, state, _settled)


def _settled(
    repeat: Repeat, count: int, landing: np.ndarray, before: np.ndarray, start: np.ndarray
) -> bool:
    """Whether an iteration changes nothing any more: here it wins a factor, not a power."""
    if count > ITERATIONS:
        raise SchemeError("the iteration of the implicit equation does not converge there")
    change = (c for one in landing - before for c in one.coefficients)
    return all(DECIMAL.is_zero(c * 10**9) for c in change)


def _staying(
    program: StepProgram, problem: EndProblem, grid: Sequence[Fraction], n: int, state: State
) -> int:
    """The power of the error of the last sample that nothing corrects any more."""
    if program.corrects:
        return _valuation(state.previous - problem.solution(grid[n - 1]))
    return _valuation(state.x - problem.solution(grid[n]))


def _valuation(error: np.ndarray) -> int:
    return min(one.valuation for one in error)
