"""The samplers of azula as peers, on its own interface: a denoiser with a schedule."""

from importlib import import_module
from typing import Any

import numpy as np
import torch

from solvergen.measurement.problems import Floats
from solvergen.reports.audit.peer import Grid, Model, Peer, PeerRun
from solvergen.specification import presets

LIBRARY = "azula"


def sampler(name: str, order: int) -> PeerRun:
    """One of azula's multistep samplers; its times are places on our grid."""

    def run(model: Model, x: Floats, grid: Grid) -> Floats:
        library, posterior = import_module("azula.sample"), import_module("azula.denoise")
        places = torch.from_numpy(np.arange(grid.steps + 1, dtype=np.float64))
        table = torch.from_numpy(np.stack([grid.alpha, grid.sigma]))

        class Exact(posterior.Denoiser):  # type: ignore[name-defined]
            def schedule(self, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                return table[0][time.long()], table[1][time.long()]

            def forward(self, x_t: torch.Tensor, time: torch.Tensor) -> Any:
                mean = torch.from_numpy(model(x_t.numpy(), grid.times[int(time)]))
                return posterior.DiracPosterior(mean=mean)

        class OnGrid(getattr(library, name)):  # type: ignore[misc]
            timesteps = places

        solver = OnGrid(Exact(), order=order, steps=grid.steps, silent=True)
        found: Floats = solver(torch.from_numpy(x)).numpy()
        return found

    return run


def multistep(
    name: str, order: int, ours: str, schedule: str = "vp_linear", published: bool = True
) -> Peer:
    """A sampler whose start has order 1; it claims the order that it is given."""
    same = presets.find(f"{ours}_as_published") if published else None
    run = sampler(f"{name}Sampler", order)
    return Peer(LIBRARY, f"{name} {order}", order, run, ours, same, schedule, "data")


PEERS = (
    multistep("zAB", 2, "zab_2"),
    multistep("zAB", 4, "zab_4", "rectified_flow"),
    multistep("vAB", 4, "vab_4", "rectified_flow"),
    multistep("zEAB", 4, "zeab_4", "rectified_flow"),
    multistep("xEAB", 2, "xeab_2"),
    multistep("xEAB", 4, "xeab_4", "rectified_flow"),
    multistep("REAB", 2, "reab_2", published=False),
    multistep("REAB", 3, "reab_3", published=False),
)
