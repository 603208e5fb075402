"""Exact test problems: data distributions whose denoiser, and often whose flow, is a formula.

With x_t = alpha x_0 + sigma eps, everything a network could predict at (x, t) is linear in

    x0    = E[x_0 | x_t = x]                          the posterior mean
    score = grad log p_t(x) = (alpha x0 - x) / sigma^2 = -eps / sigma

and the probability-flow ODE is dx/dt = alpha' x0 + sigma' eps (Song et al. 2021,
arXiv:2011.13456, eq. 13). The score, not eps, is the second quantity here: its formula has no
division by sigma, so nothing is ever 0/0. ``model`` turns a problem into what a solver calls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import mpmath
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sympy import Expr

from solvergen.algebra import precision
from solvergen.algebra.evaluation import evaluate_float, evaluate_mp
from solvergen.derivation.parameterization import at_schedule
from solvergen.errors import SolvergenError
from solvergen.measurement.quantiles import quantile, tail
from solvergen.specification.solver import Solver
from solvergen.symbols import sigma, t

Floats = NDArray[Any]
Coefficients = tuple[float, float]
"""(alpha, sigma) at one time."""

TIMES = 2048
"""That a network keeps its coefficients of: those of a few runs over the same grids."""

_DIRECT_SIZE = 64
"""Differences x - alpha X_j are formed outright if there are at most this many numbers in X."""


class Problem(Protocol):
    """A data distribution with an exact denoiser."""

    @property
    def dimensions(self) -> int:
        """The size of the last axis of x."""

    def posterior(self, x: Floats, alpha_t: float, sigma_t: float) -> tuple[Floats, Floats]:
        """(x0, score) at x [..., d], in the dtype of x."""


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """p_0 = sum_j weights_j N(means_j, variances_j I).

    With s_j^2 = alpha^2 v_j + sigma^2, the distribution at time t is the mixture of
    N(alpha X_j, s_j^2 I), and the posterior over its components is

        w_j = softmax_j(log pi_j - (d/2) log s_j^2 - |x - alpha X_j|^2 / (2 s_j^2)).

    Equal weights on the points of a data set and one small variance v make the empirical
    distribution smoothed by v; v = 0 is the empirical distribution itself.

    Args:
        weights: pi [k], positive; they are normalised to sum to 1.
        means: X [k, d].
        variances: v [k], zero or positive.

    Raises:
        SolvergenError: shapes disagree, or a weight or variance is out of range.
    """

    weights: Floats
    means: Floats
    variances: Floats

    def __post_init__(self) -> None:
        for field in ("weights", "means", "variances"):
            value = np.array(getattr(self, field), dtype=np.float64)
            value.flags.writeable = False
            object.__setattr__(self, field, value)
        shapes = [one.shape for one in (self.weights, self.means, self.variances)]
        if self.means.ndim != 2 or shapes[0] != shapes[2] or shapes[0] != self.means.shape[:1]:
            raise SolvergenError(
                f"mixture: got weights {shapes[0]}, means {shapes[1]}, variances {shapes[2]}; "
                "expected [k], [k, d] and [k]: write means of one dimension as [[m_1], [m_2], ..]"
            )
        if not (np.all(self.weights > 0) and np.all(self.variances >= 0)):
            raise SolvergenError(
                f"mixture: got weights from {self.weights.min()} and variances from "
                f"{self.variances.min()}; expected weights > 0 and variances >= 0"
            )
        object.__setattr__(self, "weights", self.weights / self.weights.sum())

    @property
    def dimensions(self) -> int:
        """d, the size of the last axis of x."""
        return int(self.means.shape[1])

    def posterior_mean(self, x: ArrayLike, alpha_t: float, sigma_t: float) -> Floats:
        """E[x_0 | x_t = x] for x [..., d]."""
        return self.posterior(np.asarray(x), alpha_t, sigma_t)[0]

    def score(self, x: ArrayLike, alpha_t: float, sigma_t: float) -> Floats:
        """grad log p_t(x) for x [..., d]; the posterior mean of eps is -sigma times that."""
        return self.posterior(np.asarray(x), alpha_t, sigma_t)[1]

    def posterior(self, x: Floats, alpha_t: float, sigma_t: float) -> tuple[Floats, Floats]:
        """(x0, score) at x [..., d], in the dtype of x, float32 or float64.

        With u_j = w_j / s_j^2 both are sums over one product u X,

            x0    = sum_j w_j [X_j + (alpha v_j / s_j^2) (x - alpha X_j)]
                  = sigma^2 u X + alpha (u v) x
            score = -sum_j w_j (x - alpha X_j) / s_j^2 = alpha u X - (sum u) x,

        which are finite at alpha = 0, and at sigma = 0 if every v_j > 0.
        """
        alpha_t, sigma_t = float(alpha_t), float(sigma_t)
        points = _points(x, self.dimensions)
        means = self.means.astype(points.dtype, copy=False)
        spread = self._spread(alpha_t, sigma_t)
        logits = self._distances(points, alpha_t, means, spread)
        logits += self._log_weights - self.dimensions / 2 * np.log(spread)
        logits -= logits.max(axis=-1, keepdims=True)
        weights = np.exp(logits, out=logits)
        weights /= weights.sum(axis=-1, keepdims=True) * spread.astype(points.dtype)
        product = weights @ means
        shrink = (weights @ self.variances.astype(points.dtype, copy=False))[:, None]
        data = sigma_t**2 * product + alpha_t * shrink * points
        score = alpha_t * product - weights.sum(axis=-1, keepdims=True) * points
        return data.reshape(x.shape), score.reshape(x.shape)

    @cached_property
    def _log_weights(self) -> Floats:
        return np.log(self.weights)

    @cached_property
    def _square_norms(self) -> Floats:
        """|X_j|^2 [k]."""
        return np.square(self.means).sum(axis=-1)

    def _distances(self, x: Floats, alpha_t: float, means: Floats, spread: Floats) -> Floats:
        """-|x - alpha X_j|^2 / (2 s_j^2) [n, k], up to a constant in j.

        A large X takes a matrix product. It loses the digits in which x and alpha X agree, so |x|^2
        enters only by the differences of 1/s_j^2, which are zero if all variances are one.
        """
        precision = (1 / spread).astype(x.dtype)
        if means.size <= _DIRECT_SIZE:
            distances = np.square(x[:, None, :] - alpha_t * means).sum(axis=-1)
            return np.asarray(-0.5 * precision * distances)
        logits = x @ means.T
        logits *= alpha_t
        logits -= alpha_t**2 / 2 * self._square_norms
        logits *= precision
        if np.ptp(precision):
            logits -= np.square(x).sum(axis=-1, keepdims=True) / 2 * (precision - precision.min())
        return np.asarray(logits)

    def exact_flow(self, x: ArrayLike, start: Coefficients, end: Coefficients) -> Floats:
        """The probability-flow ODE's solution at ``end`` from x [..., 1] at ``start``.

        In one dimension the flow preserves quantiles: it is monotone and carries p_s to p_t, so
        F_t(x_t) = F_s(x_s). Solved in many digits, rounded once to float64.

        Raises:
            SolvergenError: the mixture has more than one dimension.
        """
        points = np.asarray(x, dtype=np.float64)
        _points(points, self.dimensions)
        with mpmath.workdps(16):
            flowed = [float(self.exact_flow_mp(float(one), start, end)) for one in points.flat]
        return np.array(flowed).reshape(points.shape)

    def exact_flow_mp(self, x: Any, start: tuple[Any, Any], end: tuple[Any, Any]) -> Any:
        """``exact_flow`` of one number, to the mpmath precision in force."""
        if self.dimensions != 1:
            raise SolvergenError(
                f"exact_flow: the mixture has {self.dimensions} dimensions; expected 1, where the "
                "flow follows from quantiles. Compare with a converged run instead"
            )
        digits = mpmath.mp.dps
        with mpmath.workdps(digits + precision.QUANTILE_GUARD):
            x = mpmath.mpf(x)
            first, last = self._components(*start), self._components(*end)
            side = 1 if tail(first, x, 1)[0] < mpmath.mpf(1) / 2 else -1
            target = mpmath.log(tail(first, x, side)[0])
            mapped = [
                mean + spread * (x - mean_s) / spread_s
                for (_, mean, spread), (_, mean_s, spread_s) in zip(last, first, strict=True)
            ]
            y = quantile(last, target, side, min(mapped), max(mapped), digits)
        return +y

    def posterior_mp(self, x: Any, alpha_t: Any, sigma_t: Any) -> tuple[Any, Any]:
        """(x0, score) of one number, one dimension, in the mpmath precision in force."""
        parts = self._components(alpha_t, sigma_t)
        logits = [
            mpmath.log(weight / spread) - ((x - mean) / spread) ** 2 / 2
            for weight, mean, spread in parts
        ]
        terms = [mpmath.exp(one - max(logits)) for one in logits]
        total = mpmath.fsum(terms)
        u = [term / (total * part[2] ** 2) for term, part in zip(terms, parts, strict=True)]
        product, shrink = (
            mpmath.fdot(u, map(float, one)) for one in (self.means[:, 0], self.variances)
        )
        data = sigma_t**2 * product + alpha_t * shrink * x
        return data, alpha_t * product - mpmath.fsum(u) * x

    def _components(self, alpha_t: Any, sigma_t: Any) -> list[tuple[Any, Any, Any]]:
        """(weight, mean, standard deviation) of each component of p_t, as mpmath numbers."""
        self._spread(float(alpha_t), float(sigma_t))
        alpha_t, sigma_t = mpmath.mpf(alpha_t), mpmath.mpf(sigma_t)
        return [
            (mpmath.mpf(w), alpha_t * float(m), mpmath.sqrt(alpha_t**2 * float(v) + sigma_t**2))
            for w, m, v in zip(self.weights, self.means[:, 0], self.variances, strict=True)
        ]

    def _spread(self, alpha_t: float, sigma_t: float) -> Floats:
        """s_j^2 = alpha^2 v_j + sigma^2."""
        return _positive(alpha_t**2 * self.variances + sigma_t**2, alpha_t, sigma_t)


@dataclass(frozen=True, eq=False)
class Gaussian:
    """p_0 = N(mean, covariance): the probability-flow ODE is linear and its flow is closed-form.

    Args:
        mean: m [d].
        covariance: C [d, d], symmetric and positive semi-definite.

    Raises:
        SolvergenError: shapes disagree, or C is not a covariance.
    """

    mean: Floats
    covariance: Floats

    def __post_init__(self) -> None:
        mean, covariance = (np.array(one, dtype=np.float64) for one in (self.mean, self.covariance))
        if mean.ndim != 1 or covariance.shape != 2 * mean.shape:
            raise SolvergenError(
                f"Gaussian: got mean {mean.shape} and covariance {covariance.shape}; "
                "expected [d] and [d, d]"
            )
        least, largest = np.linalg.eigvalsh(covariance)[[0, -1]]
        if not np.allclose(covariance, covariance.T, rtol=1e-12) or least < -1e-12 * largest:
            raise SolvergenError(
                f"Gaussian: the covariance has the least eigenvalue {least}; expected a symmetric "
                "positive semi-definite matrix"
            )
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    @cached_property
    def _modes(self) -> tuple[Floats, Floats]:
        """The eigenvalues and eigenvectors of C."""
        values, vectors = np.linalg.eigh(self.covariance)
        return np.maximum(values, 0.0), vectors

    @property
    def dimensions(self) -> int:
        """d, the size of the last axis of x."""
        return int(self.mean.size)

    def posterior(self, x: Floats, alpha_t: float, sigma_t: float) -> tuple[Floats, Floats]:
        """x0 = m + alpha C S (x - alpha m) and score = -S (x - alpha m), with
        S = (alpha^2 C + sigma^2)^(-1).
        """
        points = _points(x, self.dimensions)
        values, vectors = self._modes
        modes = (points - alpha_t * self.mean) @ vectors / self._spread(alpha_t, sigma_t)
        data = self.mean + alpha_t * (values * modes) @ vectors.T
        score = -modes @ vectors.T
        return data.astype(x.dtype).reshape(x.shape), score.astype(x.dtype).reshape(x.shape)

    def exact_flow(self, x: ArrayLike, start: Coefficients, end: Coefficients) -> Floats:
        """x_t = alpha_t m + (alpha_t^2 C + sigma_t^2)^(1/2) (alpha_s^2 C + sigma_s^2)^(-1/2)
        (x_s - alpha_s m), for x [..., d] at ``start``.
        """
        given = np.asarray(x, dtype=np.float64)
        points = _points(given, self.dimensions)
        _, vectors = self._modes
        growth = np.sqrt(self._spread(*end) / self._spread(*start))
        modes = (points - start[0] * self.mean) @ vectors * growth
        return (end[0] * self.mean + modes @ vectors.T).reshape(given.shape)

    def _spread(self, alpha_t: float, sigma_t: float) -> Floats:
        """The eigenvalues of alpha^2 C + sigma^2."""
        return _positive(alpha_t**2 * self._modes[0] + sigma_t**2, alpha_t, sigma_t)


def digits(variance: float = 0.01) -> GaussianMixture:
    """scikit-learn's 1,797 handwritten digits, 8 x 8, in [-1, 1], smoothed by ``variance``.

    A real, exact, 64-dimensional diffusion model that needs no training.

    Raises:
        SolvergenError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise SolvergenError(
            "the digits need scikit-learn, which is not installed; "
            'install it with: pip install "solvergen[demo]"'
        ) from error
    images = load_digits().data / 8.0 - 1.0
    count = len(images)
    return GaussianMixture(np.full(count, 1 / count), images, np.full(count, variance))


