"""Run by measurement/test_orders in a process of its own, where numba leaves Python as it is.

Compiling a hundred modules takes minutes, and what is asked here is whether they say the same;
that machine code does what its Python says, targets/test_targets asks of some.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import torch
from measured import METHODS, module, uneven
from readers import as_target, for_target

from solvergen.compiler import load
from solvergen.targets import rendering


def network(x: np.ndarray, time: float) -> np.ndarray:
    """Some smooth nonlinear function."""
    return 0.3 * np.tanh(x) - time * x / (1 + x**2)


def emitted(name: str, target: str, folder: Path) -> ModuleType:
    """A method as a file: Triton reads the source of its kernels."""
    path = folder / f"{target}_{list(METHODS).index(name)}.py"
    path.write_text(rendering.render(METHODS[name].solver, target, ""))
    return load(path)


def difference(name: str, target: str, folder: Path) -> float:
    """The largest distance from numpy's result."""
    x = np.random.default_rng(0).standard_normal((2, 5))
    expected = module(name).sample(network, x, uneven(7))
    given, called = as_target(target, x), for_target(target, network)
    found = emitted(name, target, folder).sample(called, given, uneven(7))
    return float(np.abs(np.asarray(found) - expected).max())


def main() -> None:
    """Print the differences by method and target."""
    torch.set_num_threads(1)
    by_scheme = {method.scheme: name for name, method in METHODS.items()}
    with TemporaryDirectory() as folder:
        found = {
            name: {target: difference(name, target, Path(folder)) for target in ("numba", "torch")}
            for name in by_scheme.values()
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
