"""The rule of the emitted quadrature: what it integrates exactly, and how it is chosen."""

import mpmath
import pytest

import solvergen as sg
from solvergen.algebra import precision
from solvergen.scalars.quadrature import POINTS, UNMEASURED, choose, gauss, gauss_below


@pytest.mark.parametrize("points", POINTS)
def test_rule_is_exact_for_polynomials(points: int) -> None:
    """On [0, 1] up to degree 2n - 1, and up to a node for degree n - 1."""
    with mpmath.workdps(60):
        (nodes, weights), integral = gauss(points, 60), gauss_below(points, 60)
        for k in (0, 1, points, 2 * points - 1):
            found = mpmath.fdot(weights, [x**k for x in nodes])
            assert abs(found * (k + 1) - 1) < mpmath.mpf(10) ** -50
        beyond = mpmath.fdot(weights, [x ** (2 * points) for x in nodes])
        assert abs(beyond * (2 * points + 1) - 1) > mpmath.mpf(10) ** -40
        for x, column in zip(nodes, integral, strict=True):
            found = mpmath.fdot(column, [y ** (points - 1) for y in nodes])
            assert abs(found - x**points / points) < mpmath.mpf(10) ** -50


def test_smooth_rates_need_fewer_points_than_those_with_near_poles() -> None:
    """On edm all rates are exponentials, but theta has poles at lambda = +-i pi/2."""
    rules = {
        expansion: choose(sg.Solver("edm", sg.DATA, sg.DATA, expansion).weights)
        for expansion in ("half_log_snr", "theta")
    }
    assert rules["half_log_snr"].points < rules["theta"].points
    assert all(one.error <= precision.QUADRATURE_ERROR for one in rules.values())


def test_what_is_not_measured_says_so() -> None:
    schedule = sg.NoiseSchedule("1 - t", "t + t**5/2", name="without_inverse")
    assert schedule.time_at_half_log_snr is None
    rule = choose(sg.Solver(schedule, sg.NOISE, sg.DATA).weights)
    assert (rule.points, rule.error) == (UNMEASURED, None)
    assert "exact arithmetic" not in str(rule)


@pytest.mark.parametrize(("expansion", "is_cut"), [("half_log_snr", False), ("time", True)])
def test_table_is_cut_at_its_kinks_where_the_time_is_read(expansion: str, is_cut: bool) -> None:
    """In u, which the table interpolates, its schedule is smooth; t is piecewise linear in u."""
    spec = sg.Solver("stable_diffusion", sg.NOISE, sg.DATA, expansion, "multistep:3")
    rule = choose(spec.weights)
    assert rule.is_cut == is_cut
    assert rule.error <= precision.QUADRATURE_ERROR
    source = sg.emit(spec, "numpy")
    assert ("_KINKS" in source) == is_cut
    assert "_rise(" in source


@pytest.mark.usefixtures("certified")
def test_module_says_its_rule() -> None:
    spec = sg.Solver("edm", sg.DATA, sg.DATA, "theta", "multistep:3")
    text = " ".join(sg.emit(spec, "numpy").split())
    points = choose(spec.weights).points
    assert f"Means over q: {points}-point Gauss-Legendre quadrature, in exact" in text
    assert f"leggauss({points})" in text
