"""Passes as functions of arrays that return new ones: numpy, torch and jax.

    landing, value = _advance(c, x, prediction, n_1, n_2)

Nothing is written in place, so a sample or a value that somebody has kept stays what it is.
"""

from dataclasses import dataclass

from solvergen.program.table import Place, Shape, Table
from solvergen.specification.solver import Solver
from solvergen.targets.passes import Control, arrays, name, noise, place_name


def combination(terms: tuple[tuple[int, str], ...], names: dict[str, str]) -> str:
    """c[1] * x + c[2] * prediction + .."""
    return " + ".join(f"c[{column}] * {names.get(array, array)}" for column, array in terms)


def signature(table: Table, number: int) -> str:
    """The first line of a pass."""
    return f"def {name(table, number)}(c, {', '.join(arrays(table))}):"


def kept(table: Table, shape: Shape) -> str:
    """What a pass returns as value if it keeps none: what its place held; empty without places."""
    if not table.places or shape.value:
        return ""
    return place_name(table, Place(table.places - 1))


@dataclass(frozen=True)
class Names:
    """What the state of a run is called where a step is spelled.

    Attributes:
        x: the network's input, or the sample.
        start: the sample at the start of the step.
        past: the values that are kept.
        kind: the kind of the row, for ``{}`` one of ``keeps``, ``ends`` and ``kinds``.
    """

    x: str = "self.x"
    start: str = "self._start"
    past: str = "self._past"
    kind: str = "self._plan.{}[self.index]"


STEPPER = Names()


def pair_reads(solver: Solver) -> str:
    """What the estimate of an adaptive step reads of each evaluation, in the order of factors."""
    return "self.x, prediction" if solver.converts[0] else "prediction"


def step_lines(table: Table, call: str, names: Names = STEPPER) -> list[str]:
    """The statements of a step after its prediction is checked and its ``row`` is chosen.

    Args:
        table: of the solver.
        call: the name of the pass.
        names: of the state.
    """
    kind = names.kind.format(Control(table).mode)
    ended = _ended(table, f"{names.start} = {names.x}", kind)
    return [*pass_lines(table, call, names), *ended]


def pass_lines(table: Table, call: str, names: Names) -> list[str]:
    """Those before the step may end: of a state whose start is kept elsewhere."""
    control, kind = Control(table), names.kind.format(Control(table).mode)
    lines = [control.chosen(kind)] if control.mode == "kinds" else []
    state = [names.start, names.x] if table.keeps_start else [names.x]
    past = [f"*{names.past}"] if table.places else []
    results = f"{names.x}, value" if table.places else names.x
    repeats = any(one.repeats for one in table.kinds)
    lines += [f"before = {names.x}"] if repeats else []
    lines.append(
        f"{results} = {call}(row, {', '.join([*state, 'prediction', *noise(table), *past])})"
    )
    lines += ["if repeats and self._is_unsolved(before):", "    return"] if repeats else []
    written = f"(*{names.past}[:-1], value)" if table.places > 1 else "(value,)"
    return [*lines, *control.reordered(names.past, written, kind)]


def _ended(table: Table, statement: str, kind: str) -> list[str]:
    """The statement that ends a step, where a start is kept."""
    control = Control(table)
    if not table.keeps_start:
        return []
    if control.mode == "ends" or "ends" in control.fields:
        return [f"if {kind if control.mode == 'ends' else 'ends'}:", f"    {statement}"]
    return [statement]
