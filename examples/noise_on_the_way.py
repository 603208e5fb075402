"""What noise on the way buys, and what not: digits, an exact network, and three errors.

The network is exact for a mixture of Gaussians on the 1,797 handwritten digits of scikit-learn.
Runs of 60 steps with eta 0, 1/2 and 1 start from the right noise and an exact network, then

    a wrong start            noise whose mean is off by 0.6
    an error in the noise    eps is off by a smooth field of size 0.25
    an error in the data     x0 is off by a smooth field of size 0.25

and their samples are compared with fresh ones of the mixture: the distance W2 along 64 random
directions. Noise forgets a wrong start and damps errors of eps; it amplifies errors of x0.

    python examples/noise_on_the_way.py [--quick] [PICTURE]
"""

import sys

import matplotlib as mpl
import numpy as np

import solvergen as sg
from solvergen.measurement.problems import digits

QUICK = "--quick" in sys.argv
SAMPLES, STEPS = (200, 30) if QUICK else (1200, 60)
DIRECTIONS, SIZE = 64, 0.25
ETAS = (0.0, 0.5, 1.0)
CASES = ("no error", "wrong start", "error in the noise", "error in the data")

problem = digits()
random = np.random.default_rng(0)
solver = sg.presets.get("sde_dpm_solver_pp_2m", "vp_linear", prediction="data")
module = sg.compile(solver, "numpy")
grid = module.time_at_half_log_snr(np.linspace(-4.0, 4.0, STEPS + 1))
directions = random.standard_normal((problem.dimensions, DIRECTIONS))
directions /= np.linalg.norm(directions, axis=0)
field = random.standard_normal((problem.dimensions, problem.dimensions)) / problem.dimensions**0.5


def drawn(count, time):
    """Samples of the mixture at a time."""
    chosen = problem.means[random.integers(len(problem.means), size=count)]
    alpha, sigma = module.alpha(time), module.sigma(time)
    spread = np.sqrt(alpha**2 * problem.variances[0] + sigma**2)
    return alpha * chosen + spread * random.standard_normal(chosen.shape)


def network(case):
    """The posterior mean, with an error that depends smoothly on x and the time."""

    def model(x, t):
        alpha, sigma = float(module.alpha(t)), float(module.sigma(t))
        x0, _ = problem.posterior(x, alpha, sigma)
        error = SIZE * np.sin(x @ field + 3.0)
        if case == "error in the noise":
            return x0 - sigma / alpha * error
        return x0 + error if case == "error in the data" else x0

    return model


def distance(first, second):
    """W2 along the directions, in the mean."""
    pairs = (np.sort(one @ directions, axis=0) for one in (first, second))
    return float(np.sqrt(np.mean((next(pairs) - next(pairs)) ** 2)))


def measured():
    """The distance of every case and eta."""
    truth, start = drawn(SAMPLES, grid[-1]), drawn(SAMPLES, grid[0])
    found = {}
    for case in CASES:
        x = start + 0.6 if case == "wrong start" else start
        for eta in ETAS:
            plan = module.Plan(grid, x.dtype, eta=eta)
            found[case, eta] = distance(module.sample(network(case), x, plan, noise=1), truth)
    return found


def draw(found, path):
    """Bars for every case."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    for k, (eta, color) in enumerate(zip(ETAS, ("#0072B2", "#56B4E9", "#D55E00"), strict=True)):
        places = np.arange(len(CASES)) + 0.27 * (k - 1)
        heights = [found[case, eta] for case in CASES]
        bars = axes.bar(places, heights, 0.25, color=color, label=f"eta = {eta:g}")
        axes.bar_label(bars, fmt="%.3f", fontsize=8)
    axes.set_xticks(range(len(CASES)), CASES)
    axes.set_ylabel("W2 to the data, along 64 directions")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150, metadata={"Software": None})


if __name__ == "__main__":
    result = measured()
    for name in CASES:
        print(f"{name:20}", *(f"eta {eta:g}: {result[name, eta]:.3f}" for eta in ETAS), sep="   ")
    for path in sys.argv[1 + QUICK :]:
        draw(result, path)
