"""What a module for one grid has in place of the functions that compute its coefficients."""

import textwrap
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from solvergen.algebra import precision
from solvergen.algebra.numpy_code import tuple_code
from solvergen.errors import EmissionError
from solvergen.scalars.baking import Baked
from solvergen.scalars.formulas import Formulas
from solvergen.specification.solver import Solver
from solvergen.targets.definitions import baked_definitions_code
from solvergen.targets.passes import pass_name

TARGETS = ("numba", "torch", "numpy")
WIDTH = 92
KEYS = ("baked_timesteps", "baked_phases", "baked_rows", "baked_digits")


def settings(
    solver: Solver, backend: ModuleType, formulas: Formulas, baked: Baked | None
) -> dict[str, Any]:
    """The literals, and only the passes that the grid's phases run."""
    if baked is None:
        return {"baked": False, **dict.fromkeys(KEYS, "")}
    used = _used_phases(solver, baked)
    phases = [(solver.program.all_phases[one].name, solver.passes[one]) for one in used]
    functions = [
        backend.function(solver, pass_name(name, one), one)
        for name, fused in phases
        for one in fused
    ]
    names = [tuple_code([pass_name(name, one) for one in fused]) for name, fused in phases]
    return {
        "baked": True,
        "baked_timesteps": _wrapped(map(repr, baked.timesteps)),
        "baked_phases": ", ".join(str(used.index(one)) for one in baked.phases),
        "baked_rows": "\n".join(
            textwrap.indent(f"{place}: {_row(row)},", "    ") for place, row in baked.rows
        ),
        "baked_digits": precision.REFERENCE,
        "definitions": baked_definitions_code(formulas.schedule),
        "solves": formulas.schedule.time_at_half_log_snr is None,
        "passes": "\n\n\n".join(functions),
        "phase_passes": tuple_code(names),
    }


def require_target(target: str) -> None:
    """Refuse a target whose modules get their grid from elsewhere.

    Raises:
        EmissionError: the target is one of those.
    """
    if target not in TARGETS:
        raise EmissionError(
            f"target {target} gets its time grid from the library that it is for, so that no grid "
            f"can be emitted into it; expected one of {', '.join(TARGETS)}."
        )


def _used_phases(solver: Solver, baked: Baked) -> list[int]:
    """The phases that the grid runs; all of them if a Stepper knows one by its number."""
    if solver.program.repeat is not None:
        return list(range(len(solver.program.all_phases)))
    return sorted(set(baked.phases))


def _wrapped(items: Iterable[str]) -> str:
    return textwrap.indent("\n".join(textwrap.wrap(", ".join(items), WIDTH)), "    ")


def _row(row: tuple[float, ...]) -> str:
    """A tuple of numbers, on as many lines as it takes."""
    text = ", ".join(map(repr, row))
    if len(text) <= WIDTH - 12:
        return f"({text})"
    return "(\n" + textwrap.indent("\n".join(textwrap.wrap(text, WIDTH - 4)), "    ") + "\n)"