def model(problem: Problem, solver: Solver) -> Callable[[Floats, float], Floats]:
    """The exact network of ``solver``: (x [..., d], t) -> its prediction, at any t of the domain.

        N = c_data x0 + c_noise eps = c_data x0 - (c_noise sigma) score

    The product c_noise sigma is simplified first, so that a prediction with a finite limit has
    that value at the ends too: the score itself, or the flow where sigma' is infinite. The time is
    the network's, which a reversed schedule turns.
    """
    formulas = [solver.schedule.stable(one) for one in _factors(solver)]

    @lru_cache(maxsize=TIMES)
    def coefficients(time: float) -> list[float]:
        parameters = solver.schedule.parameters
        return [float(evaluate_float(one, t, time, parameters)) for one in formulas]

    def predict(x: Floats, time: float) -> Floats:
        at = solver.schedule.network_time(float(time))
        alpha_t, sigma_t, of_data, of_score = coefficients(at)
        data, score = problem.posterior(x, alpha_t, sigma_t)
        return of_data * data + of_score * score

    return predict


def model_mp(problem: GaussianMixture, solver: Solver) -> Callable[[Any, Any], Any]:
    """``model`` for one dimension in mpmath, at the precision in force: (x, t) -> prediction.

    ``x`` is a number or a numpy array of numbers.
    """
    factors = [solver.schedule.substitute(one) for one in _factors(solver)]

    def at(x: Any, time: Any) -> Any:
        alpha_t, sigma_t, of_data, of_score = (
            evaluate_mp(one, t, time, mpmath.mp.dps) for one in factors
        )
        data, score = problem.posterior_mp(x, alpha_t, sigma_t)
        return of_data * data + of_score * score

    return np.vectorize(at, otypes=[object])


