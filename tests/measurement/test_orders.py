"""The computed order is the measured one: of every preset and scheme by name, on an exact mixture
and on digits, on uneven steps, start-up and last step included; and every target takes these steps.

Above order 4 float64 runs out of digits on the mixture: test_high_orders goes on to order 8.
"""

import numpy as np
import pytest
from measured import HIGH_ORDERS, METHODS, digits, mixture, module, uneven
from readers import TARGETS, as_target, for_target, from_target

from solvergen.compiler import load_text
from solvergen.targets import rendering

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


@pytest.mark.slow_but(60)
@pytest.mark.parametrize(("name", "problem"), [*BOTH, *((name, "digits") for name in HIGH_ORDERS)])
def test_order_is_the_computed_one(name: str, problem: str) -> None:
    order = METHODS[name].solver.order
    if problem == "mixture":
        rate = mixture().rate(name, ON_MIXTURE[order])
    else:
        rate = digits().rate(name, MORE_STEPS.get(name) or ON_DIGITS[order])
    assert abs(rate - order) <= TOLERANCE


def network(x: np.ndarray, time: float) -> np.ndarray:
    """Some smooth nonlinear function."""
    return 0.3 * np.tanh(x) - time * x / (1 + x**2)


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """numba leaves Python as it is: compiling a hundred modules takes minutes, and what is asked
    here is whether they say the same. That machine code does what its Python says,
    targets/test_targets asks of some."""
    monkeypatch.setattr(pytest.importorskip("numba").config, "DISABLE_JIT", 1)


SCHEMES = {one.scheme: name for name, one in METHODS.items()}.values()
STEPS = [
    (name, target)
    for number, name in enumerate(SCHEMES)
    for target in TARGETS
    if target in ("numba", "torch") or (target == "jax" and number % 4 == 0)
]
"""jax compiles every run, and test_jax has more."""


@pytest.mark.slow_but(48)
@pytest.mark.parametrize(("name", "target"), STEPS)
def test_every_target_takes_these_steps(name: str, target: str, interpreted: None) -> None:
    """They end where numpy does, to rounding."""
    x = np.random.default_rng(0).standard_normal((2, 5))
    emitted = load_text(rendering.render(METHODS[name].solver, target, ""), "emitted")
    given, called = as_target(target, x), for_target(target, network)
    found = from_target(target, emitted.sample(called, given, uneven(7)))
    assert np.abs(found - module(name).sample(network, x, uneven(7))).max() < 1e-13
