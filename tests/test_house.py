"""What the house says of itself: imports run downwards, functions and modules are short.

docs/house.py reads the code; every rule here lists what breaks it.
"""

import ast
import graphlib
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import house
import pytest

TEMPLATES = list((house.PACKAGE.parent / "templates").rglob("*.jinja"))
LONGEST_FUNCTION = 45
LONGEST_MODULE = 400
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NAMED = (*FUNCTIONS, ast.ClassDef)


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def own_names(tree: ast.Module) -> set[str]:
    """Everything that a module defines: functions, classes, variables, fields and attributes."""
    nodes = list(ast.walk(tree))
    stored = [one for one in nodes if isinstance(getattr(one, "ctx", None), ast.Store)]
    return (
        {one.name for one in nodes if isinstance(one, NAMED)}
        | {one.id for one in stored if isinstance(one, ast.Name)}
        | {one.attr for one in stored if isinstance(one, ast.Attribute)}
    )


def require_none(broken: Iterable[str]) -> None:
    """Fail with what breaks a rule, one to a line."""
    lines = sorted(set(broken))
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function's body after its docstring."""
    body = function.body
    if len(body) > 1 and ast.get_docstring(function) is not None:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_every_room_is_on_the_list() -> None:
    assert {house.room(module) for module in house.trees()} == set(house.ROOMS)


def test_imports_run_downwards() -> None:
    """Also those inside functions and under TYPE_CHECKING."""
    require_none(
        f"{module}:{line} imports {other}: {house.room(other)} stands above {house.room(module)}"
        for module in house.trees()
        for other, _, line in house.imports(module)
        if house.ROOMS.index(house.room(other)) > house.ROOMS.index(house.room(module))
    )


def test_no_module_imports_itself_by_way_of_others() -> None:
    below: dict[str, set[str]] = {module: set() for module in house.trees()}
    for module, other in house.arrows():
        below[module].add(other)
    circle: list[str] = []
    try:
        graphlib.TopologicalSorter(below).prepare()
    except graphlib.CycleError as error:
        circle = error.args[1]
    require_none([" <- ".join(circle)] if circle else [])


def private_uses(module: str, tree: ast.Module, others: set[str]) -> Iterator[str]:
    """Private names that a module takes from another of ours or from an emitted one."""
    others = others - own_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{module}:{node.lineno} imports {node.module}.{one.name}"
                        for one in node.names if is_private(one.name))  # fmt: skip
        elif isinstance(node, ast.Attribute) and node.attr in others:
            yield f"{module}:{node.lineno} uses {ast.unparse(node)}"


def test_private_names_stay_in_their_module() -> None:
    ours = set().union(*map(own_names, house.trees().values()))
    emitted = set(re.findall(r"\b_\w+", "".join(map(Path.read_text, TEMPLATES))))
    private = set(filter(is_private, ours | emitted)) - {"_print"}  # which is of sympy's printers
    assert {"_RULES", "_solve"} <= private
    uses = (private_uses(module, tree, private) for module, tree in house.trees().items())
    require_none(itertools.chain.from_iterable(uses))


def test_functions_fit_a_screen() -> None:
    functions = [
        (f"{module}.{one.name}", body_lines(one))
        for module, tree in house.trees().items()
        for one in ast.walk(tree)
        if isinstance(one, FUNCTIONS)
    ]
    assert len(functions) > 1000
    require_none(f"{name}: {n} lines" for name, n in functions if n > LONGEST_FUNCTION)


def test_modules_are_short() -> None:
    paths = [(path, len(path.read_text().splitlines())) for path in house.PACKAGE.rglob("*.py")]
    require_none(f"{path}: {n} lines" for path, n in paths if n > LONGEST_MODULE)


def test_picture_is_up_to_date() -> None:
    assert house.PICTURE.read_text() == house.svg(), "run python docs/house.py"
