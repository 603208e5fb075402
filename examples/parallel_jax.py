"""Sample in parallel in time with jax, the rows of a window sharded over two devices of the host.

python examples/parallel_jax.py
"""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import solvergen as sg

jax.config.update("jax_enable_x64", True)
rows = NamedSharding(Mesh(np.array(jax.devices()), ("rows",)), PartitionSpec("rows"))
means = jnp.array([[-1.0, 0.5], [1.0, -0.5]])


def flow(x, t):
    """dx/dt = eps - x_0 on rectified flow, exact for two clouds; t has a time for each row."""
    alpha, sigma = 1 - t[:, None], t[:, None]
    spread, gap = 0.05 * alpha**2 + sigma**2, x[:, None] - alpha[:, None] * means
    weights = jax.nn.softmax(-jnp.square(gap).sum(2) / (2 * spread), axis=1)[:, :, None]
    away = (weights * gap).sum(1)
    data = (weights * means).sum(1) + alpha * 0.05 / spread * away
    return sigma / spread * away - data


network = jax.jit(flow, in_shardings=(rows, rows), out_shardings=rows)


def sharded(x, t):
    """Every device asks about its rows; all calls have one shape, so this compiles once."""
    found = network(jax.device_put(x, rows), jax.device_put(t, rows))
    return jax.device_put(found, jax.devices()[0])


spec = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:3", parallel=True)
solver = sg.compile(spec, target="jax")
noise = jax.random.normal(jax.random.key(0), (6, 2), jnp.float64)
grid = solver.timesteps(60)
sweeps = []
found = solver.sample_parallel(sharded, noise, grid, callback=sweeps.append)
alone = solver.sample(lambda x, t: flow(x, jnp.full(len(x), t)), noise, grid)
error = float(jnp.linalg.norm(found - alone) / jnp.linalg.norm(alone))
print(f"{len(solver.coefficients(grid))} evaluations in {sweeps[-1].depth} calls ", end="")
print(f"on {len(jax.devices())} devices, {sweeps[-1].rows} rows, error {error:.0e}")
