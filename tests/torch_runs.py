"""What the tests of the torch target run: solvers of every kind, a network and a grid."""

from types import ModuleType

import numpy as np
import torch

CHOICES = {
    "multistep": ("vp_linear", "noise", "data", "half_log_snr", "multistep:3"),
    "singlestep": ("vp_linear", "velocity", "noise", "theta", "singlestep:3"),
    "corrector": ("rectified_flow", "flow", "data", "half_log_snr", "unipc:3:bh2"),
    "pair": ("vp_linear", "velocity", "velocity", "theta", "bogacki_shampine"),
    "copies": ("rectified_flow", "flow", "flow", "time", "multistep:2"),
}


def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return torch.sin(x) * (1 + t) - 0.3 * x


def grid_of(module: ModuleType, steps: int = 6) -> np.ndarray:
    return module.timesteps(steps, "time", start=0.9, end=0.1)
