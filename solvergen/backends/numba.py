"""The numba target: one fused loop a pass, in place, without allocation."""

from solvergen.backends.layout import (
    Columns,
    Storage,
    formula,
    is_copy,
    operand_name,
    pass_name,
)
from solvergen.fusion import Pass, Term
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

    def total(terms: tuple[tuple[int, Term], ...], whole: tuple[Term, ...]) -> str:
        if is_copy(whole):
            return local[operand_name(whole[0].operand, storage)]
        return " + ".join(
            f"c_{column} * {local[operand_name(term.operand, storage)]}" for column, term in terms
        )

    lines = [
        "@njit(**_JIT)",
        f"def {pass_name(phase, one)}({', '.join(arguments)}):",
        f'    """{formula(one)}."""',
        f"    {', '.join(f'c_{column}' for column in used)} = "
        + ", ".join(f"c[{column}]" for column in used),
        "    for i in range(x.size):",
        *(f"        {name_i} = {name}[i]" for name, name_i in local.items()),
        f"        {one.target.value}[i] = {total(columns.landing, one.landing)}",
    ]
    if one.sample:
        lines.append(f"        x[i] = {total(columns.sample, one.sample)}")
    if one.stored:
        kept = storage.slot(CURRENT if one.stage == 0 else stage(one.stage))
        lines.append(f"        {kept}[i] = {total(columns.stored, one.stored)}")
    return "\n".join(lines)