def _factors(solver: Solver) -> tuple[Expr, Expr, Expr, Expr]:
    """alpha, sigma, and the factors of x0 and of the score in the prediction."""
    schedule, prediction = solver.schedule, solver.prediction
    of_data, of_score = (
        schedule.simplest(at_schedule(one, schedule))
        for one in (prediction.data, -sigma * prediction.noise)
    )
    return schedule.alpha, schedule.sigma, of_data, of_score


def _points(x: Floats, dimensions: int) -> Floats:
    """x [..., d] as [n, d]."""
    if x.dtype not in (np.float32, np.float64):
        raise SolvergenError(f"x has dtype {x.dtype}; expected float32 or float64")
    if x.ndim == 0 or x.shape[-1] != dimensions:
        raise SolvergenError(f"x has shape {x.shape}; expected [..., {dimensions}]")
    return x.reshape(-1, dimensions)


def _positive(spread: Floats, alpha_t: float, sigma_t: float) -> Floats:
    """The variances of p_t, if it has a density."""
    if not np.all(spread > 0):
        raise SolvergenError(
            f"at alpha = {alpha_t}, sigma = {sigma_t} the least variance of x_t is {spread.min()}; "
            "expected > 0: give the data a positive variance, or stop where sigma > 0"
        )
    return spread
