"""Worst errors of the weights of emitted modules against mpmath at 50 digits.

    python benchmarks/coefficients.py [--quick] [--schedule NAME ..] [--write]

Every named schedule x integrand x expansion that exists; for each, 200 random step sequences
(--quick: 24) of seven kinds. A sequence is a grid whose last step is measured: with 2 to 5 nodes at
its start and before it, or, for the steps that start at t_max, with 5 nodes at its start and
inside. What is measured is M0 ell_j, as ``coefficients(grid)`` has it; the reference integrates
Phi(t, u) b(u) over v = log((u - t_min)/(t_max - u)), a variable that no emitted module uses, with
every function of time evaluated from its definition at exactly the float64 times. The error is
relative to max |M0 ell_j| of the support.
"""

import argparse
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from sympy import Expr, lambdify

import solvergen as sg
from solvergen.algebra.evaluation import as_mp, compiled
from solvergen.compiler import load_text
from solvergen.derivation.semilinear import nonlinear
from solvergen.errors import SolvergenError
from solvergen.methods.rule import interpolated
from solvergen.methods.scheme import Kind
from solvergen.program.table import columns_of, zeroth_moment
from solvergen.program.table import weight as weight_symbol
from solvergen.scalars.quadrature import gauss
from solvergen.scalars.rows import steps_of
from solvergen.symbols import alpha, alpha_dot, sigma, sigma_dot, t
from solvergen.targets import rendering

RESULTS = Path(__file__).parent / "RESULTS_weights.md"
DIGITS = 50
GUARD = 50
NODES, NODES_IF_NARROW = 24, 10
PANEL, NARROW = 1, 0.1
REACH = 110
INTEGRANDS = ("noise", "data", "velocity", "flow", "score", "straight")
EXPANSIONS = ("half_log_snr", "time", "sigma/alpha", "sigma/(alpha+sigma)", "theta", "clock")
KINDS = ("uniform", "geometric", "uneven", "tiny", "tiny_late", "to_t_min", "from_t_max")
ORDERS = (2, 3, 4, 5)
NODES_AT_MOST = 5
HISTORY = "multistep:5:ramp"
INNER = "1/5:{0}; 2/5:{0}; 3/5:{0}; 4/5:{0}; 1:{0,s1,s2,s3,s4}"
SYMBOLS = (t, alpha, sigma, alpha_dot, sigma_dot)


