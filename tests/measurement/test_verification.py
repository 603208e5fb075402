"""What users' tests assert holds where it should and fails, with its table, where it should not."""

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sympy

import solvergen as sg
from solvergen import targets
from solvergen.measurement import derivation
from solvergen.measurement.verification import (
    assert_agrees,
    assert_coefficients,
    assert_derivation,
    assert_order,
)

FLOW = ("rectified_flow", "flow", "data", "half_log_snr", "multistep:3")
OF_DATA = ("rectified_flow", "data", "data", "half_log_snr", "multistep:3")
VP = ("vp_alphabar", "noise", "data", "half_log_snr", "multistep:3")
VE = ("ve", "data", "data", "half_log_snr", "multistep:3")


def module(choice: tuple[str, ...], target: str) -> ModuleType:
    return sg.compile(sg.Solver(*choice), target)


def changed(one: ModuleType, **names: Any) -> Any:
    """A module in which something is not as solvergen wrote it."""
    return SimpleNamespace(**{**vars(one), **names})


@pytest.mark.slow_but(2)
@pytest.mark.parametrize(
    ("choice", "target"),
    [(OF_DATA if one == "k-diffusion" else FLOW, one) for one in targets.names()],
    ids=targets.names(),
)
def test_every_target_is_measured(choice: tuple[str, ...], target: str) -> None:
    one = module(choice, target)
    starts_with_ramp = targets.get(target).counts_steps
    assert_order(one, 2 if starts_with_ramp else 3)
    assert_coefficients(one)
    same = (*FLOW[:-1], "multistep:3:ramp") if starts_with_ramp else FLOW
    assert_agrees(one, module(same, "numba"))


@pytest.mark.parametrize("name", ["vp_linear", "ve_geometric", "trigonometric", "flow_shifted"])
def test_derivations_hold(name: str) -> None:
    assert_derivation(name)
    assert_derivation(sg.schedules.get(name))


def test_one_solver_on_two_schedules_agrees() -> None:
    """x_0 + rho eps, scaled by alpha; the targets and the predictions differ too."""
    assert_agrees(module(VP, "diffusers"), module(VE, "k-diffusion"))


def test_different_solvers_do_not_agree() -> None:
    second = (*FLOW[:-1], "multistep:2")
    with pytest.raises(AssertionError, match="does not hold") as failure:
        assert_agrees(module(FLOW, "numpy"), module(second, "numpy"))
    table = str(failure.value)
    assert "multistep:3 on rectified_flow (numpy) agrees with multistep:2" in table
    assert table.count("FAILED") == 3
    assert "sample in 20 steps" in table
    assert "1e-10" in table


def test_a_wrong_order_is_told() -> None:
    """Both a false statement and a false claim."""
    one = module(FLOW, "numpy")
    with pytest.raises(AssertionError, match=r"order, asserted +2 +states 3 +FAILED"):
        assert_order(one, 2)
    with pytest.raises(AssertionError, match=r"order, measured +4 \+- 0.15 +\d\.\d+ +FAILED"):
        assert_order(changed(one, ORDER=4), 4)


def test_wrong_coefficients_are_told() -> None:
    one = module(FLOW, "numpy")

    def coefficients(timesteps: Any) -> np.ndarray:
        return one.coefficients(timesteps) * (1 + 1e-9)

    with pytest.raises(
        AssertionError, match=r"coefficients +error <= 1e-12 +\d\.\de-0?\d+ +FAILED"
    ):
        assert_coefficients(changed(one, coefficients=coefficients))
    with pytest.raises(AssertionError, match=r"sigma\(t\) .* FAILED"):
        assert_coefficients(changed(one, sigma=lambda t: np.asarray(t) * 1.001))


def test_a_wrong_derivation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = sg.NoiseSchedule("1 - t**2", "t", name="parabola")
    monkeypatch.setitem(vars(schedule), "g_squared", sympy.Integer(2) * sg.t)
    with pytest.raises(AssertionError, match=r"g\^2 = \(sigma\^2\)' - 2 f sigma\^2 .* FAILED"):
        assert_derivation(schedule)


def test_integrands_without_a_closed_form_are_left_out() -> None:
    names = [one.name for one in derivation.of(sg.schedules.sub_vp())]
    assert "velocity: M0' = a M0 + b" not in names
    assert "velocity: Phi' = a Phi" in names
    assert "data: M0' = a M0 + b" in names
