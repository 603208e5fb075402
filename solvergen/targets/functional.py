"""Passes as functions of arrays that return new ones: numpy, torch and jax.

    landing, value = _advance(c, x, prediction, n_1, n_2)

Nothing is written in place, so a sample or a value that somebody has kept stays what it is.
"""

from dataclasses import dataclass

from solvergen.program.table import Place, Shape, Table
from solvergen.specification.solver import Solver
from solvergen.targets.passes import Control, Sums, arrays, name, noise, place_name


def combination(terms: tuple[tuple[int, str], ...], names: dict[str, str]) -> str:
    """c[1] * x + c[2] * prediction + .."""
    return " + ".join(f"c[{column}] * {names.get(array, array)}" for column, array in terms)


def fused(result: str, terms: tuple[tuple[int, str], ...], names: dict[str, str]) -> str:
    """The same as statements that go over memory once for each term: torch.addcmul."""
    (column, array), *others = terms
    lines = [f"{result} = c[{column}] * {names.get(array, array)}"]
    for column, array in others:
        lines.append(f"{result} = torch.addcmul({result}, c[{column}], {names.get(array, array)})")
    return "".join(f"    {line}\n" for line in lines)


def signature(table: Table, number: int) -> str:
    """The first line of a pass."""
    return f"def {name(table, number)}(c, {', '.join(arrays(table))}):"


def kept(table: Table, shape: Shape) -> str:
    """What a pass returns as value if it keeps none: what its place held; empty without places."""
    if not table.places or shape.value:
        return ""
    return place_name(table, Place(table.places - 1))


def widened_passes(table: Table, cast: str, copied: str, is_fused: bool = False) -> str:
    """Every pass, with sums in the dtype of the row that are rounded once.

    Args:
        table: of the solver.
        cast: the method of an array that changes its dtype.
        copied: the prediction in the dtype of x, where that is the value.
        is_fused: whether products are added as they are made, by torch.
    """
    return "\n\n\n".join(
        _widened(table, number, cast, copied, is_fused) for number in range(len(table.shapes))
    )


def _widened(table: Table, number: int, cast: str, copied: str, is_fused: bool) -> str:
    shape = table.shapes[number]
    sums = Sums.of(table, shape)
    read = [one for one in arrays(table) if one in sums.read]
    value = kept(table, shape)
    # A value that stays goes on as it is, not as what the sum reads.
    short = {"x": "x_c", "y": "y_c", "prediction": "p", **({} if shape.value else {value: "v_c"})}
    names = {one: short.get(one, one) for one in read}
    if shape.value:
        value = f"({combination(sums.value, names)}).{cast}(x.dtype)"
        value = copied if sums.copies else value
    lines = f"    landing = {combination(sums.landing, names)}\n"
    if is_fused:
        lines = fused("landing", sums.landing, names)
        if shape.value and not sums.copies:
            lines, value = lines + fused("value", sums.value, names), f"value.{cast}(x.dtype)"
    wide, given = ", ".join(names[one] for one in read), ", ".join(read)
    return (
        f"{signature(table, number)}\n"
        f'    """{sums.formula("y" if table.keeps_start else "x")}."""\n'
        f"    {wide} = (one.{cast}(c.dtype) for one in ({given}))\n"
        f"{lines}"
        f"    return {', '.join([f'landing.{cast}(x.dtype)', *([value] if value else [])])}"
    )


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
