"""The k-diffusion target: the torch target, and a sampling function over noise levels.

Its time is the noise level sigma itself, in one of two spaces,

    x = x_0 + sigma eps                alpha = 1            k-diffusion, EDM
    x = (1 - sigma) x_0 + sigma eps    alpha = 1 - sigma    flow models in ComfyUI,

and its model returns the denoised sample, which is the data prediction.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import mpmath
from sympy import Expr, Integer

from solvergen.algebra.numpy_code import float_literal
from solvergen.derivation.parameterization import DATA
from solvergen.errors import EmissionError
from solvergen.scalars.formulas import Formulas
from solvergen.schedules.named import ve
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification import endpoints
from solvergen.specification.solver import Solver
from solvergen.symbols import t
from solvergen.targets import torch
from solvergen.targets.evaluations import evaluations_code
from solvergen.targets.passes import arrays
from solvergen.targets.solver_names import function_name
from solvergen.targets.target import ON_ANY_GRID, require_own_time
from solvergen.targets.whole_run import WholeRun, rows_code

LAST_LEVEL = 5000
"""Of networks whose runs begin above EDM's 80: 120 to 700, and 4,518 where almost all is noise."""
_SPACES: tuple[tuple[Expr, str], ...] = (
    (Integer(1), "x_0 + sigma noise"),
    (1 - t, "(1 - sigma) x_0 + sigma noise"),
)

CHURN = ", s_churn=0.0, s_tmin=0.0, s_tmax=np.inf"
"""The arguments of EDM's sampler, which raises the noise before a step."""


def settings(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """The names of the sampling function, and the space of its noise levels.

    Raises:
        EmissionError: the model's output is not the denoised sample, the schedule's time is not
            the noise level, or its domain does not end in sigma = 0.
        DerivationError: the solver cannot run from one end of the domain to the other.
    """
    if solver.prediction != DATA:
        raise EmissionError(
            f"target k-diffusion: got the prediction {solver.prediction.name}; expected data, "
            "because models of k-diffusion return the denoised sample: use prediction=data "
            "(--prediction data); the integrand may stay what it is."
        )
    require_own_time("k-diffusion", solver.schedule)
    space = _space(solver.schedule)
    endpoints.require_both(solver.weights, solver.prediction, solver.program, solver.order)
    return {
        **torch.settings(solver, formulas),
        "function_name": function_name(solver),
        **_noise(formulas),
        "space": space,
        "arrays": len(arrays(formulas.table)),
        "evaluations": evaluations_code(formulas, solver.program),
    }


def whole_run(
    solver: Solver, run: WholeRun, alphas: Sequence[Any], sigmas: Sequence[Any]
) -> dict[str, Any]:
    """The rows of a sampler for one grid: those of networks that return the denoised sample.

    Of a schedule with alpha + sigma = 1 the sample is as it is, of another x/alpha: what the
    solver's network predicts follows from the denoised sample, so that it may be of any kind.

    Raises:
        EmissionError: the run begins where alpha = 0, at an infinite noise level.
    """
    schedule = solver.schedule
    is_flow = schedule.vanishes(schedule.alpha + schedule.sigma - 1)
    if not is_flow and alphas[0] == 0:
        raise EmissionError(
            f"target k-diffusion: the run starts at alpha = 0 of {schedule.name}, at an infinite "
            "sigma/alpha; expected a start before that, or a schedule with alpha + sigma = 1"
        )
    scales = [mpmath.mpf(1)] * len(alphas) if is_flow else alphas
    levels = [sigma / scale for sigma, scale in zip(sigmas, scales, strict=True)]
    return {
        **rows_code(levels, run.in_data(solver, scales)),
        "last_level": repr(float(levels[-1])),
        "space": _SPACES[is_flow][1],
    }


def _noise(formulas: Formulas) -> dict[str, Any]:
    """The arguments of the sampling function about noise, and what its plan has of them."""
    noise, churn = formulas.noise, formulas.churn
    found = {"noise_arguments": "", "planned_noise": "", "asks_for_noise": churn is None}
    found["churns"] = churn is not None and churn.is_constant
    if not formulas.is_noisy:
        return found
    if churn is not None:
        given, planned = (CHURN, ", churn=churn") if churn.is_constant else ("", "")
        return found | {
            "noise_arguments": f"{given}, s_noise=1.0",
            "planned_noise": f"{planned}, noise_scale=s_noise",
        }
    eta = noise is not None and noise.kind != "renoise"
    name = "e" if noise is not None and noise.kind == "ancestral" else "eta"
    default = float_literal(noise.formula) if noise is not None and eta else ""
    return found | {
        "noise_arguments": f"{f', eta={default}' if eta else ''}, s_noise=1.0, noise_sampler=None",
        "planned_noise": f"{f', {name}=eta' if eta else ''}, noise_scale=s_noise",
    }


def _space(schedule: NoiseSchedule) -> str:
    """What x is at a noise level."""
    for alpha, space in _SPACES:
        if schedule.sigma == t and schedule.substitute(schedule.alpha) == alpha:
            if schedule.t_min != 0:
                raise EmissionError(
                    f"target k-diffusion: the schedule {schedule.name} ends at sigma = "
                    f"{schedule.t_min}; expected a domain that starts with 0, where the sigmas "
                    "of k-diffusion end: use the schedule ve, or --domain 0 SIGMA_MAX."
                )
            return space
    raise EmissionError(
        f"target k-diffusion: got alpha = {schedule.alpha}, sigma = {schedule.sigma}; expected "
        "sigma = t with alpha = 1 (the schedule ve) or alpha = 1 - t (rectified_flow), because "
        "its time is the noise level: use one of the two, and for another variable of "
        "interpolation say it as the expansion, an expression in alpha and sigma."
    )


TARGET = replace(
    torch.TARGET,
    name="k-diffusion",
    requires=("import torch", "from tqdm.auto import trange"),
    settings=settings,
    loop=None,
    whole_run=whole_run,
    batches=None,
    casts=None,
    adapts=False,
    counts_steps=True,
    prediction="data",
    method=ON_ANY_GRID,
    schedules=((ve(), ve(LAST_LEVEL)),),
)
