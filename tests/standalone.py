"""Measures emitted modules in a process where solvergen cannot be imported.

Reads lines of JSON, lists of {"path", "target", "start", "end", "spacing", "interpreted"}, and
answers each with a line, a list of {"path", "stated", "rates", "errors"}. What is ``interpreted``
is Python that numba does not compile.

The problem is a one-dimensional mixture of two Gaussians. Its probability-flow ODE moves
quantiles, F_t(x_t) = F_s(x_s), so the exact solution is a root of the mixture's distribution
function: no reference solver is involved.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
from scipy.special import ndtr

sys.modules["solvergen"] = None  # type: ignore[assignment]

WEIGHTS, MEANS, VARIANCES = np.array([0.4, 0.6]), np.array([-1.0, 0.8]), np.array([0.09, 0.16])
PROBES = np.linspace(-1.5, 1.5, 13)
FLOOR = 1e-11
STEPS = tuple(2**k for k in range(4, 13))


def posterior_mean(x, alpha, sigma):
    variances = alpha**2 * VARIANCES + sigma**2
    gaps = x[..., None] - alpha * MEANS
    logits = np.log(WEIGHTS) - 0.5 * np.log(variances) - 0.5 * gaps**2 / variances
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return (weights * (MEANS + alpha * VARIANCES / variances * gaps)).sum(axis=-1)


def distribution(x, alpha, sigma):
    deviations = np.sqrt(alpha**2 * VARIANCES + sigma**2)
    return (WEIGHTS * ndtr((x[..., None] - alpha * MEANS) / deviations)).sum(axis=-1)


def exact_flow(x, start, end):
    quantiles = distribution(x, *start)
    low, high = np.full_like(x, -50.0), np.full_like(x, 50.0)
    for _ in range(120):
        middle = 0.5 * (low + high)
        below = distribution(middle, *end) < quantiles
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def velocity_model(module):
    """The exact velocity prediction, alpha eps - sigma x0."""

    def model(x, t):
        alpha, sigma = float(module.alpha(float(t))), float(module.sigma(float(t)))
        x0 = posterior_mean(np.asarray(x), alpha, sigma)
        return alpha * (np.asarray(x) - alpha * x0) / sigma - sigma * x0

    return model


def sampled(module, target, model, x, grid):
    """The sample as a numpy array, of whatever arrays the module takes."""
    if target == "torch":
        import torch

        tensor = torch.from_numpy(x)
        return module.sample(
            lambda y, t: torch.from_numpy(model(y.numpy(), t)), tensor, grid
        ).numpy()
    if target == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
        like = jax.ShapeDtypeStruct(x.shape, x.dtype)
        array = jax.numpy.asarray(x)
        return np.asarray(
            module.sample(lambda y, t: jax.pure_callback(model, like, y, t), array, grid)
        )
    return module.sample(model, x, grid)


def run(module, job, steps):
    grid = module.timesteps(steps, job["spacing"], start=job["start"], end=job["end"])
    ends = [(float(module.alpha(t)), float(module.sigma(t))) for t in (grid[0], grid[-1])]
    alpha, sigma = ends[0]
    x = alpha * 0.1 + np.sqrt(0.9 * alpha**2 + sigma**2) * PROBES
    found = sampled(module, job["target"], velocity_model(module), x, grid)
    return float(np.sqrt(np.mean((found - exact_flow(x, *ends)) ** 2)))


def measure(job):
    path = Path(job["path"])
    if job["target"] == "numba":
        import numba

        numba.config.DISABLE_JIT = int(job["interpreted"])
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    errors = []
    for steps in STEPS:
        errors.append(run(module, job, steps))
        if errors[-1] < 30 * FLOOR:
            break
        rates = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
        if len(rates) >= 3 and np.ptp(rates[-2:]) < 0.03:
            break
    rates = np.log2(np.array(errors[:-1]) / np.array(errors[1:])).tolist()
    return {"path": job["path"], "stated": module.ORDER, "rates": rates, "errors": errors}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps([measure(job) for job in json.loads(line)]), flush=True)
