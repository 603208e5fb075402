"""The samplers of diffusers that add noise, measured by their own code."""

import numpy as np
import pytest

from solvergen.reports.audit import stochastic

KNOWN = {
    "sde-dpmsolver++ 1": (1, (-41.5, -24.6, -11.0)),
    "sde-dpmsolver++ 2 midpoint": (2, (5.2, 2.5, 0.44)),
    "sde-dpmsolver++ 3": (1, (20.2, 12.4, 4.6)),
    "singlestep sde-dpmsolver++ 2": (1, (-48.7, -33.6, -18.1)),
    "DPMSolverSDE, one path": (2.1, (-21.7, -6.8, -1.04)),
    "DPMSolverSDE, independent normals": (0.9, (-48.7, -33.6, -18.05)),
    "SASolver 3/3": (2, (16.2, 1.1, 0.16)),
}


@pytest.mark.parametrize("title", KNOWN)
def test_laws_of_their_chains(title: str) -> None:
    (peer,) = (one for one in stochastic.peers() if one.title == title)
    (row,) = stochastic.audit((peer,))
    rate, errors = KNOWN[title]
    assert abs(row.rate - rate) < 0.15
    np.testing.assert_allclose(row.errors, errors, rtol=0.04)
    assert abs(row.our_rate - row.weak_order) < 0.15
    assert title in stochastic.markdown([row])
    assert stochastic.table([row]).row_count == 1


def test_equal_methods_have_equal_laws() -> None:
    """Where their code takes the right steps, ours are the same."""
    chosen = [
        one
        for one in stochastic.peers()
        if one.title.startswith(("Euler", "sde-dpmsolver++ 2", "SASolver 3/4"))
    ]
    for row in stochastic.audit(tuple(chosen)):
        np.testing.assert_allclose(row.errors, row.our_errors, rtol=1e-3)
