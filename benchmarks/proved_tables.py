"""Tables of baked modules, proved to be correctly rounded by ball arithmetic.

    pip install ".[certify]"
    python benchmarks/proved_tables.py [--write]

Every literal of a table is enclosed by python-flint: alpha, sigma and what follows from them in
balls around the floats of the grid, M0 and the means by ``acb.integral``, whose error is bounded,
weights by the same elimination in balls. Where both ends of an enclosure round to one float64, that
is the correctly rounded value; else it is computed again with more bits (Ziv's loop). An inner time
is proved by the values of gamma half a spacing below and above. Steps that touch an end where a
formula is no number are counted as not proved.
"""

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import flint
import numpy as np
from balls import ball, in_balls
from certify import markdown
from sympy import Expr

import solvergen as sg
from solvergen.algebra import precision
from solvergen.compiler import grid as even_grid
from solvergen.derivation.parameterization import at_schedule, conversion, total_derivative
from solvergen.errors import SolvergenWarning
from solvergen.methods.scheme import Kind, Node
from solvergen.program.instructions import Combine
from solvergen.program.program import PhaseProgram
from solvergen.program.table import columns_of
from solvergen.scalars.rows import steps_of, symbol_values

RESULTS = Path(__file__).parent / "RESULTS_proved_tables.md"
BITS = (160, 320, 640)
"""Of the rounds of Ziv's loop."""
STEPS = 12
NOTHING = flint.arb(2) ** -4000


class UnprovedError(ArithmeticError):
    """An enclosure holds two floats, or is none."""


@dataclass(frozen=True)
class Ball:
    """A real ball that meets the rational numbers of a scheme."""

    arb: Any

    @classmethod
    def of(cls, number: Any) -> Any:
        if isinstance(number, Ball):
            return number.arb
        if isinstance(number, Fraction):
            return flint.arb(number.numerator) / number.denominator
        return flint.arb(number) if isinstance(number, int) else ball(number)

    def __add__(self, other: Any) -> "Ball":
        return Ball(self.arb + self.of(other))

    def __sub__(self, other: Any) -> "Ball":
        return Ball(self.arb - self.of(other))

    def __rsub__(self, other: Any) -> "Ball":
        return Ball(self.of(other) - self.arb)

    def __mul__(self, other: Any) -> "Ball":
        return Ball(self.arb * self.of(other))

    def __truediv__(self, other: Any) -> "Ball":
        return Ball(self.arb / self.of(other))

    def __rtruediv__(self, other: Any) -> "Ball":
        return Ball(self.of(other) / self.arb)

    def __pow__(self, other: Any) -> "Ball":
        return Ball(self.arb ** self.of(other))

    __radd__, __rmul__ = __add__, __mul__

    @cached_property
    def ends(self) -> tuple[Fraction, Fraction]:
        """The ends of an interval that holds it, exactly."""
        if not self.arb.is_finite():
            raise UnprovedError(f"the enclosure is {self.arb}")
        middle, radius = (_fraction(one) for one in (self.arb.mid(), self.arb.rad()))
        return middle - radius, middle + radius

    def rounded(self, below: Fraction) -> tuple[float, ...]:
        """The float64 nearest to every number in it; 0 where all are smaller than ``below``.

        Two neighbours, if it holds the middle of them and no more bits are left: s - t may be just
        that, of which no enclosure tells a side.
        """
        low, high = self.ends
        if -below < low and high < below:
            return (0.0,)
        first, last = float(low), float(high)
        if first == last:
            return (first,)
        if flint.ctx.prec < BITS[-1] or np.nextafter(first, last) != last:
            raise UnprovedError(f"the enclosure is {self.arb}")
        return first, last


def _fraction(one: Any) -> Fraction:
    mantissa, exponent = one.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


