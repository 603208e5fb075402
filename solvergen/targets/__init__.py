"""Targets: each module here prints the passes of a program for one of them.

A backend has ``standard`` and ``requires`` (what its modules import beside numpy, from Python's
library and from others), ``dtypes`` (what they take),
``passes(solver)``, the source of the pass functions, and ``settings(solver, formulas)``, what its
template alone asks for; that one refuses a solver that the target has no place for. A backend that
has ``function``, the source of a single pass, gets adaptive steps where a scheme has an estimate.
Everything else is in ``templates/``: the host part that all targets share, and one folder a target
for its ``Stepper``.
"""

from importlib import import_module
from types import ModuleType

from solvergen.errors import EmissionError
from solvergen.naming import meant, shown

TARGETS = ("numba", "torch", "numpy", "diffusers", "k-diffusion")
TORCH_TARGETS = ("torch", "diffusers", "k-diffusion")
"""Those whose arrays are tensors."""


def get(target: str) -> ModuleType:
    """The backend of a target.

    Raises:
        EmissionError: there is none of that name.
    """
    if not isinstance(target, str) or target not in TARGETS:
        close = meant(target, TARGETS) if isinstance(target, str) else ""
        raise EmissionError(
            f"unknown target {shown(target)}; expected one of {', '.join(TARGETS)}.{close}"
        )
    return import_module(f"solvergen.targets.{folder(target)}")


def folder(target: str) -> str:
    """What the backend's module and its folder of templates are called."""
    return target.replace("-", "_")
