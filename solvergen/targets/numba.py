"""The numba target: one fused loop a pass, in place, without allocation.

A pass reads all its arrays at i, then writes at i. The landing is written over the one before it,
and the value over the oldest of those that are kept, which the same pass reads for the last time:
one argument each, since two names for one array would stop the compiler from vectorising.
"""

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from solvergen.program.table import Table
from solvergen.scalars.formulas import Formulas
from solvergen.specification.solver import Solver
from solvergen.targets import functional, normals
from solvergen.targets.batches import NUMPY
from solvergen.targets.functional import pair_reads, signature
from solvergen.targets.passes import Control, Sums, noise, values
from solvergen.targets.products import together
from solvergen.targets.target import Target

IS_FILE = """\
# What numba keeps on disk is found again by the name of the module, which must be certain.
_IS_FILE = __name__ in sys.modules and __name__ == Path(globals().get("__file__", "")).stem"""
JIT = """_JIT = {"cache": _IS_FILE, "nogil": True, "fastmath": {"contract", "nsz"}}"""
ALONE = """@njit(cache=_IS_FILE, nogil=True, fastmath={"contract", "nsz"})"""
"""In place of ``JIT``, for the only pass of a module."""


def _same(array: NDArray[Any]) -> NDArray[Any]:
    return array


def before_passes(table: Table) -> str:
    """What the decorators of passes read."""
    return IS_FILE if len(table.shapes) == 1 else f"{IS_FILE}\n{JIT}"


def passes(table: Table) -> str:
    """The source of every pass."""
    return "\n\n\n".join(_pass(table, number) for number in range(len(table.shapes)))


def _pass(table: Table, number: int) -> str:
    shape = table.shapes[number]
    sums = Sums.of(table, shape)
    state = "y" if table.keeps_start else "x"
    columns = [column for column, _ in (*sums.landing, *sums.value)]
    columns = columns[: len(sums.landing)] if sums.copies else columns
    local = {one: f"{one}[i]" for one in sums.read}
    local |= {state: f"{state}_i", "prediction": "p"}

    def total(terms: tuple[tuple[int, str], ...]) -> str:
        return " + ".join(f"c_{column} * {local[array]}" for column, array in terms)

    read = [(local[one], f"{one}[i]") for one in (state, "prediction") if one in sums.read]
    lines = [
        ALONE if len(table.shapes) == 1 else "@njit(**_JIT)",
        signature(table, number),
        f'    """{sums.formula(state)}."""',
        f"    {', '.join(f'c_{k}' for k in columns)} = {', '.join(f'c[{k}]' for k in columns)}",
        "    for i in range(x.size):",
        *(f"        {one}" for one in together(read)),
        f"        {state}[i] = {total(sums.landing)}",
    ]
    if shape.value:
        written = values(table)[-1]
        lines.append(f"        {written}[i] = {'p' if sums.copies else total(sums.value)}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Names(functional.Names):
    """The same, and whether a step has begun: then the network's input is y, else x."""

    inside: str = "self._is_inside"


def _names(table: Table) -> Names:
    return Names(x="self._y" if table.keeps_start else "self._x")


STEPPER = Names()


def settings(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """The statements of a step."""
    return {
        "passes": f"{before_passes(formulas.table)}\n\n\n{passes(formulas.table)}",
        "step_lines": "\n        ".join(step_lines(formulas.table, _names(formulas.table))),
        "landing_name": "self._y",
        "waits": False,
        "versioned": False,
        "factors": "a, b",
        "widths": "",
        "widens": "",
        "traced": "",
        "own": "np.array(x)",
        "flat": True,
        "copied": "np.array(_output(model_output, self.x, self.done)).reshape(self.x.shape)",
        "run_x": "np.array(self._run.x)",
        "pair_plan": "self._start.dtype",
        "pair_reads": pair_reads(solver),
        "widened": "one",
    }


def step_lines(table: Table, names: Names = STEPPER) -> list[str]:
    """The statements of a step after its prediction is checked and its ``row`` is chosen."""
    control, kind = Control(table), names.kind.format(Control(table).mode)
    lines = [control.chosen(kind)] if control.mode == "kinds" else []
    state = [names.start, names.x] if table.keeps_start else [names.x]
    past = [f"*{names.past}"] if table.places else []
    repeats = any(one.repeats for one in table.kinds)
    lines += [f"before = {names.x}.copy() if repeats else None"] if repeats else []
    restores = repeats and table.places > 0  # the pass reads what it writes over, each time
    lines += [f"oldest = {names.past}[-1].copy() if repeats else None"] if restores else []
    lines.append(
        f"{control.pass_name()}(row, {', '.join([*state, 'prediction', *noise(table), *past])})"
    )
    if repeats:
        lines.append("if repeats and self._is_unsolved(before):")
        lines += [f"    {names.past}[-1][...] = oldest"] if restores else []
        lines.append("    return")
    if table.places > 1:
        lines += control.reordered(names.past, names.past, kind)
    if table.keeps_start:
        has_field = control.mode == "ends" or "ends" in control.fields
        ends = (kind if control.mode == "ends" else "ends") if has_field else "True"
        lines += [
            f"{names.inside} = not {ends}",
            f"if not {names.inside}:" if " " in ends or "[" in ends else f"if {ends}:",
            f"    {names.start}, {names.x} = {names.x}, {names.start}",
        ]
    return lines


def loop(table: Table) -> dict[str, Any]:
    """The passes and the statements of the loop of a module for one grid."""
    kind = {"kinds": "_KINDS[int(row[1])]"}.get(Control(table).mode, "row[1]")
    lines = step_lines(table, Names("x", "start", "past", kind, "inside"))
    return {
        "passes": passes(table),
        "before_passes": before_passes(table),
        "loop_lines": "\n        ".join(lines),
        "begins": "\n        ".join([BEGINS, INSIDE if table.keeps_start else "self._x = flat"]),
        "row_times": "COEFFICIENTS[:, 0].tolist()",
        "zeros": "np.zeros_like",
        "own_x": "flat",
        "run_lines": "\n        ".join(step_lines(table, replace(_names(table), kind=kind))),
    }


BEGINS = """\
self._shape, flat = x.shape, np.array(x, order="C").reshape(-1)
        self.rows = COEFFICIENTS.astype(x.dtype)"""
INSIDE = "self._y, self._is_inside = np.zeros_like(flat), False"
"""How a run of a module for one grid begins, and where a start is kept."""

PARALLEL = replace(
    NUMPY,
    copied_run="deepcopy(run, {id(run._plan): run._plan})  # its steps write in place",
    imports=("from copy import deepcopy",),
    difference='np.array(x - z, order="C").reshape(-1)',
    seen="np.array(stepper.x)",
)

TARGET = Target(
    name="numba",
    dtypes="float32 or float64",
    to_array=_same,
    to_numpy=_same,
    standard=("import sys", "from pathlib import Path"),
    requires=("from numba import njit",),
    settings=settings,
    loop=loop,
    batches=PARALLEL,
    normals=normals.NUMBA,
    casts=("x.astype(np.float64)", "z.astype(x.dtype)"),
)
