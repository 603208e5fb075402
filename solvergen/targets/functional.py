"""Passes as functions of arrays that return new ones: numpy, and torch.

    landing, value = _advance(c, x, prediction, n_1, n_2)

Nothing is written in place, so a sample or a value that somebody has kept stays what it is.
"""

from solvergen.program.table import Place, Shape, Table
from solvergen.targets.passes import Control, arrays, name, place_name


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


def advance(table: Table, plan: str) -> str:
    """What is called for a row: a pass by its name, or what the row's kind says."""
    return Control(table).pass_name() if len(table.shapes) > 1 else f"{plan}_advance"


def step_lines(table: Table, call: str, index: str = "self.index") -> list[str]:
    """The statements of a step after its prediction is checked and its ``row`` is chosen.

    Args:
        table: of the solver.
        call: the name of the pass.
        index: of the row.
    """
    control = Control(table)
    lines = [control.chosen(f"self._plan.kinds[{index}]")] if control.mode == "kinds" else []
    state = ["self._start", "self.x"] if table.keeps_start else ["self.x"]
    past = ["*self._past"] if table.places else []
    results = "self.x, value" if table.places else "self.x"
    repeats = any(one.repeats for one in table.kinds)
    lines += ["before = self.x"] if repeats else []
    lines.append(f"{results} = {call}(row, {', '.join([*state, 'prediction', *past])})")
    lines += ["if repeats and self._is_unsolved(before):", "    return"] if repeats else []
    written = "(*self._past[:-1], value)" if table.places > 1 else "(value,)"
    lines += control.reordered("self._past", written, f"self._plan.keeps[{index}]")
    if table.keeps_start:
        ends = {"ends": f"self._plan.ends[{index}]", "kinds": "ends"}.get(control.mode, "")
        if control.mode == "kinds" and "ends" not in control.fields:
            ends = ""
        lines += [f"if {ends}:", "    self._start = self.x"] if ends else ["self._start = self.x"]
    return [*lines, f"{index} += 1"]
