"""Targets: what modules are written for. ``target.Target`` says what one is."""

from functools import lru_cache
from importlib import import_module, resources

from solvergen.errors import EmissionError
from solvergen.targets.target import Target


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The targets there are: the folders of templates that have a module."""
    folders = [one for one in resources.files("solvergen.templates").iterdir() if one.is_dir()]
    found = [one.name for one in folders if one.joinpath("module.jinja").is_file()]
    return tuple(sorted(name.replace("_", "-") for name in found))


def get(name: str) -> Target:
    """The target of a name.

    Raises:
        EmissionError: there is none of that name.
    """
    if name not in names():
        raise EmissionError(f"unknown target {name!r}; expected one of {', '.join(names())}.")
    found: Target = import_module(f"solvergen.targets.{name.replace('-', '_')}").TARGET
    return found
