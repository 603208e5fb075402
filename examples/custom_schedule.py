"""A solver for a schedule of your own: two formulas in, a proven module out."""

import numpy as np

import solvergen as sg
from solvergen.measurement.problems import GaussianMixture

t = sg.t
schedule = sg.NoiseSchedule(alpha=1 - t**2, sigma=t, domain=(0, 1), name="parabola")
spec = sg.Solver(schedule, prediction=sg.FLOW, expansion="time", scheme="multistep:3")
print(spec)  # the derivation
print("order", spec.order)  # proved, not declared
solver = sg.compile(spec, target="numba")

means, variance = np.array([-1.0, 2.0]), 0.3  # the data: two bumps


def network(x, time):
    """dx/dt = alpha' E[x_0 | x] + sigma' E[eps | x], where your trained network would be."""
    alpha, sigma = 1 - time**2, time
    spread, gap = alpha**2 * variance + sigma**2, x - alpha * means
    weights = np.exp(-(gap**2) / (2 * spread))
    weights /= weights.sum(axis=1, keepdims=True)
    data, noise = means + alpha * variance / spread * gap, sigma / spread * gap
    return (weights * (-2 * time * data + noise)).sum(axis=1, keepdims=True)


noise = np.random.default_rng(0).standard_normal((200, 1))
mixture = GaussianMixture(np.ones(2), means[:, None], np.full(2, variance))
exact = mixture.exact_flow(noise, start=(0, 1), end=(1, 0))  # from alpha = 0 to sigma = 0
for steps in (10, 20, 40, 80, 160):
    x = solver.sample(network, noise, solver.timesteps(steps))
    print(f"{steps:4} steps: error {np.abs(x - exact).max():.1e}")
