"""Targets: what modules are written for. ``target.Target`` says what one is."""

from functools import lru_cache
from importlib import import_module, resources

from solvergen.errors import EmissionError
from solvergen.naming import meant, shown
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
    if not isinstance(name, str) or name not in names():
        close = meant(name, names()) if isinstance(name, str) else ""
        raise EmissionError(
            f"unknown target {shown(name)}; expected one of {', '.join(names())}.{close}"
        )
    found: Target = import_module(f"solvergen.targets.{name.replace('-', '_')}").TARGET
    return found
