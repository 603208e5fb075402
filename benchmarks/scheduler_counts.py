"""Every count of steps of an emitted scheduler: 1 to N, by 3 spacings, 4 kinds of sigmas, 3 tables
of betas, with a signal at the end and without.

    python benchmarks/scheduler_counts.py                    # all 72,000
    python benchmarks/scheduler_counts.py --draw 300         # some of them
"""

import argparse
import itertools
import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import solvergen as sg

STEPS = 1000
SPACINGS = ("linspace", "leading", "trailing")
SIGMAS = (None, "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
TABLES: tuple[dict[str, Any], ...] = (
    {"beta_schedule": "linear"},
    {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    {"beta_schedule": "squaredcos_cap_v2"},
)
METHOD = ("vp_alphabar", "velocity", "data", "half_log_snr", "multistep:2:ramp")


def configs() -> Iterator[dict[str, Any]]:
    """The arguments of the scheduler."""
    for table, spacing, sigmas, zero in itertools.product(TABLES, SPACINGS, SIGMAS, (False, True)):
        spread = {} if sigmas is None else {sigmas: True}
        yield {"timestep_spacing": spacing, "rescale_betas_zero_snr": zero, **table, **spread}


def fault(scheduler: Any, count: int) -> str:
    """What is wrong with a run in so many steps; empty if nothing is."""
    try:
        scheduler.set_timesteps(count)
    except ValueError as error:
        return str(error)
    times, sigmas = scheduler.timesteps.numpy(), scheduler.sigmas.double().numpy()
    if len(times) != count:
        return f"{len(times)} steps"
    if times.min() < 0 or times.max() > STEPS - 1:
        return f"times from {times.min()} to {times.max()}"
    if (np.diff(times) > 0).any() or sigmas[-1] != 0.0 or np.isnan(sigmas).any():
        return "levels that do not fall to 0"
    return ""


def run(draw: int | None = None, seed: int = 0) -> tuple[int, list[str]]:
    """How many runs there were, and the faults of those that had one."""
    module = sg.compile(sg.Solver(*METHOD), "diffusers")
    cases = list(itertools.product(configs(), range(1, STEPS + 1)))
    if draw is not None:
        cases = random.Random(seed).sample(cases, draw)
    faults, schedulers = [], {}
    for config, count in cases:
        key = tuple(config.items())
        if key not in schedulers:
            schedulers[key] = module.Scheduler(num_train_timesteps=STEPS, **config)
        found = fault(schedulers[key], count)
        faults += [f"{config}, {count} steps: {found}"] if found else []
    return len(cases), faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--draw", type=int, help="how many, drawn at random")
    start = time.perf_counter()
    count, faults = run(parser.parse_args().draw)
    print(f"{count} runs in {time.perf_counter() - start:.0f} s, {len(faults)} with a fault")
    print("\n".join(faults[:20]))


if __name__ == "__main__":
    main()
