"""The numba target: one fused loop a pass, in place, without allocation."""

from solvergen.backends.layout import (
    Columns,
    Storage,
    copies_prediction,
    formula,
    operand_name,
    pass_name,
)
from solvergen.program import Array, Pass, Term
from solvergen.scheme import CURRENT, stage
from solvergen.solver import Solver

requires = ("from numba import njit",)
dtypes = "float32 or float64"


def passes(solver: Solver) -> str:
    """The source of every pass: reads all its arrays at i, then writes at i.

    A stage's own input and the oldest integrand value may share a buffer with what is written,
    because the reads of an element come before its writes.
    """
    storage = Storage.of(solver.passes, solver.program.history)
    arguments = ["c", "x", *(["y"] if storage.has_input else []), "prediction", *storage.slots]
    return "\n\n\n".join(
        _function(phase.name, one, storage, arguments)
        for phase, fused in zip(solver.program.all_phases, solver.passes, strict=True)
        for one in fused
    )


def _function(phase: str, one: Pass, storage: Storage, arguments: list[str]) -> str:
    columns = Columns.of(one)
    reads = {operand_name(operand, storage): operand for operand in one.reads}
    local = {name: f"{name}_i" for name in reads}
    used = [column for column, _ in columns.all]

    def total(terms: tuple[tuple[int, Term], ...]) -> str:
        return " + ".join(
            f"c_{column} * {local[operand_name(term.operand, storage)]}" for column, term in terms
        )

    target = "x" if one.last else "y"
    lines = [
        "@njit(**_JIT)",
        f"def {pass_name(phase, one)}({', '.join(arguments)}):",
        f'    """{formula(one)}."""',
        f"    {', '.join(f'c_{column}' for column in used)} = "
        + ", ".join(f"c[{column}]" for column in used),
        "    for i in range(x.size):",
        *(f"        {name_i} = {name}[i]" for name, name_i in local.items()),
        f"        {target}[i] = {total(columns.landing)}",
    ]
    if one.stored:
        kept = storage.slot(CURRENT if one.stage == 0 else stage(one.stage))
        value = local[Array.PREDICTION.value] if copies_prediction(one) else total(columns.stored)
        lines.append(f"        {kept}[i] = {value}")
    return "\n".join(lines)
