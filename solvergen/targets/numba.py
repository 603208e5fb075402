"""The numba target: one fused loop a pass, in place, without allocation."""

from solvergen.methods.scheme import CURRENT, stage
from solvergen.program.columns import Columns, Storage, is_copy
from solvergen.program.fusion import Pass, Term
from solvergen.specification.solver import Solver
from solvergen.targets.numpy import settings
from solvergen.targets.passes import formula, operand_name, pass_name

standard = ("import sys",)
requires = ("from numba import njit",)
dtypes = "float32 or float64"

__all__ = ["dtypes", "passes", "requires", "settings", "standard"]


def passes(solver: Solver) -> str:
    """The source of every pass: reads all its arrays at i, then writes at i.

    A stage's own input and the oldest integrand value may share a buffer with what is written,
    because the reads of an element come before its writes.
    """
    return "\n\n\n".join(
        function(solver, pass_name(phase.name, one), one)
        for phase, fused in zip(solver.program.all_phases, solver.passes, strict=True)
        for one in fused
    )


def function(solver: Solver, name: str, one: Pass, adaptive: bool = False) -> str:
    """The source of one pass; one that measures an error or a change returns its norm."""
    fused = solver.pair_passes if adaptive else solver.passes
    storage = Storage.of(fused, solver.program.history)
    columns = Columns.of(one)
    measures = bool(one.error) or one.repeated
    reads = [operand_name(operand, storage) for operand in one.reads]
    reads += ["x"] if measures and "x" not in reads else []
    reads += ["y"] if measures and "y" not in reads and not (one.error and one.landing) else []
    local = {name: f"{name}_i" for name in reads}

    def total(terms: tuple[tuple[int, Term], ...], whole: tuple[Term, ...]) -> str:
        if is_copy(whole):
            return local[operand_name(whole[0].operand, storage)]
        return " + ".join(
            f"c_{column} * {local[operand_name(term.operand, storage)]}" for column, term in terms
        )

    lines = [
        "@njit(**_JIT, error_model='numpy')" if measures else "@njit(**_JIT)",
        f"def {name}({', '.join(_arguments(one, storage))}):",
        f'    """{formula(one)}."""',
        f"    {', '.join(f'c_{column}' for column, _ in columns.all)} = "
        + ", ".join(f"c[{column}]" for column, _ in columns.all),
        *(["    total = 0.0"] if measures else []),
        "    for i in range(x.size):",
        *(f"        {name_i} = {name}[i]" for name, name_i in local.items()),
    ]
    landing = total(columns.landing, one.landing) if one.landing else ""
    if measures:
        error = total(columns.error, one.error) if one.error else "landing - y_i"
        lines += _measured(one, landing, error)
    else:
        lines.append(f"        {one.target.value}[i] = {landing}")
    if one.sample:
        lines.append(f"        x[i] = {total(columns.sample, one.sample)}")
    if one.stored:
        kept = storage.slot(CURRENT if one.stage == 0 else stage(one.stage))
        lines.append(f"        {kept}[i] = {total(columns.stored, one.stored)}")
    lines += ["    return np.sqrt(total / x.size)"] if measures else []
    return "\n".join(lines)


def _measured(one: Pass, landing: str, error: str) -> list[str]:
    """The statements that land and add up the squares of an error in units of its tolerance."""
    atol, rtol = ("TOLERANCE", "TOLERANCE") if one.repeated else ("atol", "rtol")
    return [
        *([f"        landing = {landing}"] if landing else []),
        f"        scale = {atol} + {rtol} * max(abs(x_i), abs({'landing' if landing else 'y_i'}))",
        f"        total += (({error}) / scale) ** 2",
        *(["        y[i] = landing"] if landing else []),
    ]


def _arguments(one: Pass, storage: Storage) -> list[str]:
    tolerances = ["rtol", "atol"] if one.error else []
    arrays = ["x", *(["y"] if storage.has_input else []), "prediction", *storage.slots]
    return ["c", *tolerances, *arrays]
