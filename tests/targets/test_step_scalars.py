"""What phases read of a step is computed once for all steps of a run."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import solvergen as sg

STEPS = 9


def counted(module: Any, calls: Counter[str], name: str) -> Callable[..., Any]:
    """A function of a module, whose calls on the steps of the whole grid are counted."""
    function = getattr(module, name)

    def call(*arguments: Any) -> Any:
        sizes = {np.size(one) for one in arguments}
        calls[name] += STEPS in sizes
        return function(*arguments)

    return call


@pytest.mark.parametrize(
    "scheme", ["multistep:3", "multistep:6:ramp", "unipc:2", "general_linear:3"]
)
@pytest.mark.parametrize("name", ["vp_linear", "vp_cosine", "ve"])
def test_scalars_of_steps_are_computed_once(name: str, scheme: str) -> None:
    module = sg.compile(sg.Solver(name, "noise", "data", scheme=scheme), "numpy")
    low, high = module.T_MIN, module.T_MAX
    grid = np.linspace(low + 0.9 * (high - low), low + 0.1 * (high - low), STEPS + 1)
    expected, calls = module.coefficients(grid), Counter[str]()
    own = vars(module)
    functions = [one for one in ("_length", "_conversion", "_factor", "_moment") if one in own]
    for one in functions:
        setattr(module, one, counted(module, calls, one))
    np.testing.assert_array_equal(module.coefficients(grid), expected)
    assert calls == dict.fromkeys(functions, 1)


@pytest.mark.parametrize("scheme", ["singlestep:2", "dpm_23"])
def test_a_run_of_one_phase_computes_its_own(scheme: str) -> None:
    text = sg.emit(sg.Solver("trigonometric", "noise", "data", "time", scheme), "numpy")
    assert "_steps(" not in text
    assert "def _main(t, s):" in text
