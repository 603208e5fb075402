"""The slope that a page says it measured is that of the error, where it has settled."""

import numpy as np
import pytest

import solvergen as sg
from solvergen.compiler import load_text
from solvergen.reports import page_pictures as pictures
from solvergen.reports.page_pictures import Measured
from solvergen.targets import rendering


@pytest.mark.parametrize("order", range(1, 9))
@pytest.mark.parametrize("late", [0.5, 40.0])
def test_slope_of_a_power(order: int, late: float) -> None:
    """C h^p (1 + late h) and rounding, which grows with the steps."""
    random = np.random.default_rng(order)

    def run(steps: int) -> float:
        rounding = 1e-15 * random.standard_normal() * max(1, steps / 64) ** 0.5
        return abs(50.0 * (2 / steps) ** order * (1 + late / steps) + rounding)

    found = Measured.of(run)
    share = late / found.steps[-1]
    assert abs(-found.slope - order) < 0.02 + 1.5 * share
    assert share < 0.06 or found.to_rounding
    assert found.to_rounding == (found.words.endswith("down to rounding"))
    assert found.errors.min() > pictures.FLOOR


def test_runs_without_a_solution_are_left_out() -> None:
    """Of an implicit equation, with few steps; its tolerance is a floor too."""

    def run(steps: int) -> float:
        if steps < 20:
            raise RuntimeError("not solved")
        return max(steps**-4.0, 1e-9)

    found = Measured.of(run, floor=1.1e-9)
    assert found.steps[0] == 24
    assert abs(found.slope + 4) < 1e-9


ORDERS = {
    "Adams-Bashforth": ("rectified_flow", "flow", "flow", "time", "multistep:4"),
    "to rounding": ("rectified_flow", "flow", "flow", "time", "fehlberg8"),
    "implicit": ("rectified_flow", "flow", "flow", "time", "trapezoidal:tol=1e-12"),
    "fifth": ("rectified_flow", "flow", "data", "time", "multistep:5"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_slope_is_the_order(name: str) -> None:
    """Also where 128 steps say 5 of a fourth order, or 3.1 of an eighth, which is rounding."""
    solver = sg.Solver(*ORDERS[name])
    module = load_text(rendering.render(solver, "numpy", ""), name)
    found = pictures.measure(solver, module)
    assert abs(-found.slope - solver.order) < (0.6 if name == "to rounding" else 0.15)
    assert (name == "to rounding") <= found.to_rounding
    picture = pictures.measured_picture(found, solver.order)
    assert picture.startswith(b"<?xml")
