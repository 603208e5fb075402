"""The numba target: one fused loop a pass, in place, without allocation.

A pass reads all its arrays at i, then writes at i. The landing is written over the one before it,
and the value over the oldest of those that are kept, which the same pass reads for the last time:
one argument each, since two names for one array would stop the compiler from vectorising.
"""

from typing import Any

from numpy.typing import NDArray

from solvergen.program.table import Table
from solvergen.scalars.formulas import Formulas
from solvergen.specification.solver import Solver
from solvergen.targets.functional import signature
from solvergen.targets.passes import Control, Sums, values
from solvergen.targets.target import Target


def _same(array: NDArray[Any]) -> NDArray[Any]:
    return array


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

    reads = [f"{local[one]} = {one}[i]" for one in (state, "prediction") if one in sums.read]
    lines = [
        "@njit(**_JIT)",
        signature(table, number),
        f'    """{sums.formula(state)}."""',
        f"    {', '.join(f'c_{k}' for k in columns)} = {', '.join(f'c[{k}]' for k in columns)}",
        "    for i in range(x.size):",
        *(f"        {one}" for one in reads),
        f"        {state}[i] = {total(sums.landing)}",
    ]
    if shape.value:
        written = values(table)[-1]
        lines.append(f"        {written}[i] = {'p' if sums.copies else total(sums.value)}")
    return "\n".join(lines)


def settings(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """The statements of a step."""
    return {
        "passes": passes(formulas.table),
        "step_lines": "\n        ".join(step_lines(formulas.table)),
        "landing_name": "self._y",
    }


def step_lines(table: Table) -> list[str]:
    """The statements of a step after its prediction is checked and its ``row`` is chosen."""
    control, index = Control(table), "self.index"
    lines = [control.chosen(f"self._plan.kinds[{index}]")] if control.mode == "kinds" else []
    state = ["self._start", "self._y"] if table.keeps_start else ["self._x"]
    past = ["*self._past"] if table.places else []
    repeats = any(one.repeats for one in table.kinds)
    lines += ["before = self._y.copy() if repeats else None"] if repeats else []
    call = control.pass_name()
    lines.append(f"{call}(row, {', '.join([*state, 'prediction', *past])})")
    lines += ["if repeats and self._is_unsolved(before):", "    return"] if repeats else []
    if table.places > 1:
        lines += control.reordered("self._past", "self._past", f"self._plan.keeps[{index}]")
    if table.keeps_start:
        known = {"ends": f"self._plan.ends[{index}]", "kinds": "ends"}
        has_field = control.mode == "ends" or "ends" in control.fields
        ends = known[control.mode] if has_field else "True"
        lines += [
            f"self._is_inside = not {ends}",
            "if not self._is_inside:",
            "    self._start, self._y = self._y, self._start",
        ]
    return [*lines, f"{index} += 1"]


TARGET = Target(
    name="numba",
    dtypes="float32 or float64",
    to_array=_same,
    to_numpy=_same,
    standard=("import sys", "from pathlib import Path"),
    requires=("from numba import njit",),
    settings=settings,
)
