"""The computed order is the measured one: of every preset and scheme by name, on an exact mixture
and on digits, on uneven steps, start-up and last step included; and every target takes these steps.

Above order 4 float64 runs out of digits on the mixture: test_high_orders goes on to order 8.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from measured import HIGH_ORDERS, METHODS, digits, mixture

TOLERANCE = 0.15
ON_MIXTURE = {1: 160, 2: 160, 3: 160, 4: 80, 5: 20, 6: 20, 8: 10}
ON_DIGITS = {1: 40, 2: 40, 3: 40, 4: 80, 5: 20, 6: 20, 8: 5}
"""From how many steps to twice as many, by order: after the rate has settled, before rounding."""
MORE_STEPS = {
    "dpm_solver_pp_2m_midpoint": 160, "lms_as_published": 160, "res_3m_as_published": 320,
    "deis_tab_3": 80, "deis_rho_ab_3_as_published": 160, "unip_2_bh2": 160, "reab_3": 80,
    "multistep:3:exact:ramp": 160, "pece:2": 80, "unipc:4:bh2": 40, "singlestep:5": 20,
    "pece:4": 40, "general_linear:5:2": 80, "multistep:6": 80, "multistep:7": 80,
    "unipc:6:bh2": 80,
}  # fmt: skip
"""On digits, for methods whose second term is large beside the leading one, and high orders."""
TOO_ACCURATE = ("dormand_prince", "fehlberg8")
"""Their leading terms are so small that float64 ends before the rate settles: test_high_orders."""
IN_FLOAT64 = [name for name in METHODS if name not in (*TOO_ACCURATE, *HIGH_ORDERS)]


BOTH = [(name, problem) for name in IN_FLOAT64 for problem in ("mixture", "digits")]
"""A method's two problems side by side, so that one worker emits it for both."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "problem"), [*BOTH, *((name, "digits") for name in HIGH_ORDERS)])
def test_order_is_the_computed_one(name: str, problem: str) -> None:
    order = METHODS[name].solver.order
    if problem == "mixture":
        rate = mixture().rate(name, ON_MIXTURE[order])
    else:
        rate = digits().rate(name, MORE_STEPS.get(name) or ON_DIGITS[order])
    assert abs(rate - order) <= TOLERANCE


@pytest.mark.slow
def test_every_target_takes_these_steps() -> None:
    """numba and torch end where numpy does, to rounding."""
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parents[1] / "every_target.py")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == len({method.scheme for method in METHODS.values()})
    for name, by_target in found.items():
        for target, difference in by_target.items():
            assert difference < 1e-13, (name, target)
