"""A search for the rows of a module that are most wrong.

The rows of adversarial grids (``grids``), down and up, are compared with those of a copy on finer
panels, which costs nothing and finds what the quadrature does wrong; alpha, sigma, A and B are
compared with many digits at some hundred times. Around the worst of both, and at random for what
neither sees, rows are compared with an independent reference (``row_errors``), until its budget is
spent; the first step of every phase is beside that. All of it is seeded and bounded in size: the
same module has the same rows searched on every machine.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise, zip_longest
from types import ModuleType

import mpmath
import numpy as np
from numpy.typing import NDArray
from sympy import Expr, oo

from solvergen.algebra.evaluation import compiled, evaluate_mp, is_real, time_of
from solvergen.algebra.steady import NUMPY
from solvergen.derivation.parameterization import conversion
from solvergen.measurement.grids import adversarial, falling
from solvergen.measurement.row_errors import (
    ROUNDED,
    RowError,
    errors_of_step,
    is_weight,
    marks,
    shifted,
)
from solvergen.program.table import Table, TablePhase, columns_of
from solvergen.scalars.cells import is_resolved
from solvergen.scalars.formulas import Formulas
from solvergen.scalars.intervals import Intervals
from solvergen.scalars.rows import steps_of
from solvergen.schedules.values import numeric_limit, together_at
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha, sigma, t

Array = NDArray[np.float64]

SUSPECT = 3e-14
"""An error beyond this is measured again with a finer reference, ..."""
SURE = 1e-8
"""... up to this, which is none of the reference."""
DIGITS = 60
TIMES = 96
MISSING = float("inf")
CONVERSION = "_conversion"
"""What says A and B in a module."""
NONE = RowError(0.0, "", 0.0, 0.0)


@dataclass(frozen=True)
class Effort:
    """How much is searched.

    Attributes:
        points: of a long grid.
        rounds: grids of each kind.
        worst: rows with the largest differences from the finer copy that are measured.
        random: rows measured beside those.
        panels: of the reference, in all: for one step no more than a quarter. The first step of
            every phase is measured if it takes no more than all; these have twice as many in all,
            and what they take beyond is not there for others.
    """

    points: int
    rounds: int
    worst: int
    random: int
    panels: int


QUICK = Effort(points=60, rounds=4, worst=8, random=12, panels=100)
FULL = Effort(points=600, rounds=12, worst=25, random=40, panels=4000)


@dataclass(frozen=True)
class Candidate:
    """A step of a grid, the phase that it runs, and how far its rows are from the finer copy's."""

    grid: tuple[float, ...]
    step: int
    distance: float
    phase: int

    @classmethod
    def of(cls, solver: Solver, grid: Sequence[float], step: int, distance: float) -> "Candidate":
        """With its phase."""
        steps = steps_of(solver.program, solver.table, marks(solver, grid))
        return cls(tuple(grid), step, distance, steps[step][0])


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        rows: how many were computed.
        steps: how many steps were compared with the reference.
        worst: the largest error.
        beside: the largest error of steps so near to an end that t does not resolve the distance
            (``cells.is_resolved``).
    """

    rows: int
    steps: int
    worst: RowError
    beside: RowError


def search(
    solver: Solver,
    module: ModuleType,
    finer: ModuleType,
    effort: Effort = QUICK,
    measure: Callable[..., Sequence[RowError]] = errors_of_step,
) -> Found:
    """Look for the worst row of a module.

    Args:
        solver: of the module.
        module: its coefficients.
        finer: the same on finer panels (``rendering.coefficients_module``).
        effort: how much.
        measure: (solver, found, grid, n, refined=1) -> the errors of step n of a grid.
    """
    candidates, rows = list[Candidate](), 0
    weights = [_weights_of(solver.table, phase) for phase in solver.table.phases]
    for grid in _both_ways(solver, adversarial(module, effort.points, effort.rounds)):
        candidates += _differences(solver, module, finer, grid, weights)
        rows += len(grid) - 1
    chosen = [*_beside_bad_scalars(solver, module), *_to_the_ends(solver, module)]
    chosen += _picked(candidates, effort)
    steps, left, firsts, seen = 0, effort.panels, 2 * effort.panels, set[int]()
    worst = dict.fromkeys((True, False), NONE)
    for one in chosen:
        cost, is_first = cost_of(solver, one), one.phase not in seen
        if cost > (effort.panels if is_first else min(left, effort.panels // 4)):
            continue
        read = one.grid[max(one.step - solver.program.history, 0) : one.step + 2]
        is_plain = all(is_resolved(time, solver.schedule) for time in read)
        found = _worst(_errors(solver, module, one, measure))
        if is_plain and max(SUSPECT, worst[is_plain].error) < found.error <= SURE:
            found, cost = _worst(_errors(solver, module, one, measure, refined=2)), 3 * cost
        spared = min(cost, firsts) if is_first else 0
        firsts, left = firsts - spared, left - (cost - spared)
        steps += found != NONE
        seen.add(one.phase)
        worst[is_plain] = _worst([worst[is_plain], found])
    return Found(rows, steps, worst[True], worst[False])


def _both_ways(solver: Solver, grids: Iterable[Array]) -> Iterator[list[float]]:
    """Every second grid upwards, as runs from data to noise go; none where noise is added, which
    is on the way down alone."""
    goes_up = not Formulas.of(solver).is_noisy
    for n, grid in enumerate(grids):
        yield (grid[::-1] if n % 2 and goes_up else grid).tolist()


def _worst(errors: Sequence[RowError]) -> RowError:
    return max(errors, key=lambda one: one.error, default=NONE)


def _errors(
    solver: Solver,
    module: ModuleType,
    one: Candidate,
    measure: Callable[..., Sequence[RowError]],
    refined: int = 1,
) -> Sequence[RowError]:
    """The errors of a step; what has no finite coefficients has an infinite one, if it should."""
    found = rows_of(module, one.grid)
    if found is None and one.distance != MISSING:
        return []  # a run that the module refuses
    if found is None:
        count = sum(len(phase.rows) for phase in solver.table.phases) * len(one.grid)
        found = np.full((count, solver.table.width), np.nan)
        found[:, 0] = one.grid[one.step]
    return measure(solver, found, one.grid, one.step, refined=refined)


def rows_of(module: ModuleType, grid: Sequence[float]) -> Array | None:
    """The coefficients of a grid; None if they are not finite or the grid cannot be run."""
    return _rows_of(module, tuple(grid))


@lru_cache(maxsize=128)
def _rows_of(module: ModuleType, grid: tuple[float, ...]) -> Array | None:
    """The same, kept: steps that are compared are on grids that were run before."""
    try:
        found: Array = module.coefficients(np.array(grid))
    except ValueError:
        return None
    return found


def _differences(
    solver: Solver,
    module: ModuleType,
    finer: ModuleType,
    grid: list[float],
    weights: list[list[list[int]]],
) -> Iterator[Candidate]:
    """The steps of a grid with their distances from the finer copy in the columns of weights: 0
    where nothing is integrated, and the copy is the module itself."""
    found = rows_of(module, grid)
    fine = found if finer is module else rows_of(finer, grid)
    if found is None or fine is None:
        reach = solver.program.history + 2
        if len(grid) > reach:
            middle = len(grid) // 2
            for part in (grid[: middle + 1], grid[middle:]):
                yield from _differences(solver, module, finer, part, weights)
        elif len(grid) > 1:
            pairs = [pair for pair in pairwise(grid) if rows_of(module, pair) is None]
            short = pairs[0] if pairs else grid
            yield Candidate.of(solver, short, len(short) - 2, MISSING)
        return
    laid_out = steps_of(solver.program, solver.table, marks(solver, grid))
    distances = np.zeros(len(laid_out))
    if fine is not found:
        for number in dict.fromkeys(number for number, _ in laid_out):
            steps = [n for n, one in enumerate(laid_out) if one[0] == number]
            firsts = np.array([laid_out[n][1] for n in steps])
            for k, inside in enumerate(weights[number]):
                rows = np.ix_(firsts + k, np.array(inside, dtype=np.intp))
                distances[steps] = np.maximum(distances[steps], _distances(found[rows], fine[rows]))
    for n, (number, _) in enumerate(laid_out):
        yield Candidate(tuple(grid), n, float(distances[n]), number)


def _weights_of(table: Table, phase: TablePhase) -> list[list[int]]:
    """In which columns of the rows of a phase weights stand."""
    return [
        [
            table.first_factor + k
            for k, column in enumerate(columns_of(row, table.shapes[row.shape]))
            if is_weight(column)
        ]
        for row in phase.rows
    ]


def _distances(found: Array, fine: Array) -> Array:
    """Row by row the largest difference of weights, relative to the largest."""
    largest = np.max(np.abs(fine), axis=1, initial=0.0)
    differences = np.max(np.abs(found - fine), axis=1, initial=0.0)
    return np.divide(differences, largest, out=np.zeros(largest.size), where=largest > 0.0)


def _picked(candidates: list[Candidate], effort: Effort) -> Iterator[Candidate]:
    """The worst of each phase, then the worst and some random ones in turn, so that a small budget
    has some of each.
    """
    order = np.argsort([-one.distance for one in candidates], kind="stable")
    yield from {candidates[k].phase: _shortened(candidates[k]) for k in order[::-1]}.values()
    random = np.random.default_rng(0).permutation(len(candidates))
    worst = [candidates[k] for k in order[: effort.worst]]
    others = [candidates[k] for k in random[: effort.random]]
    for pair in zip_longest(worst, others):
        yield from (_shortened(one) for one in pair if one is not None)


def _shortened(one: Candidate) -> Candidate:
    """The same step: neighbours that are too many to matter left out."""
    first, last = max(one.step - 12, 0), one.step + 14
    return Candidate(one.grid[first:last], one.step - first, one.distance, one.phase)


def _to_the_ends(solver: Solver, module: ModuleType) -> Iterator[Candidate]:
    """Runs that touch the ends of the domain."""
    low, high = float(module.T_MIN), float(module.T_MAX)
    inner = time_of(np.array([3.0, 1.0, -1.0, -3.0]), low, high).tolist()
    runs = [((high, *inner), 0), ((*inner, low), 3), ((high, inner[1], low), 1)]
    for grid, step in (*runs, ((*inner[::-1], high), 3)):
        yield Candidate.of(solver, grid, step, 0.0)


def _beside_bad_scalars(solver: Solver, module: ModuleType) -> Iterator[Candidate]:
    """Steps that end where alpha or sigma of the module is most wrong, and that start where A or B
    is by more than roundings."""
    low, high = float(module.T_MIN), float(module.T_MAX)
    times = time_of(np.linspace(-32.0, 32.0, TIMES), low, high)
    times = falling(times, low, high)
    for name in ("alpha", "sigma"):
        errors = scalar_errors(solver, module, name, times)
        end = float(times[int(np.argmax(errors))])
        gap = 0.1 * min(end - low, high - end)
        grid = [end + gap * k for k in (4.0, 2.0, 1.0, 0.0) if end + gap * k < high]
        if len(grid) > 1:
            yield Candidate.of(solver, grid, len(grid) - 2, float(np.max(errors)))
    for errors in conversion_errors(solver, module, times):
        wrong = [k for k in np.argsort(-errors[:-1], kind="stable") if errors[k] > ROUNDED]
        resolved = (k for k in wrong if is_resolved(float(times[k]), solver.schedule))
        for k in dict.fromkeys([*wrong[:1], *islice(resolved, 1)]):
            grid = [*times[max(k - 3, 0) : k + 1], times[min(k + 5, times.size - 1)]]
            yield Candidate.of(solver, list(map(float, grid)), len(grid) - 2, float(errors[k]))


def scalar_errors(solver: Solver, module: ModuleType, name: str, times: Array) -> Array:
    """The relative errors of alpha or sigma of a module at some times; 0 where they are 0 or
    infinite."""
    schedule = solver.schedule
    given = getattr(schedule, name)
    formula = schedule.substitute(given)
    limits = {float(end): numeric_limit(given, schedule, end) for end in schedule.domain}
    found = getattr(module, name)(times)
    errors = []
    for time, value in zip(times.tolist(), found.tolist(), strict=True):
        with mpmath.workdps(DIGITS):
            meant = {mpmath.mpf(time), shifted(time, schedule)}
            truths = [evaluate_mp(formula, t, one, DIGITS) for one in meant]
            truths = [one for one in truths if is_real(one) and one != 0]
            known = bool(truths) and limits.get(time, 1) not in (0, oo)
            error = min((abs(value - one) / abs(one) for one in truths), default=0) * known
        errors.append(float(error) if np.isfinite(value) else MISSING * bool(known))
    return np.nan_to_num(np.array(errors), nan=0.0, posinf=MISSING)


def conversion_errors(solver: Solver, module: ModuleType, times: Array) -> Array:
    """The errors of those of A and B of a module that are no numbers, at falling times inside the
    domain.

    Relative to the largest value at a time and its neighbours, because A may be 0 between them.
    """
    forms = Formulas.of(solver).conversion.forms
    pairs = zip(conversion(solver.prediction, solver.integrand), forms, strict=True)
    general = tuple(one for one, form in pairs if not form.is_number)
    if not general:
        return np.zeros((0, times.size))
    varying = [form for form in forms if not form.is_number]
    found = np.array(np.broadcast_arrays(times, *_converted(module, varying, times)))[1:]
    exact = together_at(general, solver.schedule)
    gaps, sizes = np.zeros_like(found), np.zeros_like(found)
    for k, time in enumerate(times.tolist()):
        with mpmath.workdps(DIGITS):
            meant = {mpmath.mpf(time), shifted(time, solver.schedule)}
            truths = map(exact, meant)
            columns = [np.array(one) for one in truths if one is not None]
            if columns:
                gaps[:, k] = np.min([np.abs(found[:, k] - one) for one in columns], axis=0)
                sizes[:, k] = np.abs(columns[0])
    around = np.pad(sizes, ((0, 0), (1, 1)))
    largest = np.max([around[:, :-2], sizes, around[:, 2:]], axis=0)
    is_known = (largest > 0.0) & np.isfinite(largest)
    errors = np.divide(gaps, largest, out=np.zeros_like(gaps), where=is_known)
    return np.nan_to_num(errors, nan=MISSING, posinf=MISSING)


def _converted(module: ModuleType, forms: Sequence[Expr], times: Array) -> Sequence[Array]:
    """A and B of a module; where steps spell these, they are formulas in alpha and sigma."""
    function = getattr(module, CONVERSION, None)
    with np.errstate(all="ignore"):
        if function is not None:
            return [*function(times)]
        scales = module.alpha(times), module.sigma(times)
        return [compiled(one, (alpha, sigma), "numpy")(*scales) for one in forms]


def cost_of(solver: Solver, one: Candidate) -> int:
    """About how many panels of 16 nodes the reference takes for a step.

    Landings of a step share what is integrated, between the times where they end; the weights of
    each take about as long as a panel.
    """
    phase = solver.table.phases[one.phase].program
    low, high = map(float, solver.schedule.domain)
    gap = 1e-40 * (high - low)
    start, end = (one.grid[one.step + k] for k in (0, 1))
    spread = [
        float(NUMPY.log((max(time - low, gap)) / max(high - time, gap))) for time in (start, end)
    ]
    first, last = min(start, end), max(start, end)
    kinks = sum(first < float(kink) < last for kink in solver.schedule.kinks)
    panels = 1 + abs(spread[0] - spread[1]) + kinks / 3 + len(Intervals(phase).inner) / 2
    intervals = 1 + (phase.correction is not None)
    transported = 40 if solver.ode.factor is None else 1
    return int(transported * intervals * panels + len(phase.landings) - intervals)
