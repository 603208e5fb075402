"""The table of contents: from a specification to a module.

NoiseSchedule -> SemilinearODE -> Weights -> StepProgram -> passes -> source
"""

import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from platformdirs import user_cache_path

from solvergen import emission
from solvergen.accuracy import statement
from solvergen.errors import EmissionError
from solvergen.solver import Solver


def emit(spec: Solver, target: str = "numba") -> str:
    """The source of a standalone module.

    Args:
        spec: the solver.
        target: ``numba``, ``torch`` or ``numpy``.

    Raises:
        EmissionError: there is no such target.
    """
    draft = emission.render(spec, "numpy", accuracy="")
    measured = statement(spec, load_text(draft, "solvergen_draft"))
    return emission.render(spec, target, accuracy=measured)


def write(
    spec: Solver, target: str = "numba", path: str | Path = "solver.py", force: bool = False
) -> Path:
    """Emit into a file, whole or not at all; returns its path.

    Raises:
        EmissionError: the file exists and solvergen did not write it, and ``force`` is not set.
    """
    return emission.write_text(emit(spec, target), path, force)


def compile(spec: Solver, target: str = "numba") -> ModuleType:
    """Emit, cache by content, and import.

    The module lies in the user's cache folder under the hash of its inputs, so a second call, in
    this process or another, neither emits nor compiles again.
    """
    name = f"solvergen_{spec.content_hash}_{target}"
    if name in sys.modules:
        return sys.modules[name]
    path = user_cache_path("solvergen") / version("solvergen") / f"{name}.py"
    if not path.exists():
        source = emit(spec, target)
        path.parent.mkdir(parents=True, exist_ok=True)
        emission.write_text(source, path)
    return load(path, name)


def load(path: str | Path, name: str | None = None) -> ModuleType:
    """Import an emitted module from a file.

    Raises:
        EmissionError: there is no such file, or it is no Python module.
    """
    path = Path(path)
    name = name or path.stem
    found = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or found is None or found.loader is None:
        raise EmissionError(f"{path} is not a Python file; expected an emitted module.")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def load_text(source: str, name: str) -> ModuleType:
    """Import an emitted numpy module from its text."""
    module = ModuleType(name)
    exec(source, module.__dict__)
    return module
