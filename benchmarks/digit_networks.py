"""Two small networks, trained on the 8 x 8 digits: the flow of rectified_flow, the noise of VP."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import solvergen as sg

STEPS, BATCH, RATE = 6000, 256, 2e-3
WIDTH, DEPTH, FREQUENCIES = 256, 3, 16
SIZE = 64


class Network(nn.Module):
    """x [batch, 64] and a time to a prediction: a residual perceptron, smooth in both."""

    def __init__(self) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.logspace(0, 1.5, FREQUENCIES), requires_grad=False)
        self.inner = nn.Linear(SIZE + 2 * FREQUENCIES, WIDTH)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.SiLU(),
                          nn.Linear(WIDTH, WIDTH))
            for _ in range(DEPTH)
        )  # fmt: skip
        self.outer = nn.Linear(WIDTH, SIZE)

    def forward(self, x: Tensor, t: Any) -> Tensor:
        """The prediction."""
        t = torch.as_tensor(t, dtype=x.dtype).expand(len(x), 1)
        angle = t * self.frequencies
        y = self.inner(torch.cat([x, angle.sin(), angle.cos()], dim=1))
        for block in self.blocks:
            y = y + block(y)
        found: Tensor = self.outer(y)
        return found


def trained(schedule: str, end: float, seed: int = 0) -> Network:
    """A network of the flow (``rectified_flow``), or of the noise of another schedule."""
    torch.manual_seed(seed)
    data = torch.tensor(load_digits().data / 8 - 1, dtype=torch.float32)
    module = sg.compile(sg.Solver(schedule, "noise", "data", scheme="multistep:1"), "numpy")
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), RATE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    mean = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998)
    )
    target: Callable[[Tensor, Tensor], Tensor] = (
        (lambda x, z: z - x) if schedule == "rectified_flow" else (lambda x, z: z)
    )
    for _ in range(STEPS):
        x, z = data[torch.randint(len(data), (BATCH,))], torch.randn(BATCH, SIZE)
        t = end + (1 - end) * torch.rand(BATCH, 1)
        a, s = (torch.tensor(np.asarray(f(t.double().numpy()))).float()
                for f in (module.alpha, module.sigma))  # fmt: skip
        loss = (network(a * x + s * z, t) - target(x, z)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
        mean.update_parameters(network)
    found: Network = mean.module
    return found.eval()
