"""Measure the order of other libraries' solvers: claimed, measured, and ours on the same grid.

    pip install "solvergen[audit]";  python benchmarks/audit.py [--plot audit.png]

Every peer is the library's own code. It gets the exact network of a mixture of two Gaussians and
a grid that is uniform in half-log-SNR, put into its table of noise levels so that no rounding to
integer times enters. The error is against the exact flow, and the rate is log2 of its ratio when
the number of steps doubles.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import solvergen as sg
from solvergen import emission, problems
from solvergen.compiler import load_text

Array = NDArray[np.float64]
Model = Callable[[Array, float], Array]
Run = Callable[[Model, Array, Array, "Levels"], Array]

MIXTURE = problems.GaussianMixture(
    np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16])
)
SPAN = {"vp_linear": (0.8, 0.1), "rectified_flow": (0.85, 0.1)}
STEPS = (20, 40, 80, 160, 320, 640)
FLOAT32, FLOAT64 = 2e-6, 1e-11
"""Errors below are rounding."""


@dataclass(frozen=True)
class Levels:
    """alpha and sigma on the grid."""

    alpha: Array
    sigma: Array

    @property
    def ratio(self) -> torch.Tensor:
        return torch.from_numpy(self.sigma / self.alpha)


@dataclass(frozen=True)
class Peer:
    """Another library's solver.

    Attributes:
        name: library and configuration.
        claimed: the order that its documentation or paper states.
        run: takes the model, the start, the grid and its noise levels.
        ours: the correct preset.
        published: the preset that takes the same steps; empty if there is none.
        schedule: the noise schedule that both run on.
        prediction: what the model returns.
        stride: of our grid in the peer's, for singlestep methods that count stages as steps.
        floor: errors below are the peer's rounding: some compute in float32 whatever they get.
    """

    name: str
    claimed: int
    run: Run
    ours: str
    published: str = ""
    schedule: str = "vp_linear"
    prediction: str = "noise"
    stride: int = 1
    floor: float = FLOAT64


def diffusers(module: str, scheduler: str) -> type:
    """A scheduler's class, without what else the library imports."""
    found: type = getattr(import_module(f"diffusers.schedulers.scheduling_{module}"), scheduler)
    return found


def multistep(module: str, scheduler: str, **config: Any) -> Run:
    """DPM-Solver, UniPC and DEIS schedulers."""

    def run(model: Model, x: Array, grid: Array, levels: Levels) -> Array:
        solver = diffusers(module, scheduler)(
            lower_order_final=False, final_sigmas_type="sigma_min", **config
        )
        solver.set_timesteps(len(grid) - 1)
        return _steps(solver, levels.ratio, model, x, grid)

    return run


def deis(model: Model, x: Array, grid: Array, levels: Levels) -> Array:
    """DEIS in log rho, order 2."""
    solver = diffusers("deis_multistep", "DEISMultistepScheduler")(
        lower_order_final=False, solver_order=2
    )
    solver.set_timesteps(len(grid) - 1)
    return _steps(solver, levels.ratio, model, x, grid)


def euler(model: Model, x: Array, grid: Array, levels: Levels) -> Array:
    """EulerDiscrete, whose state is x / alpha."""
    solver = diffusers("euler_discrete", "EulerDiscreteScheduler")()
    solver.set_timesteps(len(grid) - 1)
    return _scaled(solver, np.arange(len(grid)), model, x, grid, levels)


def heun(model: Model, x: Array, grid: Array, levels: Levels) -> Array:
    """HeunDiscrete: two evaluations a step, its table of noise levels repeated to the end."""
    solver = diffusers("heun_discrete", "HeunDiscreteScheduler")()
    solver.set_timesteps(len(grid) - 1)
    return _scaled(solver, np.repeat(np.arange(len(grid)), 2)[1:], model, x, grid, levels)


def ddim(model: Model, x: Array, grid: Array, levels: Levels) -> Array:
    """DDIM, with as many training times as steps."""
    count = len(grid) - 1
    solver = diffusers("ddim", "DDIMScheduler")(num_train_timesteps=count, clip_sample=False)
    solver.set_timesteps(count)
    squares = torch.from_numpy(levels.alpha**2)
    solver.alphas_cumprod, solver.final_alpha_cumprod = squares[:-1].flip(0), squares[-1]
    y = torch.from_numpy(x)
    for i in range(count):
        output = torch.from_numpy(model(y.numpy(), grid[i]))
        y = solver.step(output, count - 1 - i, y).prev_sample
    return y.numpy()


