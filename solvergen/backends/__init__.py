"""Targets: each module here prints the passes of a program for one of them.

A backend has ``requires`` (what its modules import beside numpy), ``dtypes`` (what they take) and
``passes(solver)``, the source of the pass functions; one that has ``function``, the source of a
single pass, gets adaptive steps where a scheme has an estimate. Everything else is in
``templates/``: the host part that all targets share, and one folder a target for its ``Stepper``.
"""

from importlib import import_module
from types import ModuleType

from solvergen.errors import EmissionError

TARGETS = ("numba", "torch", "numpy")


def get(target: str) -> ModuleType:
    """The backend of a target.

    Raises:
        EmissionError: there is none of that name.
    """
    if target not in TARGETS:
        raise EmissionError(f"unknown target {target!r}; expected one of {', '.join(TARGETS)}.")
    return import_module(f"solvergen.backends.{target}")
