"""Pages of solvers with noise: the third clock, the weak order, and the law of runs."""

import pytest

import solvergen as sg
from solvergen.errors import SolvergenError
from solvergen.reports import page


def test_page_shows_the_clock_of_the_noise_and_its_weak_order() -> None:
    solver = sg.presets.get("sde_dpm_solver_pp_2m", "vp_linear")
    text = page.text(solver, moments=0)
    for name in (
        "a(t)",
        "R(t)",
        "q(t)",
        "v(t)",
        "K(t)",
        "kappa",
        "nu(t, s)",
        "weak order 2",
    ):
        assert name in text
    assert "weak order 2" in page.latex(solver, moments=0)
    assert "nu(t, s) = sigma*sqrt(1 - exp(-2*eta**2*h))    (h = lambda_t - lambda_s)" in text
    assert "root of an integral" not in text


def test_page_of_churn_says_where_a_step_starts() -> None:
    solver = sg.Solver("rectified_flow", "flow", "data", scheme="heun", stochasticity="churn: h")
    text = page.text(solver, moments=0)
    for words in (
        "lambda_r",
        "kappa    = h",
        "weak order 2",
        "Forward noising keeps the marginals",
    ):
        assert words in text
    whole = page.page(solver)
    assert "weak order of a run" in whole
    assert "2, proved; measured 2.0" in whole or "2, proved; measured 1.9" in whole


def test_what_no_order_is_claimed_of_has_no_page() -> None:
    solver = sg.presets.get("lcm", "vp_linear")
    assert "no order is claimed" in page.text(solver, moments=0)
    with pytest.raises(SolvergenError, match="none is claimed"):
        page.page(solver)