def flow_euler(model: Model, x: Array, grid: Array, levels: Levels) -> Array:
    """FlowMatchEuler."""
    module = "flow_match_euler_discrete"
    solver = diffusers(module, "FlowMatchEulerDiscreteScheduler")()
    solver.set_timesteps(len(grid) - 1)
    return _steps(solver, torch.from_numpy(levels.sigma), model, x, grid)


def azula(sampler: str, order: int) -> Run:
    """A sampler of azula on its own interface: a denoiser with a schedule."""

    def run(model: Model, x: Array, grid: Array, levels: Levels) -> Array:
        library, posterior = import_module("azula.sample"), import_module("azula.denoise")
        places = torch.from_numpy(np.arange(len(grid), dtype=np.float64))
        table = torch.from_numpy(np.stack([levels.alpha, levels.sigma]))

        class Exact(posterior.Denoiser):  # type: ignore[misc, name-defined]
            def schedule(self, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                return table[0][time.long()], table[1][time.long()]

            def forward(self, x_t: torch.Tensor, time: torch.Tensor) -> Any:
                i = int(time)
                eps = torch.from_numpy(model(x_t.numpy(), grid[i]))
                mean = (x_t - table[1][i] * eps) / table[0][i]
                return posterior.DiracPosterior(mean=mean)

        class OnGrid(getattr(library, sampler)):  # type: ignore[misc]
            timesteps = places

        solver = OnGrid(Exact(), order=order, steps=len(grid) - 1, silent=True)
        found: Array = solver(torch.from_numpy(x)).numpy()
        return found

    return run


def _steps(solver: Any, sigmas: torch.Tensor, model: Model, x: Array, grid: Array) -> Array:
    """Run a scheduler over our noise levels; its times are numbers of steps."""
    count = len(grid) - 1
    solver.sigmas, solver.timesteps = sigmas, torch.arange(count, dtype=float)
    solver.set_begin_index(0)
    y = torch.from_numpy(x)
    for i in range(count):
        output = torch.from_numpy(model(y.numpy().astype(np.float64), grid[i])).to(y.dtype)
        y = solver.step(output, solver.timesteps[i], y).prev_sample
    return y.numpy()


def _scaled(
    solver: Any,
    order: NDArray[np.int64],
    model: Model,
    x: Array,
    grid: Array,
    levels: Levels,
) -> Array:
    """The same for schedulers whose state is x / alpha; ``order`` lists the levels."""
    solver.sigmas, solver.timesteps = levels.ratio[order], torch.arange(len(order), dtype=float)
    solver.set_begin_index(0)
    solver.is_scale_input_called = True
    y = torch.from_numpy(x / levels.alpha[0])
    for i, place in enumerate(order[:-1]):
        output = model(y.numpy().astype(np.float64) * levels.alpha[place], grid[place])
        y = solver.step(torch.from_numpy(output).to(y.dtype), solver.timesteps[i], y).prev_sample
    return y.numpy() * levels.alpha[-1]


def _dpm(**config: Any) -> Run:
    return multistep("dpmsolver_multistep", "DPMSolverMultistepScheduler", **config)


def _single(**config: Any) -> Run:
    return multistep("dpmsolver_singlestep", "DPMSolverSinglestepScheduler", **config)


def _unipc(order: int, kind: str) -> Peer:
    run = multistep(
        "unipc_multistep", "UniPCMultistepScheduler", solver_order=order, solver_type=kind
    )
    name = f"unipc_{order}_{kind}"
    return Peer(
        f"diffusers UniPC {kind}, order {order}", order + 1, run, name, f"{name}_as_published"
    )


PEERS = (
    Peer("diffusers DDIM", 1, ddim, "ddim", "ddim"),
    Peer("diffusers Euler", 1, euler, "edm_euler", "edm_euler"),
    Peer("diffusers Heun", 2, heun, "edm_heun", "edm_heun"),
    Peer(
        "diffusers FlowMatchEuler", 1, flow_euler, "flow_euler", "flow_euler",
        "rectified_flow", "flow",
    ),
    Peer(
        "diffusers DPM++ 2M midpoint", 2, _dpm(solver_order=2), "dpm_solver_pp_2m",
        "dpm_solver_pp_2m_midpoint", floor=FLOAT32,
    ),
    Peer(
        "diffusers DPM++ 2M heun", 2, _dpm(solver_order=2, solver_type="heun"),
        "dpm_solver_pp_2m", "dpm_solver_pp_2m", floor=FLOAT32,
    ),
    Peer(
        "diffusers DPM++ 3M", 3, _dpm(solver_order=3), "dpm_solver_pp_3m",
        "dpm_solver_pp_3m_as_published", floor=FLOAT32,
    ),
    Peer(
        "diffusers DPM++ 2S", 2, _single(solver_order=2), "dpm_solver_pp_2s",
        "dpm_solver_pp_2s_midpoint", stride=2,
    ),
    _unipc(2, "bh1"),
    _unipc(2, "bh2"),
    _unipc(3, "bh1"),
    _unipc(3, "bh2"),
    Peer("diffusers DEIS log-rho, order 2", 2, deis, "dpm_solver_2m", "dpm_solver_2m"),
    Peer("azula REAB, order 2", 2, azula("REABSampler", 2), "dpm_solver_pp_2m"),
    Peer("azula REAB, order 3", 3, azula("REABSampler", 3), "dpm_solver_pp_3m"),
)  # fmt: skip


def module_of(preset: str, peer: Peer) -> tuple[sg.Solver, Any]:
    """A preset as a numpy module for the peer's schedule and prediction."""
    spec = sg.presets.get(preset, peer.schedule, peer.prediction)
    return spec, load_text(emission.render(spec, "numpy", ""), preset)


def samples(peer: Peer, preset: str, steps: int) -> tuple[Array, Array, Array]:
    """The peer's result, ours with ``preset``, and the exact one, on the same grid."""
    spec, module = module_of(preset, peer)
    start, end = SPAN[peer.schedule]
    grid = module.timesteps(steps, "half_log_snr", start=start, end=end)
    levels = Levels(module.alpha(grid), module.sigma(grid))
    ends = [(float(levels.alpha[i]), float(levels.sigma[i])) for i in (0, -1)]
    scale = np.sqrt(0.9 * ends[0][0] ** 2 + ends[0][1] ** 2)
    x = ends[0][0] * 0.1 + scale * np.linspace(-1.5, 1.5, 13)[:, None]
    model = problems.model(MIXTURE, spec)
    theirs = peer.run(model, x, grid, levels)
    ours = module.sample(model, x, grid[:: peer.stride])
    return theirs, ours, MIXTURE.exact_flow(x, *ends)


def error(found: Array, exact: Array) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean((found - exact) ** 2)))


