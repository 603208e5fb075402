"""What the functions and classes of a module are called after its solver."""

import builtins
import re

from solvergen.algebra import namespace
from solvergen.algebra.functions import REGISTRY
from solvergen.derivation.parameterization import NAMED
from solvergen.errors import EmissionError
from solvergen.naming import identifier
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification import schemes
from solvergen.specification.solver import Solver

LONGEST = 40
"""Characters of a schedule's name in that of a class."""


def function_name(solver: Solver) -> str:
    """The integrand and the scheme: ``data_multistep_2``; ``custom`` for either without a name."""
    integrand = solver.integrand.text if solver.integrand in NAMED else "custom"
    scheme = schemes.to_text(solver.scheme)
    scheme = "custom" if "{" in scheme else scheme
    return re.sub(r"\W+", "_", f"{integrand}_{scheme}")


def class_name(solver: Solver) -> str:
    """The schedule and the same in capitals: ``VpAlphabarDataMultistep2Scheduler``."""
    parts = f"{_schedule_name(solver.schedule)}_{function_name(solver)}".split("_")
    return "".join(part[:1].upper() + part[1:] for part in parts) + "Scheduler"


def _schedule_name(schedule: NoiseSchedule) -> str:
    """Its name in letters and digits; ``custom`` if that is none, or a long one."""
    name = re.sub(r"\W+", "_", schedule.name, flags=re.ASCII).strip("_")
    return name if name.isidentifier() and len(name) <= LONGEST else "custom"


def chosen_class_name(given: str) -> str:
    """A name that a user gave a class.

    Raises:
        EmissionError: it is no identifier, or a name that modules have already.
    """
    name = identifier("class name", given, EmissionError)
    own = name in namespace.NAMES | namespace.CONSTANTS | set(REGISTRY)
    if own or hasattr(builtins, name):
        raise EmissionError(
            f"class name: got {name}, which modules have already; expected another one, such as "
            "MyScheduler"
        )
    return name
