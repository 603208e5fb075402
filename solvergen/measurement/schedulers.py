"""What is measured of a module for a library that runs it: it has no runs of its own.

Its text is what solvergen emits for its SPEC, letter by letter, or it has been changed; and the
torch module of the same SPEC, whose table of coefficients is the same but for the place of time, is
measured as every module is.
"""

from functools import lru_cache
from pathlib import Path
from types import ModuleType

from solvergen import targets
from solvergen.measurement.certificate import accuracy
from solvergen.measurement.checks import Check
from solvergen.specification.solver import Solver, from_specification
from solvergen.targets import rendering
from solvergen.targets.files import load_text

RUNS = "sample"
"""What a module has that runs by itself."""


def has_runs(module: ModuleType) -> bool:
    """Whether the modules of a target run by themselves."""
    return RUNS in targets.get(module.SPEC["target"]).interface


def measured(module: ModuleType) -> ModuleType:
    """The module itself, or the torch module of its SPEC if it has no runs."""
    return module if has_runs(module) else _runner(from_specification(module.SPEC))


@lru_cache(maxsize=4)
def _runner(solver: Solver) -> ModuleType:
    return load_text(rendering.render(solver, "torch", ""), "solvergen_runner")


def check_text(module: ModuleType, solver: Solver) -> tuple[Check, ...]:
    """Whether a module without runs is what is emitted; nothing for one that is measured itself."""
    if has_runs(module):
        return ()
    text = rendering.render(solver, module.SPEC["target"], accuracy(solver))
    same = Path(str(module.__file__)).read_text() == text
    return (Check("text", "what its SPEC gives", "the same" if same else "another", same),)
