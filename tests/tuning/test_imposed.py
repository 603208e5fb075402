"""Grids of clients: their noise levels as times, and the method alone chosen on them."""

import json
import shlex

import numpy as np
import pytest
from searches import tuned

import solvergen as sg
from solvergen.errors import SolvergenError
from solvergen.measurement import client_grids
from solvergen.measurement.client_grids import Levels
from solvergen.runs.scalars import ScheduleValues
from solvergen.schedules import named
from solvergen.tuning.imposed import Imposed


def levels_of(schedule, times, is_flow):
    """sigma/alpha or sigma, by the schedule's own formulas."""
    _, alpha, sigma, *_ = ScheduleValues(named.get(schedule)).at(np.array(times))
    return sigma if is_flow else sigma / alpha


@pytest.mark.parametrize("schedule", ["vp_linear", "vp_cosine", "ve", "vp_alphabar", "edm"])
def test_times_have_the_levels_of_the_client(schedule):
    sigmas = [14.6, 7.3, 2.5, 0.8, 0.11, 0.029]
    found = Imposed.of(schedule, 6, sigmas=sigmas)
    assert found.name == "given"
    np.testing.assert_allclose(levels_of(schedule, found.times, False), sigmas, rtol=1e-11)


def test_levels_of_a_flow_are_sigma():
    sigmas = [1.0, 0.9, 0.5, 0.02, 0.0]
    shifted, even = (
        Imposed.of(one, 4, sigmas=sigmas) for one in ("flow_shifted", "rectified_flow")
    )
    np.testing.assert_allclose(even.times, sigmas, atol=1e-15)
    np.testing.assert_allclose(levels_of("flow_shifted", shifted.times, True), sigmas, atol=1e-14)
    assert (shifted.times[0], shifted.times[-1]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("schedule", "grid", "levels"),
    [
        ("ve", "comfyui:karras", Levels.eps()),
        ("vp_alphabar", "diffusers:trailing", Levels.eps()),
        ("rectified_flow", "comfyui:simple", Levels.flow(3.0)),
        ("rectified_flow", "comfyui:beta:1.15", Levels.flow(1.15)),
        ("flow_shifted", "diffusers:uniform", Levels.flow(3.0)),
    ],
)
def test_grids_by_name_are_those_of_the_client(schedule, grid, levels):
    found = Imposed.of(schedule, 9, grid=grid)
    expected = client_grids.grid(levels, grid.split(":")[1], 9)
    assert found.name == grid
    is_flow = levels.kind == "flow"
    np.testing.assert_allclose(levels_of(schedule, found.times, is_flow), expected, rtol=1e-10)


def test_the_last_step_of_a_client_to_zero_goes_where_the_schedule_ends_before():
    found = Imposed.of("stable_diffusion", 8, grid="comfyui:karras")
    expected = client_grids.grid(Levels.eps(), "karras", 8)[:-1]
    np.testing.assert_allclose(levels_of("stable_diffusion", found.times, False), expected)
    with pytest.raises(SolvergenError, match="level 0 at place 2"):
        Imposed.of("stable_diffusion", 8, sigmas=[3.0, 0.5, 0.0])


def test_a_client_that_takes_a_step_more_is_called_as_often():
    choice = sg.choose("ve", "data", 6, shape=(4,), grid="comfyui:ddim_uniform")
    assert choice.evaluations == 7
    assert choice.best.run.evaluations == 7
    assert len({one.candidate.timesteps for one in choice.trials}) == 1
    assert "--spacing" not in choice.command
    assert "on the grid comfyui:ddim_uniform." in str(choice)


def test_tune_takes_levels():
    sigmas = [1.0, 0.85, 0.5, 0.2, 0.05, 0.0]
    found = tuned(sigmas=sigmas, against=["flow_euler"])
    np.testing.assert_allclose(found.timesteps, sigmas, atol=1e-15)
    assert [name for name, *_ in found.report.stages] == ["published", "methods"]
    assert found.report.tuned.score.geometric_mean <= found.report.lines[2].score.geometric_mean


@pytest.mark.parametrize(
    ("schedule", "options", "words"),
    [
        ("ve", {"sigmas": [90.0, 1.0, 0.1]}, "level 90 at place 0 .* from 80 to 0"),
        ("edm", {"sigmas": [9.0, 1.0, 0.001]}, "level 0.001 at place 2"),
        ("rectified_flow", {"sigmas": [14.6, 0.5, 0.0]}, "expected sigma from 1 to 0"),
        ("ve", {"sigmas": [1.0, 2.0, 3.0]}, "decreasing noise levels"),
        ("ve", {"sigmas": [3.0, np.nan, 0.0]}, "decreasing noise levels"),
        ("ve", {"sigmas": [3.0]}, "2 or more"),
        ("ve", {"sigmas": [3.0, -1.0]}, "level -1 at place 1"),
        ("ve", {"sigmas": np.linspace(9, 0, 9)}, "a grid of 8 steps.*for 5 eval"),
        ("ve", {"grid": "comfyui:karas"}, "Did you mean 'comfyui:karras'"),
        ("ve", {"grid": "confyui:karras"}, "Did you mean 'comfyui:karras'"),
        ("ve", {"grid": "karras"}, "expected one of comfyui:simple"),
        ("ve", {"grid": "comfyui:leading"}, "unknown grid"),
        ("ve", {"grid": "diffusers:flow_match_euler"}, "unknown grid"),
        ("ve", {"grid": "comfyui:karras:3"}, "expected no shift"),
        ("rectified_flow", {"grid": "comfyui:karras:0"}, "expected a positive shift"),
        ("rectified_flow", {"grid": "comfyui:karras:x"}, "expected a positive shift"),
        ("ve", {"grid": "comfyui:karras", "sigmas": [1.0, 0.0]}, "more than one"),
        (sg.schedules.ve(5), {"grid": "comfyui:karras"}, "none of the schedule"),
    ],
)
def test_what_is_no_grid_of_a_schedule_is_one_error(schedule, options, words):
    with pytest.raises(SolvergenError, match=words):
        Imposed.of(schedule, 5, **options)


@pytest.mark.parametrize("kind", ["txt", "npy", "json"])
def test_a_file_of_levels_says_how_many_steps(run, tmp_path, kind):
    sigmas = [14.6146, 3.0, 0.6, 0.0]
    path = tmp_path / f"levels.{kind}"
    if kind == "npy":
        np.save(path, np.array(sigmas))
    else:
        path.write_text(json.dumps(sigmas) if kind == "json" else "\n".join(map(str, sigmas)))
    options = ["--schedule", "ve", "--prediction", "data", "--shape", "2"]
    code, output, _ = run("choose", *options, "--sigmas", path.name)
    assert code == 0
    assert output.startswith("3 evaluations, ve, data")
    command = next(one.strip() for one in output.splitlines() if "solvergen compile" in one)
    code, *_ = run(*shlex.split(command)[1:])
    assert code == 0


def test_json_that_is_no_list_of_numbers_is_refused(run, tmp_path):
    for text in ('{"a": 1}', '["x"]', "[1, 2", "[[1], [2, 3]]"):
        (tmp_path / "levels.json").write_text(text)
        code, output, error = run("choose", "--schedule", "ve", "--sigmas", "levels.json")
        assert (code, output) == (2, "")
        assert error.count("\n") == 1
