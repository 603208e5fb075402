"""A module whose coefficients were fitted: every input a combination of x and all predictions.

The tables of a scheme keep few values from step to step, because most factors follow from one
another. Fitted ones do not, so a run keeps all predictions (THEORY section 11, the unrolled form).
"""

import textwrap
from collections.abc import Sequence

from solvergen import targets
from solvergen.specification.solver import Solver
from solvergen.targets import data_factors, rendering, whole_run
from solvergen.targets.definitions import literal, specification_code, specification_tables
from solvergen.targets.docstring import fitted_docstring
from solvergen.targets.sample_says import baked_docstring

ARRAYS = """\
    x = np.array(x)
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(f"x is {x.dtype}; expected float32 or float64")"""
TENSORS = """\
    if not (isinstance(x, torch.Tensor) and x.is_floating_point()):
        raise TypeError(f"x is {getattr(x, 'dtype', type(x))}; expected a floating tensor")"""
KINDS = {
    "torch": ("import numpy as np\nimport torch", TENSORS, "prediction"),
    "jax": ("import jax.numpy as jnp\nimport numpy as np", "    x = jnp.asarray(x)", "prediction"),
}
"""(imports, what is checked, how a prediction is kept) of a target; numpy's for the others, whose
arrays may be written again by the model."""
PLAIN = "import numpy as np", ARRAYS, "np.array(prediction)"
WIDTH = 94


def render_fitted(
    solver: Solver,
    target: str,
    timesteps: Sequence[float],
    landings: Sequence[Sequence[float]],
    remarks: str,
) -> str:
    """The formatted source.

    Args:
        solver: the scheme that the coefficients began with.
        target: as for ``rendering.render_baked``.
        timesteps: the grid.
        landings: the time of every evaluation and the factors of its input; the last row is the
            result, at the end of the grid.
        remarks: how they were fitted.

    Raises:
        EmissionError: the target has no place for the solver.
    """
    steps = targets.get(target).whole_run
    imports, checked, kept = KINDS.get(target, PLAIN)
    arguments = f"solvergen.from_specification(SPEC), {target!r}, TIMESTEPS, LANDINGS"
    command = f"solvergen.emit_fitted({arguments})"
    header = rendering.generated_by(solver, "tuned.write(FILE, TARGET)" if steps else command)
    docstring = fitted_docstring(solver, header, len(landings) - 1, remarks)
    if steps is not None:
        run = whole_run.WholeRun.of_landings(landings)
        return whole_run.render(solver, target, run, timesteps, docstring)
    text = f"From x to TIMESTEPS[-1]; model(x, t) returns the {solver.prediction.name} prediction."
    filled = {
        "docstring": docstring,
        "imports": imports,
        "specification": specification_code(solver, target),
        "tables": specification_tables(solver),
        "timesteps": _wrapped(", ".join(map(repr, timesteps)), "    "),
        "rows": "\n".join(_wrapped(f"{literal(tuple(row))},", "    ") for row in landings),
        "says": baked_docstring(solver, text),
        "checked": checked,
        "kept": kept,
        **data_factors.baked_settings(solver, [row[0] for row in landings[:-1]]),
    }
    return rendering.tidy(rendering.fill(f"{targets.get(target).folder}/fitted.jinja", filled))


def _wrapped(text: str, indent: str) -> str:
    return textwrap.indent("\n".join(textwrap.wrap(text, WIDTH)), indent)