@dataclass(frozen=True, eq=False)
class BallScalars:
    """The scalars of step n of a grid in balls, for ``rows.symbol_values``.

    Attributes:
        solver: the solver.
        phase: what the step runs.
        grid: times, taken exactly.
        n: the step.
        asked: the floats at which the network is asked.
    """

    solver: sg.Solver
    phase: PhaseProgram
    grid: tuple[float, ...]
    n: int
    asked: tuple[float, ...]

    def time(self, stage: int) -> float:
        """Where evaluation ``stage`` is; where the step ends for the last stage."""
        position = self.phase.position(stage)
        if position in (0, 1):
            return self.grid[self.n + 1] if position else self.grid[self.n]
        return self.asked[stage]

    def at(self, formula: Expr, time: float) -> Ball:
        """A formula in t, alpha, sigma and their derivatives."""
        return Ball(self.function(formula, time)(flint.acb(flint.arb(time)), False).real)

    def function(self, formula: Expr, time: float) -> Any:
        schedule = self.solver.weights.schedule
        return in_balls(schedule.substitute(at_schedule(formula, schedule)), time)

    def gamma(self, time: float) -> Ball:
        return self.at(self.solver.weights.expansion.variable, time)

    def integrating_factor(self, combine: Combine) -> Ball:
        end, start = self._ends(combine)
        factor = self.solver.weights.ode.factor
        return self.at(factor, end) / self.at(factor, start)

    def zeroth_moment(self, combine: Combine) -> Ball:
        return self._integral(*self._ends(combine), 0)

    def weights(self, combine: Combine) -> list[Ball]:
        end, start = self._ends(combine)
        low = self.gamma(start)
        width = self.gamma(end) - low
        places = [(self.gamma(self._at(one)) - low) / width for one in combine.support]
        zeroth = self._integral(end, start, 0)

        def moment(k: int, along: int | None) -> Ball:
            return self._integral(end if along is None else self.time(along), start, k) / zeroth

        def density() -> Ball:
            ode, variable = self.solver.weights.ode, self.solver.weights.expansion.variable
            return self.at(ode.nonlinear / total_derivative(variable), end) * width / zeroth

        return combine.weights(places, moment, density)

    def conversion_at(self, stage: int) -> tuple[Ball, Ball]:
        forms = conversion(self.solver.prediction, self.solver.integrand)
        a, b = (self.at(one, self.time(stage)) for one in forms)
        return a, b

    def _integral(self, end: float, start: float, k: int) -> Ball:
        """int Phi(end, u) b(u) theta^k du from start to end."""
        ode, variable = self.solver.weights.ode, self.solver.weights.expansion.variable
        speed = self.function(ode.nonlinear / ode.factor, (start + end) / 2)
        gamma = self.function(variable, (start + end) / 2)
        low = self.gamma(start).arb
        width = self.gamma(end).arb - low

        def integrand(z: Any, analytic: bool) -> Any:
            value = speed(z, analytic)
            return value * ((gamma(z, analytic) - low) / width) ** k if k else value

        goal = flint.arb(2) ** -(flint.ctx.prec - 30)
        ends = (flint.acb(flint.arb(one)) for one in (start, end))
        found = flint.acb.integral(integrand, *ends, rel_tol=goal, abs_tol=NOTHING)
        return self.at(ode.factor, end) * Ball(found.real)

    def _ends(self, combine: Combine) -> tuple[float, float]:
        return self._at(combine.node), self._at(combine.base)

    def _at(self, node: Node) -> float:
        return self.grid[self.n - node.index] if node.kind is Kind.PAST else self.time(node.index)


def evaluate(factor: Expr, values: dict[Any, Any]) -> Ball:
    """A factor of a row in balls."""
    if factor.is_Symbol:
        return values[factor] if isinstance(values[factor], Ball) else Ball(Ball.of(values[factor]))
    if factor.is_Rational:
        return Ball(Ball.of(Fraction(factor.p, factor.q)))
    parts = [evaluate(one, values) for one in factor.args]
    if factor.is_Pow:
        return Ball(parts[0].arb ** parts[1].arb)
    found = parts[0]
    for one in parts[1:]:
        found = found + one if factor.is_Add else found * one
    return found


@dataclass
class Count:
    """Literals proved, those of them that are either neighbour of a tie, wrong, not proved."""

    proved: int = 0
    ties: int = 0
    wrong: int = 0
    unproved: int = 0
    bits: int = 0


def prove(solver: sg.Solver, timesteps: Sequence[float]) -> Count:
    """Prove the literals of the module that is baked for a grid."""
    module = sg.compile(solver, "numpy", np.array(timesteps))
    rows, found, first = module.COEFFICIENTS.tolist(), Count(), 0
    grid = tuple(map(float, timesteps))
    gamma = [0.0 if solver.weights.is_finite_at(one) else np.inf for one in _exact(solver, grid)]
    for n, (number, _) in enumerate(steps_of(solver.program, solver.table, gamma)):
        phase = solver.table.phases[number]
        step = rows[first : first + len(phase.rows)]
        first += len(phase.rows)
        asked = tuple(row[0] for row in step)
        scalars = BallScalars(solver, phase.program, grid, n, asked)
        for bits in BITS:
            flint.ctx.prec = bits
            try:
                _step(scalars, phase, step, found)
            except UnprovedError:
                continue
            found.bits = max(found.bits, bits)
            break
        else:
            found.unproved += sum(map(len, step))
    return found


def _exact(solver: sg.Solver, grid: Sequence[float]) -> list[Any]:
    ends = solver.schedule.domain
    return [next((one for one in ends if time == float(one)), time) for time in grid]


