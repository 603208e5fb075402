"""Published solvers by name: they exist, say what they are, and have the order of their paper."""

from fractions import Fraction

import pytest
from typer.testing import CliRunner

import solvergen as sg
from solvergen.cli import app
from solvergen.program import lowering, order
from solvergen.specification import presets

FAMILIES = {
    "deis_tab_1": 1, "deis_tab_4": 4, "deis_rho_ab_3": 3, "ab_5": 5, "am_4": 4, "unip_2_bh1": 2,
    "unip_3": 3, "unipc_2_bh1": 3, "unipc_2_bh2": 3, "unipc_3": 4,
    "unipc_3_bh2_as_published": 2, "unip_3_as_published": 2, "deis_tab_4_as_published": 2,
    "deis_log_rho_ab_3": 3, "deis_log_rho_ab_3_as_published": 2, "zab_3": 3, "vab_4": 4,
    "zeab_3_as_published": 2, "xeab_4": 4, "reab_3": 3,
}  # fmt: skip
FIXED = {
    "dpm_solver_12": 2, "dpm_solver_23": 3,
    "ddim": 1, "dpm_solver_1": 1, "dpm_solver_2": 2, "dpm_solver_2_exact": 2, "dpm_solver_2m": 2,
    "dpm_solver_2m_midpoint": 2, "dpm_solver_3m_as_published": 2, "dpm_solver_pp_2s": 2,
    "dpm_solver_pp_2s_midpoint": 2, "dpm_solver_pp_3s_midpoint": 3, "dpm_solver_pp_3s_heun": 3,
    "dpm_solver_pp_2m": 2, "deis_rho_heun": 2, "deis_rho_kutta3": 3, "edm_euler": 1,
    "edm_heun_as_published": 2, "flow_euler": 1, "flow_heun": 2, "res_2s": 2, "res_2m": 2,
    "res_3m": 3, "res_3m_as_published": 1, "skrample_rk3": 3, "skrample_rk3_as_published": 2,
    "skrample_rk4": 4, "skrample_rk4_as_published": 2, "cox_matthews": 4, "krogstad": 4,
    "strehmel_weiner": 4, "dpm_solver_3": 3, "dpm_solver_3m": 3, "dpm_solver_pp_3s": 3,
    "dpm_solver_pp_2m_midpoint": 2, "dpm_solver_pp_3m": 3, "dpm_solver_pp_3m_as_published": 2,
    "deis_rho_rk4": 4, "edm_heun": 2, "flow_midpoint": 2, "lms": 4, "lms_as_published": 2,
    "ipndm": 4, "ipndm_as_published": 1, "res_3s": 3, "hochbruck_ostermann": 4,
}  # fmt: skip
NOISY = {
    "ddpm": 1, "euler_ancestral": 1, "lcm": None, "sde_dpm_solver_pp_1": 1,
    "sde_dpm_solver_pp_2m": 2, "sde_dpm_solver_pp_2m_midpoint": 2, "sde_dpm_solver_pp_3m": 2,
    "sde_dpm_solver_pp_3m_as_published": 2, "seeds_2": 2, "seeds_3": 2, "flow_sde": 2,
    "edm_stochastic": 2, "er_sde_1": 1, "er_sde_2": 2, "er_sde_3": 2, "sa_solver_1_1": 2,
    "sa_solver_2_2": 2, "sa_solver_2_3": 2, "sa_solver_3_3": 2,
}  # fmt: skip
"""The weak orders of those with noise."""


@pytest.mark.parametrize("name", [*presets.fixed_names(), *FAMILIES])
def test_reads_back_from_its_specification(name: str) -> None:
    spec = presets.get(name, "rectified_flow", sg.FLOW)
    again = sg.from_specification(spec.specification)
    assert again == spec
    assert presets.find(name).source in str(presets.find(name))
    assert spec.scheme.source == presets.find(name).source


@pytest.mark.parametrize(("name", "expected"), [*FIXED.items(), *FAMILIES.items()])
def test_order(name: str, expected: int) -> None:
    assert presets.get(name, "rectified_flow", sg.FLOW).order == expected


@pytest.mark.slow_but(5)
@pytest.mark.parametrize(("name", "expected"), NOISY.items())
def test_weak_order(name: str, expected: int | None) -> None:
    report = presets.get(name, "rectified_flow", sg.FLOW).weak_report
    assert (report and report.order) == expected


def test_every_fixed_preset_is_listed_with_its_order() -> None:
    families = {name for name in NOISY if name.startswith(("er_sde", "sa_solver"))}
    assert {*FIXED, *NOISY} - families == set(presets.fixed_names())


def test_sa_solver_corrects_through_what_was_read() -> None:
    assert presets.find("sa_solver_2_3").scheme == (
        "1:{0} | 0<-1:{0,-1}; 1:{0,-1} | 0<-1:{0,-1,-2}; 1:{0,-1} | 0<-1:{0,-1,-2,-3}; 1:{0,-1}"
    )
    with pytest.raises(sg.SolvergenError, match="at least as many"):
        presets.find("sa_solver_3_2")


def test_weights_for_equal_steps_have_one_order_more_on_them() -> None:
    """What the published code of res_3m and ipndm has, on the grids that its weights are for."""
    for name, main in (("res_3m_as_published", 2), ("ipndm_as_published", 4)):
        lowered = lowering.lower(presets.get(name, "vp_linear").scheme)
        same_clock = name.startswith("ipndm")
        assert order.report(lowered, same_clock, ratios=order.EVEN).main == main
        assert order.report(lowered, same_clock).main == 1


@pytest.mark.parametrize("ratio", [Fraction(1), Fraction(7, 5)])
def test_res_3m_with_the_published_gamma(ratio: Fraction) -> None:
    """Its weights from c_2, c_3 of equal steps, b_3 = phi_2/(gamma c_2 + c_3), b_2 = gamma b_3."""
    c2, c3 = -ratio, -2 * ratio
    gamma = (3 * c3**3 - 2 * c3) / (c2 * (2 - 3 * c2))
    b3 = 1 / (gamma * c2 + c3)
    main = presets.get("res_3m_as_published", "vp_linear").scheme.main.stages[-1]
    found = [{one.power: one.coefficient for one in row} for row in main.rule.rows]
    expected = [{0: Fraction(1), 1: -(1 + gamma) * b3}, {1: gamma * b3}, {1: b3}]
    assert (found == expected) == (ratio == 1)


def test_command_line(tmp_path) -> None:
    path = tmp_path / "solver.py"
    options = ["--schedule", "rectified_flow", "--prediction", "flow", "--preset", "unipc_2_bh2"]
    done = CliRunner().invoke(app, ["compile", *options, "--target", "numpy", "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert "unipc:2:bh2, order 3" in done.output
    assert "2302.04867" in path.read_text()
    listed = CliRunner().invoke(app, ["list", "presets"]).output
    assert all(name in listed for name in presets.names())


def test_refused() -> None:
    with pytest.raises(sg.SolvergenError, match="unknown preset 'am_3_as_published'"):
        presets.get("am_3_as_published", "ve")
    both = ["compile", "--schedule", "ve", "--preset", "ddim", "--scheme", "heun", "-o", "x.py"]
    found = CliRunner().invoke(app, both)
    assert isinstance(found.exception, sg.SolvergenError)
    assert "drop --preset" in str(found.exception)