def sequences(schedule: sg.NoiseSchedule, count: int) -> dict[str, np.ndarray]:
    """For each kind random grids: six falling times, or two for a step that starts at t_max."""
    low, high = float(schedule.t_min), float(schedule.t_max)
    width = high - low
    seed = zlib.crc32(schedule.name.encode())
    rng = np.random.default_rng(seed)
    each = -(-count // len(KINDS))
    found = {}
    for kind in KINDS:
        rows: list[np.ndarray] = []
        while len(rows) < each:
            row = _sequence(kind, low, high, width, rng)
            grid = np.sort(row)[::-1]
            if np.all(np.diff(grid) < 0) and grid[-1] >= low and grid[0] <= high:
                rows.append(grid)
        found[kind] = np.array(rows)
    return found


def _sequence(kind: str, low: float, high: float, width: float, rng: Any) -> np.ndarray:
    if kind == "uniform":
        return low + width * (rng.uniform(0.001, 0.15) + rng.uniform(0.02, 0.16) * np.arange(6))
    if kind == "geometric":
        return low + width * 10 ** rng.uniform(-8, -2.5) * rng.uniform(1.05, 3) ** np.arange(6)
    if kind == "uneven":
        steps = 10 ** rng.uniform(-4, 0, 5)
        steps *= width * 10 ** rng.uniform(-3, -0.3) / steps.sum()
        return low + width * rng.uniform(0.001, 0.45) + np.append(0.0, np.cumsum(steps))
    if kind == "tiny":
        start = low + width * rng.uniform(0.01, 0.9)
        steps = np.ceil(10 ** rng.uniform(0, 6, 5)) * np.spacing(high)
        return start + np.append(0.0, np.cumsum(steps))
    if kind == "tiny_late":
        steps = np.ceil(10 ** rng.uniform(0, 5, 6)) * np.spacing(high)
        return (high - np.cumsum(steps))[::-1]
    if kind == "to_t_min":
        row = low + width * 10 ** rng.uniform(-9, -1) * rng.uniform(1.2, 2) ** np.arange(-1.0, 5.0)
        return np.append(low, row[1:])
    return np.array([low + width * rng.uniform(0.05, 0.9), high])


@dataclass(frozen=True)
class Definitions:
    """alpha, sigma and their derivatives at 50 digits."""

    schedule: sg.NoiseSchedule

    def at(self, time: Any) -> tuple[Any, ...]:
        return (time, *(function(time) for function in self._functions))

    def end(self, time: float) -> tuple[Any, ...]:
        """The functions where the quadrature ends."""
        low, width = as_mp(self.schedule.t_min), as_mp(self.schedule.t_max - self.schedule.t_min)
        at_end = time == float(self.schedule.t_min)
        return self.at(low + width * mpmath.exp(-REACH) if at_end else mpmath.mpf(time))

    @property
    def _functions(self) -> tuple[Any, ...]:
        return _functions(self.schedule)

    def nodes(self, end: float, start: float) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """The functions at quadrature nodes over the step, with the weights in time."""
        low, width = as_mp(self.schedule.t_min), as_mp(self.schedule.t_max - self.schedule.t_min)
        kinks = [as_mp(one) for one in self.schedule.kinks if end < one < start]
        path = [_logit((one - low) / width) for one in (mpmath.mpf(end), *kinks, mpmath.mpf(start))]
        for first, last in pairwise(path):
            count = max(1, int(mpmath.ceil((last - first) / PANEL)))
            narrow = (last - first) / count < NARROW
            nodes, weights = gauss(NODES_IF_NARROW if narrow else NODES, mpmath.mp.dps)
            for k in range(count):
                for x, weight in zip(nodes, weights, strict=True):
                    v = first + (last - first) * (k + x) / count
                    small = mpmath.exp(-abs(v))
                    fraction = (1 if v > 0 else small) / (1 + small)
                    speed = width * small / (1 + small) ** 2
                    share = weight * (last - first) / count
                    yield self.at(low + width * fraction), share * speed


@lru_cache(maxsize=1)
def _functions(schedule: sg.NoiseSchedule) -> tuple[Any, ...]:
    exact = (schedule.alpha, schedule.sigma, schedule.alpha.diff(t), schedule.sigma.diff(t))
    return tuple(compiled(schedule.substitute(one), (t,), "mpmath") for one in exact)


def _logit(fraction: Any) -> Any:
    if fraction <= 0 or fraction >= 1:
        return mpmath.mpf(-REACH if fraction <= 0 else REACH)
    return mpmath.log(fraction / (1 - fraction))


@dataclass(frozen=True)
class Sampled:
    """A grid with the definitions at its times and at the quadrature nodes of its last step."""

    kind: str
    grid: np.ndarray
    at_times: dict[float, tuple[Any, ...]]
    quadrature: list[tuple[tuple[Any, ...], Any]]
    end: tuple[Any, ...]

    known: dict[Expr, list[Any]] = field(default_factory=dict)

    def values(self, form: Expr) -> list[Any]:
        """A function of t, alpha, sigma and their derivatives at the quadrature nodes."""
        if form not in self.known:
            function = lambdify(SYMBOLS, form, "mpmath")
            self.known[form] = [function(*values) for values, _ in self.quadrature]
        return self.known[form]

    def clock(self, speed: Expr) -> list[Any]:
        """q' times the weights."""
        pairs = zip(self.values(speed), self.quadrature, strict=True)
        return [value * weight for value, (_, weight) in pairs]


def sample(schedule: sg.NoiseSchedule, count: int) -> list[Sampled]:
    """Evaluate a schedule wherever the references of its sequences need it."""
    definitions = Definitions(schedule)
    found = []
    for kind, grids in sequences(schedule, count).items():
        for grid in grids:
            at_times = {float(one): _safely(definitions, one) for one in grid}
            quadrature = list(definitions.nodes(grid[-1], grid[-2]))
            found.append(Sampled(kind, grid, at_times, quadrature, definitions.end(grid[-1])))
    return found


def _safely(definitions: Definitions, time: float) -> tuple[Any, ...]:
    """At an end of the domain the values 10^-40 inside: functions there may be infinite."""
    low, high = (float(end) for end in definitions.schedule.domain)
    inside = mpmath.mpf(10) ** -40 * (int(time == low) - int(time == high))
    return definitions.at(mpmath.mpf(time) + inside)


@dataclass(frozen=True)
class Measured:
    """A module whose landings are Phi x + M0 sum_j ell_j N_j, N_0 being the prediction."""

    module: Any
    solver: sg.Solver

    @classmethod
    def of(cls, spec: sg.Solver, scheme: str) -> "Measured":
        plain = sg.Solver(
            spec.schedule, spec.integrand, spec.integrand, spec.expansion, scheme, None
        )
        return cls(load_text(rendering.coefficients_module(plain), "measured"), plain)

    def weights(self, grid: np.ndarray) -> dict[float, float]:
        """M0 ell_j of the last step of a grid, by the times of the nodes; empty without any."""
        domain = self.solver.schedule.domain
        ends = [float(one) for one in domain if not self.solver.weights.is_finite_at(one)]
        if {grid[0], grid[-1]} & set(ends):
            return {}
        try:
            rows = self.module.coefficients(grid)
        except ValueError:
            return {}  # Phi is infinite at the start
        table = self.solver.table
        number, first = steps_of(self.solver.program, table, grid)[-1]
        row, combine = table.phases[number].rows[-1], table.phases[number].program.combines[-1]
        factors = columns_of(row, table.shapes[row.shape])
        found = {}
        for j, node in enumerate(combine.support):
            ell = 1 if len(combine.support) == 1 else weight_symbol(combine.stage, j)
            column = table.first_factor + factors.index(zeroth_moment(combine.stage) * ell)
            past = node.kind is Kind.PAST
            time = grid[-2 - node.index] if past else rows[first + node.index, 0]
            found[float(time)] = float(rows[-1, column])
        return found


def moments(one: Sampled, speed: Expr, variable: Expr, start: Any) -> tuple[Any, list[Any]]:
    """The integral of q' against time, and the means over q of (gamma - gamma_s)^k."""
    power, gaps = one.clock(speed), [place - start for place in one.values(variable)]
    sums = [mpmath.fsum(power)]
    for _ in range(1, NODES_AT_MOST):
        power = [a * b for a, b in zip(power, gaps, strict=True)]
        sums.append(mpmath.fsum(power))
    return -sums[0], [total / sums[0] for total in sums]


def exact_weights(means: list[Any], places: list[Any]) -> list[Any]:
    """ell_j for nodes at gamma_j - gamma_s."""
    return interpolated(places, means[: len(places)])


def worst(spec: sg.Solver, samples: list[Sampled]) -> dict[str, float]:
    """The worst error of each kind of sequence."""
    history, inner = Measured.of(spec, HISTORY), Measured.of(spec, INNER)
    definitions = Definitions(spec.schedule)
    factor = 1 if spec.ode.factor is None else spec.ode.factor
    speed, variable = nonlinear(spec.integrand) / factor, spec.expansion.variable
    gamma, at_end = (lambdify(SYMBOLS, one, "mpmath") for one in (variable, factor))
    errors: dict[str, float] = {}
    for one in samples:
        at_once = one.kind == "from_t_max"
        grids = [one.grid] if at_once else [one.grid[-order - 1 :] for order in ORDERS]
        measured = [(inner if at_once else history).weights(grid) for grid in grids]
        if not any(measured):
            continue
        start = gamma(*one.at_times[float(one.grid[-2])])
        length, means = moments(one, speed, variable, start)
        moment = at_end(*one.end) * length
        for found in filter(None, measured):
            nodes = [one.at_times.get(time) or _safely(definitions, time) for time in found]
            truth = exact_weights(means, [gamma(*values) - start for values in nodes])
            error = _error(list(found.values()), [moment * ell for ell in truth])
            errors[one.kind] = max(errors.get(one.kind, 0.0), error)
    return errors


def _error(found: list[float], truth: list[Any]) -> float:
    """The largest difference of two sets of weights, relative to the largest weight."""
    gaps = (abs(mpmath.mpf(float(a)) - b) for a, b in zip(found, truth, strict=True))
    return float(max(gaps) / max(map(abs, truth)))


def solver(schedule: sg.NoiseSchedule, integrand: str, expansion: str) -> sg.Solver | None:
    try:
        return sg.Solver(schedule, sg.VELOCITY, integrand, expansion, "multistep:5:ramp", None)
    except SolvergenError:
        return None


def rows(names: list[str], count: int) -> Iterator[tuple[str, ...]]:
    """The rows of the table: what was measured, the worst error of each kind, what was not."""
    for name in names:
        schedule = sg.schedules.get(name)
        samples = sample(schedule, count)
        for integrand in INTEGRANDS:
            for expansion in EXPANSIONS:
                spec = solver(schedule, integrand, expansion)
                if spec is not None:
                    errors = worst(spec, samples)
                    shown = (f"{errors[kind]:.0e}" if kind in errors else "" for kind in KINDS)
                    yield name, integrand, expansion, *shown


def worst_of_schedules(found: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The same for each schedule: how many combinations, and the worst of them."""
    grouped: dict[str, list[tuple[str, ...]]] = {}
    for name, _, _, *cells in found:
        grouped.setdefault(name, []).append(tuple(cells))
    return [
        (name, str(len(group)), *(max(column, key=_number) for column in zip(*group, strict=True)))
        for name, group in grouped.items()
    ]


def _number(cell: str) -> float:
    return float(cell or 0)


def markdown(heads: tuple[str, ...], found: list[tuple[str, ...]]) -> str:
    lines = (heads, ("---",) * len(heads), *found)
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def report(found: list[tuple[str, ...]], count: int) -> str:
    """What RESULTS_weights.md says."""
    return "\n\n".join(
        (
            "# Worst errors of the weights",
            f"`python benchmarks/coefficients.py --write`: {count} random step sequences for each "
            "schedule, with supports of 2 to 5 nodes,\nagainst mpmath; errors relative to "
            "max |M0 ell_j|. Empty: there are no weights (gamma or Phi is infinite there).\n"
            "The host code that computes them is the same text for every target.",
            markdown(("schedule", "combinations", *KINDS), worst_of_schedules(found)),
            "## Every combination",
            markdown(("schedule", "integrand", "expansion", *KINDS), found),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="24 sequences each")
    parser.add_argument("--schedule", nargs="*", help="all by default")
    parser.add_argument("--write", action="store_true", help="RESULTS_weights.md")
    options = parser.parse_args()
    mpmath.mp.dps = DIGITS + GUARD
    names = options.schedule or list(sg.schedules.names())
    count = 24 if options.quick else 200
    found = []
    for row in rows(names, count):
        print("| " + " | ".join(row) + " |", flush=True)
        found.append(row)
    if options.write:
        RESULTS.write_text(report(found, count) + "\n")


if __name__ == "__main__":
    main()
