"""Networks of all kinds: half precision, JAX, batches."""

import jax
import numpy as np
import pytest
import torch
from jax import numpy as jnp
from searches import METHODS, MIXTURE, tuned

import solvergen as sg
from solvergen.tuning.grid_fit import precision_of
from solvergen.tuning.stages import Effort

GRID_NOISE = np.random.default_rng(0).standard_normal((42, 3))


QUICK = {
    "search": METHODS[:1],
    "evaluations": 3,
    "effort": Effort(((4, 3), (None, 2)), (1,), (1,), precision_of("float32")),
}


class Half(torch.nn.Module):
    """The exact flow of N(0, 1/4), in half precision: what it is given and what it returns."""

    def __init__(self, dtype):
        super().__init__()
        self.quarter = torch.nn.Parameter(torch.tensor(0.25, dtype=dtype))
        self.seen = set()

    def forward(self, x, t):
        self.seen.add((x.dtype, len(x)))
        a, s = 1 - t, t
        kept = a * a * self.quarter + s * s
        return x * ((s - a * self.quarter) / kept)


def test_a_network_in_half_precision_is_asked_in_it_and_summed_in_float32():
    dtype = torch.bfloat16
    network = Half(dtype)
    found = tuned(network, shape=(3,), **QUICK)
    assert {kind for kind, _ in network.seen} == {dtype}
    report = found.report
    assert 0 < report.difference < 0.05
    assert report.tuned.score.geometric_mean < 0.05
    best = min(one.geometric_mean for _, one, _ in report.stages)
    assert best <= report.stages[0][1].geometric_mean
    module = found.compile("torch")
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    exact = 0.5 * x  # N(0, 1) flows to N(0, 1/4)
    got = module.sample(lambda y, t: network(y.to(dtype), t).float(), x)
    assert (got - exact).abs().max() < 0.1


def test_jax():
    """A jitted function, of noise that numpy made."""
    means = jnp.asarray(MIXTURE.problem.means, dtype=jnp.float32)
    variance = float(MIXTURE.problem.variances[0])
    assert np.ptp(MIXTURE.problem.variances) == 0

    @jax.jit
    def network(x, t):
        a, s = 1 - t, t
        spread = a * a * variance + s * s
        logits = -((x[:, None] - a * means) ** 2).sum(-1) / (2 * spread)
        weights = jax.nn.softmax(logits, axis=-1)
        data = weights @ (s * s * means) / spread + a * variance * x / spread
        score = (a * data - x) / (s * s + 1e-12)
        return jnp.where(t > 0, -s * score - data, -data)

    x = GRID_NOISE.astype(np.float32)
    found = tuned(network, noise=x, **QUICK)
    assert found.report.difference < 1e-3
    assert found.report.tuned.score.geometric_mean < found.report.published.score.geometric_mean
    ours = found.compile("jax").sample(network, jnp.asarray(x[:4]))
    other = found.compile("numpy").sample(lambda y, t: MIXTURE(y, float(t)), GRID_NOISE[:4])
    np.testing.assert_allclose(np.asarray(ours), other, atol=1e-4)


@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
def test_batches_are_no_larger_than_said_and_change_nothing(library):
    seen = set()
    native = {"numpy": np.asarray, "torch": torch.tensor, "jax": jnp.asarray}[library]

    def network(x, t):
        seen.add(len(x))
        return native(MIXTURE(np.asarray(x, dtype=np.float64), float(t)).astype(np.float32))

    def once(batch):
        seen.clear()
        noise = native(GRID_NOISE.astype(np.float32))
        return tuned(network, noise=noise, coefficients="last", batch=batch, **QUICK)

    few, whole = once(5), once(None)
    assert str(few.report) == str(whole.report)
    assert few.timesteps == whole.timesteps
    once(5)
    assert max(seen) == 5


def test_an_edm_network_is_one_that_returns_the_data():
    """Preconditioned outputs are the denoised sample: prediction data, on ve or edm."""

    def network(x, t):
        return 0.25 / (0.25 + t * t) * x

    found = tuned(network, "edm", "data", shape=(3,), search=METHODS[:1], evaluations=6)
    assert found.report.tuned.score.geometric_mean < found.report.published.score.geometric_mean
    assert isinstance(found.solver, sg.Solver)
