"""The noise levels that samplers' clients choose: ComfyUI's schedulers and diffusers' spacings.

A client gives a sampler the levels sigma of a run, from noise to 0. For networks with a table of
betas (``eps``, the table of Stable Diffusion unless another is given) sigma is sqrt(1/abar - 1);
for flow models (``flow``, with a ``shift``) it is shift u / (1 + (shift - 1) u), u = k/1000. The
formulas are those of ``comfy/samplers.py``, of diffusers' ``set_timesteps``, and of Karras et al.
2022 (arXiv:2206.00364, eq. 5), Sabour et al. 2024 (arXiv:2404.14507, theorem 3.1: kl_optimal),
Polyak et al. 2024 (arXiv:2410.13720: linear_quadratic), Lee et al. 2024 (arXiv:2407.12173: beta).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvergen.errors import SolvergenError
from solvergen.naming import meant, shown

Floats = NDArray[np.float64]

TRAINED = 1000
RHO, THRESHOLD = 7.0, 0.025
BETA, CELLS = 0.6, 16384


@dataclass(frozen=True, eq=False)
class Levels:
    """The noise levels of a network, ascending, and how they depend on a real timestep.

    Attributes:
        kind: ``eps`` or ``flow``.
        table: sigma at the timesteps.
        shift: of a flow.
    """

    kind: str
    table: Floats
    shift: float = 1.0

    @classmethod
    def eps(cls, betas: Any = None) -> "Levels":
        """Of a table of betas; that of Stable Diffusion if there is none."""
        usual = np.linspace(0.00085**0.5, 0.012**0.5, TRAINED) ** 2
        kept = np.cumprod(1.0 - (usual if betas is None else np.asarray(betas, dtype=np.float64)))
        return cls("eps", np.sqrt((1.0 - kept) / kept))

    @classmethod
    def flow(cls, shift: float = 3.0) -> "Levels":
        """Of a flow network."""
        return cls("flow", shifted(np.arange(1, TRAINED + 1) / TRAINED, shift), shift)

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The largest and the smallest level."""
        return float(self.table[-1]), float(self.table[0])

    @property
    def timesteps(self) -> tuple[float, float]:
        """Where those are."""
        if self.kind == "flow":
            return self.ends[0] * TRAINED, self.ends[1] * TRAINED
        return self.table.size - 1.0, 0.0

    def at(self, timesteps: Floats) -> Floats:
        """sigma at real timesteps."""
        if self.kind == "flow":
            return shifted(timesteps / TRAINED, self.shift)
        logs = np.interp(timesteps, np.arange(self.table.size), np.log(self.table))
        return np.exp(logs)


def shifted(u: Floats, shift: float) -> Floats:
    """shift u / (1 + (shift - 1) u)."""
    return shift * u / (1.0 + (shift - 1.0) * u)


def beta_quantiles(u: Floats) -> Floats:
    """Of Beta(a, a), a = 0.6: in x = sin(phi)^2 the density is (sin(2 phi)/2)^(2 a - 1)."""
    phi = np.linspace(0.0, 0.5 * np.pi, CELLS + 1)
    mass = np.append(0.0, np.cumsum(np.sin(phi[1:] + phi[:-1]) ** (2.0 * BETA - 1.0)))
    return np.sin(np.interp(u, mass / mass[-1], phi)) ** 2


def _simple(levels: Levels, n: int) -> Floats:
    places = 1 + (np.arange(n) * (levels.table.size / n)).astype(int)
    return levels.table[-places]


def _sgm_uniform(levels: Levels, n: int) -> Floats:
    return levels.at(np.linspace(*levels.timesteps, n + 1)[:-1])


def _normal(levels: Levels, n: int) -> Floats:
    return levels.at(np.linspace(*levels.timesteps, n))


