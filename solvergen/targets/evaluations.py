"""Spells how many evaluations each step of a run takes, for modules that count in steps."""

from solvergen.program.program import StepProgram
from solvergen.scalars.formulas import Formulas
from solvergen.targets.formulas import INDENT
from solvergen.targets.host import finite_code


def evaluations_code(formulas: Formulas, program: StepProgram, argument: str = "timesteps") -> str:
    """The function ``_evaluations`` of a grid; empty if every step takes one."""
    phases = formulas.table.phases
    counts = [len(one.rows) for one in phases]
    if set(counts) == {1}:
        return ""
    lines = [
        f"def _evaluations({argument}):",
        f'{INDENT}"""How many evaluations each step takes."""',
        f"{INDENT}t = np.asarray({argument}, dtype=np.float64)",
        *(INDENT + one for one in _counted(formulas, program, counts)),
    ]
    return "\n".join(lines)


def _counted(formulas: Formulas, program: StepProgram, counts: list[int]) -> list[str]:
    if program.closing or formulas.table.variants:
        return [f"return np.take({tuple(counts)}, _phases(t))"]
    steps, at_infinity = tuple(counts[: len(program.phases)]), counts[len(program.phases) :]
    if not at_infinity:
        return [f"return {_taken(steps, 'np.arange(t.size - 1)')}"]
    number = "np.arange(t.size - 1)" + (" - (not finite[0])" if formulas.infinite_ends[0] else "")
    taken = str(steps[-1]) if len(set(steps)) == 1 else _taken(steps, number)
    return [
        f"finite = {finite_code(formulas)}",
        f"return np.where(finite[1:] & finite[:-1], {taken}, {at_infinity[0]})",
    ]


def _taken(counts: tuple[int, ...], number: str) -> str:
    """The counts of the first steps, and the last of them for all that follow."""
    if len(set(counts)) == 1:
        return f"np.full(t.size - 1, {counts[-1]})"
    return f'np.take({counts}, {number}, mode="clip")'
