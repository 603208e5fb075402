"""What a module is filled with that samples in parallel in time.

A sweep replaces the network by a line of slope u for every row and sample. With the velocity of the
sample frozen, N = c_data x0 + c_noise eps has

    u = (c_data alpha + c_noise sigma) / (alpha^2 + sigma^2),

which is where every row begins: the input of a row that was not asked yet follows from P = u x,
which is r_t/r_s x_s, r^2 = alpha^2 + sigma^2 (Gaussian data of variance 1). Later slopes are
secants.
Nothing else depends on the prediction, and nothing on the solver: a sweep is its own run.
"""

import textwrap
from typing import Any

import numpy as np
from sympy import Expr, Integer, Symbol, cancel

from solvergen.algebra.evaluation import compiled
from solvergen.derivation.parameterization import at_schedule
from solvergen.errors import EmissionError
from solvergen.runs.scalars import ScheduleValues
from solvergen.scalars.baking import Baked
from solvergen.scalars.formulas import Formulas
from solvergen.specification.solver import Solver
from solvergen.symbols import OF_TIME, alpha, alpha_dot, sigma, sigma_dot, t
from solvergen.targets.baked import WIDTH
from solvergen.targets.batches import Batches
from solvergen.targets.formulas import Spelling

IMPORTS = ("import warnings", "from collections import namedtuple")
ONE_SHAPE = (
    "\n\n    All calls have one shape, which jit compiles once: the last windows are padded."
)


def settings(solver: Solver, batches: Batches | None, formulas: Formulas) -> dict[str, Any]:
    """What modules for any grid are filled with."""
    found = _filled(solver, batches, "run._plan.times")
    if batches is None or not solver.parallel:
        return {**found, "slopes": "", "slope_statements": ""}
    times = batches.on_host.format(times="run._plan.times")
    statements = _slope_code(solver, formulas)
    return {**found, "slopes": f"_slopes({times}).tolist()", "slope_statements": statements}


def baked_settings(solver: Solver, batches: Batches | None, baked: Baked) -> dict[str, Any]:
    """What modules for one grid are filled with."""
    found, slopes = _filled(solver, batches, "run.times"), ""
    if solver.parallel:
        values = ScheduleValues(solver.schedule)
        points = values.at(np.array([values.inside(row[0]) for row in baked.rows]))
        function = compiled(solver.schedule.substitute(slope(solver)), OF_TIME, "numpy")
        with np.errstate(all="ignore"):
            values_of = np.broadcast_to(np.asarray(function(*points)), points[0].shape)
        numbers = np.nan_to_num(values_of, posinf=0, neginf=0)
        slopes = ", ".join(f"{one:.6g}" for one in numbers)
    return {
        **found,
        "copied_run": found["copied_run"].replace("_plan", "rows"),
        "is_baked": True,
        "slope_statements": "",
        "slopes": "SLOPES.tolist()",
        "slope_numbers": textwrap.indent("\n".join(textwrap.wrap(slopes, WIDTH)), "    "),
    }


def imports(solver: Solver, batches: Batches | None) -> tuple[str, ...]:
    """Those of Python's own library."""
    return (*IMPORTS, *batches.imports) if solver.parallel and batches else ()


def slope(solver: Solver) -> Expr:
    """u at a time, in t, alpha, sigma and their derivatives."""
    predicted = solver.prediction
    return cancel((predicted.data * alpha + predicted.noise * sigma) / (alpha**2 + sigma**2))


def _slope_code(solver: Solver, formulas: Formulas) -> str:
    """The statements of ``_slopes``; a prediction of which tables have no formula begins with 0."""
    form = slope(solver)
    lines = ["t = T_MIN + T_MAX - t"] if solver.schedule.reversed else []
    if form.has(alpha_dot, sigma_dot):
        has_tables = bool(formulas.schedule.tables)
        form = Integer(0) if has_tables else at_schedule(form, solver.schedule)
    called = form.xreplace({one: Symbol(f"{one}(t)") for one in (alpha, sigma)})
    code = Spelling(formulas.schedule.parameters).code(called)
    code = code if form.free_symbols & {t, alpha, sigma} else f"np.full_like(t, {code})"
    return "\n    ".join([*lines, f"return np.nan_to_num({code}, posinf=0.0, neginf=0.0)"])


def _filled(solver: Solver, batches: Batches | None, times: str) -> dict[str, Any]:
    """What both kinds are filled with.

    Raises:
        EmissionError: the target has no loop of its own.
    """
    found = {"parallel": solver.parallel, "is_baked": False}
    if not solver.parallel:
        return {**found, **dict.fromkeys(KEYS, "")}
    if batches is None:
        raise EmissionError(
            "parallel: this target gets its loop from the library that it is for; expected one "
            "that samples by itself, such as torch, jax, numba or numpy"
        )
    return {
        **found,
        "xp": batches.xp,
        "copied_run": batches.copied_run,
        "eps": batches.eps,
        "asked_times": batches.asked_times.format(times=times),
        "wide_product": batches.wide_product,
        "pads": batches.pads,
        "owned": batches.owned,
        "says_padded": ONE_SHAPE if batches.pads else "",
    }


KEYS = ("xp", "copied_run", "eps", "asked_times", "wide_product", "pads", "owned", "says_padded")
