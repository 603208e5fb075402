"""What samples of the data tell: their mean, spectrum and modes, as an exact problem of that kind.

The problem lies in the principal components of the samples, up to ``MOST_DIMENSIONS`` of them. Its
first ``MODES`` coordinates are a mixture of Gaussians that scikit-learn fits, as many as Bayes'
information criterion asks for; the others, taken evenly from the rest of the spectrum, are normal
with the variances that are there, around the mean of the samples.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from solvergen.errors import SolvergenError
from solvergen.measurement.problems import Floats
from solvergen.naming import shown
from solvergen.tuning.arrays import as_numpy

FEWEST = 16
"""Samples with which a spectrum begins to be one."""
MOST = 512
"""Samples that are used: the first ones."""
LARGEST = 2**28
"""Numbers in a file."""
MODES, COMPONENTS = 4, 8
SMALLEST = 1e-6
"""A variance of a coordinate, as a part of the largest."""
MISSING = (
    "latents need scikit-learn, which is not installed; expected `pip install scikit-learn`, or "
    "data_std (--data-std)"
)


@dataclass(frozen=True, eq=False)
class DiagonalMixture:
    """p_0 = sum_j weights_j N(means_j, diag(variances_j)), as ``GaussianMixture`` else.

    Attributes:
        weights: [k], whose sum is 1.
        means, variances: [k, d].
    """

    weights: Floats
    means: Floats
    variances: Floats

    @property
    def dimensions(self) -> int:
        """The size of the last axis of x."""
        return int(self.means.shape[1])

    def posterior(self, x: Floats, alpha_t: float, sigma_t: float) -> tuple[Floats, Floats]:
        """(x0, score) at x [.., d]."""
        gap = x[..., None, :] - alpha_t * self.means
        spread = alpha_t**2 * self.variances + sigma_t**2
        logits = np.log(self.weights) - (np.log(spread) + gap**2 / spread).sum(axis=-1) / 2
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        weights = (weights / weights.sum(axis=-1, keepdims=True))[..., None]
        data = weights * (self.means + alpha_t * self.variances / spread * gap)
        return data.sum(axis=-2), -(weights * gap / spread).sum(axis=-2)


@dataclass(frozen=True, eq=False)
class Latents:
    """What samples tell.

    Attributes:
        shape: of one.
        mean, std: over all numbers.
        spectrum: variances of the principal components, falling.
        problem: data like them.
    """

    shape: tuple[int, ...]
    mean: float
    std: float
    spectrum: Floats
    problem: DiagonalMixture

    @classmethod
    def of(cls, source: ArrayLike | str | Path, dimensions: int = 64) -> "Latents":
        """Those of samples [n, ..] or of a file with them, .npy or .pt.

        Raises:
            SolvergenError: there are none, too few, or some are no finite numbers; scikit-learn is
                not installed.
        """
        given = _read(Path(source)) if isinstance(source, str | Path) else source
        samples = _checked(given)
        flat = samples.reshape(len(samples), -1)
        center = flat.mean(axis=0)
        values, left = np.linalg.eigh((flat - center) @ (flat - center).T)
        kept = np.flatnonzero(values[::-1] > SMALLEST * values[-1])
        values, left = values[::-1][kept], left[:, ::-1][:, kept]
        directions = (flat - center).T @ left / np.sqrt(values)
        spectrum = values / (len(flat) - 1)
        rest = np.arange(MODES, len(values))
        chosen = [*range(min(MODES, len(values))), *_evenly(rest, dimensions - MODES)]
        modes = (flat - center) @ directions[:, : min(MODES, len(values))]
        problem = _problem(modes, spectrum[chosen], center @ directions[:, chosen])
        mean, std = float(samples.mean()), float(samples.std())
        return cls(samples.shape[1:], mean, std, spectrum, problem)

    def __str__(self) -> str:
        """In a few words."""
        share = self.spectrum[:MODES].sum() / self.spectrum.sum()
        count = len(self.problem.weights)
        return (
            f"samples of shape {list(self.shape)}: mean {self.mean:.2g}, standard deviation "
            f"{self.std:.2g}, {100 * share:.0f} % of the variance in {MODES} directions, "
            f"{count} mode{'s' if count > 1 else ''} there"
        )


def _evenly(places: Any, count: int) -> list[int]:
    """At most so many, evenly."""
    if len(places) <= count:
        return [*places.tolist()]
    return [*places[np.linspace(0, len(places) - 1, max(count, 0)).round().astype(int)].tolist()]


def _problem(modes: Floats, spectrum: Floats, center: Floats) -> DiagonalMixture:
    """Modes in the first coordinates, and the spectrum in the others."""
    try:
        from sklearn.mixture import GaussianMixture
    except ImportError:
        raise SolvergenError(MISSING) from None
    small = SMALLEST * float(spectrum[0])
    options: dict[str, Any] = {"covariance_type": "diag", "reg_covar": small, "random_state": 0}
    most = min(COMPONENTS, len(modes) // FEWEST + 1)
    fitted = [GaussianMixture(k, **options).fit(modes) for k in range(1, most + 1)]
    best = min(fitted, key=lambda one: float(one.bic(modes)))
    count, size = len(best.weights_), modes.shape[1]
    means, variances = np.tile(center, (count, 1)), np.tile(spectrum, (count, 1))
    means[:, :size] += best.means_
    variances[:, :size] = best.covariances_
    return DiagonalMixture(np.asarray(best.weights_), means, np.maximum(variances, small))


def _read(path: Path) -> Any:
    """The samples of a file.

    Raises:
        SolvergenError: it cannot be read.
    """
    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)[:MOST]
        if path.suffix in (".pt", ".pth"):
            import torch

            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)[:MOST]
    except Exception as error:  # of what torch and numpy find, each has its own kinds
        raise SolvergenError(
            f"cannot read the latents {shown(str(path))}: {str(error).splitlines()[0]}; expected "
            "an array .npy or a tensor .pt"
        ) from error
    raise SolvergenError(f"the latents are in {shown(str(path))}; expected a file .npy or .pt")


def _checked(given: Any) -> Floats:
    """Samples [n, ..] in float64.

    Raises:
        SolvergenError: they are none.
    """
    shape = tuple(getattr(given, "shape", np.shape(given)))
    if len(shape) < 2 or shape[0] < FEWEST or not 1 < np.prod(shape[1:]) < LARGEST / MOST:
        raise SolvergenError(
            f"got latents of shape {list(shape)}; expected samples [n, ..], {FEWEST} or more of 2 "
            "or more numbers"
        )
    try:
        found = as_numpy(given[:MOST] if hasattr(given, "shape") else given)
    except (TypeError, ValueError) as error:
        raise SolvergenError(f"got latents that are no real numbers: {error}") from error
    bad = np.flatnonzero(~np.isfinite(found.reshape(len(found), -1)).all(axis=1))
    if bad.size:
        raise SolvergenError(f"sample {bad[0]} of the latents is not finite; expected numbers")
    if not found.std() > 0 or np.ptp(found, axis=0).max() == 0:
        raise SolvergenError("all of the latents are the same; expected samples of some data")
    return found
