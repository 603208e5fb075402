"""The schedulers of diffusers as peers."""

from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from solvergen.measurement.problems import Floats
from solvergen.reports.audit.peer import FLOAT32, Grid, Model, Peer, PeerRun
from solvergen.specification import presets

LIBRARY = "diffusers"
Config = dict[str, Any]
"""Arguments of a scheduler."""
TO_SIGMA_MIN: Config = {"final_sigmas_type": "sigma_min"}
FULL_ORDER: Config = {**TO_SIGMA_MIN, "lower_order_final": False}
"""In the last step, for the schedulers that otherwise end with a lower one."""


def scheduler(module: str, name: str, config: Config | None = None) -> Any:
    """A scheduler, without what else the library imports."""
    made = getattr(import_module(f"diffusers.schedulers.scheduling_{module}"), name)
    return made(**(config or {}))


def multistep(module: str, name: str, config: Config, noise_off: bool = False) -> PeerRun:
    """DPM-Solver, UniPC and DEIS: the table is sigma/alpha and the state is x."""

    def run(model: Model, x: Floats, grid: Grid) -> Floats:
        solver = scheduler(module, name, config)
        solver.set_timesteps(grid.steps)
        options = {"variance_noise": torch.zeros(x.shape)} if noise_off else {}
        table, scale = grid.sigma / grid.alpha, np.ones(grid.steps + 1)
        return _steps(solver, table, range(grid.steps), scale, model, x, grid, options)

    return run


def flow(module: str, name: str, evaluations: int = 1) -> PeerRun:
    """Flow matching: the table is sigma and the state is x."""

    def run(model: Model, x: Floats, grid: Grid) -> Floats:
        solver = scheduler(module, name)
        solver.set_timesteps(grid.steps)
        places, scale = _places(grid, evaluations), np.ones(grid.steps + 1)
        return _steps(solver, grid.sigma[places], places[:-1], scale, model, x, grid)

    return run


def scaled(module: str, name: str, evaluations: int = 1) -> PeerRun:
    """Schedulers whose table is sigma/alpha and whose state is x/alpha."""

    def run(model: Model, x: Floats, grid: Grid) -> Floats:
        solver = scheduler(module, name)
        solver.set_timesteps(grid.steps)
        places, table = _places(grid, evaluations), grid.sigma / grid.alpha
        return _steps(solver, table[places], places[:-1], grid.alpha, model, x, grid)

    return run


