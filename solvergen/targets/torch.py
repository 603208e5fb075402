"""The torch target: plain tensor expressions, which torch.compile makes one kernel of.

Nothing is written in place, and nothing read back: autograd, torch.func, CUDA graphs, torch.compile
and export take a run as it is. Sums are computed in the dtype of the row and rounded once.
"""

from typing import Any

from numpy.typing import NDArray

from solvergen.program.table import Array, Table
from solvergen.scalars.formulas import Formulas
from solvergen.specification.solver import Solver
from solvergen.targets import normals
from solvergen.targets.batches import Batches
from solvergen.targets.functional import (
    Names,
    combination,
    kept,
    pair_reads,
    signature,
    step_lines,
)
from solvergen.targets.passes import Control, Sums, arrays
from solvergen.targets.target import Library, Target

INTERPOLATION = '''def _interp(t, x, y):
    """np.interp, for tensors too."""
    if not isinstance(t, torch.Tensor):
        return np.interp(t, x, y)
    wide = t.to(torch.promote_types(t.dtype, torch.float32))
    x, y = (torch.from_numpy(one.copy()).to(wide, non_blocking=True) for one in (x, y))
    n = torch.searchsorted(x[1:-1], wide.detach().contiguous(), right=True)
    share = ((wide - x[n]) / (x[n + 1] - x[n])).clamp(0.0, 1.0)
    return (y[n] + share * (y[n + 1] - y[n])).to(t.dtype)'''

ATTACHED = '''def _attached(function, value, t):
    """t, where function(t) = value, with the derivative of the inverse."""
    if not isinstance(t, torch.Tensor):
        return t
    slope = torch.func.grad(lambda time: function(time).sum())(t.detach())
    moved = (value - value.detach()) / slope
    return t.detach() + torch.where(torch.isfinite(moved), moved, 0.0)'''

ERF = '''def _erf(x):
    """The error function."""
    return torch.erf(x) if isinstance(x, torch.Tensor) else np.vectorize(math.erf, "d")(x)'''

QUIET = '''def _quiet(function):
    """Without numpy's warnings of infinities; for tensors as it is, which torch.compile traces."""
    quiet = np.errstate(all="ignore")(function)
    return wraps(function)(lambda t: (function if isinstance(t, torch.Tensor) else quiet)(t))'''

LIBRARY = Library("torch", "torch.Tensor", INTERPOLATION, ATTACHED, ERF, QUIET)

requires = ("import torch",)
dtypes = "float16, bfloat16, float32 or float64"


def to_array(array: NDArray[Any]) -> Any:
    """A tensor of a numpy array."""
    import torch

    return torch.from_numpy(array)


def to_numpy(tensor: Any) -> NDArray[Any]:
    """The numpy array of a tensor."""
    found: NDArray[Any] = tensor.detach().cpu().numpy()
    return found


def passes(table: Table) -> str:
    """The source of every pass; with noise its column is no pass over memory of its own, so that a
    step costs no more than one without and torch.randn."""
    is_fused = any(Array.NOISE in one.landing for one in table.shapes)
    return "\n\n\n".join(_pass(table, n, is_fused) for n in range(len(table.shapes)))


def _pass(table: Table, number: int, is_fused: bool) -> str:
    """Sums in the dtype of the row that are rounded once; products are added as they are made, if
    that is asked."""
    shape = table.shapes[number]
    sums = Sums.of(table, shape)
    read = [one for one in arrays(table) if one in sums.read]
    value = kept(table, shape)
    # A value that stays goes on as it is, not as what the sum reads.
    short = {"x": "x_c", "y": "y_c", "prediction": "p", **({} if shape.value else {value: "v_c"})}
    names = {one: short.get(one, one) for one in read}
    if shape.value:
        value = f"({combination(sums.value, names)}).to(x.dtype)"
        value = "prediction.to(x.dtype, copy=True)" if sums.copies else value
    lines = f"    landing = {combination(sums.landing, names)}\n"
    if is_fused:
        lines = _fused("landing", sums.landing, names)
        if shape.value and not sums.copies:
            lines, value = lines + _fused("value", sums.value, names), "value.to(x.dtype)"
    wide, given = ", ".join(names[one] for one in read), ", ".join(read)
    return (
        f"{signature(table, number)}\n"
        f'    """{sums.formula("y" if table.keeps_start else "x")}."""\n'
        f"    {wide} = (one.to(c.dtype) for one in ({given}))\n"
        f"{lines}"
        f"    return {', '.join(['landing.to(x.dtype)', *([value] if value else [])])}"
    )


