"""The exact order of a solver, by running its program on power series.

Take the expansion variable gamma as time, R and q as generic smooth functions of it, and N as a
generic polynomial in (x, gamma). Everything is then a power series in the step size h with exact
coefficients: the nodes gamma_n = c_n h on an uneven grid, Phi = R(gamma_t)/R(gamma_s),
M0 = R(gamma_t) (q(gamma_t) - q(gamma_s)), the moments

    mu_k = 1/(q_t - q_s) * int_0^1 theta^k q'(gamma_s + theta (gamma_t - gamma_s)) dgamma,

and the exact solution of  x = R y,  dy/dgamma = q'(gamma) N(R y, gamma), by Picard iteration.
The interpreter runs the very program that the backends compile. The first powers of h at which
it leaves the exact solution are the order. Per run of a few steps,

* from exact earlier values the error that stays is h^(p+1): p powers are left when 1/h steps add
  up. The sample that a correction has passed over stays; what it has replaced does not;
* the last sample, which nothing corrects any more, has an error of its own, h^l, once;
* the closing steps, run after main steps from exact values, leave h^c, once (instead of h^l);
* the start-up, run from the exact initial value only, leaves h^e, once.

The estimate of an adaptive step is O(h^k), k the first power of the difference of its two landings.
An implicit stage that is repeated to a tolerance is repeated here until no power changes any more:
its order is that of the implicit equation, solved.

A run has order min(p, l or c, e). The problem is drawn at random modulo a prime, and what is zero
there is zero for every problem (``solvergen.series``); ``field=RATIONALS`` repeats it with
fractions.

At an end of the domain R, q and N need not be smooth; ``solvergen.program.ends`` is for there.

A solver whose expansion variable is the integrand's clock has q(gamma) = gamma, and one without
a linear part has R = 1. Both can raise the order, so they are part of the problem. So is the grid:
weights that were made for equal steps lose their order on others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from solvergen.algebra.typesetting import paragraphs
from solvergen.errors import SchemeError
from solvergen.program.generic import Problem, ProblemScalars
from solvergen.program.interpreter import State, run_step, unchanged
from solvergen.program.program import PhaseProgram, StepProgram
from solvergen.program.series import MODULAR, Field

LENGTHS = (4, 6, 9, 12, 16)
MAIN_STEPS = 3
"""So many that a correction has taken effect."""
UNEVEN = (Fraction(1), Fraction(7, 5), Fraction(4, 5), Fraction(6, 5), Fraction(3, 4))
"""Ratios of steps of clearly different lengths, repeated over and over."""
EVEN = (Fraction(1),)


@dataclass(frozen=True)
class OrderReport:
    """What the series say.

    Attributes:
        main: p, with an error of h^(p+1) added by every main step from exact earlier values.
        startup: e, with an error of h^e after the start-up; None without a start-up.
        last: l, with an error of h^l of the last sample if it is not corrected; None if all are
            alike.
        closing: c, with an error of h^c after the closing steps; None without any.
    """

    main: int
    startup: int | None
    last: int | None = None
    closing: int | None = None

    @property
    def order(self) -> int:
        """The order of a whole run."""
        parts = (self.main, self.startup, self.last, self.closing)
        return min(one for one in parts if one is not None)

    def and_also(self, other: "OrderReport") -> "OrderReport":
        """What is left of both."""

        return OrderReport(
            min(self.main, other.main),
            least(self.startup, other.startup),
            least(self.last, other.last),
            least(self.closing, other.closing),
        )

    def _repr_html_(self) -> str:
        """For notebooks."""
        return paragraphs(str(self))

    def __str__(self) -> str:
        local = f"order {self.order}: local error O(h^{self.main + 1})"
        if self.startup is None and self.closing is None:
            return f"{local} in every step"
        parts = [
            (self.startup, "left by the start-up"),
            (self.last, "in the last sample"),
            (self.closing, "left by the last steps"),
        ]
        left = [f"O(h^{power}) {where}" for power, where in parts if power is not None]
        return ", ".join((f"{local} in a main step", *left))


def least(first: Any, second: Any) -> Any:
    """The smaller power; None is none."""
    return min((one for one in (first, second) if one is not None), default=None)


@lru_cache(maxsize=256)
def estimate_power(
    phase: PhaseProgram,
    same_clock: bool = False,
    no_linear_part: bool = False,
    field: Field = MODULAR,
) -> int:
    """k of an estimate O(h^k): the first power of the difference of a step's two landings.

    Args:
        phase: an adaptive step.
        same_clock: the expansion variable is the integrand's own clock.
        no_linear_part: Phi = 1.
        field: what the coefficients are.

    Raises:
        SchemeError: there is no such power within what is computed.
    """
    for length in LENGTHS:
        problem = Problem.draw(length, same_clock, no_linear_part, field)
        state = State(problem.solution(Fraction(0)))
        scalars = ProblemScalars(problem, phase, (Fraction(0), Fraction(1)), 0)
        run_step(phase, scalars, problem.model, state)
        found = _valuation(state.error)
        if found < length:
            return found
    raise SchemeError(
        f"both landings of {phase.name!r} agree in {LENGTHS[-1]} powers of h; expected two methods."
    )


def report(
    program: StepProgram,
    same_clock: bool = False,
    no_linear_part: bool = False,
    ratios: tuple[Fraction, ...] = UNEVEN,
    field: Field = MODULAR,
) -> OrderReport:
    """The order of a program.

    Weights that are bounded (``solvergen.methods.limiter``) are reported on grids whose steps grow
    by 1 + O(h): what they are without bounds, on steps of any lengths, and where the bounds are
    those of even steps, on even ones.

    With noise on the way it is that of the steps without (``program.weak_order`` is for with).

    Args:
        program: what is run.
        same_clock: the expansion variable is the integrand's own clock.
        no_linear_part: Phi = 1.
        ratios: lengths of the steps, repeated as often as needed; ``EVEN`` for equal ones.
        field: what the coefficients are.

    Raises:
        SchemeError: the local error has no power of h within what is computed, which a scheme with
            consistent weights does not have.
    """
    program = program.quiet
    clocks, free = (same_clock, no_linear_part), program.unlimited
    found = _unlimited(free, clocks, ratios, field)
    if program.at_its_limits == free:
        return found
    return found.and_also(_unlimited(program.at_its_limits, clocks, EVEN, field))


@lru_cache(maxsize=1024)
def _unlimited(
    program: StepProgram, clocks: tuple[bool, bool], ratios: tuple[Fraction, ...], field: Field
) -> OrderReport:
    """The report of a program without bounds."""
    for length in LENGTHS:
        problem = Problem.draw(length, *clocks, field)
        powers = _report(program, problem, ratios)
        if powers is not None:
            return powers
    raise SchemeError(
        f"the main step agrees with the solution in all of {LENGTHS[-1]} powers of h; expected a "
        f"scheme of an order below {LENGTHS[-1] - 1}."
    )


def _report(
    program: StepProgram, problem: Problem, ratios: Sequence[Fraction]
) -> OrderReport | None:
    """The report, or None if the powers do not suffice to see the error of the main step."""
    steps = MAIN_STEPS if program.corrects else 1
    grid = grid_of(ratios, program.history + steps + 1)
    staying, last = _main_errors(program, problem, grid, steps)
    if staying >= problem.length:
        return None
    startup = _startup_error(program, problem, grid, steps) if program.history else None
    if program.closing:
        return OrderReport(staying - 1, startup, closing=_closing_error(program, problem, ratios))
    shown = last if program.corrects else None
    return OrderReport(staying - 1, startup, shown)


def grid_of(ratios: Sequence[Fraction], steps: int) -> tuple[Fraction, ...]:
    """c_0 = 0, c_1, ..."""
    total, grid = Fraction(0), [Fraction(0)]
    for n in range(steps):
        total += ratios[n % len(ratios)]
        grid.append(total)
    return tuple(grid)


def _main_errors(
    program: StepProgram, problem: Problem, grid: Sequence[Fraction], steps: int
) -> tuple[int, int]:
    """The powers at which main steps from exact values leave the solution: staying and last."""
    n = program.history
    state = _exact(program, problem, grid)
    for i in range(n, n + steps):
        scalars = ProblemScalars(problem, program.main, grid, i)
        run_step(program.main, scalars, problem.model, state, unchanged)
    return _errors(program, problem, grid, n + steps, state)


def _closing_error(program: StepProgram, problem: Problem, ratios: Sequence[Fraction]) -> int:
    """The power at which main steps from exact values leave the solution with the closing steps."""
    n, count = program.history, len(program.closing)
    grid = grid_of(ratios, n + MAIN_STEPS + count)
    state = _exact(program, problem, grid)
    for i in range(MAIN_STEPS + count):
        phase = program.all_phases[program.number(n, MAIN_STEPS + count - 1 - i)]
        scalars = ProblemScalars(problem, phase, grid, n + i)
        run_step(phase, scalars, problem.model, state, unchanged)
    return _valuation(state.x - problem.solution(grid[-1]))


def _exact(program: StepProgram, problem: Problem, grid: Sequence[Fraction]) -> State:
    """The exact sample and history where a main step can start."""
    n = program.history
    past = [problem.value(grid[n - j]) for j in range(1, n + 1)]
    return State(problem.solution(grid[n]), past, problem.solution(grid[n - 1]) if n else None)


def _startup_error(
    program: StepProgram, problem: Problem, grid: Sequence[Fraction], steps: int
) -> int:
    """The power at which a run that starts from the initial value alone leaves the solution."""
    state = State(problem.solution(grid[0]))
    total = program.history + steps
    for n in range(total):
        phase = program.phases[min(n, program.history)]
        run_step(phase, ProblemScalars(problem, phase, grid, n), problem.model, state, unchanged)
    return _errors(program, problem, grid, total, state)[0]


def _errors(
    program: StepProgram, problem: Problem, grid: Sequence[Fraction], n: int, state: State
) -> tuple[int, int]:
    """The powers of the errors of the sample that stays and of the last one."""
    last = _valuation(state.x - problem.solution(grid[n]))
    if not program.corrects:
        return last, last
    return _valuation(state.previous - problem.solution(grid[n - 1])), last


def _valuation(error: np.ndarray) -> int:
    return min(one.valuation for one in error)
