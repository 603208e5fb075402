"""The table of contents: from a specification to a module.

NoiseSchedule -> SemilinearODE -> Weights -> StepProgram -> passes -> Formulas -> source
"""

import hashlib
import sys
from functools import lru_cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solvergen import targets
from solvergen.algebra import precision
from solvergen.algebra.tables import column
from solvergen.errors import EmissionError, ScheduleError, explained
from solvergen.measurement.certificate import accuracy, draft
from solvergen.scalars import baking
from solvergen.specification.endpoints import require_both
from solvergen.specification.solver import Solver
from solvergen.targets import cache, fitted, rendering, whole_run
from solvergen.targets.files import load, load_source, load_text, write_text
from solvergen.targets.solver_names import chosen_class_name

__all__ = ["compile", "emit", "emit_fitted", "grid", "load", "load_text", "write"]

REMEDY = (
    "expected formulas that can be evaluated all over the domain, their derivatives too: write "
    "them without roots of differences, shorten the domain, or choose another expansion"
)

MAX_BAKED_STEPS = 500
"""Of a module that has its coefficients as numbers."""


@precision.own
def emit(
    spec: Solver,
    target: str = "numba",
    to_the_ends: bool = False,
    timesteps: ArrayLike | None = None,
    remarks: str = "",
    class_name: str | None = None,
) -> str:
    """The source of a standalone module.

    Args:
        spec: the solver.
        target: a name that ``solvergen list targets`` prints.
        to_the_ends: refuse a solver that cannot run over the whole domain. Otherwise the module
            says what it cannot touch, and refuses such a grid.
        timesteps: a decreasing time grid. The module then is for this grid alone: it has its
            coefficients, in 50 digits and rounded once, in place of what computes them. For
            diffusers and k-diffusion it is a scheduler or a sampler that brings its own times.
        remarks: a paragraph for the docstring of a module of one grid: how that was found.
        class_name: of the class of a module for diffusers, which else is called after schedule,
            integrand and scheme.

    Raises:
        EmissionError: there is no such target, the grid is none, or the class cannot be called so.
        DerivationError: an end cannot be touched, and ``to_the_ends`` is set.
    """
    spec = adapted(spec, target) if timesteps is None else spec
    class_name, made = _class_name(class_name, target), targets.get(target)
    if to_the_ends:
        require_both(spec.weights, spec.prediction, spec.program, spec.order)
    with explained(f"no module for {spec.schedule.name}", EmissionError, REMEDY):
        if timesteps is None:
            return rendering.render(spec, target, accuracy(spec), class_name)
        _require_constant_eta(spec)
        grid = _times(timesteps).tolist()
        if made.whole_run is None:
            baked = baking.bake(spec, draft(spec), grid)
            return rendering.render_baked(spec, target, baked, remarks)
        whole_run.require(spec, target, len(grid) - 1)
        baked = baking.bake(spec, draft(spec), grid)
        return whole_run.render_baked(spec, target, baked, remarks, class_name)


def _class_name(given: str | None, target: str) -> str | None:
    """What a class is to be called, if that is said.

    Raises:
        EmissionError: the target's modules are no classes, or it cannot be called so.
    """
    if given is not None and not targets.get(target).has_class:
        known = ", ".join(name for name in targets.names() if targets.get(name).has_class)
        raise EmissionError(
            f"class name {given!r}: modules of the target {target} have no class of that kind; "
            f"expected the target {known}, or no class name."
        )
    return None if given is None else chosen_class_name(given)


def _require_constant_eta(spec: Solver) -> None:
    """Refuse a grid's numbers where eta follows from the length of every step.

    Raises:
        EmissionError: it does.
    """
    if spec.stochasticity is not None and spec.stochasticity.varies:
        raise EmissionError(
            f"stochasticity {spec.stochasticity} is another eta in every step; expected 'eta: "
            "NUMBER' for a module of one grid, or no grid."
        )


