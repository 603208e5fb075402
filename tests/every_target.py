"""Run by measurement/test_orders in a process of its own, where numba leaves Python as it is.

Compiling a hundred modules takes minutes, and what is asked here is whether they say the same;
that machine code does what its Python says, targets/test_targets asks of some.
"""

import json

import numpy as np
import torch
from measured import METHODS, module, uneven
from readers import TARGETS, as_target, for_target, from_target

from solvergen.compiler import load_text
from solvergen.targets import rendering


def network(x: np.ndarray, time: float) -> np.ndarray:
    """Some smooth nonlinear function."""
    return 0.3 * np.tanh(x) - time * x / (1 + x**2)


def difference(name: str, target: str) -> float:
    """The largest distance from numpy's result."""
    x = np.random.default_rng(0).standard_normal((2, 5))
    expected = module(name).sample(network, x, uneven(7))
    given, called = as_target(target, x), for_target(target, network)
    emitted = load_text(rendering.render(METHODS[name].solver, target, ""), "emitted")
    found = from_target(target, emitted.sample(called, given, uneven(7)))
    return float(np.abs(found - expected).max())


def main() -> None:
    """Print the differences by method and target."""
    torch.set_num_threads(1)
    by_scheme = {method.scheme: name for name, method in METHODS.items()}
    others = [target for target in TARGETS if target != "numpy"]
    found = {}
    for number, name in enumerate(by_scheme.values()):
        skipped = "jax" if number % 4 else ""  # it compiles every run, and test_jax has more
        found[name] = {one: difference(name, one) for one in others if one != skipped}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
