"""The diffusers target: the torch target, and a scheduler class for pipelines.

A pipeline's network belongs to one of two families,

    discrete    x = alpha x_0 + sigma eps with alpha^2 + sigma^2 = 1, noise levels from a table of
                betas, asked at the steps 0 .. N - 1 of the table
    flow        x = (1 - sigma) x_0 + sigma eps, asked at N sigma,

and the compiled schedule to the same one. Inside a family a schedule is a choice of time for the
same noise levels lambda. What a solver does depends on lambda alone, unless its integrand or its
expansion variable contain time; then the network's table must be the one that was compiled.
"""

from typing import Any

from sympy import Expr, Symbol, simplify

from solvergen.algebra.budget import within
from solvergen.derivation.parameterization import DATA, NOISE, STRAIGHT, VELOCITY, Parameterization
from solvergen.errors import EmissionError
from solvergen.scalars.formulas import Formulas
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification import schemes
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha_dot, sigma_dot, t
from solvergen.targets.formulas import Spelling
from solvergen.targets.host import conversion_code
from solvergen.targets.names import class_name
from solvergen.targets.torch import OPTIONAL, dtypes, passes, standard

requires = (
    "import torch",
    "from diffusers import ConfigMixin, SchedulerMixin",
    "from diffusers.configuration_utils import register_to_config",
    "from diffusers.schedulers.scheduling_utils import SchedulerOutput",
    *OPTIONAL,
)
TRAIN_TIMESTEPS = 1000
SIMPLIFY_SECONDS = 0.5

__all__ = ["dtypes", "passes", "requires", "settings", "standard"]


def settings(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """What the scheduler is called, and which networks it is for.

    Raises:
        EmissionError: the schedule belongs to neither family, no network of its family makes this
            prediction, or a step spends evaluations that nobody knows in advance.
    """
    if solver.program.repeat is not None:
        raise EmissionError(
            f"target diffusers: the scheme {schemes.to_text(solver.scheme)} repeats an evaluation "
            "to a tolerance; expected one whose evaluations are known in advance, because a "
            "pipeline lists them: give the number of iterations instead (adams_moulton:K:M)."
        )
    schedule = solver.schedule
    flow = _is_flow(schedule)
    spelling = Spelling(schedule.parameters)
    tables, to_data = formulas.schedule.tables, formulas.data_conversion
    return {
        "class_name": f"{class_name(solver)}Scheduler",
        "flow": flow,
        "prediction_type": _prediction_type(solver, flow),
        "depends_on_time": not flow and depends_on_time(solver),
        "train_timesteps": len(tables[0].x) if tables else TRAIN_TIMESTEPS,
        "to_data": "" if to_data is None else conversion_code(to_data, spelling),
        "uneven": len({phase.evaluations for phase in solver.scheme.all_phases}) > 1,
    }


def _is_flow(schedule: NoiseSchedule) -> bool:
    if schedule.is_variance_preserving:
        return False
    if schedule.vanishes(schedule.alpha + schedule.sigma - 1):
        return True
    raise EmissionError(
        f"target diffusers: got alpha = {schedule.alpha}, sigma = {schedule.sigma}; expected "
        "alpha^2 + sigma^2 = 1, for networks with a table of betas (any schedule of that kind, "
        "such as vp_alphabar or stable_diffusion), or alpha + sigma = 1, for flow networks "
        "(rectified_flow): the sample of a pipeline is scaled in one of these two ways."
    )


def _prediction_type(solver: Solver, flow: bool) -> str:
    """What diffusers calls the compiled prediction."""
    named = {"epsilon": NOISE, "sample": DATA}
    named |= {"flow_prediction": STRAIGHT} if flow else {"v_prediction": VELOCITY}
    for name, one in named.items():
        if _equal(solver.prediction, one, solver.schedule):
            return name
    raise EmissionError(
        f"target diffusers: got the prediction {solver.prediction.name} with the schedule "
        f"{solver.schedule.name}; expected "
        + ", ".join(f"{one.name} ({name})" for name, one in named.items())
        + ": the kinds of prediction that networks of its family make."
    )


def _equal(first: Parameterization, second: Parameterization, schedule: NoiseSchedule) -> bool:
    """Whether two parameterizations are one on this schedule."""
    pairs = zip(first.coefficients(schedule), second.coefficients(schedule), strict=True)
    return all(schedule.vanishes(a - b) for a, b in pairs)


def depends_on_time(solver: Solver) -> bool:
    """Whether another choice of time for the same noise levels would change a step.

    alpha' and sigma' scale with that choice; a ratio of them does not.
    """
    expressions = (solver.integrand.data, solver.integrand.noise, solver.expansion.variable)
    scale = Symbol("scale", positive=True)
    faster = {one: scale * one for one in (alpha_dot, sigma_dot)}

    def changes(one: Expr) -> bool:
        difference = one.subs(faster, simultaneous=True) - one
        return within(SIMPLIFY_SECONDS, simplify, difference, default=None) != 0

    return any(t in one.free_symbols or changes(one) for one in expressions)