def emit_fitted(
    spec: Solver, target: str, timesteps: ArrayLike, landings: ArrayLike, remarks: str = ""
) -> str:
    """The source of a module whose coefficients were fitted (``solvergen.tune``).

    Args:
        spec: the solver that they began with.
        target: a name that ``solvergen list targets`` prints.
        timesteps: the grid.
        landings: [evaluations + 1, evaluations + 2], the time and the factors of x and of all
            predictions in the input of every evaluation, and in the result.
        remarks: a paragraph for the docstring: how they were fitted.

    Raises:
        EmissionError: there is no such target, it has no such modules, or the numbers are none.
    """
    targets.get(target)
    rows = np.asarray(landings, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != rows.shape[0] + 1 or not np.isfinite(rows).all():
        raise EmissionError(
            f"landings: got {rows.shape}; expected finite numbers [N + 1, N + 2] for N evaluations"
        )
    return fitted.render_fitted(spec, target, _times(timesteps).tolist(), rows.tolist(), remarks)


def adapted(spec: Solver, target: str) -> Solver:
    """The solver that a module of a target runs: with the start-up of the target, if its scheme
    says none, and the levels of its networks, if the schedule is as it is by default.

    Raises:
        EmissionError: there is no such target.
    """
    found = targets.get(target)
    for usual, needed in found.schedules:
        spec = spec.on(needed) if spec.schedule == usual else spec
    return spec.counting_steps if found.counts_steps else spec


@precision.own
def grid(
    spec: Solver,
    steps: int,
    spacing: str | None = None,
    start: float | None = None,
    end: float | None = None,
    shift: float | None = None,
) -> NDArray[np.float64]:
    """The decreasing times [steps + 1] that the solver's module has under these arguments, to the
    last digit but one: the same on every processor, as numpy's are not.

    Raises:
        EmissionError: there is no such grid.
    """
    given = {"spacing": spacing, "start": start, "end": end, "shift": shift}
    named = {name: value for name, value in given.items() if value is not None}
    with explained("no such time grid", EmissionError, "expected another one"):
        times: NDArray[np.float64] = draft(spec).timesteps(steps, **named)
    return times


def write(
    spec: Solver,
    target: str = "numba",
    path: str | Path = "solver.py",
    force: bool = False,
    to_the_ends: bool = False,
    timesteps: ArrayLike | None = None,
    class_name: str | None = None,
) -> Path:
    """Emit into a file, whole or not at all; returns its path.

    Raises:
        EmissionError: the file exists and solvergen did not write it, and ``force`` is not set.
    """
    source = emit(spec, target, to_the_ends, timesteps, class_name=class_name)
    return write_text(source, path, force)


def compile(
    spec: Solver,
    target: str = "numba",
    timesteps: ArrayLike | None = None,
    class_name: str | None = None,
) -> ModuleType:
    """Emit, cache by content, and import.

    The module lies in the user's cache folder under the hash of its inputs and of the generator,
    so a second call, in this process or another, neither emits nor compiles again. What lies
    there is run only if it is what was written (``targets.cache``).

    Raises:
        EmissionError: as for ``emit``, or what the target needs is not installed.
    """
    spec = adapted(spec, target) if timesteps is None else spec
    grid = None if timesteps is None else _times(timesteps)
    called = _class_name(class_name, target)
    hashes = f"{spec.content_hash}{_grid_hash(grid)}{f'_{called}' if called else ''}"
    name = f"solvergen_{hashes}_{_generator_hash()}_{target}"
    if name in sys.modules:
        return sys.modules[name]
    folder = cache.folder(version("solvergen"))
    source = cache.read(folder, name)
    if source is None:
        source = cache.signed(name, emit(spec, target, timesteps=grid, class_name=called))
        folder = cache.write(folder, name, source)
    return load_source(source, folder / f"{name}.py", name)


def _times(timesteps: ArrayLike) -> NDArray[np.float64]:
    """A time grid as an array.

    Raises:
        EmissionError: it is no column of numbers, or too long to be printed.
    """
    try:
        found = column("timesteps", timesteps)
    except ScheduleError as error:
        raise EmissionError(str(error)) from error
    if found.size > MAX_BAKED_STEPS + 1:
        raise EmissionError(
            f"timesteps: got {found.size} times; expected at most {MAX_BAKED_STEPS + 1} for a "
            "module of one grid: leave timesteps out, and give them to the module"
        )
    return found


def _grid_hash(grid: NDArray[np.float64] | None) -> str:
    return "" if grid is None else "_" + hashlib.sha256(grid.tobytes()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _generator_hash() -> str:
    """Of the sources of this package and its templates: another generator, another module."""
    digest = hashlib.sha256()
    for package in ("solvergen", "solvergen.templates"):
        (root,) = (Path(str(folder)) for folder in import_module(package).__path__)
        for path in sorted((*root.rglob("*.py"), *root.rglob("*.jinja"))):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