def _step(scalars: BallScalars, phase: Any, step: list[list[float]], found: Count) -> None:
    """Count the literals of a step, once all of its enclosures hold one float each."""
    table, compared = scalars.solver.table, list[tuple[float, tuple[float, ...]]]()
    values = symbol_values(phase, scalars)  # type: ignore[arg-type]
    for row, literals in zip(phase.rows, step, strict=True):
        compared.append((literals[0], _asked(scalars, row.stage)))
        columns = columns_of(row, table.shapes[row.shape])
        factors = [evaluate(one, values) for one in columns]
        largest = max(max(map(abs, one.ends)) for one in factors)
        below = largest * Fraction(10) ** (8 - precision.REFERENCE)
        exact = [one.rounded(below) for one in factors]
        compared += zip(literals[table.first_factor :], exact, strict=False)
    equal = sum(one in exact for one, exact in compared)
    found.ties += sum(len(exact) > 1 for _, exact in compared)
    found.proved, found.wrong = found.proved + equal, found.wrong + len(compared) - equal


def _asked(scalars: BallScalars, stage: int) -> tuple[float, ...]:
    """The float nearest to where an evaluation is meant to be: gamma half a spacing beside it."""
    asked, position = scalars.time(stage), scalars.phase.position(stage)
    if position in (0, 1):
        return (asked,)
    start, end = scalars.grid[scalars.n], scalars.grid[scalars.n + 1]
    low = scalars.gamma(start)
    meant = low + (scalars.gamma(end) - low) * Fraction(position)
    variable = scalars.function(scalars.solver.weights.expansion.variable, asked)
    neighbours = [float(np.nextafter(asked, one)) for one in (start, end)]
    halves = [(flint.arb(asked) + flint.arb(one)) / 2 for one in neighbours]
    sides = [variable(flint.acb(one), False).real - meant.arb for one in halves]
    ties = [k for k in (0, 1) if sides[k].contains(0)]
    if ties and (flint.ctx.prec < BITS[-1] or len(ties) > 1):
        raise UnprovedError("an inner time")
    if ties:
        return asked, neighbours[ties[0]]
    return (asked,) if bool(sides[0] > 0) != bool(sides[1] > 0) else ()


CASES = (
    ("rectified_flow", "flow", "time", "multistep:3"),
    ("rectified_flow", "data", "half_log_snr", "unipc:3"),
    ("vp_linear", "data", "half_log_snr", "multistep:3"),
    ("vp_linear", "noise", "time", "singlestep:3"),
    ("vp_cosine", "data", "time", "multistep:2"),
    ("vp_cosine", "noise", "half_log_snr", "singlestep:2"),
    ("sub_vp", "data", "half_log_snr", "multistep:3"),
    ("trigonometric", "velocity", "theta", "singlestep:3"),
    ("flow_shifted", "straight", "sigma/(alpha+sigma)", "unipc:2"),
    ("zero_terminal_snr", "data", "half_log_snr", "multistep:2"),
    ("ve", "noise", "sigma/alpha", "heun"),
    ("edm", "data", "half_log_snr", "singlestep:3"),
)


def rows_of_cases(steps: int = STEPS) -> Iterator[tuple[str, ...]]:
    """Schedule, integrand, expansion, scheme, literals proved, ties, wrong, not proved, bits, s."""
    for name, integrand, expansion, scheme in CASES:
        solver = sg.Solver(name, integrand, integrand, expansion, scheme, limiter=None)
        low, high = map(float, solver.schedule.domain)
        margin = 0.02 * (high - low)
        grid = even_grid(solver, steps, "time", high - margin, low + margin)
        started = time.process_time()
        found = prove(solver, grid)
        yield (
            name, integrand, expansion, scheme, str(found.proved), str(found.ties),
            str(found.wrong), str(found.unproved), str(found.bits),
            f"{time.process_time() - started:.1f}",
        )  # fmt: skip


HEADS = (
    "schedule", "integrand", "expansion", "scheme", "proved", "ties", "wrong", "not proved", "bits",
    "s",
)  # fmt: skip


def report(found: list[tuple[str, ...]]) -> str:
    return "\n\n".join(
        (
            "# Baked tables, proved",
            "`python benchmarks/proved_tables.py --write`: every literal of tables for grids of "
            f"{STEPS} steps, which ball arithmetic\n(python-flint) proves to be the correctly "
            "rounded float64 of what it stands for, or (ties) one of two whose middle no "
            "enclosure\nof 640 bits tells it from; seconds of a processor. Inner times are proved "
            "too, by the sign of gamma half a spacing\nbeside where the network is asked.",
            markdown(HEADS, found),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="RESULTS_proved_tables.md")
    options = parser.parse_args()
    warnings.simplefilter("ignore", SolvergenWarning)
    found = []
    for row in rows_of_cases():
        print("| " + " | ".join(row) + " |", flush=True)
        found.append(row)
    if options.write:
        RESULTS.write_text(report(found) + "\n")


if __name__ == "__main__":
    main()
