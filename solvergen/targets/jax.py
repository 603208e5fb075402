"""The jax target: pure functions of arrays, and one ``lax.scan`` over the rows of a run.

What a row does with the state, (x, values) or (x, y, values) where the start x of a step is kept,
is said by the column behind its time. All of it is selections and one kernel with the pass, so that
jit, grad, vmap and shard_map take a run as it is; several passes are a ``lax.switch``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from solvergen.algebra.numpy_code import tuple_code
from solvergen.program.table import Table
from solvergen.scalars.formulas import Formulas
from solvergen.specification.solver import Solver
from solvergen.targets import normals
from solvergen.targets.batches import Batches
from solvergen.targets.functional import combination, kept, signature
from solvergen.targets.passes import Control, Sums, noise, values
from solvergen.targets.target import Library, Target

INTERPOLATION = '''def _interp(t, x, y):
    """np.interp, for arrays of jax too."""
    if not isinstance(t, jax.Array):
        return np.interp(t, x, y)
    wide = t.astype(jnp.promote_types(t.dtype, jnp.float32))
    x, y = (jnp.asarray(one, wide.dtype) for one in (x, y))
    return jnp.interp(wide, x, y).astype(t.dtype)'''

ATTACHED = '''def _attached(function, value, t):
    """t, where function(t) = value, with the derivative of the inverse."""
    if not isinstance(t, jax.Array):
        return t
    t = jax.lax.stop_gradient(t)
    slope = jax.grad(lambda time: function(time).sum())(t)
    moved = (value - jax.lax.stop_gradient(value)) / slope
    return t + jnp.where(jnp.isfinite(moved), moved, 0.0)'''

ERF = '''def _erf(x):
    """The error function."""
    is_array = isinstance(x, jax.Array)
    return jax.scipy.special.erf(x) if is_array else np.vectorize(math.erf, "d")(x)'''

CHECKED = (
    'if getattr(prediction, "shape", None) != {0}.shape or jnp.iscomplexobj(prediction):',
    '    raise TypeError(f"the model output is {prediction!r:.60}; '
    'expected floats {[*{0}.shape]}")',
)
"""What a module for one grid asks of a model's output."""

LIBRARY = Library("jnp", "jax.Array", INTERPOLATION, ATTACHED, ERF)

requires = ("import jax", "import jax.numpy as jnp")
dtypes = "float16, bfloat16, float32 or float64"


def to_array(array: NDArray[Any]) -> Any:
    """A jax array of a numpy array; one of float64 turns float64 on in this process.

    jax would make float32 of it, in which no order above the second can be measured.
    """
    import jax

    if array.dtype == "float64":
        jax.config.update("jax_enable_x64", True)
    return jax.numpy.asarray(array)


def to_numpy(array: Any) -> NDArray[Any]:
    """The numpy array of a jax array."""
    import numpy

    return numpy.asarray(array)


@dataclass(frozen=True)
class _JaxTarget(Target):
    """Its modules call a model while they are traced."""

    def model(self, predict: Callable[[Any, float], NDArray[Any]]) -> Callable[[Any, Any], Any]:
        """A model on numpy arrays as its modules call one."""
        import jax
        import numpy

        def called(x: Any, time: Any) -> Any:
            found = predict(numpy.asarray(x), float(time))
            return numpy.asarray(found, dtype=x.dtype)

        def model(x: Any, time: Any) -> Any:
            return jax.pure_callback(called, jax.ShapeDtypeStruct(x.shape, x.dtype), x, time)

        return model


