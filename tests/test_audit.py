"""Presets against the libraries that publish the same steps, and the orders that those leave."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("diffusers", reason='pip install "solvergen[audit]"')
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
audit = pytest.importorskip("audit")

AGREEING = [peer for peer in audit.PEERS if peer.published]
FLOAT32 = 2e-6
BELOW_CLAIM = {
    "diffusers DPM++ 3M": 2,
    "azula REAB, order 2": 1,
    "azula REAB, order 3": 1,
}


@pytest.mark.parametrize("peer", AGREEING, ids=lambda peer: peer.name)
def test_same_steps(peer) -> None:
    theirs, ours, exact = audit.samples(peer, peer.published, 20)
    assert np.abs(theirs - ours).max() < FLOAT32
    assert audit.error(ours, exact) > 100 * FLOAT32


@pytest.mark.parametrize("name", BELOW_CLAIM)
def test_order_that_a_defect_leaves(name: str) -> None:
    """The library is below its claim, our preset reaches it."""
    if name.startswith("azula"):
        pytest.importorskip("azula")
    (peer,) = (one for one in audit.PEERS if one.name == name)
    (row,) = audit.audit((peer,))
    assert abs(audit.rate(row.theirs, peer.floor) - BELOW_CLAIM[name]) <= 0.15
    assert abs(audit.rate(row.ours, audit.FLOAT64) - peer.claimed) <= 0.15
    assert row.order == peer.claimed
