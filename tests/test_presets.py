"""Published solvers by name: they exist, say what they are, and have the order of their paper."""

import pytest
from typer.testing import CliRunner

import solvergen as sg
from solvergen import presets
from solvergen.cli import app

FAMILIES = {
    "deis_tab_1": 1, "deis_tab_4": 4, "deis_rho_ab_3": 3, "ab_5": 5, "am_4": 4, "unip_2_bh1": 2,
    "unip_3": 3, "unipc_2_bh1": 3, "unipc_2_bh2": 3, "unipc_3": 4,
    "unipc_3_bh2_as_published": 3, "deis_tab_4_as_published": 2,
}  # fmt: skip
FIXED = {
    "ddim": 1, "dpm_solver_2": 2, "dpm_solver_3": 3, "dpm_solver_3m": 3, "dpm_solver_pp_3s": 3,
    "dpm_solver_pp_2m_midpoint": 2, "dpm_solver_pp_3m": 3, "dpm_solver_pp_3m_as_published": 2,
    "deis_rho_rk4": 4, "edm_heun": 2, "flow_midpoint": 2, "lms": 4, "lms_as_published": 2,
    "ipndm": 4, "ipndm_as_published": 1, "res_3s": 3, "hochbruck_ostermann": 4,
}  # fmt: skip


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