def midpoint(model: Model, x: Floats, grid: Grid) -> Floats:
    """KDPM2: every other noise level of the grid is a place between two of its own."""
    solver = scheduler("k_dpm_2_discrete", "KDPM2DiscreteScheduler")
    solver.set_timesteps(grid.steps // 2)
    table = grid.sigma / grid.alpha
    solver.sigmas_interpol = torch.from_numpy(table)
    own = np.repeat(table[::2], 2)[1:]
    return _steps(solver, own, range(grid.steps), grid.alpha, model, x, grid)


def ipndm(model: Model, x: Floats, grid: Grid) -> Floats:
    """IPNDM, which keeps alpha and sigma apart and reads a velocity."""
    solver = scheduler("ipndm", "IPNDMScheduler")
    solver.set_timesteps(grid.steps)
    solver.alphas, solver.betas = torch.from_numpy(grid.alpha), torch.from_numpy(grid.sigma)
    table, scale = grid.sigma / grid.alpha, np.ones(grid.steps + 1)
    return _steps(solver, table, range(grid.steps), scale, model, x, grid)


def ddim(model: Model, x: Floats, grid: Grid) -> Floats:
    """DDIM, with as many training times as steps."""
    config = {"num_train_timesteps": grid.steps, "clip_sample": False}
    solver = scheduler("ddim", "DDIMScheduler", config)
    solver.set_timesteps(grid.steps)
    squares = torch.from_numpy(grid.alpha**2)
    solver.alphas_cumprod, solver.final_alpha_cumprod = squares[:-1].flip(0), squares[-1]
    y = torch.from_numpy(x)
    for i in range(grid.steps):
        output = torch.from_numpy(model(y.numpy(), grid.times[i]))
        y = solver.step(output, grid.steps - 1 - i, y).prev_sample
    return y.numpy()


def _places(grid: Grid, evaluations: int) -> NDArray[np.int64]:
    """The index of the noise level of every evaluation, and of the end."""
    return np.repeat(np.arange(grid.steps + 1), evaluations)[evaluations - 1 :]


def _steps(
    solver: Any,
    table: Floats,
    visited: Iterable[int],
    scale: Floats,
    model: Model,
    x: Floats,
    grid: Grid,
    options: Config | None = None,
) -> Floats:
    """Run a scheduler over our noise levels; its times are numbers of calls.

    Args:
        solver: with its times set.
        table: what it calls sigmas.
        visited: where on the grid each call's output is evaluated.
        scale: x over the state of the scheduler, on the grid.
        model, x, grid: of the run.
        options: of each call.
    """
    places = tuple(visited)
    solver.sigmas = torch.from_numpy(table)
    solver.timesteps = torch.arange(len(places), dtype=torch.float64)
    solver.set_begin_index(0)
    solver.is_scale_input_called = True
    y = torch.from_numpy(x / scale[0])
    for time, place in zip(solver.timesteps, places, strict=True):
        output = model(y.numpy().astype(np.float64) * scale[place], grid.times[place])
        given = torch.from_numpy(output).to(y.dtype)
        y = solver.step(given, time, y, **(options or {})).prev_sample
    return y.numpy() * scale[-1]


def dpm(order: int, config: Config, noise_off: bool = False) -> PeerRun:
    """The multistep DPM-Solver."""
    chosen = {"solver_order": order, **FULL_ORDER, **config}
    return multistep(
        "dpmsolver_multistep", "DPMSolverMultistepScheduler", chosen, noise_off=noise_off
    )


def singlestep(order: int) -> PeerRun:
    """The singlestep DPM-Solver++."""
    chosen = {"solver_order": order, **FULL_ORDER}
    return multistep("dpmsolver_singlestep", "DPMSolverSinglestepScheduler", chosen)


def deis(order: int) -> PeerRun:
    """DEIS in log rho."""
    chosen = {"solver_order": order, "lower_order_final": False}
    return multistep("deis_multistep", "DEISMultistepScheduler", chosen)


def unipc(order: int, kind: str, full_order: bool) -> Peer:
    """UniPC-p, which claims order p + 1, with or without its lower orders in the last steps."""
    ours = f"unipc_{order}_{kind}"
    config = FULL_ORDER if full_order else TO_SIGMA_MIN
    chosen = {"solver_order": order, "solver_type": kind, **config}
    run = multistep("unipc_multistep", "UniPCMultistepScheduler", chosen)
    if full_order:
        ramp = replace(presets.find(ours), scheme=f"unipc:{order}:{kind}:ramp")
        return Peer(LIBRARY, f"UniPC {order}, {kind}, full last step", order + 1, run, ours, ramp)
    published = presets.find(f"{ours}_as_published")
    return Peer(LIBRARY, f"UniPC {order}, {kind}", order + 1, run, ours, published)


_EULER = scaled("euler_discrete", "EulerDiscreteScheduler")
_HEUN = scaled("heun_discrete", "HeunDiscreteScheduler", 2)
_LMS = scaled("lms_discrete", "LMSDiscreteScheduler")
_FLOW_EULER = flow("flow_match_euler_discrete", "FlowMatchEulerDiscreteScheduler")
_FLOW_HEUN = flow("flow_match_heun_discrete", "FlowMatchHeunDiscreteScheduler", 2)
# The coefficient of the second difference does not vanish with h: where alpha dx0/dx > 1, farther
# on, the method is not even stable.
_SDE: Config = {"algorithm_type": "sde-dpmsolver++"}

_find = presets.find
PEERS = (
    Peer(LIBRARY, "DDIM", 1, ddim, "ddim", _find("ddim")),
    Peer(LIBRARY, "Euler", 1, _EULER, "edm_euler", _find("edm_euler")),
    Peer(LIBRARY, "Heun", 2, _HEUN, "edm_heun", _find("edm_heun")),
    Peer(LIBRARY, "KDPM2", 2, midpoint, "dpm_solver_2", _find("dpm_solver_2"), stride=2),
    Peer(LIBRARY, "LMS", 4, _LMS, "lms", _find("lms_as_published")),
    Peer(
        LIBRARY, "IPNDM", 4, ipndm, "ipndm", _find("ipndm_as_published"),
        "trigonometric", "velocity", "time",
    ),
    Peer(
        LIBRARY, "FlowMatchEuler", 1, _FLOW_EULER, "flow_euler", _find("flow_euler"),
        "rectified_flow", "flow",
    ),
    Peer(
        LIBRARY, "FlowMatchHeun", 2, _FLOW_HEUN, "flow_heun", _find("flow_heun"),
        "rectified_flow", "flow", floor=FLOAT32,
    ),
    Peer(
        LIBRARY, "DPM++ 2M, midpoint", 2, dpm(2, {}), "dpm_solver_pp_2m",
        _find("dpm_solver_pp_2m_midpoint"), floor=FLOAT32,
    ),
    Peer(
        LIBRARY, "DPM++ 2M, heun", 2, dpm(2, {"solver_type": "heun"}), "dpm_solver_pp_2m",
        _find("dpm_solver_pp_2m"), floor=FLOAT32,
    ),
    Peer(
        LIBRARY, "DPM++ 3M", 3, dpm(3, {}), "dpm_solver_pp_3m",
        _find("dpm_solver_pp_3m_as_published"), floor=FLOAT32,
    ),
    Peer(
        LIBRARY, "DPM-Solver 3M", 3, dpm(3, {"algorithm_type": "dpmsolver"}), "dpm_solver_3m",
        _find("dpm_solver_3m_as_published"), floor=FLOAT32,
    ),
    Peer(
        LIBRARY, "SDE-DPM++ 3M, noise off", 3, dpm(3, _SDE, noise_off=True),
        "dpm_solver_pp_3m", schedule="trigonometric", floor=FLOAT32, eta=1,
        span=(-1.0, 0.5),
    ),
    Peer(
        LIBRARY, "DPM++ 2S", 2, singlestep(2), "dpm_solver_pp_2s",
        _find("dpm_solver_pp_2s_midpoint"), stride=2,
    ),
    Peer(
        LIBRARY, "DPM++ 3S", 3, singlestep(3), "dpm_solver_pp_3s",
        _find("dpm_solver_pp_3s_midpoint"), stride=3,
    ),
    unipc(2, "bh1", full_order=True),
    unipc(2, "bh2", full_order=True),
    unipc(3, "bh1", full_order=True),
    unipc(3, "bh2", full_order=True),
    unipc(3, "bh2", full_order=False),
    unipc(4, "bh2", full_order=False),
    Peer(
        LIBRARY, "DEIS 2, log rho", 2, deis(2), "deis_log_rho_ab_2",
        _find("deis_log_rho_ab_2_as_published"),
    ),
    Peer(
        LIBRARY, "DEIS 3, log rho", 3, deis(3), "deis_log_rho_ab_3",
        _find("deis_log_rho_ab_3_as_published"),
    ),
)  # fmt: skip
