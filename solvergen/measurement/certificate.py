"""A measurement is a gate: what a module's coefficients are certified to be, or why there is none.

The worst row that a search finds (``search``) is what the docstring says. Beyond ``REFUSED`` there
is no module: the error names the scalar, the step, and alpha or sigma if it is their fault.
"""

from collections.abc import Callable
from functools import lru_cache
from types import ModuleType

import numpy as np

from solvergen.algebra.evaluation import time_of
from solvergen.errors import EmissionError
from solvergen.measurement.grids import falling
from solvergen.measurement.row_errors import DIGITS, RowError
from solvergen.measurement.search import QUICK, Effort, Found, scalar_errors, search
from solvergen.scalars.cells import cuts
from solvergen.scalars.formulas import Formulas
from solvergen.scalars.quadrature import choose
from solvergen.specification.solver import Solver
from solvergen.targets import rendering
from solvergen.targets.files import load_text

REFUSED, WARNED = 1e-10, 1e-13
WRONG = 1e-2
"""An error that is refused also beside an end, where t has lost the digits of the distance."""
TIMES = 200
SHARE = 1e-4
"""Of the error of a row; that of alpha or sigma which is at least that is its cause."""
LEAST = 1e-13
"""What is said at least: errors of some 1e-15 to 1e-14 are not the same on every processor."""


def certified(solver: Solver, module: ModuleType, effort: Effort = QUICK) -> Found:
    """Search for the worst row of a module.

    Args:
        solver: of the module.
        module: its coefficients as code.
        effort: of the search.

    Raises:
        EmissionError: a coefficient is wrong by more than ``REFUSED``.
    """
    _require_positive(solver, module)
    finer = module
    if Formulas.of(solver).integrals.is_needed:
        text = rendering.coefficients_module(solver, finer=True)
        finer = load_text(text, "solvergen_finer", is_steady=True)
    found = search(solver, module, finer, effort)
    for worst, bound in ((found.worst, REFUSED), (found.beside, WRONG)):
        if not worst.error <= bound:
            raise EmissionError(_refusal(solver, module, worst, bound))
    return found


def _require_positive(solver: Solver, module: ModuleType) -> None:
    """Refuse alpha and sigma that are no positive numbers in float64 inside the domain.

    Beyond that lambda runs further than a quadrature goes.
    """
    low, high = float(module.T_MIN), float(module.T_MAX)
    times = falling(time_of(np.linspace(-30.0, 30.0, TIMES), low, high), low, high)
    for name in ("alpha", "sigma"):
        values = getattr(module, name)(times)
        wrong = np.flatnonzero(~(np.isfinite(values) & (values > 0.0)))
        if wrong.size:
            raise EmissionError(
                f"{solver.schedule.name}: {name} is {values[wrong[0]]} in float64 at t = "
                f"{times[wrong[0]]}; expected a positive number inside the domain: shorten the "
                "domain to where it has one"
            )


@lru_cache(maxsize=4)
def draft(solver: Solver) -> ModuleType:
    """Its coefficients as code, which is measured, and asked for grids."""
    return load_text(rendering.coefficients_module(solver), "solvergen_draft", is_steady=True)


def accuracy(solver: Solver) -> str:
    """What the docstring of its modules says of their coefficients.

    Raises:
        EmissionError: a coefficient is wrong by more than ``REFUSED``.
    """
    free = solver.with_one_eta.unlimited  # what is bounded is not always continuous in the times
    return statement(free, draft(free))


def statement(solver: Solver, module: ModuleType) -> str:
    """Sentences for the docstring: what was searched, and the worst of it.

    Raises:
        EmissionError: a coefficient is wrong by more than ``REFUSED``.
    """
    found = certified(solver, module)
    bound = _bound(found.worst.error)
    text = (
        f"Of {found.rows} steps on grids made to find errors, the worst were compared "
        f"with their definitions in {DIGITS} digits: no coefficient is off by more than "
        f"{bound:.0e} of the largest weight of its row."
    )
    if bound > WARNED:
        near, advice = _near(module, found.worst.end), _advice(solver, module, found.worst, _near)
        text += f" WARNING: that is {_what(found.worst)} in a step {near}; {advice}."
    beside = _bound(found.beside.error)
    if beside > max(bound, WARNED):
        text += (
            f" Nearer to an end than 1e{-np.log10(REFUSED):.0f} spacings of float64, where t has "
            f"lost digits of the distance to it, by no more than {beside:.0e}."
        )
    return text + _quadrature(solver)


def _quadrature(solver: Solver) -> str:
    integrals = Formulas.of(solver).integrals
    if not integrals.rows:
        return ""
    near = ", closer where a singularity is near" if cuts(solver.weights) else ""
    return f" Means over q: {choose(solver.weights)}{near}."


def _bound(error: float) -> float:
    """The next power of ten, so that the text is the same on every machine."""
    return float(10.0 ** np.ceil(np.log10(max(1.5 * error, LEAST))))


def _at(_: ModuleType, time: float) -> str:
    return f"at t = {time!r}"


def _near(module: ModuleType, time: float) -> str:
    """The end that a time is beside, or a digit of it: what a docstring says on every processor.

    Errors that are about as large as each other are not in the same order everywhere.
    """
    low, high = float(module.T_MIN), float(module.T_MAX)
    share = (time - low) / (high - low)
    return f"near t = {low if share < 0.1 else high if share > 0.9 else float(f'{time:.1g}'):g}"


def _decade(error: float) -> float:
    """The nearest power of ten."""
    return float(10.0 ** np.round(np.log10(error)))


def _what(worst: RowError) -> str:
    return "where the network is asked" if worst.column == "time" else f"the factor {worst.column}"


def _refusal(solver: Solver, module: ModuleType, worst: RowError, bound: float) -> str:
    size = "no number" if np.isinf(worst.error) else f"wrong by {worst.error:.0e}"
    return (
        f"{solver.schedule.name}: {_what(worst)} in the step from t = {worst.start!r} to "
        f"{worst.end!r} is {size} of the largest weight of its row; expected at most "
        f"{bound:.0e}: {_advice(solver, module, worst, _at)}"
    )


def _advice(
    solver: Solver, module: ModuleType, worst: RowError, where: Callable[[ModuleType, float], str]
) -> str:
    """Whose fault it is, if it is that of alpha or sigma, and what can be done."""
    times = np.array([worst.start, worst.end])
    for name in ("alpha", "sigma"):
        errors = scalar_errors(solver, module, name, times)
        k = int(np.argmax(errors))
        if errors[k] > max(WARNED, min(worst.error, 1.0) * SHARE):
            return (
                f"{name} has a relative error of {_decade(errors[k]):.0e} "
                f"{where(module, times[k].item())}: write it in a form that keeps its digits "
                "there, or shorten the domain"
            )
    return (
        "write alpha and sigma in forms whose derivatives keep their digits there, choose another "
        "expansion, or shorten the domain"
    )
