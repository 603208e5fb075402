"""DEIS in float32: the installed diffusers against the emitted solver of the same method.

    pip install 'solvergen[audit]';  python benchmarks/deis_float32.py

Both integrate the noise prediction, expanded in time by solvergen and in log(sigma/alpha) by
DEISMultistepScheduler ('logrho'), with three-step Adams weights (DEIS tAB-3; Zhang and Chen 2023,
arXiv:2204.13902, eq. 15), on the exact noise prediction of a mixture of two Gaussians. Samples
are float32; the model is evaluated in float64, so that what is measured is the solver. The error
is the root mean square distance to the exact flow between the end points that each grid has.
"""

import numpy as np
import torch
from diffusers import DEISMultistepScheduler, __version__

import solvergen as sg
from solvergen.measurement.problems import GaussianMixture

STEPS = (25, 50, 100, 200, 400, 800)
PROBES = np.linspace(-1.5, 1.5, 13)[:, None]
MIXTURE = GaussianMixture(np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16]))


def noise(x: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    """The exact noise prediction, in float64."""
    x = np.asarray(x, dtype=np.float64)
    return (x - alpha * MIXTURE.posterior_mean(x, alpha, sigma)) / sigma


def start(alpha: float, sigma: float) -> np.ndarray:
    return (alpha * 0.1 + np.sqrt(0.9 * alpha**2 + sigma**2) * PROBES).astype(np.float32)


def error(found: np.ndarray, x: np.ndarray, first: tuple, last: tuple) -> float:
    exact = MIXTURE.exact_flow(x.astype(np.float64), first, last)
    return float(np.sqrt(np.mean((found - exact) ** 2)))


def diffusers_error(steps: int) -> float:
    """DEISMultistepScheduler, order 3, linear betas, evenly spaced timesteps."""
    scheduler = DEISMultistepScheduler(
        beta_start=1e-4, beta_end=0.02, beta_schedule="linear", solver_order=3
    )
    scheduler.set_timesteps(steps)

    def at(n: int) -> tuple[float, float]:
        rho = float(scheduler.sigmas[n])
        return 1 / np.hypot(1, rho), rho / np.hypot(1, rho)

    x = start(*at(0))
    sample = torch.from_numpy(x.copy())
    for n, time in enumerate(scheduler.timesteps):
        predicted = torch.from_numpy(noise(sample.numpy(), *at(n)).astype(np.float32))
        sample = scheduler.step(predicted, time, sample).prev_sample
    return error(sample.double().numpy(), x, at(0), at(steps))


def solvergen_error(module, steps: int) -> float:
    """The emitted solver over the same range of noise, evenly spaced in time."""
    grid = module.timesteps(steps, "time", start=0.999, end=0.001)

    def at(time: float) -> tuple[float, float]:
        return float(module.alpha(time)), float(module.sigma(time))

    x = start(*at(grid[0]))
    found = module.sample(lambda y, time: noise(y, *at(time)).astype(np.float32), x, grid)
    return error(found.astype(np.float64), x, at(grid[0]), at(grid[-1]))


def main() -> None:
    spec = sg.Solver("vp_linear", sg.NOISE, sg.NOISE, "time", "multistep:3")
    module = sg.compile(spec, "numpy")
    print(f"| steps | solvergen noise, time, multistep:3 | diffusers {__version__} DEIS order 3 |")
    print("|---|---|---|")
    for steps in STEPS:
        print(f"| {steps} | {solvergen_error(module, steps):.1e} | {diffusers_error(steps):.1e} |")


if __name__ == "__main__":
    main()
