"""What a file must define to be an emitted module, read from its syntax before it is run."""

import ast
from collections.abc import Iterable
from pathlib import Path

from solvergen import targets
from solvergen.errors import EmissionError
from solvergen.naming import shown
from solvergen.targets import files
from solvergen.targets.target import INTERFACE

OF_ONE_GRID = ("ORDER", "SPEC", "TIMESTEPS", "COEFFICIENTS", "sample")
"""What a module for one grid has."""
OF_A_SCHEDULER = targets.get("diffusers").interface


def require(path: str | Path) -> bool:
    """Whether the module is one for a single grid; refuses what is no emitted module.

    Raises:
        EmissionError: the file cannot be read or parsed, or lacks a name.
    """
    try:
        tree = ast.parse(files.read(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise EmissionError(
            f"{path} is no Python module, {shown(str(error))}; expected a module that solvergen "
            "emitted."
        ) from error
    found = set(_bound(tree.body))
    if "LANDINGS" in found:
        raise EmissionError(
            f"{path} has fitted coefficients, of which no order and no accuracy is claimed; "
            "expected a module with those of a scheme. Its docstring says what was measured."
        )
    if "ROWS" in found:
        raise EmissionError(
            f"{path} has the rows of one run for a library that takes the steps; expected the "
            "module of the same solver and grid for torch, whose coefficients are measured."
        )
    baked = "TIMESTEPS" in found
    needed = OF_ONE_GRID if baked else OF_A_SCHEDULER if "Scheduler" in found else INTERFACE
    missing = [one for one in needed if one not in found]
    if missing:
        raise EmissionError(
            f"{path} has no {', '.join(missing)}; expected a module that solvergen emitted."
        )
    return baked


def _bound(body: Iterable[ast.stmt]) -> Iterable[str]:
    """The names that statements bind, in their branches too."""
    for one in body:
        match one:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                names = (node for target in targets for node in ast.walk(target))
                yield from (node.id for node in names if isinstance(node, ast.Name))
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name for alias in aliases)
            case ast.If() | ast.Try():
                yield from _bound([*one.body, *one.orelse])
