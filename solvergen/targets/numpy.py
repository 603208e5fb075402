"""The numpy target: plain array expressions, for reading, testing and small problems."""

from typing import Any

from numpy.typing import NDArray

from solvergen.program.table import Table
from solvergen.scalars.formulas import Formulas
from solvergen.specification.solver import Solver
from solvergen.targets import normals
from solvergen.targets.batches import NUMPY
from solvergen.targets.functional import Names, combination, kept, pair_reads, signature, step_lines
from solvergen.targets.passes import Control, Sums
from solvergen.targets.target import Target

BAKED_KINDS = {"": "", "keeps": "row[1]", "ends": "row[1]", "kinds": "_KINDS[int(row[1])]"}
"""The kind of a row of literals."""


def _same(array: NDArray[Any]) -> NDArray[Any]:
    return array


def passes(table: Table) -> str:
    """The source of every pass."""
    return "\n\n\n".join(_pass(table, number) for number in range(len(table.shapes)))


def _pass(table: Table, number: int) -> str:
    shape = table.shapes[number]
    sums = Sums.of(table, shape)
    value = kept(table, shape)
    if shape.value:
        value = "np.array(prediction)" if sums.copies else combination(sums.value, {})
    returned = [combination(sums.landing, {}), *([value] if value else [])]
    return (
        f"{signature(table, number)}\n"
        f'    """{sums.formula("y" if table.keeps_start else "x")}."""\n'
        f"    return {', '.join(returned)}"
    )


def settings(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """The statements of a step."""
    table = formulas.table
    call = Control(table).pass_name()
    return {
        "passes": passes(table),
        "step_lines": "\n        ".join(step_lines(table, call)),
        "zeros": "np.zeros_like",
        "landing_name": "self.x",
        "waits": False,
        "versioned": False,
        "factors": "a, b",
        "widths": "",
        "widens": "",
        "traced": "",
        "own": "np.array(x)",
        "flat": False,
        "copied": "np.array(_output(model_output, self.x, self.done))",
        "run_x": "self._run.x",
        "pair_plan": "self._start.dtype",
        "pair_reads": pair_reads(solver),
        "widened": "one",
    }


def loop(table: Table) -> dict[str, Any]:
    """The passes and the statements of the loop of a module for one grid."""
    names = Names("x", "start", "past", BAKED_KINDS[Control(table).mode])
    lines = step_lines(table, Control(table).pass_name(), names)
    run = step_lines(table, Control(table).pass_name(), Names(kind=names.kind))
    return {
        "passes": passes(table),
        "loop_lines": "\n        ".join(lines),
        "begins": BEGINS,
        "row_times": "COEFFICIENTS[:, 0].tolist()",
        "zeros": "np.zeros_like",
        "own_x": "self.x",
        "run_lines": "\n        ".join(run),
    }


BEGINS = "self.x, self.rows = np.array(x), COEFFICIENTS.astype(x.dtype)"
"""How a run of a module for one grid begins."""

TARGET = Target(
    name="numpy",
    dtypes="float32 or float64",
    to_array=_same,
    to_numpy=_same,
    settings=settings,
    loop=loop,
    batches=NUMPY,
    normals=normals.NUMPY,
    casts=("x.astype(np.float64)", "z.astype(x.dtype)"),
)
