"""Modules for one grid in the libraries that take the steps: every input from the one before.

A scheduler is handed a sample and returns the next one, and may find it changed in between. A run
in its unrolled form (THEORY section 11), z_i = C_i0 x + sum_(j<i) C_i,j+1 P_j, is for that

    z_(i+1) = r z_i + sum_(j<=i) (C_(i+1),j+1 - r C_i,j+1) P_j,      r = C_(i+1),0/C_i0,

which is the same run, whatever its scheme, and that of coefficients that were fitted: a factor of
the sample and one of every prediction. What comes out as 0, because no scheme reads so far back,
is not written, and a run keeps the predictions that are read alone. Coefficients were rounded
before, so that 0 is what lies below the rounding of the largest factor of its row.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath

from solvergen import targets
from solvergen.algebra import precision
from solvergen.algebra.evaluation import evaluate_mp
from solvergen.derivation.parameterization import DATA, at_schedule, conversion
from solvergen.errors import EmissionError
from solvergen.program.table import Array, Place, Table
from solvergen.scalars.baking import Baked, rounded, statement
from solvergen.specification.solver import Solver
from solvergen.symbols import t
from solvergen.targets import rendering
from solvergen.targets.definitions import literal, specification_code, specification_tables
from solvergen.targets.docstring import docstring
from solvergen.targets.solver_names import function_name
from solvergen.targets.target import require_own_time

Rows = list[list[Any]]
MOST = 100
"""Evaluations of such a run, all of whose predictions may be kept."""
ROUNDING = mpmath.mpf(2) ** -53
"""Of the largest factor of a row: less than that is 0."""
WIDTH = 98
DIGITS = precision.REFERENCE + 10


@dataclass(frozen=True)
class WholeRun:
    """A run from its first sample to its last.

    Attributes:
        times: of the evaluations, and where it ends [N + 1].
        rows: C [N + 1, N + 1] in many digits.
    """

    times: tuple[float, ...]
    rows: Rows

    @classmethod
    def of_table(cls, table: Table, baked: Baked) -> "WholeRun":
        """That of a grid and its coefficients, which add no noise."""
        times = *(row[0] for row in baked.rows), baked.timesteps[-1]
        with mpmath.workdps(DIGITS):
            return cls(times, _unrolled(table, baked))

    @classmethod
    def of_landings(cls, landings: Sequence[Sequence[float]]) -> "WholeRun":
        """That of fitted coefficients, the time before each row."""
        rows = [[mpmath.mpf(one) for one in row[1:]] for row in landings]
        return cls(tuple(row[0] for row in landings), rows)

    def from_sample(self) -> list[tuple[float, ...]]:
        """The factors of the sample, and of the last predictions that are read, in the next one."""
        with mpmath.workdps(DIGITS):
            found = []
            for n, (before, after) in enumerate(zip(self.rows, self.rows[1:], strict=False)):
                if before[0] == 0 and after[0] != 0:
                    raise EmissionError(
                        f"the input of evaluation {n} does not read x, and the next one does; "
                        "expected another scheme for a target that is handed its samples"
                    )
                ratio = after[0] / before[0] if before[0] else mpmath.mpf(0)
                rest = [b - ratio * a for a, b in zip(before, after, strict=True)][1 : n + 2]
                ratio, *rest = _rounded([ratio, *rest])
                read = next((k for k, one in enumerate(rest) if one), len(rest) - 1)
                found.append((ratio, *rest[read:]))
            return found

    def in_data(self, solver: Solver, scales: Sequence[Any]) -> "WholeRun":
        """The same run of x/scale, whose network returns the data.

        Args:
            solver: with the prediction that the rows are of.
            scales: of the sample, at every time.

        Raises:
            EmissionError: the data do not determine a prediction, because it is asked for where
                sigma = 0.
        """
        schedule = solver.schedule
        forms = [
            schedule.substitute(at_schedule(one, schedule))
            for one in conversion(DATA, solver.prediction)
        ]
        with mpmath.workdps(DIGITS):
            found: Rows = []
            predictions: Rows = []
            for row, time, scale in zip(self.rows, self.times, scales, strict=True):
                unit = [row[0] * scales[0], *(mpmath.mpf(0) for _ in row[1:])]
                for factor, one in zip(row[1:], predictions, strict=False):
                    unit = [a + factor * b for a, b in zip(unit, one, strict=True)]
                found.append([one / scale for one in unit])
                if len(predictions) < len(row) - 1:
                    a, b = (evaluate_mp(form, t, time, DIGITS) for form in forms)
                    if not (mpmath.isfinite(a) and mpmath.isfinite(b)):
                        raise EmissionError(
                            f"the run asks at t = {time}, where the denoised sample does not "
                            f"determine {solver.prediction.name}; expected a solver whose last "
                            "evaluation is before sigma = 0, or the prediction data"
                        )
                    predictions.append([a * one for one in unit])
                    predictions[-1][len(predictions)] += b
            return WholeRun(self.times, found)


def _rounded(row: list[Any]) -> tuple[float, ...]:
    """Floats, with 0 for what the rounding of coefficients before has left."""
    least = ROUNDING * max(map(abs, row))
    return rounded([one if abs(one) > least else mpmath.mpf(0) for one in row])


def _unrolled(table: Table, baked: Baked) -> Rows:
    """The table, run on the vectors of these combinations in place of samples."""
    count = len(baked.rows)
    units = [[mpmath.mpf(i == j) for i in range(count + 1)] for j in range(count + 1)]
    y = start = units[0]
    places = [[mpmath.mpf(0)] * (count + 1)] * table.places
    found = [y]
    for row, number, unit in zip(baked.rows, baked.kinds, units[1:], strict=True):
        kind = table.kinds[number]
        shape = table.shapes[kind.shape]
        known: dict[Array | Place, list[Any]] = {Place(k): one for k, one in enumerate(places)}
        known |= {Array.START: start, Array.INPUT: y, Array.PREDICTION: unit}
        split = 1 + len(shape.landing)
        if shape.value:
            value = unit if shape.copies else _sum(row[split:], [known[k] for k in shape.value])
            places = [*places[:-1], value]
        y = _sum(row[1:split], [known[k] for k in shape.landing])
        places = [places[k] for k in kind.order] if places else places
        if table.keeps_start and kind.ends:
            start = y
        found.append(y)
    return found


def _sum(factors: Sequence[float], vectors: Sequence[list[Any]]) -> list[Any]:
    return [
        mpmath.fsum(mpmath.mpf(factor) * one for factor, one in zip(factors, column, strict=True))
        for column in zip(*vectors, strict=True)
    ]


def require(solver: Solver, target: str, evaluations: int) -> None:
    """Refuse a run that has no place in a library that takes the steps.

    Raises:
        EmissionError: noise is added on the way, it is no table of numbers, has hooks, or is too
            long.
    """
    require_no_hooks(solver.hooks, target)
    rendering.require_table(solver)
    require_own_time(target, solver.schedule)
    if solver.stochasticity is not None or solver.parallel:
        raise EmissionError(
            f"target {target}: one grid is emitted into its modules without noise, and its steps "
            "come one after the other; expected a solver without stochasticity and parallel, or "
            "no grid"
        )
    if evaluations > MOST:
        raise EmissionError(
            f"got a run of {evaluations} evaluations for the target {target}, whose modules of one "
            f"grid keep all predictions; expected at most {MOST}, or no grid"
        )


def require_no_hooks(hooks: bool, target: str) -> None:
    """Refuse on_data in a library that takes the steps of one grid.

    Raises:
        EmissionError: it is asked for.
    """
    if hooks and targets.get(target).whole_run is not None:
        raise EmissionError(
            f"hooks: a module of one grid for {target} combines all predictions of a run and never "
            "has the data; expected no hooks (--hooks), no grid, or a target that takes the steps "
            "itself: numpy, numba, torch, jax"
        )


def render_baked(
    solver: Solver, target: str, baked: Baked, remarks: str = "", class_name: str | None = None
) -> str:
    """The formatted source of a module of a scheme's coefficients; a class may be given a name.

    Raises:
        EmissionError: the solver or the target has no place for it, or it is too long.
    """
    header = rendering.header(solver, target, grid=True, class_name=class_name)
    text = docstring(solver, header, statement(baked), False, remarks)
    run = WholeRun.of_table(solver.table, baked)
    named = {"class_name": class_name} if class_name else {}
    return render(solver, target, run, baked.timesteps, text, solver.order, named)


def render(
    solver: Solver, target: str, run: WholeRun, timesteps: Sequence[float], text: str,
    order: int | None = None, named: dict[str, Any] | None = None,
) -> str:  # fmt: skip
    """The formatted source of a module.

    Args:
        solver: the solver, which is as ``compiler.emit`` has it.
        target: a name whose target has such modules.
        run: what its steps compute.
        timesteps: the grid.
        text: the docstring, quotes included.
        order: that is claimed; None for fitted coefficients.
        named: the name of a class, if it is given one.

    Raises:
        EmissionError: the target has no place for it, or it is too long.
    """
    found = targets.get(target)
    assert found.whole_run is not None
    count = len(run.times) - 1
    require(solver, target, count)
    times = [mpmath.mpf(one) for one in run.times]
    schedule = solver.schedule
    scales = [
        [evaluate_mp(schedule.substitute(one), t, time, DIGITS) for time in times]
        for one in (schedule.alpha, schedule.sigma)
    ]
    filled = {
        "docstring": text,
        "order": order,
        "specification": specification_code(solver, target),
        "tables": specification_tables(solver),
        "timesteps": textwrap.fill(", ".join(map(repr, timesteps)), WIDTH, **_indented(4, 4)),
        "count": count,
        "function_name": function_name(solver),
        **found.whole_run(solver, run, *scales),
        **(named or {}),
    }
    return rendering.tidy(rendering.fill(f"{found.folder}/whole_run.jinja", filled))


def rows_code(places: Sequence[Any], run: WholeRun) -> dict[str, Any]:
    """For every evaluation its place and the factors of what comes after it, and how many of the
    last predictions a run keeps."""
    rows = [(float(one), *row) for one, row in zip(places, run.from_sample(), strict=False)]
    lines = (textwrap.fill(f"({literal(row)[1:-1]}),", WIDTH, **_indented(4, 5)) for row in rows)
    return {"rows": "\n".join(lines), "kept": max(map(len, rows)) - 2}


def _indented(first: int, others: int) -> dict[str, Any]:
    """The options of a text whose lines begin so far to the right."""
    return {
        "initial_indent": first * " ",
        "subsequent_indent": others * " ",
        "break_long_words": False,
    }
