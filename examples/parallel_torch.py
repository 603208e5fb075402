"""Sample in parallel in time on two processes: each asks the network about half of the rows.

The rows of a window are a batch, and the model splits it: every process evaluates its part and all
gather the whole. The loop around it runs in both, on the same numbers.

    python examples/parallel_torch.py
"""

import tempfile

import torch
import torch.distributed as dist
from torch import multiprocessing

import solvergen as sg

WORLD = 2
means = torch.tensor([[-1.0, 0.5], [1.0, -0.5]], dtype=torch.float64)


def network(x, t):
    """dx/dt = eps - x_0 on rectified flow, exact for two clouds; t has a time for each row."""
    alpha, sigma = 1 - t[:, None], t[:, None]
    spread, gap = 0.05 * alpha**2 + sigma**2, x[:, None] - alpha[:, None] * means
    weights = torch.softmax(-gap.square().sum(dim=2) / (2 * spread), dim=1)[:, :, None]
    away = (weights * gap).sum(dim=1)
    data = (weights * means).sum(dim=1) + alpha * 0.05 / spread * away
    return sigma / spread * away - data


def shared(x, t):
    """The network on all processes: this one's rows, then everybody's."""
    rows = -(-len(x) // WORLD)  # the last process may have fewer; it is filled up
    index = torch.arange(dist.get_rank() * rows, (dist.get_rank() + 1) * rows).clamp(max=len(x) - 1)
    parts = [torch.empty_like(x[index]) for _ in range(WORLD)]
    dist.all_gather(parts, network(x[index], t[index]))
    return torch.cat(parts)[: len(x)]


def work(rank, folder):
    """One process."""
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=WORLD)
    spec = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:3", parallel=True)
    solver = sg.compile(spec, target="torch")
    noise = torch.randn(6, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grid = solver.timesteps(60)
    sweeps = []
    found = solver.sample_parallel(shared, noise, grid, callback=sweeps.append)
    if rank == 0:
        alone = solver.sample(lambda x, t: network(x, t.expand(len(x))), noise, grid)
        error = float((found - alone).norm() / alone.norm())
        print(
            f"{len(solver.coefficients(grid))} evaluations in {sweeps[-1].depth} calls on ", end=""
        )
        print(f"{WORLD} processes, {sweeps[-1].rows} rows, error {error:.0e}")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(work, (folder,), WORLD)
