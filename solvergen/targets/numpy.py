"""The numpy target: plain array expressions, for reading, testing and small problems.

A pass takes the row of coefficients, the arrays, the earlier steps' integrand values ``past``
(newest first) and this step's ``inner`` values by stage, and returns the landing and the value
to keep (None if nothing reads it later); before them the sample, in a program that corrects. The
last pass of an adaptive step returns the landing and the estimate of its error.
"""

from typing import Any

from solvergen.program.columns import Columns, is_copy
from solvergen.program.fusion import Pass, Term
from solvergen.scalars.formulas import Formulas
from solvergen.specification.solver import Solver
from solvergen.targets.passes import argument, formula, pass_name

standard = ()
requires = ()
dtypes = "float32 or float64"


def passes(solver: Solver) -> str:
    """The source of every pass."""
    return "\n\n\n".join(
        function(solver, pass_name(phase.name, one), one)
        for phase, fused in zip(solver.program.all_phases, solver.passes, strict=True)
        for one in fused
    )


def settings(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """Nothing but what every target asks for."""
    return {}


def function(solver: Solver, name: str, one: Pass, adaptive: bool = False) -> str:
    """The source of one pass."""
    columns = Columns.of(one)
    stored = "None"
    if is_copy(one.stored):
        stored = "_keep(prediction)"
    elif one.stored:
        stored = _combination(columns.stored)
    sample = "x"
    if is_copy(one.sample):
        sample = argument(one.sample[0].operand)
    elif one.sample:
        sample = _combination(columns.sample)
    returned = [sample] if solver.program.corrects else []
    returned += ["landing" if one.landing else "y"]
    returned += [_combination(columns.error) if one.error else stored]
    lines = [
        f"def {name}(c, x, y, prediction, past, inner):",
        f'    """{formula(one)}."""',
        *([f"    landing = {_combination(columns.landing)}"] if one.landing else []),
        f"    return {', '.join(returned)}",
    ]
    return "\n".join(lines)


def _combination(terms: tuple[tuple[int, Term], ...]) -> str:
    first, last = terms[0][0], terms[-1][0] + 1
    arrays = ", ".join(argument(term.operand) for _, term in terms)
    return f"_combine(c[{first}:{last}], {arrays})"