@dataclass(frozen=True)
class _Step:
    """The function that takes the state of a run over one row: (x, values), or (x, y, values).

    Attributes:
        table: of the solver.
    """

    table: Table

    @property
    def _control(self) -> Control:
        return Control(self.table)

    @property
    def is_pass(self) -> bool:
        """Whether what the pass returns is the state: no ``_KINDS`` say more."""
        return self._control.mode != "kinds"

    @property
    def name(self) -> str:
        """What it is called."""
        return "_advance" if self.is_pass else "_step"

    @property
    def state(self) -> tuple[str, ...]:
        """Its arrays."""
        return ("x", "y") if self.table.keeps_start else ("x",)

    @property
    def past(self) -> tuple[str, ...]:
        """The values that are kept, as one."""
        return ("*past",) if self.table.places else ()

    @property
    def noise(self) -> tuple[str, ...]:
        """The normals of a row, if noise is added on the way."""
        return noise(self.table)

    @property
    def all_state(self) -> tuple[str, ...]:
        """Arrays and values."""
        return (*self.state, *self.past)

    @property
    def repeats(self) -> bool:
        """Whether some rows are run again until their landing stays what it is."""
        return any(one.repeats for one in self.table.kinds)

    def held_by(self, owner: str) -> list[str]:
        """The state as attributes of a Stepper."""
        arrays = ["_start", "x"] if self.table.keeps_start else ["x"]
        return [*(owner + one for one in arrays), *(f"*{owner}_past" for _ in self.past)]

    @property
    def passes(self) -> str:
        """The source of every pass: sums in the dtype of the row, which is the wider one."""
        return "\n\n\n".join(map(self._pass, range(len(self.table.shapes))))

    def _pass(self, number: int) -> str:
        table, shape = self.table, self.table.shapes[number]
        sums = Sums.of(table, shape)
        value = "prediction" if sums.copies else f"({combination(sums.value, {})})"
        value = f"{value}.astype(x.dtype)" if shape.value else kept(table, shape)
        lines = [f'"""{sums.formula(self.state[-1])}{self._says_kept}."""']
        lines.append(f"landing = {combination(sums.landing, {})}")
        returned = ["landing.astype(x.dtype)", *([value] if table.places else [])]
        if self.is_pass and (table.places or table.keeps_start):
            lines += [f"value = {value}"] if table.places else []
            lines += ["landing = landing.astype(x.dtype)"] if table.keeps_start else []
            landed = "landing" if table.keeps_start else returned[0]
            lines += ["keeps = c[1] > 0"] if self._keeps == "keeps" else []
            returned = [*self._start("landing", "c"), landed, *self._past()]
        jitted = "@jax.jit\n" if self.is_pass else ""
        body = "\n    ".join([*lines, f"return {', '.join(returned)}"])
        return f"{jitted}{signature(table, number)}\n    {body}"

    @property
    def _says_kept(self) -> str:
        """What the pass does with N and y where the column behind the time says so."""
        said = {"keeps": ", kept where c_1 is 1", "ends": "; x <- y where c_1 is 1"}
        return said.get(self._control.mode, "")

    def function(self) -> str:
        """The pass, then what the kind of the row says of the state; empty if that is nothing.

        One kernel outside of a scan too.
        """
        if self.is_pass:
            return ""
        past = self.past if self._orders else values(self.table)
        given = ", ".join([*self.state, "prediction", *self.noise, *past])
        landed = f"{self.state[-1]}{', value' if self.past else ''}"
        lines = [
            "kind = row[1].astype(jnp.int32)",
            f"{self._fields} = zip(*_KINDS, strict=True)",
            f"{landed} = {self._call()}{given})",
            *(["written = (*past[:-1], value)"] if self._orders else []),
            f"return {', '.join([*self._start('y', 'row'), self.state[-1], *self._past()])}",
        ]
        body = "".join(f"\n    {line}" for line in lines)
        return f"@jax.jit\ndef _step(row, {given}):\n    {self._says}{body}"

    @property
    def _fields(self) -> str:
        """What the columns of ``_KINDS`` are called."""
        named = {"advance": "passes", "order": "orders", "ends": "ends", "repeats": "_"}
        columns = ", ".join(named[one] for one in self._control.fields)
        return f"({columns},)" if len(self._control.fields) == 1 else columns

    @property
    def _orders(self) -> bool:
        """Whether ``_KINDS`` says how the values are ordered."""
        return self._control.mode == "kinds" and "order" in self._control.fields

    @property
    def _says(self) -> str:
        named = [*self.state, *(["the values"] if self.past else [])]
        return f'"""{", ".join(named[:-1])} and {named[-1]} for the next row, by its kind."""'

    @property
    def _keeps(self) -> str:
        """How it is asked whether the value of the row is kept: of three and more, once."""
        if self._control.mode != "keeps":
            return ""
        return "keeps" if self.table.places > 2 else "c[1] > 0"

    def _call(self) -> str:
        by_kind = "advance" in self._control.fields
        return "jax.lax.switch(kind, passes, row, " if by_kind else "_advance(row, "

    def _start(self, landed: str, row: str) -> list[str]:
        """The start of the next row's step, where it is kept."""
        if not self.table.keeps_start:
            return []
        if self._control.mode == "ends":
            return [f"jnp.where({row}[1] > 0, {landed}, x)"]
        return ["jax.lax.select_n(kind, *(y if one else x for one in ends))"]

    def _past(self) -> list[str]:
        """The values in their places for the next row."""
        past = values(self.table)
        if self._orders:
            chosen = "jax.lax.select_n(kind, *(written[k] for k in one))"
            return [f"*({chosen} for one in zip(*orders, strict=True))"]
        written = (*past[:-1], "value")
        placed = [written[k] for k in self.table.kinds[-1].order]
        if self._keeps:
            pairs = zip(placed, past, strict=True)
            return [f"jnp.where({self._keeps}, {new}, {old})" for new, old in pairs]
        return placed