def _fused(result: str, terms: tuple[tuple[int, str], ...], names: dict[str, str]) -> str:
    """A combination as statements that go over memory once for each term: torch.addcmul."""
    (column, array), *others = terms
    lines = [f"{result} = c[{column}] * {names.get(array, array)}"]
    for column, array in others:
        lines.append(f"{result} = torch.addcmul({result}, c[{column}], {names.get(array, array)})")
    return "".join(f"    {line}\n" for line in lines)


def settings(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """The statements of a step, and the passes that a plan may compile."""
    table = formulas.table
    names = [f"_advance_{k}" for k in range(len(table.shapes))] if len(table.shapes) > 1 else []
    call = "self._plan.advance" if not names else "self._plan.passes[advance]"
    return {
        "passes": passes(table),
        "flat": False,
        "step_lines": "\n        ".join(step_lines(table, call)),
        "pass_names": ", ".join(names),
        "zeros": "torch.zeros_like",
        "landing_name": "self.x",
        "waits": True,
        "versioned": True,
        "factors": "(a, b), wide",
        "widths": ", self._plan.rows.dtype",
        "widens": ".to(wide)",
        "traced": "",
        "own": "x",
        "copied": "_output(model_output, self.x, self.done).clone()",
        "run_x": "self._run.x",
        "pair_plan": "self._start.dtype, self._start.device",
        "pair_reads": pair_reads(solver),
        "widened": "one.to(self._run._plan.rows.dtype)",
    }


def loop(table: Table) -> dict[str, Any]:
    """The passes and the statements of the loop of a module for one grid."""
    kind = {"kinds": "_KINDS[int(known[1])]"}.get(Control(table).mode, "known[1]")
    names = Names("x", "start", "past", kind)
    lines = step_lines(table, Control(table).pass_name(), names)
    run = step_lines(table, Control(table).pass_name(), Names(kind=kind))
    return {
        "passes": passes(table),
        "loop_lines": "\n        ".join(lines),
        "begins": BEGINS,
        "row_times": "self.rows[:, 0]",
        "zeros": "torch.zeros_like",
        "own_x": "x",
        "run_lines": "\n        ".join(run),
    }


BEGINS = """\
dtype, self.x = torch.promote_types(x.dtype, torch.float32), x.clone()
        self.rows = torch.tensor(COEFFICIENTS, dtype=dtype, device=x.device)"""
"""How a run of a module for one grid begins."""

PARALLEL = Batches(
    "torch",
    "copy(run)",
    ("from copy import copy",),
    "torch.finfo(z.dtype).eps",
    "{times}[run.index : run.index + len(inputs)].repeat_interleave(len(x))",
    "{times}[:-1].double().cpu().numpy()",
    "a.to(torch.promote_types(a.dtype, torch.float32)) * b",
    owned="{}.clone()",
    like_z="z.dtype, z.device",
)

TARGET = Target(
    name="torch",
    dtypes=dtypes,
    to_array=to_array,
    to_numpy=to_numpy,
    requires=requires,
    library=LIBRARY,
    settings=settings,
    loop=loop,
    batches=PARALLEL,
    normals=normals.TORCH,
    casts=("x.double()", "z.to(x.dtype)"),
)
