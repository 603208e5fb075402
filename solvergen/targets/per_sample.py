"""What a module is filled with that takes a grid for every sample of a batch.

Its table is [evaluations, WIDTH, batch], so that the same pass takes a row whose factors are arrays
along the samples. Rows of one evaluation may be of several kinds, as where some runs end at sigma =
0 and others do not: the state after each kind is selected by sample.
"""

from typing import Any

from solvergen.errors import EmissionError
from solvergen.program.table import Table
from solvergen.specification.solver import Solver
from solvergen.targets.functional import Names, step_lines
from solvergen.targets.passes import Control
from solvergen.targets.products import says
from solvergen.targets.target import Target

LIBRARIES = {"torch": "torch", "jax": "jnp"}
"""What selects and joins arrays, where that is not numpy."""


def settings(solver: Solver, target: Target) -> dict[str, Any]:
    """What modules for any grids are filled with.

    Raises:
        EmissionError: the target takes one grid, that of its library; or it draws noise by the
            number of an evaluation, which samples do not share.
    """
    if solver.per_sample and target.batches is None:
        raise EmissionError(
            f"target {target.name}: per_sample, but the library that it is for has one grid for "
            "all samples; expected a target that samples by itself, such as torch or numpy"
        )
    if solver.per_sample and target.name == "jax" and solver.stochasticity is not None:
        raise EmissionError(
            "target jax: per_sample with noise, which is drawn by the number of an evaluation, "
            "and samples that join count from another one; expected torch, numpy or numba"
        )
    table = solver.table
    state = ["self._start"] if table.keeps_start else []
    state += ["self.x", *(["*self._past"] if table.places else [])]
    return {
        "per_sample": solver.per_sample,
        "several_kinds": len(table.kinds) > 1,
        "state": ", ".join(state) + ("," if len(state) == 1 else ""),
        # In torch rows begin at multiples of 16 bytes: a compiled pass copies others first.
        "run_width": table.width + 1 + (-(table.width + 1) % 4) * (target.name == "torch"),
        "library_of_samples": LIBRARIES.get(target.name, "np"),
        "sample_of_grids_says": _says(solver),
        "moved_lines": "\n        ".join(_moved_lines(table, _pass_name(target, table))),
    }


def require_any_grid(solver: Solver) -> None:
    """Refuse it where one grid is baked in.

    Raises:
        EmissionError: it is wanted.
    """
    if solver.per_sample:
        raise EmissionError(
            "per_sample: a module for one grid has that grid for all samples; expected no grid, or "
            "a solver without per_sample."
        )


def _says(solver: Solver) -> str:
    """What ``sample`` says of itself."""
    noisy = "; ``noise`` is a seed, or seeds" if solver.stochasticity is not None else ""
    return says(
        "From x to the ends of the grids; model(x, t), with a time for every sample, returns the "
        f"{solver.prediction.name} prediction and leaves x as it is{noisy}."
    )


def imports(solver: Solver, target: Target) -> tuple[str, ...]:
    """Those of Python's own library."""
    copies = solver.per_sample and target.name in ("torch", "numpy", "jax")
    return ("from copy import copy",) if copies else ()


def _pass_name(target: Target, table: Table) -> str:
    """What is called for rows of a kind."""
    if target.name != "torch":
        return Control(table).pass_name()
    return "self._plan.passes[advance]" if len(table.shapes) > 1 else "self._plan.advance"


def _moved_lines(table: Table, call: str) -> list[str]:
    """The statements of a step on a state that is at hand, for rows of one ``kind``."""
    kind = "_KINDS[kind]" if Control(table).mode == "kinds" else "kind"
    return step_lines(table, call, Names("x", "start", "past", kind))
