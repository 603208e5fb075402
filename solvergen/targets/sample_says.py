"""What ``sample`` of a module says of itself."""

from solvergen.specification.solver import Solver
from solvergen.targets.products import says

OPTIONS = """\
    ``on_data(data, x, t)`` returns what takes the place of the data x_0 that a prediction says.
    ``callback(stepper)`` sees index, len, t, x and data after each, and ends the run by True.
    ``progress`` shows a bar of tqdm."""
BAKED_OPTIONS = """\
    ``on_data(data, x, t)`` returns what takes the place of the data x_0 that a prediction says.
    A callback that returns True ends the run at its x."""
"""Those of a module for one grid."""


def of_module(solver: Solver) -> dict[str, str]:
    """Of a module for any grid: a docstring, and what it says of options."""
    text = (
        f"From x to timesteps[-1]; model(x, t) returns the {solver.prediction.name} prediction "
        f"and leaves x as it is{_of_noise(solver)}."
    )
    return {"sample_says": _with(OPTIONS, solver, text), "sample_options": OPTIONS}


def of_baked(solver: Solver) -> dict[str, str]:
    """Of a module for one grid: as a docstring, and as its text."""
    asked = f"returns the {solver.prediction.name} prediction"
    found = baked_docstring(
        solver,
        f"From x to TIMESTEPS[-1]; model(x, t), after callback(x, t), {asked}{_of_noise(solver)}.",
    )
    return {"baked_says": found, "baked_text": found.strip('"').rstrip()}


def baked_docstring(solver: Solver, text: str) -> str:
    """A docstring for one grid, with its options."""
    return _with(BAKED_OPTIONS, solver, text)


def _with(options: str, solver: Solver, text: str) -> str:
    """A docstring that goes on with the options, where there are hooks."""
    found = says(text)
    if not solver.hooks:
        return found
    head = found.removesuffix('"""').rstrip()
    return f'{head}\n\n{options}\n    """'


def _of_noise(solver: Solver) -> str:
    """Of the argument of ``sample``, if there is noise."""
    return "" if solver.stochasticity is None else "; ``noise`` is a seed, seeds, or a function"