def rate(errors: list[float], floor: float) -> float:
    """The last rate above the rounding floor."""
    used = [one for one in errors if one > floor]
    return float(np.log2(used[-2] / used[-1])) if len(used) > 1 else float("nan")


@dataclass(frozen=True)
class Row:
    """What was found for a peer."""

    peer: Peer
    theirs: list[float]
    ours: list[float]

    @property
    def order(self) -> int:
        """The proved order of our preset."""
        return sg.presets.get(self.peer.ours, self.peer.schedule, self.peer.prediction).order


def audit(peers: tuple[Peer, ...] = PEERS) -> list[Row]:
    """Measure all peers that are installed."""
    rows = []
    for peer in peers:
        theirs, ours = [], []
        for steps in STEPS:
            found, mine, exact = samples(peer, peer.ours, steps)
            theirs.append(error(found, exact))
            ours.append(error(mine, exact))
        rows.append(Row(peer, theirs, ours))
    return rows


def table(rows: list[Row]) -> Table:
    """Claimed against measured against ours."""
    shown = Table(
        "solver", "claimed", "measured", f"error, {STEPS[2]} steps",
        "our preset", "proved", "measured", f"error, {STEPS[2]} steps",
    )  # fmt: skip
    for row in rows:
        shown.add_row(
            row.peer.name,
            str(row.peer.claimed),
            f"{rate(row.theirs, row.peer.floor):.2f}",
            f"{row.theirs[2]:.1e}",
            row.peer.ours,
            str(row.order),
            f"{rate(row.ours, FLOAT64):.2f}",
            f"{row.ours[2]:.1e}",
        )
    return shown


def plot(rows: list[Row], path: str) -> None:
    """Error against steps, theirs dashed and ours solid."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 5, figsize=(18, 10), sharex=True, sharey=True)
    for axis, row in zip(axes.flat, rows, strict=False):
        axis.loglog(
            STEPS, row.theirs, "o--", label=f"theirs: {rate(row.theirs, row.peer.floor):.2f}"
        )
        axis.loglog(STEPS, row.ours, "o-", label=f"ours: {rate(row.ours, FLOAT64):.2f}")
        axis.set_title(f"{row.peer.name} (claims {row.peer.claimed})", fontsize=9)
        axis.legend(fontsize=8)
    figure.supxlabel("steps")
    figure.supylabel("root mean square error against the exact flow")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print the table; draw the plot if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", help="where to write the picture")
    arguments = parser.parse_args()
    rows = audit()
    Console(width=140).print(table(rows))
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
