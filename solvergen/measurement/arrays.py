"""Arrays as the target of an emitted module takes them, and back."""

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvergen.targets import TORCH_TARGETS


def as_input(module: ModuleType, x: NDArray[Any]) -> Any:
    """A numpy array as the module's target takes it."""
    if module.SPEC.get("target") not in TORCH_TARGETS:
        return x
    import torch

    return torch.from_numpy(x)


def as_numpy(x: Any) -> NDArray[Any]:
    """An array of any target as numpy."""
    return x if isinstance(x, np.ndarray) else x.detach().cpu().numpy()
