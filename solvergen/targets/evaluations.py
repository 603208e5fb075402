"""Spells how many evaluations each step of a run takes, for modules that count in steps."""

from solvergen.program.program import StepProgram
from solvergen.scalars.formulas import Formulas
from solvergen.targets.calls import finite_code
from solvergen.targets.formulas import INDENT


def evaluations_code(formulas: Formulas, program: StepProgram, times: str = "levels") -> str:
    """The function ``_evaluations`` of the levels of a run; empty if every step takes one.

    Args:
        formulas: of the module.
        program: what a step computes.
        times: an expression for its times, without an end in sigma = 0 beyond the schedule's.
    """
    counts = [len(one.rows) for one in formulas.table.phases]
    if set(counts) == {1}:
        return ""
    *before, counted = _counted(formulas, program, counts)
    is_same = times == "levels"
    before = before if is_same else [f"t = {times}", *before]
    lines = [
        f"def _evaluations({'t' if is_same else 'levels'}):",
        f'{INDENT}"""How many evaluations each step takes."""',
        *(INDENT + one for one in before),
    ]
    if formulas.data_conversion is None:
        return "\n".join([*lines, f"{INDENT}return {counted}"])
    last = "np.full(levels.size - t.size, 1)"  # of the step to sigma = 0, if there is one
    return "\n".join([*lines, f"{INDENT}return np.append({counted}, {last})"])


def _counted(formulas: Formulas, program: StepProgram, counts: list[int]) -> list[str]:
    """Statements, and the expression for the counts."""
    if program.closing or formulas.table.variants:
        return [f"np.take({tuple(counts)}, _phases(t))"]
    steps, at_infinity = tuple(counts[: len(program.phases)]), counts[len(program.phases) :]
    if not at_infinity:
        return [_taken(steps, "np.arange(t.size - 1)")]
    number = "np.arange(t.size - 1) - (not finite[0])"
    taken = str(steps[-1]) if len(set(steps)) == 1 else _taken(steps, number)
    return [
        f"finite = {finite_code(formulas)}",
        f"np.where(finite[1:] & finite[:-1], {taken}, {at_infinity[0]})",
    ]


def _taken(counts: tuple[int, ...], number: str) -> str:
    """The counts of the first steps, and the last of them for all that follow."""
    if len(set(counts)) == 1:
        return f"np.full(t.size - 1, {counts[-1]})"
    return f'np.take({counts}, {number}, mode="clip")'