def _ddim_uniform(levels: Levels, n: int) -> Floats:
    return levels.table[1 :: max(levels.table.size // n, 1)][::-1]


def _beta(levels: Levels, n: int) -> Floats:
    share = beta_quantiles(1.0 - np.linspace(0.0, 1.0, n, endpoint=False))
    places = np.rint(share * (levels.table.size - 1)).astype(int)
    return levels.table[places[np.concatenate([[True], np.diff(places) != 0])]]


def _karras(levels: Levels, n: int) -> Floats:
    first, last = (one ** (1.0 / RHO) for one in levels.ends)
    return np.asarray((first + np.linspace(0.0, 1.0, n) * (last - first)) ** RHO)


def _exponential(levels: Levels, n: int) -> Floats:
    first, last = np.log(levels.ends)
    return np.exp(np.linspace(first, last, n))


def _kl_optimal(levels: Levels, n: int) -> Floats:
    first, last = np.arctan(levels.ends)
    return np.tan(np.linspace(first, last, n))


def _linear_quadratic(levels: Levels, n: int) -> Floats:
    if n == 1:
        return np.array(levels.ends[:1])
    linear = n // 2
    quadratic = n - linear
    bend = linear - THRESHOLD * n
    slope = THRESHOLD / linear - 2.0 * bend / quadratic**2
    k = np.arange(n, dtype=np.float64)
    risen = bend / (linear * quadratic**2) * k**2 + slope * k + bend * linear / quadratic**2
    start = np.where(k < linear, k * THRESHOLD / linear, risen)
    return (1.0 - start) * levels.ends[0]


def _leading(levels: Levels, n: int) -> Floats:
    last = levels.table.size - 1
    return levels.table[np.minimum(1 + np.arange(n) * ((last + 1) // n), last)[::-1]]


def _trailing(levels: Levels, n: int) -> Floats:
    places = np.round(np.arange(n, 0, -1) * (levels.table.size / n)).astype(int)
    return levels.table[places - 1]


def _diffusers_beta(levels: Levels, n: int) -> Floats:
    share = beta_quantiles(1.0 - np.linspace(0.0, 1.0, n))
    return levels.ends[1] + share * (levels.ends[0] - levels.ends[1])


def _uniform(levels: Levels, n: int) -> Floats:
    return 1.0 - np.arange(n) / n


BOTH: dict[str, Callable[[Levels, int], Floats]] = {
    "simple": _simple,
    "sgm_uniform": _sgm_uniform,
    "karras": _karras,
    "exponential": _exponential,
    "ddim_uniform": _ddim_uniform,
    "beta": _beta,
    "normal": _normal,
    "linear_quadratic": _linear_quadratic,
    "kl_optimal": _kl_optimal,
}
"""ComfyUI's nine schedulers."""

DIFFUSERS: dict[str, dict[str, Callable[[Levels, int], Floats]]] = {
    "eps": {
        "leading": _leading,
        "linspace": _normal,
        "trailing": _trailing,
        "use_karras_sigmas": _karras,
        "use_exponential_sigmas": _exponential,
        "use_beta_sigmas": _diffusers_beta,
    },
    "flow": {"flow_match_euler": _normal, "uniform": _uniform},
}
"""By the family of the network. FlowMatchEuler shifts twice: its even times are those of levels
that are shifted already."""


def names(kind: str) -> tuple[str, ...]:
    """The grids that networks of a kind, eps or flow, are sampled on."""
    return (*BOTH, *DIFFUSERS[kind])


def grid(levels: Levels, name: str, steps: int, denoise: float = 1.0) -> Floats:
    """The levels of a run, [steps + 1] or fewer, from noise to 0.

    Args:
        levels: of the network.
        name: one of ``names``.
        steps: how many are asked for; ``ddim_uniform`` may have one or two more.
        denoise: the part of a run that image-to-image takes, in ComfyUI's way: the last ``steps``
            of steps/denoise.

    Raises:
        SolvergenError: there is no such grid, or a number is out of its range.
    """
    known = {**BOTH, **DIFFUSERS[levels.kind]}
    if name not in known:
        raise SolvergenError(
            f"unknown grid {shown(name)}; expected one of {', '.join(known)}."
            f"{meant(name, tuple(known))}"
        )
    if not (1 <= steps <= TRAINED and 0.0 < denoise <= 1.0):
        raise SolvergenError(
            f"grid {name}: got {steps} steps, denoise {denoise}; expected 1 to {TRAINED}, and a "
            "part of the run above 0"
        )
    found = np.append(known[name](levels, max(int(steps / denoise), steps)), 0.0)
    return found if denoise == 1.0 else found[-(steps + 1) :]