def settings(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """The step, and how a Stepper and a scan take it."""
    step = _Step(formulas.table)
    return {
        **_common(step, "_output(model({0}, row[0]), {0})"),
        "landing_name": "self.x",
        "waits": True,
        "versioned": False,
        "flat": False,
        "factors": "a, b",
        "widths": "",
        "widens": "",
        "traced": "(isinstance(b, jax.core.Tracer) or ",
        "step_lines": "\n        ".join(_stepper_lines(step)),
        "initial": _packed(step.held_by("stepper.")),
    }


def loop(table: Table) -> dict[str, Any]:
    """The step, and how a scan takes it."""
    step = _Step(table)
    many = f"*{table.places} * (jnp.zeros_like(x),)"
    zeros = [many if table.places > 1 else "jnp.zeros_like(x)" for _ in step.past]
    return {
        **_common(step, "model({0}, row[0])", CHECKED),
        "initial": _packed(["x" for _ in step.state] + zeros),
        "begins": BEGINS,
        "row_times": "self.rows[:, 0]",
        "zeros": "jnp.zeros_like",
        "own_x": "x",
        "run_lines": "\n        ".join(_stepper_lines(step)),
    }


def _common(step: _Step, prediction: str, checked: tuple[str, ...] = ()) -> dict[str, Any]:
    """What modules for any grid and for one are filled with; ``prediction`` is one at ``{0}``, and
    ``checked`` are the statements that look at it.
    """
    is_alone = len(step.all_state) == 1
    return {
        "passes": step.passes,
        "step_function": step.function(),
        "evaluation": "\n        ".join(_evaluation(step, prediction, checked)),
        "asked_evaluation": "\n        ".join(_evaluation(step, "asked({0}, row)")),
        "scanned": step.all_state[0] if is_alone else "state",
        "numbered": "numbered" if step.noise else "row",
        "input": step.all_state[0] if is_alone else f"state[{len(step.state) - 1}]",
    }


def _packed(state: list[str]) -> str:
    """Arrays as what a scan carries along: an array, or a tuple."""
    return tuple_code(state) if len(state) > 1 else state[0]


def _evaluation(step: _Step, prediction: str, checked: tuple[str, ...] = ()) -> list[str]:
    """The statements of one turn of a scan: the model, and the state for the next row."""
    if step.repeats:
        asked = "asked" if prediction.startswith("asked") else "model"
        return [f"return _solved({asked}, row, *state), None"]
    called, is_alone = prediction.format(step.state[-1]), len(step.all_state) == 1
    unpacked = [] if is_alone else [f"{', '.join(step.all_state)} = state"]
    if not checked and not step.noise:
        given = ", ".join([*step.state, called, *step.past])
        return [*unpacked, f"return {step.name}(row, {given}), None"]
    given = ", ".join([*step.state, "prediction", *step.noise, *step.past])
    drawn = f"z = _normals(keys, draw, {step.state[-1]})"
    return [
        *(["row, draw = numbered"] if step.noise else []),
        *unpacked,
        f"prediction = {called}",
        *(one.replace("{0}", step.state[-1]) for one in checked),
        *([drawn] if step.noise else []),
        f"return {step.name}(row, {given}), None",
    ]


def _stepper_lines(step: _Step) -> list[str]:
    """The statements of a Stepper after its prediction is checked and its ``row`` is chosen."""
    held = step.held_by("self.")
    arrays, past = held[: len(step.state)], held[len(step.state) :]
    call = f"{step.name}(row, {', '.join([*arrays, 'prediction', *step.noise, *past])})"
    if not step.repeats:
        return [f"{', '.join(held)} = {call}"]
    return [
        "before = self.x",
        f"{', '.join(['start', 'self.x', *step.past])} = {call}",
        "if _KINDS[int(row[1])][-1] and self._is_unsolved(before):",
        "    return",
        f"{', '.join(['self._start', *(['self._past'] if past else [])])} = "
        f"{', '.join(['start', *(['past'] if past else [])])}",
    ]


BEGINS = "self.x, self.rows = x, jnp.asarray(COEFFICIENTS, jnp.promote_types(x.dtype, jnp.float32))"
"""How a run of a module for one grid begins."""

PARALLEL = Batches(
    "jnp",
    "copy(run)",
    ("from copy import copy",),
    "jnp.finfo(z.dtype).eps",
    "jnp.repeat({times}[jnp.minimum(run.index + jnp.arange(len(inputs)), len(run) - 1)], len(x))",
    "np.asarray({times}[:-1], dtype=np.float64)",
    "a.astype(jnp.promote_types(a.dtype, jnp.float32)) * b",
    owned="{}",
    pads=True,
)

TARGET = _JaxTarget(
    name="jax",
    dtypes=dtypes,
    to_array=to_array,
    to_numpy=to_numpy,
    requires=requires,
    library=LIBRARY,
    settings=settings,
    loop=loop,
    batches=PARALLEL,
    normals=normals.JAX,
    adapts=False,
)
