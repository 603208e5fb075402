"""solvergen: a symbolic-numeric solver compiler for diffusion and flow-matching models.

import solvergen as sg

t = sg.t
schedule = sg.NoiseSchedule(alpha=1 - t**2, sigma=t, domain=(0, 1), name="my_flow")
spec = sg.Solver(schedule, prediction=sg.FLOW, expansion="time", scheme=sg.schemes.multistep(3))
module = sg.compile(spec, target="numba")
x = module.sample(model, noise, module.timesteps(20))
"""

from importlib.metadata import version

from solvergen import report, schedules
from solvergen.algebra.registration import register_function
from solvergen.compiler import compile, emit, emit_fitted, write
from solvergen.derivation.expansion import Expansion
from solvergen.derivation.parameterization import (
    DATA,
    FLOW,
    NOISE,
    SCORE,
    STRAIGHT,
    VELOCITY,
    Parameterization,
    rate,
)
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.errors import (
    DerivationError,
    EmissionError,
    ScheduleError,
    SchemeError,
    SolvergenError,
    SolvergenWarning,
)
from solvergen.methods.scheme import Scheme
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification import presets, schemes
from solvergen.specification.solver import Solver, from_specification
from solvergen.symbols import alpha, alpha_dot, sigma, sigma_dot, t
from solvergen.tuning import Method, choose, tune

__version__ = version("solvergen")

__all__ = [
    "DATA",
    "FLOW",
    "NOISE",
    "SCORE",
    "STRAIGHT",
    "VELOCITY",
    "DerivationError",
    "EmissionError",
    "Expansion",
    "Method",
    "NoiseSchedule",
    "Parameterization",
    "ScheduleError",
    "Scheme",
    "SchemeError",
    "SemilinearODE",
    "Solver",
    "SolvergenError",
    "SolvergenWarning",
    "alpha",
    "alpha_dot",
    "choose",
    "compile",
    "emit",
    "emit_fitted",
    "from_specification",
    "presets",
    "rate",
    "register_function",
    "report",
    "schedules",
    "schemes",
    "sigma",
    "sigma_dot",
    "t",
    "tune",
    "write",
]


def __dir__() -> list[str]:
    """What a user types, without the folders in which it is made."""
    return sorted((*__all__, "__version__"))
