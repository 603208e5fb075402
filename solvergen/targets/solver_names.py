"""What the functions and classes of a module are called after its solver."""

import re

from solvergen.derivation.parameterization import NAMED
from solvergen.specification import schemes
from solvergen.specification.solver import Solver


def function_name(solver: Solver) -> str:
    """The integrand and the scheme: ``data_multistep_2``; ``custom`` for either without a name."""
    integrand = solver.integrand.text if solver.integrand in NAMED else "custom"
    scheme = schemes.to_text(solver.scheme)
    scheme = "custom" if "{" in scheme else scheme
    return re.sub(r"\W+", "_", f"{integrand}_{scheme}")


def class_name(solver: Solver) -> str:
    """The same in capitals: ``DataMultistep2``."""
    return "".join(part.capitalize() for part in function_name(solver).split("_"))
